package repo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const corpusDir = "../../shared/corpus/cluster-repos"

// corpusTotals is what the corpus holds altogether.
type corpusTotals struct{ repos, nodes, controlPlanes, images, resolved, tasks int }

// TestCorpus loads every talconfig.yaml of the corpus, without any environment,
// and compares with what a plain YAML decoder and a look at the text say.
func TestCorpus(t *testing.T) {
	roots, err := filepath.Glob(filepath.Join(corpusDir, "*"))
	if err != nil || len(roots) == 0 {
		t.Skipf("no corpus at %s", corpusDir)
	}
	var total corpusTotals
	for _, root := range roots {
		t.Run(filepath.Base(root), func(t *testing.T) { corpusRepo(t, root, &total) })
	}
	if total.repos < 47 || total.nodes < 150 || total.controlPlanes*2 < total.nodes {
		t.Errorf("got %+v", total)
	}
	if total.images*100 < total.nodes*90 || total.resolved*100 < total.nodes*70 || total.tasks < 300 {
		t.Errorf("too little is known: %+v", total)
	}
	t.Logf("%+v", total)
}

func corpusRepo(t *testing.T, root string, total *corpusTotals) {
	found, err := Find(root)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %q, %v", found, err)
	}
	c, err := Load(found[0], Options{Env: noEnv, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var plain struct {
		ClusterName       string           `yaml:"clusterName"`
		Endpoint          string           `yaml:"endpoint"`
		KubernetesVersion string           `yaml:"kubernetesVersion"`
		Nodes             []map[string]any `yaml:"nodes"`
	}
	if err := yaml.Unmarshal(data, &plain); err != nil {
		t.Fatal(err)
	}
	total.repos++
	total.tasks += len(c.Tasks)
	if len(c.Nodes) != len(plain.Nodes) {
		t.Fatalf("%d nodes, the plain decoder says %d", len(c.Nodes), len(plain.Nodes))
	}
	same := func(what, got, written string) {
		t.Helper()
		if !strings.Contains(written, "$") && strings.TrimPrefix(got, "v") != strings.TrimPrefix(written, "v") {
			t.Errorf("%s %q, written %q", what, got, written)
		}
	}
	same("cluster name", c.ClusterName, plain.ClusterName)
	same("endpoint", c.Endpoint.URL, plain.Endpoint)
	same("Kubernetes version", c.KubernetesVersion, plain.KubernetesVersion)
	if c.Endpoint.URL != "" && (c.Endpoint.Host == "" || c.Endpoint.Port == 0) {
		t.Errorf("endpoint %+v", c.Endpoint)
	}
	for i, node := range c.Nodes {
		corpusNode(t, c, node, plain.Nodes[i], total)
	}
	corpusProblems(t, c)
}

// corpusNode compares one node with its entry as a plain map.
func corpusNode(t *testing.T, c *Checkout, node Node, plain map[string]any, total *corpusTotals) {
	t.Helper()
	total.nodes++
	text := func(key string) string { value, _ := plain[key].(string); return value }
	if node.Hostname == "" && !needsVariable(text("hostname"), node.Unresolved) || node.RawHostname != text("hostname") {
		t.Errorf("hostname %q of %q, unresolved %v", node.Hostname, text("hostname"), node.Unresolved)
	}
	control, _ := plain["controlPlane"].(bool)
	if !node.RoleKnown || node.ControlPlane != control {
		t.Errorf("%s: control plane %v (known %v), written %v", node, node.ControlPlane, node.RoleKnown, plain["controlPlane"])
	}
	if control {
		total.controlPlanes++
	}
	if want := strings.Count(text("ipAddress"), ",") + 1; len(node.Addresses) != want && !needsVariable(text("ipAddress"), node.Unresolved) {
		t.Errorf("%s: %d addresses, written %q", node, len(node.Addresses), text("ipAddress"))
	}
	if node.InstallDisk != text("installDisk") && !strings.Contains(text("installDisk"), "$") || (node.DiskSelector != nil) != (plain["installDiskSelector"] != nil) {
		t.Errorf("%s: disk %q, %+v", node, node.InstallDisk, node.DiskSelector)
	}
	if url := text("talosImageURL"); url != "" && node.ImageSource != ImageURL || plain["schematic"] != nil && node.ImageSource == ImageStock {
		t.Errorf("%s: image source %v", node, node.ImageSource)
	}
	if node.Image != "" {
		total.images++
		if !strings.HasSuffix(node.Image, ":"+c.TalosVersion) {
			t.Errorf("%s: image %q", node, node.Image)
		}
	}
	if node.ImageSource == ImageSchematic && node.SchematicID == "" {
		t.Logf("%s: schematic ID not computed", node)
	}
	if len(node.Unresolved) == 0 {
		total.resolved++
	}
	if _, listed := plain["networkInterfaces"].([]any); listed && len(node.Interfaces) == 0 {
		t.Errorf("%s: no interfaces", node)
	}
}

// needsVariable tells whether a text has a variable that is named as unresolved.
func needsVariable(text string, unresolved []string) bool {
	return slices.ContainsFunc(expressions(text), func(e expression) bool { return slices.Contains(unresolved, e.name) })
}

// corpusProblems: no file of the corpus is wrong in itself, so nothing but what
// the corpus leaves out may be missing.
func corpusProblems(t *testing.T, c *Checkout) {
	t.Helper()
	for _, one := range c.Problems {
		expected := slices.ContainsFunc([]string{
			"does not exist", "is not set", "no talsecret file", "reads talosImageURL", "the talenv files pin",
		}, func(part string) bool { return strings.Contains(one.Reason, part) })
		if !expected || !filepath.IsAbs(one.File) {
			t.Errorf("unexpected problem %v", one)
		}
	}
}
