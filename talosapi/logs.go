package talosapi

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/constants"
	"google.golang.org/grpc"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// LogOptions of FollowLogs.
type LogOptions struct {
	// Tail is how many of the last lines come first; negative: all that the node has.
	Tail int
	// Follow keeps the stream open, and opens it again when it breaks.
	Follow bool
	// Namespace and Driver choose the logs of containers; empty: Talos services.
	Namespace string
	// Kubernetes says that Namespace is of the CRI (k8s.io).
	Kubernetes bool
}

// StreamKind is what happened to a followed log.
type StreamKind string

// What can happen to a followed log.
const (
	StreamConnecting StreamKind = "connecting"
	StreamFollowing  StreamKind = "following" // lines come as they are written
	StreamBroken     StreamKind = "broken"    // Err says why; it is opened again after Retry
	StreamResumed    StreamKind = "resumed"   // the place was found again; Lines were written meanwhile
	StreamGap        StreamKind = "gap"       // the place is gone: lines may be missing here
	StreamEnded      StreamKind = "ended"     // without Follow: all lines came
	StreamRefused    StreamKind = "refused"   // Err says why; Retry zero: for good
)

// StreamEvent is one event of a followed log.
type StreamEvent struct {
	Kind  StreamKind
	At    time.Time
	Err   *cluster.Trouble
	Via   string        // the endpoint (host:port) that carries the stream
	Lines int           // StreamResumed: how many lines were recovered
	Retry time.Duration // until the next try
}

const (
	logBackoff    = 500 * time.Millisecond
	logBackoffMax = 10 * time.Second
	refusedAgain  = 15 * time.Second
	// steady is how long a stream must have lasted to be opened again at once.
	steady = 5 * time.Second
	// overlap is how many lines a stream asks for again, to find its place, right
	// after the log was read to its end.
	overlap = 1000
)

// FollowLogs reads a log of the node at addr: of a Talos service, or the kernel's
// (cluster.Dmesg). sink gets whole lines in batches, as the bytes that the node
// sent; they are not cleaned. tell gets the stream's events, between the batches
// where they happened. Both are called by this goroutine and should not wait long:
// the node is read only as fast as they return.
//
// With Follow, a stream that breaks is opened again for as long as ctx lives. It
// finds its place by the lines that it has seen: none is doubled, and those that
// were written meanwhile come late; where the node has lost the place, as after a
// reboot, a gap is told and everything that it has now comes.
//
// It returns when ctx ends, when the log has ended (without Follow), or when the
// role may not read it.
func (c *Client) FollowLogs(ctx context.Context, addr, service string, opt LogOptions, sink func(Batch), tell func(StreamEvent)) {
	f := &follower{client: c, node: nodeName(addr), service: service, opt: opt, sink: sink, tell: tell}
	for ctx.Err() == nil {
		f.event(StreamEvent{Kind: StreamConnecting})
		err := f.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil && !opt.Follow {
			f.event(StreamEvent{Kind: StreamEnded})
			return
		}
		retry, ok := f.failed(err)
		if !ok || !wait(ctx, retry, nil) {
			return
		}
	}
}

// follower is one log being followed.
type follower struct {
	client  *Client
	node    string
	service string
	opt     LogOptions
	sink    func(Batch)
	tell    func(StreamEvent)

	split    splitter
	seen     tail
	hash     hasher // of the present reading
	via      string
	failures int
	followed bool // the stream was open before
}

func (f *follower) event(ev StreamEvent) {
	ev.At, ev.Via = time.Now(), f.via
	f.tell(ev)
}

