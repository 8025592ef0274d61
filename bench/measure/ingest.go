package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/talos-cockpit/talos-cockpit/internal/term"
)

const (
	node, nodeAddress, service = "talos-test01", "192.168.13.11", "kubelet"

	steadyRate  = 50_000  // lines a second, which everybody keeps up with
	tooMuch     = 400_000 // lines a second, which nobody should
	ingestTime  = 5 * time.Second
	accountTime = 10 * time.Second
)

func burst(rate int) []string {
	return []string{"--burst", fmt.Sprintf("%s/%s=%d", node, service, rate)}
}

// ingest measures how fast a log is taken in, against talosctl from the same
// server in turns, and whether every line is accounted for.
func ingest(l *lab) ([]result, error) {
	lost, err := account(l)
	if err != nil {
		return nil, err
	}
	out := []result{{"lines neither shown nor counted as dropped", "0", strconv.Itoa(lost)}}
	s, err := l.serve("turingpi", burst(tooMuch)...)
	if err != nil {
		return nil, err
	}
	var ours, theirs []intake
	for range l.runs {
		one, err := l.ourIntake(s)
		if err != nil {
			return nil, err
		}
		ours = append(ours, one)
		if l.talosctl == "" {
			continue
		}
		if one, err = l.theirIntake(s); err != nil {
			return nil, err
		}
		theirs = append(theirs, one)
	}
	rate, cost := medians(ours)
	out = append(out, result{"log ingest", "", fmt.Sprintf("%.0f lines/s, %.2f µs of a core each", rate, cost)})
	if len(theirs) == 0 {
		return append(out, result{"log ingest against talosctl", "0.9", "not measured: no talosctl"}), nil
	}
	theirRate, theirCost := medians(theirs)
	return append(out,
		result{"talosctl logs -f", "", fmt.Sprintf("%.0f lines/s, %.2f µs of a core each", theirRate, theirCost)},
		result{"log ingest against talosctl", "0.9", fmt.Sprintf("%.1f", rate/theirRate)},
	), nil
}

// intake is how fast lines were taken in, and at what cost.
type intake struct {
	rate float64 // lines a second
	cost float64 // microseconds of a core for a line
}

func medians(all []intake) (rate, cost float64) {
	var rates, costs []float64
	for _, i := range all {
		rates, costs = append(rates, i.rate), append(costs, i.cost)
	}
	return median(rates), median(costs)
}

// intakeOf measures over the window what count counts.
func (l *lab) intakeOf(pid int, count func() (int64, error)) (intake, error) {
	n0, err := count()
	if err != nil {
		return intake{}, err
	}
	begin := time.Now()
	c0, err := cpuTime(pid)
	if err != nil {
		return intake{}, err
	}
	if err := sleep(l.ctx, ingestTime); err != nil {
		return intake{}, err
	}
	n1, err := count()
	if err != nil {
		return intake{}, err
	}
	took := time.Since(begin)
	c1, err := cpuTime(pid)
	if err != nil {
		return intake{}, err
	}
	if n1 <= n0 {
		return intake{}, errors.New("no line came")
	}
	lines := float64(n1 - n0)
	return intake{lines / took.Seconds(), float64((c1 - c0).Microseconds()) / lines}, nil
}

func (l *lab) ourIntake(s *served) (intake, error) {
	t, err := l.zoomedLogs(s, term.Link{}, 120, 40)
	if err != nil {
		return intake{}, err
	}
	defer t.Close()
	return l.intakeOf(t.Pid(), func() (int64, error) {
		c, err := counted(t)
		return c.received, err
	})
}

// theirIntake measures talosctl. Its output is read and counted, which costs it
// a little more than writing to /dev/null.
func (l *lab) theirIntake(s *served) (intake, error) {
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.talosctl, "--talosconfig", s.dir+"/talosconfig", "-n", nodeAddress, "logs", service, "-f", "--tail", "1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return intake{}, err
	}
	if err := cmd.Start(); err != nil {
		return intake{}, err
	}
	var lines atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 256<<10)
		for {
			n, err := out.Read(buf)
			lines.Add(int64(bytes.Count(buf[:n], []byte{'\n'})))
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		cancel()
		<-done
		_ = cmd.Wait() // killed
	}()
	if err := sleep(l.ctx, time.Second); err != nil {
		return intake{}, err
	}
	return l.intakeOf(cmd.Process.Pid, func() (int64, error) { return lines.Load(), nil })
}

// account counts the lines that were written between two frames and are neither
// held nor counted as dropped: they are numbered, and nothing else is written.
func account(l *lab) (lost int, err error) {
	s, err := l.serve("still", burst(steadyRate)...)
	if err != nil {
		return 0, err
	}
	defer l.end(s)
	t, err := l.zoomedLogs(s, term.Link{}, 120, 40, "--log-lines", "100000")
	if err != nil {
		return 0, err
	}
	defer t.Close()
	before, err := counted(t)
	if err != nil {
		return 0, err
	}
	if err := sleep(l.ctx, accountTime); err != nil {
		return 0, err
	}
	after, err := counted(t)
	if err != nil {
		return 0, err
	}
	written, received := after.newest-before.newest, after.received-before.received
	if written < steadyRate*int64(accountTime.Seconds())/2 {
		return 0, fmt.Errorf("the service wrote %d lines in %s, far too few", written, accountTime)
	}
	return int(written - received), nil
}

// zoomedLogs starts the program and gives the Logs pane the whole screen.
func (l *lab) zoomedLogs(s *served, link term.Link, columns, rows int, args ...string) (*term.Terminal, error) {
	t, err := l.cockpit(s, link, columns, rows, args...)
	if err != nil {
		return nil, err
	}
	_, err = t.UntilText(30*time.Second, "burst line")
	if err == nil {
		err = t.Keys("2z")
	}
	if err == nil {
		_, err = t.UntilText(10*time.Second, "━2 Logs "+service+" · "+node+" ━━")
	}
	if err == nil {
		err = sleep(l.ctx, 2*time.Second)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// counts is what one frame of the zoomed Logs pane tells.
type counts struct {
	received int64 // held and dropped
	newest   int64 // number of the newest line
}

var (
	heldText    = regexp.MustCompile(`([\d,]+) lines?\b`)
	droppedText = regexp.MustCompile(`([\d,]+) older dropped`)
	numberText  = regexp.MustCompile(`burst line (\d+)`)
)

// counted reads a frame that is whole: the screen was the same a moment later.
func counted(t *term.Terminal) (counts, error) {
	screen := ""
	for range 200 {
		now := t.Screen()
		if now == screen {
			return countsOf(screen)
		}
		screen = now
		time.Sleep(10 * time.Millisecond)
	}
	return counts{}, errors.New("the screen never stands still for 10 ms")
}

func countsOf(screen string) (counts, error) {
	held := heldText.FindStringSubmatch(screen)
	numbers := numberText.FindAllStringSubmatch(screen, -1)
	if held == nil || numbers == nil {
		return counts{}, fmt.Errorf("the screen tells no count:\n%s", screen)
	}
	all := []string{held[1]}
	if dropped := droppedText.FindStringSubmatch(screen); dropped != nil {
		all = append(all, dropped[1])
	}
	c := counts{}
	for _, text := range all {
		n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
		if err != nil {
			return counts{}, err
		}
		c.received += n
	}
	newest, err := strconv.ParseInt(numbers[len(numbers)-1][1], 10, 64)
	c.newest = newest
	return c, err
}
