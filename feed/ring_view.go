package feed

import (
	"sort"
	"time"
)

// RingView is the content of a Ring at one moment. It is immutable, and as long
// as it is kept it keeps the lines that it refers to.
type RingView struct {
	Generation  uint64
	First, Next uint64 // sequence numbers of the oldest line and of the one to come
	Memory      int64  // bytes allocated for text and metadata
	Stats       RingStats

	segs []*segment
}

// Line is one log line, safe to be shown.
type Line struct {
	Seq    uint64
	Source int       // number of the source within the selection
	Time   time.Time // as the line itself says, in UTC; zero: it does not say
	Level  Level
	Text   string // the whole line
	Head   int    // length of the prefix of Text that Time and Level were read from; 0: there is none
	Cut    bool   // the line was longer than MaxLine
}

// Len is the number of lines held.
func (v *RingView) Len() int { return int(v.Next - v.First) }

// Has reports whether the line is held.
func (v *RingView) Has(seq uint64) bool { return seq >= v.First && seq < v.Next }

// Line returns a copy of the line; false if it is not held.
func (v *RingView) Line(seq uint64) (Line, bool) {
	if !v.Has(seq) {
		return Line{}, false
	}
	seg := v.segment(seq)
	m := seg.at(seq)
	l := Line{
		Seq: seq, Source: int(m.source), Level: m.level, Head: int(m.head),
		Text: string(seg.arena[m.off : m.off+m.length]),
	}
	if m.time != 0 {
		l.Time = time.Unix(0, m.time).UTC()
	}
	return l, true
}

// Lines appends copies of up to n lines from seq on to dst. It starts at the
// oldest line if seq is older than that.
func (v *RingView) Lines(dst []Line, seq uint64, n int) []Line {
	for seq = max(seq, v.First); n > 0; n-- {
		l, ok := v.Line(seq)
		if !ok {
			break
		}
		dst = append(dst, l)
		seq++
	}
	return dst
}

// raw returns the line's bytes in the arena and its level: to be read, not kept.
func (v *RingView) raw(seq uint64) ([]byte, *lineMeta) {
	seg := v.segment(seq)
	m := seg.at(seq)
	return seg.arena[m.off : m.off+m.length], m
}

func (v *RingView) segment(seq uint64) *segment {
	n := len(v.segs)
	if last := v.segs[n-1]; seq >= last.first {
		return last
	}
	return v.segs[sort.Search(n, func(i int) bool { return v.segs[i].first > seq })-1]
}

func (s *segment) at(seq uint64) *lineMeta {
	i := seq - s.first
	return &s.meta[i/chunkLines][i%chunkLines]
}

// Seek returns the first line held that says it was written at t or later;
// false if there is none. It looks at every line held: some milliseconds for a
// million of them.
func (v *RingView) Seek(t time.Time) (seq uint64, ok bool) {
	want := t.UnixNano()
	for i, s := range v.segs {
		end := v.Next
		if i+1 < len(v.segs) {
			end = v.segs[i+1].first
		}
		for seq := max(s.first, v.First); seq < end; seq++ {
			if at := s.at(seq).time; at != 0 && at >= want {
				return seq, true
			}
		}
	}
	return 0, false
}

// Newest is the time of the last line held that says when it was written; zero
// if none of the last thousand does.
func (v *RingView) Newest() time.Time {
	for seq := v.Next; seq > v.First && v.Next-seq < 1000; seq-- {
		if l := v.segment(seq - 1).at(seq - 1); l.time != 0 {
			return time.Unix(0, l.time).UTC()
		}
	}
	return time.Time{}
}
