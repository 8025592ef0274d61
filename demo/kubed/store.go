package kubed

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// object is what the store keeps: a built-in type or an *unstructured.Unstructured.
// A stored object is never changed again; a change stores a copy.
type object interface {
	runtime.Object
	metav1.Object
}

// event is one entry of a table's history.
type event struct {
	kind watch.EventType
	obj  object // the state after the change; for DELETED the last state with the deletion's version
	old  object // the state before the change, nil for ADDED
	rv   uint64

	enc *encodings // what watchers have already encoded of it
}

// store keeps every object of the simulated cluster behind one lock and one
// resource version counter, as etcd does.
type store struct {
	mu      sync.RWMutex
	rv      uint64
	uids    uint64
	tables  map[*resource]*table
	history int
	seed    int64
	now     func() time.Time
	// changed is told about every change, with the lock held: it must not use the store.
	changed func(*resource, event)
}

func newStore(seed int64, history int, now func() time.Time) *store {
	return &store{
		rv: 1000, tables: map[*resource]*table{}, history: history, seed: seed, now: now,
		changed: func(*resource, event) {},
	}
}

// table holds the objects of one resource, in the order of their keys.
type table struct {
	order   []object
	shared  bool // a reader holds order: copy it before the next change
	byKey   map[string]object
	indexes map[string]map[string]map[string]object // index, value, key

	hist    []event
	dropped uint64        // version of the youngest event that the history has lost
	wake    chan struct{} // closed at the next change
}

func (s *store) table(res *resource) *table {
	t := s.tables[res]
	if t == nil {
		t = &table{byKey: map[string]object{}, dropped: s.rv, wake: make(chan struct{})}
		t.indexes = map[string]map[string]map[string]object{}
		for name := range res.index {
			t.indexes[name] = map[string]map[string]object{}
		}
		s.tables[res] = t
	}
	return t
}

func keyOf(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func objKey(o object) string { return keyOf(o.GetNamespace(), o.GetName()) }

func compareKey(o object, key string) int { return strings.Compare(objKey(o), key) }

// tx is the store while its lock is held for writing.
type tx struct{ s *store }

// write runs fn with the store locked. What fn changed before an error stays
// changed: fn checks first and changes afterwards.
func (s *store) write(fn func(tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn(tx{s})
}

// read runs fn with the store locked for reading; fn must only get and list.
func (s *store) read(fn func(tx)) {
	s.mu.Lock() // table() may create a table
	defer s.mu.Unlock()
	fn(tx{s})
}

func (t tx) get(res *resource, namespace, name string) (object, bool) {
	o, ok := t.s.table(res).byKey[keyOf(namespace, name)]
	return o, ok
}

// list returns all objects of the resource in key order; the slice never changes.
func (t tx) list(res *resource) []object {
	tab := t.s.table(res)
	tab.shared = true
	return tab.order
}

// find returns the objects with that value in that index, in key order.
func (t tx) find(res *resource, index, value string) []object {
	m := t.s.table(res).indexes[index][value]
	out := make([]object, 0, len(m))
	for _, o := range m {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b object) int { return strings.Compare(objKey(a), objKey(b)) })
	return out
}

// put stores o, which the caller must not change afterwards, and gives it a new
// version, and to a new object its uid and creation time.
func (t tx) put(res *resource, o object) object {
	s, tab := t.s, t.s.table(res)
	key := objKey(o)
	old := tab.byKey[key]
	s.rv++
	o.SetResourceVersion(strconv.FormatUint(s.rv, 10))
	if o.GetUID() == "" {
		o.SetUID(s.newUID())
	}
	if created := o.GetCreationTimestamp(); created.IsZero() {
		o.SetCreationTimestamp(metav1.NewTime(s.now().Truncate(time.Second)))
	}
	kind := watch.Modified
	if old == nil {
		kind = watch.Added
	}
	tab.place(key, o, old != nil)
	tab.reindex(res, key, old, o)
	s.record(res, tab, event{kind: kind, obj: o, old: old, rv: s.rv})
	return o
}

// remove deletes the object for good and returns it as it was last; nil: there is none.
func (t tx) remove(res *resource, namespace, name string) object {
	s, tab := t.s, t.s.table(res)
	key := keyOf(namespace, name)
	old, ok := tab.byKey[key]
	if !ok {
		return nil
	}
	s.rv++
	last := shallow(old)
	last.SetResourceVersion(strconv.FormatUint(s.rv, 10))
	delete(tab.byKey, key)
	tab.own()
	if i, found := slices.BinarySearchFunc(tab.order, key, compareKey); found {
		tab.order = slices.Delete(tab.order, i, i+1)
	}
	tab.reindex(res, key, old, nil)
	s.record(res, tab, event{kind: watch.Deleted, obj: last, old: old, rv: s.rv})
	return last
}

func (t *table) own() {
	if t.shared {
		t.order, t.shared = slices.Clone(t.order), false
	}
}

func (t *table) place(key string, o object, replace bool) {
	t.byKey[key] = o
	t.own()
	i, _ := slices.BinarySearchFunc(t.order, key, compareKey)
	if replace {
		t.order[i] = o
		return
	}
	t.order = slices.Insert(t.order, i, o)
}

func (t *table) reindex(res *resource, key string, old, o object) {
	for name, values := range res.index {
		idx := t.indexes[name]
		if old != nil {
			for _, v := range values(old) {
				delete(idx[v], key)
				if len(idx[v]) == 0 {
					delete(idx, v)
				}
			}
		}
		if o == nil {
			continue
		}
		for _, v := range values(o) {
			if idx[v] == nil {
				idx[v] = map[string]object{}
			}
			idx[v][key] = o
		}
	}
}

func (s *store) record(res *resource, t *table, e event) {
	e.enc = &encodings{}
	if len(t.hist) >= s.history {
		cut := max(1, s.history/4)
		t.dropped = t.hist[cut-1].rv
		t.hist = append(make([]event, 0, s.history), t.hist[cut:]...)
	}
	t.hist = append(t.hist, e)
	close(t.wake)
	t.wake = make(chan struct{})
	s.changed(res, e)
}

// since returns the events after version rv, and the channel that is closed at
// the next one. lost is the version that the history reaches back to when rv is older.
func (s *store) since(res *resource, rv uint64) (events []event, wake <-chan struct{}, lost uint64, now uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(res)
	if rv < t.dropped {
		return nil, t.wake, t.dropped, s.rv
	}
	i, _ := slices.BinarySearchFunc(t.hist, rv+1, func(e event, v uint64) int {
		if e.rv < v {
			return -1
		}
		if e.rv > v {
			return 1
		}
		return 0
	})
	return t.hist[i:len(t.hist):len(t.hist)], t.wake, 0, s.rv
}

// newUID returns the next unique id; the same seed gives the same ones.
func (s *store) newUID() types.UID {
	s.uids++
	return types.UID(uuidOf(s.seed, "uid", strconv.FormatUint(s.uids, 10)))
}

func (s *store) version() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rv
}
