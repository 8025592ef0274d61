package talosd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// serviceEventsKept is how many transitions a service remembers.
const serviceEventsKept = 64

// transition is one change of a service.
type transition struct {
	state string // Starting, Waiting, Preparing, Running, Stopping, Finished
	msg   string
	at    time.Time
}

// service is one of Talos' own services on a machine.
type service struct {
	id          string
	unwatched   bool // it has no health check
	restartable bool // through the API, as only the kubelet is
	waits       string
	process     string // how the log says that it runs

	state      string
	healthy    bool
	known      bool   // its health has been checked
	complaint  string // what its last check said, if it failed
	lastChange time.Time
	history    []transition
}

const (
	kubeletWaits = "volumes /var/lib, KUBELET, LOG, /var/log/audit, /var/log/containers, /var/log/pods, /var/lib/kubelet/seccomp, " +
		"/var/lib/kubelet/seccomp/profiles, /var/log/audit/kube, /var/mnt to be mounted, service \"cri\" to be \"up\", time sync, network"
	criWaits = "volumes /var/lib, /var/lib/cni, CRI, /var/run, /var/run/lock to be mounted, network"
)

// servicesOf are the services of a metal machine, in the order they come up.
func servicesOf(controlPlane bool, pid func() int) []*service {
	process := func(args ...string) string {
		quoted := make([]string, len(args))
		for i, arg := range args {
			quoted[i] = fmt.Sprintf("%q", arg)
		}
		return fmt.Sprintf("Process Process([%s]) started with PID %d", strings.Join(quoted, " "), pid())
	}
	task := func(id string) string { return fmt.Sprintf("Started task %s (PID %d) for container %s", id, pid(), id) }
	out := []*service{
		{id: "machined", process: "Service started as goroutine"},
		{id: "syslogd", process: "Service started as goroutine", waits: "service \"machined\" to be \"up\""},
		{id: "containerd", process: process("/bin/containerd", "--address", "/system/run/containerd/containerd.sock", "--state", "/system/run/containerd", "--root", "/system/var/lib/containerd")},
		{id: "udevd", process: process("/sbin/systemd-udevd", "--resolve-names=never")},
		{id: "auditd", process: "Service started as goroutine"},
		{id: "dashboard", process: process("/sbin/dashboard"), unwatched: true},
		{id: "apid", process: task("apid"), waits: "service \"containerd\" to be \"up\", api certificates, config to be ready"},
		{id: "cri", process: process("/bin/containerd", "--address", "/run/containerd/containerd.sock", "--config", "/etc/cri/containerd.toml"), waits: criWaits},
	}
	if controlPlane {
		out = append(out,
			&service{id: "trustd", process: task("trustd"), waits: "service \"containerd\" to be \"up\", time sync, network"},
			&service{id: "etcd", process: task("etcd"), waits: "volumes /var/lib, ETCD to be mounted, service \"cri\" to be \"up\", time sync, network, etcd spec"})
	}
	return append(out, &service{id: "kubelet", process: task("kubelet"), waits: kubeletWaits, restartable: true})
}

func (s *service) running() bool { return s.state == "Running" }

// info is the service as the API shows it.
func (s *service) info() *machine.ServiceInfo {
	events := make([]*machine.ServiceEvent, len(s.history))
	for i, t := range s.history {
		events[i] = &machine.ServiceEvent{Msg: t.msg, State: t.state, Ts: timestamppb.New(t.at)}
	}
	return &machine.ServiceInfo{
		Id: s.id, State: s.state,
		Events: &machine.ServiceEvents{Events: events},
		Health: s.health(),
	}
}

// health of a service that was never checked has the zero time as its last
// change: seconds -62135596800.
func (s *service) health() *machine.ServiceHealth {
	h := &machine.ServiceHealth{Unknown: !s.known, Healthy: s.healthy, LastChange: timestamppb.New(s.lastChange)}
	switch {
	case s.complaint != "":
		h.LastMessage = s.complaint
	case !s.known && s.running() && !s.lastChange.IsZero():
		h.LastMessage = "Unknown"
	}
	return h
}

