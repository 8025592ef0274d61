package kube

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// table is what is known of one collection: small rows made of the objects, and
// why it cannot be followed at the moment.
type table[T any] struct {
	same func(a, b T) bool // shows the same

	mu     sync.Mutex
	rows   map[types.NamespacedName]T
	synced bool             // listed completely at least once
	news   uint64           // how many events and lists came so far, whatever they showed
	err    *cluster.Trouble // nil: followed live
	wake   func()           // called, without the lock, after each change that shows
}

func newTable[T any](same func(a, b T) bool) *table[T] {
	return &table[T]{same: same, rows: map[types.NamespacedName]T{}, wake: func() {}}
}

// onChange sets what is called after each change.
func (t *table[T]) onChange(wake func()) {
	t.mu.Lock()
	t.wake = wake
	t.mu.Unlock()
}

// update runs change under the lock and wakes if it says that something shows.
func (t *table[T]) update(change func() bool) {
	t.mu.Lock()
	changed, wake := change(), t.wake
	t.mu.Unlock()
	if changed {
		wake()
	}
}

// replace sets all rows, as a complete list gave them.
func (t *table[T]) replace(rows map[types.NamespacedName]T) {
	t.update(func() bool {
		changed := !t.synced || t.err != nil || len(rows) != len(t.rows)
		for key, row := range rows {
			if changed {
				break
			}
			old, ok := t.rows[key]
			changed = !ok || !t.same(old, row)
		}
		t.rows, t.synced, t.err = rows, true, nil
		t.news++
		return changed
	})
}

// put adds or changes one row.
func (t *table[T]) put(key types.NamespacedName, row T) {
	t.update(func() bool {
		old, ok := t.rows[key]
		t.rows[key] = row
		t.news++
		return !ok || !t.same(old, row)
	})
}

// drop removes one row.
func (t *table[T]) drop(key types.NamespacedName) {
	t.update(func() bool {
		_, ok := t.rows[key]
		delete(t.rows, key)
		t.news++
		return ok
	})
}

// fail keeps the rows and says why they cannot be followed; nil: they are again.
func (t *table[T]) fail(err *cluster.Trouble) {
	t.update(func() bool {
		changed := !sameTrouble(t.err, err)
		t.err = err
		return changed && (t.synced || err != nil)
	})
}

// read calls use with the rows, which must not be kept, under the lock.
func (t *table[T]) read(use func(rows map[types.NamespacedName]T, synced bool, err *cluster.Trouble)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	use(t.rows, t.synced, t.err)
}

// seen counts the news so far; live is false while there may be more of it than
// is known here.
func (t *table[T]) seen() (news uint64, live bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.news, t.synced && t.err == nil
}

// sameTrouble reports that two troubles are told in the same words.
func sameTrouble(a, b *cluster.Trouble) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.What == b.What && a.Do == b.Do
}

// bell wakes one loop, any number of rings at a time.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// each calls emit after a ring, at most once every pause, until ctx ends.
func (b bell) each(ctx context.Context, pause time.Duration, emit func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b:
		}
		if ctx.Err() != nil {
			return
		}
		emit()
		if !sleep(ctx, pause) {
			return
		}
	}
}

// broadcast wakes all that wait, any number of times. The zero broadcast is ready.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed by the next send.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// sleep waits and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool { return sleepOr(ctx, d, nil) }

// sleepOr is sleep that ends early when the channel is closed.
func sleepOr(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-early:
		return true
	}
}
