package ui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/talos-cockpit/talos-cockpit/ui/uitest"
)

func TestGoldenScreens(t *testing.T) {
	looks := map[string]Look{"dark": {}, "nocolor": {Depth: DepthNone}}
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for name, look := range looks {
			f := newFakes(look).size(size[0], size[1])
			uitest.Golden(t, "overview/"+sizeName(size)+"-"+name, f.frame(), size[0], size[1])
		}
	}
}

func TestGoldenOverlays(t *testing.T) {
	looks := map[string]Look{"light": {Light: true}, "16": {Depth: Depth16}, "ascii": {Depth: DepthNone, ASCII: true}}
	for look, l := range looks {
		for name, keys := range map[string][]string{"help": {"?"}, "palette": {":", "l", "o"}} {
			f := newFakes(l).size(80, 24)
			f.press(keys...)
			uitest.Golden(t, "overlay/"+name+"-80x24-"+look, f.frame(), 80, 24)
		}
		f := newFakes(l).size(40, 12)
		uitest.Golden(t, "overview/40x12-"+look, f.frame(), 40, 12)
	}
}

func sizeName(s [2]int) string { return fmt.Sprintf("%dx%d", s[0], s[1]) }

// TestEveryLineIsAsWideAsTheScreen goes through the sizes, with overlays and without.
func TestEveryLineIsAsWideAsTheScreen(t *testing.T) {
	opens := map[string]func(f *fakes){
		"nothing": func(*fakes) {},
		"help":    func(f *fakes) { f.press("?") },
		"palette": func(f *fakes) { f.press(":") },
		"confirm": func(f *fakes) { f.send(hardQuestion()) },
		"banner": func(f *fakes) {
			f.bar.Banner = []Segment{{Role: RoleBad, Text: "talosconfig and kubeconfig are different clusters: no action is possible"}, {Role: RoleWarn, Text: "日本"}, {Role: RoleWarn, Text: "x"}}
			f.send(TickMsg{})
		},
		"error": func(f *fakes) { f.send(ToastMsg{Text: strings.Repeat("all is broken ", 30), Error: true}) },
	}
	for name, open := range opens {
		f := newFakes(Look{})
		open(f.size(80, 24))
		for w := 1; w <= 300; w += 1 + w/6 {
			for h := 1; h <= 100; h += 1 + h/6 {
				f.size(w, h)
				checkFrame(t, name, f.frame(), w, h)
			}
		}
	}
}

func checkFrame(t *testing.T, what, frame string, w, h int) {
	t.Helper()
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		t.Fatalf("%s at %dx%d: %d lines", what, w, h, len(lines))
	}
	for y, l := range lines {
		if !fits(l, w) && (ansi.StringWidth(l) != w || ansi.StringWidthWc(l) != w) {
			t.Fatalf("%s at %dx%d: line %d is %d or %d wide: %q", what, w, h, y, ansi.StringWidth(l), ansi.StringWidthWc(l), l)
		}
	}
}

func hardQuestion() ConfirmMsg {
	return ConfirmMsg{Title: "Reset talos-test04", Word: "talos-test04", Body: []string{
		"Reset talos-test04 and wipe its STATE and EPHEMERAL partitions. This cannot be undone.", "",
		"  node      talos-test04  192.168.13.24", "  wipes     /dev/nvme0n1", "  etcd      2 members: not one of them",
	}}
}

// TestOpenGetsTheScreen: what is shown in full has the whole area where its
// place is small, and gives it back.
func TestOpenGetsTheScreen(t *testing.T) {
	f := newFakes(Look{}).size(80, 24)
	p := f.nodes
	p.opened = true
	f.send(TickMsg{})
	if text := ansi.Strip(f.frame()); strings.Contains(text, "2 Logs") || !strings.Contains(text, "1 Nodes") {
		t.Errorf("the open pane has not got the screen:\n%s", text)
	}
	f.press("2")
	if text := ansi.Strip(f.frame()); !strings.Contains(text, "2 Logs") || !strings.Contains(text, "1 Nodes") {
		t.Errorf("another pane in focus does not bring the overview back:\n%s", text)
	}
	f.press("1")
	p.opened = false
	f.send(TickMsg{})
	if text := ansi.Strip(f.frame()); !strings.Contains(text, "2 Logs") {
		t.Errorf("closed, and yet alone:\n%s", text)
	}
	p.opened = true
	f.size(300, 100)
	if text := ansi.Strip(f.frame()); !strings.Contains(text, "2 Logs") {
		t.Errorf("there is room for all, and yet it is alone:\n%s", text)
	}
}
