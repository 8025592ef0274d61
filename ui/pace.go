package ui

import (
	"reflect"
	"time"
	"unsafe"

	tea "charm.land/bubbletea/v2"
)

const (
	fastPace = time.Second / 60 // while something changes
	slowPace = time.Second      // while nothing does
	calmTime = 500 * time.Millisecond
)

// pacer slows the renderer's ticker down while nothing changes. Bubble Tea wakes
// up at the full frame rate forever, which costs up to one percent of a core
// for a screen that stands still, and offers no way to change that. So its
// ticker is looked up by name; where there is none it keeps its own pace.
type pacer struct {
	ticker **time.Ticker // a field of the program; nil: not found
	fast   bool
	last   time.Time // of the last change
}

// newPacer finds the ticker of the program.
func newPacer(p *tea.Program) pacer {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() {
		return pacer{fast: true}
	}
	return pacer{ticker: (**time.Ticker)(unsafe.Pointer(f.UnsafeAddr())), fast: true}
}

// step is called after each message, in the goroutine that owns the program:
// busy says that there is something to draw or to send.
func (p *pacer) step(busy bool, now time.Time) {
	switch {
	case busy:
		p.last = now
		p.set(true)
	case now.Sub(p.last) > calmTime:
		p.set(false)
	}
}

func (p *pacer) set(fast bool) {
	if fast == p.fast || p.ticker == nil || *p.ticker == nil {
		return
	}
	p.fast = fast
	if fast {
		(*p.ticker).Reset(fastPace)
	} else {
		(*p.ticker).Reset(slowPace)
	}
}

// busy reports whether a message gives the renderer something to do.
func (s *Shell) busy(msg tea.Msg) bool {
	switch msg.(type) {
	case TickMsg, ChangedMsg:
		return s.stale
	default:
		return true
	}
}
