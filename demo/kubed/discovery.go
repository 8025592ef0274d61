package kubed

import (
	"net/http"
	"slices"
	"strings"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
)

// serveHealth answers what needs no credentials; false means it is something else.
func (s *Server) serveHealth(c *call) bool {
	switch strings.TrimRight(c.r.URL.Path, "/") {
	case "/readyz", "/livez", "/healthz":
		send(c.w, c.r, "text/plain; charset=utf-8", http.StatusOK, []byte("ok"))
		return true
	case "/version":
		s.serveVersion(c)
		return true
	default:
		return false
	}
}

func (s *Server) serveVersion(c *call) {
	v := s.scene.Kubernetes
	parts := strings.SplitN(strings.TrimPrefix(v, "v"), ".", 3)
	minor := ""
	if len(parts) > 1 {
		minor = parts[1]
	}
	info := version.Info{
		Major: parts[0], Minor: minor, GitVersion: v, GitCommit: hexOf(s.scene.Seed, 40, "commit", v),
		GitTreeState: "clean", BuildDate: "2026-10-14T10:12:05Z", GoVersion: "go1.26.7", Compiler: "gc", Platform: "linux/arm64",
		EmulationMajor: parts[0], EmulationMinor: minor,
	}
	c.sendJSON(info)
}

// group is what discovery says about one API group.
type group struct {
	name     string
	versions []string
}

// groups lists the API groups after the core one.
func groups() []group {
	var out []group
	for _, r := range registry {
		out = addGroup(out, r.Group, r.Version)
	}
	for _, r := range reviews {
		out = addGroup(out, r.group, "v1")
	}
	return out
}

func addGroup(list []group, name, version string) []group {
	i := slices.IndexFunc(list, func(g group) bool { return g.name == name })
	if i < 0 {
		return append(list, group{name: name, versions: []string{version}})
	}
	if !slices.Contains(list[i].versions, version) {
		list[i].versions = append(list[i].versions, version)
	}
	return list
}

func (s *Server) serveDiscovery(c *call) error {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return methodNotAllowed()
	}
	parts := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) == 1:
		return s.serveCore(c)
	case parts[0] == "api" && len(parts) == 2 && parts[1] == "v1":
		return s.serveResources(c, "", "v1")
	case parts[0] == "apis" && len(parts) == 1:
		return s.serveGroups(c)
	case parts[0] == "apis" && len(parts) == 2:
		for _, g := range groups() {
			if g.name == parts[1] && g.name != "" {
				return c.sendObject(g.legacy("v1"))
			}
		}
	case parts[0] == "apis" && len(parts) == 3:
		return s.serveResources(c, parts[1], parts[2])
	case parts[0] == "openapi":
		return notSimulated("the OpenAPI description (kubectl apply needs --validate=false)", http.StatusNotFound)
	}
	return unknownPath()
}

const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// wantsAggregated says whether the client prefers all of discovery in one answer.
func wantsAggregated(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	return strings.Contains(first, "g=apidiscovery.k8s.io") && strings.Contains(first, "v=v2;") &&
		strings.HasPrefix(first, mimeJSON)
}

func (s *Server) serveCore(c *call) error {
	if wantsAggregated(c.r) {
		return c.sendAggregated([]group{{name: "", versions: []string{"v1"}}})
	}
	return c.sendObject(&metav1.APIVersions{
		TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"},
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{{
			ClientCIDR: "0.0.0.0/0", ServerAddress: s.scene.APIAddress + ":6443",
		}},
	})
}

func (s *Server) serveGroups(c *call) error {
	var named []group
	for _, g := range groups() {
		if g.name != "" {
			named = append(named, g)
		}
	}
	if wantsAggregated(c.r) {
		return c.sendAggregated(named)
	}
	list := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, g := range named {
		list.Groups = append(list.Groups, *g.legacy(""))
	}
	return c.sendObject(list)
}

func (g group) legacy(apiVersion string) *metav1.APIGroup {
	out := &metav1.APIGroup{Name: g.name}
	if apiVersion != "" {
		out.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: apiVersion}
	}
	for _, v := range g.versions {
		out.Versions = append(out.Versions, metav1.GroupVersionForDiscovery{GroupVersion: g.name + "/" + v, Version: v})
	}
	out.PreferredVersion = out.Versions[0]
	return out
}

