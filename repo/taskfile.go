package repo

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Task is one task of the checkout's Taskfiles.
type Task struct {
	// Name is the full name, namespaces included: talos:generate-config.
	Name string
	// Aliases are other full names of the same task.
	Aliases []string
	// Desc is the description; it may be empty.
	Desc string
	// File and Line are where it is written.
	File string
	Line int
	// Does are the operations found in its own commands; none means unknown.
	Does []TaskKind
	// Requires are the variables that must be given.
	Requires []string
	// Prompts: it asks before it starts.
	Prompts bool
	// Internal: it cannot be called by name.
	Internal bool

	readsImageURL bool
}

// TasksFor gives the callable tasks whose own commands carry out an operation.
func (c *Checkout) TasksFor(kind TaskKind) []Task {
	var all []Task
	for _, task := range c.Tasks {
		if !task.Internal && slices.Contains(task.Does, kind) {
			all = append(all, task)
		}
	}
	return all
}

// Bounds on what hostile Taskfiles can ask for.
const (
	maxTasks    = 4096
	maxIncludes = 512
)

// taskfileNames are the names that go-task looks for, in its order.
var taskfileNames = []string{
	"Taskfile.yml", "taskfile.yml", "Taskfile.yaml", "taskfile.yaml",
	"Taskfile.dist.yml", "taskfile.dist.yml", "Taskfile.dist.yaml", "taskfile.dist.yaml",
}

// taskfiles is what the Taskfiles of a checkout say.
type taskfiles struct {
	list    []Task
	looked  []string
	ageKeys []string
	// env holds paths that the root Taskfile exports and that could be resolved.
	env map[string]string
	// outDir is the output folder of a talhelper genconfig command for the
	// checkout's talconfig.yaml; empty when none is given.
	outDir string

	root, talconfig string
	reads           int
	found           *problems
}

// included is one Taskfile in its place.
type included struct {
	path, namespace string
	aliases         []string // other namespaces
	internal        bool
	above           []string // the Taskfiles that include it
	vars            map[string]string
	excludes        []string
}

// readTaskfiles reads the Taskfile at the root, else the nearest one above the
// talconfig's folder, and all that it includes.
func readTaskfiles(root, dir string, found *problems) *taskfiles {
	t := &taskfiles{env: map[string]string{}, root: root, talconfig: filepath.Join(dir, talconfigName), found: found}
	for at := root; ; {
		if path := t.locate(at); path != "" {
			t.root = at
			t.read(included{path: path, vars: map[string]string{"ROOT_DIR": at}})
			return t
		}
		next := belowTowards(at, dir)
		if next == "" {
			return t
		}
		at = next
	}
}

// belowTowards is the next folder on the way down from one to another.
func belowTowards(from, to string) string {
	rest, err := filepath.Rel(from, to)
	if err != nil || rest == "." || strings.HasPrefix(rest, "..") {
		return ""
	}
	first, _, _ := strings.Cut(rest, string(filepath.Separator))
	return filepath.Join(from, first)
}

// locate finds the Taskfile of a folder.
func (t *taskfiles) locate(dir string) string {
	for _, name := range taskfileNames {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	t.looked = append(t.looked, filepath.Join(dir, taskfileNames[2]))
	return ""
}

// read reads one Taskfile and its includes.
func (t *taskfiles) read(in included) {
	t.looked = append(t.looked, in.path)
	t.reads++
	root, err := readTaskfile(in.path)
	if err != nil {
		t.found.addError(Warning, in.path, err)
		return
	}
	in.vars = t.variables(in, field(root, "vars"))
	if len(in.above) == 0 {
		t.exports(field(root, "env"), in.vars)
	}
	for _, one := range pairs(field(root, "tasks")) {
		if len(t.list) < maxTasks && !slices.Contains(in.excludes, one.key) {
			t.task(in, one)
		}
	}
	for _, one := range pairs(field(root, "includes")) {
		t.include(in, one)
	}
}

// readTaskfile reads the first document of a Taskfile; nil when it is empty.
func readTaskfile(path string) (*yaml.Node, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	documents, err := parseYAML(path, data)
	if err != nil || len(documents) == 0 {
		return nil, err
	}
	return documents[0], checkYAML(path, data, documents[0])
}

// variables adds a Taskfile's fixed variables to those around it.
func (t *taskfiles) variables(in included, node *yaml.Node) map[string]string {
	vars := map[string]string{}
	for name, value := range in.vars {
		vars[name] = value
	}
	vars["TASKFILE_DIR"] = filepath.Dir(in.path)
	for _, one := range pairs(node) {
		delete(vars, one.key)
		if one.value == nil || one.value.Kind != yaml.ScalarNode {
			continue
		}
		if value, ok := fillPath(one.value.Value, vars); ok {
			vars[one.key] = value
		}
	}
	return vars
}

// exports notes the paths that the root Taskfile puts into the environment.
func (t *taskfiles) exports(node *yaml.Node, vars map[string]string) {
	for _, one := range pairs(node) {
		value, ok := fillPath(scalar(one.value), vars)
		if !ok || value == "" || strings.Contains(value, ":") {
			continue
		}
		if !filepath.IsAbs(value) {
			value = filepath.Join(t.root, value)
		}
		switch one.key {
		case "SOPS_AGE_KEY_FILE":
			t.ageKeys = append(t.ageKeys, value)
		case "TALOSCONFIG", "KUBECONFIG":
			t.env[one.key] = filepath.Clean(value)
		}
	}
}

// include follows one entry of includes.
func (t *taskfiles) include(from included, one pair) {
	where, optional, flatten := scalar(one.value), false, false
	next := included{namespace: joinName(from.namespace, one.key), internal: from.internal, vars: from.vars}
	next.above = append(slices.Clone(from.above), from.path)
	if one.value != nil && one.value.Kind == yaml.MappingNode {
		where = scalar(field(one.value, "taskfile"))
		optional = scalar(field(one.value, "optional")) == "true"
		flatten = scalar(field(one.value, "flatten")) == "true"
		next.internal = next.internal || scalar(field(one.value, "internal")) == "true"
		next.excludes = scalars(field(one.value, "excludes"))
		for _, alias := range scalars(field(one.value, "aliases")) {
			next.aliases = append(next.aliases, joinName(from.namespace, alias))
		}
		next.vars = t.variables(from, field(one.value, "vars"))
	}
	if flatten {
		next.namespace, next.aliases = from.namespace, from.aliases
	}
	path, known := fillPath(where, from.vars)
	if !known || path == "" || strings.Contains(path, "://") || t.reads >= maxIncludes {
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(from.path), path)
	}
	if next.path = t.resolve(path); next.path == "" {
		if !optional {
			t.found.add(Warning, from.path, one.line, "the included Taskfile %s does not exist", where)
		}
		return
	}
	if slices.Contains(next.above, next.path) {
		t.found.add(Warning, from.path, one.line, "the included Taskfile %s includes this one", where)
		return
	}
	t.read(next)
}