// healthFailed begins what a service says whose health check has failed.
const healthFailed = "Health check failed: "

// move changes a service and tells everyone; the caller holds l.mu.
func (l *life) move(s *service, state, msg string, at time.Time) {
	s.state = state
	complaint, failed := strings.CutPrefix(msg, healthFailed)
	s.complaint = ""
	switch {
	case state == "Running" && failed:
		s.known, s.healthy, s.lastChange, s.complaint = true, false, at, complaint
	case state == "Running" && msg == "Health check successful":
		s.known, s.healthy, s.lastChange = true, true, at
	case state == "Running":
		s.known, s.healthy, s.lastChange = false, false, at
	default:
		s.known, s.healthy, s.lastChange = false, false, time.Time{}
	}
	s.history = append(s.history, transition{state, msg, at})
	if len(s.history) > serviceEventsKept {
		s.history = slices.Clone(s.history[len(s.history)-serviceEventsKept:])
	}
	l.publishLocked(at, "", &machine.ServiceStateEvent{
		Service: s.id, Action: serviceActions[state], Message: msg, Health: s.health(),
	})
	l.consoleLocked(at, fmt.Sprintf("service[%s](%s): %s", s.id, state, msg))
	l.syncService(s)
}

var serviceActions = map[string]machine.ServiceStateEvent_Action{
	"Starting":  machine.ServiceStateEvent_STARTING,
	"Waiting":   machine.ServiceStateEvent_WAITING,
	"Preparing": machine.ServiceStateEvent_PREPARING,
	"Running":   machine.ServiceStateEvent_RUNNING,
	"Stopping":  machine.ServiceStateEvent_STOPPING,
	"Finished":  machine.ServiceStateEvent_FINISHED,
	"Failed":    machine.ServiceStateEvent_FAILED,
}

// find returns the service of that name; the caller holds l.mu.
func (l *life) find(id string) (*service, error) {
	for _, s := range l.services {
		if s.id == id {
			return s, nil
		}
	}
	return nil, fmt.Errorf("service %q not defined", id)
}

// infos lists the services by name.
func (l *life) infos() []*machine.ServiceInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	var out []*machine.ServiceInfo
	for _, s := range l.services {
		if s.state != "" {
			out = append(out, s.info())
		}
	}
	slices.SortFunc(out, func(a, b *machine.ServiceInfo) int { return strings.Compare(a.GetId(), b.GetId()) })
	return out
}

// control does what the API asks of a service, with the refusals that Talos has.
func (l *life) control(id, operation string) error {
	defer l.n.tellMachine()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	s, err := l.find(id)
	if err != nil {
		return err
	}
	running := s.state != "" && s.state != "Finished"
	switch {
	case operation == "start" && running, operation == "stop" && !running:
		return nil
	case operation == "stop" || !s.restartable:
		if operation == "restart" && !running {
			operation = "start"
		}
		return fmt.Errorf("service %q doesn't support %s operation via API", id, operation)
	}
	l.restart(s, running)
	return nil
}

// restart stops a service if it runs and starts it; its health is known two
// seconds later. The caller holds l.mu.
func (l *life) restart(s *service, running bool) {
	now := l.n.c.now()
	if running {
		pid := l.pid()
		l.move(s, "Stopping", fmt.Sprintf("Sending SIGTERM to task %s (PID %d, container %s)", s.id, pid, s.id), now)
		l.move(s, "Finished", "Service finished successfully", now)
	}
	l.startService(s, now)
	l.later(2*time.Second, func(at time.Time) { l.recover(s, at) })
}

// startService takes a service to Running; the caller holds l.mu.
func (l *life) startService(s *service, at time.Time) {
	l.move(s, "Starting", "Starting service", at)
	if s.waits != "" {
		l.move(s, "Waiting", "Waiting for "+s.waits, at)
	}
	l.move(s, "Preparing", "Running pre state", at)
	l.move(s, "Preparing", "Creating service runner", at)
	l.move(s, "Running", s.process, at)
}
