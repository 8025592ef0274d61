package ui

import (
	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Input is one line of text that the operator types: a bubbles text input whose
// text is always clean and which says which keys it took. The zero Input is empty.
type Input struct {
	m     textinput.Model
	ready bool
}

// model returns the text input, made at the first use.
func (in *Input) model() *textinput.Model {
	if !in.ready {
		in.m, in.ready = textinput.New(), true
		in.m.SetVirtualCursor(false)
		in.m.KeyMap.Paste.SetEnabled(false) // it would read the clipboard of this host
		in.m.KeyMap.AcceptSuggestion.SetEnabled(false)
		in.m.KeyMap.NextSuggestion.SetEnabled(false)
		in.m.KeyMap.PrevSuggestion.SetEnabled(false)
		in.m.Focus()
	}
	return &in.m
}

// String is the text so far.
func (in *Input) String() string { return in.model().Value() }

// Set replaces the text and puts the cursor at its end.
func (in *Input) Set(s string) {
	m := in.model()
	m.SetValue(feed.Clean(s))
	m.CursorEnd()
}

// Insert puts text at the cursor; what must not reach the terminal is left out.
func (in *Input) Insert(s string) {
	m := in.model()
	text, at := []rune(m.Value()), m.Position()
	more := []rune(feed.Clean(s))
	m.SetValue(string(text[:at]) + string(more) + string(text[at:]))
	m.SetCursor(at + len(more))
}

// Key edits the text and reports whether the key was one for that.
func (in *Input) Key(msg tea.KeyPressMsg) bool {
	if msg.Text != "" && msg.Mod&^(tea.ModShift|tea.ModCapsLock) == 0 {
		in.Insert(msg.Text)
		return true
	}
	m := in.model()
	k := m.KeyMap
	if !key.Matches(msg, k.CharacterForward, k.CharacterBackward, k.WordForward, k.WordBackward, k.DeleteWordBackward, k.DeleteWordForward,
		k.DeleteAfterCursor, k.DeleteBeforeCursor, k.DeleteCharacterBackward, k.DeleteCharacterForward, k.LineStart, k.LineEnd) {
		return false
	}
	in.m, _ = m.Update(msg) // its command blinks a cursor that the terminal draws
	return true
}

// Line returns the text cut to the given width, and the cell of the cursor in
// it. The part around the cursor stays in sight.
func (in *Input) Line(width int) (line string, cursor int) {
	m := in.model()
	text, at := []rune(m.Value()), m.Position()
	before := text[:at]
	for len(before) > 0 && Width(string(before)) >= width {
		before = before[1:]
	}
	return Fit(string(before)+string(text[at:]), width), min(Width(string(before)), max(width-1, 0))
}
