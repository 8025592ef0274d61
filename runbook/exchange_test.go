package runbook

import (
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/health"
)

func twoNodes(target string) health.Facts {
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	alive := cluster.Reading[cluster.Machine]{At: at}
	return health.Facts{Now: at, Target: target, Inventory: cluster.Inventory{Nodes: []cluster.Node{
		{Name: "cp-1", Address: "10.0.0.1", Role: cluster.RoleControlPlane, Machine: alive},
		{Name: "cp-2", Address: "10.0.0.2", Role: cluster.RoleControlPlane, Machine: alive},
		{Name: "wk-1", Address: "10.0.0.3", Role: cluster.RoleWorker, Machine: alive, Repo: &cluster.RepoNode{ConfigFile: "clusterconfig/home-wk-1.yaml"}},
	}}}
}

func commands(p health.Plan) string {
	var all []string
	for _, s := range p.Steps {
		all = append(all, s.Command...)
	}
	return strings.Join(all, "\n")
}

func TestExchangeNeverGoesThroughTheTarget(t *testing.T) {
	for target, address := range map[string]string{"cp-1": "10.0.0.1", "cp-2": "10.0.0.2", "wk-1": "10.0.0.3"} {
		p := Exchange(twoNodes(target))
		if len(p.Steps) != 16 {
			t.Fatalf("%s: %d steps, want 16", target, len(p.Steps))
		}
		if strings.Contains(commands(p), "-e "+address) {
			t.Errorf("%s: a command goes through the target:\n%s", target, commands(p))
		}
	}
}

func TestExchangeSteps(t *testing.T) {
	p := Exchange(twoNodes("wk-1"))
	consent, first := 0, 0
	for _, s := range p.Steps {
		if s.Name == "consent" {
			consent = s.Number
		}
		if s.Final && first == 0 {
			first = s.Number
		}
	}
	if consent == 0 || first <= consent {
		t.Errorf("consent is step %d, the first irreversible step is %d: consent must come before", consent, first)
	}
	if !strings.Contains(commands(p), "--file clusterconfig/home-wk-1.yaml") {
		t.Errorf("the node's own config is not in the commands:\n%s", commands(p))
	}
	if strings.Contains(commands(p), "etcd forfeit-leadership") {
		t.Error("a worker's plan forfeits etcd leadership")
	}
	if !strings.Contains(commands(Exchange(twoNodes("cp-1"))), "etcd forfeit-leadership") {
		t.Error("a control-plane node's plan does not forfeit etcd leadership")
	}
}

func TestExchangeRefuses(t *testing.T) {
	if p := Exchange(twoNodes("nobody")); !strings.Contains(p.Refuse, `"nobody"`) || len(p.Steps) != 0 {
		t.Errorf("unknown node: %+v", p)
	}
	f := twoNodes("cp-1")
	f.Status.ReadOnly = "--read-only is set"
	if p := Exchange(f); !strings.Contains(p.Refuse, "--read-only is set") {
		t.Errorf("read-only: refuse is %q", p.Refuse)
	}
}
