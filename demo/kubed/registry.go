package kubed

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// resource is one kind that the API serves.
type resource struct {
	schema.GroupVersionResource
	Kind       string
	Singular   string
	Short      []string
	Categories []string
	Namespaced bool
	Status     bool // has a status subresource
	Generation bool // metadata.generation counts changes of the specification
	Typed      bool // a built-in type, so protobuf is served too
	View       bool // the same objects as another resource, in another version
	ReadOnly   bool // computed, not stored: get and list only

	columns []column
	row     func(o object, now metav1.Time) []any
	fields  func(object) fields.Set
	index   map[string]func(object) []string
}

func (res *resource) gvk() schema.GroupVersionKind {
	return res.GroupVersion().WithKind(res.Kind)
}

// newObject returns an empty object of the kind.
func (res *resource) newObject() object {
	if res.Typed {
		if o, err := known().New(res.gvk()); err == nil {
			if typed, ok := o.(object); ok {
				return typed
			}
		}
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(res.gvk())
	return u
}

func (res *resource) verbs() []string {
	if res.ReadOnly {
		return []string{"get", "list"}
	}
	return []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
}

// resources of the API, and the indexes that its controllers use.
var (
	namespaces     = builtin("", "Namespace", "namespaces", cluster, short("ns"))
	nodes          = builtin("", "Node", "nodes", cluster, short("no"))
	pods           = builtin("", "Pod", "pods", short("po"), all, generation)
	services       = builtin("", "Service", "services", short("svc"), all)
	endpoints      = builtin("", "Endpoints", "endpoints", short("ep"), plain)
	events         = builtin("", "Event", "events", short("ev"), plain)
	eventsV1       = builtin("events.k8s.io", "Event", "events", short("ev"), plain, view)
	configMaps     = builtin("", "ConfigMap", "configmaps", short("cm"), plain)
	secrets        = builtin("", "Secret", "secrets", plain)
	accounts       = builtin("", "ServiceAccount", "serviceaccounts", short("sa"), plain)
	claims         = builtin("", "PersistentVolumeClaim", "persistentvolumeclaims", short("pvc"))
	volumes        = builtin("", "PersistentVolume", "persistentvolumes", short("pv"), cluster)
	rcs            = builtin("", "ReplicationController", "replicationcontrollers", short("rc"), all, generation)
	deployments    = builtin("apps", "Deployment", "deployments", short("deploy"), all, generation)
	replicaSets    = builtin("apps", "ReplicaSet", "replicasets", short("rs"), all, generation)
	statefulSets   = builtin("apps", "StatefulSet", "statefulsets", short("sts"), all, generation)
	daemonSets     = builtin("apps", "DaemonSet", "daemonsets", short("ds"), all, generation)
	jobs           = builtin("batch", "Job", "jobs", all, generation)
	cronJobs       = builtin("batch", "CronJob", "cronjobs", short("cj"), all, generation)
	budgets        = builtin("policy", "PodDisruptionBudget", "poddisruptionbudgets", short("pdb"), generation)
	leases         = builtin("coordination.k8s.io", "Lease", "leases", plain)
	classes        = builtin("storage.k8s.io", "StorageClass", "storageclasses", short("sc"), cluster, plain)
	attachments    = builtin("storage.k8s.io", "VolumeAttachment", "volumeattachments", cluster)
	csiNodes       = builtin("storage.k8s.io", "CSINode", "csinodes", cluster, plain)
	csiDrivers     = builtin("storage.k8s.io", "CSIDriver", "csidrivers", cluster, plain)
	endpointSlices = builtin("discovery.k8s.io", "EndpointSlice", "endpointslices", plain)
	ingresses      = builtin("networking.k8s.io", "Ingress", "ingresses", short("ing"), generation)
	priorities     = builtin("scheduling.k8s.io", "PriorityClass", "priorityclasses", short("pc"), cluster, plain)
	crds           = custom("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions",
		cluster, short("crd", "crds"), generation)

	nodeMetrics = custom("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", cluster, readOnly, plain)
	podMetrics  = custom("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", readOnly, plain)
)

// registry lists every resource in the order that discovery shows.
var registry = func() []*resource {
	list := []*resource{
		configMaps, endpoints, events, namespaces, nodes, claims, volumes, pods, rcs, secrets, accounts, services,
		daemonSets, deployments, replicaSets, statefulSets, cronJobs, jobs, leases, endpointSlices, eventsV1, ingresses,
		budgets, priorities, csiDrivers, csiNodes, classes, attachments, crds, nodeMetrics, podMetrics,
	}
	return append(list, fluxResources...)
}()

func init() {
	pods.fields, nodes.fields, namespaces.fields = podFields, nodeFields, namespaceFields
	events.fields, eventsV1.fields, secrets.fields = eventFields, eventFields, secretFields
	pods.index = map[string]func(object) []string{
		"node": func(o object) []string { return nonEmpty(o.(*corev1.Pod).Spec.NodeName) },
		"owner": func(o object) []string {
			var uids []string
			for _, ref := range o.GetOwnerReferences() {
				uids = append(uids, string(ref.UID))
			}
			return uids
		},
		"namespace": func(o object) []string { return []string{o.GetNamespace()} },
	}
	addColumns()
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

type trait func(*resource)

func cluster(r *resource)    { r.Namespaced = false }
func plain(r *resource)      { r.Status = false }
func view(r *resource)       { r.View = true }
func readOnly(r *resource)   { r.ReadOnly = true }
func generation(r *resource) { r.Generation = true }
func all(r *resource)        { r.Categories = append(r.Categories, "all") }

func short(names ...string) trait { return func(r *resource) { r.Short = names } }

func categories(names ...string) trait { return func(r *resource) { r.Categories = names } }

// builtin is a resource of version v1 with Go types.
func builtin(group, kind, plural string, traits ...trait) *resource {
	r := custom(group, "v1", kind, plural, traits...)
	r.Typed = true
	return r
}

func custom(group, version, kind, plural string, traits ...trait) *resource {
	r := &resource{
		GroupVersionResource: schema.GroupVersionResource{Group: group, Version: version, Resource: plural},
		Kind:                 kind, Singular: strings.ToLower(kind), Namespaced: true, Status: true,
	}
	for _, t := range traits {
		t(r)
	}
	return r
}

// lookup finds the resource of a path, or nil.
func lookup(group, version, plural string) *resource {
	for _, r := range registry {
		if r.Group == group && r.Version == version && r.Resource == plural {
			return r
		}
	}
	return nil
}

// resourceOf finds the stored resource of an owner reference or event's object.
func resourceOf(apiVersion, kind string) (*resource, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, fmt.Errorf("parse the API version %q: %w", apiVersion, err)
	}
	for _, r := range registry {
		if r.Group == gv.Group && r.Kind == kind && !r.View && !r.ReadOnly {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no resource serves %s %s", apiVersion, kind)
}
