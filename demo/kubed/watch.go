package kubed

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
)

// encodings remembers how an event's object is written, because many watchers
// want the same bytes.
type encodings struct {
	mu     sync.Mutex
	byForm map[string][]byte
}

func (e *encodings) get(key string, encode func() ([]byte, error)) ([]byte, error) {
	if e == nil {
		return encode()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if b, ok := e.byForm[key]; ok {
		return b, nil
	}
	b, err := encode()
	if err != nil {
		return nil, err
	}
	if e.byForm == nil {
		e.byForm = map[string][]byte{}
	}
	e.byForm[key] = b
	return b, nil
}

// watcher is one open watch.
type watcher struct {
	c         *call
	s         *Server
	form      form
	sel       selector
	out       streaming.Encoder
	flush     func()
	bookmarks bool
	header    bool // a table has not been sent yet: the next one names the columns
	rv        uint64
}

// bookmarkEvery is how often a watch that asked for bookmarks gets one.
const bookmarkEvery = time.Minute

func (s *Server) serveWatch(c *call) error {
	w, initial, err := s.newWatcher(c)
	if err != nil {
		return err
	}
	timeout := time.Duration(0)
	if v := c.query("timeoutSeconds"); v != "" {
		seconds, err := strconv.Atoi(v)
		if err != nil {
			return badRequest(fmt.Sprintf("invalid timeoutSeconds %q", v))
		}
		timeout = time.Duration(seconds) * time.Second
	}
	if timeout <= 0 {
		timeout = 30 * time.Minute
	}
	// From here on an error ends the stream: the client sees it close and asks again.
	if err := w.start(initial); err != nil {
		return nil
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	w.follow(deadline.C)
	return nil
}

// newWatcher checks the request and finds out what the watch begins with.
func (s *Server) newWatcher(c *call) (*watcher, []object, error) {
	f, err := negotiate(c.r, c.res.Typed)
	if err != nil {
		return nil, nil, err
	}
	field := c.query("fieldSelector")
	if c.info.name != "" {
		field = "metadata.name=" + c.info.name
	}
	sel, err := newSelector(c.res, c.info.namespace, c.query("labelSelector"), field)
	if err != nil {
		return nil, nil, err
	}
	asked, err := parseVersion(c.query("resourceVersion"))
	if err != nil {
		return nil, nil, err
	}
	initialAsked := c.flag("sendInitialEvents")
	if initialAsked && c.query("resourceVersionMatch") != string(metav1.ResourceVersionMatchNotOlderThan) {
		return nil, nil, badRequest(`ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: ` +
			"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
	}
	w := &watcher{c: c, s: s, form: f, sel: sel, rv: asked, header: true, bookmarks: c.flag("allowWatchBookmarks")}
	var initial []object
	if initialAsked || asked == 0 {
		s.store.read(func(t tx) { initial, w.rv = t.list(c.res.stored()), s.store.rv })
		if asked > w.rv {
			return nil, nil, tooNew(asked, w.rv)
		}
		if c.query("sendInitialEvents") == "false" {
			initial = nil
		}
	}
	return w, initial, nil
}

// start sends the header, and what exists already if the watch begins with it.
func (w *watcher) start(initial []object) error {
	media := w.form.mime
	if media == mimeProto {
		media = mimeProto + ";stream=watch"
	}
	flusher, ok := w.c.w.(http.Flusher)
	if !ok {
		return fmt.Errorf("the connection cannot stream")
	}
	stream := w.form.info.StreamSerializer
	if stream == nil {
		stream = known().media[mimeJSON].StreamSerializer
		media = mimeJSON
	}
	w.flush = flusher.Flush
	w.out = streaming.NewEncoder(stream.NewFrameWriter(w.c.w), stream.Serializer)
	h := w.c.w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-cache, private")
	w.c.w.WriteHeader(http.StatusOK)
	for _, o := range initial {
		if !w.sel.matches(o) {
			continue
		}
		if err := w.send(watch.Added, o, nil); err != nil {
			return err
		}
	}
	if w.c.flag("sendInitialEvents") && w.bookmarks {
		if err := w.bookmark(true); err != nil {
			return err
		}
	}
	w.flush()
	return nil
}

// follow sends the changes until the time is over or the client has gone.
func (w *watcher) follow(deadline <-chan time.Time) {
	ticker := time.NewTicker(bookmarkEvery)
	defer ticker.Stop()
	for {
		batch, wake, lost, now := w.s.store.since(w.c.res.stored(), w.rv)
		if lost > 0 {
			w.expire(lost)
			return
		}
		if !w.sendAll(batch) {
			return
		}
		if w.rv < now {
			w.rv = now
		}
		select {
		case <-wake:
		case <-ticker.C:
			if !w.bookmarks {
				continue
			}
			if w.bookmark(false) != nil {
				return
			}
			w.flush()
		case <-deadline:
			if w.bookmarks && w.bookmark(false) == nil {
				w.flush()
			}
			return
		case <-w.c.r.Context().Done():
			return
		}
	}
}

// sendAll sends a batch of changes; false means that the stream is broken.
func (w *watcher) sendAll(batch []event) bool {
	sent := false
	for _, e := range batch {
		w.rv = e.rv
		kind, o, enc := w.selected(e)
		if kind == "" {
			continue
		}
		if w.send(kind, o, enc) != nil {
			return false
		}
		sent = true
	}
	if sent {
		w.flush()
	}
	return w.c.r.Context().Err() == nil
}

// selected says what a change means to this watch: an object that begins to
// match appears, and one that no longer matches disappears.
func (w *watcher) selected(e event) (watch.EventType, object, *encodings) {
	was := e.old != nil && w.sel.matches(e.old)
	is := e.kind != watch.Deleted && w.sel.matches(e.obj)
	switch {
	case is && was:
		return watch.Modified, e.obj, e.enc
	case is:
		return watch.Added, e.obj, e.enc
	case was && e.kind == watch.Deleted:
		return watch.Deleted, e.obj, e.enc
	case was:
		gone := shallow(e.old)
		gone.SetResourceVersion(strconv.FormatUint(e.rv, 10))
		return watch.Deleted, gone, nil
	default:
		return "", nil, nil
	}
}

func (w *watcher) send(kind watch.EventType, o object, enc *encodings) error {
	key := w.form.mime + ";" + w.form.as + ";" + w.c.res.Group
	if w.form.table() {
		enc = nil // rows depend on the time and on what was sent before
	}
	raw, err := enc.get(key, func() ([]byte, error) { return w.encode(w.c.res.shown(o)) })
	if err != nil {
		return err
	}
	return w.frame(kind, raw)
}

func (w *watcher) encode(o object) ([]byte, error) {
	f := w.form
	f.pretty = false
	switch {
	case f.table():
		t := w.s.tableOf(w.c, []object{o}, metav1.ListMeta{ResourceVersion: o.GetResourceVersion()}, w.header)
		w.header = false
		return f.encode(t)
	case f.metadata():
		return f.encode(typedPartial(o))
	default:
		return f.encode(withType(w.c.res, o))
	}
}

func (w *watcher) frame(kind watch.EventType, raw []byte) error {
	e := &metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: bytes.TrimRight(raw, "\n")}}
	if w.form.mime == mimeProto {
		e.Object.Raw = raw
	}
	if err := w.out.Encode(e); err != nil {
		return fmt.Errorf("write a watch event: %w", err)
	}
	return nil
}

// bookmark tells how far the watch has come; end marks the end of the initial events.
func (w *watcher) bookmark(end bool) error {
	o := w.c.res.newObject()
	o.SetResourceVersion(strconv.FormatUint(w.rv, 10))
	if end {
		o.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	var raw []byte
	var err error
	if w.form.table() {
		raw, err = w.form.encode(w.s.tableOf(w.c, nil, metav1.ListMeta{ResourceVersion: o.GetResourceVersion()}, w.header))
	} else {
		raw, err = w.encode(o)
	}
	if err != nil {
		return err
	}
	return w.frame(watch.Bookmark, raw)
}

// expire ends the watch because its version is older than the history.
func (w *watcher) expire(lost uint64) {
	status := asStatus(tooOld(fmt.Sprintf("too old resource version: %d (%d)", w.rv, lost)))
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	f := w.form
	f.as, f.pretty = "", false
	raw, err := f.encode(&status)
	if err != nil {
		return
	}
	if w.frame(watch.Error, raw) == nil {
		w.flush()
	}
}
