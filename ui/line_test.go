package ui

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

func TestLineHoldsBackWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l line
		var got bytes.Buffer
		w := l.through(&got)
		took := func(bytes int) time.Duration {
			if _, err := w.Write(make([]byte, bytes)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			l.wait(t.Context())
			return time.Since(start)
		}
		l.wait(t.Context())
		for _, c := range []struct {
			bytes int
			want  time.Duration
		}{{0, 0}, {lineBytes / 10, 100 * time.Millisecond}, {lineBytes * 10, lineWait}, {0, 0}} {
			if d := took(c.bytes); d != c.want {
				t.Errorf("after %d bytes it waits for %s, want %s", c.bytes, d, c.want)
			}
		}
		time.Sleep(time.Minute)
		if d := took(lineBytes / 2); d != 0 {
			t.Errorf("it waits for %s though the line was idle for a minute", d)
		}
		if got.Len() != lineBytes/10+lineBytes*10+lineBytes/2 {
			t.Errorf("%d bytes came through", got.Len())
		}
	})
}
