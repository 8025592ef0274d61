package kubed

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

const (
	mimeJSON  = runtime.ContentTypeJSON
	mimeYAML  = runtime.ContentTypeYAML
	mimeProto = runtime.ContentTypeProtobuf
)

// form says how an answer is written: the media type, and whether objects are
// sent whole, as their metadata alone, or as rows of a table.
type form struct {
	mime   string
	as     string // "", "Table", "PartialObjectMetadata" or "PartialObjectMetadataList"
	pretty bool
	info   runtime.SerializerInfo
}

const (
	asTable = "Table"
	asMeta  = "PartialObjectMetadata"
	asMetas = "PartialObjectMetadataList"
)

func (f form) table() bool    { return f.as == asTable }
func (f form) metadata() bool { return f.as == asMeta || f.as == asMetas }

// negotiate picks the first form of the Accept header that can be served for
// objects that are built in (typed) or not.
func negotiate(r *http.Request, typed bool) (form, error) {
	accept := r.Header.Get("Accept")
	if accept == "" {
		accept = "*/*"
	}
	for _, clause := range strings.Split(accept, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(clause))
		if err != nil {
			continue
		}
		f := form{as: params["as"], mime: media}
		if media == "*/*" || media == "application/*" {
			f.mime = mimeJSON
		}
		if f.acceptable(params, typed) {
			f.info = known().media[f.mime]
			f.pretty = f.mime == mimeJSON && wantsPretty(r)
			return f, nil
		}
	}
	return form{}, notAcceptable("only the following media types are accepted: " +
		"application/json, application/yaml, application/vnd.kubernetes.protobuf")
}

func (f form) acceptable(params map[string]string, typed bool) bool {
	switch f.as {
	case "":
	case asTable, asMeta, asMetas:
		if params["g"] != metav1.GroupName || params["v"] != "v1" {
			return false
		}
	default:
		return false
	}
	switch f.mime {
	case mimeJSON, mimeYAML:
		return true
	case mimeProto:
		return f.metadata() || (typed && !f.table())
	default:
		return false
	}
}

func wantsPretty(r *http.Request) bool {
	switch r.URL.Query().Get("pretty") {
	case "", "true", "1":
	default:
		return false
	}
	agent := r.UserAgent()
	return r.URL.Query().Has("pretty") || strings.HasPrefix(agent, "curl") || strings.HasPrefix(agent, "Wget") ||
		strings.HasPrefix(agent, "Mozilla/5.0")
}

// encode writes one object. Stored objects carry no type: withType adds it to a copy.
func (f form) encode(o runtime.Object) ([]byte, error) {
	info := f.info
	if info.Serializer == nil {
		info = known().media[mimeJSON]
	}
	encoder := runtime.Encoder(info.Serializer)
	if f.pretty && info.PrettySerializer != nil {
		encoder = info.PrettySerializer
	}
	var buf bytes.Buffer
	if err := encoder.Encode(o, &buf); err != nil {
		return nil, fmt.Errorf("encode as %s: %w", f.mime, err)
	}
	return buf.Bytes(), nil
}

// withType returns a copy of the object that says what it is.
func withType(res *resource, o object) runtime.Object {
	if _, ok := o.(*unstructured.Unstructured); ok {
		return o
	}
	c := shallow(o)
	c.GetObjectKind().SetGroupVersionKind(res.gvk())
	return c
}

// partial returns the object's metadata alone. Stored objects are never
// changed, so the two share it.
func partial(o object) *metav1.PartialObjectMetadata {
	out := &metav1.PartialObjectMetadata{}
	if u, ok := o.(*unstructured.Unstructured); ok {
		if m, ok := u.Object["metadata"].(map[string]any); ok {
			// What the store holds always converts: it was decoded from an object before.
			_ = runtime.DefaultUnstructuredConverter.FromUnstructured(m, &out.ObjectMeta)
		}
		return out
	}
	if meta, ok := reflect.ValueOf(o).Elem().FieldByName("ObjectMeta").Interface().(metav1.ObjectMeta); ok {
		out.ObjectMeta = meta
	}
	return out
}

// typedPartial is partial with the kind of a single object.
func typedPartial(o object) *metav1.PartialObjectMetadata {
	p := partial(o)
	p.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind(asMeta))
	return p
}

// listOf builds the list object of the resource.
func listOf(res *resource, objs []object, meta metav1.ListMeta) (runtime.Object, error) {
	if !res.Typed {
		return unstructuredList(res, objs, meta), nil
	}
	gvk := res.GroupVersion().WithKind(res.Kind + "List")
	list, err := known().New(gvk)
	if err != nil {
		return nil, fmt.Errorf("no list type for %s: %w", res.Resource, err)
	}
	list.GetObjectKind().SetGroupVersionKind(gvk)
	v := reflect.ValueOf(list).Elem()
	v.FieldByName("ListMeta").Set(reflect.ValueOf(meta))
	items := v.FieldByName("Items")
	out := reflect.MakeSlice(items.Type(), len(objs), len(objs))
	for i, o := range objs {
		out.Index(i).Set(reflect.ValueOf(o).Elem())
	}
	items.Set(out)
	return list, nil
}

