package ui

import (
	"strings"
	"unicode/utf8"
)

// asciiOf maps what the cockpit itself draws to ASCII of the same width.
var asciiOf = map[rune]string{
	'●': "*", '▲': "!", '✗': "X", '✓': "+", '◐': "~", '○': "?", '⊘': "-", '■': "#", '★': "=", '◆': "+", '▸': ">", '▾': "v", '▴': "^",
	'…': "~", '·': "-", '│': "|", '┃': "|", '─': "-", '━': "=", '└': "`", '├': "|", '→': ">", '←': "<", '↑': "^", '↓': "v", '≥': ">", '≤': "<",
	'⏎': "$", '‖': "H", '×': "x", '–': "-", '—': "-", '“': `"`, '”': `"`, '’': "'", '‘': "'",
	'▁': "1", '▂': "2", '▃': "3", '▄': "4", '▅': "5", '▆': "6", '▇': "7", '█': "8", '░': ".", '▒': ":", '▓': "%",
}

// toASCII replaces every character outside ASCII by one or more ASCII
// characters of the same width together. Escape sequences stay.
func toASCII(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		eachCell(line, func(piece string, cells int) bool {
			b.WriteString(asciiPiece(piece, cells))
			return true
		})
	}
	return b.String()
}

func asciiPiece(piece string, cells int) string {
	if cells == 0 || piece[0] < 0x80 && len(piece) == 1 {
		return piece
	}
	r, _ := utf8.DecodeRuneInString(piece)
	if a, ok := asciiOf[r]; ok && len(a) == cells {
		return a
	}
	if r < 0x80 && cells == 1 {
		return string(r) // an ASCII letter with a mark on it
	}
	return strings.Repeat("?", cells)
}
