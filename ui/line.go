package ui

import (
	"context"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// What the cluster does may fill a part of a slow line, never all of it: else
// each frame waits behind the ones before it, and what a key does comes late.
const (
	lineBytes = 80_000 // a second, of the 125,000 of a line of 1 Mbit/s
	lineWait  = 500 * time.Millisecond
)

// line counts what goes to the terminal, and paces the frames that nobody asked
// for. Frames after a key are never held back.
type line struct {
	written atomic.Int64
	before  int64     // written at the last frame let through
	at      time.Time // of it
}

// through is the writer that counts. What the library asks of a terminal it
// still finds there.
func (l *line) through(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		return &countedFile{f, &l.written}
	}
	return &countedWriter{w, &l.written}
}

// wait returns once the line had time for what was written since the last call,
// or ctx has ended. One goroutine may call it.
func (l *line) wait(ctx context.Context) {
	if d := l.rest(time.Now()); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	l.before, l.at = l.written.Load(), time.Now()
}

// rest is how long the line still needs.
func (l *line) rest(now time.Time) time.Duration {
	bytes := l.written.Load() - l.before
	return min(time.Duration(bytes)*time.Second/lineBytes, lineWait) - now.Sub(l.at)
}

type countedFile struct {
	*os.File
	written *atomic.Int64
}

func (c *countedFile) Write(b []byte) (int, error) {
	n, err := c.File.Write(b)
	c.written.Add(int64(n))
	return n, err
}

func (c *countedFile) WriteString(s string) (int, error) { return c.Write([]byte(s)) }

type countedWriter struct {
	io.Writer
	written *atomic.Int64
}

func (c *countedWriter) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.written.Add(int64(n))
	return n, err
}
