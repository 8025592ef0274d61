package talosd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/constants"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// linesKept is how many lines a log remembers, burstLinesKept one with a burst.
	linesKept      = 1000
	burstLinesKept = 10_000
	// historyLines is how far back a log reaches when it is first read.
	historyLines = 300
	// chunkSize is how many bytes one message of a log stream carries at most.
	chunkSize = 1024
)

// logFile is one log of a machine: a ring of its last lines. Lines that a
// generator writes come into being when somebody reads.
type logFile struct {
	mu      sync.Mutex
	keep    int
	ring    [][]byte // each with its newline
	base    uint64   // number of the line that was first put into ring[0]
	next    uint64   // number of the line to come
	changed chan struct{}
	gen     *generator
	ready   bool // history and generator are in place
}

func newLogFile() *logFile { return &logFile{keep: linesKept, changed: make(chan struct{})} }

// oldest is the number of the oldest line kept; the caller holds f.mu.
func (f *logFile) oldest() uint64 { return f.next - uint64(len(f.ring)) }

// add appends lines; the caller holds f.mu.
func (f *logFile) add(lines ...[]byte) {
	for _, line := range lines {
		if len(f.ring) < f.keep {
			f.ring = append(f.ring, line)
		} else {
			f.ring[(f.next-f.base)%uint64(f.keep)] = line
		}
		f.next++
	}
}

// wake tells the readers; the caller holds f.mu.
func (f *logFile) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// widen makes room for more lines, keeping those there are.
func (f *logFile) widen(keep int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if keep <= f.keep {
		return
	}
	lines, _ := f.take(make([][]byte, 0, keep), f.oldest(), 1<<30)
	f.base, f.ring, f.keep = f.oldest(), lines, keep
}

// take returns the lines from number pos on, at most limit bytes (but one line
// at least), and the number of the line after them. The caller holds f.mu.
func (f *logFile) take(dst [][]byte, pos uint64, limit int) ([][]byte, uint64) {
	pos = max(pos, f.oldest())
	for size := 0; pos < f.next && size < limit; pos++ {
		line := f.ring[(pos-f.base)%uint64(f.keep)]
		dst = append(dst, line)
		size += len(line)
	}
	return dst, pos
}

// advance lets the generator write what is due; the caller holds f.mu.
func (f *logFile) advance(now time.Time) {
	if f.gen == nil {
		return
	}
	if lines := f.gen.until(now, f.keep); len(lines) > 0 {
		f.add(lines...)
		f.wake()
	}
}

// tail returns the number of the first of the last n lines; all when n is negative.
func (f *logFile) tail(n int32, now time.Time) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(now)
	if n < 0 {
		return f.oldest()
	}
	return f.next - min(uint64(n), uint64(len(f.ring)))
}

// generator writes a log's own lines at random moments around a mean rate, or
// asks a source for them.
type generator struct {
	rng  *rand.Rand
	mean time.Duration
	due  time.Time
	line func(rng *rand.Rand, at time.Time) string

	source func(from, to time.Time, limit int) []PodLine // nil: line makes them
	stream string                                        // that the source's lines come from
}

func (g *generator) step() time.Duration {
	return time.Duration((0.3 + 1.4*g.rng.Float64()) * float64(g.mean))
}

// until returns the lines due by now, at most limit; older ones are not made.
func (g *generator) until(now time.Time, limit int) [][]byte {
	if g.source != nil {
		return g.fetched(now, limit)
	}
	if missed := now.Sub(g.due) / g.mean; missed > time.Duration(2*limit) {
		g.due = now.Add(-time.Duration(limit) * g.mean)
	}
	var out [][]byte
	for !g.due.After(now) {
		out = append(out, []byte(g.line(g.rng, g.due)+"\n"))
		g.due = g.due.Add(g.step())
	}
	return out
}

