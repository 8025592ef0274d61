package ui

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	tea "charm.land/bubbletea/v2"
)

// Crash collects the first panic of any goroutine that was started with Go, so
// that the program can restore the terminal before it says what happened.
type Crash struct {
	once sync.Once
	done chan struct{}
	err  *CrashError
}

// CrashError is a panic of the cockpit.
type CrashError struct {
	Reason string
	Where  string // file:line of the panic
	Stack  string
}

// Error names the reason and the place, without the stack.
func (e *CrashError) Error() string {
	return "the cockpit crashed: " + e.Reason + " (" + e.Where + ")"
}

// NewCrash returns an empty collector.
func NewCrash() *Crash { return &Crash{done: make(chan struct{})} }

// Go runs f in a goroutine of its own; a panic in it is collected.
func (c *Crash) Go(f func()) { go c.Guard(f) }

// Guard runs f; a panic in it is collected and not passed on.
func (c *Crash) Guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			c.record(r)
		}
	}()
	f()
}

// Done is closed after the first panic.
func (c *Crash) Done() <-chan struct{} { return c.done }

// Err is the first panic, or nil.
func (c *Crash) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// record must be called by the deferred function that recovered r.
func (c *Crash) record(r any) {
	c.once.Do(func() {
		c.err = &CrashError{Reason: fmt.Sprint(r), Where: panicPlace(), Stack: string(debug.Stack())}
		close(c.done)
	})
}

// panicPlace finds the frame that panicked: the first one outside the runtime after its panic functions.
func panicPlace() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if panicking && !inRuntime {
			return fmt.Sprintf("%s:%d", shortFile(f.File), f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic" || f.Function == "runtime.sigpanic"
		if !more {
			return "unknown place"
		}
	}
}

// shortFile is the file with its directory only.
func shortFile(path string) string {
	parts := strings.Split(path, "/")
	return strings.Join(parts[max(len(parts)-2, 0):], "/")
}

// wrap guards a command, and the commands that it returns; after a panic the program quits.
func (c *Crash) wrap(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer func() {
			if r := recover(); r != nil {
				c.record(r)
				msg = tea.Quit()
			}
		}()
		msg = cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for i := range batch {
				batch[i] = c.wrap(batch[i])
			}
		}
		return msg
	}
}
