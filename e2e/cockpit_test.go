package e2e

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	xterm "golang.org/x/term"

	"github.com/talos-cockpit/talos-cockpit/internal/term"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// patience is how long anything that must happen may take on a busy machine.
const patience = 20 * time.Second

// cockpit is the program in a terminal.
type cockpit struct {
	t    testing.TB
	term *term.Terminal
	tape *tape
	w, h int
}

// setup is how the program is started.
type setup struct {
	w, h int // 0: 120x40
	args []string
	env  []string
}

// quiet is an environment in which nothing of the developer's own counts.
func quiet(t testing.TB, more ...string) []string {
	env := []string{
		"HOME=" + t.TempDir(), "TALOSCONFIG=", "KUBECONFIG=", "NO_COLOR=", "TMUX=", "TALOS_COCKPIT_DEBUG=",
		"TERM=xterm-256color", "COLORTERM=truecolor", "LC_ALL=C.UTF-8",
	}
	return append(env, more...)
}

// start runs the program; it is ended with the test.
func start(t testing.TB, s setup) *cockpit {
	t.Helper()
	if s.w == 0 {
		s.w, s.h = 120, 40
	}
	c := &cockpit{t: t, tape: &tape{}, w: s.w, h: s.h}
	var err error
	c.term, err = term.Start(t.Context(), term.Link{Tap: c.tape}, s.w, s.h, quiet(t, s.env...), program, s.args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.term.Close)
	return c
}

// demoOf runs the program on an embedded scene and waits for the first picture of it.
func demoOf(t testing.TB, scene string, w, h int, args ...string) *cockpit {
	t.Helper()
	c := start(t, setup{w: w, h: h, args: append([]string{"--demo=" + scene}, args...)})
	c.settled()
	return c
}

// settled waits until nodes, Flux and logs have come.
func (c *cockpit) settled() {
	c.t.Helper()
	c.wait("nodes, Flux and logs", func(s string) bool {
		return strings.Contains(s, "running") && strings.Contains(s, "●") && !strings.Contains(s, "flux ?") &&
			!strings.Contains(s, "etcd ?") && !strings.Contains(s, "no node is known") && !strings.Contains(s, "no node yet") && !strings.Contains(s, "asking")
	})
}

// wait waits until the screen is as it should be.
func (c *cockpit) wait(what string, ok func(screen string) bool) {
	c.t.Helper()
	if _, err := c.term.Until(patience, ok); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

// sees waits until all of the texts are on the screen.
func (c *cockpit) sees(texts ...string) {
	c.t.Helper()
	c.wait("the texts "+strings.Join(texts, " | "), func(s string) bool { return containsAll(s, texts...) })
}

// lost waits until the text is no longer on the screen.
func (c *cockpit) lost(text string) {
	c.t.Helper()
	c.wait("the end of "+text, func(s string) bool { return !strings.Contains(s, text) })
}

// seesRow waits until one line of the screen has all of the texts.
func (c *cockpit) seesRow(texts ...string) {
	c.t.Helper()
	c.wait("a row with "+strings.Join(texts, " | "), func(s string) bool { return rowWith(s, texts...) != "" })
}

func containsAll(s string, texts ...string) bool {
	for _, text := range texts {
		if !strings.Contains(s, text) {
			return false
		}
	}
	return true
}

// rowWith is the first line of the screen with all of the texts.
func rowWith(screen string, texts ...string) string {
	for _, line := range strings.Split(screen, "\n") {
		if containsAll(line, texts...) {
			return line
		}
	}
	return ""
}

// codes are what terminals send for keys that have no character.
var codes = map[string]string{
	"enter": "\r", "tab": "\t", "shift+tab": "\x1b[Z", "esc": "\x1b", "space": " ", "backspace": "\x7f",
	"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D",
	"home": "\x1b[H", "end": "\x1b[F", "pgup": "\x1b[5~", "pgdown": "\x1b[6~", "f1": "\x1bOP",
}

// code is what a terminal sends for the key.
func code(key string) string {
	if c, ok := codes[key]; ok {
		return c
	}
	if rest, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return string(rune(rest[0] & 0x1f))
	}
	return key
}

// press presses the keys, one after the other.
func (c *cockpit) press(keys ...string) {
	c.t.Helper()
	for _, k := range keys {
		if err := c.term.Keys(code(k)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// typed types text.
func (c *cockpit) typed(text string) {
	c.t.Helper()
	if err := c.term.Keys(text); err != nil {
		c.t.Fatal(err)
	}
}

// exits waits for the end of the program and checks its exit code.
func (c *cockpit) exits(want int) {
	c.t.Helper()
	err := c.term.Wait(patience)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		c.t.Fatal(err)
	}
	if got != want {
		c.t.Errorf("exit code %d, want %d; the screen was:\n%s", got, want, c.term.Screen())
	}
}

// intact says what is wrong with the frame of the screen: every line of the
// panes must begin and end in a border.
func intact(screen string, w, h int) string {
	lines := strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
	if len(lines) != h {
		return "the number of lines is not the terminal's"
	}
	first, last := -1, -1
	for y, line := range lines {
		if ui.Width(line) > w {
			return "too wide: " + line
		}
		if strings.HasPrefix(line, "┏") || strings.HasPrefix(line, "╭") {
			if first < 0 {
				first = y
			}
		}
		if strings.HasPrefix(line, "┗") || strings.HasPrefix(line, "╰") {
			last = y
		}
	}
	if first < 0 || last < first {
		return "no pane is on the screen"
	}
	for _, line := range lines[first : last+1] {
		if !strings.ContainsAny(line[:min(len(line), 3)], "┏╭┃│┗╰") || !strings.ContainsAny(line[max(len(line)-3, 0):], "┓╮┃│┛╯") || ui.Width(line) != w {
			return "a border is out of place: " + line
		}
	}
	return ""
}

// whole waits until the frame is intact.
func (c *cockpit) whole() {
	c.t.Helper()
	why := ""
	if _, err := c.term.Until(patience, func(s string) bool {
		why = intact(s, c.w, c.h)
		return why == ""
	}); err != nil {
		c.t.Fatalf("%s: %v", why, err)
	}
}

// tape keeps what the program has written.
type tape struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

// len is how much was written so far.
func (t *tape) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Len()
}

// since is what was written after the first n bytes.
func (t *tape) since(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.all.Bytes()[n:])
}

// cooked is the line of a terminal that no program has changed.
func cooked(t testing.TB) *xterm.State {
	t.Helper()
	c, err := term.Start(t.Context(), term.Link{}, 80, 24, nil, "cat")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	modes, err := c.Modes()
	if err != nil {
		t.Fatal(err)
	}
	return modes
}
