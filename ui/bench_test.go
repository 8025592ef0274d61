package ui

import (
	"testing"

	tea "charm.land/bubbletea/v2"
)

func BenchmarkViewUnchanged(b *testing.B) {
	f := newFakes(Look{}).size(200, 50)
	f.frame()
	b.ReportAllocs()
	for b.Loop() {
		_ = f.View()
	}
}

// BenchmarkViewOneStalePane is the cost of a change in one pane without what
// the pane itself does, which the fakes keep small.
func BenchmarkViewOneStalePane(b *testing.B) {
	f := newFakes(Look{}).size(200, 50)
	f.frame()
	b.ReportAllocs()
	for b.Loop() {
		f.changed(topicLogs.Set())
		_ = f.View()
	}
}

func BenchmarkTick(b *testing.B) {
	f := newFakes(Look{}).size(200, 50)
	f.frame()
	b.ReportAllocs()
	for b.Loop() {
		f.Update(TickMsg{})
		_ = f.View()
	}
}

func BenchmarkKeyToFrame(b *testing.B) {
	f := newFakes(Look{}).size(200, 50)
	f.frame()
	key := keyMsg("j")
	b.ReportAllocs()
	for b.Loop() {
		f.Update(key)
		_ = f.View()
	}
}

func BenchmarkHelpOpen(b *testing.B) {
	f := newFakes(Look{}).size(200, 50)
	f.press("?")
	b.ReportAllocs()
	for b.Loop() {
		f.stale = true
		_ = f.View()
	}
}

func BenchmarkResize(b *testing.B) {
	f := newFakes(Look{}).size(200, 50)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		f.Update(tea.WindowSizeMsg{Width: 190 + n%10, Height: 50})
		_ = f.View()
	}
}

func TestViewUnchangedAllocatesNothing(t *testing.T) {
	f := newFakes(Look{}).size(200, 50)
	first := f.frame()
	if n := testing.AllocsPerRun(100, func() {
		if f.View().Content != first {
			t.Error("the frame changed")
		}
	}); n != 0 {
		t.Errorf("%v allocations for an unchanged frame", n)
	}
}

func TestViewOneStalePaneAllocatesLittle(t *testing.T) {
	f := newFakes(Look{}).size(200, 50)
	f.frame()
	f.logs.th = NewTheme(Look{})
	if n := testing.AllocsPerRun(100, func() {
		f.changed(topicLogs.Set())
		_ = f.View()
	}); n > 200 {
		t.Errorf("%v allocations for one stale pane of 21 lines, most of them its own", n)
	}
}
