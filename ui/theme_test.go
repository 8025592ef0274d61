package ui

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

func looks() []Look {
	var out []Look
	for _, light := range []bool{false, true} {
		for _, d := range []Depth{DepthTrue, Depth256, Depth16, DepthNone} {
			for _, a := range []bool{false, true} {
				out = append(out, Look{Light: light, Depth: d, ASCII: a})
			}
		}
	}
	return out
}

func TestStatesDifferInEveryLook(t *testing.T) {
	states := []Role{RoleOK, RoleWarn, RoleBad, RoleBusy, RoleUnknown, RoleSuspended, RoleDanger}
	for _, l := range looks() {
		th := NewTheme(l)
		seen := map[string]Role{}
		for _, r := range states {
			s := th.Shape(r)
			if Width(s) != 1 || ansi.StringWidthWc(s) != 1 {
				t.Errorf("%+v: shape %q of role %d is not one cell wide", l, s, r)
			}
			if other, ok := seen[s]; ok {
				t.Errorf("%+v: roles %d and %d share the shape %q", l, r, other, s)
			}
			seen[s] = r
			if l.ASCII && s[0] >= 0x80 {
				t.Errorf("shape %q is not ASCII", s)
			}
		}
		if l.Depth != DepthNone {
			colours := map[string]Role{}
			for _, r := range []Role{RoleOK, RoleWarn, RoleBad, RoleBusy, RoleFocus} {
				if other, ok := colours[th.Prefix(r)]; ok {
					t.Errorf("%+v: roles %d and %d share their colour", l, r, other)
				}
				colours[th.Prefix(r)] = r
			}
		}
	}
}

func TestNoColorUsesAttributesOnly(t *testing.T) {
	th := NewTheme(Look{Depth: DepthNone})
	for r := range roleCount {
		switch th.Prefix(r) {
		case "", "\x1b[1m", "\x1b[2m", "\x1b[7m", "\x1b[1;7m":
		default:
			t.Errorf("role %d uses %q without colours", r, th.Prefix(r))
		}
	}
}

func TestContrast(t *testing.T) {
	for r, p := range colours {
		if r == RoleBorder || r == RoleMatch {
			continue // lines, and text with its own background
		}
		for v, back := range []uint32{0x000000, 0xffffff} {
			if p.rgb[v] == 0 {
				continue
			}
			if c := contrast(p.rgb[v], back); c < 5.9 {
				t.Errorf("role %d on %06x: contrast %.1f is below 5.9", r, back, c)
			}
		}
	}
}

func TestOverFillsGaps(t *testing.T) {
	th := NewTheme(Look{})
	line := th.Over(RoleCursor, th.Paint(RoleBad, "x")+" plain")
	cur := th.Prefix(RoleCursor)
	want := cur + th.Prefix(RoleBad) + "x" + reset + cur + " plain" + reset
	if line != want {
		t.Errorf("got %q, want %q", line, want)
	}
}

func TestSetCountsVersions(t *testing.T) {
	th := NewTheme(Look{})
	v := th.Version()
	if th.Set(Look{}) || th.Version() != v {
		t.Error("setting the same look counts as a change")
	}
	if !th.Set(Look{Light: true}) || th.Version() == v {
		t.Error("setting another look does not count as a change")
	}
}

func TestSeverityRoles(t *testing.T) {
	th := NewTheme(Look{})
	if th.Severity(cluster.Unknown) == RoleOK {
		t.Error("unknown looks healthy")
	}
	for s, want := range map[cluster.Severity]Role{cluster.OK: RoleOK, cluster.Warn: RoleWarn, cluster.Bad: RoleBad, cluster.Busy: RoleBusy} {
		if got := th.Severity(s); got != want {
			t.Errorf("%v is role %d, want %d", s, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	red := func(s string) string { return "\x1b[31m" + s + reset }
	cases := []struct {
		in    string
		width int
		want  string
	}{
		{"abc", 5, "abc  "},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"abcd", 1, "…"},
		{"", 2, "  "},
		{"abc", 0, ""},
		{"abc", -1, ""},
		{"日本", 4, "日本"},
		{"日本", 3, "日…"},
		{"日本", 1, "…"},
		{"日本x", 4, "日… "},
		{"日本", 5, "日本 "},
		{red("abc"), 5, red("abc") + "  "},
		{red("abcd"), 3, "\x1b[31mab…" + reset},
		{"a\x00b", 3, "ab "},
		{"e\u0301x", 3, "e\u0301x "},
	}
	for _, c := range cases {
		if got := Fit(c.in, c.width); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func FuzzFit(f *testing.F) {
	for _, s := range []string{"plain", "日本語", "🇩🇪 flags", "👍🏽 skin", "e\u0301", "\x1b[31mred\x1b[m", "a\tb", "\xff\xfe", "\u0e33\u0e33", "👨‍👩‍👧", "\u0301x"} {
		f.Add(s, 7)
	}
	f.Fuzz(func(t *testing.T, s string, width int) {
		if width > 300 {
			width = 300
		}
		_ = Fit(s, width) // must not panic on anything
		s = feed.Clean(s)
		got := Fit(s, width)
		for name, w := range map[string]int{"clusters": ansi.StringWidth(got), "characters": ansi.StringWidthWc(got), "Width": Width(got)} {
			if w != max(width, 0) {
				t.Fatalf("Fit(%q, %d) = %q is %d wide counted by %s", s, width, got, w, name)
			}
		}
	})
}

// TestQuickWidthAgrees compares the quick way with the careful one for every
// character that it takes.
func TestQuickWidthAgrees(t *testing.T) {
	for r := rune(0x20); r < 0x3000; r++ {
		s := "\x1b[1;38;5;79m" + string(r) + reset + "x"
		if n, ok := quickWidth(s); ok && (n != 2 || ansi.StringWidth(s) != 2 || ansi.StringWidthWc(s) != 2) {
			t.Errorf("%U: quick %d, clusters %d, characters %d", r, n, ansi.StringWidth(s), ansi.StringWidthWc(s))
		}
	}
	for _, s := range []string{"e\u0301", "日", "\x1b[2J", "\x1b]0;t\a", "\x1b", "a\tb", "\xff", "\x1b[31"} {
		if n, ok := quickWidth(s); ok {
			t.Errorf("quickWidth(%q) = %d, want it to give up", s, n)
		}
	}
}

func BenchmarkWidthPainted(b *testing.B) {
	th := NewTheme(Look{})
	s := "│ " + th.Sign(RoleOK) + " " + th.Paint(RoleStrong, "talos-test01") + strings.Repeat(" ▁▂▃ value", 12)
	b.ReportAllocs()
	for b.Loop() {
		_ = Width(s)
	}
}

func BenchmarkPaint(b *testing.B) {
	th := NewTheme(Look{})
	b.ReportAllocs()
	for b.Loop() {
		_ = th.Paint(RoleOK, "running")
	}
}

func BenchmarkFit(b *testing.B) {
	for _, s := range []string{strings.Repeat("plain ", 20), strings.Repeat("日本語 ", 20)} {
		b.Run(fmt.Sprint(len(s)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Fit(s, 80)
			}
		})
	}
}

// contrast is the WCAG contrast ratio of two colours.
func contrast(a, b uint32) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(c uint32) float64 {
	part := func(shift uint) float64 {
		v := float64(c>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
