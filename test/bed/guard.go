package bed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// guardVar, in the environment, makes a program that imports this package the
// guard of the bed in the folder that it names.
const guardVar = "TALOS_COCKPIT_BED_GUARD"

// A guard is a copy of the running program that ends a bed when the program is
// gone, however it went: it waits for the end of its standard input, which the
// program holds open. A test that panics or is killed leaves no process behind.
type guard struct {
	cmd  *exec.Cmd
	hold io.Closer
}

func init() {
	if dir := os.Getenv(guardVar); dir != "" {
		os.Exit(beGuard(dir))
	}
}

func beGuard(dir string) int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	b, err := Open(dir)
	if errors.Is(err, ErrNotRunning) {
		return 0
	}
	if err == nil {
		err = b.stopAll(true)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bed guard:", err)
		return 1
	}
	return 0
}

// startGuard ties the bed to the life of this program.
func (b *Bed) startGuard() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self) //nolint:noctx // it must outlive this program
	cmd.Env = append(os.Environ(), guardVar+"="+b.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	hold, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.guard = &guard{cmd: cmd, hold: hold}
	return nil
}

// dismiss lets the guard go, once nothing is left to guard.
func (g *guard) dismiss() error {
	return errors.Join(g.hold.Close(), g.cmd.Wait())
}
