package ui

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
)

// DebugVariable names the file that timings are written to.
const DebugVariable = "TALOS_COCKPIT_DEBUG"

// OpenDebug opens the debug log at path, with mode 0600. With an empty path the
// logger is nil and nothing is opened.
func OpenDebug(path string) (*slog.Logger, io.Closer, error) {
	if path == "" {
		return nil, io.NopCloser(nil), nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", DebugVariable, err)
	}
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})), f, nil
}

// logTiming writes the type of a message and how long it took, never what is in it.
func (s *Shell) logTiming(what string, msg tea.Msg, took time.Duration) {
	s.opts.Debug.Debug(what, "type", fmt.Sprintf("%T", msg), "took", took)
}
