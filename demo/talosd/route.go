package talosd

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// maxMessage is the largest gRPC message Talos takes, in bytes.
const maxMessage = 32 * 1024 * 1024

// oneToMany are the services whose calls can be sent to several nodes at once.
var oneToMany = []string{
	"/machine.MachineService/", "/cluster.ClusterService/", "/inspect.InspectService/",
	"/storage.StorageService/", "/time.TimeService/",
}

// route says where a call goes: to the node that received it, to one other
// node, or to many.
type route struct {
	targets []string // addresses as the caller wrote them
	many    bool
}

// direct reads where a call goes from its metadata, with apid's refusals.
func (n *Node) direct(ctx context.Context, method string) (route, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	nodes, node := md["nodes"], md["node"]
	if len(node) > 1 {
		return route{}, status.Error(codes.InvalidArgument, "node metadata must be single-valued")
	}
	if !n.spec.ControlPlane { // a worker forwards to nobody but itself
		if len(node) == 1 && n.isMe(node[0]) {
			node = nil
		}
		if len(nodes) == 1 && n.isMe(nodes[0]) {
			nodes = nil
		}
		if len(node)+len(nodes) > 0 {
			return route{}, n.refuseForwarding(method, len(nodes) > 0)
		}
	}
	switch {
	case len(nodes) > 0:
		if err := supportsMany(method); err != nil {
			return route{}, err
		}
		return route{targets: nodes, many: true}, validTargets(nodes)
	case len(node) == 1:
		return route{targets: node}, validTargets(node)
	default:
		return route{}, nil
	}
}

func (n *Node) refuseForwarding(method string, many bool) error {
	if many {
		if err := supportsMany(method); err != nil {
			return err
		}
	}
	return status.Error(codes.PermissionDenied, "no request forwarding")
}

func supportsMany(method string) error {
	for _, prefix := range oneToMany {
		if strings.HasPrefix(method, prefix) {
			return nil
		}
	}
	return status.Errorf(codes.InvalidArgument, "one-2-many proxying is not supported for method %s", method)
}

func validTargets(targets []string) error {
	for _, target := range targets {
		if _, _, err := net.SplitHostPort(target); target == "" || err == nil {
			return status.Errorf(codes.Internal, "invalid target %q", target)
		}
	}
	return nil
}

func (n *Node) isMe(target string) bool {
	return target == n.spec.Address || target == "127.0.0.1" || target == "localhost"
}

// open finds the node of a target and connects to it as one apid does to
// another. The error is the one a caller sees.
func (n *Node) open(ctx context.Context, target string) (*Node, error) {
	if n.isMe(target) {
		return n, nil
	}
	if net.ParseIP(target) == nil {
		return nil, status.Errorf(codes.Unavailable,
			"dns: A record lookup error: lookup %s on 127.0.0.53:53: no such host", target)
	}
	other, ok := n.c.at(target)
	if !ok {
		return nil, unavailable(dialError(target, syscall.EHOSTUNREACH))
	}
	if other == n {
		return n, nil
	}
	if err := other.reach(ctx); err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return nil, unavailable(err)
		}
		return nil, status.FromContextError(err).Err()
	}
	return other, nil
}

func unavailable(err error) error {
	return status.Errorf(codes.Unavailable, "connection error: desc = %q", "transport: Error while dialing: "+err.Error())
}

// cutOff is what a caller sees of a call whose machine went away in the middle of it.
var cutOff = status.Error(codes.Unavailable, `closing transport due to: connection error: desc = "error reading from server: EOF", `+
	`received prior goaway: code: NO_ERROR, debug data: "graceful_stop"`)

type targetKey struct{}

// target is the node that a handler answers for, and its present boot.
type target struct {
	node *Node
	life *life
	who  caller
}

// targetOf returns whom the handler answers for.
func targetOf(ctx context.Context) target {
	t, _ := ctx.Value(targetKey{}).(target)
	return t
}

// unary is the interceptor of all unary calls that reach node n.
func (n *Node) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	who := callerOf(ctx)
	r, err := n.direct(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	if !r.many {
		at := n
		if len(r.targets) == 1 {
			if at, err = n.open(ctx, r.targets[0]); err != nil {
				return nil, err
			}
		}
		return at.call(ctx, who, req, info.FullMethod, handler)
	}
	merged, err := newOutput(info.FullMethod)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, address := range r.targets {
		wg.Go(func() {
			part := n.callPart(ctx, who, address, req, info.FullMethod, handler)
			mu.Lock()
			defer mu.Unlock()
			proto.Merge(merged, part)
		})
	}
	wg.Wait()
	return merged, nil
}

// call runs a unary handler for node n, as its machined does: roles first.
func (n *Node) call(ctx context.Context, who caller, req any, method string, handler grpc.UnaryHandler) (any, error) {
	began := time.Now()
	err := authorize(who.roles, method)
	var resp any
	if err == nil {
		resp, err = handler(context.WithValue(ctx, targetKey{}, target{n, n.current(), who}), req)
		err = plain(err, method)
	}
	n.record(who, method, "unary", time.Since(began), err)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// callPart is one node's part of a one-to-many call: its reply, or its error as a reply.
func (n *Node) callPart(ctx context.Context, who caller, address string, req any, method string, handler grpc.UnaryHandler) proto.Message {
	at, err := n.open(ctx, address)
	var resp any
	if err == nil {
		resp, err = at.call(ctx, who, req, method, handler)
	}
	if err == nil {
		if m, ok := resp.(proto.Message); ok {
			m = proto.Clone(m)
			stampMessages(m, &common.Metadata{Hostname: address})
			return m
		}
	}
	empty, outErr := newOutput(method)
	if outErr != nil {
		return &common.EmptyResponse{}
	}
	appendFailure(empty, failure(address, err))
	return empty
}

// failure is the metadata of a node that could not answer.
func failure(address string, err error) *common.Metadata {
	st := status.Convert(err)
	return &common.Metadata{Hostname: address, Error: st.Err().Error(), Status: st.Proto()}
}

// plain says in plain words what the machinery's own "method X not implemented" means here.
func plain(err error, method string) error {
	st := status.Convert(err)
	if st.Code() == codes.Unimplemented && strings.HasPrefix(st.Message(), "method ") {
		return status.Errorf(codes.Unimplemented, "%s is not simulated by this cluster", method)
	}
	return err
}
