package e2e

import (
	"regexp"
	"strings"
	"testing"
)

var (
	colours = regexp.MustCompile(`\x1b\[([0-9;:]*;)?(3[0-8]|4[0-8]|9[0-7]|10[0-7])([;:][0-9;:]*)?m`)
	light   = "38;2;0;107;80" // the green of the light theme
	dark    = "38;2;86;224;180"
)

func TestLooks(t *testing.T) {
	for name, l := range map[string]struct {
		args, env []string
		check     func(t *testing.T, c *cockpit)
	}{
		"NO_COLOR": {env: []string{"NO_COLOR=1"}, check: func(t *testing.T, c *cockpit) {
			if s := colours.FindString(c.tape.since(0)); s != "" {
				t.Errorf("a colour: %q", s)
			}
			c.whole()
		}},
		"ascii": {args: []string{"--ascii"}, check: onlyASCII},
		"a locale without UTF-8": {env: []string{"LC_ALL=de_DE.ISO-8859-1"}, check: func(t *testing.T, c *cockpit) {
			onlyASCII(t, c)
		}},
		"light": {args: []string{"--theme=light"}, check: func(t *testing.T, c *cockpit) { painted(t, c, light, dark) }},
		"dark":  {args: []string{"--theme=dark"}, check: func(t *testing.T, c *cockpit) { painted(t, c, dark, light) }},
		"screen": {env: []string{"TERM=screen-256color", "COLORTERM="}, check: func(t *testing.T, c *cockpit) {
			if strings.Contains(c.tape.since(0), "38;2;") {
				t.Error("true colours in a terminal of 256")
			}
			if !strings.Contains(c.tape.since(0), "38;5;") {
				t.Error("no colours of 256")
			}
			c.whole()
		}},
		"no mouse": {args: []string{"--no-mouse"}, check: func(t *testing.T, c *cockpit) {
			if c.term.State().Mouse {
				t.Error("the mouse is taken")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, setup{args: append([]string{"--demo=failing-kustomization"}, l.args...), env: l.env})
			c.sees("talos-test01", "running", "Ready")
			c.wait("Flux", func(s string) bool { return strings.Contains(s, "flux 1") })
			l.check(t, c)
			for _, key := range []string{"?", ":"} {
				c.press(key)
				c.wait("something open", func(s string) bool { return strings.Contains(s, "esc close") })
				c.press("esc")
				c.lost("esc close")
			}
			l.check(t, c)
		})
	}
}

func onlyASCII(t *testing.T, c *cockpit) {
	t.Helper()
	all := c.tape.since(0)
	for i := range len(all) {
		if all[i] >= 0x80 {
			t.Fatalf("not ASCII: %q", all[max(i-40, 0):min(i+40, len(all))])
		}
	}
	c.sees("1 Nodes", "2 Logs", "3 Flux", "4 Exchange", "worst first", "etcd 2/2 *")
}

func painted(t *testing.T, c *cockpit, with, without string) {
	t.Helper()
	if all := c.tape.since(0); !strings.Contains(all, with) || strings.Contains(all, without) {
		t.Errorf("the colours are not those of the theme: %t, %t", strings.Contains(all, with), strings.Contains(all, without))
	}
}

func TestDumbTerminal(t *testing.T) {
	t.Parallel()
	c := start(t, setup{args: []string{"--demo"}, env: []string{"TERM=dumb"}})
	c.sees("talos-cockpit: the terminal says that it is dumb")
	c.exits(3)
	if strings.Contains(c.tape.since(0), "\x1b") {
		t.Errorf("an escape sequence for a dumb terminal: %q", c.tape.since(0))
	}
}
