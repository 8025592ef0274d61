package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// fluxGroup reports whether the API group is one of Flux or its operator.
func fluxGroup(group string) bool {
	return strings.HasSuffix(group, ".toolkit.fluxcd.io") || group == operatorGroup ||
		group == "source.extensions.fluxcd.io"
}

const operatorGroup = "fluxcd.controlplane.io"

// shortKinds are the words for a kind in a narrow column; the rest is the kind in lower case.
var shortKinds = map[string]string{
	"Kustomization": "ks", "HelmRelease": "hr",
	"GitRepository": "git", "OCIRepository": "oci", "HelmRepository": "helmrepo", "HelmChart": "chart", "Bucket": "bucket",
	"ExternalArtifact": "artifact", "ArtifactGenerator": "artgen",
	"ImageRepository": "imgrepo", "ImagePolicy": "imgpol", "ImageUpdateAutomation": "imgauto",
	"FluxInstance": "instance", "FluxReport": "report", "ResourceSet": "rset", "ResourceSetInputProvider": "rsip",
}

// ShortKind is the word for a Flux kind in a narrow column: ks, hr, git, ...
func ShortKind(kind string) string {
	if short, ok := shortKinds[kind]; ok {
		return short
	}
	return strings.ToLower(kind)
}

// kindCache remembers the Flux kinds of the last discovery.
type kindCache struct {
	mu    sync.Mutex
	known []cluster.FluxKind
	etag  string // of the aggregated discovery that they came from
}

const (
	acceptAggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
	wantVerbs        = "list watch"
)

// FluxKinds asks which Flux kinds the cluster serves, each in the first version
// that the server prefers, sorted by group and kind; none: Flux is not there.
// The error is a *cluster.Trouble.
func (c *Client) FluxKinds(ctx context.Context) ([]cluster.FluxKind, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.kinds.mu.Lock()
	known, etag := c.kinds.known, c.kinds.etag
	c.kinds.mu.Unlock()
	body, newTag, err := c.get(ctx, "/apis", acceptAggregated, etag)
	if err != nil {
		return nil, c.Explain(err, "ask for the Flux kinds")
	}
	if body == nil {
		return known, nil
	}
	kinds, err := c.parseGroups(ctx, body)
	if err != nil {
		return nil, c.Explain(err, "ask for the Flux kinds")
	}
	c.kinds.mu.Lock()
	c.kinds.known, c.kinds.etag = kinds, newTag
	c.kinds.mu.Unlock()
	return kinds, nil
}

// starting is why the API server may not serve all kinds yet; nil: it is ready,
// or does not say.
func (c *Client) starting(ctx context.Context) *cluster.Trouble {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const what = "ask for the Flux kinds"
	_, _, err := c.get(ctx, "/readyz", "*/*", "")
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &status):
		return c.Explain(err, what)
	case status.Status().Code < http.StatusInternalServerError: // not allowed, or not served by a proxy
		return nil
	default:
		return &cluster.Trouble{Kind: cluster.TroubleGoingAway, What: what + ": the API server is not ready yet", Do: "it is asked again"}
	}
}

// apiGroups is as much of the two forms of /apis as is needed: the aggregated
// one has items with their resources, the old one groups with their versions.
type apiGroups struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Versions []struct {
			Version   string `json:"version"`
			Freshness string `json:"freshness"`
			Resources []struct {
				Resource     string `json:"resource"`
				ResponseKind struct {
					Kind string `json:"kind"`
				} `json:"responseKind"`
				Verbs []string `json:"verbs"`
			} `json:"resources"`
		} `json:"versions"`
	} `json:"items"`
	Groups []struct {
		Name     string `json:"name"`
		Versions []struct {
			Version string `json:"version"`
		} `json:"versions"`
		Preferred struct {
			Version string `json:"version"`
		} `json:"preferredVersion"`
	} `json:"groups"`
}

func (c *Client) parseGroups(ctx context.Context, body []byte) ([]cluster.FluxKind, error) {
	var all apiGroups
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("read /apis: %w", err)
	}
	var kinds kindSet
	for _, g := range all.Items {
		if !fluxGroup(g.Metadata.Name) {
			continue
		}
		for _, v := range g.Versions {
			for _, r := range v.Resources {
				kinds.add(g.Metadata.Name, v.Version, r.ResponseKind.Kind, r.Resource, r.Verbs)
			}
		}
	}
	for _, g := range all.Groups {
		if !fluxGroup(g.Name) {
			continue
		}
		versions := []string{g.Preferred.Version}
		for _, v := range g.Versions {
			versions = append(versions, v.Version)
		}
		for _, v := range versions {
			if err := c.addResources(ctx, &kinds, g.Name, v); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(kinds, func(a, b cluster.FluxKind) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Kind, b.Kind))
	})
	return kinds, nil
}

// addResources is for servers without aggregated discovery.
func (c *Client) addResources(ctx context.Context, kinds *kindSet, group, version string) error {
	if version == "" {
		return nil
	}
	path := "/apis/" + group + "/" + version
	body, _, err := c.get(ctx, path, "application/json", "")
	if apierrors.IsNotFound(err) { // the version went away between the two questions
		return nil
	}
	if err != nil {
		return err
	}
	var list struct {
		Resources []struct {
			Name  string   `json:"name"`
			Kind  string   `json:"kind"`
			Verbs []string `json:"verbs"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for _, r := range list.Resources {
		kinds.add(group, version, r.Kind, r.Name, r.Verbs)
	}
	return nil
}

// kindSet keeps the first version of each kind.
type kindSet []cluster.FluxKind

func (s *kindSet) add(group, version, kind, plural string, verbs []string) {
	if strings.Contains(plural, "/") || kind == "" {
		return
	}
	for verb := range strings.FieldsSeq(wantVerbs) {
		if !slices.Contains(verbs, verb) {
			return
		}
	}
	if slices.ContainsFunc(*s, func(k cluster.FluxKind) bool { return k.Group == group && k.Kind == kind }) {
		return
	}
	*s = append(*s, cluster.FluxKind{
		Group: feed.Clean(group), Version: feed.Clean(version), Kind: feed.Clean(kind), Plural: feed.Clean(plural),
	})
}

// errNoKind is a kind that the cluster does not serve.
var errNoKind = errors.New("the cluster does not serve this kind")

// kind finds a Flux kind by its name, asking the server if it is not known yet.
func (c *Client) kind(ctx context.Context, name string) (cluster.FluxKind, error) {
	c.kinds.mu.Lock()
	known := c.kinds.known
	c.kinds.mu.Unlock()
	if known == nil {
		var err error
		if known, err = c.FluxKinds(ctx); err != nil {
			return cluster.FluxKind{}, err
		}
	}
	for _, k := range known {
		if k.Kind == name {
			return k, nil
		}
	}
	return cluster.FluxKind{}, &cluster.Trouble{
		Kind: cluster.TroubleNotFound, What: fmt.Sprintf("%s: %v", feed.Clean(name), errNoKind),
	}
}

func resourceOf(k cluster.FluxKind) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Plural}
}
