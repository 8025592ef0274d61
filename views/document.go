package views

import (
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// document is text of labelled and wrapped lines that can be scrolled. It is
// composed anew for each width.
type document struct {
	th    *ui.Theme
	pen   *ui.Pen
	width int // of a line, with its margins
	inset int // blank cells at both ends of a line
	lines []string
	top   int
}

func newDocument(th *ui.Theme) *document { return &document{th: th, pen: ui.NewPen(th)} }

// begin starts composing for lines of width cells.
func (d *document) begin(width int) {
	d.width, d.inset, d.lines = max(width, 0), 0, d.lines[:0]
	if d.width >= 2*labelWidth {
		d.inset = 1
	}
}

// start begins a line behind its margin.
func (d *document) start() {
	d.pen.Start(d.width)
	d.pen.Skip(d.inset)
}

// room is the width of a line's text.
func (d *document) room() int { return d.width - 2*d.inset }

// labelWidth is the room for labels of fields.
const labelWidth = 12

// title adds a heading with its sign.
func (d *document) title(r ui.Role, text string) {
	d.start()
	d.pen.Put(r, d.th.Shape(r)+" ")
	d.pen.Put(ui.RoleStrong, text)
	d.lines = append(d.lines, d.pen.Line())
}

// section adds a blank line and a heading.
func (d *document) section(text string) {
	if len(d.lines) > 0 {
		d.blank()
	}
	d.start()
	d.pen.Put(ui.RoleHeader, text)
	d.lines = append(d.lines, d.pen.Line())
}

func (d *document) blank() { d.lines = append(d.lines, ui.Blank(d.width)) }

// field adds a label and a text, wrapped beside it; nothing if the text is empty.
func (d *document) field(label string, r ui.Role, text string) {
	if text == "" {
		return
	}
	indent := labelWidth
	if d.width < 2*labelWidth {
		indent = min(len(label)+1, d.width/2)
	}
	for i, row := range ui.Fold(clean(text), d.room()-indent) {
		d.start()
		d.pen.Cell(indent)
		if i == 0 {
			d.pen.Put(ui.RoleMuted, label)
		}
		d.pen.Done()
		d.pen.Put(r, row)
		d.lines = append(d.lines, d.pen.Line())
	}
}

// item adds a sign and a text, wrapped behind it.
func (d *document) item(sign, r ui.Role, text string) {
	for i, row := range ui.Fold(clean(text), d.room()-2) {
		d.start()
		if i == 0 {
			d.pen.Put(sign, d.th.Shape(sign)+" ")
		} else {
			d.pen.Skip(2)
		}
		d.pen.Put(r, row)
		d.lines = append(d.lines, d.pen.Line())
	}
}

// text adds a wrapped paragraph.
func (d *document) text(r ui.Role, text string) {
	for _, row := range ui.Fold(clean(text), d.room()) {
		d.start()
		d.pen.Put(r, row)
		d.lines = append(d.lines, d.pen.Line())
	}
}

// window returns height lines from the scroll position on. Where lines are
// hidden below, the last one says how many.
func (d *document) window(height int) []string {
	if height <= 0 {
		return nil
	}
	d.top = max(min(d.top, len(d.lines)-height), 0)
	out := make([]string, 0, height)
	out = append(out, d.lines[d.top:min(d.top+height, len(d.lines))]...)
	for len(out) < height {
		out = append(out, ui.Blank(d.width))
	}
	if hidden := len(d.lines) - d.top - height; hidden > 0 && height > 2 {
		d.start()
		d.pen.Put(ui.RoleMuted, d.th.Glyph("…", "~")+" "+plural(hidden+1, "more line"))
		out[height-1] = d.pen.Line()
	}
	return out
}

func (d *document) scroll(delta int) { d.top = max(d.top+delta, 0) }
