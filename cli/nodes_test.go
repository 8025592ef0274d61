package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func known() cluster.Node {
	return cluster.Node{
		Name: "cp-1", Address: "10.0.0.1", Role: cluster.RoleControlPlane, Pods: cluster.Some(cluster.PodCount{Total: 3}),
		Kube: &cluster.KubeNode{Name: "cp-1", Ready: "True", Kubelet: "v1.37.2"},
		Machine: cluster.Reading[cluster.Machine]{At: noon, Value: cluster.Machine{
			Version: "v1.13.9", Stage: cluster.StageRunning, Services: []cluster.Service{}, CPU: cluster.Some(0.5),
			Memory: cluster.Some(cluster.Usage{Used: 1, Total: 4}), BootTime: cluster.Some(noon.Add(-49 * time.Hour)),
		}},
	}
}

func answered() cluster.Inventory {
	return cluster.Inventory{Nodes: []cluster.Node{known()}, Etcd: cluster.Etcd{Answers: []cluster.EtcdAnswer{{Address: "10.0.0.1"}}}}
}

func TestExitCodes(t *testing.T) {
	trouble := &cluster.Trouble{Kind: cluster.TroubleTimeout}
	for name, c := range map[string]struct {
		change func(*cluster.Inventory)
		want   int
	}{
		"all well":           {func(*cluster.Inventory) {}, 0},
		"information":        {func(i *cluster.Inventory) { i.Nodes[0].Severity = cluster.Info }, 0},
		"busy":               {func(i *cluster.Inventory) { i.Nodes[0].Severity = cluster.Busy }, exitWarn},
		"a warning":          {func(i *cluster.Inventory) { i.Nodes[0].Severity = cluster.Warn }, exitWarn},
		"unknown":            {func(i *cluster.Inventory) { i.Nodes[0].Severity = cluster.Unknown }, exitFail},
		"bad":                {func(i *cluster.Inventory) { i.Nodes[0].Severity = cluster.Bad }, exitFail},
		"of another version": {func(i *cluster.Inventory) { i.Nodes[0].Severity = cluster.Bad + 1 }, exitFail},
		"no Kubernetes":      {func(i *cluster.Inventory) { i.KubeErr = trouble }, exitFail},
		"no Talos":           {func(i *cluster.Inventory) { i.TalosErr = trouble }, exitFail},
		"no node":            {func(i *cluster.Inventory) { i.Nodes = nil }, exitFail},
	} {
		inv := answered()
		c.change(&inv)
		if got := code(exitCode(worst(inv))); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
	}
}

// The command must not print before the sources have answered, and must print
// although one of them never will.
func TestComplete(t *testing.T) {
	trouble := &cluster.Trouble{Kind: cluster.TroubleTimeout}
	for name, c := range map[string]struct {
		change             func(*cluster.Inventory)
		complete, measured bool
	}{
		"all answered":         {func(*cluster.Inventory) {}, true, true},
		"nobody is known":      {func(i *cluster.Inventory) { i.Nodes = nil }, false, true},
		"machine not asked":    {func(i *cluster.Inventory) { i.Nodes[0].Machine = cluster.Reading[cluster.Machine]{} }, false, true},
		"machine does not say": {func(i *cluster.Inventory) { i.Nodes[0].Machine = cluster.Reading[cluster.Machine]{Err: trouble} }, true, true},
		"pods not counted":     {func(i *cluster.Inventory) { i.Nodes[0].Pods.Known = false }, false, true},
		"Kubernetes not asked": {func(i *cluster.Inventory) { i.Nodes[0].Kube = nil }, false, true},
		"Kubernetes does not":  {func(i *cluster.Inventory) { i.Nodes[0].Kube, i.KubeErr = nil, trouble }, true, true},
		"etcd not asked":       {func(i *cluster.Inventory) { i.Etcd.Answers = nil }, false, true},
		"no second sample":     {func(i *cluster.Inventory) { i.Nodes[0].Machine.Value.CPU.Known = false }, true, false},
		"stage not told":       {func(i *cluster.Inventory) { i.Nodes[0].Machine.Value.Stage = cluster.StageUnknown }, true, false},
		"services not told":    {func(i *cluster.Inventory) { i.Nodes[0].Machine.Value.Services = nil }, true, false},
		"not told, and is silent": {func(i *cluster.Inventory) {
			i.Nodes[0].Machine.Value.Services, i.Nodes[0].Machine.Err = nil, trouble
		}, true, true},
	} {
		inv := answered()
		c.change(&inv)
		if got := complete(inv); got != c.complete {
			t.Errorf("%s: complete %v, want %v", name, got, c.complete)
		}
		if got := measured(inv); got != c.measured {
			t.Errorf("%s: measured %v, want %v", name, got, c.measured)
		}
	}
}

func TestNodeTableShowsUnknownAsUnknown(t *testing.T) {
	inv := answered()
	var b bytes.Buffer
	if err := writeNodeTable(&b, inv, noon); err != nil {
		t.Fatal(err)
	}
	if want := "cp-1 cp running Ready v1.13.9 v1.37.2 50% 25% ? 3 10.0.0.1 2d -"; strings.Join(strings.Fields(strings.SplitN(b.String(), "\n", 3)[1]), " ") != want {
		t.Errorf("%s\nwant %s", b.String(), want)
	}
	inv.Nodes[0].Machine.Err = &cluster.Trouble{Kind: cluster.TroubleRefused} // all that it told is old
	inv.Nodes[0].Kube, inv.Nodes[0].Pods = nil, cluster.Opt[cluster.PodCount]{}
	b.Reset()
	if err := writeNodeTable(&b, inv, noon); err != nil {
		t.Fatal(err)
	}
	if want := "cp-1 cp no answer ? v1.13.9 ? ? ? ? ? 10.0.0.1 ? -"; strings.Join(strings.Fields(strings.SplitN(b.String(), "\n", 3)[1]), " ") != want {
		t.Errorf("%s\nwant %s", b.String(), want)
	}
}

func TestJSONTellsUnknownAsNull(t *testing.T) {
	var b bytes.Buffer
	if err := nodeWriters["json"](&b, answered(), noon); err != nil {
		t.Fatal(err)
	}
	var out struct {
		Nodes []struct {
			Severity string
			Machine  struct{ Value map[string]any }
		}
	}
	if err := json.Unmarshal(b.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	n := out.Nodes[0]
	disk, told := n.Machine.Value["disk"]
	if n.Severity != "ok" || !told || disk != nil || n.Machine.Value["cpu"] != 0.5 {
		t.Errorf("%s", b.String())
	}
}
