package ui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// fakePane is a pane that shows numbered lines and remembers what it was asked.
type fakePane struct {
	name    string
	scope   keymap.Scope
	topics  feed.Topics
	th      *Theme
	text    string
	offers  []Offer
	did     []keymap.Action
	renders int
	clicks  [][2]int
	wheeled int
	typing  bool
	input   Input
	old     bool // Tick says so
	got     []tea.Msg
	backs   int // how many levels Back can go
	crash   bool
	opened  bool
}

func (p *fakePane) Name() string            { return p.name }
func (p *fakePane) Scope() keymap.Scope     { return p.scope }
func (p *fakePane) Topics() feed.Topics     { return p.topics }
func (p *fakePane) Title() (string, string) { return "6", "severity" }
func (p *fakePane) Offers() []Offer         { return p.offers }
func (p *fakePane) Tick() bool              { return p.old }
func (p *fakePane) Opened() bool            { return p.opened }
func (p *fakePane) Typing() bool            { return p.typing }
func (p *fakePane) Prompt(w int) (string, int) {
	line, at := p.input.Line(w - 1)
	return "/" + line, at + 1
}

func (p *fakePane) Type(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		return nil, p.input.Key(msg)
	case tea.PasteMsg:
		p.input.Insert(msg.Content)
		return nil, true
	}
	return nil, false
}

func (p *fakePane) Click(x, y int) tea.Cmd { p.clicks = append(p.clicks, [2]int{x, y}); return nil }
func (p *fakePane) Wheel(n int) tea.Cmd    { p.wheeled += n; return nil }

func (p *fakePane) Receive(msg tea.Msg) (tea.Cmd, bool) {
	if _, ok := msg.(fakeMsg); !ok {
		return nil, false
	}
	p.got = append(p.got, msg)
	return nil, true
}

type fakeMsg struct{}

func (p *fakePane) Do(a keymap.Action) (tea.Cmd, bool) {
	if p.crash {
		panic("a pane fell over")
	}
	if a == keymap.Back {
		p.backs--
		return nil, p.backs >= 0
	}
	p.did = append(p.did, a)
	return nil, true
}

func (p *fakePane) Render(w, h int, focused bool) []string {
	p.renders++
	var out []string
	for i := range h {
		line := Fit(fmt.Sprintf("%s %d %s", p.name, i, p.text), w)
		switch {
		case i == 0 && focused:
			line = p.th.Over(RoleCursor, line)
		case i == 1:
			line = Fit(p.th.Sign(RoleWarn)+" "+p.text, w)
		}
		out = append(out, line)
	}
	return out
}

func (p *fakePane) Detail(w, h int) (string, []string) {
	return "detail", []string{Fit("more of it", w)}
}

const (
	topicNodes feed.Topic = iota
	topicLogs
	topicFlux
	topicPlan
	topicBar
)

// fakes is a shell with four panes at a fixed time, without a size yet.
type fakes struct {
	*Shell
	nodes, logs, flux, exchange *fakePane
	at                          time.Time
	bar                         Bar
}

func newFakes(look Look, change ...func(*Options)) *fakes {
	f := &fakes{at: time.Date(2026, 8, 23, 14, 7, 21, 0, time.UTC)}
	th := NewTheme(look)
	pane := func(name string, scope keymap.Scope, topic feed.Topic) *fakePane {
		return &fakePane{name: name, scope: scope, topics: topic.Set(), th: th, text: "text of " + name}
	}
	f.nodes, f.logs = pane("Nodes", keymap.Nodes, topicNodes), pane("Logs", keymap.Logs, topicLogs)
	f.flux, f.exchange = pane("Flux", keymap.Flux, topicFlux), pane("Exchange", keymap.Exchange, topicPlan)
	f.nodes.offers = []Offer{
		{Action: keymap.NodesOpen, Enabled: true},
		{Action: keymap.NodesExchange, WhyNot: "talos-test02 is rebooting, one operation at a time"},
		{Action: keymap.NodesLogs, Enabled: true},
		{Action: keymap.NodesFilter, Enabled: true},
	}
	f.flux.offers = []Offer{{Action: keymap.FluxReconcile, Enabled: true}, {Action: keymap.FluxResume, WhyNot: "not suspended"}}
	f.bar = Bar{Left: []Segment{
		{Role: RoleStrong, Text: "turingpi"},
		{Role: RoleMuted, Text: "192.168.13.10", Drop: 3},
		{Text: "Talos v1.13.9", Drop: 1},
		{Text: "k8s v1.37.2", Drop: 1},
		{Role: RoleOK, Text: "etcd 2/2", Drop: 1},
		{Role: RoleBad, Text: "flux 2" + th.Shape(RoleBad)},
	}}
	o := Options{
		Panes: []Pane{f.nodes, f.logs, f.flux, f.exchange}, Theme: th, BarTopics: topicBar.Set(),
		Bar: func(time.Time, int) Bar { return f.bar }, Now: func() time.Time { return f.at },
	}
	for _, c := range change {
		c(&o)
	}
	f.Shell = New(o)
	return f
}

func (f *fakes) size(w, h int) *fakes {
	f.send(tea.WindowSizeMsg{Width: w, Height: h})
	return f
}

// send updates the shell, runs the command and sends what it returns.
func (f *fakes) send(msg tea.Msg) tea.Msg {
	_, cmd := f.Update(msg)
	if cmd == nil {
		return nil
	}
	switch next := cmd().(type) {
	case ToastMsg, FocusMsg, CopyMsg, ConfirmMsg, ChooseMsg:
		return f.send(next)
	default:
		return next
	}
}

// press types the keys, named as the key map names them.
func (f *fakes) press(keys ...string) tea.Msg {
	var last tea.Msg
	for _, k := range keys {
		last = f.send(keyMsg(k))
	}
	return last
}

func keyMsg(name string) tea.KeyPressMsg {
	special := map[string]rune{
		"esc": tea.KeyEscape, "enter": tea.KeyEnter, "tab": tea.KeyTab, "down": tea.KeyDown, "up": tea.KeyUp, "backspace": tea.KeyBackspace,
		"pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd,
		"delete": tea.KeyDelete, "f1": tea.KeyF1,
	}
	msg := tea.KeyPressMsg{}
	rest := name
	for {
		switch {
		case strings.HasPrefix(rest, "ctrl+"):
			msg.Mod |= tea.ModCtrl
			rest = rest[len("ctrl+"):]
			continue
		case strings.HasPrefix(rest, "shift+"):
			msg.Mod |= tea.ModShift
			rest = rest[len("shift+"):]
			continue
		}
		break
	}
	if c, ok := special[rest]; ok {
		msg.Code = c
		return msg
	}
	if rest == "space" {
		rest = " "
	}
	msg.Code = []rune(rest)[0]
	if msg.Mod == 0 {
		msg.Text = rest
	}
	return msg
}

func (f *fakes) frame() string { return f.View().Content }
