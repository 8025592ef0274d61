package ui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/ui/uitest"
)

type ranMsg struct{}

func ran() tea.Msg { return ranMsg{} }

func (f *fakes) wait(d time.Duration) { f.at = f.at.Add(d) }

func TestConfirmWithAKey(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.send(ConfirmMsg{Title: "Suspend ks/apps", Body: []string{"Flux stops following Git."}, Run: ran})
	f.sees(t, "Flux stops following Git.")
	if v := f.View(); v.ProgramStatus == nil || v.ProgramStatus.State != tea.ProgramStateBlocked {
		t.Error("the terminal is not told that a decision is waited for")
	}
	if _, ok := f.press("y").(ranMsg); ok {
		t.Error("a key typed before the question could be read is taken as the answer")
	}
	f.wait(time.Second)
	f.press("x", "enter")
	f.sees(t, "Suspend ks/apps")
	if _, ok := f.press("y").(ranMsg); !ok {
		t.Error("y does not run it")
	}
	f.misses(t, "Suspend ks/apps")
	if f.View().ProgramStatus != nil {
		t.Error("the terminal still thinks that a decision is waited for")
	}
}

func TestConfirmCanBeLeft(t *testing.T) {
	for _, key := range []string{"esc", "n", "ctrl+c"} {
		f := newFakes(Look{}).size(80, 24)
		f.send(ConfirmMsg{Title: "Suspend ks/apps", Run: ran})
		if msg := f.press(key); msg != nil {
			t.Errorf("%s gives %T", key, msg)
		}
		f.misses(t, "Suspend ks/apps")
	}
}

func TestConfirmWithTheTypedName(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	ask := hardQuestion()
	ask.Run = ran
	f.send(ask)
	f.press("t")
	f.wait(time.Second)
	f.send(tea.PasteMsg{Content: ask.Word})
	f.sees(t, "pasting is refused")
	for _, r := range "talos-test03" {
		if msg := f.press(string(r)); msg != nil {
			t.Fatalf("typing gives %T", msg)
		}
	}
	if msg := f.press("enter"); msg != nil {
		t.Fatalf("enter with another name gives %T", msg)
	}
	f.sees(t, "> talos-test03")
	f.press("backspace", "4")
	uitest.Golden(t, "confirm/80x24-dark", f.frame(), 80, 24)
	if _, ok := f.press("enter").(ranMsg); !ok {
		t.Error("enter with the name does not run it")
	}
}

func TestConfirmTakesLettersAsText(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.send(ConfirmMsg{Title: "Reset", Word: "ny", Run: ran})
	f.wait(time.Second)
	f.press("n", "y")
	f.sees(t, "> ny")
	if _, ok := f.press("enter").(ranMsg); !ok {
		t.Error("a name with the letters of other answers cannot be typed")
	}
}

func TestLongQuestionsScroll(t *testing.T) {
	body := make([]string, 60)
	for i := range body {
		body[i] = "fact " + digit(i)
	}
	f := newFakes(Look{}).size(80, 24)
	f.send(ConfirmMsg{Title: "Long", Body: body, Run: ran})
	f.wait(time.Second)
	f.sees(t, "fact 1")
	f.sees(t, "more lines")
	f.sees(t, "y yes")
	for range 60 {
		f.press("down")
	}
	f.sees(t, "fact 60")
}

func TestHostileTextInDialogs(t *testing.T) {
	bad := "a\x1b[2Jb\u202ec\x9b31m\x07日\t" + strings.Repeat("e\u0301", 100)
	for _, msg := range []tea.Msg{
		ConfirmMsg{Title: bad, Body: []string{bad, bad}, Word: "x"},
		ChooseMsg{Title: bad, Choices: []Choice{{Label: bad, Note: bad, WhyNot: bad}}},
		ToastMsg{Text: bad, Error: true},
		ToastMsg{Text: bad},
	} {
		for _, size := range [][2]int{{80, 24}, {20, 8}, {1, 1}, {3, 30}} {
			f := newFakes(Look{}).size(size[0], size[1])
			f.send(msg)
			checkFrame(t, "hostile", f.frame(), size[0], size[1])
			checkSafe(t, f.frame())
		}
	}
}

