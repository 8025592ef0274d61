package ui

import (
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui/uitest"
)

func (f *fakes) screen() *uitest.Screen {
	return uitest.Draw(f.frame(), f.layout.W, f.layout.H)
}

// sees fails unless the text stands in one row of the screen.
func (f *fakes) sees(t *testing.T, text string) {
	t.Helper()
	if s := f.screen(); !s.Contains(text) {
		t.Errorf("%q is not on the screen:\n%s", text, s.Text())
	}
}

func (f *fakes) misses(t *testing.T, text string) {
	t.Helper()
	if s := f.screen(); s.Contains(text) {
		t.Errorf("%q is on the screen:\n%s", text, s.Text())
	}
}

func TestFocusMoves(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	for _, step := range []struct {
		key  string
		want int
	}{{"tab", 1}, {"tab", 2}, {"tab", 3}, {"tab", 0}, {"shift+tab", 3}, {"2", 1}, {"9", 1}, {"1", 0}} {
		if f.press(step.key); f.focus != step.want {
			t.Errorf("after %s pane %d has the focus, want %d", step.key, f.focus, step.want)
		}
	}
	f.sees(t, "┏━1 Nodes")
	f.press("3")
	f.sees(t, "┏━3 Flux")
	f.sees(t, "╭─1 Nodes")
}

func TestKeysReachTheFocusedPaneOnly(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.press("j", "space", "L", "2", "space", "j")
	if want := []keymap.Action{keymap.Down, keymap.NodesMark, keymap.NodesLogs}; !slices.Equal(f.nodes.did, want) {
		t.Errorf("Nodes did %v, want %v", f.nodes.did, want)
	}
	if want := []keymap.Action{keymap.LogsPause, keymap.Down}; !slices.Equal(f.logs.did, want) {
		t.Errorf("Logs did %v, want %v", f.logs.did, want)
	}
}

func TestDisabledOfferSaysWhy(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.press("x")
	if len(f.nodes.did) != 0 {
		t.Errorf("the pane did %v", f.nodes.did)
	}
	f.sees(t, "not now: talos-test02 is rebooting")
	f.press("?")
	f.sees(t, "not now: talos-test02 is rebooting")
}

func TestZoomAndBack(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.press("2", "z")
	f.misses(t, "1 Nodes")
	f.sees(t, "Logs 18")
	f.press("esc")
	f.sees(t, "1 Nodes")
	f.press("4")
	f.misses(t, "1 Nodes")
	f.sees(t, "Exchange 18")
	f.sees(t, "esc back")
	f.press("esc")
	f.sees(t, "┏━1 Nodes")
}

func TestBackGoesOneLevelAtATime(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.nodes.backs = 1
	f.press("z")
	f.send(ToastMsg{Text: "it broke", Error: true})
	f.press("esc")
	f.misses(t, "it broke")
	if f.nodes.backs != 1 || !f.zoom {
		t.Error("esc did more than to dismiss the error")
	}
	f.press("esc")
	if f.nodes.backs != 0 || !f.zoom {
		t.Error("esc did not go to the pane before the zoom")
	}
	if f.press("esc"); f.zoom {
		t.Error("esc did not leave the zoom")
	}
}

func TestTypingGoesFirst(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.nodes.typing = true
	f.press("q", "z", "1", "?", "/")
	f.send(tea.PasteMsg{Content: " pasted\x1b[2J"})
	if got := f.nodes.input.String(); got != "qz1?/ pasted" {
		t.Errorf("typed %q", got)
	}
	f.sees(t, "/qz1?/ pasted")
	v := f.View()
	if v.Cursor == nil || v.Cursor.Y != 22 || v.Cursor.X != 13 {
		t.Errorf("the cursor is at %+v", v.Cursor)
	}
	f.press("tab")
	if f.focus != 1 {
		t.Error("a key that is not text does not reach the shell while typing")
	}
}

func TestEscTogetherWithTheNextKey(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.press("?")
	f.send(tea.KeyPressMsg{Code: '3', Mod: tea.ModAlt})
	f.misses(t, "Everywhere")
	if f.focus != 2 {
		t.Errorf("pane %d has the focus", f.focus)
	}
	f.press("?")
	f.send(tea.KeyPressMsg{Code: 'c', Mod: tea.ModAlt | tea.ModShift}) // C, with no contexts to choose from
	f.misses(t, "Everywhere")
	f.sees(t, "no context to switch to")
	f.press("?")
	f.send(tea.KeyPressMsg{Code: tea.KeyEscape, Mod: tea.ModAlt}) // two esc at once
	f.misses(t, "Everywhere")
}

func TestQuit(t *testing.T) {
	for _, key := range []string{"q", "ctrl+c"} {
		f := newFakes(Look{}).size(80, 24)
		if _, ok := f.press(key).(tea.QuitMsg); !ok {
			t.Errorf("%s does not quit", key)
		}
	}
}