// fetched returns the source's lines up to now, as raw lines of the container runtime.
func (g *generator) fetched(now time.Time, limit int) [][]byte {
	if now.Before(g.due) {
		return nil
	}
	var out [][]byte
	for _, line := range g.source(g.due, now, limit) {
		out = append(out, fmt.Appendf(nil, "%s %s F %s\n", line.At.UTC().Format(time.RFC3339Nano), g.stream, line.Text))
	}
	g.due = now.Add(1)
	return out
}

// append writes a line to a log that somebody has read; other logs forget it.
func (l *life) append(id, line string) {
	l.mu.Lock()
	f := l.logs[id]
	l.mu.Unlock()
	if f != nil {
		f.write(line)
	}
}

// appendLocked writes a line to a log, which comes into being if need be. The
// caller holds l.mu.
func (l *life) appendLocked(id, line string) {
	f := l.logs[id]
	if f == nil {
		f = newLogFile()
		l.logs[id] = f
	}
	f.write(line)
}

// hush stops what writes logs by itself: those named, all without names. The
// caller holds l.mu.
func (l *life) hush(ids ...string) {
	for id, f := range l.logs {
		if len(ids) == 0 || slices.Contains(ids, id) {
			f.mu.Lock()
			f.advance(l.n.c.now())
			f.gen = nil
			f.mu.Unlock()
		}
	}
}

func (f *logFile) write(lines ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range lines {
		f.add([]byte(line + "\n"))
	}
	f.wake()
}

// open returns a log that is ready to be read. The id must be one that the
// machine has.
func (l *life) open(id string) *logFile {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openLocked(id)
}

// openLocked is open for a caller that holds l.mu.
func (l *life) openLocked(id string) *logFile {
	l.prepare()
	f := l.logs[id]
	if f == nil {
		f = newLogFile()
		l.logs[id] = f
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready {
		return f
	}
	f.ready = true
	now := l.n.c.now()
	gen := l.n.generator(id, l.bootID)
	if gen == nil {
		return f
	}
	up := l.boot.Add(apiUpAfter)
	if still := later(l.n.c.born, up.Add(readyAfter)); l.n.c.scene.Still && now.After(still) {
		now = still // nothing was written after that
	}
	if gen.source == nil {
		gen.due = later(now.Add(-historyLines*gen.mean), up)
	}
	f.add(gen.until(now, min(f.keep, historyLines))...)
	if !l.n.c.scene.Still {
		f.gen = gen
	}
	return f
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// WriteLog writes a line, without a newline, to one of the machine's logs
// ("dmesg" is the kernel's), for mishaps that the scene's other side thinks of.
func (n *Node) WriteLog(service, line string) {
	n.current().open(service).write(line)
}

// BurstLogs writes that many lines a second to a log of a node until stop is
// called or the cluster ends, for measurements. Every line says "burst line N"
// with N counting up from 1, in the log's own format. It returns nil when there
// is no such node.
func (c *Cluster) BurstLogs(node, service string, linesPerSecond int) (stop func()) {
	n := c.Node(node)
	if n == nil || linesPerSecond < 1 {
		return nil
	}
	f := n.current().open(service)
	f.widen(burstLinesKept)
	ctx, cancel := context.WithCancel(context.Background())
	if !c.goDo(func(running context.Context) { n.burst(ctx, running, f, service, linesPerSecond) }) {
		cancel()
		return func() {}
	}
	return cancel
}

func (n *Node) burst(ctx, running context.Context, f *logFile, service string, rate int) {
	const tick = 5 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began, written := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-running.Done():
			return
		case <-ticker.C:
		}
		due := int(time.Since(began).Seconds() * float64(rate))
		at := n.c.now()
		f.mu.Lock()
		for ; written < due; written++ {
			f.add(burstLine(service, at, written+1))
		}
		f.wake()
		f.mu.Unlock()
	}
}

