package talosapi

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"time"
)

// memory is how many lines of a stream are remembered, as hashes, to find the
// place again where it broke.
const memory = 256

var seed = maphash.MakeSeed()

// tail remembers the last lines of a stream.
type tail struct {
	hashes [memory]uint64
	count  int // lines seen so far
}

func (t *tail) add(h uint64) {
	t.hashes[t.count%memory] = h
	t.count++
}

// len is the number of lines remembered.
func (t *tail) len() int { return min(t.count, memory) }

// last is the hash of the line i lines before the last one.
func (t *tail) last(i int) uint64 { return t.hashes[(t.count-1-i)%memory] }

// finder looks for the end of an earlier stream in one that was read anew.
type finder struct {
	seen tail // of the earlier stream
	now  tail // of the new one so far
}

// found takes the next line of the new stream and reports whether the earlier
// stream ended with it: all lines before it, as far as both are remembered, agree.
// Where the new stream begins in the middle of what is remembered, that is taken
// for proof only if the earlier stream's last line was the only one of its kind.
func (f *finder) found(h uint64) bool {
	f.now.add(h)
	if f.seen.len() == 0 || h != f.seen.last(0) {
		return false
	}
	n := min(f.seen.len(), f.now.len())
	for i := 1; i < n; i++ {
		if f.now.last(i) != f.seen.last(i) {
			return false
		}
	}
	return n == f.seen.len() || f.seen.lastIsUnique()
}

func (t *tail) lastIsUnique() bool {
	for i := 1; i < t.len(); i++ {
		if t.last(i) == t.last(0) {
			return false
		}
	}
	return true
}

// hasher hashes the lines of one reading of a log by what stays the same when it
// is read again.
type hasher struct {
	kernel bool
	before time.Time // of the line before, in the kernel log
}

// line hashes the next line. The kernel log's times are worked out anew with each
// reading, so there the time since the line before is taken instead: it is the
// same in each reading, and another in each boot.
func (h *hasher) line(line []byte) uint64 {
	if !h.kernel {
		return maphash.Bytes(seed, line)
	}
	head, rest, ok := bytes.Cut(line, []byte(": ["))
	stamp, text, ok2 := bytes.Cut(rest, []byte("]: "))
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if !ok || !ok2 || err != nil {
		return maphash.Bytes(seed, line)
	}
	var since [8]byte
	if !h.before.IsZero() {
		binary.LittleEndian.PutUint64(since[:], uint64(at.Sub(h.before)))
	}
	h.before = at
	var sum maphash.Hash
	sum.SetSeed(seed)
	for _, part := range [][]byte{head, since[:], text} {
		_, _ = sum.Write(part) // never fails
	}
	return sum.Sum64()
}
