package ui

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// pumpInterval is the shortest time between two ChangedMsg.
const pumpInterval = 60 * time.Millisecond

// leaveTime is how long the event loop may take to end.
const leaveTime = time.Second

// leaveMsg ends the program in good order.
type leaveMsg struct{}

// RunOptions is what Run needs besides the shell.
type RunOptions struct {
	// Gate is pumped into the event loop as ChangedMsg; nil: nothing is.
	Gate *feed.Gate
	// Input and Output are the terminal; nil: the process' own.
	Input  io.Reader
	Output io.Writer
	// Env is the environment of the terminal; nil: the process' own.
	Env []string
	// Drawn, if not nil, is called once the first frame is drawn, or when the
	// program ends without one. Run waits for it to return.
	Drawn func()
	// Signals are those that end the program; nil: SIGINT, SIGTERM and SIGHUP.
	Signals []os.Signal
}

// SignalError says that a signal ended the program.
type SignalError struct{ Signal os.Signal }

// Error names the signal.
func (e *SignalError) Error() string { return "ended by signal: " + e.Signal.String() }

// Run shows the shell on the terminal until the operator quits, ctx ends, a
// signal arrives or something panics. The terminal is restored in every case
// before it returns. The error is nil after quitting, a *SignalError, a
// *CrashError, ctx's cause, or why the terminal could not be used; the caller
// prints it.
func Run(ctx context.Context, s *Shell, o RunOptions) error {
	inner, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	var out line
	p := tea.NewProgram(s, s.programOptions(inner, o, &out)...)
	s.pace = newPacer(p)
	defer s.pace.end()

	signals := o.Signals
	if signals == nil {
		signals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals...)
	defer signal.Stop(caught)

	var helpers sync.WaitGroup
	start := func(f func()) { helpers.Go(func() { s.crash.Guard(f) }) }
	cause := make(chan error, 1)
	start(func() {
		if err := s.endOf(ctx, inner, caught); err != nil {
			cause <- err
			leave(inner, kill, p)
		}
	})
	if o.Drawn != nil {
		drawn := make(chan struct{})
		s.drawn = drawn
		start(func() {
			select {
			case <-drawn:
			case <-inner.Done():
			}
			o.Drawn()
		})
	}
	start(func() { beat(inner, p) })
	if o.Gate != nil {
		start(func() {
			o.Gate.Pump(inner, pumpInterval, func(t feed.Topics) {
				out.wait(inner)
				p.Send(ChangedMsg(t))
			})
		})
	}
	_, err := p.Run()
	kill()
	helpers.Wait()
	close(cause)
	return s.outcome(<-cause, err)
}

func (s *Shell) programOptions(ctx context.Context, o RunOptions, out *line) []tea.ProgramOption {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithOutput(out.through(o.Output))}
	if o.Input != nil {
		opts = append(opts, tea.WithInput(o.Input))
	}
	if o.Env != nil {
		opts = append(opts, tea.WithEnvironment(o.Env))
	}
	if s.opts.Pinned.Depth && s.theme.Look().Depth == DepthNone {
		opts = append(opts, tea.WithColorProfile(colorprofile.Ascii))
	}
	return opts
}

// endOf waits for a reason to end the program; nil if it ended by itself.
func (s *Shell) endOf(ctx, inner context.Context, caught <-chan os.Signal) error {
	select {
	case <-inner.Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case sig := <-caught:
		return &SignalError{sig}
	case <-s.crash.Done():
		return s.crash.Err()
	}
}

// leave asks the event loop to end, and ends it by force if it does not answer.
func leave(inner context.Context, kill func(), p *tea.Program) {
	timer := time.AfterFunc(leaveTime, kill)
	defer timer.Stop()
	p.Send(leaveMsg{})
	<-inner.Done()
}

// beat sends the shared tick, shortly after each full second, so that the clock is right.
func beat(ctx context.Context, p *tea.Program) {
	for {
		now := time.Now()
		t := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			p.Send(TickMsg{})
		}
	}
}

// outcome is why the program ended: a crash before anything else.
func (s *Shell) outcome(cause, err error) error {
	switch {
	case s.crash.Err() != nil:
		return s.crash.Err()
	case cause != nil:
		return cause
	case err != nil:
		return fmt.Errorf("the terminal cannot be used: %w", err)
	default:
		return nil
	}
}
