// Command measure measures the whole program the way an operator meets it: in a
// terminal, against the simulated cluster in another process. It prints a table
// in Markdown. It needs Linux (/proc) and Go.
//
//	go run ./bench/measure                  everything, some minutes
//	go run ./bench/measure -only idle       one of: start, idle, logs, memory, keys, slow, ingest
//	go run ./bench/measure -write           and write docs/benchmarks.md
//
// ingest compares with talosctl, which is looked for on the PATH or named with
// -talosctl. Everything runs on this machine, so it should have nothing else to
// do: its load is part of the result.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

type result struct {
	what, budget, got string
}

type measurement struct {
	name string
	run  func(*lab) ([]result, error)
}

var measurements = []measurement{
	{"start", start}, {"idle", idle}, {"logs", logs}, {"memory", memory}, {"keys", keys}, {"slow", slow}, {"ingest", ingest},
}

func main() {
	only := flag.String("only", "", "measure just this")
	runs := flag.Int("runs", 5, "how often each is repeated; the median counts")
	window := flag.Duration("window", time.Minute, "how long idle and logs are watched")
	settle := flag.Duration("settle", 30*time.Second, "how long the screen may settle before")
	write := flag.Bool("write", false, "write docs/benchmarks.md")
	talosctl := flag.String("talosctl", "talosctl", "the talosctl to compare the ingest of logs with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l := &lab{ctx: ctx, runs: *runs, window: *window, settle: *settle}
	if path, err := exec.LookPath(*talosctl); err == nil {
		l.talosctl = path
	}
	if err := run(l, *only, *write); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(l *lab, only string, write bool) error {
	if only != "" && !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == only }) {
		return fmt.Errorf("there is no measurement %q", only)
	}
	if write && only != "" {
		return errors.New("-write is for everything, not for one measurement")
	}
	if err := l.open(); err != nil {
		return err
	}
	defer l.close()
	load := loadAverage()
	var all []result
	for _, m := range measurements {
		if only != "" && only != m.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", m.name)
		some, err := m.run(l)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		all = append(all, some...)
		l.endAll()
	}
	table := markdown(all)
	fmt.Print(table)
	if write {
		return os.WriteFile("docs/benchmarks.md", []byte(page(table, l, load)), 0o644)
	}
	return nil
}

func markdown(all []result) string {
	var b strings.Builder
	b.WriteString("| what | budget | measured |\n|---|---|---|\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.what, r.budget, r.got)
	}
	return b.String()
}

func page(table string, l *lab, load string) string {
	return fmt.Sprintf(`# Benchmarks

Written by `+"`go run ./bench/measure -write`"+`, which runs the program in a pseudo terminal against `+"`demo serve`"+` in another process. The figures are
medians of %d runs (idle and logs: one window of %s each), on %d cores, %s, %s/%s, load average before: %s.
The benchmarks of the packages run with `+"`go test -run '^$' -bench . -benchmem ./...`"+`.

%s
- First frame: from the start of the process to the first text on the terminal, before any network answer.
- Core and bytes: user and system time of the process and bytes to the terminal, per second of the window.
- Private memory: RssAnon of /proc/PID/status; the mapped binary comes on top.
- Keys: from the key to its effect on the emulated screen, while a service writes 50,000 lines a second.
- Slow line: 1 Mbit/s and 200 ms each way, at 80x24, with the same 50,000 lines a second; the time on the line is included. The age is that of the newest
  line that the Logs pane shows on the whole screen, looked at every 20 ms.
- Ingest: a service writes more than can be read; lines taken in per second, and user and system time of the process per line, in turns with
  `+"`talosctl logs -f`"+` into a pipe. The server, the reader and the terminal share the cores. Lines are accounted for at 50,000 a second, by the numbers in them.
`, l.runs, l.window, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, load, table)
}

// lab is what all measurements share: the built program and running scenes.
type lab struct {
	ctx            context.Context
	runs           int
	window, settle time.Duration
	talosctl       string // empty: there is none

	dir, program string
	scenes       map[string]*served
	served       int // scenes started so far
}

// open builds the program.
func (l *lab) open() error {
	dir, err := os.MkdirTemp("", "talos-cockpit-measure-")
	if err != nil {
		return err
	}
	l.dir, l.program, l.scenes = dir, filepath.Join(dir, "talos-cockpit"), map[string]*served{}
	build := exec.CommandContext(l.ctx, "go", "build", "-trimpath", "-o", l.program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("go build: %w: %s", err, out), os.RemoveAll(dir))
	}
	return nil
}

func (l *lab) close() {
	l.endAll()
	_ = os.RemoveAll(l.dir)
}

// loadAverage is the system's, of one, five and fifteen minutes.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 3 {
		return "unknown"
	}
	return strings.Join(f[:3], " ")
}

func median[T int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
