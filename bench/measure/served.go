package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/talos-cockpit/talos-cockpit/internal/term"
)

// served is a scene that runs in another process.
type served struct {
	dir  string
	stop func()
}

// endTime is how long a scene may take to end.
const endTime = 10 * time.Second

// end ends a scene.
func (l *lab) end(s *served) {
	s.stop()
	maps.DeleteFunc(l.scenes, func(_ string, o *served) bool { return o == s })
}

// endAll ends all scenes.
func (l *lab) endAll() {
	for _, s := range l.scenes {
		s.stop()
	}
	clear(l.scenes)
}

// serve starts the scene, once.
func (l *lab) serve(scene string, args ...string) (*served, error) {
	key := scene + strings.Join(args, " ")
	if s := l.scenes[key]; s != nil {
		return s, nil
	}
	l.served++
	dir := filepath.Join(l.dir, strconv.Itoa(l.served))
	cmd := exec.CommandContext(l.ctx, l.program, append([]string{"demo", "serve", "--dir", dir, scene}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready") {
			s := &served{dir: dir, stop: func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				late := time.AfterFunc(endTime, func() { _ = cmd.Process.Kill() })
				defer late.Stop()
				_ = cmd.Wait() // ended by us
			}}
			l.scenes[key] = s
			return s, nil
		}
	}
	return nil, fmt.Errorf("demo serve %s ended: %w", scene, errors.Join(lines.Err(), cmd.Wait()))
}

// cockpit starts the program on the scene in a terminal.
func (l *lab) cockpit(s *served, link term.Link, columns, rows int, args ...string) (*term.Terminal, error) {
	args = append([]string{"--repo", s.dir, "--talosconfig", s.dir + "/talosconfig", "--kubeconfig", s.dir + "/kubeconfig"}, args...)
	return term.Start(l.ctx, link, columns, rows, []string{"TERM=xterm-256color", "COLORTERM=truecolor"}, l.program, args...)
}

// settled starts the program and waits until it shows the nodes, and longer.
func (l *lab) settled(s *served, link term.Link, columns, rows int, args ...string) (*term.Terminal, error) {
	t, err := l.cockpit(s, link, columns, rows, args...)
	if err != nil {
		return nil, err
	}
	if _, err := t.UntilText(30*time.Second, "running"); err != nil {
		t.Close()
		return nil, err
	}
	if err := sleep(l.ctx, l.settle); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// cpuTime is the user and system time of a process so far.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2) // USER_HZ is 100
}

// privateKiB is RssAnon of a process.
func privateKiB(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			return strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no RssAnon", pid)
}
