package talosapi

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// errEmpty says that a node answered without an answer.
var errEmpty = errors.New("the answer is empty")

// Etcd asks the etcd of each control plane (by address) for its status and for
// the members as it lists them, all at once, and one that answered for the alarms.
// It takes two call timeouts at most. What failed says so in the answer: without a
// quorum, statuses still come, with leader 0, while the lists fail.
func (c *Client) Etcd(ctx context.Context, controlPlanes []string) cluster.Etcd {
	out := cluster.Etcd{Answers: make([]cluster.EtcdAnswer, len(controlPlanes))}
	var work sync.WaitGroup
	for i, addr := range controlPlanes {
		a := &out.Answers[i]
		a.Address = nodeName(addr)
		c.launch(&work, func() { a.Status, a.StatusErr = c.etcdStatus(ctx, a.Address) })
		c.launch(&work, func() { a.Members, a.MembersErr = c.etcdMembers(ctx, a.Address) })
	}
	work.Wait()
	now := time.Now()
	for i := range out.Answers {
		out.Answers[i].At = now
	}
	slices.SortFunc(out.Answers, func(a, b cluster.EtcdAnswer) int { return cmp.Compare(a.Address, b.Address) })
	c.etcdAlarms(ctx, &out)
	return out
}

func (c *Client) etcdStatus(ctx context.Context, addr string) (*cluster.EtcdStatus, *cluster.Trouble) {
	var resp *machineapi.EtcdStatusResponse
	_, err := c.read(ctx, addr, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		resp, err = machineapi.NewMachineServiceClient(conn).EtcdStatus(ctx, &emptypb.Empty{})
		return err
	})
	if err == nil && (len(resp.GetMessages()) == 0 || resp.GetMessages()[0].GetMemberStatus() == nil) {
		err = errEmpty
	}
	if err != nil {
		return nil, Explain(err, "etcd on "+whom(addr))
	}
	s := resp.GetMessages()[0].GetMemberStatus()
	st := &cluster.EtcdStatus{
		MemberID: s.GetMemberId(), Leader: s.GetLeader(), Learner: s.GetIsLearner(),
		DBSize: s.GetDbSize(), DBInUse: s.GetDbSizeInUse(),
		RaftIndex: s.GetRaftIndex(), RaftApplied: s.GetRaftAppliedIndex(), RaftTerm: s.GetRaftTerm(),
		Version: feed.Clean(s.GetProtocolVersion()),
	}
	if len(s.GetErrors()) > 0 {
		st.Errors = cleanAll(s.GetErrors())
	}
	return st, nil
}

func (c *Client) etcdMembers(ctx context.Context, addr string) ([]cluster.EtcdMember, *cluster.Trouble) {
	var resp *machineapi.EtcdMemberListResponse
	_, err := c.read(ctx, addr, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		resp, err = machineapi.NewMachineServiceClient(conn).EtcdMemberList(ctx, &machineapi.EtcdMemberListRequest{QueryLocal: true})
		return err
	})
	if err == nil && len(resp.GetMessages()) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, Explain(err, "etcd on "+whom(addr))
	}
	out := []cluster.EtcdMember{}
	for _, m := range resp.GetMessages()[0].GetMembers() {
		out = append(out, cluster.EtcdMember{
			ID: m.GetId(), Hostname: feed.Clean(m.GetHostname()),
			PeerURLs: cleanAll(m.GetPeerUrls()), Learner: m.GetIsLearner(),
		})
	}
	slices.SortFunc(out, func(a, b cluster.EtcdMember) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// etcdAlarms asks the first member that told its status: the list of alarms is
// the cluster's, whoever tells it.
func (c *Client) etcdAlarms(ctx context.Context, out *cluster.Etcd) {
	for _, a := range out.Answers {
		if a.Status == nil {
			continue
		}
		var resp *machineapi.EtcdAlarmListResponse
		_, err := c.read(ctx, a.Address, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
			resp, err = machineapi.NewMachineServiceClient(conn).EtcdAlarmList(ctx, &emptypb.Empty{})
			return err
		})
		if err != nil {
			out.AlarmsErr = Explain(err, "etcd on "+whom(a.Address))
			if unreachable(err) {
				continue
			}
			return
		}
		out.AlarmsKnown, out.AlarmsErr = true, nil
		for _, m := range resp.GetMessages() {
			for _, alarm := range m.GetMemberAlarms() {
				if alarm.GetAlarm() != machineapi.EtcdMemberAlarm_NONE {
					out.Alarms = append(out.Alarms, cluster.EtcdAlarm{MemberID: alarm.GetMemberId(), Alarm: alarm.GetAlarm().String()})
				}
			}
		}
		return
	}
}
