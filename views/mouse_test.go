package views

import (
	"testing"

	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func TestClicksSelect(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	for _, p := range x.panes {
		p.Render(120, 30, true)
	}
	x.pane(keymap.Nodes).(ui.Pointer).Click(5, 3)
	has(t, screenOf(x.pane(keymap.Nodes), 120, 30), "▸● talos-test01")
	if x.pane(keymap.Nodes).(*nodes).node != "talos-test01" {
		t.Error("the other panes do not know of the click")
	}
	x.pane(keymap.Flux).(ui.Pointer).Click(5, 6)
	has(t, screenOf(x.pane(keymap.Flux), 120, 30), "▸● hr        cilium")
	x.pane(keymap.Exchange).(ui.Pointer).Click(5, 4)
	x.pane(keymap.Exchange).Render(120, 30, true)
	x.pane(keymap.Logs).(ui.Pointer).Click(5, 2)
	l := logsOf(x)
	if !l.paused || l.cursor != l.shown[2] {
		t.Errorf("paused %v at %d, want %d", l.paused, l.cursor, l.shown[2])
	}
	for _, p := range x.panes {
		p.(ui.Pointer).Click(-3, -1)
		p.(ui.Pointer).Click(500, 500)
		p.(ui.Pointer).Wheel(3)
		p.(ui.Pointer).Wheel(-300)
		checkLines(t, p.Render(120, 30, true), 120)
	}
}

func TestOldHeadlinesMoveTheRows(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	x.board.Flux.Fail(errBoom, noon)
	p := x.pane(keymap.Flux)
	p.Render(120, 30, true)
	p.(ui.Pointer).Click(5, 3)
	has(t, screenOf(p, 120, 30), "▸○ hr        jellyfin")
}

func TestSelectionReachesTheExchange(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Exchange)
	x.pane(keymap.Nodes).Render(80, 10, true)
	p.Render(80, 10, true)
	if p.(ui.Clock).Tick() {
		t.Error("a tick without a reason")
	}
	x.do(t, x.pane(keymap.Nodes), keymap.Down)
	if !p.(ui.Clock).Tick() {
		t.Error("the other selection is not noticed")
	}
	has(t, screenOf(p, 80, 10), "collecting the facts for talos-test03")
	if p.(ui.Clock).Tick() {
		t.Error("it is drawn again and again")
	}
}
