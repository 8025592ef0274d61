package feed

import (
	"slices"
	"sync"
	"sync/atomic"
)

// filterBlock is how many lines are searched before the outcome is published.
const filterBlock = 4096

// Filter finds the lines of a ring that a query wants. It searches in a
// goroutine of its own that lives only while there is something to search: the
// latest lines first, so that a screen is filled soon, then backwards to the
// oldest, and new lines as they come. It never holds up whoever appends.
type Filter struct {
	ring   *Ring
	query  Query
	notify func()

	cur    atomic.Pointer[Matches]
	mu     sync.Mutex // of busy and closed
	busy   bool
	closed bool
}

// Matches are the sequence numbers found so far. They are immutable.
type Matches struct {
	Generation uint64
	From, To   uint64 // the lines from From up to but not with To were searched
	Done       bool   // everything held when the search ended was searched

	back []uint64 // falling: found backwards from the start
	fwd  []uint64 // rising: found since
}

// NewFilter starts searching the ring. notify is called from the searching
// goroutine, without any lock held, whenever more is known; it must not wait.
func NewFilter(ring *Ring, query Query, notify func()) *Filter {
	f := &Filter{ring: ring, query: query, notify: notify}
	v := ring.Load()
	f.cur.Store(&Matches{Generation: v.Generation, From: v.Next, To: v.Next, Done: v.Len() == 0})
	f.Advance()
	return f
}

// Query is what is searched for.
func (f *Filter) Query() Query { return f.query }

// Matches returns what was found so far. It never waits.
func (f *Filter) Matches() *Matches { return f.cur.Load() }

// Advance searches lines that came since, if there are any. It never waits.
func (f *Filter) Advance() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy || f.closed || !f.behind() {
		return
	}
	f.busy = true
	if f.ring.Go == nil {
		go f.run()
		return
	}
	f.ring.Go(f.run)
}

// Close ends the search soon; Matches stays as it is.
func (f *Filter) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// behind reports whether lines held were not searched yet.
func (f *Filter) behind() bool {
	v, m := f.ring.Load(), f.cur.Load()
	return v.Generation != m.Generation || m.To < v.Next || m.From > v.First
}

// rest decides, under the lock, whether the goroutine may end.
func (f *Filter) rest() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed && f.behind() {
		return false
	}
	f.busy = false
	return true
}

func (f *Filter) run() {
	for !f.rest() {
		next := f.step(*f.cur.Load())
		f.cur.Store(&next)
		f.notify()
	}
}

// step searches one block: new lines before old ones.
func (f *Filter) step(m Matches) Matches {
	v := f.ring.Load()
	if v.Generation != m.Generation || m.To < v.First {
		m = Matches{Generation: v.Generation, From: v.Next, To: v.Next}
	}
	if m.To < v.Next {
		end := min(v.Next, m.To+filterBlock)
		for seq := max(m.To, v.First); seq < end; seq++ {
			if f.wants(v, seq) {
				m.fwd = append(m.fwd, seq)
			}
		}
		m.To = end
	} else if m.From > v.First {
		end := max(v.First, m.From-min(m.From, filterBlock))
		for seq := m.From - 1; seq >= end; seq-- {
			if f.wants(v, seq) {
				m.back = append(m.back, seq)
			}
		}
		m.From = end
	}
	m.From = max(m.From, min(v.First, m.To))
	m.Done = m.From <= v.First && m.To >= v.Next
	m.trim(v.First)
	return m
}

func (f *Filter) wants(v *RingView, seq uint64) bool {
	text, meta := v.raw(seq)
	return f.query.Wants(text, meta.level)
}

// trim forgets the matches that the ring has dropped once they are the greater part.
func (m *Matches) trim(first uint64) {
	if gone := m.goneBack(first); gone > len(m.back)/2 && gone > filterBlock {
		m.back = slices.Clone(m.back[:len(m.back)-gone])
	}
	if gone := m.goneFwd(first); gone > len(m.fwd)/2 && gone > filterBlock {
		m.fwd = slices.Clone(m.fwd[gone:])
	}
}

// goneBack is the number of entries at the end of back that are before first.
func (m *Matches) goneBack(first uint64) int {
	i, _ := slices.BinarySearchFunc(m.back, first, func(seq, first uint64) int {
		if seq >= first {
			return -1
		}
		return 1
	})
	return len(m.back) - i
}

func (m *Matches) goneFwd(first uint64) int {
	i, _ := slices.BinarySearch(m.fwd, first)
	return i
}

// Count is the number of matches that the view still holds.
func (m *Matches) Count(v *RingView) int {
	if m.Generation != v.Generation {
		return 0
	}
	return len(m.back) - m.goneBack(v.First) + len(m.fwd) - m.goneFwd(v.First)
}

// At returns the i-th match that the view holds, the oldest first.
func (m *Matches) At(v *RingView, i int) uint64 {
	held := len(m.back) - m.goneBack(v.First)
	if i < held {
		return m.back[held-1-i]
	}
	return m.fwd[m.goneFwd(v.First)+i-held]
}

// Index is the place among the matches held by the view of the first one that
// is not before seq; Count if there is none.
func (m *Matches) Index(v *RingView, seq uint64) int {
	lo, hi := 0, m.Count(v)
	for lo < hi {
		mid := (lo + hi) / 2
		if m.At(v, mid) < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
