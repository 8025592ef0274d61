package bed_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/test/bed"
)

// victimVar, in the environment, makes the test program start a bed of its own in
// the folder that it names, say so, and wait to be killed.
const victimVar = "TALOS_COCKPIT_BED_VICTIM"

func beVictim(dir string) int {
	_, err := bed.StartGuarded(context.Background(), bed.Options{Dir: dir, NoFlux: true})
	fmt.Println("up:", err)
	if err != nil {
		return 1
	}
	select {}
}

func TestBedDiesWithItsProgram(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bed")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx := withTimeout(t, 3*time.Minute)
	victim := exec.CommandContext(ctx, self)
	victim.Env = append(os.Environ(), victimVar+"="+dir)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "up: <nil>" {
		t.Errorf("the victim said %q (%v)", line, err)
	}
	if n := len(mentioning(dir)); n < 5 {
		t.Errorf("the victim's bed has %d processes", n)
	}
	_ = victim.Process.Kill()
	_ = victim.Wait()
	err = shared.Wait(ctx, func(context.Context) error {
		if left := mentioning(dir); len(left) > 0 {
			return fmt.Errorf("left behind: %v", left)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailedStartShowsTheLogAndLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bed")
	db := filepath.Join(dir, "etcd", "member", "snap", "db")
	if err := os.MkdirAll(filepath.Dir(db), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(db, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bed.Start(withTimeout(t, time.Minute), bed.Options{Dir: dir, NoFlux: true})
	if err == nil {
		t.Fatal("a bed came up on a broken database")
	}
	for _, want := range []string{"etcd: ", "it ended: exit status", "etcd.log", "panic"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if left := mentioning(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
