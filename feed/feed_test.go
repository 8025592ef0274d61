package feed

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCellKeepsTheLastValue(t *testing.T) {
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	broken, worse := errors.New("broken"), errors.New("worse")
	g := NewGate()
	c := NewCell[int](g, 3)
	if s := c.Load(); s.Has() || s.Err != nil || s.Seq != 0 {
		t.Errorf("an empty cell holds %+v", s)
	}
	for i, step := range []struct {
		do    func()
		value int
		at    time.Time
		err   error
		since time.Time
	}{
		{func() { c.Touch(at(0)) }, 0, time.Time{}, nil, time.Time{}},
		{func() { c.Fail(broken, at(0)) }, 0, time.Time{}, broken, at(0)},
		{func() { c.Set(1, at(1)) }, 1, at(1), nil, time.Time{}},
		{func() { c.Touch(at(2)) }, 1, at(2), nil, time.Time{}},
		{func() { c.Fail(broken, at(3)) }, 1, at(2), broken, at(3)},
		{func() { c.Fail(worse, at(4)) }, 1, at(2), worse, at(3)},
		{func() { c.Touch(at(5)) }, 1, at(2), worse, at(3)},
		{func() { c.Part(2, broken, at(6)) }, 2, at(6), broken, at(3)},
		{func() { c.Set(3, at(7)) }, 3, at(7), nil, time.Time{}},
		{func() { c.Part(4, broken, at(8)) }, 4, at(8), broken, at(8)},
		{func() { c.Clear() }, 0, time.Time{}, nil, time.Time{}},
	} {
		before := c.Load()
		step.do()
		s := c.Load()
		if s.Value != step.value || !s.At.Equal(step.at) || !errors.Is(s.Err, step.err) || !s.Since.Equal(step.since) || s.Has() == step.at.IsZero() {
			t.Errorf("step %d: %+v, want %+v", i, s, step)
		}
		shown := s.Value != before.Value || !errors.Is(s.Err, before.Err) || s.Has() != before.Has()
		if shown != (s.Seq > before.Seq) {
			t.Errorf("step %d: the sequence went from %d to %d, a change shows: %v", i, before.Seq, s.Seq, shown)
		}
	}
	if !Topics(g.dirty.Load()).Has(Topic(3).Set()) || Topics(g.dirty.Load()).Has(Topic(2).Set()) {
		t.Errorf("marked %b, want topic 3 alone", g.dirty.Load())
	}
}

func TestGateGathersChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate()
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan Topics, 10)
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.Pump(ctx, time.Second, func(s Topics) { sent <- s })
		}()
		g.Mark(Topic(0).Set())
		if got := <-sent; got != Topic(0).Set() {
			t.Errorf("%b was sent at once, want topic 0 alone", got)
		}
		before := time.Now()
		for range 100 {
			g.Mark(Topic(1).Set())
		}
		g.Mark(Topic(2).Set())
		if got := <-sent; got != Topic(1).Set().With(2) || time.Since(before) != time.Second {
			t.Errorf("%b was sent after %s, want topics 1 and 2 together after a second", got, time.Since(before))
		}
		synctest.Wait()
		if len(sent) != 0 {
			t.Errorf("%b was sent although nothing was marked", <-sent)
		}
		cancel()
		<-done
	})
}
