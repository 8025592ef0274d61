package kubed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// asAdmin makes a request look as if it came with the administrator's certificate.
func asAdmin(r *http.Request) *http.Request {
	cert := &x509.Certificate{Subject: pkix.Name{CommonName: UserAdmin, Organization: []string{mastersGroup}}}
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}}
	return r
}

// FuzzRequests throws selectors, paging tokens, patches and bodies at the API:
// it must answer each with a status, and stay consistent.
func FuzzRequests(f *testing.F) {
	sc, err := scene.Get("still")
	if err != nil {
		f.Fatal(err)
	}
	s := New(sc, Options{})
	f.Add("app=x", "metadata.name=a", "", `{"metadata":{"labels":{"a":"b"}}}`, uint8(0))
	f.Add("a in (b,c),!d", "spec.nodeName!=x", "eyJydiI6MX0", `[{"op":"replace","path":"/spec","value":3}]`, uint8(1))
	f.Add("", "a=b,c", "!!", `{"spec":{"suspend":"yes"},"metadata":[]}`, uint8(2))
	f.Add("", "", "", `{"metadata":{"annotations":{"a":1},"finalizers":3}}`, uint8(2))
	f.Add("", "", "", `{"status":{"conditions":[1,{"type":2}],"history":{}}}`, uint8(2))
	f.Add("", "", "", "apiVersion: v1\nkind: Node\nspec: {taints: [{key: 1}]}", uint8(3))
	f.Add("", "", "", `{"$patch":"replace","spec":null}`, uint8(4))
	kinds := []types.PatchType{
		types.StrategicMergePatchType, types.JSONPatchType, types.MergePatchType, types.ApplyYAMLPatchType, types.StrategicMergePatchType,
	}
	targets := []string{"/api/v1/nodes/talos-test01", "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/media"}
	f.Fuzz(func(t *testing.T, label, field, token, body string, kind uint8) {
		q := url.Values{"labelSelector": {label}, "fieldSelector": {field}, "continue": {token}, "limit": {"3"}, "fieldManager": {"f"}, "force": {"true"}}
		for _, path := range []string{"/api/v1/pods", "/api/v1/events", "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations"} {
			answered(t, s, http.MethodGet, path+"?"+q.Encode(), "", "")
		}
		for _, path := range targets {
			answered(t, s, http.MethodPatch, path+"?"+q.Encode(), string(kinds[int(kind)%len(kinds)]), body)
			answered(t, s, http.MethodPut, path, "application/json", body)
			answered(t, s, http.MethodGet, path, "", "")
		}
		answered(t, s, http.MethodPost, "/api/v1/namespaces/media/pods/x/eviction", "application/json", body)
		answered(t, s, http.MethodPost, "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/media/kustomizations", "application/json", body)
	})
}

func answered(t *testing.T, s *Server, method, target, contentType, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, target, strings.NewReader(body))
	if err != nil {
		return // no request at all
	}
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, asAdmin(r))
	if w.Code < 200 || w.Code >= 600 || w.Code == http.StatusInternalServerError {
		t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body.String())
	}
}

// get asks the handler itself and returns the status.
func get(tb testing.TB, s *Server, target, accept string) int {
	tb.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, asAdmin(r))
	return w.Code
}
