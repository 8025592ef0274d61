package talosapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cosi-project/runtime/api/v1alpha1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	watchBackoff    = 500 * time.Millisecond
	watchBackoffMax = 15 * time.Second
	// refusedRetry is how long a watch waits that the node refused for good: by
	// role, or because it does not know the type. An upgrade may change that.
	refusedRetry = 2 * time.Minute
	// lostAfter is how many failures in a row make what a watch knew unknown.
	lostAfter = 3
)

// watched is what a watch of one kind tells: all resources of the kind by id,
// each time something changed. all is nil while nothing is known.
type watched func(all map[string]*v1alpha1.Resource)

// watchKind keeps a watch of one kind open at a node (empty: at any endpoint)
// until ctx ends: it reopens what breaks, without a bookmark, since a bookmark
// does not outlive a reboot. ready, if not nil, says whether opening makes sense
// now, and returns a channel that is closed when that may have changed.
func (c *Client) watchKind(ctx context.Context, node string, k kind, ready func() (bool, <-chan struct{}), tell watched) {
	for failures := 0; ctx.Err() == nil; {
		if ready != nil {
			ok, changed := ready()
			if !ok {
				select {
				case <-ctx.Done():
				case <-changed:
				}
				continue
			}
		}
		opened, err := c.watchOnce(ctx, node, k, tell)
		if ctx.Err() != nil {
			return
		}
		if opened {
			failures = 0
		}
		failures++
		pause := min(watchBackoff<<min(failures-1, 10), watchBackoffMax)
		if refused(err) {
			pause = refusedRetry
		}
		if failures >= lostAfter || refused(err) {
			tell(nil)
		}
		wait(ctx, jitter(pause), nil)
	}
}

// refused reports whether the node does not serve this at all.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unimplemented, codes.InvalidArgument, codes.NotFound:
		return serverSaid(err)
	default:
		return false
	}
}

// watchOnce opens one watch and follows it to its end; opened says that it had
// told everything once. It ends, too, when the node answers again after it did
// not: the stream may be a leftover of before.
func (c *Client) watchOnce(ctx context.Context, node string, k kind, tell watched) (opened bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	back := c.slots.node(nodeName(node)).back()
	stream, _, err := c.openWatch(ctx, node, k)
	if err != nil {
		return false, err
	}
	go func() {
		select {
		case <-back:
			cancel()
		case <-ctx.Done():
		}
	}()
	return follow(stream, tell)
}

// watchAt is watchOnce at the endpoint that is best now; via tells which it is.
func (c *Client) watchAt(ctx context.Context, k kind, via chan<- string, tell watched) error {
	stream, at, err := c.openWatch(ctx, "", k)
	if err != nil {
		return err
	}
	select {
	case via <- at:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err = follow(stream, tell)
	return err
}

// follow hands over all resources after each message, once the first list is whole.
func follow(stream v1alpha1.State_WatchClient, tell watched) (opened bool, err error) {
	all := map[string]*v1alpha1.Resource{}
	for {
		resp, err := stream.Recv()
		if err != nil {
			return opened, err
		}
		if opened, err = applyEvents(all, opened, resp); err != nil {
			return opened, err
		}
		if opened {
			tell(all)
		}
	}
}

// openWatch opens the stream and takes its first, empty message.
func (c *Client) openWatch(ctx context.Context, node string, k kind) (stream v1alpha1.State_WatchClient, via string, err error) {
	via, err = c.open(ctx, nodeName(node), func(ctx context.Context, conn *grpc.ClientConn) error {
		s, err := v1alpha1.NewStateClient(conn).Watch(ctx, &v1alpha1.WatchRequest{
			Namespace: k.namespace, Type: k.typ, ApiVersion: 1,
			Options: &v1alpha1.WatchOptions{BootstrapContents: true},
		})
		if err != nil {
			return err
		}
		if _, err = s.Recv(); err != nil {
			return err
		}
		stream = s
		return nil
	})
	return stream, via, err
}

// errWatch is an error that the server put into the stream.
var errWatch = errors.New("the watch failed")

// applyEvents brings all up to date; ready turns true once the first list is whole.
func applyEvents(all map[string]*v1alpha1.Resource, ready bool, resp *v1alpha1.WatchResponse) (bool, error) {
	for _, ev := range resp.GetEvent() {
		id := ev.GetResource().GetMetadata().GetId()
		switch ev.GetEventType() {
		case v1alpha1.EventType_CREATED, v1alpha1.EventType_UPDATED:
			all[id] = ev.GetResource()
		case v1alpha1.EventType_DESTROYED:
			delete(all, id)
		case v1alpha1.EventType_BOOTSTRAPPED:
			ready = true
		case v1alpha1.EventType_ERRORED:
			return ready, fmt.Errorf("%w: %s", errWatch, ev.GetError())
		case v1alpha1.EventType_NOOP:
		default:
		}
	}
	return ready, nil
}

// open begins a stream at a node (empty: at the endpoint itself) and names the
// endpoint that carries it. Streams take no slot. begin gets a context that lives
// as long as the stream; the deadline for beginning it is kept here. The stream
// is released when ctx ends.
func (c *Client) open(ctx context.Context, node string, begin func(context.Context, *grpc.ClientConn) error) (via string, err error) {
	short, stopWaiting := context.WithTimeout(ctx, c.timeout)
	e, err := c.route(short, node, nil)
	stopWaiting()
	if err != nil {
		return "", err
	}
	conn, err := e.connection()
	if err != nil {
		return e.addr, err
	}
	began := time.Now()
	own, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.timeout, func() { cancel(context.DeadlineExceeded) })
	err = begin(toNode(own, node), conn)
	if !timer.Stop() {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel(nil)
		if ctx.Err() == nil {
			c.again(e, err, began, 1, true) // notes whose fault it was
		}
		return e.addr, err
	}
	e.answered()
	context.AfterFunc(ctx, func() { cancel(nil) })
	return e.addr, nil
}
