package ui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
)

// Pane is one rectangle of the screen: a snapshot in, lines out; actions in,
// commands out. The shell calls every method from the event loop, so none of
// them may wait for the network, a disk or a lock that a poller holds.
type Pane interface {
	// Name is the pane's title, such as Nodes.
	Name() string
	// Scope is where the pane's own keys are looked up.
	Scope() keymap.Scope
	// Topics are the changes that make the pane's cached lines stale.
	Topics() feed.Topics
	// Title is what stands in the border: left after the name, and right.
	Title() (left, right string)
	// Render draws exactly height lines of exactly width cells, styled, each line
	// ending in a reset style. It is called only if the pane is stale, or its
	// size or focus changed, or an action was done.
	Render(width, height int, focused bool) []string
	// Do carries out an action that the key map resolved. Unknown actions return nil, false.
	Do(a keymap.Action) (tea.Cmd, bool)
	// Offers says what can be done now, for footer, help and palette, in the
	// order of importance.
	Offers() []Offer
}

// Typist is a Pane that takes text, such as a filter. While Typing, every key
// goes to Type first; keys that Type does not take are resolved as usual.
type Typist interface {
	Typing() bool
	Type(msg tea.Msg) (cmd tea.Cmd, taken bool)
	// Prompt is shown in the bottom row while typing, with the cursor's column.
	Prompt(width int) (line string, cursor int)
}

// Pointer is a Pane that reacts to the mouse. x and y count from the inner
// top left corner of the pane.
type Pointer interface {
	Click(x, y int) tea.Cmd
	Wheel(lines int) tea.Cmd
}

// Clock is a Pane that shows ages. Tick is called once a second; it returns true if
// what it shows would differ, so that an idle screen draws nothing.
type Clock interface {
	Tick() bool
}

// Detailed is a Pane that can show more about the selected row beside itself,
// where the screen is wide enough. It is asked whenever the pane is stale, before
// the pane is drawn.
type Detailed interface {
	// Detail draws exactly height lines of exactly width cells, as Render does.
	Detail(width, height int) (title string, lines []string)
}

// Opener is a Pane that can show one thing in full. While it does, and its
// place is small, the shell gives it the whole area.
type Opener interface{ Opened() bool }

// Receiver is a Pane that takes messages of its own: what its commands return,
// or what another pane sends it. Every message that the shell does not know is
// offered to each Receiver; a pane that takes it is drawn again.
type Receiver interface {
	Receive(msg tea.Msg) (cmd tea.Cmd, taken bool)
}

// Offer is one thing that can or cannot be done now.
type Offer struct {
	Action  keymap.Action
	Label   string // overrides the binding's label; empty: the binding's
	Enabled bool
	WhyNot  string // why it is disabled, in one short clause; empty if enabled
}

// Toast is a message for the bottom row. Errors stay until they are dismissed.
type Toast struct {
	Text  string
	Error bool
}

// ToastMsg asks the shell to show a toast.
type ToastMsg Toast

// FocusMsg asks the shell to focus the pane of that scope; Zoom makes it full size.
type FocusMsg struct {
	Scope keymap.Scope
	Zoom  bool
}

// CopyMsg asks the shell to copy text to the terminal's clipboard (OSC 52).
type CopyMsg struct{ Text, What string }

// ConfirmMsg asks the shell for the operator's consent before Run is called.
type ConfirmMsg struct {
	Title string
	Body  []string // plain lines
	// Word must be typed in full; empty: the key y is enough.
	Word string
	Run  tea.Cmd
}

// Choice is one entry of a list to choose from.
type Choice struct {
	Label  string
	Note   string  // beside the label, muted, such as the key or the state
	WhyNot string  // why it cannot be chosen; empty: it can
	Run    tea.Cmd // what choosing it does

	do func(*Shell) tea.Cmd // instead of Run, for what the shell does itself
}

// ChooseMsg asks the shell to let the operator choose one of the entries, by
// typing a few letters of it.
type ChooseMsg struct {
	Title   string
	Choices []Choice
}

// ChangedMsg tells which topics changed. The pump of the gate sends it.
type ChangedMsg feed.Topics
