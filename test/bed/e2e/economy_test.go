package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// call is one request of the cockpit, and what the API server answered it in.
type call struct {
	method, path string
	query        url.Values
	accept       string
	agent        string
	answered     string // Content-Type; empty: not answered yet
	code         int
}

func (c call) String() string {
	return fmt.Sprintf("%s %s?%s (asked for %s, answered %d in %s)", c.method, c.path, c.query.Encode(), c.accept, c.code, c.answered)
}

func (c call) watch() bool { return c.query.Get("watch") != "" }

// recorder is a proxy in front of the API server that writes down what is asked.
type recorder struct {
	mu    sync.Mutex
	calls []*call
	front *httptest.Server
}

// record starts a recorder that looks like the API server to those that trust the
// bed's authority, and asks as administrator.
func record(t *testing.T) *recorder {
	t.Helper()
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	admin, err := lab.ca.Client("recorder", []string{"system:masters"}, from, to)
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.ca.Server("recorder", []string{"127.0.0.1"}, from, to)
	if err != nil {
		t.Fatal(err)
	}
	client, err := admin.TLS()
	if err != nil {
		t.Fatal(err)
	}
	own, err := server.TLS()
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(lab.bed.Server())
	if err != nil {
		t.Fatal(err)
	}
	back := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: lab.ca.Pool(), Certificates: []tls.Certificate{client}},
	}
	r := &recorder{}
	r.front = httptest.NewUnstartedServer(r.proxy(target, back))
	r.front.EnableHTTP2 = true
	r.front.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
	r.front.StartTLS()
	t.Cleanup(func() {
		r.front.Close()
		back.CloseIdleConnections()
	})
	return r
}

func (r *recorder) proxy(target *url.URL, back http.RoundTripper) http.Handler {
	p := &httputil.ReverseProxy{
		Transport: back, FlushInterval: -1,
		Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, c := range slices.Backward(r.calls) {
				if c.path == resp.Request.URL.Path && c.query.Encode() == resp.Request.URL.Query().Encode() && c.answered == "" {
					c.answered, c.code = resp.Header.Get("Content-Type"), resp.StatusCode
					break
				}
			}
			return nil
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.calls = append(r.calls, &call{
			method: req.Method, path: req.URL.Path, query: req.URL.Query(),
			accept: req.Header.Get("Accept"), agent: req.Header.Get("User-Agent"),
		})
		r.mu.Unlock()
		p.ServeHTTP(w, req)
	})
}

// seen are the calls so far whose path ends like that; "" are all.
func (r *recorder) seen(suffix string) []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []call
	for _, c := range r.calls {
		if strings.HasSuffix(c.path, suffix) {
			out = append(out, *c)
		}
	}
	return out
}

const protobuf = "application/vnd.kubernetes.protobuf"

var followed = map[string]bool{ // path to whether the type is a built-in one
	"/api/v1/nodes": true, "/api/v1/pods": true,
	"/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations": false, "/apis/helm.toolkit.fluxcd.io/v2/helmreleases": false,
	"/apis/source.toolkit.fluxcd.io/v1/gitrepositories": false, "/apis/source.toolkit.fluxcd.io/v1/helmcharts": false,
}

func TestOneListAndOneWatchEach(t *testing.T) {
	r := record(t)
	w := connect(t, lab.reader, kubeconfigFor(t, r.front.URL, "anybody"))
	w.untilProof(t, cluster.ProofSame)
	until(t, "all is followed", func() string {
		for path := range followed {
			if all := r.seen(path); len(all) < 2 || all[len(all)-1].answered == "" {
				return fmt.Sprint(path, ": ", all)
			}
		}
		return yes(w.node("talos-test01").Pods.Known && len(w.board.Flux.Load().Value.Objects) >= 6, "the board is not full")
	})
	kubectl(t, "label", "node", "talos-test01", "example.com/seen=yes")
	promptly(t, "a change through the proxy", func() string {
		return yes(w.kubeNode("talos-test01").Labels["example.com/seen"] == "yes", "not seen")
	})
	kubectl(t, "label", "node", "talos-test01", "example.com/seen-")
	for path, builtin := range followed {
		all := r.seen(path)
		if len(all) != 2 || all[0].watch() || !all[1].watch() {
			t.Errorf("%s is not followed by one list and one watch: %v", path, all)
			continue
		}
		list, watch := all[0], all[1]
		if list.query.Get("limit") != "500" {
			t.Errorf("no pages: %v", list)
		}
		if watch.query.Get("allowWatchBookmarks") != "true" || watch.query.Get("resourceVersion") == "" {
			t.Errorf("a watch that cannot be taken up again: %v", watch)
		}
		for _, c := range all {
			if c.code != http.StatusOK || !strings.HasPrefix(c.agent, "talos-cockpit/") {
				t.Errorf("%v by %s", c, c.agent)
			}
			if builtin != strings.HasPrefix(c.accept, protobuf) || builtin != strings.HasPrefix(c.answered, protobuf) {
				t.Errorf("protobuf: %v", c)
			}
		}
	}
	for _, c := range r.seen("") {
		if c.method != http.MethodGet && !strings.HasSuffix(c.path, "selfsubjectaccessreviews") {
			t.Errorf("something was written: %v", c)
		}
	}
}

func TestForecastIsTwoLists(t *testing.T) {
	r := record(t)
	c := openKube(t, kubeconfigFor(t, r.front.URL, "anybody"))
	if _, err := c.Forecast(timeout(t), "talos-test01"); err != nil {
		t.Fatal(err)
	}
	all := r.seen("")
	if len(all) != 2 {
		t.Fatalf("asked: %v", all)
	}
	if p := all[0].query; p.Get("fieldSelector") != "spec.nodeName=talos-test01" || p.Get("limit") != "500" {
		t.Errorf("pods of other nodes are asked for, too: %v", all[0])
	}
	for _, c := range all {
		if !strings.HasPrefix(c.answered, protobuf) {
			t.Errorf("not in protobuf: %v", c)
		}
	}
}
