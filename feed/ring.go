package feed

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
	"unsafe"
)

// MaxLine is the length in bytes at which a log line is cut, visibly and counted.
const MaxLine = 64 << 10

const (
	firstArena  = 16 << 10  // size of a ring's first arena; each next one doubles
	arenaSize   = 256 << 10 // size of a full-grown arena
	chunkLines  = 256       // lines whose metadata are allocated at once
	chunksInSeg = 16
	metaSize    = int64(unsafe.Sizeof(lineMeta{}))
)

// Ring keeps the latest log lines, bounded in lines and in bytes. Writers take
// a lock among themselves; readers never wait: they Load an immutable view.
// Lines are numbered from 1 on; a number is never used again, not even after
// Reset. An empty ring holds no memory.
type Ring struct {
	// Go runs the searches of filters, each in a goroutine of its own; nil: plain
	// ones. It is set before the first filter is made.
	Go func(f func())

	maxLines uint64
	maxBytes int64

	mu    sync.Mutex // writers only
	used  int        // bytes used of the last segment's arena
	grown int        // size of the last arena
	cur   atomic.Pointer[RingView]
}

// RingStats counts since the last Reset.
type RingStats struct {
	Received      uint64 // lines appended
	ReceivedBytes uint64 // of these lines, as they came
	Dropped       uint64 // lines that the bounds pushed out
	DroppedBytes  uint64 // of these lines, as they were kept
	Cut           uint64 // lines longer than MaxLine
}

// segment is an append-only arena of text and the metadata of its lines. What a
// published view refers to is never written again.
type segment struct {
	first uint64 // sequence number of its first line
	arena []byte // of fixed length
	meta  [chunksInSeg]*[chunkLines]lineMeta
}

type lineMeta struct {
	time   int64 // Unix nanoseconds; 0: unknown
	off    uint32
	length uint32
	source uint16
	head   uint16 // bytes of the recognised prefix: time, level, priority
	level  Level
}

// NewRing returns an empty ring that keeps at most maxLines lines and about
// maxBytes bytes of memory, metadata included. Whole segments are given up, so
// that the bytes are never more than maxBytes and one segment of 256 KiB.
func NewRing(maxLines int, maxBytes int64) *Ring {
	r := &Ring{maxLines: uint64(max(maxLines, 1)), maxBytes: max(maxBytes, 1)}
	r.cur.Store(&RingView{Generation: 1, First: 1, Next: 1})
	return r
}

// Load returns the present content. It never waits.
func (r *Ring) Load() *RingView { return r.cur.Load() }

// Reset empties the ring, begins a new generation and returns its number.
func (r *Ring) Reset() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.cur.Load()
	v := &RingView{Generation: old.Generation + 1, First: old.Next, Next: old.Next}
	r.used, r.grown = 0, 0
	r.cur.Store(v)
	return v.Generation
}

// AppendBatch adds lines of one source that came at the given time, in order.
// The lines are made safe as Clean does it, and copied: the caller may use its
// buffers again. The time of arrival serves only to complete times without a
// year; a line without a time of its own has none.
func (r *Ring) AppendBatch(source uint16, lines [][]byte, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(source, lines, at)
}

// AppendIf is AppendBatch for streams that may outlive their selection: it adds
// nothing and returns false if the ring is of another generation by now.
func (r *Ring) AppendIf(generation uint64, source uint16, lines [][]byte, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cur.Load().Generation != generation {
		return false
	}
	r.append(source, lines, at)
	return true
}

// Mark adds a line that no node wrote, such as the note of a gap in a stream,
// unless the ring is of another generation by now. Its level is LevelMark.
func (r *Ring) Mark(generation uint64, source uint16, text string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cur.Load().Generation != generation {
		return false
	}
	v := *r.cur.Load()
	m := lineMeta{time: at.UnixNano(), source: source, level: LevelMark}
	r.store(&v, []byte(Clean(text)), m)
	r.publish(&v)
	return true
}

func (r *Ring) append(source uint16, lines [][]byte, at time.Time) {
	if len(lines) == 0 {
		return
	}
	v := *r.cur.Load()
	for _, raw := range lines {
		v.Stats.Received++
		v.Stats.ReceivedBytes += uint64(len(raw))
		text, cut := safe(raw)
		if cut {
			v.Stats.Cut++
		}
		m := readLine(text, at)
		m.source = source
		r.store(&v, text, m)
	}
	r.publish(&v)
}

