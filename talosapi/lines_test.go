package talosapi

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// feedAll splits data that comes in chunks of the given size.
func feedAll(data []byte, chunk int) (out []string) {
	var s splitter
	for len(data) > 0 {
		n := min(chunk, len(data))
		for _, l := range s.feed(bytes.Clone(data[:n])) {
			out = append(out, string(l))
		}
		data = data[n:]
	}
	if l, ok := s.rest(); ok {
		out = append(out, string(l))
	}
	return out
}

func TestSplitter(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"a\n", []string{"a"}},
		{"a\nb", []string{"a", "b"}},
		{"\n\na\n", []string{"", "", "a"}},
		{"one\r\ntwo\r\n", []string{"one", "two"}},
		{"a\rb\n", []string{"a\rb"}},
		{strings.Repeat("long ", 3000) + "\nshort\n", []string{strings.Repeat("long ", 3000), "short"}},
		{"caf\xc3\xa9 \xff\xfe\n\x1b[31mred\n", []string{"caf\xc3\xa9 \xff\xfe", "\x1b[31mred"}},
	} {
		for _, chunk := range []int{1, 2, 3, 7, 1024, 1 << 20} {
			if got := feedAll([]byte(tc.in), chunk); !slices.Equal(got, tc.want) {
				t.Errorf("%.40q in chunks of %d: %.80q, want %.80q", tc.in, chunk, got, tc.want)
			}
		}
	}
}

func TestSplitterCutsLongLines(t *testing.T) {
	in := strings.Repeat("x", MaxLine+10) + "\nnext\n"
	for _, chunk := range []int{1024, MaxLine - 1, 4 << 20} {
		got := feedAll([]byte(in), chunk)
		if len(got) != 2 || got[0] != strings.Repeat("x", MaxLine)+" [line cut: 10 more bytes]" || got[1] != "next" {
			t.Errorf("chunks of %d: %d lines, the first ends %q", chunk, len(got), got[0][max(0, len(got[0])-40):])
		}
	}
}

func TestSplitterKeepsNoLargeBuffer(t *testing.T) {
	var s splitter
	s.feed(bytes.Repeat([]byte("x"), MaxLine/2))
	s.feed([]byte("\nshort\nopen"))
	s.feed([]byte("ed\nopen"))
	if c := cap(s.open) + cap(s.spare); c > 2*keepBuffer {
		t.Errorf("%d bytes are kept", c)
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"), 3)
	f.Fuzz(func(t *testing.T, in []byte, chunk int) {
		if chunk < 1 || chunk > 1<<16 {
			t.Skip("not a chunk size")
		}
		var want []string
		for l := range strings.Lines(string(in)) {
			want = append(want, strings.TrimSuffix(strings.TrimSuffix(l, "\n"), "\r"))
		}
		if len(in) > 0 && in[len(in)-1] == '\r' && len(want) > 0 {
			want[len(want)-1] = strings.TrimSuffix(want[len(want)-1], "\r")
		}
		if got := feedAll(in, chunk); len(in) < MaxLine && !slices.Equal(got, normal(want, in)) {
			t.Errorf("%q in chunks of %d: %q, want %q", in, chunk, got, want)
		}
	})
}

// normal drops an empty last line, which no line end asks for.
func normal(want []string, in []byte) []string {
	if n := len(want); n > 0 && want[n-1] == "" && in[len(in)-1] != '\n' && in[len(in)-1] != '\r' {
		return want[:n-1]
	}
	return want
}

func BenchmarkSplitter(b *testing.B) {
	line := []byte(`{"ts":1795409336851.5,"caller":"kubelet/kubelet.go:2537","msg":"SyncLoop (PLEG): event for pod","v":2}` + "\n")
	data := bytes.Repeat(line, 10_000)
	var chunks [][]byte
	for c := range slices.Chunk(data, 1024) {
		chunks = append(chunks, c)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var s splitter
	var seen tail
	var h hasher
	for b.Loop() {
		for _, c := range chunks {
			for _, l := range s.feed(c) {
				seen.add(h.line(l)) // as the follower does
			}
		}
	}
}

func TestFinder(t *testing.T) {
	lines := func(from, to int) (out []string) {
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprint("line ", i))
		}
		return out
	}
	same := func(n int) []string { return slices.Repeat([]string{"same"}, n) }
	for name, tc := range map[string]struct {
		before, again []string
		want          int // lines of again that are new; negative: the place is gone
	}{
		"went on":                   {lines(0, 10), lines(0, 15), 5},
		"nothing new":               {lines(0, 10), lines(0, 10), 0},
		"oldest lines fell out":     {lines(0, 10), lines(7, 15), 5},
		"only the last is left":     {lines(0, 10), lines(9, 15), 5},
		"more than is remembered":   {lines(0, 3000), lines(0, 3004), 4},
		"all is gone":               {lines(0, 10), lines(10, 20), -1},
		"a new boot":                {lines(0, 10), append([]string{"boot"}, lines(0, 5)...), -1},
		"equal lines":               {same(5), same(8), 3},
		"equal lines, then another": {append(same(5), "end"), append(append(same(5), "end"), same(4)...), 4},
		"the last line came before": {[]string{"a", "b", "a"}, []string{"x", "a", "b", "a", "c"}, 1},
		"empty again":               {lines(0, 10), nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			var f finder
			var h hasher
			for _, l := range tc.before {
				f.seen.add(h.line([]byte(l)))
			}
			got := -1
			for i, l := range tc.again {
				if f.found(h.line([]byte(l))) {
					got = len(tc.again) - i - 1
					break
				}
			}
			if got != tc.want {
				t.Errorf("%d lines are new, want %d", got, tc.want)
			}
		})
	}
}

func TestKernelLinesAreKnownAgain(t *testing.T) {
	read := func(lines ...string) (out []uint64) {
		h := hasher{kernel: true}
		for _, l := range lines {
			out = append(out, h.line([]byte(l)))
		}
		return out
	}
	a := read("kern:  notice: [2026-11-23T03:34:06.622121255Z]: Linux version 6.18.44", "kern:    info: [2026-11-23T03:34:06.622126255Z]: Command line: x")
	again := read("kern:  notice: [2026-11-23T03:34:06.435357522Z]: Linux version 6.18.44", "kern:    info: [2026-11-23T03:34:06.435362522Z]: Command line: x")
	boot := read("kern:  notice: [2026-11-23T03:44:06.435357522Z]: Linux version 6.18.44", "kern:    info: [2026-11-23T03:44:06.435363522Z]: Command line: x")
	other := read("kern:  notice: [2026-11-23T03:34:06.435357522Z]: Linux version 6.18.45", "no time at all")
	if !slices.Equal(a, again) || a[1] == boot[1] || a[0] == other[0] || a[1] == other[1] {
		t.Errorf("hashes %x %x %x %x", a, again, boot, other)
	}
}
