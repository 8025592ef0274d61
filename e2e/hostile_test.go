package e2e

import (
	"strings"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// payloads are log lines that would break a screen or a terminal that takes them raw.
var payloads = map[string]string{
	"clear":          "\x1b[2J\x1b[3J\x1b[H",
	"title":          "\x1b]0;PWNED-TITLE\x07",
	"clipboard":      "\x1b]52;c;UFdORUQ=\x07",
	"alternate":      "\x1b[?1049l",
	"C1":             "\u009b31mC1CSI\u009d0;PWNED-C1\u009c",
	"raw C1":         "\x9b31m\x9d0;PWNED-RAW\x9c",
	"device control": "\x1bP$qm\x1b\\",
	"carriage":       "left\rPWNED-CR",
	"backspace":      "abc\b\b\bPWNED-BS",
	"bell":           "\x07\x07",
	"invalid":        "\xff\xfe\xc3\x28 invalid",
	"bidi":           "\u202Egnp.exe\u202C \u2066hidden\u2069 \u200F",
	"wide":           strings.Repeat("日本語テキスト", 40),
	"combining":      "e" + strings.Repeat("\u0301", 200) + " Z\u0335\u0322\u0353",
	"emoji":          "👨‍👩‍👧‍👦 🏳️‍🌈 ❤️ 1️⃣ 🇩🇪 ☺️",
	"zero":           "a\u200bb\u2060c\ufeffd\u00ade",
	"tabs":           "a\tb\tc\v\f",
	"lines":          "one\u2028two\u2029three\u0085four",
}

// raw are sequences that nothing but a payload contains.
var raw = []string{
	"PWNED-TITLE\x07", "52;c;UFdORUQ=", "\u009b", "\u009d", "\x9d0;", "\x9b31m", "\x1bP$qm", "\rPWNED-CR", "\b\b\bPWNED-BS", "\x1b[3J",
	"\u202e", "\u2066", "\u200f", "\u2028", "\u200b", "\xff",
}

func TestHostileLogs(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := serve(t, "still")
			c := start(t, setup{w: size[0], h: size[1], args: s.args()})
			c.settled()
			c.focus("2")
			node := s.Talos.Node("talos-test01")
			for _, view := range []string{"following", "wrapped", "zoomed"} {
				for name, p := range payloads {
					node.WriteLog("kubelet", "BEGIN "+name+" "+p+" END")
				}
				node.WriteLog("kubelet", strings.Repeat("1 MB of text "+payloads["clear"], 1<<20/20))
				node.WriteLog("kubelet", "all of "+view)
				c.wait(view, func(screen string) bool {
					return strings.Contains(screen, "all of "+view) && (view == "zoomed" || intact(screen, c.w, c.h) == "")
				})
				if !c.term.State().Alternate || strings.Contains(c.term.State().Title, "PWNED") {
					t.Fatalf("the terminal is %+v", c.term.State())
				}
				c.press(map[string]string{"following": "w", "wrapped": "z", "zoomed": "g"}[view])
			}
			for range 6 {
				c.press("pgdown", "ctrl+d", "n", "l")
			}
			c.press("y")
			c.sees("sent to the clipboard")
			out := c.tape.since(0)
			for _, r := range raw {
				if i := strings.Index(out, r); i >= 0 {
					t.Errorf("%q came through: %q", r, out[max(i-60, 0):min(i+60, len(out))])
				}
			}
		})
	}
}

// TestHostileNames: what a cluster calls its things is no more trusted.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	const evil = "turing\x1b]0;PWNED\x07\x1b[2Jpi\u202E"
	s := serve(t, "still", func(s *scene.Scene) { s.Nodes[2].Labels["evil"] = "x" })
	c := start(t, setup{args: s.args("--talos-context=" + evil)})
	c.sees("has no context", "it has")
	c.whole()
	if out := c.tape.since(0); strings.Contains(out, "PWNED\x07") || strings.Contains(out, "\u202e") || c.term.State().Title == "PWNED" {
		t.Error("the name of a context reaches the terminal raw")
	}
	r := command(t, nil, s.args("--talos-context="+evil, "nodes")...)
	if strings.Contains(r.err, "\x1b") || strings.Contains(r.err, "\u202e") {
		t.Errorf("the name of a context reaches the terminal raw: %q", r.err)
	}
}
