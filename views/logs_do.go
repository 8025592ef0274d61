package views

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// clockMode is how times are shown.
type clockMode int

const (
	clockLocal clockMode = iota
	clockUTC
	clockAge
	clockNone
	clockModes
)

func (c clockMode) String() string {
	switch c {
	case clockUTC:
		return "UTC"
	case clockAge:
		return "relative"
	case clockNone:
		return "none"
	case clockLocal, clockModes:
		return "local"
	default:
		return "local"
	}
}

// panStep is how far one key moves sideways.
const panStep = 8

func (l *logs) Do(a keymap.Action) (tea.Cmd, bool) {
	if delta, ok := steps(a, max(l.page, 1), 1<<30); ok {
		if a == keymap.Bottom {
			l.resume()
			return nil, true
		}
		l.move(delta)
		return nil, true
	}
	switch a {
	case keymap.Left:
		l.pan = max(l.pan-panStep, 0)
	case keymap.Right:
		if !l.wrap {
			l.pan += panStep
		}
	case keymap.LogsPause:
		if l.paused {
			l.resume()
		} else {
			l.pause()
		}
	case keymap.LogsFollow:
		l.resume()
	case keymap.LogsNext:
		l.move(1)
	case keymap.LogsPrev:
		l.move(-1)
	case keymap.LogsWrap:
		l.wrap, l.pan = !l.wrap, 0
	case keymap.LogsTime:
		l.clock = (l.clock + 1) % clockModes
	case keymap.LogsLevel:
		l.nextLevel()
	case keymap.Back:
		return nil, l.back()
	default:
		return l.ask(a)
	}
	return nil, true
}

// ask handles the actions that open something.
func (l *logs) ask(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.LogsFilter:
		l.asking, l.before = askFilter, l.query
		l.prompt.start("filter", l.query.Text)
	case keymap.LogsGoTime:
		l.asking = askTime
		l.prompt.start("go to time", "")
	case keymap.LogsService:
		return send(l.chooseService()), true
	case keymap.LogsNode:
		return send(l.chooseNode()), true
	case keymap.Copy:
		return l.copyLines(), true
	case keymap.CopyCommand:
		return send(ui.CopyMsg{Text: l.command(), What: "command"}), true
	default:
		return nil, false
	}
	return nil, true
}

func (l *logs) pause() {
	if l.paused {
		return
	}
	v := l.board.Logs.Load()
	s := l.listing(v)
	if s.count() == 0 {
		return
	}
	l.paused, l.pausedAt = true, v.Next
	l.cursor = s.at(s.count() - 1)
	l.bottom = l.cursor
}

func (l *logs) resume() { l.paused = false }

// move pauses and moves the selected line.
func (l *logs) move(delta int) {
	l.pause()
	if !l.paused {
		return
	}
	s := l.listing(l.board.Logs.Load())
	if n := s.count(); n > 0 {
		l.cursor = s.at(max(min(s.index(l.cursor)+delta, n-1), 0))
	}
}

// back undoes one thing: the pause, the filter, the level.
func (l *logs) back() bool {
	switch {
	case l.paused:
		l.resume()
	case !l.query.All():
		l.setQuery(feed.Query{})
	case l.pan > 0:
		l.pan = 0
	default:
		return false
	}
	return true
}

func (l *logs) nextLevel() {
	q := l.query
	q.Level = map[feed.Level]feed.Level{
		feed.LevelUnknown: feed.LevelInfo, feed.LevelInfo: feed.LevelWarn, feed.LevelWarn: feed.LevelError,
	}[q.Level]
	l.setQuery(q)
}

// typeTime goes to the first line of the time typed, on the day of the newest line.
func (l *logs) typeTime(did typed) tea.Cmd {
	l.prompt.err = ""
	switch did {
	case typedCancel:
		l.prompt.open = false
		return nil
	case typedText, typedNothing:
		return nil
	case typedAccept:
	}
	v := l.board.Logs.Load()
	newest := v.Newest()
	if newest.IsZero() {
		l.prompt.err = "no line says when it was written"
		return nil
	}
	t, err := l.parseTime(l.prompt.String(), newest)
	if err != "" {
		l.prompt.err = err
		return nil
	}
	l.prompt.open = false
	seq, ok := v.Seek(t)
	if !ok {
		return send(ui.ToastMsg{Text: "no line is that new: the newest is of " + newest.In(l.zone()).Format("15:04:05")})
	}
	s := l.listing(v)
	if s.count() == 0 {
		return toast("no line matches the filter")
	}
	l.pause()
	l.cursor = s.at(min(s.index(seq), s.count()-1))
	return nil
}