// resolve turns the path of an include, which may be a folder, into a file's.
func (t *taskfiles) resolve(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		t.looked = append(t.looked, path)
		return ""
	case info.IsDir():
		return t.locate(path)
	default:
		return path
	}
}

// task reads one task.
func (t *taskfiles) task(in included, one pair) {
	task := Task{
		Name: joinName(in.namespace, one.key), File: in.path, Line: one.line,
		Desc:     cmp.Or(scalar(field(one.value, "desc")), scalar(field(one.value, "summary"))),
		Prompts:  field(one.value, "prompt") != nil,
		Internal: in.internal || scalar(field(one.value, "internal")) == "true",
		Requires: requires(field(field(one.value, "requires"), "vars")),
	}
	for _, namespace := range in.aliases {
		task.Aliases = append(task.Aliases, joinName(namespace, one.key))
	}
	for _, alias := range append(scalars(field(one.value, "aliases")), scalars(field(one.value, "alias"))...) {
		task.Aliases = append(task.Aliases, joinName(in.namespace, alias))
	}
	if one.key == "default" && in.namespace != "" {
		task.Aliases = append(task.Aliases, in.namespace)
	}
	for _, command := range commands(one.value) {
		for _, kind := range kindsOf(command) {
			if !slices.Contains(task.Does, kind) {
				task.Does = append(task.Does, kind)
			}
		}
		t.outputFolder(command, in)
	}
	if one.value != nil {
		walkScalars(one.value, func(node *yaml.Node) {
			task.readsImageURL = task.readsImageURL || strings.Contains(node.Value, ".talosImageURL")
		})
	}
	t.list = append(t.list, task)
}

var (
	outDirFlag     = regexp.MustCompile(`\s(?:--out-dir|-o)[= ]\s*("[^"]*"|'[^']*'|\S+)`)
	configFileFlag = regexp.MustCompile(`\s(?:--config-file|-c)[= ]\s*("[^"]*"|'[^']*'|\S+)`)
	spacedVariable = regexp.MustCompile(`\{\{-?\s*(\.[A-Za-z0-9_]+)\s*-?\}\}`)
)

// outputFolder reads --out-dir of a genconfig command that is about this
// checkout's talconfig.yaml.
func (t *taskfiles) outputFolder(command string, in included) {
	_, arguments, found := strings.Cut(command, "talhelper genconfig")
	if !found || t.outDir != "" {
		return
	}
	arguments = spacedVariable.ReplaceAllString(arguments, "{{$1}}")
	argument := func(flag *regexp.Regexp) (string, bool) {
		match := flag.FindStringSubmatch(arguments)
		if match == nil {
			return "", true
		}
		value, known := fillPath(strings.Trim(match[1], `"'`), in.vars)
		return value, known
	}
	config, known := argument(configFileFlag)
	if !known || filepath.IsAbs(config) && filepath.Clean(config) != t.talconfig {
		return
	}
	if folder, known := argument(outDirFlag); known && filepath.IsAbs(folder) {
		t.outDir = filepath.Clean(folder)
	}
}

// requires names required variables: texts or mappings with a name.
func requires(list *yaml.Node) []string {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	var names []string
	for _, item := range list.Content {
		one := content(item)
		if name := cmp.Or(scalar(one), scalar(field(one, "name"))); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// scalars are the texts of a list.
func scalars(list *yaml.Node) []string {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	var all []string
	for _, item := range list.Content {
		if text := scalar(content(item)); text != "" {
			all = append(all, text)
		}
	}
	return all
}

var templateVariable = regexp.MustCompile(`\{\{-?\s*\.([A-Za-z0-9_]+)\s*-?\}\}`)

// fillPath fills known variables into a text; known is false when it needs more.
func fillPath(text string, vars map[string]string) (filled string, known bool) {
	filled = templateVariable.ReplaceAllStringFunc(text, func(match string) string {
		if value, ok := vars[templateVariable.FindStringSubmatch(match)[1]]; ok {
			return value
		}
		return match
	})
	return filled, !strings.Contains(filled, "{{") && !strings.Contains(filled, "$")
}

func joinName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + ":" + name
}

// sorted gives the tasks by name.
func (t *taskfiles) sorted() []Task {
	slices.SortStableFunc(t.list, func(a, b Task) int { return cmp.Compare(a.Name, b.Name) })
	return t.list
}
