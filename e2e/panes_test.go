package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

func TestNodesPane(t *testing.T) {
	t.Parallel()
	c := demoOf(t, "failing-kustomization", 120, 40)
	c.calm()
	c.press("/")
	c.typed("test03")
	c.seesRow("1 Nodes 1 of 4")
	c.wait("the others gone", func(s string) bool { return rowWith(s, "talos-test02", "running") == "" })
	c.press("enter", "enter")
	c.seesRow("talos-test03", "worker")
	c.back()
	c.press("esc")
	c.seesRow("talos-test02", "running")
	c.until("s", "by mem")
	c.wait("the fullest memory first", func(s string) bool {
		rows := memory.FindAllString(s, -1)
		return len(rows) == 4 && rows[0] >= rows[1] && rows[1] >= rows[2] && rows[2] >= rows[3]
	})
	c.until("s", "worst first")
	c.press("g", "/")
	c.typed("test02")
	c.seesRow("1 Nodes 1 of 4")
	c.press("enter", "L")
	c.sees("━2 Logs kubelet · talos-test02")
	c.wait("its lines", func(s string) bool { return logLine.MatchString(s) && strings.Contains(s, "follow") })
}

var memory = regexp.MustCompile(`\d\.\d/8(\.0)?G`)

func TestLogsPane(t *testing.T) {
	t.Parallel()
	s := serve(t, "still")
	c := start(t, setup{w: 160, h: 45, args: s.args()})
	c.settled()
	c.focus("2")
	node := s.Talos.Node("talos-test01")
	log := func(level, text string) {
		node.WriteLog("etcd", fmt.Sprintf(`{"level":%q,"ts":"2026-01-02T03:04:05.678Z","caller":"e2e/e2e.go:1","msg":%q}`, level, text))
	}
	services(c)
	c.typed("etcd")
	c.press("enter")
	c.sees("━2 Logs etcd · talos-test01")
	log("info", "first of ours")
	c.sees("first of ours")

	c.press("p")
	c.sees("paused · 0 new")
	for i := range 7 {
		log("info", fmt.Sprintf("while paused %d", i))
	}
	c.sees("paused · 7 new")
	if strings.Contains(c.term.Screen(), "while paused") {
		t.Error("a paused pane shows new lines")
	}
	c.press("f")
	c.sees("● follow", "while paused 6")

	log("warn", "a warning of ours")
	log("error", "an error of ours")
	c.press("/")
	c.typed("of ours")
	c.press("enter")
	c.sees("filter of ours", "3 of ", "first of ours", "a warning of ours")
	c.lost("while paused")
	c.press("v", "v")
	c.sees("level ≥ warn")
	c.lost("first of ours")
	c.sees("a warning of ours", "an error of ours")
	c.press("v")
	c.sees("level ≥ error")
	c.lost("a warning of ours")
	c.press("esc")
	c.sees("while paused 6", "first of ours")

	log("info", "long "+strings.Repeat("word ", 60)+"the end of it")
	c.sees("long word")
	c.press("w")
	c.sees("the end of it")
	c.press("w")
	c.lost("the end of it")
	c.press("t")
	c.sees("times UTC")
	c.press("t")
	c.sees("times relative")
	c.press("t")
	c.lost("times ")
	c.press("t", "T")
	c.typed("3")
	c.press("enter")
	c.sees("a time of day is 14:07")
	c.press("esc")
	c.press("Y")
	c.sees("sent to the clipboard: command")
}

func TestFluxPane(t *testing.T) {
	t.Parallel()
	s := serve(t, "turingpi", func(s *scene.Scene) { s.Mishaps = false })
	c := start(t, setup{w: 200, h: 50, args: s.args()})
	c.settled()
	c.focus("3")
	c.press("/")
	c.typed("monitoring")
	c.press("enter", "g")
	c.wait("the Kustomization", func(s string) bool { return containsAll(cursorLine(s), "ks", "monitoring") })
	c.press("S")
	c.sees("━Suspend Kustomization flux-system/monitoring", "flux suspend kustomization monitoring -n flux-system")
	c.insist("y", "━Suspend")
	toast("ks flux-system/monitoring is suspended")(c)
	c.wait("the row", func(s string) bool { return containsAll(cursorLine(s), "⊘", "monitoring", "suspended") })
	c.sees("by talos-cockpit")
	c.press("r")
	toast("not now: it is suspended")(c)
	c.press("U")
	toast("ks flux-system/monitoring is resumed and ready")(c)
	c.wait("the row", func(s string) bool { return strings.Contains(cursorLine(s), "● ks") })
	c.press("R")
	toast("ks flux-system/monitoring is reconciled: main@")(c)
	c.press("!")
	c.sees("━Messages", "is suspended", "is resumed", "is reconciled")
}

// checks are the verdicts that this version can make; the rest must never be green.
var checkLine = regexp.MustCompile(`(●|▲|✗|○)\s+(\d+) `)

func TestExchangePane(t *testing.T) {
	t.Parallel()
	c := demoOf(t, "failing-kustomization", 120, 60)
	c.calm()
	c.press("G", "x")
	c.sees("━4 Exchange talos-test", "plan only")
	c.press("z")
	c.wait("all checks and steps", func(s string) bool {
		return strings.Contains(s, "17 ") && containsAll(s, "none of which can be started here", "reset", "uncordon")
	})
	seen := map[string]string{}
	screen := c.term.Screen()
	list, _, _ := strings.Cut(screen, "STEPS")
	for _, line := range strings.Split(list, "\n") {
		left, _, _ := strings.Cut(strings.TrimPrefix(line, "┃"), "│")
		if m := checkLine.FindStringSubmatch(left); m != nil {
			seen[m[2]] = m[1]
			if strings.Contains(left, "not checked") && m[1] != "○" {
				t.Errorf("not checked, and yet not unknown: %s", left)
			}
		}
	}
	if len(seen) != 17 {
		t.Errorf("%d checks %v:\n%s", len(seen), seen, screen)
	}
	c.press("enter")
	c.sees("evidence")
}
