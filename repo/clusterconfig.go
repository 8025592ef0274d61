package repo

import (
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

const (
	clusterConfigName    = "clusterconfig"
	defaultFilename      = "{{ .ClusterName }}-{{ .Hostname }}.yaml"
	talosconfigName      = "talosconfig"
	kubeconfigName       = "kubeconfig"
	controlPlaneRoleName = "controlplane"
	workerRoleName       = "worker"
)

// configFile names a node's generated file and judges it by its inputs.
func (l *loader) configFile(set settings, node Node, address string, inputs []string) ConfigFile {
	text := scalar(set.pickSet("filenameTmpl"))
	if text == "" {
		text = defaultFilename
	}
	role := workerRoleName
	switch {
	case !node.RoleKnown:
		role = l.doc.hold("controlPlane")
	case node.ControlPlane:
		role = controlPlaneRoleName
	}
	name, err := fill(text, struct{ ClusterName, Hostname, IPAddress, Role string }{
		canonicalField(l.doc.root, "clusterName"), canonicalField(set.own, "hostname"), address, role,
	})
	if err != nil {
		l.found.add(Warning, l.doc.file, node.Line, "filenameTmpl %v", err)
		return ConfigFile{}
	}
	if name == "" || node.RawHostname == "" || len(l.doc.missingIn(name)) > 0 {
		return ConfigFile{}
	}
	return l.judge(filepath.Join(l.out.ClusterConfigDir.Path, name), inputs)
}

func canonicalField(parent *yaml.Node, key string) string {
	if node := field(parent, key); node != nil && node.Kind == yaml.ScalarNode {
		return canonical(node)
	}
	return ""
}

// judge compares a generated file's modification time with its inputs'.
func (l *loader) judge(path string, inputs []string) ConfigFile {
	file := ConfigFile{Path: path, State: ConfigAbsent}
	info, err := os.Stat(path)
	if err != nil {
		return file
	}
	file.State = ConfigPresent
	newest := info.ModTime()
	for _, input := range inputs {
		if known := l.files[input]; known != nil && known.changed.After(newest) {
			newest = known.changed
			file.State, file.NewerInput = ConfigStale, input
		}
	}
	return file
}

// surroundings fills in what lies around talconfig.yaml.
func (l *loader) surroundings(tasks *taskfiles, keys *keyring) {
	l.out.Talosconfig = exists(filepath.Join(l.out.ClusterConfigDir.Path, talosconfigName))
	if named := tasks.env["TALOSCONFIG"]; named != "" && !l.out.Talosconfig.Exists && exists(named).Exists {
		l.out.Talosconfig = exists(named)
	}
	var kubeconfigs []string
	for _, path := range []string{
		tasks.env["KUBECONFIG"], filepath.Join(l.out.Root, kubeconfigName),
		filepath.Join(l.dir, kubeconfigName), filepath.Join(l.out.ClusterConfigDir.Path, kubeconfigName),
	} {
		if path != "" && !slices.Contains(kubeconfigs, path) {
			kubeconfigs = append(kubeconfigs, path)
			l.out.Kubeconfigs = append(l.out.Kubeconfigs, exists(path))
		}
	}
	l.out.Tasks = tasks.sorted()
	l.nullImageTrap(tasks)
	l.out.AgeKeyFile = keys.file
	l.out.Unresolved = l.allUnresolved()
	l.rememberInputs(tasks, keys, kubeconfigs)
}

// nullImageTrap tells of upgrade tasks that read talosImageURL while nodes have
// none: they ask for the image null:v1.x.
func (l *loader) nullImageTrap(tasks *taskfiles) {
	without := slices.ContainsFunc(l.out.Nodes, func(n Node) bool {
		return n.ImageSource == ImageSchematic || n.ImageSource == ImageStock
	})
	for _, task := range tasks.list {
		if without && task.readsImageURL && slices.Contains(task.Does, TaskUpgradeNode) {
			l.found.add(Warning, task.File, task.Line,
				"task %s reads talosImageURL, which not every node has: it would ask for the image null", task.Name)
		}
	}
}

func (l *loader) allUnresolved() []string {
	names := map[string]bool{}
	for _, name := range l.out.Unresolved {
		names[name] = true
	}
	for _, file := range l.files {
		for _, name := range file.unresolved {
			names[name] = true
		}
	}
	return sortedKeys(names)
}
