package feed

import (
	"context"
	"math/rand/v2"
	"time"
)

// Poller reads one source again and again. It never gives up: after a failure
// it waits longer each time, up to MaxBackoff, and its cell keeps the last value.
type Poller[T any] struct {
	// Read reads the source; ctx carries the deadline Timeout.
	Read func(ctx context.Context) (T, error)
	// Cell receives each outcome.
	Cell *Cell[T]
	// Same reports that two values show the same; nil: each value is a change.
	Same func(a, b T) bool
	// Interval between two reads, and Timeout of one read.
	Interval, Timeout time.Duration
	// MaxBackoff caps the wait after failures; zero: Interval.
	MaxBackoff time.Duration
	// Kick, if not nil, asks for a read at once.
	Kick <-chan struct{}
}

// Run polls until ctx ends.
func (p *Poller[T]) Run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		if p.once(ctx) {
			failures = 0
		} else {
			failures++
		}
		if !p.wait(ctx, p.delay(failures)) {
			return
		}
	}
}

func (p *Poller[T]) once(ctx context.Context) bool {
	call, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	v, err := p.Read(call)
	if ctx.Err() != nil {
		return false // the program ends: that is no news of the source
	}
	now := time.Now()
	if err != nil {
		p.Cell.Fail(err, now)
		return false
	}
	if old := p.Cell.Load(); p.Same != nil && old.Err == nil && old.Has() && p.Same(old.Value, v) {
		p.Cell.Touch(now)
		return true
	}
	p.Cell.Set(v, now)
	return true
}

// delay is the interval, doubled with each failure up to the cap, with a tenth of jitter.
func (p *Poller[T]) delay(failures int) time.Duration {
	d := p.Interval
	limit := max(p.MaxBackoff, p.Interval)
	for range failures {
		if d *= 2; d >= limit {
			d = limit
			break
		}
	}
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

func (p *Poller[T]) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-p.Kick: // a nil channel never fires
	}
	return true
}
