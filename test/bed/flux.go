package bed

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed manifests/flux.yaml
var fluxObjects string

// The Flux objects of the bed, as paths of the API server.
const (
	GitRepositoryPath      = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system"
	KustomizationInfraPath = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/infra"
	KustomizationWebPath   = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/web"
	HelmRepositoryPath     = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/helmrepositories/charts"
	HelmReleasePath        = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/gitops/helmreleases/podinfo"
)

// fluxControllers in the order of their start: the receiver of events first.
var fluxControllers = []string{"notification", "source", "kustomize", "helm"}

func (b *Bed) startFlux(ctx context.Context) error {
	if err := b.createFleet(ctx); err != nil {
		return err
	}
	if err := writeCharts(filepath.Join(b.dir, "charts")); err != nil {
		return err
	}
	if err := b.applyCRDs(ctx); err != nil {
		return err
	}
	if err := b.spawn(ctx, b.gitserve()); err != nil {
		return err
	}
	for _, name := range fluxControllers {
		if err := b.spawn(ctx, b.fluxController(name)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bed) applyCRDs(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(b.bin, "crds", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no Flux CRDs in %s (%w)", b.bin, err)
	}
	var all strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "\n---\n%s", data)
	}
	if err := b.Apply(ctx, all.String()); err != nil {
		return err
	}
	_, err = b.Kubectl(ctx, "wait", "--for=condition=established", "crd", "--all", "--timeout=60s")
	return err
}

func (b *Bed) gitserve() command {
	return command{
		name: "gitserve", bin: "gitserve",
		args: []string{
			"-addr=" + b.addr("git"), "-root=" + filepath.Join(b.dir, "git"), "-charts=" + filepath.Join(b.dir, "charts"),
		},
		env:   []string{"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1"},
		ready: b.healthy("http://" + b.addr("git") + "/fleet.git/info/refs?service=git-upload-pack"),
	}
}

// fluxController runs a controller outside of the cluster, as administrator.
func (b *Bed) fluxController(name string) command {
	events := "http://" + b.addr("notification-events") + "/"
	args := []string{
		"--enable-leader-election=false", "--watch-all-namespaces=true", "--metrics-addr=0",
		"--health-addr=" + b.addr(name+"-health"), "--log-level=info", "--log-encoding=json",
	}
	switch name {
	case "notification":
		events = b.addr("notification-events") // where it listens
		args = append(args, "--receiverAddr="+b.addr("notification-receiver"))
	case "source":
		args = append(args,
			"--storage-path="+filepath.Join(b.dir, "artifacts"),
			"--storage-addr="+b.addr("source-storage"), "--storage-adv-addr="+b.addr("source-storage"),
		)
	case "kustomize":
		args = append(args, "--requeue-dependency=2s")
	}
	return command{
		name: name + "-controller", bin: name + "-controller",
		args:  append(args, "--events-addr="+events),
		env:   []string{"RUNTIME_NAMESPACE=flux-system"},
		ready: b.healthy("http://" + b.addr(name+"-health") + "/readyz"),
	}
}

func (b *Bed) createFluxObjects(ctx context.Context) error {
	err := b.Apply(ctx, fmt.Sprintf(fluxObjects, b.GitURL(), "http://"+b.addr("git")+"/charts/"))
	if err != nil {
		return err
	}
	for _, path := range []string{KustomizationInfraPath, KustomizationWebPath, HelmReleasePath} {
		err := b.within(ctx, readyLimit, func(ctx context.Context) error {
			_, err := b.settled(ctx, path, "True", "")
			return err
		})
		if err != nil {
			return fmt.Errorf("%w%s", err, tail(b.LogFile("kustomize-controller"), 5))
		}
	}
	b.log("Flux has everything in sync")
	return nil
}

// settled returns the message of an object's Ready condition, or an error if that
// has not the status for the present generation and, if one is given, the revision.
func (b *Bed) settled(ctx context.Context, path, status, revision string) (string, error) {
	var o conditioned
	if err := b.Get(ctx, path, &o); err != nil {
		return "", err
	}
	ready := o.get("Ready")
	switch {
	case ready.Status != status:
	case o.Status.ObservedGeneration != o.Metadata.Generation:
	case revision != "" && o.Status.LastAttemptedRevision != revision:
	default:
		return ready.Message, nil
	}
	return "", fmt.Errorf("%s is Ready=%s (%s: %s) at %s, wanted Ready=%s at %s", o.Metadata.Name,
		ready.Status, ready.Reason, ready.Message, o.Status.LastAttemptedRevision, status, revision)
}

// AwaitReady waits until a Flux object's Ready condition has the status "True" or
// "False", and, if revision is not "", that revision was attempted. It returns the
// condition's message.
func (b *Bed) AwaitReady(ctx context.Context, path, status, revision string) (message string, err error) {
	err = poll(ctx, func(ctx context.Context) error {
		message, err = b.settled(ctx, path, status, revision)
		return err
	})
	return message, err
}

// Push writes files (path in the repository to content), commits and pushes them
// to the fleet repository, and makes the GitRepository look at once, as a webhook
// would. It returns the revision, "main@sha1:...", without waiting for Flux.
func (b *Bed) Push(ctx context.Context, message string, files map[string]string) (string, error) {
	revision, err := b.commit(ctx, message, files)
	if err != nil {
		return "", err
	}
	return revision, b.Reconcile(ctx, GitRepositoryPath)
}

// PushBroken pushes a commit with which the Kustomization web cannot be built, and
// returns its revision.
func (b *Bed) PushBroken(ctx context.Context) (string, error) {
	return b.Push(ctx, "web: name a file that is not there", map[string]string{webFile: webBroken})
}

// PushFix pushes a commit that mends what PushBroken broke, and returns its revision.
func (b *Bed) PushFix(ctx context.Context) (string, error) {
	return b.Push(ctx, "web: mend it", map[string]string{webFile: webGood})
}

// Reconcile asks Flux to reconcile an object, as flux reconcile does.
func (b *Bed) Reconcile(ctx context.Context, path string) error {
	patch, err := json.Marshal(object{"metadata": object{"annotations": object{
		"reconcile.fluxcd.io/requestedAt": time.Now().Format(time.RFC3339Nano),
	}}})
	if err != nil {
		return err
	}
	return b.api.do(ctx, http.MethodPatch, path, "application/merge-patch+json", patch, nil)
}