func TestHelpAndPaletteComeFromTheMapOfKeys(t *testing.T) {
	f := newFakes(Look{}).size(200, 100)
	f.press("?")
	for _, scope := range []keymap.Scope{keymap.Nodes, keymap.Global, keymap.Move, keymap.Dialog} {
		f.sees(t, scope.Title())
	}
	f.sees(t, "mark or unmark the node")
	f.press("?", ":")
	for _, r := range "recon" {
		f.press(string(r))
	}
	f.sees(t, "Flux: reconcile")
	f.press("enter")
	if f.focus != 2 || !slices.Contains(f.flux.did, keymap.FluxReconcile) {
		t.Errorf("pane %d has the focus and Flux did %v", f.focus, f.flux.did)
	}
}

func TestPaletteRefusesWhatIsDisabled(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.press(":")
	for _, r := range "resume" {
		f.press(string(r))
	}
	f.press("enter")
	f.sees(t, "not now: not suspended")
	if len(f.flux.did) != 0 {
		t.Errorf("Flux did %v", f.flux.did)
	}
	f.press("esc")
	f.misses(t, "Go to")
}

func TestContexts(t *testing.T) {
	chosen := ""
	f := newFakes(Look{}, func(o *Options) {
		o.Contexts = func() ([]string, string) { return []string{"turingpi", "lab"}, "turingpi" }
		o.SwitchContext = func(name string) { chosen = name }
	}).size(80, 24)
	f.press("C", "enter")
	f.sees(t, "it is in use already")
	f.press("down", "enter")
	if chosen != "lab" {
		t.Errorf("context %q was chosen", chosen)
	}
	f.sees(t, "connecting to context lab")
}

func TestMessagesReachReceivers(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.frame()
	f.send(fakeMsg{})
	if len(f.logs.got) != 1 || !f.stale {
		t.Errorf("Logs got %v, stale %v", f.logs.got, f.stale)
	}
}

func TestFocusMsg(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.send(FocusMsg{Scope: keymap.Logs, Zoom: true})
	f.sees(t, "┏━2 Logs")
	f.misses(t, "3 Flux")
}

func TestVisiblePanesAreReported(t *testing.T) {
	var got [][]keymap.Scope
	f := newFakes(Look{}, func(o *Options) { o.Visible = func(s []keymap.Scope) { got = append(got, s) } }).size(80, 24)
	f.press("2", "z", "z")
	want := [][]keymap.Scope{{keymap.Nodes, keymap.Logs, keymap.Flux}, {keymap.Logs}, {keymap.Nodes, keymap.Logs, keymap.Flux}}
	if len(got) != 3 || !slices.EqualFunc(got, want, func(a, b []keymap.Scope) bool { return slices.Equal(a, b) }) {
		t.Errorf("reported %v, want %v", got, want)
	}
}

func TestMouse(t *testing.T) {
	f := newFakes(Look{}, func(o *Options) { o.Mouse = true }).size(80, 24)
	if f.View().MouseMode != tea.MouseModeCellMotion {
		t.Error("the mouse is off")
	}
	f.send(tea.MouseClickMsg{X: 50, Y: 12, Button: tea.MouseLeft})
	if f.focus != 2 || len(f.flux.clicks) != 1 || f.flux.clicks[0] != [2]int{1, 1} {
		t.Errorf("pane %d has the focus, clicks %v", f.focus, f.flux.clicks)
	}
	f.send(tea.MouseWheelMsg{X: 5, Y: 15, Button: tea.MouseWheelDown})
	if f.logs.wheeled != wheelLines || f.focus != 2 {
		t.Errorf("Logs scrolled %d, pane %d has the focus", f.logs.wheeled, f.focus)
	}
	f.press("ctrl+o")
	if f.View().MouseMode != tea.MouseModeNone {
		t.Error("the mouse is still on")
	}
	f.sees(t, "mouse off")
}

func TestTabsTakeClicks(t *testing.T) {
	f := newFakes(Look{}).size(40, 12)
	row := f.screen().Line(1)
	x := len([]rune(row[:strings.Index(row, "3 Flux")]))
	f.send(tea.MouseClickMsg{X: x, Y: 1, Button: tea.MouseLeft})
	if f.focus != 2 {
		t.Errorf("pane %d has the focus after a click at %d on %q", f.focus, x, row)
	}
}

func TestOnlyStalePanesAreDrawn(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.frame()
	before := []int{f.nodes.renders, f.logs.renders, f.flux.renders, f.exchange.renders}
	f.send(ChangedMsg(topicLogs.Set().With(topicPlan)))
	f.frame()
	after := []int{f.nodes.renders, f.logs.renders, f.flux.renders, f.exchange.renders}
	if want := []int{before[0], before[1] + 1, before[2], 0}; !slices.Equal(after, want) {
		t.Errorf("drawn %v, want %v", after, want)
	}
}

func TestTickDrawsOnlyWhatAges(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.frame()
	n := f.rebuilds
	f.at = f.at.Add(1e9)
	f.send(TickMsg{})
	if f.frame(); f.rebuilds != n {
		t.Error("a second passed and the frame was drawn again")
	}
	f.at = f.at.Add(60e9)
	f.send(TickMsg{})
	if f.frame(); f.rebuilds != n+1 {
		t.Error("the clock did not move")
	}
	f.sees(t, "14:08")
	renders := f.nodes.renders
	f.nodes.old = true
	f.send(TickMsg{})
	if f.frame(); f.nodes.renders != renders+1 {
		t.Error("a pane whose ages changed was not drawn")
	}
}
