package kubed

import (
	"sync"
	"time"
)

// Call is one request that the API has taken.
type Call struct {
	At        time.Time // by the simulated clock
	User      string
	UserAgent string
	Verb      string // the API verb, such as patch or watch
	Path      string // with the query
}

// callLog keeps the latest calls when it is switched on.
type callLog struct {
	mu    sync.Mutex
	limit int
	calls []Call
}

// RecordCalls keeps the latest limit calls from now on; zero stops and forgets them.
func (s *Server) RecordCalls(limit int) {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.limit, s.calls.calls = limit, nil
}

// Calls returns the recorded calls, the oldest first.
func (s *Server) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return append([]Call(nil), s.calls.calls...)
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit <= 0 {
		return
	}
	if len(l.calls) >= l.limit {
		l.calls = append(l.calls[:0:0], l.calls[len(l.calls)-l.limit+1:]...)
	}
	l.calls = append(l.calls, c)
}
