package talosapi

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

const (
	slowEvery   = time.Minute      // file systems, addresses, all services
	staticEvery = 10 * time.Minute // version, hardware, extensions, clock
	firstRetry  = 2 * time.Second  // after a failure, doubled with each more
	maxRetry    = 15 * time.Second
	settle      = 250 * time.Millisecond // services change in bursts
	stoodStill  = 10 * time.Second       // for which processor counters may stand still
)

// poll asks the machine again and again until ctx ends. It never gives up.
func (m *machine) poll(ctx context.Context) {
	var p pollState
	for ctx.Err() == nil {
		err := m.round(ctx, &p)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			p.failures = 0
		} else {
			p.failures++
			m.silent(time.Now(), Explain(err, whom(m.addr)))
		}
		m.pause(ctx, p.failures)
	}
}

// pause waits for the next round, which a kick brings forward, and so does an
// endpoint that came up while this machine was silent.
func (m *machine) pause(ctx context.Context, failures int) {
	d := m.opt.Hidden
	if m.watch.shown.Load() {
		d = m.opt.Visible
	}
	var changed <-chan struct{}
	if failures > 0 {
		first := min(firstRetry, d)
		if m.watch.shown.Load() || failures < 3 {
			d = min(first<<min(failures-1, 8), maxRetry)
		}
		changed = m.client.Changed()
	}
	t := time.NewTimer(feed.OnBeat(time.Now(), jitter(d)))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-changed:
		wait(ctx, jitter(settle), nil)
	case <-m.watch.kick:
		wait(ctx, settle, nil)
	}
}

// pollState is what one machine's poll remembers between rounds.
type pollState struct {
	failures int
	slow     time.Time // when the slow part was read last
	static   time.Time
	boot     time.Time
	cpu      cpuSample
	cpuAt    time.Time // when cpu was read
}

// round reads what is due. Its error says that the machine does not answer; what
// the machine refuses to tell is not an error.
func (m *machine) round(ctx context.Context, p *pollState) error {
	var news []change
	via, err := m.measure(ctx, p, &news)
	if err != nil {
		p.cpu = cpuSample{}
		return err
	}
	if p.failures > 0 {
		p.slow, p.static = time.Time{}, time.Time{} // it may be another machine now
	}
	news = append(news, func(v *cluster.Machine) { v.Endpoint = via })
	m.good(time.Now(), news)
	return m.more(ctx, p)
}

// more reads the parts that are due less often. The machine did answer in this
// round: a part that does not is left as it was, and asked again soon.
func (m *machine) more(ctx context.Context, p *pollState) error {
	now := time.Now()
	static, slow := now.Sub(p.static) >= staticEvery, now.Sub(p.slow) >= slowEvery
	services := m.services.Swap(false) || slow
	if !static && !slow && !services {
		return nil
	}
	var news []change
	whole := (!static || m.describe(ctx, &news)) &&
		(!services || m.listServices(ctx, &news)) &&
		(!slow || m.survey(ctx, &news))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if slow {
		p.slow = now
	}
	if static {
		p.static = now
	}
	if !whole { // soon again
		soon := now.Add(2 * m.opt.Visible)
		p.slow, p.static = soon.Add(-slowEvery), soon.Add(-staticEvery)
	}
	m.good(time.Now(), news)
	return nil
}

// change is one part of a new value.
type change func(*cluster.Machine)

// ask makes one call and tells refusals, which leave a field unknown (ok is
// false), from a machine that does not answer.
func (m *machine) ask(ctx context.Context, do func(context.Context, *grpc.ClientConn) error) (ok bool, via string, err error) {
	via, err = m.client.read(ctx, m.addr, do)
	if err != nil && !unreachable(err) {
		return false, via, nil
	}
	return err == nil, via, err
}

// part reads one part of a machine. A refusal with a change says what becomes unknown.
type part func(context.Context, *grpc.ClientConn) (change, error)

// gatherParts asks for each part; false: the machine fell silent on the way.
func (m *machine) gatherParts(ctx context.Context, news *[]change, parts ...part) bool {
	for _, p := range parts {
		var got change
		_, _, err := m.ask(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
			got, err = p(ctx, conn)
			return err
		})
		if err != nil {
			return false
		}
		if got != nil {
			*news = append(*news, got)
		}
	}
	return true
}

