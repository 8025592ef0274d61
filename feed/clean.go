package feed

import (
	"strings"
	"unicode/utf8"
)

// Clean makes text from outside safe for a terminal and for one line of it:
// escape sequences (CSI, OSC, DCS, APC, PM, SOS and the short ones) vanish as a
// whole, other C0 and C1 controls, bidi controls, zero-width and other invisible
// format characters vanish, tabs and line breaks become a blank, and each byte
// that is not UTF-8 becomes U+FFFD. Clean text is returned as it is, uncopied.
func Clean(s string) string {
	i := firstUnclean(s)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:i])
	for i < len(s) {
		if n := skipSequence(s[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			b.WriteRune(utf8.RuneError)
		case r == '\t' || r == '\n' || r == '\r':
			b.WriteByte(' ')
		case !Invisible(r):
			b.WriteString(s[i : i+n])
		}
		i += max(n, 1)
	}
	return b.String()
}

func firstUnclean(s string) int {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			return i
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if (r == utf8.RuneError && n <= 1) || Invisible(r) {
			return i
		}
		i += n
	}
	return -1
}

// Invisible reports whether a character must never reach the terminal: it is a
// control, it changes the direction or the shape of others, or nobody can see it.
func Invisible(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x00ad, r == 0x061c, r == 0x180e, r == 0xfeff:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	case r >= 0xfe00 && r <= 0xfe0f: // variation selectors: terminals disagree on the width
		return true
	case r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe0fff:
		return true
	}
	return false
}

const maxSequence = 4096 // an unterminated string sequence ends here at the latest

// skipSequence returns the length of the escape sequence at the start of s, 0 if there is none.
func skipSequence(s string) int {
	switch {
	case len(s) >= 2 && s[0] == 0x1b:
		switch s[1] {
		case '[':
			return 2 + csi(s[2:])
		case ']', 'P', '_', '^', 'X':
			return 2 + stringEnd(s[2:])
		}
		return escape(s)
	case len(s) >= 2 && s[0] == 0xc2: // C1 in UTF-8
		switch s[1] {
		case 0x9b:
			return 2 + csi(s[2:])
		case 0x9d, 0x90, 0x9f, 0x9e, 0x98:
			return 2 + stringEnd(s[2:])
		}
	case s[0] == 0x1b:
		return 1
	}
	return 0
}

// escape is the length of ESC, intermediates and a final byte.
func escape(s string) int {
	i := 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
		i++
	}
	return i
}

func csi(s string) int {
	i := 0
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x3f {
		i++
	}
	if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
		i++
	}
	return i
}

// stringEnd is the length up to and with BEL, ST or the C1 ST. A sequence that
// does not end is cut at a line break or after maxSequence bytes.
func stringEnd(s string) int {
	for i := 0; i < len(s) && i < maxSequence; i++ {
		switch {
		case s[i] == 0x07:
			return i + 1
		case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case s[i] == 0xc2 && i+1 < len(s) && s[i+1] == 0x9c:
			return i + 2
		case s[i] == '\n', s[i] == 0x1b:
			return i
		}
	}
	return min(len(s), maxSequence)
}
