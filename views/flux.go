package views

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// flux is the list of all Flux objects, worst first, and one of them in detail.
type flux struct {
	*desk
	table  *ui.Table[cluster.FluxObject]
	detail *document
	below  *document
	ages   ages
	prompt prompt
	snap   feed.Snapshot[cluster.FluxList]
	seq    uint64
	open   bool
	width  int // of the last drawing
	heads  int // rows of the last drawing above the table
	busy   map[cluster.Ref]board.FluxVerb
	// twins are the kinds and names that more than one namespace has.
	twins     map[cluster.Ref]bool
	nameWidth int // of the widest name
}

func newFlux(d *desk) *flux {
	f := &flux{
		desk: d, detail: newDocument(d.th), below: newDocument(d.th), ages: ages{desk: d},
		busy: map[cluster.Ref]board.FluxVerb{},
	}
	f.table = ui.NewTable(d.th, func(o *cluster.FluxObject) string { return refKey(o.Ref) }, fluxColumns(f))
	f.table.Empty = "no object matches the filter"
	f.table.None = "no Flux object is known"
	f.table.Brief, f.table.BriefHead, f.table.BriefUnder = f.brief, f.briefHead, briefUnder
	return f
}

func refKey(r cluster.Ref) string { return r.Kind + "\x00" + r.Namespace + "\x00" + r.Name }

func (f *flux) Name() string        { return "Flux" }
func (f *flux) Scope() keymap.Scope { return keymap.Flux }
func (f *flux) Topics() feed.Topics {
	return board.TopicFlux.Set().With(board.TopicStatus)
}

// Title counts the objects by state.
func (f *flux) Title() (left, right string) {
	f.refresh()
	switch {
	case !f.snap.Has():
		return "", ""
	case !f.snap.Value.Installed:
		return "not installed", ""
	}
	left = fluxCounts(f.th, f.snap.Value, f.snap.Err != nil)
	if f.table.Shown() != f.table.Len() {
		left += "  " + itoa(f.table.Shown()) + " of " + itoa(f.table.Len())
	}
	switch s := f.table.Sorted(); {
	case f.open || f.width < roomy:
	case s != "":
		right = "by " + strings.ToLower(s)
	default:
		right = "worst first"
	}
	return left, right
}

// fluxCounts writes how many objects are, or were if that is old, in which
// condition, worst first.
func fluxCounts(th *ui.Theme, list cluster.FluxList, old bool) string {
	by := fluxSigns(th, list)
	var out []string
	for _, r := range []ui.Role{ui.RoleBad, ui.RoleUnknown, ui.RoleBusy, ui.RoleSuspended, ui.RoleOK} {
		if by[r] > 0 {
			look := r
			if old {
				look = ui.RoleUnknown
			}
			out = append(out, th.Paint(look, itoa(by[r])+th.Shape(r)))
		}
	}
	if old {
		out = append([]string{th.Sign(ui.RoleUnknown)}, out...)
	}
	return strings.Join(out, " ")
}

// fluxSigns counts the objects by their shape; a kind that may not be listed is one unknown.
func fluxSigns(th *ui.Theme, list cluster.FluxList) map[ui.Role]int {
	by := map[ui.Role]int{}
	for i := range list.Objects {
		by[fluxSign(th, &list.Objects[i])]++
	}
	if n := len(list.Denied); n > 0 {
		by[ui.RoleUnknown] += n
	}
	return by
}

// fluxSign is the shape in front of an object.
func fluxSign(th *ui.Theme, o *cluster.FluxObject) ui.Role {
	if o.State == cluster.FluxSuspended {
		return ui.RoleSuspended
	}
	return th.Severity(o.State.Severity())
}

func (f *flux) refresh() {
	snap := f.board.Flux.Load()
	f.snap = snap
	if snap.Seq == f.seq {
		return
	}
	f.seq = snap.Seq
	f.twins = twins(snap.Value.Objects)
	f.table.SetRows(worstFlux(snap.Value.Objects))
	f.nameWidth = 0
	for i := range snap.Value.Objects {
		f.nameWidth = max(f.nameWidth, ui.Width(clean(f.name(&snap.Value.Objects[i]))))
	}
}

