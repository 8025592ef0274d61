package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a process has to end after SIGTERM before SIGKILL.
const stopGrace = 15 * time.Second

// process is one started program, with what tells it from a later one of the same id.
type process struct {
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Started string `json:"started"` // the system's own note of its start, see identify
}

func (p process) String() string { return fmt.Sprintf("%s (pid %d)", p.Name, p.PID) }

// alive says whether the process still runs and is the one that was started.
func (p process) alive() bool {
	started, ok := identify(p.PID)
	return ok && started == p.Started
}

// signal sends a signal if the process is still ours; one that has ended is no error.
func (p process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}

// stop ends the process, by force after the grace period or at once.
func (p process) stop(force bool) error {
	if err := p.signal(syscall.SIGCONT); err != nil { // one that is frozen cannot end
		return err
	}
	if !force {
		if err := p.signal(syscall.SIGTERM); err != nil {
			return err
		}
		if p.gone(stopGrace) {
			return nil
		}
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !p.gone(stopGrace) {
		return fmt.Errorf("%s does not end", p)
	}
	return nil
}

func (p process) gone(limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return poll(ctx, func(context.Context) error {
		if p.alive() {
			return errors.New("still there")
		}
		return nil
	}) == nil
}

// command is how a component is run.
type command struct {
	name  string
	bin   string // file in the folder of binaries
	args  []string
	env   []string                    // on top of the environment
	ready func(context.Context) error // nil when it serves; nil for none
}

// spawn starts a component in a session of its own, with its log in the bed's
// folder, and waits until it is ready.
func (b *Bed) spawn(ctx context.Context, c command) error {
	logFile, err := os.OpenFile(b.LogFile(c.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	// A component outlives the call, and often the program: no context ends it.
	cmd := exec.Command(filepath.Join(b.bin, c.bin), c.args...) //nolint:noctx // see above
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(b.dir, "tmp"), "KUBECONFIG="+b.Kubeconfig())
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	started, ok := identify(cmd.Process.Pid)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	if !ok {
		return fmt.Errorf("%s ended at once: %w", c.name, <-exited)
	}
	if err := b.state.add(process{Name: c.name, PID: cmd.Process.Pid, Started: started}); err != nil {
		return err
	}
	return b.awaitReady(ctx, c, exited)
}

func (b *Bed) awaitReady(ctx context.Context, c command, exited <-chan error) error {
	if c.ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("not ready after two minutes"))
	defer cancel()
	var ended error
	err := poll(ctx, func(ctx context.Context) error {
		select {
		case err := <-exited:
			ended = fmt.Errorf("it ended: %w", exitError(err))
			return nil
		default:
			return c.ready(ctx)
		}
	})
	if err = errors.Join(err, ended); err != nil {
		return fmt.Errorf("%s: %w%s", c.name, err, tail(b.LogFile(c.name), 20))
	}
	b.log("%s is ready", c.name)
	return nil
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// stopAll ends the bed's processes, etcd last so that the others can write, and
// then the guard. By force, the order does not matter.
func (b *Bed) stopAll(force bool) error {
	var errs []error
	var last []process
	results := make(chan error)
	running := 0
	for _, p := range b.state.alive() {
		if p.Name == "etcd" {
			last = append(last, p)
			continue
		}
		running++
		go func() { results <- p.stop(force) }()
	}
	for range running {
		errs = append(errs, <-results)
	}
	for _, p := range last {
		errs = append(errs, p.stop(force))
	}
	if b.guard != nil {
		errs = append(errs, b.guard.dismiss())
		b.guard = nil
	}
	return errors.Join(errs...)
}

// poll calls a function every 50 ms until it returns nil or the context ends. The
// error then holds the function's last one, or the one before if the last is but
// that the context ended.
func poll(ctx context.Context, f func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// tail is the end of a log file, indented, for an error message.
func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return "\n  (nothing in " + path + ")"
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	return "\n  the end of " + path + ":\n    " + strings.Join(all, "\n    ")
}
