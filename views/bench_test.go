package views

import (
	"fmt"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// big fills the board with as much as the cockpit is made for.
func (x *theatre) big(lines int) *theatre {
	x.reference()
	inv := cluster.Inventory{}
	for i := range 500 {
		inv.Nodes = append(inv.Nodes, referenceNode(fmt.Sprintf("node-%03d.example", i), fmt.Sprintf("10.0.%d.%d", i/250, i%250), cluster.RoleWorker))
	}
	x.board.Nodes.Set(inv, noon)
	list := cluster.FluxList{Installed: true}
	few := referenceFlux().Objects
	for i := range 1000 {
		o := few[i%len(few)]
		o.Name = fmt.Sprintf("%s-%04d", o.Name, i)
		list.Objects = append(list.Objects, o)
	}
	x.board.Flux.Set(list, noon)
	batch := make([][]byte, 1000)
	for i := range batch {
		batch[i] = logLine(i)
	}
	for range lines / len(batch) {
		x.board.Logs.AppendBatch(0, batch, noon)
	}
	return x
}

// BenchmarkRender draws each pane at 200x50, with nothing new on the board.
func BenchmarkRender(b *testing.B) {
	x := newTheatre(ui.Look{}).big(1_000_000)
	for _, scope := range []keymap.Scope{keymap.Nodes, keymap.Logs, keymap.Flux, keymap.Exchange} {
		p := x.pane(scope)
		p.Render(200, 50, true)
		b.Run(string(scope), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Render(200, 50, true)
			}
		})
	}
}

// BenchmarkChange draws after a new snapshot, which is measured and sorted anew.
func BenchmarkChange(b *testing.B) {
	x := newTheatre(ui.Look{}).big(1000)
	inv, list := x.board.Nodes.Load().Value, x.board.Flux.Load().Value
	b.Run("nodes500", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.board.Nodes.Set(inv, noon)
			x.pane(keymap.Nodes).Render(200, 50, true)
		}
	})
	b.Run("flux1000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.board.Flux.Set(list, noon)
			x.pane(keymap.Flux).Render(200, 50, true)
		}
	})
}

func BenchmarkBar(b *testing.B) {
	x := newTheatre(ui.Look{}).big(1000)
	bar := Bar(x.board, x.th)
	b.ReportAllocs()
	for b.Loop() {
		bar(noon, 200)
	}
}

// Drawing a window must cost the same however much lies outside of it.
func TestWindowCostsTheSame(t *testing.T) {
	small, big := newTheatre(ui.Look{}).reference(), newTheatre(ui.Look{}).big(100_000)
	for _, scope := range []keymap.Scope{keymap.Nodes, keymap.Logs, keymap.Flux} {
		p, q := small.pane(scope), big.pane(scope)
		p.Render(120, 30, true)
		q.Render(120, 30, true)
		few := testing.AllocsPerRun(20, func() { p.Render(120, 30, true) })
		many := testing.AllocsPerRun(20, func() { q.Render(120, 30, true) })
		rows := 30.0
		if perRow := many / rows; perRow > 60 || (few > 0 && many > 12*few) {
			t.Errorf("%s: %v allocations with much, %v with little", scope, many, few)
		}
	}
}