func unstructuredList(res *resource, objs []object, meta metav1.ListMeta) runtime.Object {
	list := &unstructured.UnstructuredList{Object: map[string]any{}}
	list.SetGroupVersionKind(res.GroupVersion().WithKind(res.Kind + "List"))
	list.SetResourceVersion(meta.ResourceVersion)
	list.SetContinue(meta.Continue)
	list.SetRemainingItemCount(meta.RemainingItemCount)
	list.Items = make([]unstructured.Unstructured, 0, len(objs))
	for _, o := range objs {
		if u, ok := o.(*unstructured.Unstructured); ok {
			list.Items = append(list.Items, *u)
		}
	}
	return list
}

func partialList(objs []object, meta metav1.ListMeta) runtime.Object {
	list := &metav1.PartialObjectMetadataList{ListMeta: meta, Items: make([]metav1.PartialObjectMetadata, len(objs))}
	list.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind(asMetas))
	for i, o := range objs {
		list.Items[i] = *partial(o)
	}
	return list
}

var gzipPool = sync.Pool{New: func() any {
	// A level between 1 and 9 is never refused.
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return w
}}

// compressFrom is the size from which answers are compressed, as the API server does it.
const compressFrom = 128 * 1024

// send writes an encoded answer, compressed if it is large and the client wants that.
func send(w http.ResponseWriter, r *http.Request, contentType string, code int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache, private")
	if len(body) < compressFrom || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.WriteHeader(code)
		_, _ = w.Write(body) // the client is gone if this fails
		return
	}
	h.Set("Content-Encoding", "gzip")
	h.Add("Vary", "Accept-Encoding")
	w.WriteHeader(code)
	z, ok := gzipPool.Get().(*gzip.Writer)
	if !ok {
		return
	}
	defer gzipPool.Put(z)
	z.Reset(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

// decodeBody reads a request's object: JSON, YAML or protobuf.
func decodeBody(contentType string, body []byte, res *resource) (object, error) {
	if media, _, err := mime.ParseMediaType(contentType); err == nil && contentType != "" {
		if _, ok := known().media[media]; !ok {
			return nil, unsupportedMedia(fmt.Sprintf("the body of the request was in an unknown format - accepted media types include: "+
				"application/json, application/yaml, application/vnd.kubernetes.protobuf, got %s", media))
		}
	}
	if !res.Typed {
		return decodeCustom(body, res)
	}
	gvk := res.gvk()
	o, got, err := known().codecs.UniversalDeserializer().Decode(body, &gvk, nil)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	typed, ok := o.(object)
	if !ok || got.Kind != res.Kind || got.Group != res.Group {
		return nil, wrongKind(res, *got)
	}
	typed.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return typed, nil
}

func wrongKind(res *resource, got schema.GroupVersionKind) error {
	return badRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: no kind %q is registered for version %q",
		got.Kind, got.Version, res.Kind, got.Kind, res.GroupVersion().String()))
}

func decodeCustom(body []byte, res *resource) (object, error) {
	m, err := toMap(body)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	u := &unstructured.Unstructured{Object: m}
	if u.GetKind() == "" && u.GetAPIVersion() == "" {
		u.SetGroupVersionKind(res.gvk())
	}
	if u.GroupVersionKind() != res.gvk() {
		return nil, badRequest(fmt.Sprintf("the API version in the data (%s) does not match the expected API version (%s)",
			u.GetAPIVersion()+", Kind="+u.GetKind(), res.GroupVersion().String()+", Kind="+res.Kind))
	}
	return u, sane(u)
}

// decodeInto reads a request's body into a type that is no stored resource,
// such as an eviction or the options of a deletion.
func decodeInto(body []byte, gvk schema.GroupVersionKind, into runtime.Object) error {
	if len(body) == 0 {
		return nil
	}
	if _, _, err := known().codecs.UniversalDeserializer().Decode(body, &gvk, into); err != nil {
		return badRequest(err.Error())
	}
	return nil
}

// protobufMagic begins every object in protobuf.
var protobufMagic = []byte("k8s\x00")

// decodeDeleteOptions reads the options of a deletion. Each client names them
// with the API version that it happens to use, so that is not looked at.
func decodeDeleteOptions(body []byte) (metav1.DeleteOptions, error) {
	var opts metav1.DeleteOptions
	if len(body) == 0 {
		return opts, nil
	}
	if raw, ok := bytes.CutPrefix(body, protobufMagic); ok {
		var outer runtime.Unknown
		err := outer.Unmarshal(raw)
		if err == nil {
			err = opts.Unmarshal(outer.Raw)
		}
		if err != nil {
			return opts, badRequest(err.Error())
		}
		return opts, nil
	}
	if err := yaml.Unmarshal(body, &opts); err != nil {
		return opts, badRequest(err.Error())
	}
	return opts, nil
}
