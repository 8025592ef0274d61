package ui

import (
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Input is one line of text that the operator types. The zero Input is empty.
type Input struct {
	text string
	at   int // byte offset of the cursor
}

// String is the text so far.
func (in *Input) String() string { return in.text }

// Set replaces the text and puts the cursor at its end.
func (in *Input) Set(s string) {
	in.text = feed.Clean(s)
	in.at = len(in.text)
}

// Insert puts text at the cursor; what must not reach the terminal is left out.
func (in *Input) Insert(s string) {
	s = feed.Clean(s)
	in.text = in.text[:in.at] + s + in.text[in.at:]
	in.at += len(s)
}

// Key edits the text and reports whether the key was one for that.
func (in *Input) Key(msg tea.KeyPressMsg) bool {
	if msg.Text != "" && msg.Mod&^(tea.ModShift|tea.ModCapsLock) == 0 {
		in.Insert(msg.Text)
		return true
	}
	switch msg.String() {
	case "backspace", "ctrl+h":
		in.cut(in.before(), in.at)
	case "delete":
		in.cut(in.at, in.after())
	case "ctrl+w", "alt+backspace":
		in.cut(in.wordStart(), in.at)
	case "ctrl+u":
		in.cut(0, in.at)
	case "ctrl+k":
		in.cut(in.at, len(in.text))
	case "left":
		in.at = in.before()
	case "right":
		in.at = in.after()
	case "home", "ctrl+a":
		in.at = 0
	case "end", "ctrl+e":
		in.at = len(in.text)
	default:
		return false
	}
	return true
}

// Line returns the text cut to the given width, and the cell of the cursor in
// it. The part around the cursor stays in sight.
func (in *Input) Line(width int) (line string, cursor int) {
	before := in.text[:in.at]
	for before != "" && Width(before) >= width {
		_, n := utf8.DecodeRuneInString(before)
		before = before[n:]
	}
	return Fit(before+in.text[in.at:], width), min(Width(before), max(width-1, 0))
}

func (in *Input) cut(from, to int) {
	in.text = in.text[:from] + in.text[to:]
	in.at = from
}

func (in *Input) before() int {
	_, n := utf8.DecodeLastRuneInString(in.text[:in.at])
	return in.at - n
}

func (in *Input) after() int {
	_, n := utf8.DecodeRuneInString(in.text[in.at:])
	return in.at + n
}

func (in *Input) wordStart() int {
	i := in.at
	for i > 0 && in.text[i-1] == ' ' {
		i--
	}
	for i > 0 && in.text[i-1] != ' ' {
		i--
	}
	return i
}
