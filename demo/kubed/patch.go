package kubed

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// maxPatchOps bounds a JSON patch, as the API server does.
const maxPatchOps = 10000

func (s *Server) servePatch(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return unsupportedMedia("the body of the request was in an unknown format")
	}
	kind := types.PatchType(media)
	if kind == types.ApplyYAMLPatchType {
		return s.serveApply(c, body)
	}
	var out object
	err = s.store.write(func(t tx) error {
		old, ok := t.get(c.res.stored(), c.info.namespace, c.info.name)
		if !ok {
			return notFound(c.res, c.info.name)
		}
		o, err := patched(c.res, c.res.shown(old), kind, body)
		if err != nil {
			return err
		}
		if o, err = c.res.ingest(o); err != nil {
			return err
		}
		if err := sameIdentity(old, o); err != nil {
			return err
		}
		out, err = s.update(t, c.res.stored(), old, o, c.change())
		return err
	})
	if err != nil {
		return err
	}
	return s.answer(c, http.StatusOK, c.res.shown(out))
}

func sameIdentity(old, o object) error {
	if o.GetName() != old.GetName() || o.GetNamespace() != old.GetNamespace() {
		return badRequest("the name or namespace of the object does not match those on the URL")
	}
	return nil
}

// patched returns a copy of the object with the patch in it.
func patched(res *resource, old object, kind types.PatchType, patch []byte) (object, error) {
	form := form{mime: mimeJSON}
	before, err := form.encode(withType(res, old))
	if err != nil {
		return nil, err
	}
	after, err := patchJSON(res, before, kind, patch)
	if err != nil {
		return nil, err
	}
	return decodeBody(mimeJSON, after, res)
}

func patchJSON(res *resource, before []byte, kind types.PatchType, patch []byte) ([]byte, error) {
	switch kind {
	case types.JSONPatchType:
		return applyJSONPatch(before, patch)
	case types.MergePatchType:
		js, err := jsonObject(patch)
		if err != nil {
			return nil, err
		}
		out, err := jsonpatch.MergePatch(before, js)
		if err != nil {
			return nil, badRequest(err.Error())
		}
		return out, nil
	case types.StrategicMergePatchType:
		if !res.Typed {
			return nil, unsupportedMedia("the body of the request was in an unknown format - accepted media types include: " +
				"application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")
		}
		return applyStrategic(res, before, patch)
	default:
		return nil, unsupportedMedia(fmt.Sprintf("the body of the request was in an unknown format: %s", kind))
	}
}

// jsonObject makes sure that a patch is an object.
func jsonObject(patch []byte) ([]byte, error) {
	m, err := toMap(patch)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	out, err := json.Marshal(m)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	return out, nil
}

func applyJSONPatch(before, patch []byte) ([]byte, error) {
	ops, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, badRequest("error decoding patch: " + err.Error())
	}
	if len(ops) > maxPatchOps {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf(
			"The allowed maximum operations in a JSON patch is %d, got %d", maxPatchOps, len(ops)))
	}
	out, err := ops.Apply(before)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", metav1.Unversioned.WithResource("").GroupResource(), "", err.Error(), 0, false)
	}
	return out, nil
}

func applyStrategic(res *resource, before, patch []byte) ([]byte, error) {
	js, err := jsonObject(patch)
	if err != nil {
		return nil, err
	}
	out, err := strategicpatch.StrategicMergePatch(before, js, res.newObject())
	if err != nil {
		return nil, badRequest(err.Error())
	}
	return out, nil
}

// serveApply is server-side apply: it creates the object when it is not there.
func (s *Server) serveApply(c *call, body []byte) error {
	if c.query("fieldManager") == "" {
		return badRequest(`PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch`)
	}
	m, err := toMap(body)
	if err != nil {
		return badRequest(err.Error())
	}
	applied := &unstructured.Unstructured{Object: m}
	if applied.GroupVersionKind() != c.res.gvk() {
		return wrongKind(c.res, applied.GroupVersionKind())
	}
	if err := sane(applied); err != nil {
		return err
	}
	if applied.GetName() == "" {
		applied.SetName(c.info.name)
	}
	if c.res.Namespaced && applied.GetNamespace() == "" {
		applied.SetNamespace(c.info.namespace)
	}
	if applied.GetName() != c.info.name || applied.GetNamespace() != c.info.namespace {
		return badRequest("the name or namespace of the object does not match those on the URL")
	}
	code := http.StatusOK
	var out object
	err = s.store.write(func(t tx) error {
		old, ok := t.get(c.res.stored(), c.info.namespace, c.info.name)
		if !ok {
			code = http.StatusCreated
			old = nil
		}
		out, err = s.apply(t, c.res.stored(), old, applied, c.change(), c.flag("force"))
		return err
	})
	if err != nil {
		return err
	}
	return s.answer(c, code, c.res.shown(out))
}

func (s *Server) apply(t tx, res *resource, old object, applied *unstructured.Unstructured, ch change, force bool) (object, error) {
	merged, err := s.mergeApplied(res, old, applied, ch, force)
	if err != nil {
		return nil, err
	}
	ch.apply = true
	if old == nil {
		merged.SetResourceVersion("")
		return s.create(t, res, applied.GetNamespace(), merged, ch)
	}
	return s.update(t, res, old, merged, ch)
}
