package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"
)

// logTiming writes the type of a message and how long it took, never what is in it.
func (s *Shell) logTiming(what string, msg tea.Msg, took time.Duration) {
	s.opts.Debug.Debug(what, "type", fmt.Sprintf("%T", msg), "took", took)
}
