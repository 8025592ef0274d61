package repo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// at sets a file's modification time, in minutes after a fixed hour.
func at(t *testing.T, path string, minutes int) {
	t.Helper()
	when := time.Date(2026, 1, 1, 12, minutes, 0, 0, time.UTC)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

// allAt sets the time of every file below a folder.
func allAt(t *testing.T, root string, minutes int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			at(t, path, minutes)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConfigFiles(t *testing.T) {
	root := writeFiles(t, map[string]string{
		"talos/talconfig.yaml":                         wholeTalconfig,
		"talos/talenv.yaml":                            "CLUSTER: k8s\n",
		"talos/talsecret.sops.yaml":                    "a: b\n",
		"talos/patches/all.yaml":                       "a: b\n",
		"talos/patches/cp.yaml":                        "a: b\n",
		"talos/clusterconfig/k8s-k8s-CP1.example.yaml": "secret: x\n",
		"talos/clusterconfig/worker/w-1-first.yaml":    "secret: x\n",
		"talos/clusterconfig/talosconfig":              "x",
		"kubeconfig":                                   "x",
	})
	load := func() *Checkout {
		c, err := Load(filepath.Join(root, "talos"), Options{Env: noEnv})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	check := func(step string, c *Checkout, states ...ConfigState) {
		t.Helper()
		for i, want := range states {
			if got := c.Nodes[i].ConfigFile; got.State != want {
				t.Errorf("%s: node %d: got %v %q, want %v", step, i, got.State, got.NewerInput, want)
			}
		}
	}
	allAt(t, root, 0)
	c := load()
	check("fresh", c, ConfigPresent, ConfigPresent, ConfigAbsent)
	if !c.Talosconfig.Exists || !c.Kubeconfigs[0].Exists || c.Kubeconfigs[0].Path != filepath.Join(root, "kubeconfig") {
		t.Errorf("got %+v, %+v", c.Talosconfig, c.Kubeconfigs)
	}
	if want := filepath.Join(root, "talos/clusterconfig/worker/w-2.yaml"); c.Nodes[2].ConfigFile.Path != want {
		t.Errorf("got %q", c.Nodes[2].ConfigFile.Path)
	}
	at(t, filepath.Join(root, "talos/patches/cp.yaml"), 1)
	c = load()
	check("patch of the control plane", c, ConfigStale, ConfigPresent, ConfigAbsent)
	if filepath.Base(c.Nodes[0].ConfigFile.NewerInput) != "cp.yaml" {
		t.Errorf("got %+v", c.Nodes[0].ConfigFile)
	}
	at(t, filepath.Join(root, "talos/talenv.yaml"), 2)
	check("talenv", load(), ConfigStale, ConfigStale, ConfigAbsent)
	at(t, filepath.Join(root, "talos/clusterconfig/worker/w-1-first.yaml"), 3)
	check("generated again", load(), ConfigStale, ConfigPresent, ConfigAbsent)
}

func TestFilesOfANode(t *testing.T) {
	text := oneNode("extraManifests: [e.yaml], machineFiles: [{content: '@f.txt', path: /x, op: create}, {content: plain}]",
		"inlineManifests: [{name: a, contents: '@m.yaml', skipEnvsubst: true}]\ncontrolPlane: {extraManifests: ['@g.yaml']}\n")
	files := map[string]string{"talos/e.yaml": "", "talos/f.txt": "x: ${NONE}\n", "talos/m.yaml": "x: ${SKIPPED}\n"}
	c := loadText(t, text, nil, files)
	if !slices.Equal(c.Unresolved, []string{"NONE"}) || !slices.Equal(c.Nodes[0].Unresolved, []string{"NONE"}) {
		t.Errorf("got %v, %v", c.Unresolved, c.Nodes[0].Unresolved)
	}
	wantProblems(t, c,
		"error f.txt:1: ${NONE} is not set in the environment, and there is no talenv file",
		"error talconfig.yaml:8: extra manifest talos/g.yaml: does not exist")
}

func TestFingerprint(t *testing.T) {
	root := writeFiles(t, map[string]string{"talos/talconfig.yaml": wholeTalconfig, "Taskfile.yaml": "includes: {a: x, b: y.yaml}\n"})
	allAt(t, root, 0)
	path := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	load := func() *Checkout {
		c, err := Load(path("talos"), Options{Env: noEnv})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := load()
	if before := c.Fingerprint(); c.Changed() || before != c.Fingerprint() {
		t.Fatal("changed, although nothing did")
	}
	for _, name := range []string{
		"talos/talenv.sops.yml", "talos/patches/all.yaml", "talos/clusterconfig/talosconfig", "kubeconfig", "age.key",
		"y.yaml", "talos/talsecret.yml",
	} {
		if err := os.MkdirAll(filepath.Dir(path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at(t, path(name), 1)
		if !c.Changed() {
			t.Errorf("%s came, and nothing changed", name)
		}
		c = load()
	}
	at(t, path("talos/talconfig.yaml"), 5)
	if !c.Changed() {
		t.Error("talconfig.yaml changed unseen")
	}
	late := time.Now().Add(time.Hour)
	if err := os.Chtimes(path("talos/talconfig.yaml"), late, late); err != nil {
		t.Fatal(err)
	}
	if !load().Changed() {
		t.Error("a file written while it was read counts as read")
	}
}

const rootTaskfile = `version: '3'
vars:
  TALOS_DIR: '{{.ROOT_DIR}}/talos'
  OUT: '{{ .TALOS_DIR }}/generated'
  SHELL: {sh: echo x}
env:
  KUBECONFIG: '{{.TALOS_DIR}}/kube'
  TALOSCONFIG: '{{.ROOT_DIR}}/tc'
includes:
  talos: .taskfiles/talos
  boot: {taskfile: ./boot.yaml, aliases: [b], internal: true}
  flat: {taskfile: .taskfiles/flat.yml, flatten: true, excludes: [gone]}
  maybe: {taskfile: nothing, optional: true}
  lost: nothing.yaml
  remote: https://example.org/Taskfile.yml
  unknown: '{{.SHELL}}/x.yaml'
tasks:
  default: task --list
  reconcile:
    desc: pull
    cmd: flux -n flux-system reconcile kustomization flux-system --with-source
`

const talosTaskfile = `version: '3'
includes:
  again: ../../Taskfile.yaml
tasks:
  default: {cmds: [task: apply]}
  generate-config:
    summary: make it
    cmds:
      - cmd: |
          talhelper genconfig -c {{.TALOS_DIR}}/talconfig.yaml \
            --out-dir "{{ .OUT }}"
  apply-node:
    requires: {vars: [IP, {name: MODE, enum: [auto]}]}
    aliases: [apply]
    cmd: talhelper gencommand apply --node {{.IP}} | bash
    preconditions: [talosctl reset]
  upgrade-node:
    vars:
      IMAGE: {sh: "yq '.nodes[] | .talosImageURL' talconfig.yaml"}
    cmds:
      - talosctl --nodes {{.IP}} upgrade --image={{.IMAGE}}
      - talosctl -n {{.IP}} health
  upgrade-k8s: [talosctl upgrade-k8s --to x, "talosctl etcd snapshot db"]
  reset:
    prompt: sure?
    internal: true
    cmds: [for: [a, b], cmd: "talosctl reset"]
`

func TestTaskfiles(t *testing.T) {
	c := loadText(t, oneNode("", ""), nil, map[string]string{
		"Taskfile.yaml": rootTaskfile, ".taskfiles/talos/Taskfile.yml": talosTaskfile,
		"boot.yaml":            "tasks: {up: talosctl bootstrap; talosctl kubeconfig; talosctl reboot; talosctl shutdown}\n",
		".taskfiles/flat.yml":  "tasks: {gone: x, stays: {cmds: [talosctl apply-config --insecure]}}\n",
		"tc":                   "x",
		"unrelated/x.yaml":     "a: b: c",
		"talos/generated/note": "",
	})
	var got []string
	for _, task := range c.Tasks {
		if strings.Count(task.Name, ":") > 1 || strings.HasPrefix(task.Name, "talos:again") {
			t.Errorf("a Taskfile that includes its includer gave %q", task.Name)
		}
		var does []string
		for _, kind := range task.Does {
			does = append(does, kind.String())
		}
		got = append(got, task.Name+"="+strings.Join(does, "+"))
	}
	want := []string{
		"boot:up=bootstrap+kubeconfig+reboot+shutdown", "default=", "reconcile=reconcile", "stays=apply-config",
		"talos:apply-node=apply-config", "talos:default=", "talos:generate-config=genconfig", "talos:reset=reset",
		"talos:upgrade-k8s=upgrade-k8s+etcd snapshot", "talos:upgrade-node=upgrade+health",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.ClusterConfigDir.Path != filepath.Join(c.Root, "talos", "generated") || !c.ClusterConfigDir.Exists {
		t.Errorf("output folder %+v", c.ClusterConfigDir)
	}
	if c.Talosconfig.Path != filepath.Join(c.Root, "tc") || c.Kubeconfigs[0].Path != filepath.Join(c.Root, "talos", "kube") {
		t.Errorf("got %+v, %+v", c.Talosconfig, c.Kubeconfigs)
	}
	wantProblems(t, c, "warning Taskfile.yml:3: the included Taskfile ../../Taskfile.yaml includes this one",
		"warning Taskfile.yml:17: task talos:upgrade-node reads talosImageURL, which not every node has: it would ask for the image null",
		"warning Taskfile.yaml:14: the included Taskfile nothing.yaml does not exist")
}

func TestTaskDetails(t *testing.T) {
	c := loadText(t, oneNode("", ""), nil, map[string]string{"Taskfile.yaml": rootTaskfile, ".taskfiles/talos/Taskfile.yml": talosTaskfile, "boot.yaml": "tasks: {up: {cmd: talosctl bootstrap}}"})
	byName := map[string]Task{}
	for _, task := range c.Tasks {
		byName[task.Name] = task
	}
	apply, reset, up := byName["talos:apply-node"], byName["talos:reset"], byName["boot:up"]
	if !slices.Equal(apply.Requires, []string{"IP", "MODE"}) || !slices.Equal(apply.Aliases, []string{"talos:apply"}) || apply.Line != 12 {
		t.Errorf("got %+v", apply)
	}
	if !reset.Prompts || !reset.Internal || !up.Internal || !slices.Equal(up.Aliases, []string{"b:up"}) {
		t.Errorf("got %+v, %+v", reset, up)
	}
	if byName["talos:generate-config"].Desc != "make it" || !slices.Equal(byName["talos:default"].Aliases, []string{"talos"}) {
		t.Errorf("got %+v", byName)
	}
	if len(c.TasksFor(TaskReset)) != 0 || len(c.TasksFor(TaskGenerateConfig)) != 1 {
		t.Errorf("got %+v", c.TasksFor(TaskGenerateConfig))
	}
}

func TestFind(t *testing.T) {
	root := writeFiles(t, map[string]string{
		"talos/talconfig.yaml": "a", "clusters/two/talos/talconfig.yaml": "a", "clusters/one/talconfig.yaml": "a",
		"talos/lab/talconfig.yaml": "a", "kubernetes/bootstrap/talos/talconfig.yaml": "a", "kubernetes/apps/x/talconfig.yaml": "a",
		"infrastructure/talos/talconfig.yaml": "a", "talconfig.yaml": "a", "deep/er/file": "", ".git/talos/talconfig.yaml": "a",
	})
	for link, target := range map[string]string{"clusters/loop": "..", "clusters/alias": "one", "talos/self": ".", "talos/dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	found := func(start string) []string {
		paths, err := Find(filepath.Join(root, start))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, path := range paths {
			name, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.ToSlash(name))
		}
		return names
	}
	all := []string{"talos", ".", "kubernetes/bootstrap/talos", "talos/lab", "clusters/two/talos", "clusters/alias", "infrastructure/talos"}
	if got := found("deep/er"); !slices.Equal(got, all) {
		t.Errorf("got %q", got)
	}
	if got := found("clusters/one"); got[0] != "clusters/one" || len(got) != len(all) {
		t.Errorf("got %q", got)
	}
	if got := found("talos/talconfig.yaml"); !slices.Equal(got, []string{"talos"}) {
		t.Errorf("got %q", got)
	}
	if got := found("deep/er/file"); got[0] != "talos" {
		t.Errorf("got %q", got)
	}
	if _, err := Find(filepath.Join(root, "nowhere")); err == nil {
		t.Error("a folder that does not exist is no error")
	}
	if paths, err := Find(t.TempDir()); err != nil || len(paths) != 0 {
		t.Errorf("got %q, %v", paths, err)
	}
}

func TestNames(t *testing.T) {
	got := []string{
		ScopeNode.String(), ScopeRole.String(), ScopeCluster.String(), Scope(9).String(),
		ImageUnknown.String(), ImageURL.String(), ImageSchematic.String(), ImageStock.String(), ImageSource(9).String(),
		ConfigUnknown.String(), ConfigAbsent.String(), ConfigPresent.String(), ConfigStale.String(), ConfigState(9).String(),
		Warning.String(), Error.String(), Severity(9).String(), Problem{File: "/f", Line: 3, Reason: "r"}.String(),
	}
	want := "node role cluster unknown unknown talosImageURL schematic stock unknown unknown absent present stale unknown warning error unknown /f:3: r"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", strings.Join(got, " "))
	}
}
