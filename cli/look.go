package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/talos-cockpit/talos-cockpit/ui"
)

// look is the look that flags and environment ask for, and which parts of it
// the terminal must not change.
func (o *options) look() (ui.Look, ui.Pinned, error) {
	switch o.theme {
	case "auto", "dark", "light":
		look, pinned := ui.LookFor(o.theme, o.ascii, os.Environ())
		return look, pinned, nil
	default:
		return ui.Look{}, ui.Pinned{}, usage("--theme takes auto, dark or light, not %q", o.theme)
	}
}

// debugLog opens the file that $TALOS_COCKPIT_DEBUG names; without one nothing is logged.
func debugLog(path string) (log *slog.Logger, closeFile func(), err error) {
	if path == "" {
		return nil, func() {}, nil
	}
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("TALOS_COCKPIT_DEBUG: %w", err)
	}
	handler := slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})
	return slog.New(handler), func() { _ = f.Close() }, nil
}
