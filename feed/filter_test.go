package feed

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustQuery(t testing.TB, text string, level Level) Query {
	t.Helper()
	q, err := ParseQuery(text, level)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueryWants(t *testing.T) {
	cases := []struct {
		query string
		min   Level
		text  string
		level Level
		want  bool
	}{
		{"", LevelUnknown, "anything", LevelInfo, true},
		{"evict", LevelUnknown, "must EVICT pod", LevelInfo, true},
		{"EVICT", LevelUnknown, "must evict pod", LevelInfo, true},
		{"evict", LevelUnknown, "evic", LevelInfo, false},
		{"!evict", LevelUnknown, "must evict", LevelInfo, false},
		{"!evict", LevelUnknown, "calm", LevelInfo, true},
		{"/ev.ct/", LevelUnknown, "must evict", LevelInfo, true},
		{"/ev.ct", LevelUnknown, "must evict", LevelInfo, true},
		{"!/^a/", LevelUnknown, "abc", LevelInfo, false},
		{"Ä", LevelUnknown, "eine Änderung", LevelInfo, true},
		{"!", LevelUnknown, "x", LevelInfo, true},
		{"/", LevelUnknown, "x", LevelInfo, true},
		{"", LevelWarn, "x", LevelInfo, false},
		{"", LevelWarn, "x", LevelError, true},
		{"", LevelWarn, "x", LevelUnknown, true},
		{"evict", LevelWarn, "evict", LevelInfo, false},
		{"evict", LevelWarn, "gap of 4s", LevelMark, true},
	}
	for _, c := range cases {
		q := mustQuery(t, c.query, c.min)
		if got := q.Wants([]byte(c.text), c.level); got != c.want {
			t.Errorf("%q from %v wants %q of %v: %v", c.query, c.min, c.text, c.level, got)
		}
	}
	if _, err := ParseQuery("/(/", LevelUnknown); err == nil || !strings.Contains(err.Error(), "not a regular expression") {
		t.Errorf("a broken expression gave %v", err)
	}
}

func TestQueryFind(t *testing.T) {
	for _, c := range []struct {
		query, text string
		start, end  int
	}{
		{"pod", "the POD", 4, 7}, {"/p.d/", "the pod", 4, 7}, {"!pod", "the pod", -1, -1}, {"x", "the pod", -1, -1}, {"", "the pod", -1, -1},
	} {
		q := mustQuery(t, c.query, LevelUnknown)
		if s, e := q.Find([]byte(c.text)); s != c.start || e != c.end {
			t.Errorf("%q in %q: %d to %d", c.query, c.text, s, e)
		}
	}
}

func FuzzIndexFold(f *testing.F) {
	f.Add("Hello World", "world")
	f.Add("aAaAb", "aab")
	f.Fuzz(func(t *testing.T, text, needle string) {
		fold := func(s string) string {
			b := []byte(s)
			for i := range b {
				b[i] = lower(b[i])
			}
			return string(b)
		}
		if needle == "" {
			return
		}
		want := strings.Index(fold(text), fold(needle))
		if got := indexFold([]byte(text), []byte(fold(needle)), rarest([]byte(fold(needle)))); got != want {
			t.Fatalf("%q in %q: %d, want %d", needle, text, got, want)
		}
	})
}

// settled waits until the filter has searched all that the ring holds.
func settled(t testing.TB, f *Filter, told <-chan struct{}) *Matches {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		f.Advance()
		if m := f.Matches(); m.Done && !f.behind() {
			return m
		}
		select {
		case <-told:
		case <-limit:
			t.Fatal("the filter did not come to an end")
		}
	}
}

func newTold() (chan struct{}, func()) {
	c := make(chan struct{}, 1)
	return c, func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func fill(r *Ring, from, n int) {
	lines := make([][]byte, n)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, "line %d", from+i)
		if (from+i)%10 == 0 {
			lines[i] = fmt.Appendf(nil, "line %d EVICT", from+i)
		}
	}
	r.AppendBatch(0, lines, arrival)
}

func held(m *Matches, v *RingView) []uint64 {
	var out []uint64
	for i := range m.Count(v) {
		out = append(out, m.At(v, i))
	}
	return out
}

