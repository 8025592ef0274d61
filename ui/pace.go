package ui

import (
	"reflect"
	"sync"
	"time"
	"unsafe"

	tea "charm.land/bubbletea/v2"
)

const (
	quickPace = 2 * time.Millisecond // the first frame, and what a key does, wait for nothing
	fastPace  = time.Second / 60     // while something changes
	slowPace  = 5 * time.Second      // while nothing does
	calmTime  = 3 * fastPace         // after a change: enough to draw it
)

// pacer slows the renderer's ticker down while nothing changes. Bubble Tea wakes
// up at the full frame rate forever, which costs up to one percent of a core
// for a screen that stands still, and offers no way to change that. So its
// ticker is looked up by name; where there is none it keeps its own pace.
type pacer struct {
	ticker **time.Ticker // a field of the program; nil: not found

	mu    sync.Mutex
	pace  time.Duration // of the ticker now; 0: Bubble Tea's own
	quick time.Time     // when the quick pace was asked for last
	calm  *time.Timer   // slows down
	over  bool          // the program has ended
}

// newPacer finds the ticker of the program.
func newPacer(p *tea.Program) *pacer {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() {
		return &pacer{}
	}
	return &pacer{ticker: (**time.Ticker)(unsafe.Pointer(f.UnsafeAddr()))}
}

// hurry says that there is something to draw or to send. A quick pace lasts at
// least for a frame. It is called in the goroutine that owns the program.
func (p *pacer) hurry(pace time.Duration) {
	if p == nil || p.ticker == nil || *p.ticker == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	switch now := time.Now(); {
	case pace == quickPace:
		p.quick = now
	case now.Sub(p.quick) < fastPace:
		pace = quickPace
	}
	p.set(*p.ticker, pace)
	if p.calm == nil {
		t := *p.ticker
		p.calm = time.AfterFunc(calmTime, func() { p.slow(t) })
	} else {
		p.calm.Reset(calmTime)
	}
}

func (p *pacer) slow(t *time.Ticker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.set(t, slowPace)
	}
}

func (p *pacer) set(t *time.Ticker, pace time.Duration) {
	if pace != p.pace {
		p.pace = pace
		t.Reset(pace)
	}
}

// end leaves the ticker alone from now on.
func (p *pacer) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.calm != nil {
		p.calm.Stop()
	}
}

// hurryAfter is hurry after a message that may make Bubble Tea write something
// besides the view; what changes the view is known when it is built.
func (p *pacer) hurryAfter(msg tea.Msg) {
	switch msg.(type) {
	case TickMsg, ChangedMsg:
	case tea.KeyPressMsg, tea.MouseClickMsg:
		p.hurry(quickPace)
	default:
		p.hurry(fastPace)
	}
}
