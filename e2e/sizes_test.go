package e2e

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/ui"
)

// resize changes the size of the terminal.
func (c *cockpit) resize(w, h int) {
	c.t.Helper()
	c.w, c.h = w, h
	if err := c.term.Resize(w, h); err != nil {
		c.t.Fatal(err)
	}
}

// fits expects something on the screen, and nothing wider than it.
func (c *cockpit) fits() {
	c.t.Helper()
	c.wait(fmt.Sprintf("something on %dx%d", c.w, c.h), func(s string) bool {
		for _, line := range strings.Split(s, "\n") {
			if ui.Width(line) > c.w {
				return false
			}
		}
		return c.w < 5 || strings.TrimSpace(s) != "" // a cell or two have room for nothing
	})
}

func TestResize(t *testing.T) {
	t.Parallel()
	c := demoOf(t, "still", 120, 40)
	for _, size := range [][2]int{{1, 1}, {120, 40}, {2, 2}, {10, 3}, {59, 15}, {80, 24}, {60, 16}, {300, 100}, {60, 15}, {59, 16}, {80, 24}} {
		c.resize(size[0], size[1])
		if size[0] < 60 || size[1] < 16 {
			c.fits()
			continue
		}
		c.whole()
		c.sees("1 Nodes", "talos-test01")
	}
	c.resize(59, 15)
	c.seesRow("1 Nodes", "2 Logs", "3 Flux") // as tabs
	c.press("2")
	c.wait("log lines", regexp.MustCompile(`\d\d:\d\d:\d\d [IWE] `).MatchString)
	c.resize(120, 40)
	c.sees("━2 Logs")
	c.whole()
}

// TestResizeStorm changes the size faster than anything can be drawn.
func TestResizeStorm(t *testing.T) {
	t.Parallel()
	c := demoOf(t, "turingpi", 120, 40)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 300 {
		c.resize(1+r.IntN(220), 1+r.IntN(70))
		if i%10 == 0 {
			c.press([]string{"?", "esc", "tab", "z", ":", "esc", "j", "G"}[r.IntN(8)])
		}
	}
	c.resize(120, 40)
	for range 3 { // an overlay, the zoom, and the focus of a pane without its own place
		c.press("esc")
		c.lost("━Go to")
		c.lost("━Keys")
	}
	c.press("1")
	c.whole()
	c.seesRow("1 Nodes", "4")
	c.seesRow("talos-test01", "running")
}
