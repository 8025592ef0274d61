package talosd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

const (
	etcdVersion = "3.7.0"
	etcdSize    = 26 << 20 // bytes of the database file
	etcdInUse   = 12 << 20
	// raftRate is how many entries a second the cluster's own life writes.
	raftRate = 3.2
)

var errNoLeader = errors.New("etcdserver: no leader")

// etcdGroup is the etcd cluster of the control planes.
type etcdGroup struct {
	c *Cluster

	mu      sync.Mutex
	members []*etcdPeer
	leader  *etcdPeer // nil without a quorum
	term    uint64
	start   uint64 // raft index at the cluster's birth
	down    map[*Node]bool
}

// etcdPeer is one member.
type etcdPeer struct {
	n  *Node
	id uint64
}

func newEtcdGroup(c *Cluster) *etcdGroup {
	g := &etcdGroup{c: c, term: 4, start: 184_000, down: map[*Node]bool{}}
	for _, n := range c.nodes {
		if n.spec.ControlPlane {
			g.members = append(g.members, &etcdPeer{n: n, id: n.random("etcd").Uint64()})
			g.down[n] = n.spec.Fault == scene.FaultDead
		}
	}
	g.elect()
	return g
}

// living counts the members that take part; the caller holds g.mu or is alone.
func (g *etcdGroup) living() (alive []*etcdPeer) {
	for _, m := range g.members {
		if !g.down[m.n] {
			alive = append(alive, m)
		}
	}
	return alive
}

// elect keeps the leader while it lives, chooses the next one, or has none when
// the quorum is lost. The caller holds g.mu or is alone.
func (g *etcdGroup) elect() {
	alive := g.living()
	if len(alive) <= len(g.members)/2 {
		g.leader = nil
		return
	}
	if g.leader != nil && !g.down[g.leader.n] {
		return
	}
	if g.leader != nil || len(alive) < len(g.members) {
		g.term++
	}
	g.leader = alive[0]
}

// setDown says whether a machine's etcd takes part.
func (g *etcdGroup) setDown(n *Node, down bool) {
	if !n.spec.ControlPlane {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down[n] = down
	g.elect()
}

// raftIndex grows with the time since the cluster's birth.
func (g *etcdGroup) raftIndex(at time.Time) uint64 {
	if g.c.scene.Still {
		return g.start
	}
	return g.start + uint64(max(at.Sub(g.c.born).Seconds(), 0)*raftRate)
}

func (g *etcdGroup) member(n *Node) *etcdPeer {
	for _, m := range g.members {
		if m.n == n {
			return m
		}
	}
	return nil
}

// view is what a member sees: the leader's identity, 0 without one, and the term.
func (g *etcdGroup) view() (leader, term uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.leader == nil {
		return 0, g.term
	}
	return g.leader.id, g.term
}

func (n *Node) etcdOnly(call string) error {
	if n.spec.ControlPlane {
		return nil
	}
	return status.Errorf(codes.Unimplemented, "%s is only available on control plane nodes", call)
}

// EtcdMemberList lists the members; it needs a leader.
func (m *machineServer) EtcdMemberList(ctx context.Context, _ *machine.EtcdMemberListRequest) (*machine.EtcdMemberListResponse, error) {
	t := targetOf(ctx)
	if err := t.node.etcdOnly("member list"); err != nil {
		return nil, err
	}
	if leader, _ := m.c.etcd.view(); leader == 0 {
		return nil, errNoLeader
	}
	out := &machine.EtcdMembers{}
	for _, peer := range m.c.etcd.members {
		out.LegacyMembers = append(out.LegacyMembers, peer.n.spec.Name)
		out.Members = append(out.Members, &machine.EtcdMember{
			Id: peer.id, Hostname: peer.n.spec.Name,
			PeerUrls:   []string{fmt.Sprintf("https://%s:2380", peer.n.spec.Address)},
			ClientUrls: []string{fmt.Sprintf("https://%s:2379", peer.n.spec.Address)},
		})
	}
	return &machine.EtcdMemberListResponse{Messages: []*machine.EtcdMembers{out}}, nil
}

// EtcdStatus tells the state of the local member; without a quorum it still
// succeeds, with leader 0.
func (m *machineServer) EtcdStatus(ctx context.Context, _ *emptypb.Empty) (*machine.EtcdStatusResponse, error) {
	t := targetOf(ctx)
	if err := t.node.etcdOnly("etcd status"); err != nil {
		return nil, err
	}
	leader, term := m.c.etcd.view()
	index := m.c.etcd.raftIndex(m.c.now())
	st := &machine.EtcdMemberStatus{
		StorageVersion: etcdVersion, ProtocolVersion: etcdVersion, MemberId: m.c.etcd.member(t.node).id,
		DbSize: etcdSize, DbSizeInUse: etcdInUse, Leader: leader, RaftTerm: term, RaftIndex: index, RaftAppliedIndex: index,
	}
	if leader == 0 {
		st.Errors = []string{errNoLeader.Error()}
	}
	return &machine.EtcdStatusResponse{Messages: []*machine.EtcdStatus{{MemberStatus: st}}}, nil
}

// EtcdAlarmList lists the alarms: there are none.
func (m *machineServer) EtcdAlarmList(ctx context.Context, _ *emptypb.Empty) (*machine.EtcdAlarmListResponse, error) {
	if err := targetOf(ctx).node.etcdOnly("etcd alarm list"); err != nil {
		return nil, err
	}
	if leader, _ := m.c.etcd.view(); leader == 0 {
		return nil, fmt.Errorf("failed to list etcd alarms: %w", errNoLeader)
	}
	return &machine.EtcdAlarmListResponse{Messages: []*machine.EtcdAlarm{{}}}, nil
}
