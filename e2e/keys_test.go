package e2e

import (
	"strings"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// expectation is what a key must do. It starts and ends with the overview and
// the pane of the binding's scope in focus.
type expectation struct {
	before func(c *cockpit)           // brings about what the key acts on; nil: nothing
	after  func(c *cockpit)           // waits for what the key does
	undo   func(c *cockpit)           // nil: the key esc is enough
	each   func(c *cockpit, k string) // instead of after, where the keys differ
}

// TestEveryKey presses every key that the help lists, where it belongs.
func TestEveryKey(t *testing.T) {
	expected := map[keymap.Scope]map[keymap.Action]expectation{
		keymap.Global: globalKeys, keymap.Move: moveKeys, keymap.Nodes: nodesKeys, keymap.Logs: logsKeys,
		keymap.Flux: fluxKeys, keymap.Exchange: exchangeKeys, keymap.Dialog: dialogKeys, keymap.Picker: pickerKeys,
	}
	for _, scope := range keymap.Scopes() {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			c := demoOf(t, "failing-kustomization", 120, 40)
			c.calm()
			for _, b := range keymap.Default().Bindings(scope) {
				e, ok := expected[scope][b.Action]
				if !ok {
					t.Errorf("%s: nobody has written down what %v must do", b.Action, b.Keys)
					continue
				}
				for _, key := range b.Keys {
					c.try(b, key, e)
				}
			}
		})
	}
}

// calm waits until everything that the keys act on is there.
func (c *cockpit) calm() {
	c.t.Helper()
	c.seesRow("4 Exchange", "plan only")
	c.wait("log lines", logLine.MatchString)
	c.lost("collecting")
	c.seesRow("3 Flux", "1✗")
}

// home is the pane in whose scope the binding is tried.
func home(s keymap.Scope) string {
	return map[keymap.Scope]string{keymap.Logs: "2", keymap.Flux: "3", keymap.Exchange: "4", keymap.Picker: "2", keymap.Dialog: "3"}[s]
}

var paneNames = map[string]string{"1": "Nodes", "2": "Logs", "3": "Flux", "4": "Exchange"}

// focus goes to the pane of that number.
func (c *cockpit) focus(number string) {
	c.t.Helper()
	c.press(number)
	c.sees("━" + number + " " + paneNames[number])
}

func (c *cockpit) try(b keymap.Binding, key string, e expectation) {
	c.t.Helper()
	pane := home(b.Scope)
	if pane == "" {
		pane = "1"
	}
	c.focus(pane)
	if e.before != nil {
		e.before(c)
	}
	ok := c.t.(*testing.T).Run(string(b.Action)+" "+key, func(t *testing.T) {
		inner := *c
		inner.t = t
		if e.each != nil {
			e.each(&inner, key)
			return
		}
		inner.press(key)
		e.after(&inner)
	})
	if !ok {
		c.t.FailNow() // the screen is in no known state
	}
	if e.undo != nil {
		e.undo(c)
		return
	}
	c.back()
}

// back presses esc until the overview is there, with no message and nothing open.
func (c *cockpit) back() {
	c.t.Helper()
	c.press("esc")
	c.wait("the overview", func(s string) bool {
		return containsAll(s, "1 Nodes", "2 Logs", "3 Flux", "4 Exchange") && strings.Contains(s, "q quit")
	})
}

// toast waits for a message and takes it away.
func toast(text string) func(c *cockpit) {
	return func(c *cockpit) {
		c.t.Helper()
		c.sees(text)
		c.press("esc")
		c.lost(text)
	}
}

func sees(texts ...string) func(c *cockpit) {
	return func(c *cockpit) { c.t.Helper(); c.sees(texts...) }
}
func lost(text string) func(c *cockpit) { return func(c *cockpit) { c.t.Helper(); c.lost(text) } }

// then presses keys and waits for a text.
func then(key, text string) func(c *cockpit) {
	return func(c *cockpit) {
		c.t.Helper()
		c.press(key)
		c.sees(text)
	}
}

// without presses keys and waits until the text is gone.
func without(key, text string) func(c *cockpit) {
	return func(c *cockpit) {
		c.t.Helper()
		c.press(key)
		c.lost(text)
	}
}

func nothing(*cockpit) {}

// all does one after the other.
func all(steps ...func(c *cockpit)) func(c *cockpit) {
	return func(c *cockpit) {
		c.t.Helper()
		for _, s := range steps {
			s(c)
		}
	}
}

// clipboard expects that the key sends something to the clipboard and says so.
func clipboard(text string) func(c *cockpit, key string) {
	return func(c *cockpit, key string) {
		c.t.Helper()
		from := c.tape.len()
		c.press(key)
		toast(text)(c)
		if !strings.Contains(c.tape.since(from), "\x1b]52;c;") {
			c.t.Error("nothing was sent to the clipboard")
		}
	}
}

// cursorRow is the line of the screen with the cursor of the focused table, -1 for none.
func cursorRow(screen string) int {
	for y, line := range strings.Split(screen, "\n") {
		if strings.Contains(line, "┃▸") {
			return y
		}
	}
	return -1
}

// rowOf expects the cursor of the Nodes pane on its nth row, from 0.
func rowOf(n int) func(c *cockpit) {
	return func(c *cockpit) {
		c.t.Helper()
		c.wait("the cursor on a row of the nodes", func(s string) bool { return cursorRow(s) == 3+n })
	}
}

// dialogOpen opens the question of suspending and its undo.
func dialogOpen(c *cockpit) {
	c.t.Helper()
	ready(c)
	c.press("S")
	c.sees("━Suspend ", "y yes")
}