// failed tells why the stream broke and gives the time until the next try.
func (f *follower) failed(err error) (retry time.Duration, again bool) {
	f.failures++
	what := "the log of " + f.service + " on " + whom(f.node)
	if err == nil {
		err = io.EOF
	}
	why := Explain(err, what)
	retry = jitter(min(logBackoff<<min(f.failures-1, 8), logBackoffMax))
	switch why.Kind {
	case cluster.TroubleForbidden, cluster.TroubleUnauthorized:
		f.event(StreamEvent{Kind: StreamRefused, Err: why})
		return 0, false
	case cluster.TroubleNotFound, cluster.TroubleUnimplemented:
		if !f.opt.Follow {
			f.event(StreamEvent{Kind: StreamRefused, Err: why})
			return 0, false
		}
		// Early in a boot a service has no log yet.
		retry = jitter(refusedAgain)
		f.event(StreamEvent{Kind: StreamRefused, Err: why, Retry: retry})
		return retry, true
	default:
		f.event(StreamEvent{Kind: StreamBroken, Err: why, Retry: retry})
		return retry, f.opt.Follow
	}
}

// attempt reads the log once, from where it was left, until it breaks or ends.
func (f *follower) attempt(ctx context.Context) error {
	switch {
	case f.seen.len() > 0:
		return f.resume(ctx)
	case f.service == cluster.Dmesg && f.opt.Tail >= 0:
		return f.startKernel(ctx)
	default:
		if f.followed && f.opt.Tail == 0 {
			f.event(StreamEvent{Kind: StreamGap}) // there is no place to find
		}
		return f.read(ctx, request{tail: f.opt.Tail, follow: f.opt.Follow}, f.deliver)
	}
}

// startKernel reads the end of the kernel log, which has no such request: all of
// it comes, and the last lines are kept.
func (f *follower) startKernel(ctx context.Context) error {
	var last ring
	last.size = f.opt.Tail
	var before tail
	err := f.read(ctx, request{tail: -1}, func(b Batch) {
		for _, line := range b {
			before.add(f.hash.line(line))
			last.add(line)
		}
	})
	if err != nil {
		return err
	}
	f.seen = before
	f.give(last.lines())
	if !f.opt.Follow {
		return nil
	}
	return f.catchUp(ctx, 0)
}

// resume finds the place where the stream broke and goes on from there.
func (f *follower) resume(ctx context.Context) error {
	find, found, lines := finder{seen: f.seen}, false, 0
	err := f.read(ctx, request{tail: -1}, func(b Batch) {
		fresh := b
		if !found {
			if fresh, found = f.after(&find, b); !found {
				return
			}
		}
		lines += len(fresh)
		f.deliver(fresh)
	})
	switch {
	case err != nil && lines == 0:
		return err
	case err != nil || found:
		f.event(StreamEvent{Kind: StreamResumed, Lines: lines})
		if err != nil {
			return err
		}
		return f.catchUp(ctx, overlap)
	default:
		f.event(StreamEvent{Kind: StreamGap})
		f.seen = tail{}
		return f.read(ctx, request{tail: -1, follow: true}, f.deliver)
	}
}

// catchUp follows the log, beginning with lines that were seen already.
func (f *follower) catchUp(ctx context.Context, lines int) error {
	if f.seen.len() == 0 { // the log was empty: each line is new
		return f.read(ctx, request{tail: -1, follow: true}, f.deliver)
	}
	find, found, skipped := finder{seen: f.seen}, false, 0
	return f.read(ctx, request{tail: lines, follow: true}, func(b Batch) {
		fresh := b
		if !found {
			if fresh, found = f.after(&find, b); !found {
				if skipped += len(b); lines > 0 && skipped > 2*lines {
					f.event(StreamEvent{Kind: StreamGap}) // written faster than it can be read
					found = true
				}
				return
			}
		}
		f.deliver(fresh)
	})
}

// after gives the lines of b that come after the place that find looks for.
func (f *follower) after(find *finder, b Batch) (Batch, bool) {
	for i, line := range b {
		if find.found(f.hash.line(line)) {
			return b[i+1:], true
		}
	}
	return nil, false
}

