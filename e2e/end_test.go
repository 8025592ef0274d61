package e2e

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// TestEnd ends the program in each way: the terminal is as it was, the reason is
// printed, and the exit code is as shells know it.
func TestEnd(t *testing.T) {
	signal := func(s syscall.Signal) func(c *cockpit) {
		return func(c *cockpit) {
			if err := c.term.Signal(s); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	key := func(k string) func(c *cockpit) { return func(c *cockpit) { c.press(k) } }
	for name, end := range map[string]struct {
		do     func(c *cockpit)
		code   int
		reason string
	}{
		"q":       {key("q"), 0, ""},
		"ctrl+c":  {key("ctrl+c"), 0, ""},
		"SIGHUP":  {signal(syscall.SIGHUP), 129, "talos-cockpit: ended by signal: hangup"},
		"SIGINT":  {signal(syscall.SIGINT), 130, "talos-cockpit: ended by signal: interrupt"},
		"SIGTERM": {signal(syscall.SIGTERM), 143, "talos-cockpit: ended by signal: terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			c := start(t, setup{args: []string{"--demo"}, env: []string{"TMPDIR=" + tmp}})
			c.settled()
			if s := c.term.State(); !s.Alternate || !s.Mouse {
				t.Errorf("while it runs the terminal is in the state %+v", s)
			}
			c.restored(func() { end.do(c) }, end.code, end.reason)
			left, err := filepath.Glob(filepath.Join(tmp, "*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// restored ends the program and checks what it leaves behind.
func (c *cockpit) restored(end func(), code int, reason string) {
	c.t.Helper()
	before := cooked(c.t)
	from := c.tape.len()
	end()
	c.exits(code)
	modes, err := c.term.Modes()
	if err != nil {
		c.t.Fatal(err)
	}
	if !reflect.DeepEqual(modes, before) {
		c.t.Errorf("the line of the terminal is %+v, and was %+v", modes, before)
	}
	if s := c.term.State(); s.Alternate || !s.Cursor || s.Mouse {
		c.t.Errorf("the terminal is left in the state %+v", s)
	}
	last := c.tape.since(from)
	for what, sequence := range map[string]string{
		"leave the alternate screen": "\x1b[?1049l", "show the cursor": "\x1b[?25h",
		"leave bracketed paste": "\x1b[?2004l", "give the mouse back": "\x1b[?1002l",
	} {
		if !strings.Contains(last, sequence) {
			c.t.Errorf("no sequence to %s in %q", what, last)
		}
	}
	screen := strings.TrimSpace(c.term.Screen())
	if reason == "" && screen != "" {
		c.t.Errorf("left on the screen:\n%s", screen)
	}
	if !strings.HasPrefix(strings.ReplaceAll(screen, "\n", " "), reason) {
		c.t.Errorf("the reason %q is not on the screen:\n%s", reason, screen)
	}
}

// TestQuitAtOnce quits before anything has been connected.
func TestQuitAtOnce(t *testing.T) {
	t.Parallel()
	c := start(t, setup{args: []string{"--demo=hung-and-refused"}})
	c.sees("1 Nodes")
	c.restored(func() { c.press("q") }, 0, "")
}

func TestDebugFileHasNoSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "debug.log")
	c := start(t, setup{args: []string{"--demo=still"}, env: []string{"TALOS_COCKPIT_DEBUG=" + file}})
	c.settled()
	c.press("/")
	c.typed("hunter2")
	c.sees("hunter2")
	c.press("esc", "q")
	c.lost("hunter2")
	c.press("q")
	c.exits(0)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); !strings.Contains(text, "KeyPressMsg") || strings.Contains(text, "hunter2") {
		t.Errorf("the debug file should have types, and nothing that was typed:\n%.2000s", text)
	}
}
