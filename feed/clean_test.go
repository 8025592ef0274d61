package feed

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"plain", "kubelet is up", "kubelet is up"},
		{"colour", "\x1b[31mred\x1b[0m", "red"},
		{"title", "a\x1b]0;owned\x07b", "ab"},
		{"clipboard", "a\x1b]52;c;Zm9v\x1b\\b", "ab"},
		{"device control", "a\x1bPq#0\x1b\\b", "ab"},
		{"application", "a\x1b_Gi=1\x1b\\b", "ab"},
		{"c1 csi", "a\u009b31mb", "ab"},
		{"raw c1 byte", "a\x9b31mb", "a\ufffd31mb"},
		{"c1 osc", "a\u009d0;t\u009cb", "ab"},
		{"reset", "a\x1bcb", "ab"},
		{"charset", "a\x1b(0b", "ab"},
		{"lone escape at the end", "a\x1b", "a"},
		{"unfinished csi", "a\x1b[31", "a"},
		{"unfinished osc ends at the line", "a\x1b]0;x\nb", "a b"},
		{"bidi", "user\u202egnp.exe", "usergnp.exe"},
		{"zero width", "a\u200bb", "ab"},
		{"variation selector", "\u2764\ufe0f", "\u2764"},
		{"tab and newline", "a\tb\nc\r", "a b c "},
		{"bell and null", "a\x07\x00b", "ab"},
		{"invalid utf-8", "a\xffb", "a\ufffdb"},
		{"real replacement character", "a\ufffdb", "a\ufffdb"},
		{"wide and combining stay", "日本 e\u0301", "日本 e\u0301"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Clean(c.in); got != c.want {
				t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestCleanKeepsCleanText(t *testing.T) {
	in := strings.Repeat("clean text ä 日 ", 100)
	if allocs := testing.AllocsPerRun(10, func() { _ = Clean(in) }); allocs != 0 {
		t.Errorf("%v allocations for text that is clean already, want none", allocs)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"a", "\x1b[31mx", "\x1b]8;;http://x\x07y", "\xff\xfe", "\u202e", "\x1bP\x1b\\", "\u009b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Clean(%q) = %q is not UTF-8", s, got)
		}
		for _, r := range got {
			if Invisible(r) {
				t.Fatalf("Clean(%q) = %q lets %U through", s, got, r)
			}
		}
		if again := Clean(got); again != got {
			t.Fatalf("cleaning twice differs: %q then %q", got, again)
		}
	})
}
