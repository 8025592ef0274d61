package views

import (
	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// steps is how far a moving action goes in a list with pages of that many rows;
// false if it is no vertical move.
func steps(a keymap.Action, page, all int) (int, bool) {
	switch a {
	case keymap.Up:
		return -1, true
	case keymap.Down:
		return 1, true
	case keymap.HalfUp:
		return -max(page/2, 1), true
	case keymap.HalfDown:
		return max(page/2, 1), true
	case keymap.PageUp:
		return -page, true
	case keymap.PageDown:
		return page, true
	case keymap.Top:
		return -all, true
	case keymap.Bottom:
		return all, true
	default:
		return 0, false
	}
}

func (n *nodes) Do(a keymap.Action) (tea.Cmd, bool) {
	n.refresh()
	if delta, ok := steps(a, n.table.Page(), n.table.Len()+len(n.detail.lines)); ok {
		return n.Wheel(delta), true
	}
	if a == keymap.Back {
		return nil, n.back()
	}
	row := n.table.Row()
	if a == keymap.NodesFilter {
		n.open = false
		n.prompt.start("/", n.table.Filter())
		return nil, true
	}
	if row == nil {
		return nil, false
	}
	switch a {
	case keymap.NodesOpen:
		n.open = !n.open
		n.detail.top = 0
	case keymap.NodesMark:
		n.table.ToggleMark()
		n.choose()
	case keymap.NodesSort:
		n.table.SortNext()
	case keymap.NodesLogs:
		return n.followLogs(row), true
	case keymap.NodesExchange:
		return send(planChosen{row.Name}), true
	case keymap.Copy:
		return send(ui.CopyMsg{Text: clean(row.Name), What: "name of the node"}), true
	case keymap.CopyCommand:
		return n.copyCommand(row), true
	default:
		return nil, false
	}
	return nil, true
}

// back undoes one thing: the detail, the filter, the marks.
func (n *nodes) back() bool {
	switch {
	case n.open:
		n.open = false
	case n.table.Filter() != "":
		n.table.SetFilter("")
		n.choose()
	case n.table.ClearMarks():
	default:
		return false
	}
	return true
}

// kubelet is the service whose log is followed unless another one is chosen.
const kubelet = "kubelet"

// followLogs follows the kubelets of the marked nodes, else of the selected one.
func (n *nodes) followLogs(row *cluster.Node) tea.Cmd {
	chosen := n.table.Marked()
	if len(chosen) == 0 {
		chosen = []*cluster.Node{row}
	}
	var names []string
	for _, c := range chosen {
		if c.Address != "" {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return send(ui.ToastMsg{Text: clean(row.Name) + " has no address that Talos could be asked at", Error: true})
	}
	return tea.Sequence(send(logsChosen{nodes: names}), send(ui.FocusMsg{Scope: keymap.Logs}))
}

func (n *nodes) copyCommand(row *cluster.Node) tea.Cmd {
	if row.Address == "" {
		return send(ui.CopyMsg{Text: "kubectl describe node " + quote(row.Name), What: "command"})
	}
	return send(ui.CopyMsg{Text: "talosctl -n " + quote(row.Address) + " get machinestatus -o yaml", What: "command"})
}

func (n *nodes) Offers() []ui.Offer {
	n.refresh()
	row := n.table.Row()
	none, deaf := "", ""
	switch {
	case n.table.Len() == 0:
		none = "no node is known yet"
	case row == nil:
		none = "no node matches the filter"
	case row.Address == "":
		deaf = "no address is known for " + clean(row.Name)
	}
	if deaf == "" || len(n.table.Marked()) > 0 {
		deaf = none
	}
	open := ""
	if n.open {
		open = "close"
	}
	return []ui.Offer{
		offer(keymap.NodesOpen, open, none),
		offer(keymap.NodesLogs, "", deaf),
		offer(keymap.NodesExchange, "", none),
		offer(keymap.NodesFilter, "", noneIf(n.table.Len() == 0, "no node is known yet")),
		offer(keymap.NodesSort, "", none),
		offer(keymap.NodesMark, "", none),
		offer(keymap.Copy, "copy name", none),
		offer(keymap.CopyCommand, "", none),
	}
}

// offer is an action that can be done unless there is a reason why not.
func offer(a keymap.Action, label, why string) ui.Offer {
	return ui.Offer{Action: a, Label: label, Enabled: why == "", WhyNot: why}
}

func noneIf(no bool, why string) string {
	if no {
		return why
	}
	return ""
}

// quote makes a word safe for a shell; names from the cluster are never trusted
// to be what they should be.
func quote(s string) string {
	s = clean(s)
	plain := s != ""
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '_', c == '.', c == '/', c == ':', c == '@', c == ',', c == '+':
		default:
			plain = false
		}
	}
	if plain && s[0] != '-' {
		return s
	}
	out := []byte{'\''}
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			out = append(out, `'\''`...)
			continue
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}
