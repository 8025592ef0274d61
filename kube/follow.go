package kube

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

const (
	pageSize = 500 // objects of one page of a list

	retryFirst  = 300 * time.Millisecond
	retryMost   = 3 * time.Second        // between two tries while the server is away
	retryDenied = 15 * time.Second       // while the right is missing: it may be granted
	surelyNot   = 5                      // refusals in a row that mean it: a server that starts refuses until it has read its roles
	openTimeout = 70 * time.Second       // until a watch has answered; proxies hold back the answer up to the first bookmark
	shortWatch  = time.Second            // a watch that ends before this without an event failed
	breath      = 100 * time.Millisecond // between two watches, so that a server that ends them quickly is not hammered
	settled     = 300 * time.Millisecond // a watch that has not failed by then goes well
)

// follower keeps a table equal to a collection of the server: one list, page by
// page, then one watch from there. The objects become rows one by one, so that
// no more than a page of them is in memory. It resumes a broken watch where it
// ended and lists again only if the server has forgotten that place.
type follower[T any] struct {
	what  string // for errors, such as "list nodes"
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
	row   func(runtime.Object) (T, bool)
	to    *table[T]

	explain func(err error, what string) *cluster.Trouble
	trouble func(err error) // told of each failure
	back    *broadcast      // the server answers again: try at once

	version string // resourceVersion to watch from; empty: list first
	tries   int    // failures in a row
	refused int    // of them, how many in a row were for a missing right
	forgot  bool   // the last thing the server said was that it has forgotten the version
}

var (
	// errClosed is a watch that the server ended in the ordinary way.
	errClosed = errors.New("the watch ended")
	// errShort is a watch that ended before it could tell anything. Once may be
	// chance; a server that does it again and again cannot be followed.
	errShort = errors.New("the server ends each watch at once")
)

// run follows until ctx ends.
func (f *follower[T]) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errClosed) {
			if !sleep(ctx, breath) {
				return
			}
			continue
		}
		again := f.forgot
		if f.forgot = gone(err); f.forgot {
			f.version = ""
			if !again { // the usual end of a watch that was away too long
				continue
			}
		}
		back := f.back.next()
		if !errors.Is(err, errShort) || f.tries > 0 {
			f.to.fail(f.explain(err, f.what))
			f.trouble(err)
		}
		if !sleepOr(ctx, f.delay(err), back) {
			return
		}
	}
}

// delay doubles from retryFirst to retryMost, with a fifth of jitter; a right that
// stays missing is asked for less often.
func (f *follower[T]) delay(err error) time.Duration {
	d := retryMost
	if f.tries < 8 {
		d = min(retryMost, retryFirst<<f.tries)
	}
	switch {
	case !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err):
		f.refused = 0
	case f.refused < surelyNot:
		d = min(retryMost, retryFirst<<f.refused)
		f.refused++
	default:
		d = retryDenied
	}
	f.tries++
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}

// once lists if need be, then watches until the watch ends; the error is never nil.
func (f *follower[T]) once(ctx context.Context) error {
	if f.version == "" {
		if err := f.sync(ctx); err != nil {
			return err
		}
	}
	return f.watchOnce(ctx)
}

// sync replaces the table by a complete list.
func (f *follower[T]) sync(ctx context.Context) error {
	rows := map[types.NamespacedName]T{}
	opts := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := f.page(ctx, opts)
		if gone(err) && opts.Continue != "" { // the pages took longer than the server remembers
			clear(rows)
			opts = metav1.ListOptions{}
			continue
		}
		if err != nil {
			return err
		}
		if err := f.take(page, rows); err != nil {
			return err
		}
		list, err := meta.ListAccessor(page)
		if err != nil {
			return err
		}
		if opts.Continue = list.GetContinue(); opts.Continue == "" {
			f.version = list.GetResourceVersion()
			f.to.replace(rows)
			return nil
		}
	}
}

func (f *follower[T]) page(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	return f.list(ctx, opts)
}

func (f *follower[T]) take(page runtime.Object, rows map[types.NamespacedName]T) error {
	return meta.EachListItem(page, func(o runtime.Object) error {
		key, _, err := identity(o)
		if err != nil {
			return err
		}
		if row, ok := f.row(o); ok {
			rows[key] = row
		}
		return nil
	})
}

func identity(o runtime.Object) (types.NamespacedName, string, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return types.NamespacedName{}, "", err
	}
	return types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}, m.GetResourceVersion(), nil
}

// watchOnce watches from the version on until the watch ends.
func (f *follower[T]) watchOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slow := time.AfterFunc(openTimeout, cancel)
	seconds := int64(300 + rand.IntN(300))
	w, err := f.watch(ctx, metav1.ListOptions{
		ResourceVersion: f.version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	inTime := slow.Stop()
	if err != nil {
		if !inTime {
			return fmt.Errorf("no answer in %s: %w", openTimeout, context.DeadlineExceeded)
		}
		return err
	}
	defer drain(w)
	return f.receive(w)
}

// receive takes the events of an open watch until it ends; the error is never nil.
func (f *follower[T]) receive(w watch.Interface) error {
	opened, events := time.Now(), 0
	defer func() {
		if time.Since(opened) >= shortWatch {
			f.tries, f.forgot = 0, false
		}
	}()
	well := time.NewTimer(settled)
	defer well.Stop()
	for {
		select {
		case <-well.C:
			f.goesWell()
		case event, open := <-w.ResultChan():
			switch {
			case open:
				if err := f.apply(event); err != nil {
					return err
				}
				f.goesWell()
				f.tries, f.forgot = 0, false
				events++
			case events == 0 && time.Since(opened) < shortWatch:
				return errShort
			default:
				return errClosed
			}
		}
	}
}

// goesWell ends the trouble, and tells the other followers that the server is back.
func (f *follower[T]) goesWell() {
	f.refused = 0
	if f.tries > 0 {
		f.back.send()
	}
	f.to.fail(nil)
}

// drain ends a watch and waits until its goroutine has ended.
func drain(w watch.Interface) {
	w.Stop()
	for range w.ResultChan() {
		continue // what is still under way is of no use
	}
}

// apply brings one event into the table.
func (f *follower[T]) apply(event watch.Event) error {
	if event.Type == watch.Error {
		return apierrors.FromObject(event.Object)
	}
	key, version, err := identity(event.Object)
	if err != nil {
		return err
	}
	switch event.Type {
	case watch.Added, watch.Modified:
		if row, ok := f.row(event.Object); ok {
			f.to.put(key, row)
		}
	case watch.Deleted:
		f.to.drop(key)
	case watch.Bookmark, watch.Error:
	}
	if version != "" {
		f.version = version
	}
	return nil
}

// gone reports that the server no longer knows the version or the page asked for.
func gone(err error) bool {
	return err != nil && (apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
		apierrors.IsInvalid(err) && strings.Contains(err.Error(), "resourceVersion"))
}
