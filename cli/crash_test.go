package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/internal/term"
	"github.com/talos-cockpit/talos-cockpit/session"
	"github.com/talos-cockpit/talos-cockpit/ui"
	"github.com/talos-cockpit/talos-cockpit/views"
)

// crashing makes this test binary a cockpit whose session panics as soon as it runs.
const crashing = "TALOS_COCKPIT_TEST_CRASH"

func TestMain(m *testing.M) {
	if os.Getenv(crashing) != "" {
		os.Exit(crash())
	}
	os.Exit(m.Run())
}

func crash() int {
	log, closeLog, err := debugLog(os.Getenv(debugVariable))
	if err != nil {
		return 1
	}
	defer closeLog()
	b := board.New(1, 1)
	th := ui.NewTheme(ui.Look{})
	var shell *ui.Shell
	s := session.New(b, session.Options{
		Places:  session.Places{Env: func(string) string { return "" }},
		Go:      func(f func()) { shell.Crash().Go(f) },
		Prepare: func(context.Context, *session.Options) error { panic("the sky fell") },
	})
	shell = ui.New(ui.Options{Panes: views.New(b, s, th, time.Now), Theme: th, Mouse: true})
	err = runScreen(context.Background(), shell, s, b.Gate)
	logCrash(log, err)
	fmt.Fprintln(os.Stderr, "talos-cockpit: "+sentence(err))
	return code(err)
}

// TestPanicRestoresTheTerminal: whatever goroutine panics, the terminal is as it
// was, and the reason is printed below what was there before.
func TestPanicRestoresTheTerminal(t *testing.T) {
	for name, file := range map[string]string{"without a debug file": "", "with a debug file": t.TempDir() + "/debug"} {
		t.Run(name, func(t *testing.T) {
			var tape strings.Builder
			env := []string{crashing + "=1", debugVariable + "=" + file, "TERM=xterm-256color"}
			c, err := term.Start(t.Context(), term.Link{Tap: &tape}, 100, 30, env, os.Args[0])
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var exit *exec.ExitError
			if err := c.Wait(20 * time.Second); !errors.As(err, &exit) || exit.ExitCode() != exitFail {
				t.Errorf("it ended with %v", err)
			}
			if s := c.State(); s.Alternate || s.Mouse || !s.Cursor {
				t.Errorf("the terminal is left in the state %+v", s)
			}
			screen := strings.ReplaceAll(c.Screen(), "\n", "")
			if !strings.Contains(screen, "the cockpit crashed: the sky fell (cli/crash_test.go:") {
				t.Errorf("the reason is not on the screen:\n%s", c.Screen())
			}
			if file == "" {
				if !strings.Contains(screen, debugVariable+"=FILE") {
					t.Errorf("the screen does not say how to get the stack:\n%s", c.Screen())
				}
				return
			}
			log, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(log), "crash_test.go") || !strings.Contains(string(log), "goroutine ") {
				t.Errorf("no stack in the debug file: %v\n%s", err, log)
			}
		})
	}
}
