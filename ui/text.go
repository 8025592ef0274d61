package ui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Width is the number of cells that s takes; escape sequences take none.
// Clusters that terminals disagree on count as Fit draws them.
func Width(s string) int {
	if n, ok := quickWidth(s); ok {
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
	if n, ok := quickWidth(s); ok && n <= width {
		return s + Blank(width-n)
	}
	return fitCells(s, width)
}

// FitLeft is Fit with the text at the right end: blanks come first.
func FitLeft(s string, width int) string {
	if w := Width(s); w < width {
		return Blank(width-w) + Fit(s, w)
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

// maxText bounds what a message, a question or an entry of a list may hold, in bytes.
const maxText = 4096

// clean makes text from outside safe, and short enough to be laid out at once.
func clean(s string) string {
	if len(s) <= maxText {
		return feed.Clean(s)
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return feed.Clean(s[:end]) + ellipsis
}

// quickWidth is the width of s if it holds nothing but printable ASCII, colours
// and characters that are one cell wide everywhere, which nearly all lines do.
func quickWidth(s string) (int, bool) {
	w := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c >= 0x20 && c < 0x7f:
			w++
			i++
		case c == 0x1b:
			n := sgrLen(s[i:])
			if n == 0 {
				return 0, false
			}
			i += n
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if !plainRune(r) {
				return 0, false
			}
			w++
			i += n
		}
	}
	return w, true
}

// fits reports whether s is exactly width cells wide without any doubt.
func fits(s string, width int) bool {
	n, ok := quickWidth(s)
	return ok && n == width
}

// sgrLen is the length of the SGR sequence at the start of s, 0 if there is none.
func sgrLen(s string) int {
	if len(s) < 3 || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0
		}
	}
	return 0
}

// plainRune reports characters that take one cell and join with nothing:
// letters of Latin-1 and Latin Extended, boxes, blocks and the shapes.
func plainRune(r rune) bool {
	switch {
	case r >= 0xa1 && r < 0x300:
		return r != 0xa9 && r != 0xad && r != 0xae
	case r >= 0x2500 && r <= 0x25a0, r == 0x25b2, r == 0x25b8, r == 0x25cb, r == 0x25cf, r == 0x25d0, r == 0x25c6:
		return true
	}
	return r == 0x2026 || r == 0x2190 || r == 0x2192 || r == 0x2297 || r == 0x2298 || r == 0x2605 || r == 0x2713 || r == 0x2717
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

// maxCluster is the longest cluster that is drawn, in bytes: marks can be
// heaped on one character without end.
const maxCluster = 32

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
	case len(cluster) > maxCluster || !utf8.ValidString(cluster) || ansi.StringWidthWc(cluster) != w:
		return "\ufffd", 1, len(cluster)
	}
	return cluster, w, len(cluster)
}
