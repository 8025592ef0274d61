package ui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// terminal is the far end of a pseudo terminal: it keeps what was written.
type terminal struct {
	mu  sync.Mutex
	out bytes.Buffer
	far *os.File
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.String()
}

func (t *terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := t.far.Read(buf)
		t.mu.Lock()
		t.out.Write(buf[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (t *terminal) waitFor(tb testing.TB, text string) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(t.text(), text) {
		if time.Now().After(deadline) {
			tb.Fatalf("%q was not written within 10 s; there is %q", text, t.text())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// runIn runs the shell in a pseudo terminal of 80x24 until it ends.
func runIn(t *testing.T, f *fakes, o RunOptions, during func(*terminal)) (screen string, err error) {
	t.Helper()
	far, near, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close(); _ = near.Close() }()
	if err := pty.Setsize(far, &pty.Winsize{Cols: 80, Rows: 24}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{far: far}
	go term.read()
	o.Input, o.Output, o.Env = near, near, []string{"TERM=xterm-256color", "COLORTERM=truecolor"}
	if o.Signals == nil {
		o.Signals = []os.Signal{syscall.SIGUSR2}
	}
	result := make(chan error, 1)
	go func() { result <- Run(t.Context(), f.Shell, o) }()
	term.waitFor(t, "Exchange")
	during(term)
	select {
	case err = <-result:
	case <-time.After(10 * time.Second):
		t.Fatal("the program does not end")
	}
	term.waitFor(t, "\x1b[?1049l")
	return term.text(), err
}

// zoomedFakes shows the Exchange pane, so that its name is on the screen.
func zoomedFakes() *fakes {
	f := newFakes(Look{})
	f.focus = 3
	return f
}

func TestRunEndsAndRestoresTheTerminal(t *testing.T) {
	var crash *CrashError
	var sig *SignalError
	cases := map[string]struct {
		make   func(*fakes)
		during func(*fakes, *terminal)
		check  func(error) bool
	}{
		"quit":   {nil, func(_ *fakes, x *terminal) { _, _ = io.WriteString(x.far, "q") }, func(err error) bool { return err == nil }},
		"signal": {nil, func(*fakes, *terminal) { _ = syscall.Kill(os.Getpid(), syscall.SIGUSR2) }, func(err error) bool { return errors.As(err, &sig) }},
		"crash in Do": {
			func(f *fakes) { f.exchange.crash = true }, func(_ *fakes, x *terminal) { _, _ = io.WriteString(x.far, "j") },
			func(err error) bool {
				return errors.As(err, &crash) && strings.Contains(err.Error(), "a pane fell over (ui/fake_test.go:")
			},
		},
		"crash in Render": {
			nil, func(f *fakes, x *terminal) { f.exchange.th = nil; _, _ = io.WriteString(x.far, "j") },
			func(err error) bool { return errors.As(err, &crash) && strings.Contains(err.Error(), "nil pointer") },
		},
		"crash in a goroutine": {
			nil, func(f *fakes, _ *terminal) { f.Crash().Go(func() { panic("a poller fell over") }) },
			func(err error) bool {
				return errors.As(err, &crash) && strings.Contains(err.Error(), "a poller fell over (ui/run_test.go:")
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := zoomedFakes()
			if c.make != nil {
				c.make(f)
			}
			out, err := runIn(t, f, RunOptions{}, func(x *terminal) { c.during(f, x) })
			if !c.check(err) {
				t.Errorf("ended with %v", err)
			}
			for _, mode := range []string{"?1049", "?2004"} {
				if strings.LastIndex(out, "\x1b["+mode+"l") < strings.LastIndex(out, "\x1b["+mode+"h") {
					t.Errorf("mode %s is still set", mode)
				}
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	f := newFakes(Look{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	err := Run(ctx, f.Shell, RunOptions{Input: r, Output: io.Discard, Env: []string{"TERM=dumb"}, Signals: []os.Signal{syscall.SIGUSR2}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestRunPumpsTheGate(t *testing.T) {
	f := zoomedFakes()
	gate := feed.NewGate()
	_, err := runIn(t, f, RunOptions{Gate: gate}, func(x *terminal) {
		f.exchange.text = "news"
		gate.Mark(topicPlan.Set())
		x.waitFor(t, "news")
		_, _ = io.WriteString(x.far, "q")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCrashInACommandEndsTheProgram(t *testing.T) {
	c := NewCrash()
	cmd := c.wrap(tea.Batch(func() tea.Msg { return nil }, func() tea.Msg { panic("a command fell over") }))
	batch, ok := cmd().(tea.BatchMsg)
	if !ok {
		t.Fatal("the batch is lost")
	}
	quit := false
	for _, part := range batch {
		if _, ok := part().(tea.QuitMsg); ok {
			quit = true
		}
	}
	if !quit || c.Err() == nil || !strings.Contains(c.Err().Error(), "a command fell over") {
		t.Errorf("quit %v, error %v", quit, c.Err())
	}
}

func TestCopyThroughTmux(t *testing.T) {
	for env, want := range map[string]string{"": "\x1b]52;c;aGk=\a", "TMUX=/tmp/x": "\x1bPtmux;", "TERM=screen": "\x1bP\x1b]52"} {
		f := newFakes(Look{}).size(80, 24)
		f.send(tea.EnvMsg{env})
		msg, ok := f.send(CopyMsg{Text: "hi", What: "node name"}).(tea.RawMsg)
		if s, isText := msg.Msg.(string); !ok || !isText || !strings.Contains(s, want) {
			t.Errorf("with %q the terminal gets %q, want %q in it", env, msg.Msg, want)
		}
		f.sees(t, "sent to the clipboard: node name")
	}
	f := newFakes(Look{}).size(80, 24)
	if msg := f.send(CopyMsg{Text: strings.Repeat("x", clipboardLimit+1), What: "all lines"}); msg != nil {
		t.Errorf("too long a text gives %T", msg)
	}
	f.sees(t, "too long")
}

func TestLookFor(t *testing.T) {
	cases := []struct {
		env   []string
		theme string
		look  Look
		pin   Pinned
	}{
		{nil, "auto", Look{}, Pinned{}},
		{[]string{"NO_COLOR=yes", "LANG=de_DE.UTF-8"}, "light", Look{Light: true, Depth: DepthNone}, Pinned{Background: true, Depth: true}},
		{[]string{"NO_COLOR="}, "dark", Look{}, Pinned{Background: true}},
		{[]string{"LANG=de_DE.ISO-8859-1"}, "auto", Look{ASCII: true}, Pinned{}},
		{[]string{"LC_ALL=C.utf8", "LANG=de_DE.ISO-8859-1"}, "auto", Look{}, Pinned{}},
		{[]string{"LANG=C"}, "auto", Look{}, Pinned{}},
		{[]string{"TERM=linux"}, "auto", Look{ASCII: true}, Pinned{}},
	}
	for _, c := range cases {
		if look, pin := LookFor(c.theme, false, c.env); look != c.look || pin != c.pin {
			t.Errorf("%v %s: %+v %+v, want %+v %+v", c.env, c.theme, look, pin, c.look, c.pin)
		}
	}
}

func TestDebugNeverHoldsWhatWasTyped(t *testing.T) {
	var got bytes.Buffer
	log := slog.New(slog.NewTextHandler(&got, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f := newFakes(Look{}, func(o *Options) { o.Debug = log }).size(80, 24)
	f.nodes.typing = true
	for _, r := range "geheim" {
		f.press(string(r))
	}
	f.send(tea.PasteMsg{Content: "pasted-secret"})
	f.frame()
	text := got.String()
	if !strings.Contains(text, "KeyPressMsg") || strings.Contains(text, "pasted-secret") || strings.Contains(text, "geheim") {
		t.Errorf("the debug log holds %s", text)
	}
	if keys := strings.Count(text, "KeyPressMsg"); keys != len("geheim") {
		t.Errorf("%d key presses are logged", keys)
	}
}

// TestPacerFindsTheTicker fails when a new Bubble Tea has no such ticker any
// more: then look for another way to keep an idle screen quiet.
func TestPacerFindsTheTicker(t *testing.T) {
	if p := newPacer(tea.NewProgram(New(Options{}))); p.ticker == nil {
		t.Error("the program has no ticker of that name")
	}
}

func TestPacerFollowsWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := time.NewTicker(time.Hour)
		defer ticker.Stop()
		f := newFakes(Look{})
		f.pace = &pacer{ticker: &ticker}
		defer f.pace.end()
		drawn := make(chan struct{})
		f.drawn = drawn
		pace := func() time.Duration {
			f.pace.mu.Lock()
			defer f.pace.mu.Unlock()
			return f.pace.pace
		}
		f.size(80, 24)
		f.frame()
		<-drawn
		if pace() != quickPace {
			t.Error("the first frame has to wait")
		}
		time.Sleep(2 * calmTime)
		f.send(TickMsg{})
		f.frame()
		if pace() != slowPace {
			t.Error("fast though nothing happens")
		}
		f.send(ChangedMsg(topicPlan.Set())) // not on the screen
		f.frame()
		if pace() != slowPace {
			t.Error("fast because of a pane that is not shown")
		}
		f.send(ChangedMsg(topicLogs.Set()))
		f.frame()
		if pace() != fastPace {
			t.Error("slow though a pane changed")
		}
		time.Sleep(2 * calmTime)
		f.press("?")
		f.frame()
		if pace() != quickPace {
			t.Error("a key has to wait")
		}
		time.Sleep(2 * fastPace)
		f.send(ChangedMsg(topicLogs.Set()))
		f.frame()
		if pace() != fastPace {
			t.Error("quick though no key was pressed")
		}
	})
}
