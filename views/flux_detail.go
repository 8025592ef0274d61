package views

import (
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// compose writes everything known of the object.
func (f *flux) compose(d *document, o *cluster.FluxObject, width int) {
	d.begin(width)
	d.title(f.sign(o), o.Kind+" "+refName(o.Ref)+"  "+f.state(o))
	if f.snap.Err != nil {
		d.item(ui.RoleUnknown, ui.RoleUnknown, "as of "+f.ages.of(f.snap.At)+" ago: "+f.snap.Err.Error())
	}
	if o.Suspended {
		d.field("suspended", ui.RoleSuspended, f.suspendedText(o))
	}
	reason := o.Reason
	if !o.Since.IsZero() {
		reason += prefixed("", ", for "+f.ages.of(o.Since))
	}
	d.field("reason", ui.RoleText, strings.TrimPrefix(reason, ", "))
	d.field("message", f.detailLook(o), o.Message)
	f.composeBlocked(d, o)
	d.field("revision", ui.RoleText, o.Revision)
	if o.Attempted != "" && o.Attempted != o.Revision {
		d.field("attempted", ui.RoleWarn, o.Attempted)
	}
	f.composeSource(d, o)
	for _, r := range o.DependsOn {
		role, text := f.refState(r)
		d.field("depends on", role, text)
	}
	if blocks := f.blocks(o); len(blocks) > 0 {
		d.field("blocks", ui.RoleText, strings.Join(blocks, ", "))
	}
	if o.Interval > 0 {
		d.field("interval", ui.RoleText, span(o.Interval))
	}
	if o.Inventory > 0 {
		d.field("inventory", ui.RoleText, plural(o.Inventory, "object"))
	}
	f.composeHandled(d, o)
	f.composeFluxConditions(d, o)
}

func refName(r cluster.Ref) string {
	if r.Namespace == "" {
		return r.Name
	}
	return r.Namespace + "/" + r.Name
}

func (f *flux) suspendedText(o *cluster.FluxObject) string {
	by, since := "by whom is not recorded", ""
	if o.SuspendedBy != "" {
		by = "by " + o.SuspendedBy
	}
	if !o.SuspendedAt.IsZero() {
		since = ", since " + stamp(o.SuspendedAt, f.now()) + " (" + f.ages.of(o.SuspendedAt) + ")"
	}
	return by + since
}

func (f *flux) detailLook(o *cluster.FluxObject) ui.Role {
	if r := f.messageLook(o); r != ui.RoleMuted {
		return r
	}
	return ui.RoleText
}

// composeBlocked names the object at the root of a chain of dependencies that
// are not ready.
func (f *flux) composeBlocked(d *document, o *cluster.FluxObject) {
	if o.State == cluster.FluxReady || o.State == cluster.FluxStatic {
		return
	}
	if root := f.root(o); root != nil && root.Ref != o.Ref {
		d.field("because", f.sign(root), shortKind(root)+" "+refName(root.Ref)+" is "+string(root.State)+prefixed(": ", root.Message))
	}
}

// root follows dependencies and sources that are not ready to the last one.
func (f *flux) root(o *cluster.FluxObject) *cluster.FluxObject {
	seen := map[cluster.Ref]bool{}
	for {
		seen[o.Ref] = true
		next := f.unready(o)
		if next == nil || seen[next.Ref] {
			return o
		}
		o = next
	}
}

// unready is the first dependency, or the source, that is not ready.
func (f *flux) unready(o *cluster.FluxObject) *cluster.FluxObject {
	refs := o.DependsOn
	if o.Source != nil {
		refs = append([]cluster.Ref{*o.Source}, refs...)
	}
	for _, r := range refs {
		if x := f.object(r, o.Namespace); x != nil && x.State != cluster.FluxReady && x.State != cluster.FluxStatic {
			return x
		}
	}
	return nil
}

// object finds the object of a reference; without a namespace it is in the
// referrer's.
func (f *flux) object(r cluster.Ref, namespace string) *cluster.FluxObject {
	if r.Namespace == "" {
		r.Namespace = namespace
	}
	for i := range f.snap.Value.Objects {
		if f.snap.Value.Objects[i].Ref == r {
			return &f.snap.Value.Objects[i]
		}
	}
	return nil
}

func (f *flux) refState(r cluster.Ref) (ui.Role, string) {
	text := strings.ToLower(r.Kind) + " " + refName(r)
	x := f.object(r, r.Namespace)
	if x == nil {
		return ui.RoleUnknown, text + ", not found"
	}
	return f.sign(x), shortKind(x) + " " + refName(r) + " is " + string(x.State)
}

func (f *flux) composeSource(d *document, o *cluster.FluxObject) {
	if o.Source == nil {
		return
	}
	r := *o.Source
	if r.Namespace == "" {
		r.Namespace = o.Namespace
	}
	role, text := f.refState(r)
	if x := f.object(r, r.Namespace); x != nil {
		text += prefixed(", ", revision(x.Revision))
		if !x.Since.IsZero() {
			text += ", for " + f.ages.of(x.Since)
		}
	}
	if role == ui.RoleOK {
		role = ui.RoleText
	}
	d.field("source", role, text)
}

// blocks are the objects that wait for this one.
func (f *flux) blocks(o *cluster.FluxObject) []string {
	if o.State == cluster.FluxReady || o.State == cluster.FluxStatic {
		return nil
	}
	var out []string
	for i := range f.snap.Value.Objects {
		x := &f.snap.Value.Objects[i]
		refs := x.DependsOn
		if x.Source != nil {
			refs = append([]cluster.Ref{*x.Source}, refs...)
		}
		for _, r := range refs {
			if r.Namespace == "" {
				r.Namespace = x.Namespace
			}
			if r == o.Ref {
				out = append(out, shortKind(x)+" "+refName(x.Ref))
				break
			}
		}
	}
	return out
}

// composeHandled says whether the last request to reconcile was taken up.
func (f *flux) composeHandled(d *document, o *cluster.FluxObject) {
	switch o.Requested {
	case "":
	case o.Handled:
		d.field("requested", ui.RoleText, o.Requested+", handled")
	default:
		d.field("requested", ui.RoleBusy, o.Requested+", not handled yet")
	}
	if o.Observed != 0 && o.Observed != o.Generation {
		d.field("generation", ui.RoleBusy, itoa(int(o.Generation))+", the controller has seen "+itoa(int(o.Observed)))
	}
}

func (f *flux) composeFluxConditions(d *document, o *cluster.FluxObject) {
	if len(o.Conditions) == 0 {
		return
	}
	d.section("CONDITIONS")
	for _, c := range o.Conditions {
		text := c.Status + prefixed(" ", c.Reason)
		if !c.Since.IsZero() {
			text += ", for " + f.ages.of(c.Since)
		}
		if c.Message != o.Message {
			text += prefixed(": ", c.Message)
		}
		d.field(c.Type, conditionLook(c), text)
	}
}

// conditionLook judges a condition of a Flux object.
func conditionLook(c cluster.Condition) ui.Role {
	bad := c.Type == "Stalled" || strings.HasSuffix(c.Type, "Failed")
	good := c.Type == "Ready" || c.Type == "Healthy" || c.Type == "Released"
	switch {
	case c.Status == "Unknown":
		return ui.RoleUnknown
	case bad && c.Status == "True", good && c.Status == "False":
		return ui.RoleBad
	default:
		return ui.RoleText
	}
}
