package kube

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// WatchFlux follows all objects of all Flux kinds until ctx ends; kinds that are
// installed or removed later are noticed within a minute. It calls emit, from
// one goroutine at a time, once the kinds are listed and after each change of
// what is shown, with the objects sorted by kind, namespace and name. Kinds that
// may not be listed are in Denied. An error says why the list, kept as it was
// last seen, cannot be followed at the moment; a list that is not Installed
// together with an error says nothing about Flux.
func (c *Client) WatchFlux(ctx context.Context, emit func(cluster.FluxList, *cluster.Trouble)) {
	w := &fluxWatch{client: c, changed: newBell(), lost: newBell(), kinds: map[cluster.FluxKind]*fluxFollow{}, started: time.Now()}
	done := background(c.spawn, func() { w.discover(ctx) })
	var last cluster.FluxList
	var lastErr *cluster.Trouble
	first := true
	w.changed.each(ctx, pause, func() {
		list, err, whole := w.list()
		if !whole || !first && sameTrouble(err, lastErr) && reflect.DeepEqual(list, last) {
			return
		}
		first, last, lastErr = false, list, err
		emit(list, err)
	})
	<-done
}

// fluxWatch is one running WatchFlux.
type fluxWatch struct {
	client  *Client
	changed bell // something to emit
	lost    bell // a kind may have gone: discover at once
	started time.Time

	mu    sync.Mutex
	kinds map[cluster.FluxKind]*fluxFollow
	known bool             // the kinds were discovered at least once
	err   *cluster.Trouble // why the kinds cannot be discovered
}

// fluxFollow is one followed kind.
type fluxFollow struct {
	table *table[cluster.FluxObject]
	stop  context.CancelFunc
	done  <-chan struct{}
}

// discover keeps the followed kinds equal to the served ones until ctx ends.
func (w *fluxWatch) discover(ctx context.Context) {
	defer w.stopAll()
	patience := time.AfterFunc(w.client.pace.patience, w.changed.ring)
	defer patience.Stop()
	for ctx.Err() == nil {
		kinds, err := w.client.FluxKinds(ctx)
		var starting *cluster.Trouble
		if err == nil && w.doubtful(kinds) {
			starting = w.client.starting(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		wait := w.client.pace.discover
		switch {
		case err != nil:
			w.client.lookNow()
			wait = w.client.pace.lookAway
			w.failed(Explain(err, "ask for the Flux kinds"))
		case starting != nil:
			wait = w.client.pace.lookAway
			w.follow(ctx, kinds, starting)
		default:
			w.follow(ctx, kinds, nil)
		}
		if !w.await(ctx, wait) {
			return
		}
	}
}

func (w *fluxWatch) await(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-w.lost:
		return sleep(ctx, time.Second) // let the server settle; also caps the rate
	}
}

func (w *fluxWatch) failed(err *cluster.Trouble) {
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
	w.changed.ring()
}

// doubtful reports whether the kinds are news, which a server tells while it
// starts, too: it serves Flux a second or two after the rest.
func (w *fluxWatch) doubtful(kinds []cluster.FluxKind) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.known || w.err != nil || len(kinds) != len(w.kinds) ||
		slices.ContainsFunc(kinds, func(k cluster.FluxKind) bool { return w.kinds[k] == nil })
}

// follow starts what is new and stops what is gone; from a server that is
// starting, nothing is.
func (w *fluxWatch) follow(ctx context.Context, kinds []cluster.FluxKind, starting *cluster.Trouble) {
	var gone []*fluxFollow
	w.mu.Lock()
	changed := !w.known || !sameTrouble(w.err, starting)
	w.known, w.err = true, starting
	for kind, f := range w.kinds {
		if starting == nil && !slices.Contains(kinds, kind) {
			gone = append(gone, f)
			delete(w.kinds, kind)
			changed = true
		}
	}
	for _, kind := range kinds {
		if w.kinds[kind] == nil {
			w.kinds[kind] = w.start(ctx, kind)
			changed = true
		}
	}
	w.mu.Unlock()
	for _, f := range gone {
		f.stop()
		<-f.done
	}
	if changed {
		w.changed.ring()
	}
}

func (w *fluxWatch) start(ctx context.Context, kind cluster.FluxKind) *fluxFollow {
	ctx, stop := context.WithCancel(ctx)
	t := newTable(sameFlux)
	t.onChange(w.changed.ring)
	api := w.client.dynamic.Resource(resourceOf(kind))
	f := &follower[cluster.FluxObject]{
		what: "list " + kind.Plural + "." + kind.Group, to: t, explain: w.client.Explain, back: &w.client.back,
		trouble: func(err error) {
			w.client.lookNow()
			if t := Explain(err, ""); t.Kind == cluster.TroubleNotFound {
				w.lost.ring()
			}
		},
		list: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) { return api.List(ctx, opts) },
		watch: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			return api.Watch(ctx, opts)
		},
		row: func(o runtime.Object) (cluster.FluxObject, bool) {
			u, ok := o.(*unstructured.Unstructured)
			if !ok {
				return cluster.FluxObject{}, false
			}
			return FluxObject(u, kind), true
		},
	}
	return &fluxFollow{table: t, stop: stop, done: background(w.client.spawn, func() { f.run(ctx) })}
}

func (w *fluxWatch) stopAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.kinds {
		f.stop()
		<-f.done
	}
}

// list puts the kinds together. It is whole once every kind has answered, or
// has had its time.
func (w *fluxWatch) list() (list cluster.FluxList, trouble *cluster.Trouble, whole bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	trouble, whole = w.err, w.known || w.err != nil
	list.Installed = len(w.kinds) > 0
	patient := time.Since(w.started) < w.client.pace.patience
	for kind, f := range w.kinds {
		f.table.read(func(rows map[types.NamespacedName]cluster.FluxObject, synced bool, err *cluster.Trouble) {
			whole = whole && (synced || err != nil || !patient)
			if !synced && err == nil {
				err = waiting(kind)
			}
			list.Objects = slices.AppendSeq(list.Objects, maps.Values(rows))
			switch {
			case err == nil:
			case err.Kind == cluster.TroubleForbidden:
				if list.Denied == nil {
					list.Denied = map[string]string{}
				}
				list.Denied[kind.Kind] = err.What
			case trouble == nil || err.What < trouble.What: // the same one each time
				trouble = err
			}
		})
	}
	slices.SortFunc(list.Objects, func(a, b cluster.FluxObject) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name), strings.Compare(a.Group, b.Group))
	})
	return list, trouble, whole
}

// waiting says that a kind is missing from the list because it has not answered.
func waiting(k cluster.FluxKind) *cluster.Trouble {
	return &cluster.Trouble{
		Kind: cluster.TroubleTimeout, What: "list " + k.Plural + "." + k.Group + ": no answer yet, so they are missing here",
	}
}

// sameFlux reports that two objects show the same: their resource versions may differ.
func sameFlux(a, b cluster.FluxObject) bool {
	a.ResourceVer = b.ResourceVer
	return reflect.DeepEqual(a, b)
}
