package feed

import (
	"testing"
	"time"
)

func TestOnBeat(t *testing.T) {
	full := time.Date(2026, 11, 23, 3, 34, 7, 0, time.UTC)
	for _, c := range []struct{ after, wait, want time.Duration }{
		{0, 5 * time.Second, 5 * time.Second},
		{3 * time.Millisecond, 5 * time.Second, 4997 * time.Millisecond},
		{600 * time.Millisecond, 5 * time.Second, 5400 * time.Millisecond},
		{900 * time.Millisecond, 2 * time.Second, 2100 * time.Millisecond},
		{300 * time.Millisecond, 1900 * time.Millisecond, 1900 * time.Millisecond},
		{300 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
	} {
		if got := OnBeat(full.Add(c.after), c.wait); got != c.want {
			t.Errorf("%s after a full second, %s become %s, want %s", c.after, c.wait, got, c.want)
		}
	}
}
