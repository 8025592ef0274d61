package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/internal/term"
)

// startsPerRun: a start is short and scatters.
const startsPerRun = 4

// start measures the time to the first text on the terminal, with nothing
// answering yet, and to the nodes.
func start(l *lab) ([]result, error) {
	s, err := l.serve("still")
	if err != nil {
		return nil, err
	}
	var first, nodes []time.Duration
	for range startsPerRun * l.runs {
		begin := time.Now()
		t, err := l.cockpit(s, term.Link{}, 120, 40)
		if err != nil {
			return nil, err
		}
		if _, err := t.UntilText(10*time.Second, "Nodes"); err != nil {
			return nil, err
		}
		first = append(first, time.Since(begin))
		if _, err := t.UntilText(30*time.Second, "running"); err != nil {
			return nil, err
		}
		nodes = append(nodes, time.Since(begin))
		t.Close()
	}
	return []result{
		{"first frame", "100 ms", ms(median(first))},
		{"first node shown", "", ms(median(nodes))},
	}, nil
}

// watch measures CPU and bytes over the window.
func (l *lab) watch(t *term.Terminal) (core, bytesPerSecond float64, err error) {
	c0, err := cpuTime(t.Pid())
	if err != nil {
		return 0, 0, err
	}
	b0, begin := t.Bytes(), time.Now()
	if err := sleep(l.ctx, l.window); err != nil {
		return 0, 0, err
	}
	c1, err := cpuTime(t.Pid())
	seconds := time.Since(begin).Seconds()
	return 100 * (c1 - c0).Seconds() / seconds, float64(t.Bytes()-b0) / seconds, err
}

func idle(l *lab) ([]result, error) {
	core, bytes, err := l.overview("still")
	if err != nil {
		return nil, err
	}
	return []result{
		{"nothing moves: core", "0.3 %", fmt.Sprintf("%.2f %%", core)},
		{"nothing moves: to the terminal", "20 B/s", fmt.Sprintf("%.0f B/s", bytes)},
	}, nil
}

func logs(l *lab) ([]result, error) {
	core, bytes, err := l.overview("turingpi")
	if err != nil {
		return nil, err
	}
	return []result{
		{"overview, logs following: core", "", fmt.Sprintf("%.2f %%", core)},
		{"overview, logs following: to the terminal", "2000 B/s", fmt.Sprintf("%.0f B/s", bytes)},
	}, nil
}

func (l *lab) overview(scene string) (core, bytes float64, err error) {
	s, err := l.serve(scene)
	if err != nil {
		return 0, 0, err
	}
	t, err := l.settled(s, term.Link{}, 120, 40)
	if err != nil {
		return 0, 0, err
	}
	defer t.Close()
	return l.watch(t)
}

func memory(l *lab) ([]result, error) {
	s, err := l.serve("still")
	if err != nil {
		return nil, err
	}
	var kib []int64
	for range min(l.runs, 3) {
		t, err := l.settled(s, term.Link{}, 120, 40)
		if err != nil {
			return nil, err
		}
		k, err := privateKiB(t.Pid())
		t.Close()
		if err != nil {
			return nil, err
		}
		kib = append(kib, k)
	}
	return []result{{"private memory, four nodes", "40 MB", fmt.Sprintf("%.0f MB", float64(median(kib))*1024/1e6)}}, nil
}

const keyPresses = 200

// keys measures help opening and closing while 50,000 lines a second arrive.
func keys(l *lab) ([]result, error) {
	s, err := l.serve("turingpi", burst(steadyRate)...)
	if err != nil {
		return nil, err
	}
	took, err := l.presses(s, term.Link{}, 120, 40)
	if err != nil {
		return nil, err
	}
	return []result{
		{"key to frame at 50,000 lines/s, median", "", ms(percentile(took, 50))},
		{"key to frame at 50,000 lines/s, p99", "25 ms", ms(percentile(took, 99))},
	}, nil
}

// slow measures a slow line while 50,000 lines a second arrive: keys in the
// overview, and how old the newest line is that a screen full of logs shows.
func slow(l *lab) ([]result, error) {
	s, err := l.serve("turingpi", burst(steadyRate)...)
	if err != nil {
		return nil, err
	}
	link := term.Link{BitsPerSecond: 1_000_000, Delay: 200 * time.Millisecond}
	took, err := l.presses(s, link, 80, 24)
	if err != nil {
		return nil, err
	}
	t, err := l.zoomedLogs(s, link, 80, 24)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	ages, bytes, err := l.frameAges(t)
	if err != nil {
		return nil, err
	}
	return []result{
		{"slow line: key to frame, p99", "1 s", ms(percentile(took, 99))},
		{"slow line: age of the newest line on the screen, p99", "1 s", ms(percentile(ages, 99))},
		{"slow line: to the terminal, logs only", "125000 B/s", fmt.Sprintf("%.0f B/s", bytes)},
	}, nil
}

var stampText = regexp.MustCompile(`(\d\d:\d\d:\d\d\.\d\d\d) . burst line`)

// frameAges looks at the screen again and again: the lines of the burst carry
// the time at which they were written.
func (l *lab) frameAges(t *term.Terminal) (ages []time.Duration, bytesPerSecond float64, err error) {
	b0, begin := t.Bytes(), time.Now()
	for time.Since(begin) < agesTime {
		stamps := stampText.FindAllStringSubmatch(t.Screen(), -1)
		now := time.Now()
		if len(stamps) == 0 {
			return nil, 0, fmt.Errorf("no line of the burst on the screen:\n%s", t.Screen())
		}
		at, err := time.ParseInLocation("2006-01-02 15:04:05.000", now.Format("2006-01-02 ")+stamps[len(stamps)-1][1], time.Local)
		if err != nil {
			return nil, 0, err
		}
		ages = append(ages, now.Sub(at))
		if err := sleep(l.ctx, 20*time.Millisecond); err != nil {
			return nil, 0, err
		}
	}
	return ages, float64(t.Bytes()-b0) / time.Since(begin).Seconds(), nil
}

const agesTime = 20 * time.Second

func (l *lab) presses(s *served, link term.Link, columns, rows int) ([]time.Duration, error) {
	t, err := l.settled(s, link, columns, rows)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	open := func(screen string) bool { return strings.Contains(screen, "━Keys") }
	closed := func(screen string) bool { return !open(screen) }
	var took []time.Duration
	for range keyPresses / 2 {
		for _, press := range []struct {
			key string
			ok  func(string) bool
		}{{"?", open}, {"?", closed}} {
			begin := time.Now()
			if err := t.Keys(press.key); err != nil {
				return nil, err
			}
			if _, err := t.Until(10*time.Second, press.ok); err != nil {
				return nil, err
			}
			took = append(took, time.Since(begin))
		}
	}
	return took, nil
}

func percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
