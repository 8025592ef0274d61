package session

import (
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// A stream that cannot be opened is told once, with the time since when, and
// not with a mark for each try.
func TestFollowTellsOutagesOnce(t *testing.T) {
	b := board.New(100, 1<<20)
	source := cluster.LogSource{Node: "n1", Service: "kubelet"}
	f := &follow{
		board: b, ring: b.Logs, generation: b.Logs.Load().Generation, down: make([]time.Time, 1), told: make([]uint64, 1),
		state: cluster.LogState{Generation: 1, Sources: []cluster.LogSource{source}, Streams: []cluster.StreamState{{Source: source, State: "connecting"}}},
	}
	f.merger = feed.NewMerger(f.ring, f.generation, 1)
	start := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	at := start
	refused := &cluster.Trouble{Kind: cluster.TroubleRefused, What: "refused"}
	tell := func(kinds ...talosapi.StreamKind) {
		for _, k := range kinds {
			at = at.Add(time.Second)
			e := talosapi.StreamEvent{Kind: k, At: at}
			if k == talosapi.StreamBroken || k == talosapi.StreamRefused {
				e.Err = refused
			}
			f.event(0, e)
		}
	}
	marks := func() (n int) {
		v := b.Logs.Load()
		for _, l := range v.Lines(nil, 0, 100) {
			if l.Level == feed.LevelMark {
				n++
			}
		}
		return n
	}
	tell("connecting", "following", "broken", "connecting", "following", "broken", "connecting", "broken")
	if n := marks(); n != 0 {
		t.Errorf("%d marks for a stream that never ran", n)
	}
	if since := b.LogState.Load().Value.Streams[0].Since; !since.Equal(start.Add(3 * time.Second)) {
		t.Errorf("broken since %v", since)
	}
	tell("connecting", "following")
	f.take(0, talosapi.Batch{[]byte("a line")})
	tell("broken", "connecting", "following", "broken", "connecting", "following", "resumed")
	v := b.Logs.Load()
	var texts []string
	for _, l := range v.Lines(nil, 0, 100) {
		texts = append(texts, l.Text)
	}
	if got := strings.Join(texts, "|"); got != "a line|n1 kubelet: the stream broke: refused|n1 kubelet: reconnected after 6s, 0 lines recovered" {
		t.Errorf("the ring holds %s", got)
	}
	f.take(0, talosapi.Batch{[]byte("more")})
	tell("refused", "connecting", "refused", "connecting", "refused")
	if n := marks(); n != 3 {
		t.Errorf("%d marks, want one more for the refusal", n)
	}
}
