package kubed

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// change is how an object comes to be stored on behalf of a client.
type change struct {
	manager string
	sub     string // "" or "status"
	dryRun  bool
	apply   bool // managed fields are already those of a server-side apply
}

func (c *call) change() change {
	return change{manager: c.manager(), sub: c.info.subresource, dryRun: c.dryRun()}
}

func (s *Server) serveCreate(c *call) error {
	if c.info.name != "" {
		return methodNotAllowed()
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	o, err := decodeBody(c.r.Header.Get("Content-Type"), body, c.res)
	if err != nil {
		return err
	}
	o, err = c.res.ingest(o)
	if err != nil {
		return err
	}
	var out object
	err = s.store.write(func(t tx) error {
		out, err = s.create(t, c.res.stored(), c.info.namespace, o, c.change())
		return err
	})
	if err != nil {
		return err
	}
	return s.answer(c, http.StatusCreated, c.res.shown(out))
}

// create checks a new object and stores it.
func (s *Server) create(t tx, res *resource, namespace string, o object, ch change) (object, error) {
	if o.GetName() == "" && o.GetGenerateName() != "" {
		s.store.uids++
		o.SetName(o.GetGenerateName() + suffixOf(s.scene.Seed, 5, res.Resource, o.GetGenerateName(), fmt.Sprint(s.store.uids)))
	}
	if err := s.checkName(t, res, namespace, o); err != nil {
		return nil, err
	}
	if _, exists := t.get(res, o.GetNamespace(), o.GetName()); exists {
		return nil, apierrors.NewAlreadyExists(res.GroupResource(), o.GetName())
	}
	if o.GetResourceVersion() != "" {
		return nil, badRequest("resourceVersion should not be set on objects to be created")
	}
	o.SetUID("")
	o.SetDeletionTimestamp(nil)
	o.SetDeletionGracePeriodSeconds(nil)
	o.SetCreationTimestamp(metaTime(s.opts.Now()))
	if res.Generation {
		o.SetGeneration(1)
	}
	setDefaults(o)
	if err := s.recordFields(res, nil, o, ch); err != nil {
		return nil, err
	}
	if ch.dryRun {
		o.SetUID(s.store.newUID())
		return o, nil
	}
	return t.put(res, o), nil
}

func (s *Server) checkName(t tx, res *resource, namespace string, o object) error {
	if o.GetName() == "" {
		return apierrors.NewInvalid(res.gvk().GroupKind(), "", field.ErrorList{
			field.Required(field.NewPath("metadata", "name"), "name or generateName is required"),
		})
	}
	problems := validation.IsDNS1123Subdomain(o.GetName())
	if res == leases || res.Group == "rbac.authorization.k8s.io" {
		problems = content.IsPathSegmentName(o.GetName())
	}
	if len(problems) > 0 {
		return apierrors.NewInvalid(res.gvk().GroupKind(), o.GetName(), field.ErrorList{
			field.Invalid(field.NewPath("metadata", "name"), o.GetName(), strings.Join(problems, ",")),
		})
	}
	if !res.Namespaced {
		o.SetNamespace("")
		return nil
	}
	if o.GetNamespace() == "" {
		o.SetNamespace(namespace)
	}
	if o.GetNamespace() != namespace {
		return badRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	ns, ok := t.get(namespaces, "", namespace)
	if !ok {
		return apierrors.NewNotFound(namespaces.GroupResource(), namespace)
	}
	if ns.GetDeletionTimestamp() != nil {
		return apierrors.NewForbidden(res.GroupResource(), o.GetName(),
			fmt.Errorf("unable to create new content in namespace %s because it is being terminated", namespace))
	}
	return nil
}

func (s *Server) serveUpdate(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	o, err := decodeBody(c.r.Header.Get("Content-Type"), body, c.res)
	if err != nil {
		return err
	}
	if o, err = c.res.ingest(o); err != nil {
		return err
	}
	if o.GetName() != c.info.name {
		return badRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", o.GetName(), c.info.name))
	}
	if o.GetNamespace() != "" && o.GetNamespace() != c.info.namespace {
		return badRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	o.SetNamespace(c.info.namespace)
	var out object
	err = s.store.write(func(t tx) error {
		old, ok := t.get(c.res.stored(), c.info.namespace, c.info.name)
		if !ok {
			return notFound(c.res, c.info.name)
		}
		out, err = s.update(t, c.res.stored(), old, o, c.change())
		return err
	})
	if err != nil {
		return err
	}
	return s.answer(c, http.StatusOK, c.res.shown(out))
}

// update stores o in place of old, after the checks and rules of an API server;
// o belongs to it from now on.
func (s *Server) update(t tx, res *resource, old, o object, ch change) (object, error) {
	if o.GetUID() != "" && o.GetUID() != old.GetUID() {
		return nil, apierrors.NewConflict(res.GroupResource(), old.GetName(), staleUID(o.GetUID(), old.GetUID()))
	}
	if v := o.GetResourceVersion(); v != "" && v != old.GetResourceVersion() {
		return nil, conflict(res, old.GetName())
	}
	keepFixed(o, old)
	if err := splitStatus(res, old, o, ch.sub); err != nil {
		return nil, err
	}
	if err := checkImmutable(res, old, o); err != nil {
		return nil, err
	}
	changed, err := specChanged(res, old, o)
	if err != nil {
		return nil, err
	}
	if res.Generation && changed {
		o.SetGeneration(old.GetGeneration() + 1)
	}
	if sameObject(old, o) {
		return old, nil
	}
	if err := s.recordFields(res, old, o, ch); err != nil {
		return nil, err
	}
	if ch.dryRun {
		return o, nil
	}
	out := t.put(res, o)
	if out.GetDeletionTimestamp() != nil && len(out.GetFinalizers()) == 0 && res != pods {
		t.remove(res, out.GetNamespace(), out.GetName())
	}
	return out, nil
}

// keepFixed carries over what a client cannot change.
func keepFixed(o, old object) {
	o.SetName(old.GetName())
	o.SetNamespace(old.GetNamespace())
	o.SetUID(old.GetUID())
	o.SetResourceVersion(old.GetResourceVersion())
	o.SetCreationTimestamp(old.GetCreationTimestamp())
	o.SetDeletionTimestamp(old.GetDeletionTimestamp())
	o.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	o.SetGeneration(old.GetGeneration())
	o.SetGenerateName(old.GetGenerateName())
}

// splitStatus keeps the status on an update of the rest, and the rest on an update of the status.
func splitStatus(res *resource, old, o object, sub string) error {
	if !res.Status {
		return nil
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		was, ok := old.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("stored %s %s is not a custom object", res.Kind, old.GetName())
		}
		splitCustom(was.Object, u, sub)
		return nil
	}
	ov, nv := reflect.ValueOf(old).Elem(), reflect.ValueOf(o).Elem()
	if sub == "" {
		nv.FieldByName("Status").Set(ov.FieldByName("Status"))
		return nil
	}
	status := nv.FieldByName("Status").Interface()
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	rest := clone(old)
	nv.Set(reflect.ValueOf(rest).Elem())
	nv.FieldByName("Status").Set(reflect.ValueOf(status))
	if res == pods || res == nodes { // their status updates may change metadata too
		o.SetLabels(labels)
		o.SetAnnotations(annotations)
	}
	return nil
}

func splitCustom(was map[string]any, u *unstructured.Unstructured, sub string) {
	if sub == "" {
		delete(u.Object, "status")
		if st, ok := was["status"]; ok {
			u.Object["status"] = st
		}
		return
	}
	status, has := u.Object["status"]
	u.Object = (&unstructured.Unstructured{Object: was}).DeepCopy().Object
	delete(u.Object, "status")
	if has {
		u.Object["status"] = status
	}
}

// checkImmutable refuses the changes that matter to a cockpit's own mistakes.
func checkImmutable(res *resource, old, o object) error {
	was, ok1 := old.(*corev1.Pod)
	is, ok2 := o.(*corev1.Pod)
	if !ok1 || !ok2 || was.Spec.NodeName == is.Spec.NodeName {
		return nil
	}
	return apierrors.NewInvalid(res.gvk().GroupKind(), o.GetName(), field.ErrorList{
		field.Forbidden(field.NewPath("spec"), "pod updates may not change fields other than `spec.containers[*].image`,"+
			"`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"+
			"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"),
	})
}

// specChanged says whether anything but metadata and status differs.
func specChanged(res *resource, old, o object) (bool, error) {
	if !res.Generation {
		return false, nil
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		was, ok := old.(*unstructured.Unstructured)
		if !ok {
			return false, errors.New("a custom object replaces a built-in one")
		}
		return !equality.Semantic.DeepEqual(was.Object["spec"], u.Object["spec"]), nil
	}
	ov, nv := reflect.ValueOf(old).Elem().FieldByName("Spec"), reflect.ValueOf(o).Elem().FieldByName("Spec")
	if !ov.IsValid() {
		return false, nil
	}
	return !equality.Semantic.DeepEqual(ov.Interface(), nv.Interface()), nil
}

// sameObject says whether an update changes nothing.
func sameObject(old, o object) bool {
	a, b := shallow(old), shallow(o)
	for _, x := range []object{a, b} {
		x.SetManagedFields(nil)
	}
	return equality.Semantic.DeepEqual(a, b)
}

// setDefaults fills in what the API server would, as far as clients look at it.
func setDefaults(o object) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	if p.Spec.RestartPolicy == "" {
		p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	if p.Spec.TerminationGracePeriodSeconds == nil {
		p.Spec.TerminationGracePeriodSeconds = ptr(int64(corev1.DefaultTerminationGracePeriodSeconds))
	}
	if p.Spec.SchedulerName == "" {
		p.Spec.SchedulerName = corev1.DefaultSchedulerName
	}
	if p.Status.Phase == "" {
		p.Status.Phase = corev1.PodPending
	}
	p.Status.QOSClass = qosOf(p)
}

func ptr[T any](v T) *T { return &v }

// serveDelete deletes one object, or marks it to be deleted.
func (s *Server) serveDelete(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	opts, err := deleteOptions(c, body)
	if err != nil {
		return err
	}
	var out object
	var gone bool
	err = s.store.write(func(t tx) error {
		o, ok := t.get(c.res.stored(), c.info.namespace, c.info.name)
		if !ok {
			return notFound(c.res, c.info.name)
		}
		if err := checkPreconditions(c.res, o, opts.Preconditions); err != nil {
			return err
		}
		if c.dryRun() || len(opts.DryRun) > 0 {
			out, gone = o, true
			return nil
		}
		out, gone = s.delete(t, c.res.stored(), o, opts)
		return nil
	})
	if err != nil {
		return err
	}
	if !gone {
		return s.answer(c, http.StatusOK, out)
	}
	return c.sendObject(&metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: c.info.name, Group: c.res.Group, Kind: c.res.Resource, UID: out.GetUID()},
	})
}

