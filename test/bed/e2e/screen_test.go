package e2e

import (
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/internal/term"
	"github.com/talos-cockpit/talos-cockpit/test/bed"
)

func connection() []string {
	return []string{"--talosconfig", lab.admin, "--kubeconfig", lab.bed.Kubeconfig(), "--repo", lab.dir}
}

// screen is the built cockpit in a terminal.
type screen struct {
	*term.Terminal
	t *testing.T
}

func open(t *testing.T) screen {
	t.Helper()
	env := []string{"TERM=xterm-256color", "COLORTERM=truecolor", "HOME=" + t.TempDir()}
	terminal, err := term.Start(t.Context(), term.Link{}, 200, 60, env, lab.program, connection()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(terminal.Close)
	return screen{terminal, t}
}

func (s screen) until(limit time.Duration, what string, ok func(text string) bool) {
	s.t.Helper()
	took, err := s.Until(limit, ok)
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
	s.t.Logf("%s: on the screen after %s", what, took.Round(time.Millisecond))
}

func (s screen) keys(text string) {
	s.t.Helper()
	if err := s.Keys(text); err != nil {
		s.t.Fatal(err)
	}
}

// promised is the promise and the time that the terminal takes to show it.
func promised() time.Duration { return slow(promise + 500*time.Millisecond) }

// lineWith reports whether some line has all the words.
func lineWith(text string, words ...string) bool {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return true
		}
	}
	return false
}

// bare is a text without blanks and borders, so that wrapping does not matter.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r >= 0x2500 && r <= 0x257f {
			return -1
		}
		return r
	}, text)
}

func TestScreen(t *testing.T) {
	s := open(t)
	s.until(patience, "all nodes and the Flux objects", func(text string) bool {
		for _, node := range []string{"talos-test01", "talos-test02", "talos-test03", "talos-test04"} {
			if !lineWith(text, node, "running") {
				return false
			}
		}
		return lineWith(text, "ks", "web") && lineWith(text, "hr", "podinfo") && lineWith(text, "git", "flux-system")
	})
	t.Run("cordon", s.cordon)
	t.Run("suspend and resume", s.suspendAndResume)
	t.Run("broken commit", s.brokenCommit)
	t.Run("outage", s.outage)
	s.keys("q")
	if err := s.Wait(10 * time.Second); err != nil {
		t.Errorf("the end: %v\n%s", err, s.Screen())
	}
}

func (s screen) cordon(t *testing.T) {
	s.t = t
	kubectl(t, "cordon", "talos-test03")
	s.until(promised(), "cordon", func(text string) bool { return lineWith(text, "talos-test03", "Ready ⊘", "cordoned by") })
	kubectl(t, "uncordon", "talos-test03")
	s.until(promised(), "uncordon", func(text string) bool { return !lineWith(text, "talos-test03", "⊘") })
}

func (s screen) suspendAndResume(t *testing.T) {
	s.t = t
	s.keys("3")
	s.until(patience, "the Flux pane has the focus", func(text string) bool { return strings.Contains(text, "U resume") })
	s.keys("/web\r")
	s.until(patience, "the filter", func(text string) bool {
		return lineWith(text, "ks", "web") && !lineWith(text, "hr", "podinfo", "ready")
	})
	s.keys("S")
	s.until(patience, "the question", func(text string) bool { return strings.Contains(text, "Suspend Kustomization flux-system/web") })
	s.answerYes("Suspend Kustomization flux-system/web")
	s.until(patience, "suspended", func(text string) bool { return lineWith(text, "ks", "web", "suspended") })
	if out := flux(t, "get", "kustomization", "web", "--no-header"); !suspendedRow(out) {
		t.Errorf("flux does not see it suspended: %q", out)
	}
	s.keys("U")
	s.until(patience, "resumed", func(text string) bool {
		return lineWith(text, "ks", "web", "ready") && strings.Contains(text, "is resumed and ready")
	})
	if out := flux(t, "get", "kustomization", "web", "--no-header"); suspendedRow(out) {
		t.Errorf("flux sees it suspended: %q", out)
	}
	s.escape("all objects again", func(text string) bool { return lineWith(text, "hr", "podinfo") })
}

// suspendedRow reports whether the third column of flux get says True.
func suspendedRow(out string) bool {
	cells := strings.Split(out, "\t")
	return len(cells) > 2 && strings.TrimSpace(cells[2]) == "True"
}

