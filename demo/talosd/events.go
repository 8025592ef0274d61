package talosd

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// eventsKept is how many events a machine remembers.
const eventsKept = 995

// eventID is an xid: time in seconds, machine, process, counter. Its text sorts
// like its bytes.
type eventID [12]byte

var xidText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func (id eventID) String() string { return xidText.EncodeToString(id[:]) }

func (id eventID) time() time.Time { return time.Unix(int64(binary.BigEndian.Uint32(id[:4])), 0) }

func parseEventID(text string) (eventID, error) {
	var id eventID
	raw, err := xidText.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("error parsing tail_id: xid: invalid ID")
	}
	copy(id[:], raw)
	return id, nil
}

// record is one event of a machine.
type record struct {
	id    eventID
	actor string
	data  *anypb.Any
}

func (r record) message() *machine.Event {
	data := &anypb.Any{}
	if r.data != nil {
		data.TypeUrl, data.Value = r.data.GetTypeUrl(), r.data.GetValue()
	}
	return &machine.Event{Data: data, Id: r.id.String(), ActorId: r.actor}
}

// eventLog is the event stream of one boot of a machine.
type eventLog struct {
	mu      sync.Mutex
	machine uint32
	counter uint32
	first   uint64 // number of the oldest event kept
	records []record
	changed chan struct{}
}

func newEventLog(n *Node, bootID string) *eventLog {
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.spec.Name + bootID))
	sum := h.Sum64()
	return &eventLog{machine: uint32(sum), counter: uint32(sum>>40) & 0x7fffff, changed: make(chan struct{})}
}

// newID makes the next identity; the caller holds the lock.
func (e *eventLog) newID(at time.Time) eventID {
	var id eventID
	binary.BigEndian.PutUint32(id[:4], uint32(at.Unix()))
	id[4], id[5], id[6] = byte(e.machine>>16), byte(e.machine>>8), byte(e.machine)
	id[7], id[8] = 0x04, byte(e.machine>>24)
	id[9], id[10], id[11] = byte(e.counter>>16), byte(e.counter>>8), byte(e.counter)
	e.counter++
	return id
}

// publish adds an event; msg is one of the machinery's event messages.
func (e *eventLog) publish(at time.Time, actor string, msg proto.Message) {
	value, err := proto.Marshal(msg)
	if err != nil {
		return // the messages are ours and always encode
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.records = append(e.records, record{
		id: e.newID(at), actor: actor,
		data: &anypb.Any{TypeUrl: "talos/runtime/" + string(msg.ProtoReflect().Descriptor().FullName()), Value: value},
	})
	if extra := len(e.records) - eventsKept; extra > 0 {
		e.records = slices.Clone(e.records[extra:])
		e.first += uint64(extra)
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

// hello is the empty event that opens every stream.
func (e *eventLog) hello(at time.Time, actor string) *machine.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return record{id: e.newID(at), actor: actor}.message()
}

// from returns the number of the first event that a request asks for.
func (e *eventLog) from(req *machine.EventsRequest, now time.Time) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	count := len(e.records)
	switch {
	case req.GetTailEvents() < 0:
		return e.first, nil
	case req.GetTailEvents() > 0:
		return e.first + uint64(max(count-int(req.GetTailEvents()), 0)), nil
	case req.GetTailId() != "":
		id, err := parseEventID(req.GetTailId())
		if err != nil {
			return 0, err
		}
		i := sort.Search(count, func(i int) bool { return slices.Compare(e.records[i].id[:], id[:]) > 0 })
		return e.first + uint64(i), nil
	case req.GetTailSeconds() != 0:
		since := now.Add(-time.Duration(req.GetTailSeconds()) * time.Second)
		i := sort.Search(count, func(i int) bool { return e.records[i].id.time().After(since) })
		return e.first + uint64(i), nil
	default:
		return e.first + uint64(count), nil
	}
}

// next returns the events from number pos on, the number after them, and a
// channel that closes when there are more.
func (e *eventLog) next(pos uint64) ([]record, uint64, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pos = max(pos, e.first)
	end := e.first + uint64(len(e.records))
	if pos >= end {
		return nil, end, e.changed
	}
	return slices.Clone(e.records[pos-e.first:]), end, e.changed
}

// stream sends events until the machine's API ends (a clean end) or ctx does.
func (e *eventLog) stream(ctx context.Context, pos uint64, actor string, ended <-chan struct{}, send func(*machine.Event) error) error {
	for {
		records, end, changed := e.next(pos)
		for _, r := range records {
			if actor != "" && r.actor != actor {
				continue
			}
			if err := send(r.message()); err != nil {
				return err
			}
		}
		pos = end
		if len(records) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return nil
		case <-changed:
		}
	}
}

// Events streams the machine's events.
func (m *machineServer) Events(req *machine.EventsRequest, s machine.MachineService_EventsServer) error {
	t := targetOf(s.Context())
	e := t.life.eventLog()
	pos, err := e.from(req, t.node.c.now())
	if err != nil {
		return err
	}
	if err := s.Send(e.hello(t.node.c.now(), req.GetWithActorId())); err != nil {
		return err
	}
	return e.stream(s.Context(), pos, req.GetWithActorId(), t.life.ended, s.Send)
}
