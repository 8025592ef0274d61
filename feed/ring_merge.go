package feed

import (
	"slices"
	"sync"
	"time"
)

// Merger fills a ring from several logs that are opened together. What a log
// had before comes in one piece from each, so it is held until Release, and
// then put in order of time; from then on lines go to the ring as they come.
type Merger struct {
	ring       *Ring
	generation uint64

	mu   sync.Mutex
	open bool
	held []heldLine
}

type heldLine struct {
	text   []byte
	at     time.Time // of arrival
	time   int64     // to sort by, Unix nanoseconds
	source uint16
	mark   bool
}

// NewMerger returns a merger for that generation of the ring. With less than
// two sources there is nothing to put in order: it holds nothing.
func NewMerger(ring *Ring, generation uint64, sources int) *Merger {
	return &Merger{ring: ring, generation: generation, open: sources < 2}
}

// Append adds the lines as Ring.AppendIf does, now or at Release.
func (m *Merger) Append(source uint16, lines [][]byte, at time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		return m.ring.AppendIf(m.generation, source, lines, at)
	}
	last := m.last(source)
	for _, raw := range lines {
		text, _ := safe(raw)
		if t := readLine(text, at).time; t != 0 {
			last = t
		}
		m.held = append(m.held, heldLine{text: slices.Clone(raw), at: at, time: last, source: source})
	}
	return m.ring.Load().Generation == m.generation
}

// last is the time of the latest line held of the source: lines that do not say
// when they were written stay behind it.
func (m *Merger) last(source uint16) int64 {
	for i := len(m.held) - 1; i >= 0; i-- {
		if h := &m.held[i]; h.source == source && !h.mark {
			return h.time
		}
	}
	return 0
}

// Mark adds a mark as Ring.Mark does, now or at Release.
func (m *Merger) Mark(source uint16, text string, at time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		return m.ring.Mark(m.generation, source, text, at)
	}
	m.held = append(m.held, heldLine{text: []byte(text), at: at, time: at.UnixNano(), source: source, mark: true})
	return m.ring.Load().Generation == m.generation
}

// Release puts what is held into the ring, in order of time.
func (m *Merger) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		return
	}
	m.open = true
	slices.SortStableFunc(m.held, func(a, b heldLine) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	var run [][]byte
	for i, h := range m.held {
		if h.mark {
			m.ring.Mark(m.generation, h.source, string(h.text), h.at)
			continue
		}
		run = append(run, h.text)
		if next := i + 1; next == len(m.held) || m.held[next].source != h.source || m.held[next].mark {
			m.ring.AppendIf(m.generation, h.source, run, h.at)
			run = run[:0]
		}
	}
	m.held = nil
}
