package ui

import (
	"log/slog"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// Options is what the shell is made of. Only Panes is needed.
type Options struct {
	// Panes in the order of their numbers; see Arrange for their places.
	Panes []Pane
	// Keys resolves keys; nil: keymap.Default.
	Keys *keymap.Map
	// Theme is shared with the panes; nil: a new one, dark with true colour.
	Theme *Theme
	// Pinned keeps the theme as it is. Otherwise it follows what the terminal
	// says of its background and its colours.
	Pinned Pinned
	// Bar fills the rows around the panes; nil: they stay empty.
	Bar BarFunc
	// BarTopics are the changes after which Bar is asked at once.
	BarTopics feed.Topics
	// Mouse takes the mouse from the terminal at the start.
	Mouse bool
	// Contexts lists the names to switch between and the one in use; nil: none.
	Contexts func() (names []string, current string)
	// SwitchContext connects to another context; it returns at once.
	SwitchContext func(name string)
	// Refresh asks all sources to read again; it returns at once.
	Refresh func()
	// Visible is told whenever other panes than before are on the screen; it returns at once.
	Visible func(scopes []keymap.Scope)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Debug gets the types of messages and how long they took, never their
	// contents; nil: nothing is logged.
	Debug *slog.Logger
}

// Pinned says which parts of the look were chosen by the operator.
type Pinned struct{ Background, Depth bool }

// Shell is the root model: it owns the screen, and hands keys, clicks and
// changes to the panes. Make it with New and run it with Run. All its methods
// belong to the event loop.
type Shell struct {
	opts  Options
	keys  *keymap.Map
	theme *Theme
	now   func() time.Time
	crash *Crash
	env   terminalEnv
	pace  *pacer // nil: not run on a terminal

	panes  []*paneCache
	focus  int
	zoom   bool
	whole  bool // what is open in the focused pane needs the whole area
	mouse  bool
	layout Layout
	shown  []keymap.Scope

	bar    Bar
	header string
	banner []string
	notice string
	footer string
	footOK bool

	overlay  overlay
	toasts   toasts
	started  bool
	drawn    chan struct{} // closed with the first frame; nil: it was
	leaving  bool          // the last frame is blank: tmux 3.3 mixes it into the shell's screen after a resize
	stale    bool
	view     tea.View
	frame    []byte
	rebuilds uint64
}

// TickMsg is the one shared tick, sent once a second by Run.
type TickMsg struct{}

// New returns the shell, with the first pane in focus.
func New(o Options) *Shell {
	s := &Shell{opts: o, keys: o.Keys, theme: o.Theme, now: o.Now, mouse: o.Mouse, crash: NewCrash(), stale: true}
	if s.keys == nil {
		s.keys = keymap.Default()
	}
	if s.theme == nil {
		s.theme = NewTheme(Look{})
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, p := range o.Panes {
		s.panes = append(s.panes, &paneCache{pane: p, stale: true})
	}
	return s
}

// Theme is the theme that the shell and the panes share.
func (s *Shell) Theme() *Theme { return s.theme }

// Crash collects panics; goroutines of the program are started with its Go.
func (s *Shell) Crash() *Crash { return s.crash }

// Init asks the terminal for its background, unless that is known already.
func (s *Shell) Init() tea.Cmd {
	if s.opts.Pinned.Background {
		return nil
	}
	return tea.RequestBackgroundColor
}

// Update handles one message. A panic in it ends the program with the terminal restored.
func (s *Shell) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			s.crash.record(r)
			model, cmd = s, s.leave()
		}
	}()
	start := time.Now()
	cmd = s.dispatch(msg)
	if s.whole != s.needsWhole() {
		s.relayout()
	}
	s.pace.hurryAfter(msg)
	if s.opts.Debug != nil {
		s.logTiming("update", msg, time.Since(start))
	}
	return s, s.crash.wrap(cmd)
}

// View returns the frame; the same string as before if nothing is stale.
func (s *Shell) View() (v tea.View) {
	if !s.stale {
		return s.view
	}
	defer func() {
		if r := recover(); r != nil {
			s.crash.record(r)
			s.stale = false
			v = s.view
		}
	}()
	start := time.Now()
	s.rebuilds++
	s.view = s.build()
	s.stale = false
	s.built()
	if s.opts.Debug != nil {
		s.logTiming("view", nil, time.Since(start))
	}
	return s.view
}

// built makes the renderer draw the new frame soon, the first one at once.
func (s *Shell) built() {
	if !s.started || s.drawn == nil {
		s.pace.hurry(fastPace)
		return
	}
	s.pace.hurry(quickPace)
	close(s.drawn)
	s.drawn = nil
}

// dispatch hands the message to whom it concerns.
func (s *Shell) dispatch(msg tea.Msg) tea.Cmd {
	if cmd, ok := s.onTerminal(msg); ok {
		return cmd
	}
	if cmd, ok := s.onAsk(msg); ok {
		return cmd
	}
	var cmds []tea.Cmd
	for _, p := range s.panes {
		if r, ok := p.pane.(Receiver); ok {
			if cmd, taken := r.Receive(msg); taken {
				s.markPane(p)
				cmds = append(cmds, cmd)
			}
		}
	}
	return tea.Batch(cmds...)
}

// onTerminal handles what comes from the terminal and from the clock.
func (s *Shell) onTerminal(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.resize(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		return s.key(msg), true
	case tea.PasteMsg:
		return s.paste(msg), true
	case tea.MouseClickMsg:
		return s.click(tea.Mouse(msg)), true
	case tea.MouseWheelMsg:
		return s.wheel(tea.Mouse(msg)), true
	case tea.BackgroundColorMsg, tea.ColorProfileMsg, tea.EnvMsg:
		s.learn(msg)
	case ChangedMsg:
		s.changed(feed.Topics(msg))
	case TickMsg:
		s.tick()
	case leaveMsg:
		return s.leave(), true
	default:
		return nil, false
	}
	return nil, true
}

// onAsk handles what panes ask the shell for.
func (s *Shell) onAsk(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case ToastMsg:
		s.toast(Toast(msg))
	case FocusMsg:
		s.focusScope(msg.Scope, msg.Zoom)
	case CopyMsg:
		return s.copyText(msg), true
	case ConfirmMsg:
		s.open(newConfirm(msg, s.now()))
	case ChooseMsg:
		s.open(newPicker(msg.Title, msg.Choices))
	default:
		return nil, false
	}
	return nil, true
}

// leave blanks the screen and ends the program.
func (s *Shell) leave() tea.Cmd {
	s.leaving, s.stale = true, true
	return tea.Quit
}

// changed marks the panes that show one of the topics.
func (s *Shell) changed(t feed.Topics) {
	for _, p := range s.panes {
		if t.Has(p.pane.Topics()) {
			s.markPane(p)
		}
	}
	if t.Has(s.opts.BarTopics) {
		s.refreshBars()
	}
}

// tick lets time pass: clocks, ages and toasts.
func (s *Shell) tick() {
	for _, p := range s.panes {
		if c, ok := p.pane.(Clock); ok && !p.rect.Empty() && c.Tick() {
			s.markPane(p)
		}
	}
	if s.toasts.expire(s.now()) {
		s.stale = true
	}
	s.refreshBars()
}