// worstFlux sorts by state, the worst first; suspended ones go before those
// that are well, because somebody has to remember them.
func worstFlux(objects []cluster.FluxObject) []cluster.FluxObject {
	order := make([]*cluster.FluxObject, len(objects))
	for i := range objects {
		order[i] = &objects[i]
	}
	slices.SortStableFunc(order, func(a, b *cluster.FluxObject) int {
		if d := int(b.State.Severity()) - int(a.State.Severity()); d != 0 {
			return d
		}
		if d := kindRank(a.Kind) - kindRank(b.Kind); d != 0 {
			return d
		}
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	out := make([]cluster.FluxObject, len(order))
	for i, o := range order {
		out[i] = *o
	}
	return out
}

// kindRank puts what is applied before where it comes from.
func kindRank(kind string) int {
	order := []string{"Kustomization", "HelmRelease", "GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket"}
	if i := slices.Index(order, kind); i >= 0 {
		return i
	}
	return len(order)
}

func (f *flux) Render(width, height int, focused bool) []string {
	f.refresh()
	f.ages.reset()
	f.width = width
	if row := f.table.Row(); f.open && row != nil {
		f.compose(f.detail, row, width)
		return f.detail.window(height)
	}
	f.open = false
	out := f.headlines(width, height)
	f.heads = len(out)
	if f.snap.Has() && !f.snap.Value.Installed {
		for len(out) < height {
			out = append(out, ui.Blank(width))
		}
		return out
	}
	rows := height - len(out)
	row := f.table.Row()
	if width < 70 || rows < 18 || row == nil {
		return f.table.AppendTo(out, width, rows, focused)
	}
	under := min(rows/3, 10)
	out = f.table.AppendTo(out, width, rows-under-1, focused)
	out = append(out, f.th.Paint(ui.RoleBorder, strings.Repeat(f.th.Glyph("─", "-"), width)))
	f.below.top = 0
	f.compose(f.below, row, width)
	return append(out, f.below.window(under)...)
}

// headlines say what is missing from the list.
func (f *flux) headlines(width, height int) []string {
	var out []string
	say := func(r ui.Role, text string) {
		if len(out) >= height || (len(out) > 0 && len(out)+3 > height) {
			return
		}
		p := ui.NewPen(f.th)
		p.Start(width)
		p.Skip(1)
		p.Put(r, f.th.Shape(r)+" "+text)
		out = append(out, p.Line())
	}
	switch {
	case !f.snap.Has() && f.snap.Err == nil:
		say(ui.RoleBusy, "asking Kubernetes…")
	case !f.snap.Has():
		say(ui.RoleUnknown, "not known: "+f.snap.Err.Error())
	case f.snap.Err != nil:
		say(ui.RoleUnknown, "as of "+f.ages.of(f.snap.At)+" ago: "+because(f.snap.Err.Error()))
	}
	list := f.snap.Value
	if f.snap.Has() && !list.Installed {
		say(ui.RoleUnknown, "Flux is not installed: the cluster serves none of its kinds")
	}
	if len(list.Denied) > 0 {
		kinds := slices.Sorted(maps.Keys(list.Denied))
		text := "not listed: " + strings.Join(kinds, ", ")
		if why := list.Denied[kinds[0]]; why != "" {
			text += ": " + why
		}
		say(ui.RoleUnknown, text)
	}
	return out
}

// Tick reports whether an age shown would be another one now.
func (f *flux) Tick() bool { return f.ages.differ() }

func (f *flux) Click(_, y int) tea.Cmd {
	if !f.open {
		f.table.ClickAt(y - f.heads)
	}
	return nil
}

func (f *flux) Wheel(lines int) tea.Cmd {
	if f.open {
		f.detail.scroll(lines)
		return nil
	}
	f.table.Move(lines)
	return nil
}

func (f *flux) Typing() bool { return f.prompt.open }

// Type narrows the list with each key.
func (f *flux) Type(msg tea.Msg) (tea.Cmd, bool) {
	return nil, filterTable(&f.prompt, f.table, msg, func() {})
}

func (f *flux) Prompt(width int) (string, int) { return f.prompt.line(f.th, width) }
