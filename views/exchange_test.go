package views

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func TestExchangePlansForTheSelectedNode(t *testing.T) {
	x := newTheatre(ui.Look{})
	p := x.pane(keymap.Exchange)
	has(t, screenOf(p, 80, 10), "no node is known yet")
	x.board.Nodes.Set(referenceInventory(), noon)
	x.pane(keymap.Nodes).Render(80, 10, true)
	has(t, screenOf(p, 80, 10), "collecting the facts for talos-test04")
	x.do(t, x.pane(keymap.Nodes), keymap.Down)
	p.Render(80, 10, false)
	if got := strings.Join(x.acts.planned, " "); got != "talos-test04 talos-test03" {
		t.Errorf("planned %s", got)
	}
	x.board.Plan.Set(referencePlan(), noon) // of talos-test04: late
	hasNot(t, screenOf(p, 80, 10), "credentials")
	x.board.Plan.Fail(errors.New("no endpoint answers"), noon)
	has(t, screenOf(p, 80, 10), "the plan for talos-test03 is not known: no endpoint answers")
}

func TestExchangeNeverShowsUnknownAsPassed(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Exchange)
	for _, l := range strings.Split(screenOf(p, 80, 40), "\n") {
		if strings.Contains(l, "not checked") && strings.Contains(l, "●") {
			t.Errorf("not checked is green: %q", l)
		}
	}
	for _, v := range []health.Verdict{health.UnknownV, health.NotChecked, health.Verdict("something new")} {
		if verdictLook(v) != ui.RoleUnknown {
			t.Errorf("%s looks like %v", v, verdictLook(v))
		}
	}
	left, _ := p.Title()
	if got := plainText(left); got != "talos-test04 1✗ 9○ 1▲ 6●" {
		t.Errorf("the title says %q", got)
	}
}

func TestExchangeVerdictOnTop(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Exchange)
	has(t, screenOf(p, 120, 20), "✗ must not start: check 6 (other nodes) failed", "This is a plan for reading")
	plan := referencePlan()
	plan.Refuse, plan.Checks[5].Verdict = "", health.Pass
	x.board.Plan.Set(plan, noon)
	has(t, screenOf(p, 120, 20), "▲ 1 warning, and 9 checks that nothing is known of")
	plan = referencePlan()
	plan.Refuse, plan.Checks[5].Verdict, plan.Checks[16].Verdict = "", health.Pass, health.Pass
	x.board.Plan.Set(plan, noon)
	has(t, screenOf(p, 120, 20), "○ nothing found against it, but of 9 checks nothing is known")
}

func TestExchangeMovesThroughChecksAndSteps(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Exchange)
	p.Render(80, 12, true)
	x.do(t, p, keymap.Bottom)
	has(t, screenOf(p, 80, 12), "▸  16 compare")
	x.do(t, p, keymap.ExchangeOpen)
	has(t, screenOf(p, 80, 12), "step 16  compare", "EQUIVALENT COMMANDS", "kubectl drain talos-test04")
	x.do(t, p, keymap.Back, keymap.ExchangeSections)
	has(t, screenOf(p, 80, 12), "▸✗  6 other nodes")
	x.do(t, p, keymap.ExchangeOpen)
	has(t, screenOf(p, 80, 14), "check 6  other nodes: fail", "evidence", "remedy      uncordon it", "talos-test03: memory 98%")
	hasNot(t, screenOf(p, 80, 14), "seen")
	x.now = noon.Add(3 * time.Minute)
	if !p.(ui.Clock).Tick() {
		t.Error("facts that are no longer fresh are not noticed")
	}
	has(t, screenOf(p, 80, 14), "seen        3m ago")
}

// Where there are few rows they go to the verdict and to what did not pass.
func TestExchangeWorstFirst(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	lines := strings.Split(screenOf(x.pane(keymap.Exchange), 120, 5), "\n")
	for i, want := range []string{"✗ must not start", "▸✗  6 other nodes", "○  2 clocks", "▲ 17 Flux", "○  8 etcd snapshot         not checked"} {
		has(t, strings.Join(strings.Fields(lines[i]), " "), strings.Join(strings.Fields(want), " "))
	}
	x.do(t, x.pane(keymap.Exchange), keymap.Down, keymap.Down) // to Flux
	plan := referencePlan()
	plan.Checks[5].Verdict, plan.Checks[1].Verdict = health.Pass, health.Pass
	x.board.Plan.Set(plan, noon)
	has(t, screenOf(x.pane(keymap.Exchange), 120, 5), "▸▲ 17 Flux") // the cursor stays on its check
}

func TestExchangeCopies(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Exchange)
	p.Render(80, 12, true)
	msgs := x.do(t, p, keymap.Copy, keymap.CopyCommand)
	has(t, msgs[0].(ui.CopyMsg).Text, "check 6 other nodes: fail\ntalos-test02 is cordoned by kubectl-cordon\nuncordon it", "talos-test03: memory 98%")
	if got := msgs[1].(ui.CopyMsg).Text; got != "talosctl -n 192.168.13.14 version" {
		t.Error(got)
	}
	x.do(t, p, keymap.Down, keymap.Down, keymap.Down)
	if why := whyNot(p, keymap.CopyCommand); why != "there is no command for it" {
		t.Errorf("%q", why)
	}
}

func TestExchangeNeighbours(t *testing.T) {
	x := newTheatre(ui.Look{}).reference()
	p := x.pane(keymap.Exchange)
	p.Render(80, 12, true)
	x.do(t, p, keymap.ExchangeNext, keymap.ExchangePrev, keymap.ExchangePrev)
	if got := strings.Join(x.acts.planned, " "); got != "talos-test04 talos-test01 talos-test04 talos-test03" {
		t.Errorf("planned %s", got)
	}
}
