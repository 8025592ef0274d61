package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/charmbracelet/x/term"

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

// debugVariable names the file that types of messages, timings and the stack of
// a crash are written to.
const debugVariable = "TALOS_COCKPIT_DEBUG"

// debugLog opens the file that debugVariable names; without one nothing is logged.
func debugLog(path string) (log *slog.Logger, closeFile func(), err error) {
	if path == "" {
		return nil, func() {}, nil
	}
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", debugVariable, err)
	}
	handler := slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})
	return slog.New(handler), func() { _ = f.Close() }, nil
}

// usable says why the terminal cannot show a full screen; nil if it can.
func usable(stdout *os.File, terminal string) error {
	switch {
	case !term.IsTerminal(stdout.Fd()):
		return usage("the cockpit needs a terminal, and the output is none; for scripts there is: talos-cockpit nodes")
	case terminal == "dumb":
		return usage("the terminal says that it is dumb (TERM=dumb), so it cannot show a full screen; there is: talos-cockpit nodes")
	}
	return nil
}

// logCrash writes the stack of a crash to the debug log.
func logCrash(log *slog.Logger, err error) {
	var crash *ui.CrashError
	if log != nil && errors.As(err, &crash) {
		log.Error(crash.Error(), "stack", crash.Stack)
	}
}
