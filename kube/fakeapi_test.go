package kube

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeAPI is a small Kubernetes API over TLS and HTTP/2, in JSON, that can be
// made to misbehave as real ones do.
type fakeAPI struct {
	*httptest.Server
	mu      sync.Mutex
	version int
	objects map[string]map[string]any // collection path -> namespace/name -> object
	history []fakeEvent
	oldest  int // versions below this one are forgotten
	kick    chan struct{}
	ended   chan struct{}     // closed to end all watches
	denied  map[string]string // collection path -> message
	kinds   map[string]string // group/version -> JSON of its resources
	calls   []string
	hung    map[string]bool // collection path -> never answers
	short   bool            // watches end at once
	starts  bool            // it is not ready yet
}

type fakeEvent struct {
	version int
	path    string
	kind    string
	object  map[string]any
}

func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{
		version: 10, objects: map[string]map[string]any{}, kick: make(chan struct{}), ended: make(chan struct{}),
		denied: map[string]string{}, kinds: map[string]string{}, hung: map[string]bool{},
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.EnableHTTP2 = true
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that these tests cut
	f.StartTLS()
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// quick makes the client impatient, so that tests are short.
var quick = pace{
	pingAfter: usual.pingAfter, pingTimeout: usual.pingTimeout, patience: 20 * time.Second,
	look: 300 * time.Millisecond, lookAway: 100 * time.Millisecond, discover: 300 * time.Millisecond,
}

// open is a client of the fake, with an own dialer if dial is not nil.
func (f *fakeAPI) open(t *testing.T, dial Dial) *Client {
	t.Helper()
	return f.openAt(t, dial, quick)
}

// openAt is open at another pace.
func (f *fakeAPI) openAt(t *testing.T, dial Dial, p pace) *Client {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	file, err := json.Marshal(map[string]any{
		"current-context": "fake",
		"clusters":        []any{map[string]any{"name": "c", "cluster": map[string]any{"server": f.URL, "certificate-authority-data": ca}}},
		"users":           []any{map[string]any{"name": "u", "user": map[string]any{"token": "secret"}}},
		"contexts":        []any{map[string]any{"name": "fake", "context": map[string]any{"cluster": "c", "user": "u"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := FromBytes(file, "fake", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(cfg, Options{Dial: dial, Version: "1.0.0", pace: &p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// put stores an object and tells the watches.
func (f *fakeAPI) put(path string, o map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	o = maps.Clone(o) // objects are never changed once they are stored
	meta := maps.Clone(o["metadata"].(map[string]any))
	o["metadata"], meta["resourceVersion"] = meta, strconv.Itoa(f.version)
	if f.objects[path] == nil {
		f.objects[path] = map[string]any{}
	}
	key := fmt.Sprint(meta["namespace"], "/", meta["name"])
	kind := "ADDED"
	if f.objects[path][key] != nil {
		kind = "MODIFIED"
	}
	f.objects[path][key] = o
	f.tell(path, kind, o)
}

func (f *fakeAPI) remove(path, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	o := maps.Clone(f.objects[path][key].(map[string]any))
	meta := maps.Clone(o["metadata"].(map[string]any))
	meta["resourceVersion"] = strconv.Itoa(f.version)
	o["metadata"] = meta
	delete(f.objects[path], key)
	f.tell(path, "DELETED", o)
}

func (f *fakeAPI) tell(path, kind string, o map[string]any) {
	f.history = append(f.history, fakeEvent{f.version, path, kind, o})
	close(f.kick)
	f.kick = make(chan struct{})
}

// forget makes every watch from before now end with 410.
func (f *fakeAPI) forget() {
	f.mu.Lock()
	f.version++
	f.oldest = f.version
	f.mu.Unlock()
	f.endWatches()
}

func (f *fakeAPI) endWatches() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.ended)
	f.ended = make(chan struct{})
}

func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// called counts the calls so far whose line contains all parts.
func (f *fakeAPI) called(parts ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(c, p) }) {
			n++
		}
	}
	return n
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	message, denied := f.denied[r.URL.Path]
	hung, starts := f.hung[r.URL.Path], f.starts
	kinds, isGroup := f.kinds[strings.TrimPrefix(r.URL.Path, "/apis/")]
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case hung:
		<-r.Context().Done()
	case denied:
		fail(w, http.StatusForbidden, "Forbidden", message)
	case r.URL.Path == "/version":
		_, _ = io.WriteString(w, `{"gitVersion":"v1.37.2"}`)
	case r.URL.Path == "/readyz" && starts:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "[+]ping ok\n[-]informer-sync failed: reason withheld\nreadyz check failed\n")
	case r.URL.Path == "/apis":
		f.serveGroups(w)
	case isGroup:
		_, _ = io.WriteString(w, kinds)
	case r.Method != http.MethodGet:
		f.servePatch(w, r)
	case r.URL.Query().Get("watch") != "":
		f.serveWatch(w, r)
	case f.collection(r.URL.Path):
		f.serveList(w, r)
	default:
		f.serveOne(w, r.URL.Path)
	}
}

func (f *fakeAPI) collection(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.objects[path] != nil
}

func fail(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

func (f *fakeAPI) serveGroups(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	groups := []any{map[string]any{"name": "apps", "versions": []any{map[string]any{"version": "v1"}}}}
	for _, gv := range slices.Sorted(maps.Keys(f.kinds)) {
		group, version, _ := strings.Cut(gv, "/")
		groups = append(groups, map[string]any{"name": group, "versions": []any{map[string]any{"version": version}}, "preferredVersion": map[string]any{"version": version}})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "APIGroupList", "groups": groups})
}

func (f *fakeAPI) serveList(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.objects[r.URL.Path]
	keys := slices.Sorted(maps.Keys(all))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	meta := map[string]any{"resourceVersion": strconv.Itoa(f.version)}
	if from > 0 && f.oldest > 0 && limit > 0 {
		f.oldest = 0
		fail(w, http.StatusGone, "Expired", "the continue parameter is too old")
		return
	}
	keys = keys[min(from, len(keys)):]
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
		meta["continue"] = strconv.Itoa(from + limit)
	}
	list := make([]any, 0, len(keys))
	for _, k := range keys {
		list = append(list, all[k])
	}
	kind, version := listKind(r.URL.Path)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": kind, "apiVersion": version, "metadata": meta, "items": list})
}

// listKind is the kind and the version of the list at a path.
func listKind(path string) (kind, version string) {
	dir, plural := path[:strings.LastIndexByte(path, '/')], path[strings.LastIndexByte(path, '/')+1:]
	kinds := map[string]string{"nodes": "NodeList", "pods": "PodList", "kustomizations": "KustomizationList", "gitrepositories": "GitRepositoryList", "helmreleases": "HelmReleaseList"}
	return kinds[plural], strings.TrimPrefix(strings.TrimPrefix(dir, "/apis/"), "/api/")
}

func (f *fakeAPI) serveOne(w http.ResponseWriter, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o, _, _ := f.find(path); o != nil {
		_ = json.NewEncoder(w).Encode(o)
		return
	}
	fail(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
}

// find is the object at a path with a namespace, its collection and its key.
func (f *fakeAPI) find(path string) (o map[string]any, collection, key string) {
	before, rest, ok := strings.Cut(path, "/namespaces/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return nil, "", ""
	}
	collection, key = before+"/"+parts[1], parts[0]+"/"+parts[2]
	o, _ = f.objects[collection][key].(map[string]any)
	return o, collection, key
}

// servePatch merges the patch into the object, as far as these tests need it.
func (f *fakeAPI) servePatch(w http.ResponseWriter, r *http.Request) {
	var patch map[string]any
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
		fail(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	if strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews") {
		attributes, _ := patch["spec"].(map[string]any)["resourceAttributes"].(map[string]any)
		patch["status"] = map[string]any{"allowed": attributes["verb"] == "patch"}
		_ = json.NewEncoder(w).Encode(patch)
		return
	}
	f.mu.Lock()
	o, collection, _ := f.find(r.URL.Path)
	f.mu.Unlock()
	if o == nil {
		fail(w, http.StatusNotFound, "NotFound", "not found")
		return
	}
	next := merge(o, patch).(map[string]any)
	f.put(collection, next)
	_ = json.NewEncoder(w).Encode(next)
}

// merge is a JSON merge patch.
func merge(to, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	old, _ := to.(map[string]any)
	out := maps.Clone(old)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = merge(out[k], v)
	}
	return out
}

func (f *fakeAPI) serveWatch(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	enc := json.NewEncoder(w)
	for {
		f.mu.Lock()
		kick, ended, short := f.kick, f.ended, f.short
		if from < f.oldest {
			f.mu.Unlock()
			_ = enc.Encode(map[string]any{"type": "ERROR", "object": map[string]any{
				"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version",
			}})
			return
		}
		for _, e := range f.history {
			if e.version > from && e.path == r.URL.Path {
				_ = enc.Encode(map[string]any{"type": e.kind, "object": e.object})
				from = e.version
			}
		}
		f.mu.Unlock()
		w.(http.Flusher).Flush()
		if short {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-ended:
			return
		case <-kick:
		}
	}
}

// link is a network that can be cut: bytes stop, and nobody is told.
type link struct {
	mu    sync.Mutex
	cut   bool
	off   bool // connections are refused
	conns []*linkConn
}

func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	cut, off := l.cut, l.off
	l.mu.Unlock()
	if off {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	if cut {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &linkConn{Conn: c}
	l.mu.Lock()
	l.conns = append(l.conns, conn)
	l.mu.Unlock()
	return conn, nil
}

// linkConn swallows what is written and hears nothing once it is dead.
type linkConn struct {
	net.Conn
	dead atomic.Bool
}

func (c *linkConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if !c.dead.Load() || err != nil {
			return n, err
		}
	}
}

func (c *linkConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, c := range l.conns {
		if cut {
			c.dead.Store(true)
		}
	}
}

// refuse is a server that is stopped: connections end, new ones are refused.
func (l *link) refuse(off bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = off
	for _, c := range l.conns {
		if off {
			_ = c.Close()
		}
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	const limit = 30 * time.Second // a busy machine is slow
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-tick.C
	}
}
