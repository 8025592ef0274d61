package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// runCommand runs a command line to its end and returns its output and error.
func runCommand(ctx context.Context, args ...string) (string, error) {
	var out strings.Builder
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(io.Discard)
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

// served is a `demo serve` that has said that it is ready.
type served struct {
	said []string
	done chan error
}

func startServe(ctx context.Context, t *testing.T, args ...string) served {
	t.Helper()
	read, write := io.Pipe()
	s := served{done: make(chan error, 1)}
	c := rootCommand()
	c.SetArgs(append([]string{"demo", "serve"}, args...))
	c.SetOut(write)
	go func() {
		err := c.ExecuteContext(ctx)
		_ = write.CloseWithError(io.EOF) // a pipe's end never fails
		s.done <- err
	}()
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		s.said = append(s.said, lines.Text())
		if strings.HasPrefix(lines.Text(), "ready") {
			return s
		}
	}
	t.Fatalf("it ended without a ready line: %q, %v", s.said, <-s.done)
	return s
}

func (s served) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end within 20 s")
	}
}

func TestDemoServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := startServe(ctx, t, "--dir", dir, "--burst", "talos-test01/kubelet=100", "still")
	want := []string{
		"scene still: the reference cluster, nothing moves",
		"TALOSCONFIG=" + filepath.Join(dir, "talosconfig"), "KUBECONFIG=" + filepath.Join(dir, "kubeconfig"),
	}
	for i, line := range want {
		if s.said[i] != line {
			t.Errorf("line %d is %q, want %q", i+1, s.said[i], line)
		}
	}
	for _, name := range []string{"talosconfig", "kubeconfig", "talos/talconfig.yaml", "talos/talenv.yaml", "talos/clusterconfig/turingpi-talos-test04.yaml", demo.Marker} {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	// What serves now is what the files say.
	out, err := runCommand(t.Context(), "nodes", "--talosconfig", filepath.Join(dir, "talosconfig"), "--kubeconfig", filepath.Join(dir, "kubeconfig"), "--repo", dir)
	var e exit
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	if strings.Count(out, "talos-test0") != 4 {
		t.Errorf("the nodes of the served cluster are\n%s", out)
	}
	cancel()
	s.ends(t)
}

func TestDemoServeEndsOnSIGTERM(t *testing.T) {
	dir := t.TempDir()
	s := startServe(t.Context(), t, "--dir", dir, "single")
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.ends(t)
	// Its own folder is taken again.
	ctx, cancel := context.WithCancel(t.Context())
	again := startServe(ctx, t, "--dir", dir)
	cancel()
	again.ends(t)
}

func TestDemoServeRefuses(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "precious"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(foreign, "precious")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no folder":        {[]string{}, "needs --dir"},
		"a foreign folder": {[]string{"--dir", foreign}, "not empty and was not written by demo serve"},
		"a file":           {[]string{"--dir", file}, "--dir"},
		"unknown scene":    {[]string{"--dir", "DIR", "nowhere"}, `no scene is named "nowhere": there are turingpi`},
		"two scenes":       {[]string{"--dir", "DIR", "six", "still"}, "arg"},
		"burst: nonsense":  {[]string{"--dir", "DIR", "--burst", "fast"}, "NODE/SERVICE=LINES"},
		"burst: no number": {[]string{"--dir", "DIR", "--burst", "talos-test01/kubelet=5x"}, "NODE/SERVICE=LINES"},
		"burst: zero":      {[]string{"--dir", "DIR", "--burst", "talos-test01/kubelet=0"}, "NODE/SERVICE=LINES"},
		"burst: no node":   {[]string{"--dir", "DIR", "--burst", "talos-test09/kubelet=5"}, `no node named "talos-test09"`},
		"burst: no log":    {[]string{"--dir", "DIR", "--burst", "talos-test03/etcd=5"}, `no log named "etcd": there are apid`},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"demo", "serve"}, c.args...)
			for i, arg := range args {
				if arg == "DIR" {
					args[i] = filepath.Join(t.TempDir(), "new")
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			out, err := runCommand(ctx, args...)
			if err == nil || !strings.Contains(err.Error(), c.says) || code(err) != exitUsage {
				t.Errorf("the error is %v (exit code %d), want one that says %q", err, code(err), c.says)
			}
			if strings.Contains(out, "ready") {
				t.Errorf("it was ready: %s", out)
			}
		})
	}
	entries, err := os.ReadDir(foreign)
	if content, readErr := os.ReadFile(file); err != nil || readErr != nil || len(entries) != 1 || string(content) != "mine" {
		t.Errorf("the foreign folder was changed: %v %v", entries, err)
	}
}

func TestDemoScenes(t *testing.T) {
	out, err := runCommand(t.Context(), "demo", "scenes")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(scene.Names()) || !strings.HasPrefix(lines[0], scene.Default+" ") {
		t.Errorf("the scenes are\n%s", out)
	}
	for i, name := range scene.Names() {
		s, err := scene.Get(name)
		if err != nil || !strings.HasPrefix(lines[i], name+" ") || !strings.HasSuffix(lines[i], " "+s.Title) {
			t.Errorf("line %d is %q (%v)", i+1, lines[i], err)
		}
	}
}

func TestUnknownDemoScene(t *testing.T) {
	for _, args := range [][]string{{"--demo=unknown"}, {"nodes", "--demo=unknown"}} {
		_, err := runCommand(t.Context(), args...)
		if err == nil || !strings.Contains(err.Error(), `no scene is named "unknown": there are turingpi, dead-node`) || code(err) != exitUsage {
			t.Errorf("%v: the error is %v (exit code %d)", args, err, code(err))
		}
	}
}
