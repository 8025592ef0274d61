package talosd

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// callsKept is how many calls a Cluster remembers.
const callsKept = 2048

// Call is one API call as the node that answered it saw it. Calls that never
// reached their node are not among them.
type Call struct {
	At     time.Time
	Node   string // name of the node that answered
	Method string // such as /machine.MachineService/Reboot
	Roles  []string
	Peer   string // the caller's address
	Code   codes.Code
}

type callLog struct {
	mu   sync.Mutex
	ring []Call
	next int
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < callsKept {
		l.ring = append(l.ring, c)
		return
	}
	l.ring[l.next] = c
	l.next = (l.next + 1) % callsKept
}

func (l *callLog) all() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.ring[l.next:], l.ring[:l.next])
}

// record notes a finished call of a kind (unary or stream), and writes it into the logs of apid and
// machined as Talos does, unless the scene stands still.
func (n *Node) record(who caller, method, kind string, took time.Duration, err error) {
	code := status.Code(err)
	now := n.c.now()
	roles := who.roles.Strings()
	n.c.calls.add(Call{At: now, Node: n.spec.Name, Method: method, Roles: roles, Peer: who.address, Code: code})
	if n.c.scene.Still {
		return
	}
	list := strings.Join(roles, " ")
	text := "Success"
	if err != nil {
		text = status.Convert(err).Message()
	}
	l := n.current()
	l.append("apid", fmt.Sprintf("%s log.go:106: %s [%s] %s stream %s {parsed peer's certificate orgs [%s] as [%s] (unknownRoles = [])} (:authority=%s;content-type=application/grpc;runtime=Talos)",
		now.UTC().Format("2006/01/02 15:04:05.000000"), code, method, took, text, list, list, n.spec.Address))
	l.append("machined", fmt.Sprintf("%s machined %s %s [%s] %s %s %s {authorized ([os:admin os:operator os:reader] includes [%s])} (:authority=localhost;content-type=application/grpc+proxy>proto)",
		now.UTC().Format("2006/01/02 15:04:05.000000"), now.UTC().Format("2006/01/02 15:04:05"), code, method, took, kind, text, list))
}
