// Command measure measures the whole program the way an operator meets it: in a
// terminal, against the simulated cluster in another process. It prints a table
// in Markdown. It needs Linux (/proc) and Go.
//
//	go run ./bench/measure                  everything, some minutes
//	go run ./bench/measure -only idle       one of: start, idle, logs, memory, keys, slow
//	go run ./bench/measure -write           and write docs/benchmarks.md
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
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
	{"start", start}, {"idle", idle}, {"logs", logs}, {"memory", memory}, {"keys", keys}, {"slow", slow},
}

func main() {
	only := flag.String("only", "", "measure just this")
	runs := flag.Int("runs", 5, "how often each is repeated; the median counts")
	window := flag.Duration("window", time.Minute, "how long idle and logs are watched")
	settle := flag.Duration("settle", 30*time.Second, "how long the screen may settle before")
	write := flag.Bool("write", false, "write docs/benchmarks.md")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *runs, *window, *settle, *write); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, runs int, window, settle time.Duration, write bool) error {
	l, err := newLab(ctx, runs, window, settle)
	if err != nil {
		return err
	}
	defer l.close()
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
	}
	table := markdown(all)
	fmt.Print(table)
	if write {
		return os.WriteFile("docs/benchmarks.md", []byte(page(table, runs, window)), 0o644)
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

func page(table string, runs int, window time.Duration) string {
	return fmt.Sprintf(`# Benchmarks

Written by `+"`go run ./bench/measure -write`"+`, which runs the program in a pseudo terminal against `+"`demo serve`"+` in another process. The figures are
medians of %d runs (idle and logs: one window of %s each), on %d cores, %s, %s/%s.
The benchmarks of the packages run with `+"`go test -run '^$' -bench . -benchmem ./...`"+`.

%s
- First frame: from the start of the process to the first text on the terminal, before any network answer.
- Core and bytes: user and system time of the process and bytes to the terminal, per second of the window.
- Private memory: RssAnon of /proc/PID/status; the mapped binary comes on top.
- Keys: from the key to its effect on the emulated screen, while a service writes 50,000 lines a second.
- Slow line: 1 Mbit/s and 200 ms each way, at 80x24, logs following; the time on the line is included.
`, runs, window, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, table)
}

// lab is what all measurements share: the built program and running scenes.
type lab struct {
	ctx            context.Context
	dir, program   string
	runs           int
	window, settle time.Duration
	scenes         map[string]*served
}

func newLab(ctx context.Context, runs int, window, settle time.Duration) (*lab, error) {
	dir, err := os.MkdirTemp("", "talos-cockpit-measure-")
	if err != nil {
		return nil, err
	}
	l := &lab{ctx: ctx, dir: dir, program: filepath.Join(dir, "talos-cockpit"), runs: runs, window: window, settle: settle, scenes: map[string]*served{}}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	return l, nil
}

func (l *lab) close() {
	for _, s := range l.scenes {
		s.stop()
	}
	_ = os.RemoveAll(l.dir)
}

func median[T int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
