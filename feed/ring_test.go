package feed

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

var arrival = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

func texts(lines []Line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Text
	}
	return out
}

func batch(lines ...string) [][]byte {
	out := make([][]byte, len(lines))
	for i, l := range lines {
		out[i] = []byte(l)
	}
	return out
}

func TestRingReadsBackWhatWasAppended(t *testing.T) {
	r := NewRing(100, 1<<20)
	r.AppendBatch(3, batch("one", "two"), arrival)
	r.AppendBatch(4, batch("three"), arrival)
	v := r.Load()
	if v.First != 1 || v.Next != 4 || v.Len() != 3 {
		t.Fatalf("first %d next %d len %d", v.First, v.Next, v.Len())
	}
	got := v.Lines(nil, 2, 10)
	if len(got) != 2 || got[0].Text != "two" || got[1].Text != "three" || got[0].Source != 3 || got[1].Source != 4 || got[1].Seq != 3 {
		t.Errorf("lines from 2: %+v", got)
	}
	if _, ok := v.Line(4); ok {
		t.Error("a line that is yet to come was returned")
	}
	if _, ok := v.Line(0); ok {
		t.Error("line 0 was returned")
	}
}

func TestRingCopiesTheCallersBuffer(t *testing.T) {
	r := NewRing(100, 1<<20)
	buf := []byte("mine")
	r.AppendBatch(0, [][]byte{buf}, arrival)
	copy(buf, "evil")
	if l, _ := r.Load().Line(1); l.Text != "mine" {
		t.Errorf("text %q changed with the caller's buffer", l.Text)
	}
}

func TestEmptyRingHoldsNoMemory(t *testing.T) {
	if m := NewRing(1<<20, 1<<30).Load().Memory; m != 0 {
		t.Errorf("an empty ring holds %d bytes", m)
	}
	r := NewRing(1<<20, 1<<30)
	r.AppendBatch(0, batch("one"), arrival)
	if m := r.Load().Memory; m > 32<<10 {
		t.Errorf("a ring with one line holds %d bytes", m)
	}
}

func TestRingBoundsLines(t *testing.T) {
	r := NewRing(10, 1<<30)
	for i := range 100 {
		r.AppendBatch(0, batch(fmt.Sprintf("line %02d", i)), arrival)
	}
	v := r.Load()
	if v.Len() != 10 || v.Stats.Received != 100 || v.Stats.Dropped != 90 || v.Stats.DroppedBytes != 90*7 {
		t.Errorf("len %d stats %+v", v.Len(), v.Stats)
	}
	if l, _ := v.Line(v.First); l.Text != "line 90" {
		t.Errorf("oldest is %q", l.Text)
	}
}

func TestRingBoundsBytes(t *testing.T) {
	const limit = 2 << 20
	r := NewRing(1<<30, limit)
	line := []byte(strings.Repeat("x", 999))
	for range 20_000 {
		r.AppendBatch(0, [][]byte{line}, arrival)
		if m := r.Load().Memory; m > limit+arenaSize {
			t.Fatalf("%d bytes held, limit %d", m, limit)
		}
	}
	v := r.Load()
	if v.Stats.Dropped == 0 || int(v.Stats.Dropped)+v.Len() != 20_000 {
		t.Errorf("dropped %d, held %d of 20000", v.Stats.Dropped, v.Len())
	}
	if v.Len() < 1000 {
		t.Errorf("only %d lines held in %d bytes", v.Len(), limit)
	}
}

func TestRingCutsLongLines(t *testing.T) {
	cases := map[string][]byte{
		"ascii":   bytes.Repeat([]byte("a"), 1<<20),
		"utf-8":   bytes.Repeat([]byte("日"), 1<<19),
		"invalid": bytes.Repeat([]byte{0xff}, MaxLine),
	}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			r := NewRing(10, 4<<20)
			r.AppendBatch(0, [][]byte{raw, []byte("next")}, arrival)
			v := r.Load()
			l, _ := v.Line(1)
			if v.Stats.Cut != 1 {
				t.Error("the cut is not told")
			}
			if want := fmt.Sprintf(" … cut here: %d bytes", len(raw)); !strings.HasSuffix(l.Text, want) {
				t.Errorf("ends in %q", l.Text[len(l.Text)-40:])
			}
			if len(l.Text) > MaxLine+48 || !utf8.ValidString(l.Text) {
				t.Errorf("%d bytes, valid %v", len(l.Text), utf8.ValidString(l.Text))
			}
			if next, _ := v.Line(2); next.Text != "next" {
				t.Errorf("the next line is %q", next.Text)
			}
		})
	}
}

func TestRingReset(t *testing.T) {
	r := NewRing(10, 1<<20)
	old := r.Load().Generation
	r.AppendBatch(0, batch("a", "b"), arrival)
	kept := r.Load()
	gen := r.Reset()
	if gen != old+1 || r.Load().Len() != 0 || r.Load().Stats != (RingStats{}) || r.Load().Memory != 0 {
		t.Errorf("generation %d after %d, %+v", gen, old, r.Load())
	}
	if r.AppendIf(old, 0, batch("late"), arrival) || r.Load().Len() != 0 {
		t.Error("a line of the older generation was taken")
	}
	if r.Mark(old, 0, "late", arrival) {
		t.Error("a mark of the older generation was taken")
	}
	if !r.AppendIf(gen, 0, batch("c"), arrival) {
		t.Error("a line of this generation was refused")
	}
	if l, _ := r.Load().Line(3); l.Text != "c" {
		t.Errorf("numbers went back: %+v", l)
	}
	if got := texts(kept.Lines(nil, 0, 9)); strings.Join(got, " ") != "a b" {
		t.Errorf("a view that was kept changed to %v", got)
	}
}

