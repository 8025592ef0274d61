package ui

import (
	"math"
	"unicode/utf8"
)

var (
	sparkPretty = []rune("▁▂▃▄▅▆▇█")
	sparkPlain  = []rune("_.-:=+*#")
)

// Spark draws the latest width values of shares between 0 and 1 as a line of
// width cells, oldest first, on a fixed scale: eight levels from 0 to 1. A
// missing sample (NaN) is a gap, and samples that were never taken are gaps at
// the left. ASCII asks for signs from ASCII only.
func Spark(values []float32, width int, ascii bool) string {
	if width <= 0 {
		return ""
	}
	levels := sparkPretty
	if ascii {
		levels = sparkPlain
	}
	var room [256]byte
	b := room[:0]
	values = values[max(len(values)-width, 0):]
	for range width - len(values) {
		b = append(b, ' ')
	}
	for _, v := range values {
		if math.IsNaN(float64(v)) {
			b = append(b, ' ')
			continue
		}
		i := int(min(max(v, 0), 1) * float32(len(levels)))
		b = utf8.AppendRune(b, levels[min(i, len(levels)-1)])
	}
	return string(b)
}
