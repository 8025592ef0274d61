package talosd_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosi-project/runtime/pkg/state"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/client"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

func events(t *testing.T, c *client.Client, node string, req *machine.EventsRequest) machine.MachineService_EventsClient {
	t.Helper()
	stream, err := c.MachineClient.Events(on(t, node), req)
	if err != nil {
		t.Fatal(err)
	}
	hello, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if hello.GetData().GetTypeUrl() != "" || len(hello.GetId()) != 20 {
		t.Errorf("the first event is %v, want an empty one", hello)
	}
	return stream
}

func TestEventsTail(t *testing.T) {
	clock := newClock()
	c := connect(t, start(t, "turingpi", talosd.Options{Now: clock.Now, TimeScale: 100}), role.Operator, node1)
	take := func(req *machine.EventsRequest, n int) (out []*machine.Event) {
		stream := events(t, c, node3, req)
		for range n {
			e, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, e)
		}
		return out
	}
	last := take(&machine.EventsRequest{TailEvents: 3}, 3)
	ready := last[2]
	ev, err := client.UnmarshalEvent(ready)
	if err != nil {
		t.Fatal(err)
	}
	if ms, ok := ev.Payload.(*machine.MachineStatusEvent); !ok || ms.GetStage() != machine.MachineStatusEvent_RUNNING || !ms.GetStatus().GetReady() {
		t.Errorf("the last event of a boot is %v, want RUNNING and ready", ev.Payload)
	}
	if all := take(&machine.EventsRequest{TailEvents: -1}, 40); all[0].GetId() >= ready.GetId() {
		t.Errorf("ids do not grow: %s, %s", all[0].GetId(), ready.GetId())
	}
	if after := take(&machine.EventsRequest{TailId: last[1].GetId()}, 1); after[0].GetId() != ready.GetId() {
		t.Errorf("after %s came %s, want %s", last[1].GetId(), after[0].GetId(), ready.GetId())
	}
	clock.Advance(time.Hour)
	if _, err := c.ServiceRestart(on(t, node3), "kubelet"); err != nil {
		t.Fatal(err)
	}
	recent := take(&machine.EventsRequest{TailSeconds: 600}, 1)
	ev, err = client.UnmarshalEvent(recent[0])
	if err != nil {
		t.Fatal(err)
	}
	se, ok := ev.Payload.(*machine.ServiceStateEvent)
	if !ok || se.GetService() != "kubelet" || se.GetAction() != machine.ServiceStateEvent_STOPPING {
		t.Fatalf("the last ten minutes begin with %v, want kubelet STOPPING", ev.Payload)
	}
	if got := se.GetHealth().GetLastChange().GetSeconds(); got != -62135596800 {
		t.Errorf("the zero time arrives as %d, want -62135596800", got)
	}
}

// course is what a client saw of a reboot.
type course struct {
	events  []string
	actors  map[string]bool
	evErr   error
	logErr  error
	watch   []string
	watchCh chan state.Event
}

