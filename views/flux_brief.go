package views

import (
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// Where the list is narrower than briefUnder a row is written from left to
// right: kind, name, what matters now, and at the right end for how long.
const (
	briefUnder = 100
	briefAge   = 4
	briefKind  = 4
	briefLevel = 40 // from here on what stands behind the names is level
	briefState = 11 // the longest state
	briefBoth  = 40 // room for state and message side by side
	briefLeast = 6  // less room than this says nothing
)

// twins finds the kinds and names that exist in more than one namespace.
func twins(objects []cluster.FluxObject) map[cluster.Ref]bool {
	seen := make(map[cluster.Ref]bool, len(objects))
	for i := range objects {
		r := objects[i].Ref
		r.Namespace = ""
		_, again := seen[r]
		seen[r] = again
	}
	return seen
}

// name is the object's name, with its namespace where another has the same.
func (f *flux) name(o *cluster.FluxObject) string {
	if f.twins[cluster.Ref{Kind: o.Kind, Name: o.Name}] {
		return refName(o.Ref)
	}
	return o.Name
}

// putName leaves the namespace out where it has a column.
func (f *flux) putName(p *ui.Pen, o *cluster.FluxObject) {
	if f.table.WidthOf("NAMESPACE") > 0 {
		p.Put(ui.RoleStrong, o.Name)
		return
	}
	p.Put(ui.RoleStrong, f.name(o))
}

// briefName is the room for the name in a row of that many free cells: the same
// in each row where there is room for more than names.
func (f *flux) briefName(room int) int {
	if room < briefLevel {
		return 0
	}
	return min(f.nameWidth, room/3)
}

func (f *flux) briefHead(p *ui.Pen, title func(string) string) {
	level := f.briefName(p.Room())
	p.Skip(2)
	p.Put(ui.RoleHeader, ui.Fit(title("KIND"), briefKind+1))
	if level > 0 {
		p.Put(ui.RoleHeader, ui.Fit(title("NAME"), max(level, 5))+"  ")
		switch room := p.Room() - briefAge - 1; {
		case room >= briefBoth:
			p.Put(ui.RoleHeader, ui.Fit("STATE", briefState+2)+"MESSAGE")
		case room >= briefBoth/2:
			p.Put(ui.RoleHeader, "STATE, MESSAGE")
		default:
			p.Put(ui.RoleHeader, "STATE")
		}
	} else {
		p.Put(ui.RoleHeader, title("NAME"))
	}
	p.PutRight(ui.RoleHeader, title("AGE"))
}

// brief draws a row. The name is never cut for the sake of what follows it.
func (f *flux) brief(p *ui.Pen, o *cluster.FluxObject) {
	level := f.briefName(p.Room())
	sign := f.sign(o)
	p.Put(sign, f.th.Shape(sign)+" ")
	kind, name := clean(shortKind(o)), clean(f.name(o))
	p.Put(ui.RoleMuted, ui.Fit(kind, max(ui.Width(kind), briefKind))+" ")
	p.Put(ui.RoleStrong, ui.Fit(name, max(ui.Width(name), level-max(ui.Width(kind)-briefKind, 0))))
	if p.Room() < briefAge+1 {
		return
	}
	p.Skip(min(2, p.Room()-briefAge))
	f.briefMiddle(p, o, level, p.Room()-briefAge-1)
	p.Cell(p.Room())
	f.drawAge(p, o)
	p.Done()
}

// briefMiddle fills the room between name and age as well as it can.
func (f *flux) briefMiddle(p *ui.Pen, o *cluster.FluxObject, level, room int) {
	ready := o.State == cluster.FluxReady || o.State == cluster.FluxStatic
	look, text := f.matter(o)
	switch {
	case room >= briefBoth:
		f.drawStateCell(p, o)
		if ready {
			p.Put(f.valueLook(), ui.Fit(revision(o.Revision), room-briefState-2))
		} else {
			p.Put(f.messageLook(o), ui.Fit(clean(f.messageText(o)), room-briefState-2))
		}
		return
	case level == 0 && o.State.Severity() == cluster.Bad && o.Message != "":
		text = o.Message // the sign says that it failed
	case ready && ui.Width(clean(text)) > room:
		return // a part of a revision says nothing
	case o.State == cluster.FluxSuspended && ui.Width(clean(text)) > room:
		text = f.state(o)
	}
	if room >= briefLeast {
		p.Put(look, ui.Fit(clean(text), room))
	}
}

func (f *flux) drawStateCell(p *ui.Pen, o *cluster.FluxObject) {
	r := f.sign(o)
	if r == ui.RoleOK {
		r = ui.RoleMuted
	}
	p.Put(r, ui.Fit(f.state(o), briefState)+"  ")
}

// matter is what is worth most of an object where there is room for one thing:
// of a failure the message, of one that is well what it runs.
func (f *flux) matter(o *cluster.FluxObject) (ui.Role, string) {
	sign := f.sign(o)
	_, busy := f.busy[o.Ref]
	switch {
	case busy:
		return sign, f.state(o)
	case o.State == cluster.FluxSuspended:
		return sign, f.state(o) + prefixed(" by ", o.SuspendedBy)
	case o.State.Severity() > cluster.Info:
		return sign, f.state(o) + prefixed(": ", o.Message)
	case o.Revision != "":
		return f.valueLook(), revision(o.Revision)
	default:
		return f.valueLook(), f.state(o)
	}
}
