package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the path of the talos-cockpit under test.
var program string

// together is how many tests run at a time: they wait far more than they compute.
const together = "6"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := flag.Set("test.parallel", together); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if program = os.Getenv("TALOS_COCKPIT_E2E"); program != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "talos-cockpit-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // a folder of the system's temporary ones
	program = filepath.Join(dir, "talos-cockpit")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program, "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
