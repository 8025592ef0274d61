package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// tailLines is how much of each log comes before the lines that are written from now on.
const tailLines = 200

// logs follows the chosen selection; a new one ends the streams of the old.
func (l *link) logs(ctx context.Context) {
	client, err := l.waitForTalos(ctx)
	if err != nil {
		return
	}
	end := func() {} // of the selection that is followed
	var streams sync.WaitGroup
	for {
		select {
		case <-ctx.Done():
			end()
			streams.Wait()
			return
		case sources := <-l.s.follow:
			end()
			end = l.followAll(ctx, client, sources, &streams)
		}
	}
}

func (l *link) waitForTalos(ctx context.Context) (*talosapi.Client, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.opened:
		return l.talos.Load(), nil
	}
}

// followAll opens one stream a source into a new generation of the ring, and
// returns what ends them.
func (l *link) followAll(ctx context.Context, client *talosapi.Client, sources []cluster.LogSource, streams *sync.WaitGroup) (end func()) {
	ctx, end = context.WithCancel(ctx)
	f := &follow{
		board: l.s.board, ring: l.s.board.Logs, generation: l.s.board.Logs.Reset(),
		state: cluster.LogState{Sources: sources, Streams: make([]cluster.StreamState, len(sources))},
	}
	f.state.Generation = f.generation
	f.down, f.told = make([]time.Time, len(sources)), make([]uint64, len(sources))
	f.merger = feed.NewMerger(f.ring, f.generation, len(sources))
	now := time.Now()
	for i, source := range sources {
		f.state.Streams[i] = cluster.StreamState{Source: source, State: string(talosapi.StreamConnecting), Since: now}
	}
	f.publish()
	l.releaseLater(ctx, f, streams)
	for i, source := range sources {
		streams.Add(1)
		l.s.opts.Go(func() {
			defer streams.Done()
			client.FollowLogs(ctx, source.Address, source.Service, talosapi.LogOptions{Tail: tailLines, Follow: true},
				func(b talosapi.Batch) { f.take(i, b) },
				func(e talosapi.StreamEvent) { f.event(i, e) })
		})
	}
	return end
}

// together is how long the histories of several logs are waited for, so that
// they can be shown in order of time.
const together = 500 * time.Millisecond

// releaseLater lets the histories through once they had time to come.
func (l *link) releaseLater(ctx context.Context, f *follow, streams *sync.WaitGroup) {
	if len(f.state.Sources) < 2 {
		return
	}
	streams.Add(1)
	l.s.opts.Go(func() {
		defer streams.Done()
		t := time.NewTimer(together)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
			f.merger.Release()
			f.board.Gate.Mark(board.TopicLogs.Set())
		}
	})
}

// follow is one selection being followed.
type follow struct {
	board      *board.Board
	ring       *feed.Ring
	generation uint64
	merger     *feed.Merger

	mu    sync.Mutex
	state cluster.LogState
	down  []time.Time // by source: when it stopped running; zero: never so far
	told  []uint64    // by source: the lines that it had brought by then
}

// take adds a batch to the ring and counts it.
func (f *follow) take(source int, b talosapi.Batch) {
	if !f.merger.Append(uint16(source), b, time.Now()) { //nolint:gosec // the selection holds far fewer
		return
	}
	f.mu.Lock()
	one := &f.state.Streams[source]
	one.Lines += uint64(len(b))
	for _, line := range b {
		one.Bytes += uint64(len(line)) + 1
	}
	f.mu.Unlock()
	f.board.Gate.Mark(board.TopicLogs.Set())
}

// event notes what happened to a stream; gaps and breaks leave a mark in the ring.
func (f *follow) event(source int, e talosapi.StreamEvent) {
	f.mu.Lock()
	one := &f.state.Streams[source]
	since, ran := f.down[source], f.ran(source, e.At)
	switch {
	case string(e.Kind) == one.State:
	case running(string(e.Kind)):
		one.Since = e.At
	case ran || f.down[source].IsZero():
		one.Since, f.down[source], f.told[source] = e.At, e.At, one.Lines
	default:
		one.Since = f.down[source] // it has not run since
	}
	one.State, one.Err = string(e.Kind), e.Err
	name := one.Source.Node + " " + one.Source.Service
	f.mu.Unlock()
	again := !ran && (e.Kind == talosapi.StreamBroken || e.Kind == talosapi.StreamRefused && !since.IsZero())
	if text := markText(name, e, since); text != "" && !again {
		f.merger.Mark(uint16(source), text, e.At) //nolint:gosec // the selection holds far fewer
	}
	f.publish()
}

// lasting is how long a stream that brings no line must be open to count as one that ran.
const lasting = 5 * time.Second

// ran reports whether the stream was open until now, and not just opened in vain
// by another try: it brought lines, or it lasted.
func (f *follow) ran(source int, now time.Time) bool {
	one := &f.state.Streams[source]
	return running(one.State) && (one.Lines > f.told[source] || now.Sub(one.Since) >= lasting)
}

// running reports whether lines come in that state as they are written.
func running(state string) bool {
	switch talosapi.StreamKind(state) {
	case talosapi.StreamFollowing, talosapi.StreamResumed, talosapi.StreamGap:
		return true
	case talosapi.StreamConnecting, talosapi.StreamBroken, talosapi.StreamEnded, talosapi.StreamRefused:
		return false
	default:
		return false
	}
}

// markText is the line that marks an event in the stream; empty: none.
func markText(name string, e talosapi.StreamEvent, since time.Time) string {
	switch e.Kind {
	case talosapi.StreamBroken:
		return name + ": the stream broke: " + e.Err.What
	case talosapi.StreamResumed:
		return fmt.Sprintf("%s: reconnected after %s, %d lines recovered", name, e.At.Sub(since).Round(100*time.Millisecond), e.Lines)
	case talosapi.StreamGap:
		return fmt.Sprintf("%s: reconnected after %s, the place is lost: lines may be missing here", name, e.At.Sub(since).Round(100*time.Millisecond))
	case talosapi.StreamRefused:
		return name + ": " + e.Err.What
	case talosapi.StreamConnecting, talosapi.StreamFollowing, talosapi.StreamEnded:
	}
	return ""
}

// publish copies the state to the board, unless another selection is shown by now.
func (f *follow) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ring.Load().Generation != f.generation {
		return
	}
	state := f.state
	state.Streams = append([]cluster.StreamState(nil), f.state.Streams...)
	f.board.LogState.Set(state, time.Now())
}
