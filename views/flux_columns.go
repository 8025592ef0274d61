package views

import (
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// fluxColumns are the columns of the list of Flux objects.
func fluxColumns(f *flux) []ui.Column[cluster.FluxObject] {
	type object = cluster.FluxObject
	return []ui.Column[object]{
		{Min: 1, Max: 1, Tight: true, Draw: func(p *ui.Pen, o *object) { r := f.sign(o); p.Put(r, f.th.Shape(r)) }},
		{
			Title: "KIND", Drop: 2, Min: 4, Max: 14, Text: shortKind, Draw: func(p *ui.Pen, o *object) { p.Put(ui.RoleMuted, shortKind(o)) },
			Compare: func(a, b *object) int { return kindRank(a.Kind) - kindRank(b.Kind) },
		},
		{
			Title: "NAME", Whole: true, Text: f.name, Draw: func(p *ui.Pen, o *object) { f.putName(p, o) },
			Compare: func(a, b *object) int { return strings.Compare(a.Name, b.Name) },
		},
		{
			Title: "NAMESPACE", Drop: 8, Max: 24, Text: func(o *object) string { return o.Namespace }, Draw: func(p *ui.Pen, o *object) { p.Put(ui.RoleMuted, o.Namespace) },
			Compare: func(a, b *object) int { return strings.Compare(a.Namespace, b.Namespace) },
		},
		{Title: "STATE", Drop: 1, Min: 10, Whole: true, Text: f.state, Draw: f.drawState},
		{
			Title: "REVISION", Drop: 7, Min: 13, Max: 28, Text: func(o *object) string { return revision(o.Revision) },
			Draw: func(p *ui.Pen, o *object) { p.Put(f.valueLook(), revision(o.Revision)) },
		},
		{Title: "AGE", Drop: 4, Min: 4, Max: 4, Right: true, Draw: f.drawAge, Compare: func(a, b *object) int { return b.Since.Compare(a.Since) }},
		{Title: "MESSAGE", Drop: 6, Min: 24, Max: 120, Grow: true, Text: fluxMessage, Draw: func(p *ui.Pen, o *object) {
			p.Put(f.messageLook(o), f.messageText(o))
		}},
	}
}

func shortKind(o *cluster.FluxObject) string {
	if o.Short != "" {
		return o.Short
	}
	return strings.ToLower(o.Kind)
}

// sign is the shape of an object; old news is unknown.
func (f *flux) sign(o *cluster.FluxObject) ui.Role {
	if f.snap.Err != nil {
		return ui.RoleUnknown
	}
	if _, ok := f.busy[o.Ref]; ok {
		return ui.RoleBusy
	}
	return fluxSign(f.th, o)
}

// state is the state, or what is being done to the object.
func (f *flux) state(o *cluster.FluxObject) string {
	if verb, ok := f.busy[o.Ref]; ok {
		return strings.Fields(string(verb))[0] + "…"
	}
	return string(o.State)
}

func (f *flux) drawState(p *ui.Pen, o *cluster.FluxObject) {
	r := f.sign(o)
	if r == ui.RoleOK {
		r = ui.RoleText
	}
	p.Put(r, f.state(o))
}

// drawAge is how long the state lasts.
func (f *flux) drawAge(p *ui.Pen, o *cluster.FluxObject) {
	at := o.Since
	if o.Suspended && !o.SuspendedAt.IsZero() {
		at = o.SuspendedAt
	}
	if at.IsZero() {
		p.PutRight(ui.RoleUnknown, missing)
		return
	}
	p.PutRight(f.valueLook(), f.ages.of(at))
}

// valueLook is the look of what is neither good nor bad: dimmed if it is old.
func (f *flux) valueLook() ui.Role {
	if f.snap.Err != nil {
		return ui.RoleUnknown
	}
	return ui.RoleText
}

// fluxMessage is what matters of an object in one line.
func fluxMessage(o *cluster.FluxObject) string {
	switch {
	case o.Suspended:
		text := "suspended"
		if o.SuspendedBy != "" {
			text += " by " + o.SuspendedBy
		}
		if o.State != cluster.FluxSuspended || o.Message == "" || strings.HasPrefix(o.Message, "Applied revision") {
			return text
		}
		return text + " · " + o.Message
	case o.State == cluster.FluxReady && strings.HasPrefix(o.Message, "Applied revision"):
		return ""
	default:
		return o.Message
	}
}

func (f *flux) messageText(o *cluster.FluxObject) string {
	text := fluxMessage(o)
	if o.Suspended && !o.SuspendedAt.IsZero() {
		text = strings.Replace(text, "suspended", "suspended "+f.ages.of(o.SuspendedAt)+" ago", 1)
	}
	return text
}

func (f *flux) messageLook(o *cluster.FluxObject) ui.Role {
	if f.snap.Err != nil {
		return ui.RoleUnknown
	}
	switch o.State.Severity() {
	case cluster.Bad:
		return ui.RoleBad
	case cluster.Unknown:
		return ui.RoleUnknown
	case cluster.OK, cluster.Info, cluster.Busy, cluster.Warn:
		return ui.RoleMuted
	default:
		return ui.RoleMuted
	}
}