// safe returns the line cleaned and cut to MaxLine. The result is raw itself
// where there was nothing to do.
func safe(raw []byte) (text []byte, cut bool) {
	head := raw
	if len(raw) > MaxLine {
		head, cut = raw[:MaxLine], true
	}
	if !plain(head) {
		// The string is only read, and only during the call: Clean returns it
		// or a copy, and both are copied into the arena at once.
		s := Clean(unsafe.String(unsafe.SliceData(head), len(head)))
		head = unsafe.Slice(unsafe.StringData(s), len(s))
		if len(head) > MaxLine {
			head, cut = head[:MaxLine], true
		}
	}
	if !cut {
		return head, false
	}
	for n := 0; n < utf8.UTFMax && len(head) > 0; n++ {
		if c, size := utf8.DecodeLastRune(head); c != utf8.RuneError || size != 1 {
			break
		}
		head = head[:len(head)-1]
	}
	marked := make([]byte, 0, len(head)+48)
	marked = append(marked, head...)
	marked = append(marked, " … cut here: "...)
	marked = strconv.AppendInt(marked, int64(len(raw)), 10)
	return append(marked, " bytes"...), true
}

// plain reports whether b is printable ASCII throughout, eight bytes at a time.
func plain(b []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		// A byte is below 0x20 if subtracting borrows, above 0x7e if adding one carries.
		if (w|(w-ones*0x20)|(w+ones))&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

// store copies one line behind the last one of v.
func (r *Ring) store(v *RingView, text []byte, m lineMeta) {
	seg := r.room(v, len(text))
	i := int(v.Next - seg.first)
	if seg.meta[i/chunkLines] == nil {
		seg.meta[i/chunkLines] = new([chunkLines]lineMeta)
		v.Memory += chunkLines * metaSize
	}
	m.off, m.length = uint32(r.used), uint32(len(text))
	copy(seg.arena[r.used:], text)
	r.used += len(text)
	seg.meta[i/chunkLines][i%chunkLines] = m
	v.Next++
}

// room returns the last segment if the line fits, else a new one.
func (r *Ring) room(v *RingView, need int) *segment {
	if n := len(v.segs); n > 0 {
		last := v.segs[n-1]
		if r.used+need <= len(last.arena) && v.Next-last.first < chunkLines*chunksInSeg {
			return last
		}
	}
	size := min(max(r.grown*2, firstArena), arenaSize)
	r.grown = size
	seg := &segment{first: v.Next, arena: make([]byte, max(size, need))}
	r.used = 0
	v.Memory += int64(len(seg.arena))
	segs := make([]*segment, len(v.segs), len(v.segs)+1)
	copy(segs, v.segs)
	v.segs = append(segs, seg)
	r.evict(v)
	return seg
}

// evict gives up the oldest segments until the bytes are within the bound; the
// last segment always stays.
func (r *Ring) evict(v *RingView) {
	for len(v.segs) > 1 && v.Memory > r.maxBytes {
		r.forget(v, v.segs[1].first)
	}
}

// forget drops the lines before seq, and the segments that hold none other.
func (r *Ring) forget(v *RingView, seq uint64) {
	gone := 0
	for ; v.First < seq; v.First++ {
		for gone+1 < len(v.segs) && v.segs[gone+1].first <= v.First {
			gone++
		}
		v.Stats.Dropped++
		v.Stats.DroppedBytes += uint64(v.segs[gone].at(v.First).length)
	}
	if gone+1 < len(v.segs) && v.segs[gone+1].first <= v.First {
		gone++
	}
	if gone == 0 {
		return
	}
	for _, s := range v.segs[:gone] {
		v.Memory -= s.memory()
	}
	v.segs = append([]*segment(nil), v.segs[gone:]...)
}

func (s *segment) memory() int64 {
	n := int64(len(s.arena))
	for _, c := range s.meta {
		if c != nil {
			n += chunkLines * metaSize
		}
	}
	return n
}

func (r *Ring) publish(v *RingView) {
	if n := v.Next - v.First; n > r.maxLines {
		r.forget(v, v.Next-r.maxLines)
	}
	r.cur.Store(v)
}
