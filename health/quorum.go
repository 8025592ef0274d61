package health

import (
	"fmt"
	"slices"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Quorum is how many of n voting members must answer for etcd to commit.
func Quorum(n int) int { return n/2 + 1 }

// Tolerates is how many of n voting members may fail with quorum kept.
func Tolerates(n int) int {
	if n == 0 {
		return 0
	}
	return n - Quorum(n)
}

// voters counts the voting members: all that any answer lists, those whose own
// member answered with a leader, and whether the target is one of them.
type voters struct {
	members  []cluster.EtcdMember // voting ones
	learners []cluster.EtcdMember
	alive    map[uint64]bool
	target   uint64 // member id of the target; 0: it is no member
}

func countVoters(f Facts) voters {
	v := voters{alive: map[uint64]bool{}}
	for _, m := range cluster.EtcdMembers(f.Inventory.Etcd) {
		if m.Learner {
			v.learners = append(v.learners, m)
		} else {
			v.members = append(v.members, m)
		}
	}
	for _, a := range f.Inventory.Etcd.Answers {
		if a.Status != nil && a.Status.Leader != 0 && !stale(f, a.At) {
			v.alive[a.Status.MemberID] = true
		}
	}
	if n, ok := target(f); ok {
		v.target = n.EtcdID
	}
	return v
}

// living counts the voting members that answer, without the one of that id.
func (v voters) living(without uint64) int {
	n := 0
	for _, m := range v.members {
		if m.ID != without && v.alive[m.ID] {
			n++
		}
	}
	return n
}

func (v voters) afterRemoval() string {
	n := len(v.members)
	if slices.ContainsFunc(v.members, func(m cluster.EtcdMember) bool { return m.ID == v.target }) {
		n--
	}
	return fmt.Sprintf("after removal: %s, tolerates %s", countOf(n, "member"), countOf(Tolerates(n), "failure"))
}

func etcd(f Facts, c *Check) {
	c.Command = "talosctl etcd members; talosctl etcd status; talosctl etcd alarm list"
	v := countVoters(f)
	if len(v.members)+len(v.learners) == 0 {
		c.set(UnknownV, "no etcd member has answered yet", "look at talosctl etcd status")
		return
	}
	c.membersAreControlPlanes(f)
	for _, l := range v.learners {
		c.worst(Fail, l.Hostname+" is a learner")
	}
	for _, a := range f.Inventory.Etcd.Alarms {
		c.worst(Fail, fmt.Sprintf("alarm %s on %s", a.Alarm, memberName(f, a.MemberID)))
	}
	if !f.Inventory.Etcd.AlarmsKnown {
		c.worst(UnknownV, "the alarms were not read")
	}
	c.survivorsAnswer(f, v)
	c.answersAgree(f)
	quiet := countOf(len(v.members), "member") + ", all agree; " + v.afterRemoval()
	c.Details = append(c.Details, v.afterRemoval())
	c.conclude(quiet, "bring etcd in order first: talosctl etcd status, talosctl etcd alarm list")
}

func (c *Check) membersAreControlPlanes(f Facts) {
	members := cluster.EtcdMembers(f.Inventory.Etcd)
	for _, n := range f.Inventory.Nodes {
		isMember := slices.ContainsFunc(members, func(m cluster.EtcdMember) bool { return m.ID == n.EtcdID })
		switch {
		case n.Role == cluster.RoleControlPlane && !isMember:
			c.worst(Fail, n.Name+" is a control-plane node but no etcd member")
		case n.Role == cluster.RoleWorker && isMember:
			c.worst(Fail, n.Name+" is a worker but an etcd member")
		case n.Role == cluster.RoleUnknown && isMember:
			c.worst(UnknownV, n.Name+" is an etcd member of unknown role")
		}
	}
}

func (c *Check) survivorsAnswer(f Facts, v voters) {
	for _, m := range v.members {
		if m.ID != v.target && !v.alive[m.ID] {
			c.worst(Fail, memberName(f, m.ID)+" does not answer, or knows no leader")
		}
	}
	for _, a := range f.Inventory.Etcd.Answers {
		if a.Status == nil {
			continue
		}
		for _, e := range a.Status.Errors {
			c.worst(Fail, memberName(f, a.Status.MemberID)+": "+e)
		}
	}
}

// answersAgree compares leader and members of all answers.
func (c *Check) answersAgree(f Facts) {
	leaders, lists := map[uint64][]string{}, map[string][]string{}
	for _, a := range f.Inventory.Etcd.Answers {
		if a.Status != nil {
			leaders[a.Status.Leader] = append(leaders[a.Status.Leader], a.Address)
		}
		if a.Members != nil {
			key := memberKey(a.Members)
			lists[key] = append(lists[key], a.Address)
		} else if a.Status != nil {
			c.worst(UnknownV, a.Address+" does not list the members")
		}
	}
	if len(leaders) > 1 {
		c.worst(Fail, "the members do not agree on the leader")
	}
	if len(lists) > 1 {
		c.worst(Fail, "the members do not list the same members")
	}
}

func memberKey(members []cluster.EtcdMember) string {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = fmt.Sprintf("%x/%v", m.ID, m.Learner)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func memberName(f Facts, id uint64) string {
	for _, m := range cluster.EtcdMembers(f.Inventory.Etcd) {
		if m.ID == id {
			return m.Hostname
		}
	}
	return fmt.Sprintf("member %x", id)
}

// quorum counts members that are already down: the removal itself must be
// committed by the old membership, and the new one must live on.
func quorum(f Facts, c *Check) {
	c.Command = "talosctl etcd status"
	n, ok := target(f)
	isControlPlane, rest := controlPlanes(f)
	v := countVoters(f)
	switch {
	case !ok || n.Role == cluster.RoleUnknown:
		c.set(UnknownV, "the role of "+f.Target+" is not known", "")
		return
	case isControlPlane && len(rest) == 0:
		c.set(Fail, f.Target+" is the last control-plane node", "add another control-plane node first")
		return
	case !isControlPlane && v.target == 0 && len(v.members) > 0:
		c.set(Pass, fmt.Sprintf("%s is a worker: etcd keeps its %s", f.Target, countOf(len(v.members), "member")), "")
		return
	case len(v.members) == 0:
		c.set(UnknownV, "no etcd member has answered yet", "")
		return
	}
	c.judgeQuorum(f, v)
}

func (c *Check) judgeQuorum(f Facts, v voters) {
	total, alive, survivors := len(v.members), v.living(0), v.living(v.target)
	after := total
	if v.target != 0 {
		after--
	}
	c.Details = []string{
		fmt.Sprintf("%d of %d voting members answer, quorum is %d", alive, total, Quorum(total)),
		fmt.Sprintf("without %s %d of %d answer, quorum is %d", f.Target, survivors, after, Quorum(after)),
		v.afterRemoval(),
	}
	switch {
	case alive < Quorum(total):
		c.set(Fail, fmt.Sprintf("quorum is lost already: %s", c.Details[0]), "only the recovery path is left: restore from a snapshot")
	case survivors < Quorum(after):
		c.set(Fail, "quorum would be lost: "+c.Details[1], "bring the other members back first")
	case Tolerates(after) == 0:
		c.set(WarnV, fmt.Sprintf("%s, no further failure is tolerated meanwhile", c.Details[1]), "have a snapshot at hand")
	default:
		c.set(Pass, c.Details[1]+"; "+c.Details[2], "")
	}
}