func (s *Server) serveResources(c *call, groupName, version string) error {
	gv := version
	if groupName != "" {
		gv = groupName + "/" + version
	}
	list := &metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv,
	}
	for _, r := range registry {
		if r.Group == groupName && r.Version == version {
			list.APIResources = append(list.APIResources, r.discovered()...)
		}
	}
	for _, r := range reviews {
		if r.group == groupName && version == "v1" {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: r.plural, SingularName: strings.ToLower(r.kind), Kind: r.kind, Verbs: metav1.Verbs{"create"},
			})
		}
	}
	if len(list.APIResources) == 0 {
		return unknownPath()
	}
	return c.sendObject(list)
}

func (res *resource) discovered() []metav1.APIResource {
	main := metav1.APIResource{
		Name: res.Resource, SingularName: res.Singular, Namespaced: res.Namespaced, Kind: res.Kind,
		Verbs: res.verbs(), ShortNames: res.Short, Categories: res.Categories,
	}
	if res.ReadOnly {
		main.SingularName = ""
	}
	out := []metav1.APIResource{main}
	for _, sub := range res.subresources() {
		out = append(out, metav1.APIResource{
			Name: res.Resource + "/" + sub.name, Namespaced: res.Namespaced, Kind: sub.kind,
			Group: sub.group, Version: sub.version, Verbs: sub.verbs,
		})
	}
	return out
}

type subresource struct {
	name, group, version, kind string
	verbs                      []string
}

func (res *resource) subresources() []subresource {
	var out []subresource
	if res == pods {
		out = append(out,
			subresource{"eviction", "policy", "v1", "Eviction", []string{"create"}},
			subresource{"log", "", "", "Pod", []string{"get"}})
	}
	if res.scalable() {
		out = append(out, subresource{"scale", "autoscaling", "v1", "Scale", []string{"get", "patch", "update"}})
	}
	if res.Status && !res.ReadOnly {
		out = append(out, subresource{"status", "", "", res.Kind, []string{"get", "patch", "update"}})
	}
	return out
}

// sendAggregated answers with groups, versions and resources at once.
func (c *call) sendAggregated(list []group) error {
	out := &apidiscovery.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"},
	}
	for _, g := range list {
		item := apidiscovery.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: g.name}}
		for _, v := range g.versions {
			item.Versions = append(item.Versions, apidiscovery.APIVersionDiscovery{
				Version: v, Freshness: apidiscovery.DiscoveryFreshnessCurrent, Resources: aggregatedResources(g.name, v),
			})
		}
		out.Items = append(out.Items, item)
	}
	f := form{mime: mimeJSON, info: known().media[mimeJSON]}
	body, err := f.encode(out)
	if err != nil {
		return err
	}
	send(c.w, c.r, aggregated, http.StatusOK, body)
	return nil
}

func aggregatedResources(groupName, version string) []apidiscovery.APIResourceDiscovery {
	var out []apidiscovery.APIResourceDiscovery
	for _, r := range registry {
		if r.Group != groupName || r.Version != version {
			continue
		}
		d := apidiscovery.APIResourceDiscovery{
			Resource: r.Resource, SingularResource: r.Singular, Scope: scopeOf(r.Namespaced), Verbs: r.verbs(),
			ResponseKind: &metav1.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind},
			ShortNames:   r.Short, Categories: r.Categories,
		}
		for _, sub := range r.subresources() {
			kind := metav1.GroupVersionKind{Group: sub.group, Version: sub.version, Kind: sub.kind}
			if sub.version == "" {
				kind.Group, kind.Version = r.Group, r.Version
			}
			d.Subresources = append(d.Subresources, apidiscovery.APISubresourceDiscovery{
				Subresource: sub.name, ResponseKind: &kind, Verbs: sub.verbs,
			})
		}
		out = append(out, d)
	}
	for _, r := range reviews {
		if r.group == groupName && version == "v1" {
			out = append(out, apidiscovery.APIResourceDiscovery{
				Resource: r.plural, SingularResource: strings.ToLower(r.kind), Scope: apidiscovery.ScopeCluster,
				Verbs: []string{"create"}, ResponseKind: &metav1.GroupVersionKind{Group: r.group, Version: "v1", Kind: r.kind},
			})
		}
	}
	return out
}

func scopeOf(namespaced bool) apidiscovery.ResourceScope {
	if namespaced {
		return apidiscovery.ScopeNamespace
	}
	return apidiscovery.ScopeCluster
}

// sendObject answers with an object that has its type set already, as JSON or protobuf.
func (c *call) sendObject(o runtime.Object) error {
	f, err := negotiate(c.r, true)
	if err != nil || f.as != "" {
		f = form{mime: mimeJSON, info: known().media[mimeJSON]}
	}
	body, err := f.encode(o)
	if err != nil {
		return err
	}
	send(c.w, c.r, f.mime, http.StatusOK, body)
	return nil
}
