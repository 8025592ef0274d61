package kubed

// The groups of the Flux controllers.
const (
	sourceGroup = "source.toolkit.fluxcd.io"
	ksGroup     = "kustomize.toolkit.fluxcd.io"
	helmGroup   = "helm.toolkit.fluxcd.io"
	notifyGroup = "notification.toolkit.fluxcd.io"
	imageGroup  = "image.toolkit.fluxcd.io"
)

// The kinds that Flux 2.9 installs, with the short names of their definitions.
var (
	kustomizations = custom(ksGroup, "v1", "Kustomization", "kustomizations", generation, short("ks"),
		categories("all", "fluxcd", "fluxcd-appliers"))
	helmReleases = custom(helmGroup, "v2", "HelmRelease", "helmreleases", generation, short("hr"),
		categories("all", "fluxcd", "fluxcd-appliers"))
	gitRepositories  = source("GitRepository", "gitrepositories", short("gitrepo"))
	helmRepositories = source("HelmRepository", "helmrepositories", short("helmrepo"))
	helmCharts       = source("HelmChart", "helmcharts", short("hc"))
	ociRepositories  = source("OCIRepository", "ocirepositories", short("ocirepo"))
	buckets          = source("Bucket", "buckets")
	extArtifacts     = source("ExternalArtifact", "externalartifacts", short("ea"))
	alerts           = custom(notifyGroup, "v1beta3", "Alert", "alerts", generation, plain, categories("all", "fluxcd", "fluxcd-notifications"))
	providers        = custom(notifyGroup, "v1beta3", "Provider", "providers", generation, plain, categories("all", "fluxcd", "fluxcd-notifications"))
	receivers        = custom(notifyGroup, "v1", "Receiver", "receivers", generation, categories("all", "fluxcd", "fluxcd-notifications"))
	imageRepos       = custom(imageGroup, "v1", "ImageRepository", "imagerepositories", generation, short("imgrepo", "imagerepo"))
	imagePolicies    = custom(imageGroup, "v1", "ImagePolicy", "imagepolicies", generation, short("imgpol", "imagepol"))
	imageUpdates     = custom(imageGroup, "v1", "ImageUpdateAutomation", "imageupdateautomations", generation, short("iua", "imgupd", "imgauto"))
)

var fluxResources = []*resource{
	kustomizations, helmReleases, gitRepositories, helmRepositories, helmCharts, ociRepositories, buckets,
	extArtifacts, alerts, providers, receivers, imageRepos, imagePolicies, imageUpdates,
}

func source(kind, plural string, traits ...trait) *resource {
	traits = append([]trait{generation, categories("all", "fluxcd", "fluxcd-sources")}, traits...)
	return custom(sourceGroup, "v1", kind, plural, traits...)
}
