package talosapi

import (
	"cmp"
	"context"
	"slices"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Services lists the Talos services of a node, by id.
func (c *Client) Services(ctx context.Context, addr string) ([]cluster.Service, error) {
	var out []cluster.Service
	_, err := c.read(ctx, addr, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		out, err = readServices(ctx, conn)
		return err
	})
	if err != nil {
		return nil, Explain(err, whom(addr))
	}
	return out, nil
}

// readServices lists the services; none is an empty list, not nil.
func readServices(ctx context.Context, conn *grpc.ClientConn) ([]cluster.Service, error) {
	resp, err := machineapi.NewMachineServiceClient(conn).ServiceList(ctx, &emptypb.Empty{})
	if err != nil {
		return nil, err
	}
	out := []cluster.Service{}
	for _, m := range resp.GetMessages() {
		for _, s := range m.GetServices() {
			out = append(out, serviceOf(s))
		}
	}
	slices.SortFunc(out, func(a, b cluster.Service) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func serviceOf(s *machineapi.ServiceInfo) cluster.Service {
	out := cluster.Service{ID: feed.Clean(s.GetId()), State: feed.Clean(s.GetState())}
	if h := s.GetHealth(); h != nil && !h.GetUnknown() {
		out.Healthy = cluster.Some(h.GetHealthy())
	}
	out.Message = feed.Clean(s.GetHealth().GetLastMessage())
	if events := s.GetEvents().GetEvents(); out.Message == "" && len(events) > 0 {
		out.Message = feed.Clean(events[len(events)-1].GetMsg())
	}
	return out
}

func (m *machine) listServices(ctx context.Context, news *[]change) bool {
	return m.gatherParts(ctx, news, func(ctx context.Context, conn *grpc.ClientConn) (change, error) {
		got, err := readServices(ctx, conn)
		return func(v *cluster.Machine) { v.Services = got }, err
	})
}
