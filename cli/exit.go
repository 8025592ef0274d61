package cli

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/talos-cockpit/talos-cockpit/ui"
)

// The exit codes of every command.
const (
	exitWarn  = 1 // warnings
	exitFail  = 2 // something failed or is unknown, or the cockpit itself crashed
	exitUsage = 3 // wrong usage, or no connection
)

// exit is an exit code without a message: everything has been printed.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is wrong usage; it ends the program with exit code 3.
type usageError struct{ text string }

func (u usageError) Error() string { return u.text }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// sentence is what is printed for the error; a crash also says where its stack is.
func sentence(err error) string {
	var crash *ui.CrashError
	switch {
	case !errors.As(err, &crash):
		return err.Error()
	case os.Getenv(debugVariable) != "":
		return err.Error() + "; the stack is in " + os.Getenv(debugVariable)
	}
	return err.Error() + "; with " + debugVariable + "=FILE its stack is written to that file"
}

// code is the exit code for what a command returned. Whatever went wrong before
// anything could be judged is usage or connection.
func code(err error) int {
	var e exit
	var sig *ui.SignalError
	var crash *ui.CrashError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return int(e)
	case errors.As(err, &sig):
		if n, ok := sig.Signal.(syscall.Signal); ok {
			return 128 + int(n) // as shells report it
		}
	case errors.As(err, &crash):
		return exitFail
	}
	return exitUsage
}
