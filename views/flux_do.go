package views

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// fluxDone is the outcome of an act.
type fluxDone struct {
	ref  cluster.Ref
	text string
	err  error
}

// fluxLimit is how long the outcome of an act is waited for.
const fluxLimit = 5 * time.Minute

// verbOf is what an action does to an object; empty for other actions.
func verbOf(a keymap.Action) board.FluxVerb {
	switch a {
	case keymap.FluxReconcile:
		return board.FluxReconcile
	case keymap.FluxReconcileWith:
		return board.FluxReconcileWithSource
	case keymap.FluxSuspend:
		return board.FluxSuspend
	case keymap.FluxResume:
		return board.FluxResume
	default:
		return ""
	}
}

func (f *flux) Do(a keymap.Action) (tea.Cmd, bool) {
	f.refresh()
	if delta, ok := steps(a, f.table.Page(), f.table.Len()+len(f.detail.lines)); ok {
		return f.Wheel(delta), true
	}
	switch a {
	case keymap.Back:
		return nil, f.back()
	case keymap.FluxFilter:
		f.open = false
		f.prompt.start("/", f.table.Filter())
		return nil, true
	default: // needs an object
	}
	o := f.table.Row()
	if o == nil {
		return nil, false
	}
	if verb := verbOf(a); verb != "" {
		return f.act(verb, *o), true
	}
	switch a {
	case keymap.FluxOpen:
		f.open = !f.open
		f.detail.top = 0
	case keymap.FluxSort:
		f.table.SortNext()
	case keymap.Copy:
		return send(ui.CopyMsg{Text: f.copyText(o), What: "name and message"}), true
	case keymap.CopyCommand:
		verb := board.FluxReconcile
		if o.Suspended {
			verb = board.FluxResume
		}
		return send(ui.CopyMsg{Text: fluxCommand(verb, o), What: "command"}), true
	default:
		return nil, false
	}
	return nil, true
}

func (f *flux) back() bool {
	switch {
	case f.open:
		f.open = false
	case f.table.Filter() != "":
		f.table.SetFilter("")
	default:
		return false
	}
	return true
}

func (f *flux) copyText(o *cluster.FluxObject) string {
	text := shortKind(o) + " " + refName(o.Ref) + "  " + string(o.State)
	return clean(text + prefixed("  ", o.Revision) + prefixed("  ", o.Message))
}

// fluxCommand is the flux command that does the same; for kinds that flux has no
// word for, kubectl's that shows the object.
func fluxCommand(verb board.FluxVerb, o *cluster.FluxObject) string {
	word, ok := map[string]string{
		"Kustomization": "kustomization", "HelmRelease": "helmrelease", "GitRepository": "source git",
		"OCIRepository": "source oci", "HelmRepository": "source helm", "HelmChart": "source chart", "Bucket": "source bucket",
		"ImageRepository": "image repository", "ImageUpdateAutomation": "image update", "ImagePolicy": "image policy",
		"Receiver": "receiver", "Alert": "alert",
	}[o.Kind]
	if !ok || (o.Kind == "Alert" && verb == board.FluxReconcile) {
		return "kubectl -n " + quote(o.Namespace) + " get " + quote(o.Plural+"."+o.Group) + " " + quote(o.Name) + " -o yaml"
	}
	name, flag, _ := strings.Cut(string(verb), " ")
	return "flux " + name + " " + word + " " + quote(o.Name) + " -n " + quote(o.Namespace) + prefixed(" ", flag)
}

// act asks first if it interrupts, and does the verb.
func (f *flux) act(verb board.FluxVerb, o cluster.FluxObject) tea.Cmd {
	if why := f.mayNot(verb, &o); why != "" {
		return toast(string(verb) + ": not now: " + why)
	}
	run := f.run(verb, o)
	if verb != board.FluxSuspend {
		f.busy[o.Ref] = verb
		return run
	}
	return send(ui.ConfirmMsg{
		Title: "Suspend " + clean(o.Kind+" "+refName(o.Ref)),
		Body: []string{
			"Flux stops following Git for it until it is resumed.",
			"What is applied stays as it is.",
			clean("now: " + string(o.State) + prefixed("  ", revision(o.Revision))),
			fluxCommand(verb, &o),
		},
		Run: run,
	})
}

// run does the verb and tells the outcome.
func (f *flux) run(verb board.FluxVerb, o cluster.FluxObject) tea.Cmd {
	acts := f.acts
	return tea.Sequence(send(fluxBegun{o.Ref, verb}), func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), fluxLimit)
		defer cancel()
		text, err := acts.Flux(ctx, verb, o)
		return fluxDone{ref: o.Ref, text: text, err: err}
	})
}

// fluxBegun says that an act was started.
type fluxBegun struct {
	ref  cluster.Ref
	verb board.FluxVerb
}

// Receive takes the beginning and the outcome of acts.
func (f *flux) Receive(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case fluxBegun:
		f.busy[msg.ref] = msg.verb
		return nil, true
	case fluxDone:
		delete(f.busy, msg.ref)
		if msg.err != nil {
			text, name := msg.err.Error(), msg.ref.Kind+" "+refName(msg.ref)
			if !strings.HasPrefix(text, name) {
				text = name + ": " + text
			}
			return send(ui.ToastMsg{Text: clean(text), Error: true}), true
		}
		return toast(clean(msg.text)), true
	default:
		return nil, false
	}
}

// mayNot says why the verb cannot be done to the object now; empty if it can.
func (f *flux) mayNot(verb board.FluxVerb, o *cluster.FluxObject) string {
	if why := f.locked(); why != "" {
		return why
	}
	if doing, ok := f.busy[o.Ref]; ok {
		return string(doing) + " is under way"
	}
	reconcile := verb == board.FluxReconcile || verb == board.FluxReconcileWithSource
	switch {
	case f.snap.Err != nil:
		return "what is shown is old: " + f.snap.Err.Error()
	case o.Suspended && reconcile:
		return "it is suspended"
	case o.Suspended && verb == board.FluxSuspend:
		return "it is suspended already"
	case !o.Suspended && verb == board.FluxResume:
		return "it is not suspended"
	case verb == board.FluxReconcileWithSource && o.Source == nil:
		return "it has no source"
	}
	if ok, why := f.acts.MayFlux(verb, *o); !ok {
		return why
	}
	return ""
}

func (f *flux) Offers() []ui.Offer {
	f.refresh()
	o := f.table.Row()
	why := func(board.FluxVerb) string { return "no object is shown" }
	none := "no object is shown"
	if o != nil {
		none = ""
		why = func(verb board.FluxVerb) string { return clean(f.mayNot(verb, o)) }
	}
	open := ""
	if f.open {
		open = "close"
	}
	return []ui.Offer{
		offer(keymap.FluxOpen, open, none),
		offer(keymap.FluxReconcile, "", why(board.FluxReconcile)),
		offer(keymap.FluxReconcileWith, "", why(board.FluxReconcileWithSource)),
		offer(keymap.FluxSuspend, "", why(board.FluxSuspend)),
		offer(keymap.FluxResume, "", why(board.FluxResume)),
		offer(keymap.FluxFilter, "", noneIf(f.table.Len() == 0, "no object is known")),
		offer(keymap.FluxSort, "", none),
		offer(keymap.Copy, "", none),
		offer(keymap.CopyCommand, "", none),
	}
}