func deleteOptions(c *call, body []byte) (metav1.DeleteOptions, error) {
	opts, err := decodeDeleteOptions(body)
	if err != nil {
		return opts, err
	}
	if v := c.query("gracePeriodSeconds"); v != "" {
		var n int64
		if _, err := fmt.Sscanf(v, "%d", &n); err != nil {
			return opts, badRequest(fmt.Sprintf("invalid gracePeriodSeconds %q", v))
		}
		opts.GracePeriodSeconds = &n
	}
	if v := c.query("propagationPolicy"); v != "" {
		policy := metav1.DeletionPropagation(v)
		opts.PropagationPolicy = &policy
	}
	return opts, nil
}

func staleUID(asked, is types.UID) error {
	return wording(fmt.Sprintf("Precondition failed: UID in precondition: %v, UID in object meta: %v", asked, is))
}

func checkPreconditions(res *resource, o object, p *metav1.Preconditions) error {
	if p == nil {
		return nil
	}
	if p.UID != nil && *p.UID != o.GetUID() {
		return apierrors.NewConflict(res.GroupResource(), o.GetName(), staleUID(*p.UID, o.GetUID()))
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != o.GetResourceVersion() {
		return apierrors.NewConflict(res.GroupResource(), o.GetName(), wording(fmt.Sprintf(
			"Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v",
			*p.ResourceVersion, o.GetResourceVersion())))
	}
	return nil
}

// delete removes the object at once, or marks it when somebody else has to
// finish: the kubelet of a running pod, or the owner of a finalizer.
func (s *Server) delete(t tx, res *resource, o object, opts metav1.DeleteOptions) (object, bool) {
	if opts.PropagationPolicy != nil && *opts.PropagationPolicy == metav1.DeletePropagationOrphan {
		s.orphan(t, o)
	}
	grace := graceOf(o, opts)
	if grace == 0 && len(o.GetFinalizers()) == 0 {
		last := t.remove(res, o.GetNamespace(), o.GetName())
		return last, true
	}
	if was := o.GetDeletionTimestamp(); was != nil && (res != pods || o.GetDeletionGracePeriodSeconds() == nil ||
		*o.GetDeletionGracePeriodSeconds() <= grace) {
		return o, false
	}
	marked := clone(o)
	at := metaTime(s.opts.Now().Add(secondsOf(grace)))
	marked.SetDeletionTimestamp(&at)
	marked.SetDeletionGracePeriodSeconds(&grace)
	if res.Generation && o.GetDeletionTimestamp() == nil {
		marked.SetGeneration(o.GetGeneration() + 1)
	}
	return t.put(res, marked), false
}

// graceOf is how long the object may take to end; only pods that run on a node get time.
func graceOf(o object, opts metav1.DeleteOptions) int64 {
	p, ok := o.(*corev1.Pod)
	if !ok || p.Spec.NodeName == "" || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return 0
	}
	if opts.GracePeriodSeconds != nil {
		return max(0, *opts.GracePeriodSeconds)
	}
	if p.Spec.TerminationGracePeriodSeconds != nil {
		return max(0, *p.Spec.TerminationGracePeriodSeconds)
	}
	return corev1.DefaultTerminationGracePeriodSeconds
}

// orphan takes the owner's name off its dependents, so that they outlive it.
func (s *Server) orphan(t tx, owner object) {
	for _, res := range []*resource{pods, replicaSets, jobs} {
		for _, o := range t.list(res) {
			refs := o.GetOwnerReferences()
			for i, ref := range refs {
				if ref.UID == owner.GetUID() {
					free := clone(o)
					free.SetOwnerReferences(append(append([]metav1.OwnerReference(nil), refs[:i]...), refs[i+1:]...))
					t.put(res, free)
					break
				}
			}
		}
	}
}

func (s *Server) serveDeleteCollection(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	opts, err := deleteOptions(c, body)
	if err != nil {
		return err
	}
	sel, err := newSelector(c.res, c.info.namespace, c.query("labelSelector"), c.query("fieldSelector"))
	if err != nil {
		return err
	}
	err = s.store.write(func(t tx) error {
		for _, o := range t.list(c.res.stored()) {
			if sel.matches(o) && !c.dryRun() {
				s.delete(t, c.res.stored(), o, opts)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendObject(&metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Group: c.res.Group, Kind: c.res.Resource},
	})
}