func TestRingMark(t *testing.T) {
	r := NewRing(10, 1<<20)
	r.Mark(1, 2, "reconnected after 4s\x1b[2J", arrival)
	l, _ := r.Load().Line(1)
	if l.Text != "reconnected after 4s" || l.Level != LevelMark || l.Source != 2 || !l.Time.Equal(arrival) {
		t.Errorf("%+v", l)
	}
	if r.Load().Stats.Received != 0 {
		t.Error("a mark was counted as a line received")
	}
}

// Readers look at views while writers append and reset: run with -race.
func TestRingReadersNeverDisturbed(t *testing.T) {
	r := NewRing(5000, 4<<20)
	var writers, readers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			line := []byte(fmt.Sprintf("writer %d %s", w, strings.Repeat("z", 300)))
			for i := range 4000 {
				r.AppendBatch(uint16(w), [][]byte{line, line}, arrival)
				if i%1500 == 1499 && w == 0 {
					r.Reset()
				}
			}
		})
	}
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v := r.Load()
				for _, l := range v.Lines(nil, v.Next-min(v.Next-v.First, 50), 50) {
					if want := fmt.Sprintf("writer %d z", l.Source); !strings.HasPrefix(l.Text, want) {
						t.Errorf("line %d of source %d is %q", l.Seq, l.Source, l.Text)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// FuzzRing holds the ring against a plain slice of cleaned lines.
func FuzzRing(f *testing.F) {
	f.Add([]byte("plain\nlines\n\x1b[31mred\x1b[0m\n\xff\n"), uint16(3), uint16(1))
	f.Add([]byte(`{"ts":1795409336812.1057,"msg":"x","v":0}`+"\n"), uint16(1), uint16(9))
	f.Add(bytes.Repeat([]byte("ab\u202e\n"), 5000), uint16(1000), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, limit, seed uint16) {
		r := NewRing(int(limit), 300<<10)
		rnd := rand.New(rand.NewPCG(uint64(seed), 1))
		var want []string
		lines := bytes.Split(data, []byte{'\n'})
		for len(lines) > 0 {
			n := rnd.IntN(len(lines)) + 1
			r.AppendBatch(seed, lines[:n], arrival)
			for _, l := range lines[:n] {
				want = append(want, Clean(string(l)))
			}
			lines = lines[n:]
		}
		v := r.Load()
		if v.Len() > max(int(limit), 1) || int(v.Stats.Received) != len(want) || int(v.Stats.Dropped)+v.Len() != len(want) {
			t.Fatalf("%d lines: held %d, %+v", len(want), v.Len(), v.Stats)
		}
		for i, l := range v.Lines(nil, 0, v.Len()) {
			w := want[len(want)-v.Len()+i]
			if l.Text != w && !strings.Contains(l.Text, " … cut here: ") {
				t.Fatalf("line %d is %q, want %q", i, l.Text, w)
			}
			if l.Head > len(l.Text) || !utf8.ValidString(l.Text) {
				t.Fatalf("line %q: head %d", l.Text, l.Head)
			}
		}
	})
}

const kubeletLine = `{"ts":1795409336812.1057,"caller":"reconciler/reconciler_common.go:251","msg":"operationExecutor.VerifyControllerAttachedVolume started for volume \"audit\" pod \"kube-apiserver-talos-node-1\"","v":0}`

func BenchmarkRingAppend(b *testing.B) {
	cases := map[string]string{
		"json200":  kubeletLine,
		"klog200":  "I1123 04:55:20.123456    1155 kubelet.go:2400] " + strings.Repeat("text ", 30),
		"apid-utf": "2026/11/23 04:55:20.676034 log.go:106: OK [/machine.MachineService/Version] 572.555µs stream Success {parsed peer's certificate orgs [os:impersonator] as [os:impersonator] (unknownRoles = [])} (:aut",
	}
	for name, line := range cases {
		b.Run(name, func(b *testing.B) {
			r := NewRing(1_000_000, 64<<20)
			lines := make([][]byte, 100)
			for i := range lines {
				lines[i] = []byte(line)
			}
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(lines) {
				r.AppendBatch(0, lines[:min(len(lines), b.N-i)], arrival)
			}
		})
	}
}

func BenchmarkRingWindow(b *testing.B) {
	r := NewRing(1_000_000, 512<<20)
	lines := make([][]byte, 1000)
	for i := range lines {
		lines[i] = []byte(kubeletLine)
	}
	for range 1000 {
		r.AppendBatch(0, lines, arrival)
	}
	v := r.Load()
	if v.Len() != 1_000_000 {
		b.Fatalf("held %d lines in %d bytes", v.Len(), v.Memory)
	}
	b.ReportMetric(float64(v.Memory)/float64(v.Len()), "B/line")
	var dst []Line
	b.ReportAllocs()
	for b.Loop() {
		dst = v.Lines(dst[:0], 500_000, 50)
	}
}
