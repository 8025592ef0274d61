package keymap

// The actions that the shell itself carries out.
const (
	Help       Action = "help"
	Palette    Action = "palette"
	Quit       Action = "quit"
	NextPane   Action = "pane.next"
	PrevPane   Action = "pane.previous"
	GoPane     Action = "pane.go" // the key is the pane's number
	Zoom       Action = "zoom"
	Refresh    Action = "refresh"
	Contexts   Action = "contexts"
	Messages   Action = "messages"
	Mouse      Action = "mouse"
	NextTheme  Action = "theme"
	Redraw     Action = "redraw"
	Back       Action = "back" // the shell's own levels first, then the pane's
	Accept     Action = "dialog.accept"
	Yes        Action = "dialog.yes"
	Cancel     Action = "dialog.cancel"
	PickUp     Action = "pick.up"
	PickDown   Action = "pick.down"
	PickAccept Action = "pick.accept"
	PickCancel Action = "pick.cancel"
)

// The actions that go to the focused pane from every scope.
const (
	Copy        Action = "copy"
	CopyCommand Action = "copy.command"
)

// Moving, in every pane and in the help.
const (
	Up       Action = "move.up"
	Down     Action = "move.down"
	Left     Action = "move.left"
	Right    Action = "move.right"
	Top      Action = "move.top"
	Bottom   Action = "move.bottom"
	HalfUp   Action = "move.half-up"
	HalfDown Action = "move.half-down"
	PageUp   Action = "move.page-up"
	PageDown Action = "move.page-down"
)

// The actions of the Nodes pane.
const (
	NodesOpen     Action = "nodes.open"
	NodesLogs     Action = "nodes.logs"
	NodesExchange Action = "nodes.exchange"
	NodesMark     Action = "nodes.mark"
	NodesFilter   Action = "nodes.filter"
	NodesSort     Action = "nodes.sort"
)

// The actions of the Logs pane.
const (
	LogsPause   Action = "logs.pause"
	LogsFollow  Action = "logs.follow"
	LogsFilter  Action = "logs.filter"
	LogsNext    Action = "logs.next"
	LogsPrev    Action = "logs.previous"
	LogsLevel   Action = "logs.level"
	LogsService Action = "logs.service"
	LogsNode    Action = "logs.node"
	LogsWrap    Action = "logs.wrap"
	LogsTime    Action = "logs.time"
	LogsGoTime  Action = "logs.go-time"
)

// The actions of the Flux pane.
const (
	FluxOpen          Action = "flux.open"
	FluxReconcile     Action = "flux.reconcile"
	FluxReconcileWith Action = "flux.reconcile-with-source"
	FluxSuspend       Action = "flux.suspend"
	FluxResume        Action = "flux.resume"
	FluxFilter        Action = "flux.filter"
	FluxSort          Action = "flux.sort"
)

// The actions of the Exchange pane.
const (
	ExchangeOpen     Action = "exchange.open"
	ExchangeNext     Action = "exchange.next-node"
	ExchangePrev     Action = "exchange.previous-node"
	ExchangeLogs     Action = "exchange.logs"
	ExchangeSections Action = "exchange.section"
)

// Default returns the built-in key map. No bare key destroys anything: what
// cannot be undone has its own dialog with a typed name.
func Default() *Map {
	m, err := New(defaults())
	if err == nil {
		err = m.Check(Stacks()...)
	}
	if err != nil {
		panic("keymap: " + err.Error()) // a mistake in this file, kept out by a test
	}
	return m
}

// Stack is the order of scopes in which a key is looked up while a pane of the scope has the focus.
func Stack(pane Scope) []Scope { return []Scope{pane, Move, Global} }

// Stacks are all orders of scopes in use.
func Stacks() [][]Scope {
	return [][]Scope{Stack(Nodes), Stack(Logs), Stack(Flux), Stack(Exchange), {Dialog, Move}, {Picker}}
}

// Scopes are all scopes in the order of the help screen and of the README.
func Scopes() []Scope {
	return []Scope{Global, Move, Nodes, Logs, Flux, Exchange, Dialog, Picker}
}

func defaults() []Binding {
	var all []Binding
	for _, part := range [][]Binding{globals(), moves(), nodes(), logs(), flux(), exchange(), dialogs()} {
		all = append(all, part...)
	}
	return all
}

func globals() []Binding {
	return []Binding{
		{Help, Global, []string{"?", "f1"}, "keys", "all keys, and why what cannot be done now cannot be done"},
		{Palette, Global, []string{":", "ctrl+p"}, "go to", "find a pane, an action or a context by a few letters"},
		{Zoom, Global, []string{"z"}, "zoom", "give the pane the whole screen, and back"},
		{NextPane, Global, []string{"tab"}, "next pane", "focus the next pane"},
		{PrevPane, Global, []string{"shift+tab"}, "previous pane", "focus the previous pane"},
		{GoPane, Global, []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, "pane", "focus the pane with this number"},
		{Copy, Global, []string{"y"}, "copy", "copy what is selected to the terminal's clipboard (OSC 52)"},
		{CopyCommand, Global, []string{"Y"}, "copy command", "copy the talosctl, kubectl or flux command that does or shows the same"},
		{Contexts, Global, []string{"C"}, "context", "switch to another talosconfig context"},
		{Refresh, Global, []string{"ctrl+r"}, "refresh", "read everything again now"},
		{Messages, Global, []string{"!"}, "messages", "the messages and errors so far"},
		{Back, Global, []string{"esc"}, "back", "one level back: close, clear, leave the zoom"},
		{Mouse, Global, []string{"ctrl+o"}, "mouse", "mouse on or off; off, the terminal's own selection works"},
		{NextTheme, Global, []string{"ctrl+t"}, "theme", "dark or light"},
		{Redraw, Global, []string{"ctrl+l"}, "redraw", "draw the screen anew"},
		{Quit, Global, []string{"q", "ctrl+c"}, "quit", "leave the cockpit; nothing in the cluster changes by that"},
	}
}

