package talosd

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// stream is the interceptor of all streams that reach node n.
func (n *Node) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := ss.Context()
	who := callerOf(ctx)
	r, err := n.direct(ctx, info.FullMethod)
	if err != nil {
		return err
	}
	if r.many {
		return n.streamMany(srv, ss, r.targets, who, info, handler)
	}
	at := n
	if len(r.targets) == 1 {
		if at, err = n.open(ctx, r.targets[0]); err != nil {
			return err
		}
	}
	return at.serveStream(srv, ss, who, at != n, info, handler)
}

// serveStream runs a stream handler for node n. A stream that another node
// forwards is cut when n goes away; n's own server cuts the others itself.
func (n *Node) serveStream(srv any, ss grpc.ServerStream, who caller, forwarded bool, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	began := time.Now()
	err := authorize(who.roles, info.FullMethod)
	if err == nil {
		err = n.runStream(srv, ss, who, forwarded, info, handler)
	}
	n.record(who, info.FullMethod, "stream", time.Since(began), err)
	return err
}

func (n *Node) runStream(srv any, ss grpc.ServerStream, who caller, forwarded bool, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	l := n.current()
	ctx, cancel := context.WithCancelCause(context.WithValue(ss.Context(), targetKey{}, target{n, l, who}))
	defer cancel(nil)
	if forwarded {
		defer l.onCut(func() { cancel(cutOff) })()
	}
	err := handler(srv, &nodeStream{ServerStream: ss, ctx: ctx, n: n, forwarded: forwarded})
	if errors.Is(context.Cause(ctx), cutOff) {
		return cutOff
	}
	return plain(err, info.FullMethod)
}

// nodeStream is a server stream that answers for one node.
type nodeStream struct {
	grpc.ServerStream
	ctx       context.Context
	n         *Node
	forwarded bool
}

func (s *nodeStream) Context() context.Context { return s.ctx }

func (s *nodeStream) SendMsg(m any) error {
	if s.forwarded {
		s.n.passable(s.ctx.Done())
	}
	if err := s.ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return s.ServerStream.SendMsg(m)
}

// streamMany sends one request to many nodes and mixes their answers, each
// marked with the node it comes from. A node's failure is a message, too.
func (n *Node) streamMany(srv any, ss grpc.ServerStream, targets []string, who caller, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info.IsClientStream {
		return status.Errorf(codes.InvalidArgument, "one-2-many proxying is not supported for method %s", info.FullMethod)
	}
	req, err := newInput(info.FullMethod)
	if err != nil {
		return err
	}
	if err := ss.RecvMsg(req); err != nil {
		return err
	}
	out := &mixer{ServerStream: ss}
	var wg sync.WaitGroup
	for _, address := range targets {
		wg.Go(func() {
			part := &partStream{mixer: out, address: address, req: req}
			at, err := n.open(ss.Context(), address)
			if err == nil {
				err = at.serveStream(srv, part, who, at != n, info, handler)
			}
			if err == nil || ss.Context().Err() != nil {
				return
			}
			if m, outErr := newOutput(info.FullMethod); outErr == nil {
				stamp(m.ProtoReflect(), failure(address, err))
				_ = out.send(m)
			}
		})
	}
	wg.Wait()
	return ss.Context().Err()
}

// mixer lets several handlers send on one stream.
type mixer struct {
	grpc.ServerStream
	mu sync.Mutex
}

func (m *mixer) send(msg any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.SendMsg(msg)
}

// partStream is one node's share of a one-to-many stream.
type partStream struct {
	*mixer
	address string
	req     proto.Message
	got     bool
}

func (p *partStream) RecvMsg(m any) error {
	msg, ok := m.(proto.Message)
	if p.got || !ok {
		return io.EOF
	}
	p.got = true
	proto.Merge(msg, p.req)
	return nil
}

func (p *partStream) SendMsg(m any) error {
	if msg, ok := m.(proto.Message); ok {
		stamp(msg.ProtoReflect(), &common.Metadata{Hostname: p.address})
	}
	return p.send(m)
}
