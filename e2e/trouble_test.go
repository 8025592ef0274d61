package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// TestSilentNodes: a node that gives no answer says why and since when, and costs
// no other node's row anything.
func TestSilentNodes(t *testing.T) {
	for _, c := range []struct {
		scene  string
		silent map[string]string // node to reason
	}{
		{"hung-node", map[string]string{"talos-test03": "timed out"}},
		{"dead-node", map[string]string{"talos-test04": "no route to host"}},
		{"refused-node", map[string]string{"talos-test04": "connection refused"}},
		{"hung-and-refused", map[string]string{"talos-test03": "timed out", "talos-test04": "connection refused"}},
	} {
		t.Run(c.scene, func(t *testing.T) {
			t.Parallel()
			p := demoOf(t, c.scene, 120, 40)
			for node, why := range c.silent {
				p.wait(node+" says why", func(s string) bool {
					row := rowWith(s, node, why)
					return sinceWhen.MatchString(row) && !strings.Contains(row, "running") && !strings.Contains(row, "●")
				})
			}
			for _, node := range []string{"talos-test01", "talos-test02"} {
				p.seesRow(node, "running", "Ready", "%")
				was := rowWith(p.term.Screen(), node, "%")
				p.wait("other values of "+node, func(s string) bool {
					now := rowWith(s, node, "running", "%")
					return now != was && now != ""
				})
			}
			p.quick()
			p.whole()
		})
	}
}

var sinceWhen = regexp.MustCompile(` for (<5s|\d+[smhd])`)

// quick expects that keys are answered soon, far slower than they are, but long
// before a call of a silent node times out.
func (c *cockpit) quick() {
	c.t.Helper()
	for range 5 {
		begin := time.Now()
		c.press("?")
		c.sees("━Keys")
		c.press("esc")
		c.lost("━Keys")
		if took := time.Since(begin); took > 3*time.Second {
			c.t.Errorf("opening and closing the help took %s", took)
		}
	}
}

func TestSilenceEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, "turingpi", func(s *scene.Scene) { s.Mishaps = false })
	c := start(t, setup{w: 200, h: 50, args: s.args()})
	c.settled()
	s.Talos.Node("talos-test02").SetFault(scene.FaultRefused)
	c.wait("the row says why", func(screen string) bool {
		return sinceWhen.MatchString(rowWith(screen, "talos-test02", "connection refused"))
	})
	c.press("g", "ctrl+r")
	c.seesRow("○ talos-test02", "connection refused")
	c.sees("etcd 1/2")
	s.Talos.Node("talos-test02").SetFault(scene.FaultNone)
	c.press("ctrl+r")
	c.seesRow("talos-test02", "running", "Ready", "%")
	c.sees("etcd 2/2 ●")
}

func TestFailingKustomization(t *testing.T) {
	t.Parallel()
	c := demoOf(t, "failing-kustomization", 200, 50)
	c.wait("the failing Kustomization first", func(s string) bool {
		lines := strings.Split(s, "\n")
		for y, line := range lines {
			if strings.Contains(line, "STATE") && strings.Contains(line, "MESSAGE") {
				return containsAll(lines[y+1], "✗ ks", "web", "failed")
			}
		}
		return false
	})
	c.seesRow("3 Flux", "1✗")
	c.seesRow("✗ ks web: kustomize build failed")
	c.focus("3")
	c.press("enter")
	c.sees("kustomize build failed", "missing.yaml", "no such file or directory")
	c.whole()
}

func TestKubernetesOutage(t *testing.T) {
	t.Parallel()
	s := serve(t, "turingpi", func(s *scene.Scene) { s.Mishaps = false })
	c := start(t, setup{args: s.args()})
	c.settled()
	s.Kube.Pause()
	c.seesRow("✗", "the API server at", "refuses the connection") // the banner
	c.seesRow("Kubernetes columns are old, since")
	c.seesRow("talos-test01", "running", "%") // Talos goes on
	c.seesRow("k8s", "old", ":")
	c.focus("3")
	c.press("G", "g")
	c.press("r")
	c.sees("not now")
	c.whole()
	if err := s.Kube.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := s.Kube.SetCordon("talos-test03", true, "kubectl"); err != nil {
		t.Fatal(err)
	}
	c.wait("everything fresh again", func(s string) bool {
		return !strings.Contains(s, "refuses") && !strings.Contains(s, " old ") && strings.Contains(s, "flux ")
	})
	c.wait("what changed meanwhile", func(s string) bool {
		row := rowWith(s, "talos-test03", "running")
		return strings.Contains(row, "⊘") || strings.Contains(row, "cordon")
	})
}
