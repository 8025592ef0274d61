package repo

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// loadText loads a checkout with the given talconfig.yaml in talos/.
func loadText(t *testing.T, talconfig string, env map[string]string, more map[string]string) *Checkout {
	t.Helper()
	files := map[string]string{"talos/talconfig.yaml": talconfig, "talos/talsecret.sops.yaml": "x: y\n"}
	for name, text := range more {
		files[name] = text
	}
	root := writeFiles(t, files)
	lookup := func(name string) (string, bool) { value, ok := env[name]; return value, ok }
	checkout, err := Load(filepath.Join(root, "talos", "talconfig.yaml"), Options{Env: lookup})
	if err != nil {
		t.Fatal(err)
	}
	return checkout
}

// wantProblems compares the problems of talconfig.yaml, as "line severity reason".
func wantProblems(t *testing.T, checkout *Checkout, want ...string) {
	t.Helper()
	var got []string
	for _, one := range checkout.Problems {
		text := one.Severity.String() + " " + place(filepath.Base(one.File), one.Line) + ": " + one.Reason
		got = append(got, strings.ReplaceAll(text, checkout.Root, "ROOT"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const wholeTalconfig = `# a comment with ${NOT_A_VARIABLE}
---
clusterName: &name ${CLUSTER}
talosVersion: 1.13.9 # no v
kubernetesVersion: v1.36.2
endpoint: https://[2001:db8::1]:6443
patches:
  - "@./patches/all.yaml"
nodes:
  - hostname: "${CLUSTER}-CP1.example"
    ipAddress: 192.0.2.11, 2001:db8::11 ,cp1.example
    controlPlane: yes
    installDiskSelector: &disk
      model: WD*
      size: '>= 100GB'
      serial: 241047FE4737
    ignoreHostname: true
    patches:
      - |-
        machine: {}
    nodeLabels: {own: "1", number: 7, tpl: "{{ .MachineConfig }}"}
    networkInterfaces:
      - deviceSelector: {hardwareAddr: "02:00:00:00:00:01", driver: r8169, physical: true}
        vip: {ip: 192.0.2.10}
        vlans: [{vlanId: 5, vip: {ip: 192.0.2.20}}]
      - interface: bond0
        bond:
          interfaces: [eth1, eth2]
          deviceSelectors: [{busPath: "0*"}, {permanentAddr: "02:00:00:00:00:02"}]
  - hostname: w-1
    ipAddress: 192.0.2.21
    installDisk: /dev/nvme0n1
    installDiskSelector: *disk
    <<: {schematic: {customization: {systemExtensions: {officialExtensions: [siderolabs/qemu-guest-agent]}}}}
    networkInterfaces: [{interface: eth0, ignore: true}]
  - hostname: w-2
    ipAddress: 192.0.2.22
    installDisk: /dev/sda
    talosImageURL: factory.example/installer/376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba
    overridePatches: true
    patches: []
controlPlane:
  nodeLabels: {group: "1"}
  nodeTaints: {dedicated: cp:NoSchedule}
  patches:
    - "@patches/cp.yaml"
  schematic:
    overlay: {image: siderolabs/sbc-raspberrypi, name: rpi_generic}
worker:
  nodeLabels:
    zone: *name
  patches: ["@/nowhere/w.yaml"]
  filenameTmpl: "{{.Role}}/{{ .Hostname }}{{if eq .IPAddress \"192.0.2.21\"}}-first{{end}}.yaml"
`

func loadWhole(t *testing.T) *Checkout {
	t.Helper()
	return loadText(t, wholeTalconfig, map[string]string{"CLUSTER": "k8s"}, map[string]string{
		"talos/patches/all.yaml": "a: b\n", "talos/patches/cp.yaml": "",
	})
}

func TestLoadCluster(t *testing.T) {
	c := loadWhole(t)
	if c.ClusterName != "k8s" || c.TalosVersion != "v1.13.9" || c.KubernetesVersion != "v1.36.2" || !c.InGit {
		t.Errorf("got %+v", c)
	}
	want := Endpoint{Raw: "https://[2001:db8::1]:6443", URL: "https://[2001:db8::1]:6443", Host: "2001:db8::1", Port: 6443}
	if c.Endpoint != want {
		t.Errorf("got %+v", c.Endpoint)
	}
	if filepath.Base(c.SecretsFile) != "talsecret.sops.yaml" || c.Talosconfig.Exists || c.ClusterConfigDir.Path != filepath.Join(c.Root, "talos", "clusterconfig") {
		t.Errorf("got %+v", c)
	}
	wantProblems(t, c, "error talconfig.yaml:52: patch /nowhere/w.yaml: does not exist")
}

func TestLoadNodes(t *testing.T) {
	c := loadWhole(t)
	first, second, third := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	if first.Hostname != "k8s-CP1.example" || first.RawHostname != "${CLUSTER}-CP1.example" || first.Line != 10 || !first.IgnoreHostname {
		t.Errorf("got %+v", first)
	}
	if !slices.Equal(first.Addresses, []string{"192.0.2.11", "2001:db8::11", "cp1.example"}) {
		t.Errorf("addresses %q", first.Addresses)
	}
	if !first.ControlPlane || !first.RoleKnown || second.ControlPlane || !second.RoleKnown {
		t.Errorf("roles: %+v, %+v", first, second)
	}
	disk := DiskSelector{Model: "WD*", Size: ">= 100GB", Serial: "241047FE4737"}
	if first.DiskSelector == nil || *first.DiskSelector != disk || second.DiskSelector == nil || second.InstallDisk != "/dev/nvme0n1" || third.DiskSelector != nil {
		t.Errorf("disks: %+v, %+v", first.DiskSelector, second.DiskSelector)
	}
	if !reflect.DeepEqual(first.NodeLabels, map[string]string{"own": "1", "number": "7"}) || !slices.Equal(first.TemplatedLabels, []string{"tpl"}) {
		t.Errorf("labels %v, templated %v", first.NodeLabels, first.TemplatedLabels)
	}
	if !reflect.DeepEqual(second.NodeLabels, map[string]string{"zone": "k8s"}) || first.NodeTaints["dedicated"] != "cp:NoSchedule" {
		t.Errorf("labels %v, taints %v", second.NodeLabels, first.NodeTaints)
	}
	want := []Interface{
		{
			Selectors: []DeviceSelector{{HardwareAddr: "02:00:00:00:00:01", Driver: "r8169", Physical: "true"}},
			VIPs:      []string{"192.0.2.10", "192.0.2.20"},
		},
		{
			Name: "bond0", Virtual: true, Members: []string{"eth1", "eth2"},
			Selectors: []DeviceSelector{{BusPath: "0*"}, {PermanentAddr: "02:00:00:00:00:02"}},
		},
	}
	if !reflect.DeepEqual(first.Interfaces, want) {
		t.Errorf("interfaces %+v", first.Interfaces)
	}
	if !second.Interfaces[0].Ignore || second.String() != "w-1 (192.0.2.21)" {
		t.Errorf("got %+v", second)
	}
}

func TestPatches(t *testing.T) {
	c := loadWhole(t)
	at := func(name string) string { return filepath.Join(c.Root, "talos", "patches", name) }
	all := Patch{Ref: "@./patches/all.yaml", Path: at("all.yaml"), Scope: ScopeCluster}
	want := [][]Patch{
		{{Ref: "@patches/cp.yaml", Path: at("cp.yaml"), Scope: ScopeRole}, {Scope: ScopeNode}, all},
		{{Ref: "@/nowhere/w.yaml", Path: "/nowhere/w.yaml", Scope: ScopeRole, Missing: true}, all},
		{all},
	}
	for i, node := range c.Nodes {
		if !reflect.DeepEqual(node.Patches, want[i]) {
			t.Errorf("node %d: %+v", i, node.Patches)
		}
	}
}

func TestImages(t *testing.T) {
	c := loadWhole(t)
	const overlay = "ee21ef4a5ef808a9b7484cc0dda0f25075021691c8c09a276591eedb638ea1f9"
	const agent = "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515"
	const stock = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
	want := []Node{
		{ImageSource: ImageSchematic, SchematicID: overlay, Image: "factory.talos.dev/metal-installer/" + overlay + ":v1.13.9", Overlay: "rpi_generic"},
		{ImageSource: ImageSchematic, SchematicID: agent, Image: "factory.talos.dev/metal-installer/" + agent + ":v1.13.9", Extensions: []string{"siderolabs/qemu-guest-agent"}},
		{ImageSource: ImageURL, SchematicID: stock, Image: "factory.example/installer/" + stock + ":v1.13.9"},
	}
	for i, node := range c.Nodes {
		got := Node{ImageSource: node.ImageSource, SchematicID: node.SchematicID, Image: node.Image, Overlay: node.Overlay, Extensions: node.Extensions}
		if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("node %d: %+v", i, got)
		}
	}
}

// oneNode is a talconfig.yaml with one node and what more is given for it and
// for the cluster.
func oneNode(node, cluster string) string {
	return "clusterName: c\ntalosVersion: v1.13.9\nkubernetesVersion: v1.36.2\nendpoint: https://192.0.2.10:6443\n" +
		"nodes:\n  - {hostname: n, ipAddress: 192.0.2.1, installDisk: /dev/sda, controlPlane: true, " + node + "}\n" + cluster
}

func TestImageRules(t *testing.T) {
	const stock = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
	args := "noapic, nolapic"
	const noapic = "9cba8e32753f91a16c1837ab8abf356af021706ef284aef07380780177d9a06c"
	tests := []struct {
		name, node, cluster, image, id string
		source                         ImageSource
	}{
		{"stock", "", "", "factory.talos.dev/metal-installer/" + stock + ":v1.13.9", stock, ImageStock},
		{"kernel arguments", "schematic: {customization: {extraKernelArgs: [" + args + "]}}", "", "factory.talos.dev/metal-installer/" + noapic + ":v1.13.9", noapic, ImageSchematic},
		{"URL before schematic", "talosImageURL: r.example/i, schematic: {}", "", "r.example/i:v1.13.9", "", ImageURL},
		{"empty schematic replaces the group's", "schematic: {}", "controlPlane: {schematic: {customization: {extraKernelArgs: [a]}}}\n", "factory.talos.dev/metal-installer/" + stock + ":v1.13.9", stock, ImageSchematic},
		{"null schematic does not", "schematic: ~", "controlPlane: {schematic: {customization: {extraKernelArgs: [" + args + "]}}}\n", "factory.talos.dev/metal-installer/" + noapic + ":v1.13.9", noapic, ImageSchematic},
		{"secure boot", "machineSpec: {secureboot: true, mode: nocloud}", "", "factory.talos.dev/nocloud-installer-secureboot/" + stock + ":v1.13.9", stock, ImageStock},
		{"factory of its own", "", "imageFactory: {registryURL: f.example, installerURLTmpl: '{{.RegistryURL}}/x/{{.ID}}:{{.Version}}'}\n", "f.example/x/" + stock + ":v1.13.9", stock, ImageStock},
		{"template with a function", "", "imageFactory: {installerURLTmpl: '{{printf \"%99999999d\" 1}}'}\n", "", stock, ImageStock},
		{"template that loops", "", "imageFactory: {installerURLTmpl: '{{range 99999999999}}{{end}}'}\n", "", stock, ImageStock},
		{"template with an unknown field", "", "imageFactory: {installerURLTmpl: '{{.Nope}}'}\n", "", stock, ImageStock},
		{"tag in the URL", "talosImageURL: 'r.example:5000/i:v1'", "", "", "", ImageURL},
		{"unresolved URL", "talosImageURL: 'r.example/${NONE}'", "", "", "", ImageURL},
		{"unresolved schematic", "schematic: {customization: {extraKernelArgs: ['${NONE}']}}", "", "", "", ImageSchematic},
		{"unknown key", "schematic: {customization: {extra: [a]}}", "", "", "", ImageSchematic},
		{"text of doubtful form", "schematic: {customization: {extraKernelArgs: ['a: b']}}", "", "", "", ImageSchematic},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			node := loadText(t, oneNode(test.node, test.cluster), nil, nil).Nodes[0]
			if node.Image != test.image || node.SchematicID != test.id || node.ImageSource != test.source {
				t.Errorf("got %q, %q, %v", node.Image, node.SchematicID, node.ImageSource)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing wrong", oneNode("", ""), nil},
		{"nearly empty", "a: b\n", []string{
			"warning talconfig.yaml: talosVersion is not set: talhelper takes the newest version that it knows",
			"error talconfig.yaml:1: clusterName is not set", "error talconfig.yaml:1: kubernetesVersion is not set",
			"error talconfig.yaml:1: endpoint is not set", "error talconfig.yaml:1: nodes is empty",
		}},
		{"number for a version", strings.Replace(oneNode("", ""), "v1.13.9", "1.10", 1), []string{
			"warning talconfig.yaml:2: talosVersion is not quoted, and its text changes when YAML reads it as a float",
		}},
		{"endpoint", strings.Replace(oneNode("", ""), "https://192.0.2.10:6443", "192.0.2.10", 1), []string{
			"error talconfig.yaml:4: endpoint is not a URL such as https://192.0.2.10:6443",
		}},
		{"node", "clusterName: c\ntalosVersion: v1\nkubernetesVersion: v1\nendpoint: https://h:0\nnodes:\n  -\n  - hostname: a_b\n    ipAddress: 192.0.2.1,not an address\n    controlPlane: maybe\n    nodeLabels: [x]\n    networkInterfaces: y\n    patches: [{a: b}]\n    installDiskSelector: 5\n  - hostname: A\n    ipAddress: 192.0.2.1\n    installDisk: [x]\n  - hostname: a\n    ipAddress: 192.0.2.2\n    installDisk: x\n", []string{
			"error talconfig.yaml:4: the port of endpoint is not a number from 1 to 65535",
			"error talconfig.yaml:6: hostname is not set",
			"error talconfig.yaml:6: ipAddress is not set",
			"error talconfig.yaml:6: neither installDisk nor installDiskSelector is set",
			"error talconfig.yaml:7: hostname is not a valid host name",
			"error talconfig.yaml:8: ipAddress is neither an address nor a DNS name",
			"error talconfig.yaml:9: controlPlane is neither true nor false",
			"error talconfig.yaml:10: nodeLabels is not a mapping",
			"error talconfig.yaml:11: networkInterfaces is not a list",
			"error talconfig.yaml:12: a patch is not a text: begin it with |-",
			"error talconfig.yaml:13: installDiskSelector is not a mapping",
			"error talconfig.yaml:14: the node has the same address as one before it",
			"error talconfig.yaml:16: installDisk is not a text",
			"error talconfig.yaml:17: the node has the same hostname as one before it",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantProblems(t, loadText(t, test.text, nil, nil), test.want...)
		})
	}
}

func TestVariables(t *testing.T) {
	text := "clusterName: ${name}\ntalosVersion: ${talosVersion}\nkubernetesVersion: ${KUBERNETES}\nendpoint: https://${VIP}:6443\n" +
		"nodes:\n  - hostname: ${name}-1\n    ipAddress: ${ONE}, 192.0.2.2\n    controlPlane: ${CP}\n    installDisk: ${DISK:=/dev/sda}\n" +
		"    patches:\n      - |-\n        a: b\n        c: ${INLINE}\n      - '@${DIR}/x.yaml'\n      - '@x.yaml'\n"
	c := loadText(t, text, map[string]string{"talosVersion": "v1.0.0", "KUBERNETES": "1.36.2", "EMPTY": "", "CP": "true"}, map[string]string{
		"talos/talenv.yaml": "---\n# c\ntalosVersion: v1.13.9\nname: a\n",
		"talos/talenv.yml":  "name: b\nkubernetesVersion: v1.36.1\n",
		"talos/x.yaml":      "# ${COMMENT}\na:\n  b: ${EMPTY}\n",
	})
	if c.ClusterName != "b" || c.TalosVersion != "v1.13.9" || c.KubernetesVersion != "v1.36.2" || c.PinnedKubernetesVersion != "v1.36.1" {
		t.Errorf("got %+v", c)
	}
	if want := (Endpoint{Raw: "https://${VIP}:6443"}); c.Endpoint != want {
		t.Errorf("got %+v", c.Endpoint)
	}
	node := c.Nodes[0]
	if node.Hostname != "b-1" || !slices.Equal(node.Addresses, []string{"192.0.2.2"}) || !node.ControlPlane || node.InstallDisk != "/dev/sda" {
		t.Errorf("got %+v", node)
	}
	if want := []string{"DIR", "EMPTY", "INLINE", "ONE"}; !slices.Equal(node.Unresolved, want) {
		t.Errorf("unresolved %v", node.Unresolved)
	}
	if want := []string{"DIR", "EMPTY", "INLINE", "ONE", "VIP"}; !slices.Equal(c.Unresolved, want) {
		t.Errorf("unresolved %v", c.Unresolved)
	}
	if got := node.Patches[1]; got != (Patch{Ref: "@${DIR}/x.yaml", Scope: ScopeNode}) {
		t.Errorf("got %+v", got)
	}
	const unset = " is not set in talenv.yaml, talenv.yml or the environment"
	wantProblems(t, c,
		"warning talconfig.yaml:3: kubernetesVersion is not the version that the talenv files pin",
		"error talconfig.yaml:4: ${VIP}"+unset, "error talconfig.yaml:7: ${ONE}"+unset,
		"error talconfig.yaml:13: ${INLINE}"+unset, "error talconfig.yaml:14: ${DIR}"+unset,
		"error x.yaml:3: ${EMPTY} is set but empty")
}

// TestUnknownRole: a role that is not known is not guessed, and no section is
// merged into the node.
func TestUnknownRole(t *testing.T) {
	text := strings.Replace(oneNode("filenameTmpl: '{{.Role}}.yaml'", "worker: {nodeLabels: {a: b}}\n"), "controlPlane: true", "controlPlane: '${ROLE}'", 1)
	node := loadText(t, text, nil, nil).Nodes[0]
	if node.RoleKnown || node.NodeLabels != nil || node.ConfigFile.Path != "" || !slices.Equal(node.Unresolved, []string{"ROLE"}) {
		t.Errorf("got %+v", node)
	}
}

// TestSubstitutionIsText: a variable's value becomes YAML, as with talhelper.
func TestSubstitutionIsText(t *testing.T) {
	text := strings.Replace(oneNode("", "patches: ${PATCHES}\n"), "ipAddress: 192.0.2.1", "ipAddress: '${IP}'", 1)
	c := loadText(t, text, map[string]string{"PATCHES": `["@a.yaml", "@b.yaml"]`, "IP": "192.0.2.1"}, nil)
	if len(c.Nodes[0].Patches) != 2 || c.Nodes[0].Addresses[0] != "192.0.2.1" {
		t.Errorf("got %+v", c.Nodes[0])
	}
	broken := loadText(t, text, map[string]string{"PATCHES": `[@a secret`, "IP": "192.0.2.1"}, nil)
	if broken.Nodes[0].Addresses[0] != "192.0.2.1" || broken.ClusterName != "c" {
		t.Errorf("got %+v", broken)
	}
	wantProblems(t, broken,
		"error talconfig.yaml: is no longer valid YAML once its variables are substituted: quote the values that need it",
		"error talconfig.yaml:7: patches is not a list")
}

func TestTalenvProblems(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"not dotenv":  {"a: 1\nb:\n  - c\n", "error talenv.yaml:3: is not read by talhelper, none of its variables is set: a name has a character that dotenv does not allow"},
		"not yaml":    {"a: b: c\n", "error talenv.yaml:1: mapping values are not allowed in this context"},
		"not mapping": {"A=1\n", "error talenv.yaml:1: is not a YAML mapping of variables (name: value)"},
		"empty":       {"# nothing\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := loadText(t, oneNode("", ""), nil, map[string]string{"talos/talenv.yaml": test.text})
			if test.want == "" {
				wantProblems(t, c)
				return
			}
			wantProblems(t, c, test.want)
		})
	}
	plain := loadText(t, oneNode("", ""), nil, map[string]string{"talos/talenv.sops.yaml": "a: b\n"})
	wantProblems(t, plain, "warning talenv.sops.yaml: is not encrypted, although its name says so")
}
