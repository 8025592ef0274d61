// Package views holds the panes: what the board says, drawn as lines, and keys,
// as actions, turned into what the board's Acts can do. Panes share nothing
// but the desk: which node the operator is looking at.
package views

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// New returns the panes in the order of their numbers: Nodes, Logs, Flux and
// Exchange. now is the clock that ages are counted by.
func New(b *board.Board, acts board.Acts, th *ui.Theme, now func() time.Time) []ui.Pane {
	d := &desk{board: b, acts: acts, th: th, now: now}
	return []ui.Pane{newNodes(d), newLogs(d), newFlux(d), newExchange(d)}
}

// desk is what the panes have in common.
type desk struct {
	board *board.Board
	acts  board.Acts
	th    *ui.Theme
	now   func() time.Time
	node  string // under the cursor of the Nodes pane
}

// find returns the node of that name from the latest inventory.
func (d *desk) find(name string) (cluster.Node, bool) {
	for _, n := range d.board.Nodes.Load().Value.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return cluster.Node{}, false
}

// locked says why nothing may be done; empty if actions are allowed.
func (d *desk) locked() string {
	s := d.board.Status.Load()
	switch {
	case !s.Has():
		return "not connected yet"
	case s.Value.ReadOnly != "":
		return s.Value.ReadOnly
	case s.Value.Proof == cluster.ProofSame:
		return ""
	case s.Value.ProofWhy != "":
		return string(s.Value.Proof) + ": " + s.Value.ProofWhy
	default:
		return string(s.Value.Proof)
	}
}

// age is how long ago t was, by the desk's clock.
func (d *desk) age(t time.Time) string { return age(d.now().Sub(t)) }

// age shows a duration in one unit, so coarse that it seldom changes: five
// seconds, minutes, hours, days.
func age(d time.Duration) string {
	switch {
	case d < 5*time.Second:
		return "<5s"
	case d < time.Minute:
		return itoa(int(d/time.Second)/5*5) + "s"
	case d < time.Hour:
		return itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		return itoa(int(d/time.Hour)) + "h"
	default:
		return itoa(int(d/(24*time.Hour))) + "d"
	}
}

// ages remembers the ages that a pane has drawn.
type ages struct {
	desk  *desk
	shown []shownAge
}

type shownAge struct {
	at   time.Time
	text string
}

func (a *ages) reset() { a.shown = a.shown[:0] }

// of returns the age of t and remembers it; "?" for no time.
func (a *ages) of(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	text := a.desk.age(t)
	a.shown = append(a.shown, shownAge{t, text})
	return text
}

// differ reports whether an age drawn would be another one now.
func (a *ages) differ() bool {
	for _, s := range a.shown {
		if a.desk.age(s.at) != s.text {
			return true
		}
	}
	return false
}

// send is a command that only hands the message to the shell.
func send(msg tea.Msg) tea.Cmd { return func() tea.Msg { return msg } }

func toast(text string) tea.Cmd { return send(ui.ToastMsg{Text: text}) }

// prompt is the line that a pane types into.
type prompt struct {
	ui.Input
	label string
	open  bool
	err   string
}

func (p *prompt) start(label, text string) {
	p.label, p.open, p.err = label, true, ""
	p.Set(text)
}

// typed is what a key did to the prompt.
type typed int

const (
	typedNothing typed = iota // not for the prompt
	typedText
	typedAccept
	typedCancel
)

// maxPrompt is far more than anybody types.
const maxPrompt = 512

// take handles a key or a paste.
func (p *prompt) take(msg tea.Msg) typed {
	switch msg := msg.(type) {
	case tea.PasteMsg:
		p.Insert(msg.Content[:min(len(msg.Content), maxPrompt)])
		return typedText
	case tea.KeyPressMsg:
		ctrl := msg.Mod&tea.ModCtrl != 0
		switch {
		case msg.Code == tea.KeyEnter:
			return typedAccept
		case msg.Code == tea.KeyEscape, ctrl && msg.Code == 'c':
			return typedCancel
		case p.Key(msg):
			return typedText
		}
	}
	return typedNothing
}

// line is the prompt's row with the cursor's column.
func (p *prompt) line(th *ui.Theme, width int) (string, int) {
	pen := ui.NewPen(th)
	pen.Start(width)
	pen.Put(ui.RoleFocus, " "+p.label+" ")
	at := width - pen.Room()
	note := p.err
	if note != "" {
		note = "  " + note
	}
	text, cursor := p.Line(max(pen.Room()-ui.Width(note), pen.Room()/2, 1))
	pen.Put(ui.RoleText, text)
	pen.Put(ui.RoleBad, note)
	return pen.Line(), min(at+cursor, max(width-1, 0))
}
