package views

import (
	"slices"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

func sortNames(names []string) { slices.SortFunc(names, cluster.CompareNames) }

// mark says which check or step a line of the list stands for.
type mark struct {
	any, step bool
	index     int
}

// The detail stands beside the list where there is room for both; the list
// then has its share of the width in percent. Where there are few rows, the list
// has no headings.
const (
	besideFrom   = 90
	besideHeight = 9
	listShare    = 46
	headedHeight = 12
	headedWidth  = 64
)

func (e *exchange) Render(width, height int, focused bool) []string {
	e.refresh()
	e.ages.reset()
	if !e.ready() {
		return e.waiting(width, height)
	}
	if e.open {
		e.compose(e.detail, width)
		return e.detail.window(height)
	}
	out := e.verdict(width, height)
	e.marks = append(e.marks[:0], make([]mark, len(out))...)
	room := height - len(out)
	e.page = max(room, 1)
	if width < besideFrom || room < besideHeight {
		return append(out, e.list(width, room, focused)...)
	}
	left := width * listShare / 100
	list := e.list(left, room, focused)
	e.beside.top = 0
	e.compose(e.beside, width-left-3)
	rule := " " + e.th.Paint(ui.RoleBorder, e.th.Glyph("│", "|")) + " "
	for i, line := range e.beside.window(room) {
		out = append(out, list[i]+rule+line)
	}
	return out
}

// waiting says why there is no plan.
func (e *exchange) waiting(width, height int) []string {
	e.marks = e.marks[:0]
	role, text := ui.RoleMuted, "no node is known yet"
	switch {
	case e.asked != "" && e.snap.Err != nil:
		role, text = ui.RoleUnknown, "the plan for "+e.asked+" is not known: "+e.snap.Err.Error()
	case e.asked != "":
		role, text = ui.RoleBusy, "collecting the facts for "+e.asked+"…"
	}
	e.detail.begin(width)
	e.detail.item(role, role, text)
	e.detail.top = 0
	return e.detail.window(height)
}

// verdict is the top: whether anything speaks against the exchange, and that
// this is only a plan.
func (e *exchange) verdict(width, height int) []string {
	role, text := e.judgement()
	if height < headedHeight || width < headedWidth {
		e.pen.Start(width)
		e.pen.Skip(1)
		e.pen.Put(role, e.th.Shape(role)+" "+text)
		return []string{e.pen.Line()}[:min(height, 1)]
	}
	d := e.detail
	d.begin(width)
	d.item(role, role, text)
	d.item(ui.RoleSuspended, ui.RoleMuted, "This is a plan for reading: nothing can be started from here.")
	if e.snap.Err != nil {
		d.item(ui.RoleUnknown, ui.RoleUnknown, "as of "+e.ages.of(e.snap.At)+" ago: "+e.snap.Err.Error())
	}
	return slices.Clone(d.lines[:min(len(d.lines), height-2)])
}

// judgement is the plan in one sentence. Old news says so first.
func (e *exchange) judgement() (ui.Role, string) {
	p := e.snap.Value
	_, warn, fail, open := health.Summary(p.Checks)
	role, text := ui.RoleUnknown, "nothing found against it, but of "+plural(open, "check")+" nothing is known"
	switch {
	case p.Refuse != "":
		role, text = ui.RoleBad, "must not start: "+p.Refuse
	case fail > 0:
		role, text = ui.RoleBad, plural(fail, "check")+" failed"
	case warn > 0:
		role, text = ui.RoleWarn, plural(warn, "warning")+", and "+plural(open, "check")+" that nothing is known of"
	}
	if e.snap.Err != nil {
		role, text = ui.RoleUnknown, e.ages.of(e.snap.At)+" ago: "+text
	}
	return role, text
}

// nameWidth is the room for the name of a check or a step.
const nameWidth = 22

// notFresh is the age from which a check says how old its facts are.
const notFresh = time.Minute

// verdictLook is the sign of a verdict. Only a pass is green.
func verdictLook(v health.Verdict) ui.Role {
	switch v {
	case health.Pass:
		return ui.RoleOK
	case health.WarnV:
		return ui.RoleWarn
	case health.Fail:
		return ui.RoleBad
	case health.UnknownV, health.NotChecked:
		return ui.RoleUnknown
	default:
		return ui.RoleUnknown
	}
}

// list draws the checks and the steps, scrolled to the cursor.
func (e *exchange) list(width, height int, focused bool) []string {
	p := e.snap.Value
	rows := make([]mark, 0, len(p.Checks)+len(p.Steps)+3)
	headed := height >= headedHeight
	if headed {
		rows = append(rows, mark{})
	}
	for _, i := range e.order {
		rows = append(rows, mark{any: true, index: i})
	}
	rows = append(rows, mark{step: true})
	for i := range p.Steps {
		rows = append(rows, mark{any: true, step: true, index: i})
	}
	at := 0
	for i, m := range rows {
		if m.any && m.step == e.steps && m.index == e.cursor() {
			at = i
		}
	}
	if headed && at <= e.top {
		e.top = max(at-1, 0) // with the heading
	}
	e.top = min(e.top, at)
	if at >= e.top+height {
		e.top = at - height + 1
	}
	e.top = max(min(e.top, len(rows)-height), 0)
	out := make([]string, 0, max(height, 0))
	for i := e.top; i < len(rows) && len(out) < height; i++ {
		line := e.line(rows[i], width, i == at)
		if i == at && focused {
			line = e.th.Over(ui.RoleCursor, line)
		}
		out = append(out, line)
		e.marks = append(e.marks, rows[i])
	}
	for len(out) < height {
		out = append(out, ui.Blank(width))
	}
	return out
}

func (e *exchange) cursor() int {
	if e.steps {
		return e.step
	}
	if len(e.order) == 0 {
		return 0
	}
	return e.order[e.place()]
}

func (e *exchange) line(m mark, width int, here bool) string {
	p := e.pen
	p.Start(width)
	switch {
	case !m.any && m.step:
		p.Put(ui.RoleHeader, " STEPS, none of which can be started here")
		return p.Line()
	case !m.any:
		p.Put(ui.RoleHeader, " CHECKS")
		return p.Line()
	case here:
		p.Put(ui.RoleFocus, e.th.Shape(ui.RoleFocus))
	default:
		p.Skip(1)
	}
	if m.step {
		e.putStep(p, e.snap.Value.Steps[m.index])
	} else {
		e.putCheck(p, e.snap.Value.Checks[m.index])
	}
	return p.Line()
}

func (e *exchange) putCheck(p *ui.Pen, c health.Check) {
	role := verdictLook(c.Verdict)
	p.Put(role, e.th.Shape(role)+" ")
	p.Put(ui.RoleMuted, ui.FitLeft(itoa(c.Number), 2)+" ")
	p.Put(ui.RoleStrong, ui.Fit(c.Name, min(nameWidth, max(p.Room()/2, 1)))+" ")
	switch c.Verdict {
	case health.Pass:
		role = ui.RoleMuted
	case health.WarnV:
		role = ui.RoleText
	case health.NotChecked:
		p.Put(role, "not checked: ")
	case health.Fail, health.UnknownV:
	}
	p.Put(role, c.Evidence)
}

func (e *exchange) putStep(p *ui.Pen, s health.Step) {
	sign := ui.RoleMuted
	switch {
	case s.Final:
		sign = ui.RoleDanger
	case s.Asks:
		sign = ui.RoleWarn
	}
	p.Put(sign, e.th.Shape(sign))
	p.Put(ui.RoleMuted, " "+ui.FitLeft(itoa(s.Number), 2)+" ")
	p.Put(ui.RoleStrong, ui.Fit(s.Name, min(nameWidth, max(p.Room()/2, 1)))+" ")
	p.Put(ui.RoleMuted, s.What)
}

// compose writes the selected check or step in full.
func (e *exchange) compose(d *document, width int) {
	d.begin(width)
	p := e.snap.Value
	switch {
	case e.steps && e.step < len(p.Steps):
		e.composeStep(d, p.Steps[e.step])
	case e.chosen() != nil:
		e.composeCheck(d, *e.chosen())
	}
}

func (e *exchange) composeCheck(d *document, c health.Check) {
	role := verdictLook(c.Verdict)
	d.title(role, "check "+itoa(c.Number)+"  "+c.Name+": "+string(c.Verdict))
	d.blank()
	d.field("evidence", ui.RoleText, c.Evidence)
	d.field("remedy", ui.RoleText, c.Remedy)
	d.field("command", ui.RoleText, c.Command)
	if old := e.ages.of(c.At); !c.At.IsZero() && e.now().Sub(c.At) >= notFresh {
		d.field("seen", ui.RoleUnknown, old+" ago")
	}
	if len(c.Details) > 0 {
		d.section("DETAILS")
		for _, x := range c.Details {
			d.text(ui.RoleText, x)
		}
	}
}

func (e *exchange) composeStep(d *document, s health.Step) {
	role := ui.RoleMuted
	if s.Final {
		role = ui.RoleDanger
	}
	d.title(role, "step "+itoa(s.Number)+"  "+s.Name)
	d.blank()
	d.text(ui.RoleText, s.What)
	if s.Asks {
		d.item(ui.RoleWarn, ui.RoleWarn, "waits for the operator")
	}
	if s.Final {
		d.item(ui.RoleDanger, ui.RoleBad, "cannot be undone")
	}
	if len(s.Command) == 0 {
		return
	}
	d.section("EQUIVALENT COMMANDS")
	for _, c := range s.Command {
		d.text(ui.RoleText, c)
	}
}

// copyText is the selected check with all that was seen, or the step.
func (e *exchange) copyText() string {
	p := e.snap.Value
	var out []string
	switch {
	case e.steps && e.step < len(p.Steps):
		s := p.Steps[e.step]
		out = append(out, "step "+itoa(s.Number)+" "+s.Name, s.What)
	case e.chosen() != nil:
		c := e.chosen()
		out = append(out, "check "+itoa(c.Number)+" "+c.Name+": "+string(c.Verdict), c.Evidence, c.Remedy)
		out = append(out, c.Details...)
	}
	return joinClean(out)
}

// commands are those of the selected check or step.
func (e *exchange) commands() string {
	p := e.snap.Value
	switch {
	case e.steps && e.step < len(p.Steps):
		return joinClean(p.Steps[e.step].Command)
	case !e.steps && e.chosen() != nil:
		return clean(e.chosen().Command)
	default:
		return ""
	}
}

// joinClean joins the lines that are not empty.
func joinClean(lines []string) string {
	var out []string
	for _, l := range lines {
		if l != "" {
			out = append(out, clean(l))
		}
	}
	return strings.Join(out, "\n")
}
