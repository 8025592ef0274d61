package kubed

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func (res *resource) scalable() bool {
	return res == deployments || res == replicaSets || res == statefulSets
}

// serveScale reads and changes the size of a workload.
func (s *Server) serveScale(c *call) error {
	if !c.res.scalable() {
		return unknownPath()
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	var out object
	err = s.store.write(func(t tx) error {
		old, ok := t.get(c.res, c.info.namespace, c.info.name)
		if !ok {
			return notFound(c.res, c.info.name)
		}
		out = old
		if c.info.verb == "get" {
			return nil
		}
		next, err := scaled(c, old, body)
		if err != nil {
			return err
		}
		ch := c.change()
		ch.sub = ""
		out, err = s.update(t, c.res, old, next, ch)
		return err
	})
	if err != nil {
		return err
	}
	return c.sendObject(scaleOf(out))
}

// scaled returns a copy of the workload in the size that the request asks for.
func scaled(c *call, old object, body []byte) (object, error) {
	sc := scaleOf(old)
	gvk := autoscalingv1.SchemeGroupVersion.WithKind("Scale")
	switch c.info.verb {
	case "update":
		if err := decodeInto(body, gvk, sc); err != nil {
			return nil, err
		}
	case "patch":
		before, err := form{mime: mimeJSON}.encode(sc)
		if err != nil {
			return nil, err
		}
		after, err := patchJSON(&resource{Typed: false}, before, types.PatchType(c.r.Header.Get("Content-Type")), body)
		if err != nil {
			return nil, err
		}
		if _, _, err := known().codecs.UniversalDeserializer().Decode(after, &gvk, sc); err != nil {
			return nil, badRequest(err.Error())
		}
	default:
		return nil, methodNotAllowed()
	}
	next := clone(old)
	switch w := next.(type) {
	case *appsv1.Deployment:
		w.Spec.Replicas = ptr(sc.Spec.Replicas)
	case *appsv1.ReplicaSet:
		w.Spec.Replicas = ptr(sc.Spec.Replicas)
	case *appsv1.StatefulSet:
		w.Spec.Replicas = ptr(sc.Spec.Replicas)
	}
	return next, nil
}

func scaleOf(o object) *autoscalingv1.Scale {
	out := &autoscalingv1.Scale{
		TypeMeta: metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(),
			ResourceVersion: o.GetResourceVersion(), CreationTimestamp: o.GetCreationTimestamp(),
		},
		Spec: autoscalingv1.ScaleSpec{Replicas: wanted(o)},
	}
	var sel *metav1.LabelSelector
	switch w := o.(type) {
	case *appsv1.Deployment:
		out.Status.Replicas, sel = w.Status.Replicas, w.Spec.Selector
	case *appsv1.ReplicaSet:
		out.Status.Replicas, sel = w.Status.Replicas, w.Spec.Selector
	case *appsv1.StatefulSet:
		out.Status.Replicas, sel = w.Status.Replicas, w.Spec.Selector
	}
	out.Status.Selector = metav1.FormatLabelSelector(sel)
	return out
}
