// Package term runs a program in a pseudo terminal and shows what an operator
// would see: the screen, by a terminal emulator, and the bytes that it took.
package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// Link is what lies between the program and the screen.
type Link struct {
	// BitsPerSecond limits what comes through; 0: no limit.
	BitsPerSecond int
	// Delay is the time that bytes are under way, in each direction.
	Delay time.Duration
}

// Terminal is a program in a pseudo terminal.
type Terminal struct {
	cmd    *exec.Cmd
	pty    *os.File
	screen vt10x.Terminal
	link   Link
	bytes  atomic.Int64
	done   chan struct{} // closed when the program has ended and all is read
	err    error

	mu      sync.Mutex
	changed chan struct{} // closed and replaced after each change of the screen
}

// Start runs the command in a terminal of that size.
func Start(ctx context.Context, link Link, columns, rows int, env []string, name string, args ...string) (*Terminal, error) {
	t := &Terminal{link: link, done: make(chan struct{}), changed: make(chan struct{})}
	t.screen = vt10x.New(vt10x.WithSize(columns, rows))
	t.cmd = exec.CommandContext(ctx, name, args...)
	t.cmd.Env = append(os.Environ(), env...)
	t.cmd.Cancel = func() error { return t.cmd.Process.Signal(os.Interrupt) }
	t.cmd.WaitDelay = 5 * time.Second
	f, err := pty.StartWithSize(t.cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	if err != nil {
		return nil, fmt.Errorf("cannot start %s in a terminal: %w", name, err)
	}
	t.pty = f
	go t.read()
	return t, nil
}

// Pid is the program's process id.
func (t *Terminal) Pid() int { return t.cmd.Process.Pid }

// Bytes is how many bytes the program has written to the terminal so far.
func (t *Terminal) Bytes() int64 { return t.bytes.Load() }

// chunk is some output and when it is due on the screen.
type chunk struct {
	data []byte
	due  time.Time
}

func (t *Terminal) read() {
	defer close(t.done)
	late := make(chan chunk, 1024)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for c := range late {
			time.Sleep(time.Until(c.due))
			t.show(c.data)
		}
	}()
	size := 64 << 10
	if t.link.BitsPerSecond > 0 {
		size = 1 << 10
	}
	buf := make([]byte, size)
	for {
		n, err := t.pty.Read(buf)
		if n > 0 {
			t.bytes.Add(int64(n))
			if bps := t.link.BitsPerSecond; bps > 0 {
				time.Sleep(time.Duration(n) * 8 * time.Second / time.Duration(bps))
			}
			late <- chunk{append([]byte(nil), buf[:n]...), time.Now().Add(t.link.Delay)}
		}
		if err != nil {
			break // EIO: the program has closed its side
		}
	}
	close(late)
	<-shown
	t.err = t.cmd.Wait()
}

func (t *Terminal) show(data []byte) {
	_, _ = t.screen.Write(data)
	t.mu.Lock()
	close(t.changed)
	t.changed = make(chan struct{})
	t.mu.Unlock()
}

// Screen is the text on the screen, a line each, blanks at the ends cut.
func (t *Terminal) Screen() string {
	t.screen.Lock()
	defer t.screen.Unlock()
	columns, rows := t.screen.Size()
	var b strings.Builder
	for y := range rows {
		var line strings.Builder
		for x := range columns {
			if c := t.screen.Cell(x, y).Char; c != 0 {
				line.WriteRune(c)
			} else {
				line.WriteByte(' ')
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// Keys types text; the link's delay applies.
func (t *Terminal) Keys(text string) error {
	time.Sleep(t.link.Delay)
	if _, err := io.WriteString(t.pty, text); err != nil {
		return fmt.Errorf("cannot type %q: %w", text, err)
	}
	return nil
}

// Resize changes the size of the terminal.
func (t *Terminal) Resize(columns, rows int) error {
	t.screen.Resize(columns, rows)
	return pty.Setsize(t.pty, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
}

// Signal sends a signal to the program.
func (t *Terminal) Signal(s os.Signal) error { return t.cmd.Process.Signal(s) }

// ErrEnded says that the program ended while something was awaited of it.
var ErrEnded = errors.New("the program has ended")

// Until waits until the screen satisfies ok, and returns how long it took.
func (t *Terminal) Until(limit time.Duration, ok func(screen string) bool) (time.Duration, error) {
	start := time.Now()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if ok(t.Screen()) {
			return time.Since(start), nil
		}
		select {
		case <-changed:
		case <-t.done:
			if ok(t.Screen()) {
				return time.Since(start), nil
			}
			return 0, fmt.Errorf("%w; the screen was:\n%s", ErrEnded, t.Screen())
		case <-timer.C:
			return 0, fmt.Errorf("not within %s; the screen was:\n%s", limit, t.Screen())
		}
	}
}

// UntilText waits until the text is on the screen.
func (t *Terminal) UntilText(limit time.Duration, text string) (time.Duration, error) {
	d, err := t.Until(limit, func(s string) bool { return strings.Contains(s, text) })
	if err != nil {
		return 0, fmt.Errorf("waiting for %q: %w", text, err)
	}
	return d, nil
}

// Wait waits for the program's end and returns how it ended.
func (t *Terminal) Wait(limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.done:
		return t.err
	case <-timer.C:
		return fmt.Errorf("%s did not end within %s", t.cmd.Path, limit)
	}
}

// Close ends the program and waits for it.
func (t *Terminal) Close() {
	_ = t.cmd.Process.Kill() // it may have ended already
	_ = t.pty.Close()
	<-t.done
}