func watchReboot(t *testing.T, c *client.Client, node string) (*course, *sync.WaitGroup) {
	t.Helper()
	got := &course{actors: map[string]bool{}, watchCh: make(chan state.Event)}
	wg := &sync.WaitGroup{}
	stream := events(t, c, node, &machine.EventsRequest{})
	wg.Go(func() {
		var all []*machine.Event
		all, got.evErr = drain(stream.Recv)
		for _, e := range all {
			ev, err := client.UnmarshalEvent(e)
			if err != nil {
				continue
			}
			got.actors[ev.ActorID] = true
			switch p := ev.Payload.(type) {
			case *machine.SequenceEvent:
				got.events = append(got.events, p.GetSequence()+" "+p.GetAction().String())
			case *machine.PhaseEvent:
				got.events = append(got.events, p.GetPhase()+" "+p.GetAction().String())
			case *machine.ServiceStateEvent:
				got.events = append(got.events, p.GetService()+" "+p.GetAction().String())
			case *machine.MachineStatusEvent:
				got.events = append(got.events, p.GetStage().String())
			}
		}
	})
	logs, err := c.Logs(on(t, node), "system", 0, "kubelet", true, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := logs.Recv(); err != nil {
		t.Fatal(err)
	}
	wg.Go(func() { _, got.logErr = drain(logs.Recv) })
	err = c.COSI.WatchKind(on(t, node), runtime.NewMachineStatus().Metadata(), got.watchCh, state.WithBootstrapContents(true))
	if err != nil {
		t.Fatal(err)
	}
	return got, wg
}

// reboot reboots a node and checks what a client sees of it.
func reboot(t *testing.T, endpoint string) {
	const scale = 50
	cl := start(t, "six", talosd.Options{TimeScale: scale})
	var mu sync.Mutex
	var told []talosd.MachineEvent
	cl.OnMachine(func(e talosd.MachineEvent) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e)
	})
	c := connect(t, cl, role.Operator, endpoint)
	boot := cl.Node("talos-test02").BootID()
	got, wg := watchReboot(t, c, node2)

	began := time.Now()
	resp, err := c.MachineClient.Reboot(on(t, node2), &machine.RebootRequest{})
	if err != nil {
		t.Fatal(err)
	}
	actor := resp.GetMessages()[0].GetActorId()
	version := func() error {
		_, err := c.MachineClient.Version(on(t, node2), &emptypb.Empty{})
		return err
	}
	if err := version(); err != nil {
		t.Errorf("the API went away at once: %v", err)
	}
	eventually(t, "the API to go away", func() bool { return status.Code(version()) == codes.Unavailable })
	if err := version(); endpoint != node2 && (err == nil || !strings.HasSuffix(err.Error(), "dial tcp 192.168.13.12:50000: connect: connection refused\"")) {
		t.Errorf("away, the node gives %v", err)
	}
	if away := time.Since(began) * scale; away < 19*time.Second {
		t.Errorf("the API went away after %s, want about 21 s", away)
	}
	eventually(t, "the API to come back", func() bool { return version() == nil })
	if back := time.Since(began) * scale; endpoint != node2 && (back < 46*time.Second || back > 75*time.Second) {
		t.Errorf("the API was back after %s, want 47 to 59 s", back)
	}
	wg.Wait()
	checkCourse(t, got, actor)
	if now := cl.Node("talos-test02").BootID(); now == boot {
		t.Error("the boot ID has not changed")
	}
	eventually(t, "the machine to be running and ready", func() bool {
		mu.Lock()
		defer mu.Unlock()
		last := told[len(told)-1]
		return last.Up && last.KubeletUp && last.Stage == "running" && last.BootID != boot
	})
	if first := told[0]; first.Stage != "rebooting" || !first.Up || !first.KubeletUp {
		t.Errorf("the first thing told is %+v, want rebooting and still up", first)
	}
}

func checkCourse(t *testing.T, got *course, actor string) {
	t.Helper()
	want := []string{
		"reboot START", "cleanup START", "REBOOTING", "kubelet STOPPING", "kubelet FINISHED", "cleanup STOP",
		"dbus START", "dbus STOP", "stopEverything START", "cri STOPPING",
	}
	if !slices.Equal(got.events, want) || got.evErr != nil {
		t.Errorf("events were %q and then %v,\nwant %q and a clean end", got.events, got.evErr, want)
	}
	if !got.actors[actor] || len(got.actors) != 2 {
		t.Errorf("actors were %v, want %s and none", got.actors, actor)
	}
	if status.Code(got.logErr) != codes.Unavailable || !strings.Contains(got.logErr.Error(), "graceful_stop") {
		t.Errorf("the followed log ended with %v, want Unavailable ... graceful_stop", got.logErr)
	}
	for {
		e := next(t, got.watchCh)
		got.watch = append(got.watch, e.Type.String())
		if e.Type == state.Errored {
			if !strings.HasSuffix(e.Error.Error(), "rpc error: code = FailedPrecondition desc = invalid watch bookmark") {
				t.Errorf("the watch ended with %v, want an invalid bookmark", e.Error)
			}
			break
		}
	}
	if want := []string{"Created", "Bootstrapped", "Updated", "Errored"}; !slices.Equal(got.watch, want) {
		t.Errorf("the watch saw %v, want %v", got.watch, want)
	}
}

func TestRebootThroughAnotherNode(t *testing.T) { reboot(t, node1) }

func TestRebootDirectly(t *testing.T) { reboot(t, node2) }

func TestShutdown(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{TimeScale: 200})
	c := connect(t, cl, role.Operator, node1)
	if err := c.Shutdown(on(t, node3)); err != nil {
		t.Fatal(err)
	}
	n := cl.Node("talos-test03")
	eventually(t, "the machine to be off", func() bool { return n.Fault() == "dead" })
	if n.Reachable() {
		t.Error("a machine that is off answers")
	}
	n.SetFault("")
	eventually(t, "the machine to boot again", n.Reachable)
}