func TestFilterFindsOldAndNew(t *testing.T) {
	r := NewRing(50_000, 64<<20)
	fill(r, 1, 20_000)
	told, notify := newTold()
	f := NewFilter(r, mustQuery(t, "evict", LevelUnknown), notify)
	m, v := settled(t, f, told), r.Load()
	if m.Count(v) != 2000 || m.At(v, 0) != 10 || m.At(v, 1999) != 20_000 {
		t.Fatalf("%d matches", m.Count(v))
	}
	fill(r, 20_001, 40_000) // drops the first 10,000
	m, v = settled(t, f, told), r.Load()
	got := held(m, v)
	if len(got) != 5000 || got[0] != 10_010 || got[4999] != 60_000 || !slices.IsSorted(got) {
		t.Fatalf("%d matches from %d to %d", len(got), got[0], got[len(got)-1])
	}
	if i := m.Index(v, 30_001); got[i] != 30_010 {
		t.Errorf("the match behind 30001 is %d", got[i])
	}
	if i := m.Index(v, 1<<40); i != len(got) {
		t.Errorf("the match behind the end is number %d", i)
	}
}

func TestFilterSearchesTheTailFirst(t *testing.T) {
	r := NewRing(1<<20, 256<<20)
	fill(r, 1, 100_000)
	f := &Filter{ring: r, query: mustQuery(t, "evict", LevelUnknown)}
	v := r.Load()
	m := f.step(Matches{Generation: v.Generation, From: v.Next, To: v.Next})
	got := held(&m, v)
	if m.Done || len(got) == 0 || got[len(got)-1] != 100_000 || got[0] < 100_000-filterBlock {
		t.Errorf("the first block gave %v", got)
	}
}

func TestFilterStartsAnewAfterReset(t *testing.T) {
	r := NewRing(1000, 1<<20)
	fill(r, 1, 500)
	told, notify := newTold()
	f := NewFilter(r, mustQuery(t, "evict", LevelUnknown), notify)
	settled(t, f, told)
	r.Reset()
	if n := f.Matches().Count(r.Load()); n != 0 {
		t.Errorf("%d matches of the older generation", n)
	}
	fill(r, 1, 25)
	if m := settled(t, f, told); m.Count(r.Load()) != 2 {
		t.Errorf("%d matches after the reset", m.Count(r.Load()))
	}
}

func TestFilterClose(t *testing.T) {
	r := NewRing(1000, 1<<20)
	told, notify := newTold()
	f := NewFilter(r, mustQuery(t, "evict", LevelUnknown), notify)
	settled(t, f, told)
	f.Close()
	fill(r, 1, 100)
	f.Advance()
	if f.busy {
		t.Error("a closed filter searches")
	}
}

// The filter searches while lines come and go: run with -race.
func TestFilterBesideWriter(t *testing.T) {
	r := NewRing(3000, 1<<20)
	told, notify := newTold()
	f := NewFilter(r, mustQuery(t, "evict", LevelUnknown), notify)
	for i := range 200 {
		fill(r, i*100, 100)
		f.Advance()
		v, m := r.Load(), f.Matches()
		for _, seq := range held(m, v) {
			if l, ok := v.Line(seq); !ok || !strings.HasSuffix(l.Text, "EVICT") {
				t.Fatalf("match %d is %q, held %v", seq, l.Text, ok)
			}
		}
	}
	if n := settled(t, f, told).Count(r.Load()); n != 300 {
		t.Errorf("%d matches at the end, want 300", n)
	}
}

func BenchmarkFilterMillion(b *testing.B) {
	r := NewRing(1_000_000, 512<<20)
	lines := make([][]byte, 1000)
	for i := range lines {
		lines[i] = []byte(kubeletLine)
	}
	lines[500] = []byte(strings.Replace(kubeletLine, "started", "EVICTED", 1))
	for range 1000 {
		r.AppendBatch(0, lines, arrival)
	}
	for name, text := range map[string]string{"substring": "evicted", "regexp": "/EVICT(ED)?/"} {
		q := mustQuery(b, text, LevelUnknown)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				told, notify := newTold()
				if n := settled(b, NewFilter(r, q, notify), told).Count(r.Load()); n != 1000 {
					b.Fatalf("%d matches", n)
				}
			}
		})
	}
}
