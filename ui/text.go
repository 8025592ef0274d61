package ui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Width is the number of cells that s takes; escape sequences take none.
// Clusters that terminals disagree on count as Fit draws them.
func Width(s string) int {
	if n, ok := asciiWidth(s); ok {
		return n
	}
	w := 0
	eachCell(s, func(_ string, cells int) bool {
		w += cells
		return true
	})
	return w
}

// Fit makes s exactly width cells wide: blanks are added at the end, or what is
// too much is cut and replaced by an ellipsis. s may be painted; the result
// then ends in a reset, so that nothing runs over. Characters whose width
// terminals disagree on become a replacement character.
func Fit(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if n, ok := asciiWidth(s); ok {
		return fitASCII(s, n, width)
	}
	return fitCells(s, width)
}

// FitLeft is Fit with the text at the right end: blanks come first.
func FitLeft(s string, width int) string {
	if w := Width(s); w < width {
		return Blank(width-w) + s
	}
	return Fit(s, width)
}

// Blank is n blanks; none if n is negative.
func Blank(n int) string {
	if n <= 0 {
		return ""
	}
	if n <= len(blanks) {
		return blanks[:n]
	}
	return strings.Repeat(" ", n)
}

var blanks = strings.Repeat(" ", 512)

const ellipsis = "…"

// asciiWidth is the length of s if each byte is a printable ASCII character.
func asciiWidth(s string) (int, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return 0, false
		}
	}
	return len(s), true
}

func fitASCII(s string, n, width int) string {
	switch {
	case n == width:
		return s
	case n < width:
		return s + Blank(width-n)
	default:
		return s[:width-1] + ellipsis
	}
}

// fitCells walks s once. It remembers where the text must end if an ellipsis
// has to follow, and cuts there if s turns out to be too wide.
func fitCells(s string, width int) string {
	out := make([]byte, 0, len(s)+8)
	used, keep, keepCells, painted := 0, 0, 0, false
	tooWide := false
	eachCell(s, func(piece string, cells int) bool {
		if cells == 0 && strings.HasPrefix(piece, "\x1b") {
			painted = true
		}
		if used+cells > width {
			tooWide = true
			return false
		}
		out = append(out, piece...)
		used += cells
		if used < width {
			keep, keepCells = len(out), used
		}
		return true
	})
	if tooWide {
		out = append(out[:keep], ellipsis...)
		used = keepCells + 1
	}
	if tooWide && painted {
		out = append(out, reset...)
	}
	return string(append(out, Blank(width-used)...))
}

// eachCell calls f with each escape sequence (no cells) and each grapheme
// cluster of s until f returns false. A cluster that takes another number of
// cells when a terminal counts characters one by one is replaced, so that a
// line is as wide as was computed on every terminal. Controls are left out.
func eachCell(s string, f func(piece string, cells int) bool) {
	for len(s) > 0 {
		piece, cells, n := nextCell(s)
		s = s[n:]
		if piece != "" && !f(piece, cells) {
			return
		}
	}
}

// nextCell returns what to draw for the first n bytes of s; nothing for a
// control, or for a mark that stands on nothing.
func nextCell(s string) (piece string, cells, n int) {
	c := s[0]
	switch {
	case c >= 0x20 && c < 0x7f && (len(s) == 1 || s[1] < utf8.RuneSelf):
		return s[:1], 1, 1
	case c == 0x1b:
		seq, _, n, _ := ansi.DecodeSequence(s, ansi.NormalState, nil)
		if !strings.HasPrefix(seq, "\x1b[") || !strings.HasSuffix(seq, "m") {
			seq = ""
		}
		return seq, 0, n
	case c < 0x20 || c == 0x7f:
		return "", 0, 1
	}
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size <= 1 {
		return "\ufffd", 1, 1
	}
	cluster, w := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	switch {
	case w <= 0:
		return "", 0, len(cluster)
	case !utf8.ValidString(cluster) || ansi.StringWidthWc(cluster) != w:
		return "\ufffd", 1, len(cluster)
	}
	return cluster, w, len(cluster)
}