// parseTime reads 14:07 or 14:07:21 as the latest such time not after the newest line.
func (l *logs) parseTime(s string, newest time.Time) (t time.Time, problem string) {
	newest = newest.In(l.zone())
	for _, layout := range []string{"15:04:05", "15:04"} {
		c, err := time.Parse(layout, strings.TrimSpace(s))
		if err != nil {
			continue
		}
		t = time.Date(newest.Year(), newest.Month(), newest.Day(), c.Hour(), c.Minute(), c.Second(), 0, newest.Location())
		if t.After(newest) {
			t = t.AddDate(0, 0, -1)
		}
		return t, ""
	}
	return time.Time{}, "a time of day is 14:07 or 14:07:21"
}

func (l *logs) zone() *time.Location {
	if l.clock == clockUTC {
		return time.UTC
	}
	return l.now().Location()
}

// chooseService lists the services of the nodes that are followed.
func (l *logs) chooseService() ui.ChooseMsg {
	seen := map[string]bool{}
	var choices []ui.Choice
	add := func(service, note string) {
		if !seen[service] {
			seen[service] = true
			choices = append(choices, ui.Choice{Label: service, Note: note, Run: send(logsChosen{l.nodesNow(), service})})
		}
	}
	for _, n := range l.board.Nodes.Load().Value.Nodes {
		if !l.all && !containsName(l.nodes, n.Name) {
			continue
		}
		for _, s := range n.Machine.Value.Services {
			_, text := serviceLook(s)
			if l.all || len(l.nodes) > 1 {
				text = ""
			}
			add(s.ID, text)
		}
	}
	add(kubelet, "")
	add(cluster.Dmesg, "kernel log")
	return ui.ChooseMsg{Title: "Log of " + l.who(), Choices: choices}
}

func (l *logs) nodesNow() []string {
	if l.all {
		return nil
	}
	return l.nodes
}

func containsName(list []string, name string) bool {
	for _, x := range list {
		if x == name {
			return true
		}
	}
	return false
}

// chooseNode lists all nodes; the service stays.
func (l *logs) chooseNode() ui.ChooseMsg {
	choices := []ui.Choice{{Label: "all nodes", Note: l.service, Run: send(logsChosen{})}}
	for _, n := range l.board.Nodes.Load().Value.Nodes {
		c := ui.Choice{Label: n.Name, Note: n.Role.Short() + " " + stage(&n), Run: send(logsChosen{nodes: []string{n.Name}})}
		if n.Address == "" {
			c.WhyNot = "no address is known"
		}
		choices = append(choices, c)
	}
	return ui.ChooseMsg{Title: "Node of the " + l.service + " log", Choices: choices}
}

// copyLines copies the selected line while paused, else all that are shown, as
// they were written.
func (l *logs) copyLines() tea.Cmd {
	v := l.board.Logs.Load()
	if l.paused {
		line, ok := v.Line(l.cursor)
		if !ok {
			return toast("the line is gone: newer ones took its place")
		}
		return send(ui.CopyMsg{Text: line.Text, What: "log line"})
	}
	var all []string
	last := uint64(0)
	for _, seq := range l.shown {
		if line, ok := v.Line(seq); ok && seq != last {
			all = append(all, line.Text)
		}
		last = seq
	}
	return send(ui.CopyMsg{Text: strings.Join(all, "\n"), What: plural(len(all), "log line")})
}

// command shows the same log with talosctl.
func (l *logs) command() string {
	var addresses []string
	for _, s := range l.sources() {
		addresses = append(addresses, s.Address)
	}
	n := "talosctl -n " + quote(strings.Join(addresses, ","))
	if l.service == cluster.Dmesg {
		return n + " dmesg --follow --tail"
	}
	return n + " logs " + quote(l.service) + " --follow --tail 200"
}

func (l *logs) Offers() []ui.Offer {
	v := l.board.Logs.Load()
	empty := noneIf(v.Len() == 0, "no line has come yet")
	pause := "pause"
	if l.paused {
		pause = "resume"
	}
	known := noneIf(len(l.board.Nodes.Load().Value.Nodes) == 0, "no node is known yet")
	match := noneIf(l.listing(v).count() == 0, "no line is shown")
	command := noneIf(len(l.nodes) == 0 && !l.all, "no log is chosen yet")
	wrap := "wrap"
	if l.wrap {
		wrap = "unwrap"
	}
	return []ui.Offer{
		offer(keymap.LogsPause, pause, match),
		offer(keymap.LogsFilter, "", ""),
		offer(keymap.LogsService, "", known),
		offer(keymap.LogsNode, "", known),
		offer(keymap.LogsLevel, "", ""),
		offer(keymap.LogsWrap, wrap, ""),
		offer(keymap.LogsTime, "", ""),
		offer(keymap.LogsGoTime, "", empty),
		offer(keymap.LogsNext, "", match),
		offer(keymap.LogsPrev, "", match),
		offer(keymap.LogsFollow, "", noneIf(!l.paused, "it follows already")),
		offer(keymap.Copy, "copy line", match),
		offer(keymap.CopyCommand, "", command),
	}
}