func burstLine(service string, at time.Time, number int) []byte {
	line := make([]byte, 0, 96)
	if service == "kubelet" {
		line = append(line, `{"ts":`...)
		line = strconv.AppendFloat(line, float64(at.UnixMicro())/1000, 'f', -1, 64)
		line = append(line, `,"caller":"burst/burst.go:1","msg":"burst line `...)
		line = strconv.AppendInt(line, int64(number), 10)
		return append(line, `","v":0}`+"\n"...)
	}
	line = at.UTC().AppendFormat(line, "2006/01/02 15:04:05.000000")
	line = append(line, " burst line "...)
	line = strconv.AppendInt(line, int64(number), 10)
	return append(line, '\n')
}

// follow hands out a log's lines from number pos on, in portions, and goes on as
// it grows when asked to.
func (f *logFile) follow(ctx context.Context, now func() time.Time, pos uint64, goOn bool, send func([][]byte) error) error {
	var lines [][]byte
	for {
		f.mu.Lock()
		f.advance(now())
		lines, pos = f.take(lines[:0], pos, 64*chunkSize)
		changed, wait := f.changed, f.pause(now())
		f.mu.Unlock()
		if len(lines) > 0 {
			if err := send(lines); err != nil {
				return err
			}
			continue
		}
		if !goOn {
			return nil
		}
		if err := pause(ctx, changed, wait); err != nil {
			return err
		}
	}
}

// pause is how long until the log should be looked at again: when its generator
// writes, but within a second, as the cluster's clock may run at its own speed; a
// minute when it has none. The caller holds f.mu.
func (f *logFile) pause(now time.Time) time.Duration {
	switch {
	case f.gen == nil:
		return time.Minute
	case f.gen.source != nil:
		return 250 * time.Millisecond
	}
	return min(max(f.gen.due.Sub(now), time.Millisecond), time.Second)
}

func pause(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-timer.C:
	}
	return nil
}

// logIDs are the logs that a machine has registered, in no order.
func (l *life) logIDs() []string {
	ids := []string{"kubelet", "controller-runtime", "dns-resolve-cache", "early-startup"}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	for _, s := range l.services {
		if s.state != "" && !slices.Contains(ids, s.id) {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// LogsContainers lists the logs of a machine.
func (m *machineServer) LogsContainers(ctx context.Context, _ *emptypb.Empty) (*machine.LogsContainersResponse, error) {
	return &machine.LogsContainersResponse{Messages: []*machine.LogsContainer{{Ids: targetOf(ctx).life.logIDs()}}}, nil
}

// Logs streams a log: of Talos' own services, or of a container.
func (m *machineServer) Logs(req *machine.LogsRequest, s machine.MachineService_LogsServer) error {
	t := targetOf(s.Context())
	id := req.GetId()
	if req.GetNamespace() == constants.SystemContainerdNamespace || id == "kubelet" {
		if !slices.Contains(t.life.logIDs(), id) {
			return fmt.Errorf("log %q was not registered", id)
		}
	} else {
		container, err := t.node.container(req.GetNamespace(), req.GetDriver(), id)
		if err != nil {
			return err
		}
		id = container.GetId()
	}
	f, now := t.life.open(id), t.node.c.now
	return f.follow(s.Context(), now, f.tail(req.GetTailLines(), now()), req.GetFollow(), func(lines [][]byte) error {
		// Chunks know nothing of lines.
		return sendChunks(slices.Concat(lines...), func(b []byte) error { return s.Send(&common.Data{Bytes: b}) })
	})
}

// Dmesg streams the kernel's log, one line a message.
func (m *machineServer) Dmesg(req *machine.DmesgRequest, s machine.MachineService_DmesgServer) error {
	t := targetOf(s.Context())
	f, now := t.life.open("dmesg"), t.node.c.now
	first := int32(-1)
	if req.GetFollow() && req.GetTail() {
		first = 0
	}
	return f.follow(s.Context(), now, f.tail(first, now()), req.GetFollow(), func(lines [][]byte) error {
		for _, line := range lines {
			if err := s.Send(&common.Data{Bytes: line}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Logs are the names of the machine's logs, sorted; "dmesg" is the kernel's.
func (n *Node) Logs() []string {
	ids := append(n.current().logIDs(), "dmesg")
	slices.Sort(ids)
	return ids
}