// deliver hands new lines over and remembers them.
func (f *follower) deliver(b Batch) {
	if len(b) == 0 {
		return
	}
	first := max(0, len(b)-memory)
	for _, line := range b[first:] {
		f.seen.add(f.hash.line(line))
	}
	f.give(b)
}

func (f *follower) give(b Batch) {
	if len(b) > 0 {
		f.sink(b)
	}
}

// request is what is asked of the node: tail lines (negative: all), then follow.
type request struct {
	tail   int
	follow bool
}

// read opens a stream and hands its lines to take until it ends; nil: cleanly.
func (f *follower) read(ctx context.Context, req request, take func(Batch)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	back := f.client.slots.node(f.node).back()
	stream, err := f.open(ctx, req)
	if err != nil {
		return err
	}
	go func() { // a stream from before the node fell silent may be dead
		select {
		case <-back:
			cancel(errBack)
		case <-ctx.Done():
		}
	}()
	if req.follow {
		f.followed = true
		f.event(StreamEvent{Kind: StreamFollowing})
		defer func(opened time.Time) {
			if time.Since(opened) > steady {
				f.failures = 0
			}
		}(time.Now())
	}
	f.split.drop()
	f.hash = hasher{kernel: f.service == cluster.Dmesg}
	err = f.receive(stream, req, take)
	if errors.Is(context.Cause(ctx), errBack) {
		return errBack
	}
	return err
}

// errBack ends a stream that is older than the node's last silence.
var errBack = &cluster.Trouble{Kind: cluster.TroubleReset, What: "the node was silent for a while", Do: "its log is opened anew"}

func (f *follower) receive(stream dataStream, req request, take func(Batch)) error {
	kernel := f.service == cluster.Dmesg
	for {
		d, err := stream.Recv()
		if err != nil {
			eof := errors.Is(err, io.EOF)
			// The last line of a log that ended is whole; of one that broke it
			// is not, and comes again.
			if line, ok := f.split.rest(); ok && eof && !req.follow {
				take(Batch{line})
			}
			if eof {
				return nil
			}
			return err
		}
		if b := f.split.feed(d.GetBytes()); len(b) > 0 {
			take(b)
		}
		if kernel { // one message is one line, with or without its end
			if line, ok := f.split.rest(); ok {
				take(Batch{line})
			}
		}
	}
}

func (f *follower) open(ctx context.Context, req request) (stream grpc.ServerStreamingClient[common.Data], err error) {
	f.via, err = f.client.open(ctx, f.node, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		api := machineapi.NewMachineServiceClient(conn)
		if f.service == cluster.Dmesg {
			stream, err = api.Dmesg(ctx, &machineapi.DmesgRequest{Follow: req.follow})
			return err
		}
		in := &machineapi.LogsRequest{
			Namespace: constants.SystemContainerdNamespace, Driver: common.ContainerDriver_CONTAINERD,
			Id: f.service, Follow: req.follow, TailLines: int32(max(-1, req.tail)),
		}
		if f.opt.Kubernetes {
			in.Namespace, in.Driver = constants.K8sContainerdNamespace, common.ContainerDriver_CRI
		} else if f.opt.Namespace != "" {
			in.Namespace = f.opt.Namespace
		}
		stream, err = api.Logs(ctx, in)
		return err
	})
	return stream, err
}

// ring keeps copies of the last lines.
type ring struct {
	size int
	all  [][]byte
	next int
}

func (r *ring) add(line []byte) {
	switch {
	case r.size <= 0:
	case len(r.all) < r.size:
		r.all = append(r.all, append([]byte(nil), line...))
	default:
		r.all[r.next] = append(r.all[r.next][:0], line...)
		r.next = (r.next + 1) % r.size
	}
}

// lines are the lines in order.
func (r *ring) lines() Batch {
	out := make(Batch, 0, len(r.all))
	for i := range r.all {
		out = append(out, r.all[(r.next+i)%len(r.all)])
	}
	return out
}