// answerYes presses y until the question is gone: a fresh question swallows keys
// that were typed before it could be read.
func (s screen) answerYes(question string) {
	s.t.Helper()
	for range 50 {
		s.keys("y")
		if _, err := s.Until(200*time.Millisecond, func(text string) bool { return !strings.Contains(text, question) }); err == nil {
			return
		}
	}
	s.t.Fatalf("the question stays:\n%s", s.Screen())
}

// escape presses escape until it is back where it should be: messages go first.
func (s screen) escape(where string, ok func(text string) bool) {
	s.t.Helper()
	for range 10 {
		s.keys("\x1b")
		if _, err := s.Until(500*time.Millisecond, ok); err == nil {
			return
		}
	}
	s.t.Fatalf("%s: escape does not lead there:\n%s", where, s.Screen())
}

func (s screen) brokenCommit(t *testing.T) {
	s.t = t
	ctx := timeout(t)
	revision, err := lab.bed.PushBroken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	message, err := lab.bed.AwaitReady(ctx, bed.KustomizationWebPath, "False", revision)
	if err != nil {
		t.Fatal(err)
	}
	s.until(promised(), "web is red", func(text string) bool { return lineWith(text, "✗", "ks", "web", "failed") })
	s.keys("zg\r")
	s.until(patience, "the message in full", func(text string) bool { return strings.Contains(bare(text), bare(message)) })
	s.escape("out of the detail and the zoom", func(text string) bool { return strings.Contains(text, "1 Nodes") })
	if revision, err = lab.bed.PushFix(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.bed.AwaitReady(ctx, bed.KustomizationWebPath, "True", revision); err != nil {
		t.Fatal(err)
	}
	s.until(promised(), "web is ready", func(text string) bool { return lineWith(text, "ks", "web", "ready") })
}

func (s screen) outage(t *testing.T) {
	s.t = t
	refused := "connection refused"
	apiAway(t, lab.bed.StopAPI, func() {
		s.until(promised(), "the banner", func(text string) bool { return strings.Contains(text, refused) })
		if text := s.Screen(); !lineWith(text, "talos-test04", "running") || !lineWith(text, "ks", "web") {
			t.Errorf("the rows are gone:\n%s", text)
		}
	})
	s.until(slow(comeback), "the banner is gone", func(text string) bool { return !strings.Contains(text, refused) })
}

// printed is what of `nodes -o json` is looked at here.
type printed struct {
	Nodes []struct {
		Name     string
		Severity string
		Machine  struct{ Error *struct{ Kind string } }
		Kube     *struct{ Ready string }
		Pods     *cluster.PodCount
	}
	KubeError *struct{ Kind cluster.TroubleKind }
}

// nodesJSON runs the cockpit without a screen.
func nodesJSON(t *testing.T, args ...string) (inv printed, code int, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(timeout(t), lab.program, append(append(connection(), "nodes", "-o", "json"), args...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &inv); err != nil {
			t.Fatal(err)
		}
	}
	return inv, cmd.ProcessState.ExitCode(), complaints.String()
}

func TestNodesCommand(t *testing.T) {
	inv, code, stderr := nodesJSON(t)
	var names []string
	for _, n := range inv.Nodes {
		names = append(names, n.Name)
		if n.Kube == nil || n.Kube.Ready != "True" || n.Machine.Error != nil || n.Pods == nil {
			t.Errorf("%s is not known in full: %+v", n.Name, n)
		}
	}
	slices.Sort(names)
	want := strings.Fields(kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"))
	if code != 0 || stderr != "" || !slices.Equal(names, want) {
		t.Errorf("code %d, %q: %v, kubectl: %v", code, stderr, names, want)
	}
	if _, code, stderr := nodesJSON(t, "--no-such-flag"); code != 3 || !strings.Contains(stderr, "no-such-flag") {
		t.Errorf("wrong usage: code %d, %s", code, stderr)
	}
	apiAway(t, lab.bed.StopAPI, func() {
		inv, code, _ := nodesJSON(t)
		if code != 2 || len(inv.Nodes) != 4 || inv.KubeError == nil || inv.KubeError.Kind != cluster.TroubleRefused {
			t.Errorf("without Kubernetes: code %d, %d nodes, %+v", code, len(inv.Nodes), inv.KubeError)
		}
	})
}
