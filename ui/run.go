package ui

import (
	"context"
	"errors"
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

// RunOptions is what Run needs besides the shell.
type RunOptions struct {
	// Gate is pumped into the event loop as ChangedMsg; nil: nothing is.
	Gate *feed.Gate
	// Input and Output are the terminal; nil: the process' own.
	Input  io.Reader
	Output io.Writer
	// Env is the environment of the terminal; nil: the process' own.
	Env []string
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := tea.NewProgram(s, s.programOptions(ctx, o)...)
	s.pace = newPacer(p)

	signals := o.Signals
	if signals == nil {
		signals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals...)
	defer signal.Stop(caught)

	var helpers sync.WaitGroup
	start := func(f func()) { helpers.Go(func() { s.crash.Guard(f) }) }
	start(func() { s.watch(ctx, cancel, caught) })
	start(func() { beat(ctx, p) })
	if o.Gate != nil {
		start(func() {
			o.Gate.Pump(ctx, pumpInterval, func(t feed.Topics) { p.Send(ChangedMsg(t)) })
		})
	}
	_, err := p.Run()
	cause := context.Cause(ctx)
	cancel(nil)
	helpers.Wait()
	return s.outcome(cause, err)
}

func (s *Shell) programOptions(ctx context.Context, o RunOptions) []tea.ProgramOption {
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler()}
	if o.Input != nil {
		opts = append(opts, tea.WithInput(o.Input))
	}
	if o.Output != nil {
		opts = append(opts, tea.WithOutput(o.Output))
	}
	if o.Env != nil {
		opts = append(opts, tea.WithEnvironment(o.Env))
	}
	if s.opts.Pinned.Depth && s.theme.Look().Depth == DepthNone {
		opts = append(opts, tea.WithColorProfile(colorprofile.Ascii))
	}
	return opts
}

// watch ends the program on a signal or a panic.
func (s *Shell) watch(ctx context.Context, cancel context.CancelCauseFunc, caught <-chan os.Signal) {
	select {
	case <-ctx.Done():
	case sig := <-caught:
		cancel(&SignalError{sig})
	case <-s.crash.Done():
		cancel(s.crash.Err())
	}
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
	var crash *CrashError
	switch {
	case s.crash.Err() != nil:
		return s.crash.Err()
	case errors.As(cause, &crash):
		return crash
	case cause != nil:
		return cause
	case err != nil:
		return fmt.Errorf("the terminal cannot be used: %w", err)
	default:
		return nil
	}
}
