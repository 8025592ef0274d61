package repo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// inputFile is a file from which a node's configuration is made.
type inputFile struct {
	exists     bool
	changed    time.Time
	unresolved []string
}

// input stats and scans a file once. Its variables are looked at when
// substituted is true; line is where it is named, kind what it is.
func (l *loader) input(path string, line int, kind string, substituted bool) *inputFile {
	if known := l.files[path]; known != nil {
		return known
	}
	file := &inputFile{}
	l.files[path] = file
	if info, err := os.Stat(path); err == nil {
		file.changed = info.ModTime()
	}
	data, err := readFile(path)
	if err != nil {
		l.found.add(Error, l.doc.file, line, "%s %s: %s", kind, l.short(path), reasonOf(err))
		return file
	}
	file.exists = true
	if substituted {
		file.unresolved = l.scanVariables(path, data)
	}
	return file
}

// scanVariables names the variables of a file that have no value. Encrypted
// files, and those that are YAML only after templating, are not looked into.
func (l *loader) scanVariables(path string, data []byte) []string {
	documents, err := parseYAML(path, data)
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for _, document := range documents {
		if field(document, "sops") != nil {
			continue
		}
		for _, name := range reportVariables(path, document, l.env, l.found) {
			names[name] = true
		}
	}
	return sortedKeys(names)
}

func reasonOf(err error) string {
	var broken *FileError
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return "cannot be read"
}

// short is a path as seen from the checkout's root.
func (l *loader) short(path string) string {
	if inside, err := filepath.Rel(l.out.Root, path); err == nil && !strings.HasPrefix(inside, "..") {
		return inside
	}
	return path
}

// sharedInputs collects the files that all nodes are made from.
func (l *loader) sharedInputs(root *yaml.Node) {
	l.shared = []string{l.doc.file}
	for _, name := range l.env.found {
		l.shared = append(l.shared, filepath.Join(l.dir, name))
	}
	if l.out.SecretsFile != "" {
		l.shared = append(l.shared, l.out.SecretsFile)
	}
	for _, path := range l.shared {
		if info, err := os.Stat(path); err == nil {
			l.files[path] = &inputFile{exists: true, changed: info.ModTime()}
		}
	}
	l.shared = append(l.shared, l.contentFiles(field(root, "inlineManifests"), "contents", "inline manifest")...)
}

// nodeInputs reads a node's patches and gives every file that its configuration
// is made from.
func (l *loader) nodeInputs(root *yaml.Node, set settings, node *Node) []string {
	inputs := append([]string(nil), l.shared...)
	own, role := field(set.own, "patches"), field(set.role, "patches")
	if override, _ := l.boolean(field(set.own, "overridePatches"), "overridePatches"); override && own != nil {
		role = nil
	}
	l.patches(role, ScopeRole, node)
	l.patches(own, ScopeNode, node)
	l.patches(field(root, "patches"), ScopeCluster, node)
	for _, patch := range node.Patches {
		if patch.Path != "" {
			inputs = append(inputs, patch.Path)
		}
	}
	for _, section := range []*yaml.Node{set.own, set.role} {
		inputs = append(inputs, l.manifests(field(section, "extraManifests"))...)
	}
	return append(inputs, l.contentFiles(set.pick("machineFiles"), "content", "machine file")...)
}

// patches reads one list of patches.
func (l *loader) patches(list *yaml.Node, scope Scope, node *Node) {
	if list == nil {
		return
	}
	if list.Kind != yaml.SequenceNode {
		l.found.add(Error, l.doc.file, list.Line, "patches is not a list")
		return
	}
	for _, item := range list.Content {
		one := content(item)
		if one == nil {
			continue
		}
		if one.Kind != yaml.ScalarNode {
			l.found.add(Error, l.doc.file, item.Line, "a patch is not a text: begin it with |-")
			continue
		}
		patch := Patch{Scope: scope}
		if ref, found := strings.CutPrefix(one.Value, "@"); found {
			patch.Ref = l.doc.show(one.Value)
			patch.Path = l.reference(ref)
			patch.Missing = patch.Path != "" && !l.input(patch.Path, item.Line, "patch", true).exists
		}
		node.Patches = append(node.Patches, patch)
	}
}

// manifests gives the files of extraManifests, whose @ may be left out.
func (l *loader) manifests(list *yaml.Node) []string {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	var paths []string
	for _, item := range list.Content {
		if path := l.reference(strings.TrimPrefix(scalar(content(item)), "@")); path != "" {
			l.input(path, item.Line, "extra manifest", false)
			paths = append(paths, path)
		}
	}
	return paths
}

// contentFiles gives the files that a list's entries refer to with @.
func (l *loader) contentFiles(list *yaml.Node, key, kind string) []string {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	var paths []string
	for _, item := range list.Content {
		ref, found := strings.CutPrefix(scalar(field(item, key)), "@")
		path := l.reference(ref)
		if !found || path == "" {
			continue
		}
		skip, _ := l.boolean(field(item, "skipEnvsubst"), "skipEnvsubst")
		l.input(path, item.Line, kind, !skip)
		paths = append(paths, path)
	}
	return paths
}

// reference is the absolute path behind an @, empty when it is not known.
func (l *loader) reference(ref string) string {
	ref = strings.TrimSpace(ref)
	switch {
	case ref == "" || len(l.doc.missingIn(ref)) > 0 || strings.ContainsRune(ref, 0):
		return ""
	case filepath.IsAbs(ref):
		return filepath.Clean(ref)
	default:
		return filepath.Join(l.dir, ref)
	}
}

// show is a text with its placeholders as variables again.
func (d *substituted) show(text string) string {
	return d.pattern.ReplaceAllStringFunc(text, func(match string) string {
		if names := d.missingIn(match); len(names) == 1 {
			return "${" + names[0] + "}"
		}
		return match
	})
}
