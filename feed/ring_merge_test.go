package feed

import (
	"strings"
	"testing"
	"time"
)

func TestMergerPutsHistoriesInOrder(t *testing.T) {
	r := NewRing(100, 1<<20)
	m := NewMerger(r, 1, 2)
	m.Append(0, batch("2026-11-23T04:00:01Z INFO a1", "  a1 goes on", "2026-11-23T04:00:05Z INFO a5"), arrival)
	m.Mark(1, "refused", arrival)
	m.Append(1, batch("2026-11-23T04:00:02Z INFO b2", "2026-11-23T04:00:04Z INFO b4"), arrival)
	if r.Load().Len() != 0 {
		t.Fatal("lines came before the release")
	}
	m.Release()
	m.Release()
	m.Append(0, batch("2026-11-23T04:00:00Z INFO late"), arrival)
	var got []string
	for _, l := range r.Load().Lines(nil, 0, 99) {
		got = append(got, strings.TrimSpace(l.Text[l.Head:]))
	}
	if s := strings.Join(got, "|"); s != "a1|a1 goes on|b2|b4|a5|refused|late" {
		t.Errorf("the order is %s", s)
	}
	if l, _ := r.Load().Line(3); l.Source != 1 {
		t.Errorf("b2 is of source %d", l.Source)
	}
}

func TestMergerOfOneSourceHoldsNothing(t *testing.T) {
	r := NewRing(100, 1<<20)
	m := NewMerger(r, 1, 1)
	if !m.Append(0, batch("x"), arrival) || r.Load().Len() != 1 {
		t.Error("the line was held")
	}
}

func TestMergerOfAnOlderGeneration(t *testing.T) {
	r := NewRing(100, 1<<20)
	m := NewMerger(r, 1, 2)
	m.Append(0, batch("x"), arrival)
	r.Reset()
	if m.Append(0, batch("y"), arrival) || m.Mark(0, "z", arrival) {
		t.Error("lines of an older generation are welcome")
	}
	m.Release()
	if r.Load().Len() != 0 {
		t.Error("lines of an older generation were added")
	}
}

func TestMergerCopiesTheCallersBuffer(t *testing.T) {
	r := NewRing(100, 1<<20)
	m := NewMerger(r, 1, 2)
	buf := []byte("mine")
	m.Append(0, [][]byte{buf}, time.Now())
	copy(buf, "evil")
	m.Release()
	if l, _ := r.Load().Line(1); l.Text != "mine" {
		t.Errorf("%q", l.Text)
	}
}