// checkSafe fails if the frame holds anything but text, line breaks and colours.
func checkSafe(t *testing.T, frame string) {
	t.Helper()
	for i, r := range frame {
		switch {
		case r == '\x1b':
			if sgrLen(frame[i:]) == 0 {
				t.Fatalf("an escape sequence that is no colour: %q", frame[i:min(i+12, len(frame))])
			}
		case r == '\n':
		case r < 0x20, r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e:
			t.Fatalf("%U reaches the terminal", r)
		}
	}
}

func TestToasts(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.send(ToastMsg{Text: "reconciled ks/apps"})
	f.sees(t, "reconciled ks/apps")
	f.wait(3 * time.Second)
	f.send(TickMsg{})
	f.sees(t, "reconciled ks/apps")
	f.wait(1500 * time.Millisecond)
	f.send(TickMsg{})
	f.misses(t, "reconciled ks/apps")
	f.send(ToastMsg{Text: "first error", Error: true})
	f.send(ToastMsg{Text: "second error", Error: true})
	f.wait(time.Hour)
	f.send(TickMsg{})
	f.sees(t, "second error")
	f.sees(t, "+1 more")
	f.press("esc")
	f.misses(t, "second error")
	f.press("!")
	f.sees(t, "first error")
	f.sees(t, "reconciled ks/apps")
}

func TestNoticeStandsWhereToastsDo(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.bar.Notice = []Segment{{Role: RoleWarn, Text: "talos-test03 memory 95%"}}
	f.send(ChangedMsg(topicBar.Set()))
	f.sees(t, "talos-test03 memory 95%")
	f.send(ToastMsg{Text: "hello"})
	f.misses(t, "talos-test03 memory 95%")
}

func TestBannerTakesRows(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	why := "talosconfig and kubeconfig are different clusters: no action is possible"
	f.bar.Banner = []Segment{{Role: RoleBad, Text: why}}
	f.send(ChangedMsg(topicBar.Set()))
	f.sees(t, why)
	if f.layout.Panes[0].Y != 2 {
		t.Errorf("Nodes starts in row %d", f.layout.Panes[0].Y)
	}
	f.bar.Banner = append(f.bar.Banner, Segment{Role: RoleWarn, Text: "second"}, Segment{Role: RoleWarn, Text: "third"})
	f.send(ChangedMsg(topicBar.Set()))
	f.sees(t, "+1 more")
	f.bar.Banner = nil
	f.send(ChangedMsg(topicBar.Set()))
	f.misses(t, why)
}

func TestChoose(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	f.send(ChooseMsg{Title: "Service", Choices: []Choice{{Label: "kubelet"}, {Label: "etcd", Run: ran}, {Label: "dmesg"}}})
	f.sees(t, "3 of 3")
	f.press("e", "t")
	f.sees(t, "2 of 3")
	if _, ok := f.press("enter").(ranMsg); !ok {
		t.Error("enter does not choose")
	}
	f.misses(t, "Service")
}

func TestFuzzyPrefersWordStarts(t *testing.T) {
	a, ok := fuzzy("fr", "Flux: reconcile")
	b, ok2 := fuzzy("fr", "Nodes: offer")
	if !ok || !ok2 || a <= b {
		t.Errorf("%d %v, %d %v", a, ok, b, ok2)
	}
	if _, ok := fuzzy("xyz", "Flux"); ok {
		t.Error("letters that are not there match")
	}
	if _, ok := fuzzy("", "anything"); !ok {
		t.Error("nothing typed does not match everything")
	}
}

func TestInputEdits(t *testing.T) {
	var in Input
	type step struct{ keys, want string }
	for _, s := range []step{
		{"a b c", "a b c"},
		{"backspace", "a b "},
		{"ctrl+w", "a "},
		{"home delete", " "},
		{"ctrl+u", " "},
		{"end ctrl+u", ""},
		{"ä 日 left backspace", "日"},
		{"end x left ctrl+k", "日"},
		{"ctrl+a y", "y日"},
	} {
		for _, k := range strings.Fields(s.keys) {
			if s.keys == "a b c" && k != "a" {
				in.Insert(" ")
			}
			in.Key(keyMsg(k))
		}
		if in.String() != s.want {
			t.Errorf("after %s the text is %q, want %q", s.keys, in.String(), s.want)
		}
	}
	in.Set(strings.Repeat("x", 50) + "end")
	if line, at := in.Line(10); line != "xxxxxxend " || at != 9 {
		t.Errorf("line %q, cursor %d", line, at)
	}
}
