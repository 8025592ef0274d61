package e2e

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestNodes(t *testing.T) {
	for name, n := range map[string]struct {
		scene string
		code  int
		says  []string
	}{
		"well":    {"failing-kustomization", 0, []string{"talos-test04", "Talos v1.13.9 is pinned"}},
		"hung":    {"hung-node", 2, []string{"no answer", "Talos API: timed out"}},
		"dead":    {"dead-node", 2, []string{"NotReady", "no route to host"}},
		"refused": {"refused-node", 2, []string{"Talos API: connection refused"}},
		"still":   {"still", 0, []string{"talos-test01   cp (leader)   running   Ready   v1.13.9   v1.37.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := command(t, nil, "--demo="+n.scene, "nodes", "--timeout=60s")
			if r.code != n.code || r.err != "" || !containsAll(r.out, n.says...) {
				t.Errorf("exit code %d, %q:\n%s", r.code, r.err, r.out)
			}
			if lines := strings.Count(r.out, "\n"); lines != 5 {
				t.Errorf("%d lines:\n%s", lines, r.out)
			}
		})
	}
}

func TestNodesWarn(t *testing.T) {
	t.Parallel()
	s := serve(t, "still")
	path := s.dir + "/talos/talconfig.yaml"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, []byte(strings.ReplaceAll(string(data), "controlPlane: true", "controlPlane: false")))
	if err := s.Kube.SetCordon("talos-test03", true, "kubectl"); err != nil {
		t.Fatal(err)
	}
	r := command(t, nil, s.args("nodes", "--timeout=60s")...)
	if r.code != 1 || !containsAll(r.out, "SchedulingDisabled", "cordoned by kubectl", "talconfig.yaml says worker") {
		t.Errorf("exit code %d, %q:\n%s", r.code, r.err, r.out)
	}
}

func TestNodesForScripts(t *testing.T) {
	for _, format := range []string{"json", "yaml"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			r := command(t, nil, "--demo=refused-node", "nodes", "--timeout=60s", "-o", format)
			if r.code != 2 {
				t.Errorf("exit code %d: %s", r.code, r.err)
			}
			var got struct {
				Nodes []struct{ Name, Severity, Role string }
			}
			read := func(data []byte, v any) error { return yaml.Unmarshal(data, v) }
			if format == "json" {
				read = json.Unmarshal
			}
			if err := read([]byte(r.out), &got); err != nil {
				t.Fatalf("%v:\n%.500s", err, r.out)
			}
			var names []string
			for _, n := range got.Nodes {
				names = append(names, n.Name)
			}
			if !slices.Equal(names, []string{"talos-test04", "talos-test01", "talos-test02", "talos-test03"}) {
				t.Errorf("the nodes are %v", names)
			}
			if got.Nodes[0].Severity != "unknown" || got.Nodes[1].Severity != "ok" || got.Nodes[1].Role != "controlplane" {
				t.Errorf("the nodes are %+v", got.Nodes)
			}
		})
	}
}

// TestCommandLine: wrong usage gives one clear sentence and exit code 3.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	const usage = 3
	for _, c := range []struct {
		args string
		env  string
		code int
		out  string
		err  string
	}{
		{args: "version", out: "talos-cockpit "},
		{args: "demo scenes", out: "turingpi "},
		{args: "--help", out: "talos-cockpit --demo"},
		{args: "nodes --help", out: "Exit code: 0 all well"},
		{args: "--bogus", code: usage, err: "unknown flag: --bogus; see talos-cockpit --help"},
		{args: "bogus", code: usage, err: `unknown command "bogus"; see talos-cockpit --help`},
		{args: "--demo hung-node", code: usage, err: "write --demo=hung-node"},
		{args: "--demo hung-node nodes", code: usage, err: "write --demo=hung-node"},
		{args: "--demo=bogus", code: usage, err: `no scene is named "bogus": there are turingpi, `},
		{args: "--demo=bogus nodes", code: usage, err: `no scene is named "bogus"`},
		{args: "--demo --theme=blue", code: usage, err: `--theme takes auto, dark or light, not "blue"`},
		{args: "--demo --log-lines=0", code: usage, err: "--log-lines and --log-mib must be at least 1"},
		{args: "--demo nodes -o xml", code: usage, err: `-o takes table, json or yaml, not "xml"`},
		{args: "demo serve", code: usage, err: "demo serve needs --dir"},
		{args: "demo serve --dir /", code: usage, err: "name another folder"},
		{args: "demo serve --dir /nonexistent/x bogus", code: usage, err: `no scene is named "bogus"`},
		{args: "--demo", code: usage, err: "the cockpit needs a terminal, and the output is none"},
		{args: "--demo", env: "TERM=dumb", code: usage, err: "needs a terminal"},
	} {
		r := command(t, []string{c.env}, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.out, c.out) || !strings.Contains(r.err, c.err) {
			t.Errorf("%s: exit code %d, out %.300q, err %q", c.args, r.code, r.out, r.err)
		}
		if c.code == usage && (r.out != "" || strings.Count(r.err, "\n") != 1 || !strings.HasPrefix(r.err, "talos-cockpit: ")) {
			t.Errorf("%s: not one sentence: out %.300q, err %q", c.args, r.out, r.err)
		}
	}
}
