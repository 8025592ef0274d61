package talosapi

import (
	"bytes"
	"hash/maphash"
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

// hashLine hashes a line by what stays the same when it is read again. The kernel
// log's times are worked out anew with each reading, so they are left out there.
func hashLine(line []byte, kernel bool) uint64 {
	if kernel {
		if i := bytes.Index(line, []byte(": [")); i >= 0 {
			if j := bytes.Index(line[i:], []byte("]: ")); j >= 0 {
				var h maphash.Hash
				h.SetSeed(seed)
				_, _ = h.Write(line[:i])     // never fails
				_, _ = h.Write(line[i+j+2:]) // never fails
				return h.Sum64()
			}
		}
	}
	return maphash.Bytes(seed, line)
}