// measure reads processor and memory; it is the part that is done each time. A
// machine that did not answer the last time is asked one thing first.
func (m *machine) measure(ctx context.Context, p *pollState, news *[]change) (via string, err error) {
	var memory change
	if p.failures > 0 {
		if via, err = m.readProcessor(ctx, p, news); err == nil {
			memory, err = m.readMemory(ctx)
		}
	} else {
		var other sync.WaitGroup
		var otherErr error
		m.client.launch(&other, func() { memory, otherErr = m.readMemory(ctx) })
		via, err = m.readProcessor(ctx, p, news)
		other.Wait()
		err = cmp.Or(err, otherErr)
	}
	if err != nil {
		return via, err
	}
	*news = append(*news, memory)
	return via, nil
}

func (m *machine) readProcessor(ctx context.Context, p *pollState, news *[]change) (string, error) {
	var stat *machineapi.SystemStatResponse
	ok, via, err := m.ask(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		stat, err = machineapi.NewMachineServiceClient(conn).SystemStat(ctx, &emptypb.Empty{})
		return err
	})
	switch {
	case err != nil:
	case ok && len(stat.GetMessages()) > 0:
		m.applyStat(p, stat.GetMessages()[0], news)
	default:
		*news = append(*news, func(v *cluster.Machine) { v.CPU = cluster.Opt[float64]{} })
	}
	return via, err
}

func (m *machine) readMemory(ctx context.Context) (change, error) {
	var mem *machineapi.MemoryResponse
	ok, _, err := m.ask(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		mem, err = machineapi.NewMachineServiceClient(conn).Memory(ctx, &emptypb.Empty{})
		return err
	})
	usage := cluster.Opt[cluster.Usage]{}
	if err == nil && ok && len(mem.GetMessages()) > 0 {
		usage = memoryOf(mem.GetMessages()[0].GetMeminfo())
	}
	return func(v *cluster.Machine) { v.Memory = usage }, err
}

// memoryOf is total minus available; the source counts in KiB.
func memoryOf(in *machineapi.MemInfo) cluster.Opt[cluster.Usage] {
	total, available := in.GetMemtotal(), in.GetMemavailable()
	if total == 0 || available > total {
		return cluster.Opt[cluster.Usage]{}
	}
	return cluster.Some(cluster.Usage{Used: int64(total-available) << 10, Total: int64(total) << 10})
}

// cpuSample is the processor time since boot, in seconds.
type cpuSample struct {
	busy, total float64
	boot        uint64
}

func (m *machine) applyStat(p *pollState, s *machineapi.SystemStat, news *[]change) {
	next, now := sampleOf(s), time.Now()
	stood := next == p.cpu && now.Sub(p.cpuAt) < stoodStill // asked again too soon to tell
	share := next.since(p.cpu)
	if !stood {
		p.cpu, p.cpuAt = next, now
	}
	cores := cluster.Opt[int]{}
	if n := len(s.GetCpu()); n > 0 {
		cores = cluster.Some(n)
	}
	boot := cluster.Opt[time.Time]{}
	if b := s.GetBootTime(); b > 0 {
		boot = cluster.Some(time.Unix(int64(b), 0).UTC())
	}
	if boot.V.Sub(p.boot).Abs() >= visibleClock {
		p.static, p.slow = time.Time{}, time.Time{} // it has rebooted: read everything again
	}
	p.boot = boot.V
	*news = append(*news, func(v *cluster.Machine) {
		v.Cores, v.BootTime = cores, boot
		if !stood {
			v.CPU = share
		}
	})
}

// sampleOf counts guest time as part of user time, as the kernel does.
func sampleOf(s *machineapi.SystemStat) cpuSample {
	c := s.GetCpuTotal()
	busy := c.GetUser() + c.GetNice() + c.GetSystem() + c.GetIrq() + c.GetSoftIrq() + c.GetSteal()
	return cpuSample{busy: busy, total: busy + c.GetIdle() + c.GetIowait(), boot: s.GetBootTime()}
}

// since is the busy share between two samples of the same boot.
func (s cpuSample) since(before cpuSample) cluster.Opt[float64] {
	total, busy := s.total-before.total, s.busy-before.busy
	share := busy / total
	if before.total == 0 || total <= 0 || busy < 0 || busy > total || math.IsNaN(share) {
		return cluster.Opt[float64]{}
	}
	return cluster.Some(share)
}
