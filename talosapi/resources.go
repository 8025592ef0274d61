package talosapi

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cosi-project/runtime/api/v1alpha1"
	"github.com/cosi-project/runtime/pkg/resource"
	"github.com/cosi-project/runtime/pkg/resource/protobuf"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
)

// kind names one type of COSI resource and where it lives.
type kind struct {
	namespace resource.Namespace
	typ       resource.Type
}

// decode turns the wire form into the typed resource.
func decode[T resource.Resource](in *v1alpha1.Resource) (T, error) {
	var none T
	generic, err := protobuf.Unmarshal(in)
	if err != nil {
		return none, fmt.Errorf("unmarshal resource: %w", err)
	}
	typed, err := protobuf.UnmarshalResource(generic)
	if err != nil {
		return none, fmt.Errorf("unmarshal %s: %w", in.GetMetadata().GetType(), err)
	}
	out, ok := typed.(T)
	if !ok {
		return none, fmt.Errorf("resource %s is a %T", in.GetMetadata().GetType(), typed)
	}
	return out, nil
}

// decodeYAML fills out from the YAML form that each resource also carries, for
// types that this machinery does not know yet.
func decodeYAML(in *v1alpha1.Resource, out any) error {
	if err := yaml.Unmarshal([]byte(in.GetSpec().GetYamlSpec()), out); err != nil {
		return fmt.Errorf("unmarshal %s: %w", in.GetMetadata().GetType(), err)
	}
	return nil
}

// getRaw reads one resource over a connection; the node is in ctx.
func getRaw(ctx context.Context, conn *grpc.ClientConn, k kind, id resource.ID) (*v1alpha1.Resource, error) {
	resp, err := v1alpha1.NewStateClient(conn).Get(ctx, &v1alpha1.GetRequest{
		Namespace: k.namespace, Type: k.typ, Id: id, Options: &v1alpha1.GetOptions{},
	})
	if err != nil {
		return nil, err
	}
	return resp.GetResource(), nil
}

// get reads and types one resource over a connection.
func get[T resource.Resource](ctx context.Context, conn *grpc.ClientConn, k kind, id resource.ID) (T, error) {
	in, err := getRaw(ctx, conn, k, id)
	if err != nil {
		var none T
		return none, err
	}
	return decode[T](in)
}

// listRaw reads all resources of a kind over a connection; the node is in ctx.
func listRaw(ctx context.Context, conn *grpc.ClientConn, k kind) ([]*v1alpha1.Resource, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := v1alpha1.NewStateClient(conn).List(ctx, &v1alpha1.ListRequest{
		Namespace: k.namespace, Type: k.typ, Options: &v1alpha1.ListOptions{},
	})
	if err != nil {
		return nil, err
	}
	var out []*v1alpha1.Resource
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, resp.GetResource())
	}
}

// list reads and types all resources of a kind.
func list[T resource.Resource](ctx context.Context, conn *grpc.ClientConn, k kind) ([]T, error) {
	raws, err := listRaw(ctx, conn, k)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(raws))
	for _, r := range raws {
		typed, err := decode[T](r)
		if err != nil {
			return nil, err
		}
		out = append(out, typed)
	}
	return out, nil
}

// byID keys resources by their id.
func byID(all []*v1alpha1.Resource) map[string]*v1alpha1.Resource {
	out := make(map[string]*v1alpha1.Resource, len(all))
	for _, r := range all {
		out[r.GetMetadata().GetId()] = r
	}
	return out
}
