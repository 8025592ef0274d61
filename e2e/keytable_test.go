package e2e

import (
	"regexp"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

var globalKeys = map[keymap.Action]expectation{
	keymap.Help:        {after: sees("━Keys", "find a pane")},
	keymap.Palette:     {after: sees("━Go to")},
	keymap.Zoom:        {after: lost("2 Logs"), undo: then("z", "2 Logs")},
	keymap.NextPane:    {after: sees("━2 Logs")},
	keymap.PrevPane:    {after: sees("━4 Exchange")},
	keymap.Copy:        {each: clipboard("sent to the clipboard: name of the node")},
	keymap.CopyCommand: {each: clipboard("sent to the clipboard: command")},
	keymap.Contexts:    {after: sees("━Context", "in use")},
	keymap.Refresh:     {after: toast("reading everything again"), undo: nothing},
	keymap.Messages:    {after: sees("━Messages")},
	keymap.Back:        {before: all(nothing, without("z", "2 Logs")), after: sees("2 Logs"), undo: nothing},
	keymap.Mouse:       {after: toast("mouse off"), undo: all(nothing, func(c *cockpit) { c.press("ctrl+o"); toast("mouse on")(c) })},
	keymap.NextTheme:   {after: toast("colours for a light background"), undo: func(c *cockpit) { c.press("ctrl+t"); toast("colours for a dark")(c) }},
	keymap.Quit:        {each: func(*cockpit, string) {}, undo: nothing}, // TestQuit does
	keymap.Redraw: {each: func(c *cockpit, key string) {
		from := c.tape.len()
		c.press(key)
		c.wait("a cleared screen", func(string) bool { return strings.Contains(c.tape.since(from), "\x1b[2J") })
		c.whole()
	}, undo: nothing},
	keymap.GoPane: {each: func(c *cockpit, key string) {
		c.press(key)
		if name, ok := paneNames[key]; ok {
			c.sees("━" + key + " " + name)
			return
		}
		toast("there is no pane " + key)(c)
	}, undo: nothing},
}

func top(c *cockpit)    { c.press("g"); rowOf(0)(c) }
func bottom(c *cockpit) { c.press("G"); rowOf(3)(c) }

var moveKeys = map[keymap.Action]expectation{
	keymap.Down:     {before: top, after: rowOf(1)},
	keymap.Up:       {before: bottom, after: rowOf(2)},
	keymap.Top:      {before: bottom, after: rowOf(0)},
	keymap.Bottom:   {before: top, after: rowOf(3)},
	keymap.HalfDown: {before: top, after: rowOf(2)},
	keymap.HalfUp:   {before: bottom, after: rowOf(1)},
	keymap.PageDown: {before: top, after: rowOf(3)},
	keymap.PageUp:   {before: bottom, after: rowOf(0)},
	keymap.Right:    {before: func(c *cockpit) { c.focus("2") }, after: sees("from column 9"), undo: without("esc", "from column")},
	keymap.Left: {
		before: func(c *cockpit) { c.focus("2"); c.press("l"); c.sees("from column 9") },
		after:  lost("from column"), undo: nothing,
	},
}

var nodesKeys = map[keymap.Action]expectation{
	keymap.NodesOpen:     {after: sees("enter close", "booted", "more lines"), undo: without("esc", "booted")},
	keymap.NodesExchange: {after: sees("━4 Exchange talos-test")},
	keymap.NodesLogs:     {after: sees("━2 Logs kubelet · talos-test")},
	keymap.NodesFilter:   {after: func(c *cockpit) { c.typed("test02"); c.sees("1 of 4") }, undo: without("esc", "1 of 4")},
	keymap.NodesSort:     {after: sees("by node"), undo: func(c *cockpit) { c.until("s", "worst first") }},
	keymap.NodesMark:     {after: sees("1 mark"), undo: without("space", "1 mark")},
}

// until presses the key again and again until the text is there.
func (c *cockpit) until(key, text string) {
	c.t.Helper()
	for range 40 {
		c.press(key)
		if _, err := c.term.UntilText(500*time.Millisecond, text); err == nil {
			return
		}
	}
	c.t.Fatalf("pressing %s never led to %q:\n%s", key, text, c.term.Screen())
}

var resumed = without("f", "paused")

var logsKeys = map[keymap.Action]expectation{
	keymap.LogsPause:   {after: sees("paused · ", "p resume"), undo: resumed},
	keymap.LogsFollow:  {before: then("p", "paused"), after: sees("● follow"), undo: nothing},
	keymap.LogsFilter:  {after: func(c *cockpit) { c.typed("prober"); c.sees("filter prober") }, undo: without("esc", "filter prober")},
	keymap.LogsNext:    {before: all(then("g", "paused")), after: sees("paused"), undo: resumed},
	keymap.LogsPrev:    {after: sees("paused"), undo: resumed},
	keymap.LogsService: {after: sees("━Log of talos-test", "dmesg"), undo: without("esc", "━Log of")},
	keymap.LogsNode:    {after: sees("━Node of the kubelet log", "all nodes"), undo: without("esc", "━Node of")},
	keymap.LogsLevel:   {after: sees("level ≥ info"), undo: without("esc", "level ≥")},
	keymap.LogsWrap:    {after: sees("w unwrap"), undo: then("w", "w wrap")},
	keymap.LogsTime:    {after: sees("times UTC"), undo: all(then("t", "times relative"), func(c *cockpit) { c.press("t", "t") }, lost("times"))},
	keymap.LogsGoTime:  {after: sees("go to time"), undo: nothing2("esc", " go to time ")},
}

// nothing2 closes a prompt, whose label is not in the footer.
func nothing2(key, label string) func(c *cockpit) {
	return func(c *cockpit) {
		c.t.Helper()
		c.press(key)
		c.wait("the end of the prompt", func(s string) bool { return rowWith(s, label) == "" || strings.Contains(s, "q quit") })
	}
}

// ready puts the cursor on a Kustomization that is well.
func ready(c *cockpit) {
	c.t.Helper()
	c.press("g")
	c.wait("the cursor on the first object", func(s string) bool {
		lines := strings.Split(s, "\n")
		y := cursorRow(s)
		return y > 0 && strings.Contains(lines[y-1], "STATE")
	})
	for range 60 {
		if strings.HasPrefix(cursorLine(c.term.Screen()), "● ks") {
			return
		}
		was := cursorRow(c.term.Screen())
		c.press("j")
		c.wait("the cursor to move", func(s string) bool { return cursorRow(s) != was })
	}
	c.t.Fatal("no object is ready")
}

func cursorLine(screen string) string {
	y := cursorRow(screen)
	if y < 0 {
		return ""
	}
	_, line, _ := strings.Cut(strings.Split(screen, "\n")[y], "┃▸")
	return line
}

var fluxKeys = map[keymap.Action]expectation{
	keymap.FluxOpen:          {after: sees("enter close", "message"), undo: without("esc", "enter close")},
	keymap.FluxReconcile:     {before: ready, after: toast("is reconciled"), undo: nothing},
	keymap.FluxReconcileWith: {before: ready, after: toast("is reconciled"), undo: nothing},
	keymap.FluxSuspend:       {before: ready, after: sees("━Suspend ", "flux suspend kustomization"), undo: without("esc", "━Suspend")},
	keymap.FluxResume:        {before: ready, after: toast("not now: it is not suspended"), undo: nothing},
	keymap.FluxFilter:        {after: func(c *cockpit) { c.typed("web-auth"); c.seesRow("3 Flux", " of ") }, undo: without("esc", " of 4")},
	keymap.FluxSort:          {after: sees("KIND▾"), undo: func(c *cockpit) { c.until("s", "KIND ") }},
}

var exchangeKeys = map[keymap.Action]expectation{
	keymap.ExchangeOpen:     {after: sees("enter close"), undo: without("esc", "enter close")},
	keymap.ExchangeSections: {after: sees("s checks"), undo: then("s", "s steps")},
	keymap.ExchangeNext:     {before: plans, each: otherNode, undo: nothing},
	keymap.ExchangePrev:     {before: plans, each: otherNode, undo: nothing},
	keymap.ExchangeLogs:     {before: plans, after: sees("━2 Logs kubelet · talos-test")},
}

// plans waits for the plan.
func plans(c *cockpit) { c.lost("collecting") }

// otherNode expects the plan of another node.
func otherNode(c *cockpit, key string) {
	c.t.Helper()
	title := func(s string) string {
		_, t, _ := strings.Cut(rowWith(s, "4 Exchange"), "4 Exchange ")
		return t[:min(len(t), len("talos-test01"))]
	}
	was := title(c.term.Screen())
	c.press(key)
	c.wait("another node", func(s string) bool { return title(s) != was && !strings.Contains(s, "collecting") })
}

var toastSuspended = regexp.MustCompile(` ks [a-z-]+/[a-z-]+ is suspended`)

var dialogKeys = map[keymap.Action]expectation{
	keymap.Yes: {before: dialogOpen, each: func(c *cockpit, key string) {
		c.insist(key, "━Suspend")
		c.wait("the message", func(s string) bool { return toastSuspended.MatchString(s) })
		c.press("esc")
	}, undo: func(c *cockpit) {
		c.until("U", "is resumed")
		toast("is resumed")(c)
	}},
	// There is nothing to type in this question, so enter must not do it.
	keymap.Accept: {before: dialogOpen, each: func(c *cockpit, key string) {
		c.press(key, "j")
		c.sees("━Suspend ", "y yes")
	}, undo: without("esc", "━Suspend")},
	keymap.Cancel: {before: dialogOpen, after: lost("━Suspend"), undo: nothing},
}

// insist presses the key until the text is gone: a question that has just opened
// takes no answer.
func (c *cockpit) insist(key, text string) {
	c.t.Helper()
	for range 20 {
		c.press(key)
		if _, err := c.term.Until(300*time.Millisecond, func(s string) bool { return !strings.Contains(s, text) }); err == nil {
			return
		}
	}
	c.t.Fatalf("%s does not close %s:\n%s", key, text, c.term.Screen())
}

// services opens the list of services; those of a machine come a moment after its row.
func services(c *cockpit) {
	c.t.Helper()
	for range 40 {
		c.press("S")
		c.sees("━Log of")
		if rowWith(c.term.Screen(), "▸ apid") != "" {
			return
		}
		without("esc", "━Log of")(c)
	}
	c.t.Fatalf("the services never come:\n%s", c.term.Screen())
}

var pickerKeys = map[keymap.Action]expectation{
	keymap.PickDown:   {before: services, after: func(c *cockpit) { c.seesRow("▸ auditd") }, undo: without("esc", "━Log of")},
	keymap.PickUp:     {before: all(services, then("down", "▸ auditd")), after: func(c *cockpit) { c.seesRow("▸ apid") }, undo: without("esc", "━Log of")},
	keymap.PickAccept: {before: services, after: sees("━2 Logs apid"), undo: nothing},
	keymap.PickCancel: {before: services, after: lost("━Log of"), undo: nothing},
}
