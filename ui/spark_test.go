package ui

import (
	"math"
	"testing"
)

func TestSpark(t *testing.T) {
	gap := float32(math.NaN())
	for _, c := range []struct {
		values []float32
		width  int
		ascii  bool
		want   string
	}{
		{[]float32{0, .12, .13, .26, .5, .76, .99, 1}, 8, false, "▁▁▂▃▅▇██"},
		{[]float32{0, .26, .99, 1}, 4, true, "_-##"},
		{[]float32{.5, gap, .5}, 3, false, "▅ ▅"},
		{[]float32{.5}, 3, false, "  ▅"},
		{[]float32{0, 0, 1}, 1, false, "█"},
		{[]float32{-1, 7}, 2, false, "▁█"},
		{nil, 2, false, "  "},
		{[]float32{1}, 0, false, ""},
	} {
		got := Spark(c.values, c.width, c.ascii)
		if got != c.want {
			t.Errorf("%v at %d: %q, want %q", c.values, c.width, got, c.want)
		}
		if Width(got) != c.width {
			t.Errorf("%q is not %d cells wide", got, c.width)
		}
	}
}
