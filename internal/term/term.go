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
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"golang.org/x/term"
)

// Link is what lies between the program and the screen.
type Link struct {
	// BitsPerSecond limits what comes through; 0: no limit.
	BitsPerSecond int
	// Delay is the time that bytes are under way, in each direction.
	Delay time.Duration
	// Tap gets a copy of everything that the program writes; nil: nobody does.
	Tap io.Writer
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
	half   []byte // beginning of a character whose end has not come yet

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
			if t.link.Tap != nil {
				_, _ = t.link.Tap.Write(buf[:n]) // who listens must not stop the terminal
			}
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
	_, _ = t.screen.Write(t.cells(data))
	t.mu.Lock()
	close(t.changed)
	t.changed = make(chan struct{})
	t.mu.Unlock()
}

// second stands in the emulator for the second cell of a wide character.
const second = '\uE000'

// cells gives each character as many cells as a terminal does: the emulator
// takes every one for one cell. It only looks at characters beyond ASCII, of
// which escape sequences have none that matter here.
func (t *Terminal) cells(data []byte) []byte {
	data = append(t.half, data...)
	t.half = nil
	out := make([]byte, 0, len(data))
	for len(data) > 0 {
		if !utf8.FullRune(data) {
			t.half = append(t.half, data...)
			break
		}
		r, n := utf8.DecodeRune(data)
		switch width := ansi.StringWidthWc(string(r)); {
		case r < utf8.RuneSelf || width == 1:
			out = append(out, data[:n]...)
		case width > 1:
			out = utf8.AppendRune(append(out, data[:n]...), second)
		}
		data = data[n:]
	}
	return out
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
			switch c := t.screen.Cell(x, y).Char; c {
			case second:
			case 0:
				line.WriteByte(' ')
			default:
				line.WriteRune(c)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// State is the state of the terminal itself, apart from what is on it.
type State struct {
	Alternate bool // the alternate screen is shown
	Cursor    bool // the cursor is visible
	Mouse     bool // the program takes the mouse
	Title     string
}

// State returns the state at this moment.
func (t *Terminal) State() State {
	t.screen.Lock()
	defer t.screen.Unlock()
	mode := t.screen.Mode()
	return State{
		Alternate: mode&vt10x.ModeAltScreen != 0, Cursor: t.screen.CursorVisible(),
		Mouse: mode&vt10x.ModeMouseMask != 0, Title: t.screen.Title(),
	}
}

// Modes are the settings of the terminal's line, such as raw, to be compared
// with those of another time.
func (t *Terminal) Modes() (*term.State, error) {
	conn, err := t.pty.SyscallConn() // Fd would make the reader block for ever
	if err != nil {
		return nil, err
	}
	var modes *term.State
	var modesErr error
	if err := conn.Control(func(fd uintptr) { modes, modesErr = term.GetState(int(fd)) }); err != nil {
		return nil, err
	}
	return modes, modesErr
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

// Attributes of a cell, as vt10x numbers them.
const (
	attrUnderline = 1 << 1
	attrBold      = 1 << 2
)

// ANSI is the screen as text with its colours, for a picture of it. Each run of
// cells stands for itself: it begins with a reset.
func (t *Terminal) ANSI() string {
	t.screen.Lock()
	defer t.screen.Unlock()
	columns, rows := t.screen.Size()
	var b strings.Builder
	for y := range rows {
		last := ""
		for x := range columns {
			c := t.screen.Cell(x, y)
			if style := sgr(c); style != last {
				b.WriteString(style)
				last = style
			}
			b.WriteRune(max(c.Char, ' '))
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}

func sgr(c vt10x.Glyph) string {
	s := "\x1b[0"
	if c.Mode&attrBold != 0 {
		s += ";1"
	}
	if c.Mode&attrUnderline != 0 {
		s += ";4"
	}
	return s + colour("38", c.FG) + colour("48", c.BG) + "m"
}

func colour(ground string, c vt10x.Color) string {
	switch {
	case c >= vt10x.DefaultFG: // the defaults lie beyond all colours
		return ""
	case c < 256:
		return fmt.Sprintf(";%s;5;%d", ground, c)
	}
	return fmt.Sprintf(";%s;2;%d;%d;%d", ground, c>>16&255, c>>8&255, c&255)
}