func moves() []Binding {
	return []Binding{
		{Down, Move, []string{"j", "down"}, "down", "one line down"},
		{Up, Move, []string{"k", "up"}, "up", "one line up"},
		{Left, Move, []string{"h", "left"}, "left", "to the left"},
		{Right, Move, []string{"l", "right"}, "right", "to the right"},
		{Top, Move, []string{"g", "home"}, "top", "to the first line"},
		{Bottom, Move, []string{"G", "end"}, "end", "to the last line"},
		{HalfDown, Move, []string{"ctrl+d"}, "half page down", "half a page down"},
		{HalfUp, Move, []string{"ctrl+u"}, "half page up", "half a page up"},
		{PageDown, Move, []string{"pgdown", "ctrl+f"}, "page down", "a page down"},
		{PageUp, Move, []string{"pgup", "ctrl+b"}, "page up", "a page up"},
	}
}

func nodes() []Binding {
	return []Binding{
		{NodesOpen, Nodes, []string{"enter"}, "open", "the node in detail"},
		{NodesExchange, Nodes, []string{"x"}, "exchange…", "plan the exchange of the node; starts nothing"},
		{NodesLogs, Nodes, []string{"L"}, "logs", "follow the logs of the node, or of the marked nodes"},
		{NodesFilter, Nodes, []string{"/"}, "filter", "show only the nodes that match"},
		{NodesSort, Nodes, []string{"s"}, "sort", "sort by the next column"},
		{NodesMark, Nodes, []string{"space"}, "mark", "mark or unmark the node"},
	}
}

func logs() []Binding {
	return []Binding{
		{LogsPause, Logs, []string{"p", "space"}, "pause", "hold the lines still; new ones are counted"},
		{LogsFollow, Logs, []string{"f"}, "follow", "jump to the newest line and follow"},
		{LogsFilter, Logs, []string{"/"}, "filter", "show only the lines that match"},
		{LogsNext, Logs, []string{"n"}, "next match", "to the next match"},
		{LogsPrev, Logs, []string{"N"}, "previous match", "to the previous match"},
		{LogsService, Logs, []string{"S"}, "service", "choose the service, or the kernel log"},
		{LogsNode, Logs, []string{"O"}, "node", "choose the node, or all of them"},
		{LogsLevel, Logs, []string{"v"}, "level", "hide what is below the next level"},
		{LogsWrap, Logs, []string{"w"}, "wrap", "wrap long lines, or pan sideways"},
		{LogsTime, Logs, []string{"t"}, "time", "time stamps local, UTC, relative or none"},
		{LogsGoTime, Logs, []string{"T"}, "go to time", "jump to a time of day"},
	}
}

func flux() []Binding {
	return []Binding{
		{FluxOpen, Flux, []string{"enter"}, "open", "the object in detail"},
		{FluxReconcile, Flux, []string{"r"}, "reconcile", "flux reconcile: ask the controller to look again"},
		{FluxReconcileWith, Flux, []string{"R"}, "with source", "flux reconcile --with-source: fetch its source first"},
		{FluxSuspend, Flux, []string{"S"}, "suspend…", "flux suspend: stop following Git; asks first"},
		{FluxResume, Flux, []string{"U"}, "resume", "flux resume: follow Git again"},
		{FluxFilter, Flux, []string{"/"}, "filter", "show only the objects that match"},
		{FluxSort, Flux, []string{"s"}, "sort", "sort by the next column"},
	}
}

func exchange() []Binding {
	return []Binding{
		{ExchangeOpen, Exchange, []string{"enter"}, "open", "evidence and remedy of the check, commands of the step"},
		{ExchangeSections, Exchange, []string{"s"}, "checks or steps", "from the checks to the steps, and back"},
		{ExchangeNext, Exchange, []string{"]"}, "next node", "plan the exchange of the next node"},
		{ExchangePrev, Exchange, []string{"["}, "previous node", "plan the exchange of the previous node"},
		{ExchangeLogs, Exchange, []string{"L"}, "logs", "follow the logs of the node"},
	}
}

func dialogs() []Binding {
	return []Binding{
		{Yes, Dialog, []string{"y"}, "yes", "do it, where no name has to be typed"},
		{Accept, Dialog, []string{"enter"}, "do it", "do it, once the name is typed in full"},
		{Cancel, Dialog, []string{"esc", "n", "ctrl+c"}, "cancel", "do nothing; while typing only esc"},
		{PickDown, Picker, []string{"down", "ctrl+n", "tab"}, "next", "the next entry"},
		{PickUp, Picker, []string{"up", "ctrl+p", "shift+tab"}, "previous", "the previous entry"},
		{PickAccept, Picker, []string{"enter"}, "choose", "take the entry"},
		{PickCancel, Picker, []string{"esc", "ctrl+c"}, "close", "choose nothing"},
	}
}
