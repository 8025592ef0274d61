package repo

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// talenvFiles are talhelper's files of variables, the later over the earlier.
var talenvFiles = []string{"talenv.yaml", "talenv.sops.yaml", "talenv.yml", "talenv.sops.yml"}

// envVar is a variable of a talenv file.
type envVar struct {
	value string
	state varState
	file  string
}

// environment is what variables are substituted from: talenv files over the
// environment of the process.
type environment struct {
	vars  map[string]envVar
	outer func(string) (string, bool)
	// unread names the talenv files of which nothing, not even names, is known.
	unread []string
	found  []string
}

// lookup is a lookupFunc.
func (e *environment) lookup(name string) (string, varState) {
	if one, ok := e.vars[name]; ok {
		return one.value, one.state
	}
	if value, ok := e.outer(name); ok {
		return value, varSet
	}
	return "", varUnset
}

// explain says why a variable has no value, without giving any value.
func (e *environment) explain(name string, why error) string {
	shown := "${" + name + "}"
	switch {
	case errors.Is(why, errLocked):
		return fmt.Sprintf("%s is in %s, which cannot be decrypted", shown, filepath.Base(e.vars[name].file))
	case errors.Is(why, errUnset) && len(e.unread) > 0:
		return fmt.Sprintf("%s is not set; %s cannot be read", shown, strings.Join(e.unread, ", "))
	case errors.Is(why, errUnset) && len(e.found) == 0:
		return shown + " is not set in the environment, and there is no talenv file"
	case errors.Is(why, errUnset):
		return fmt.Sprintf("%s is not set in %s or the environment", shown, strings.Join(e.found, ", "))
	default:
		return fmt.Sprintf("%s %v", shown, why)
	}
}

// pinned is the first of the names that a talenv file sets to a known value.
func (e *environment) pinned(names ...string) string {
	for _, name := range names {
		if one := e.vars[name]; one.state == varSet && one.value != "" {
			return one.value
		}
	}
	return ""
}

// loadEnvironment reads the talenv files of a folder.
func loadEnvironment(dir string, outer func(string) (string, bool), keys *keyring, found *problems) *environment {
	env := &environment{vars: map[string]envVar{}, outer: outer}
	for _, name := range talenvFiles {
		path := filepath.Join(dir, name)
		data, err := readFile(path)
		if errors.Is(err, errNotExist) {
			continue
		}
		env.found = append(env.found, name)
		if err == nil {
			err = env.loadFile(path, data, keys, found)
		}
		if err != nil {
			env.unread = append(env.unread, name)
			found.addError(Error, path, err)
		}
	}
	return env
}

// loadFile lays one talenv file over what is there.
func (e *environment) loadFile(path string, data []byte, keys *keyring, found *problems) error {
	documents, err := parseYAML(path, data)
	if err != nil {
		return err
	}
	if len(documents) == 0 || content(documents[0]) == nil {
		return nil
	}
	root := content(documents[0])
	if root.Kind != yaml.MappingNode {
		return &FileError{File: path, Line: root.Line, Reason: "is not a YAML mapping of variables (name: value)"}
	}
	encrypted := field(root, "sops") != nil
	if strings.Contains(filepath.Base(path), ".sops.") && !encrypted {
		found.add(Warning, path, 0, "is not encrypted, although its name says so")
	}
	if !encrypted {
		e.apply(path, data, found)
		return nil
	}
	if err := checkYAML(path, data, documents[0]); err != nil {
		return err
	}
	plain, err := decryptSops(documents, keys)
	if err != nil {
		e.lock(path, root)
		found.add(Error, path, 0, "cannot be decrypted: %v", err)
		return nil
	}
	e.apply(path, plain, found)
	return nil
}

var documentMark = regexp.MustCompile(`(?m)^---\n`)

// apply reads a talenv file's plain text as dotenv. talhelper drops a file that
// is not dotenv without a word.
func (e *environment) apply(path string, data []byte, found *problems) {
	entries, line, err := parseDotenv(string(documentMark.ReplaceAll(data, []byte("\n"))))
	if err != nil {
		found.add(Error, path, line, "is not read by talhelper, none of its variables is set: %v", err)
		return
	}
	for _, one := range entries {
		if one.name != "" && !bytes.ContainsAny([]byte(one.name), "=\x00") {
			e.vars[one.name] = envVar{value: one.value, state: varSet, file: path}
		}
	}
}

// lock marks the variables of an encrypted file, whose names are in clear.
func (e *environment) lock(path string, root *yaml.Node) {
	for _, one := range pairs(root) {
		if one.key != "sops" {
			e.lockName(path, one, maxDepth)
		}
	}
}

func (e *environment) lockName(path string, one pair, depth int) {
	e.vars[one.key] = envVar{state: varLocked, file: path}
	if depth == 0 {
		return
	}
	for _, inner := range pairs(one.value) {
		e.lockName(path, inner, depth-1)
	}
}

// substituted is a file's first document with its variables substituted.
type substituted struct {
	file string
	root *yaml.Node // nil for an empty document; its lines are the file's
	// names are the variables behind the placeholders.
	names       []string
	placeholder string
	pattern     *regexp.Regexp
}

// substitute does what talhelper does to talconfig.yaml before it reads it. A
// variable without a value becomes a placeholder, and a problem.
func substitute(file string, document *yaml.Node, env *environment, found *problems) *substituted {
	doc := &substituted{file: file}
	text := stripped(document)
	doc.newPlaceholder(text)
	missing := func(e expression, name string, _ error) string {
		if name == "" {
			name = e.String()
		}
		return doc.hold(name)
	}
	if text != "" {
		if tree := parseBack(expand(text, env.lookup, missing)); tree != nil {
			copyLines(tree, document)
			doc.root = tree
			return doc
		}
		found.add(Error, file, 0, "is no longer valid YAML once its variables are substituted: quote the values that need it")
	}
	doc.root = withoutComments(document)
	expandScalars(doc.root, func(text string) string { return expand(text, env.lookup, missing) })
	return doc
}

// expandScalars substitutes value by value.
func expandScalars(root *yaml.Node, expand func(string) string) {
	walkScalars(root, func(node *yaml.Node) {
		if !strings.Contains(node.Value, "$") {
			return
		}
		node.Value = expand(node.Value)
		if node.Style == 0 {
			node.Tag = ""
		}
	})
}

// parseBack reads the first document of a text; nil when it is broken.
func parseBack(text string) *yaml.Node {
	documents, err := parseYAML("", []byte(text))
	if err != nil || len(documents) == 0 || checkYAML("", nil, documents[0]) != nil {
		return nil
	}
	return documents[0]
}

// newPlaceholder picks a word that occurs nowhere in the text.
func (d *substituted) newPlaceholder(text string) {
	d.placeholder = "unresolvedx"
	for strings.Contains(text, d.placeholder) {
		d.placeholder += "x"
	}
	d.pattern = regexp.MustCompile(d.placeholder + `(\d+)z`)
}

// hold makes the placeholder of a variable.
func (d *substituted) hold(name string) string {
	d.names = append(d.names, name)
	return fmt.Sprintf("%s%dz", d.placeholder, len(d.names)-1)
}

// missingIn names the variables whose placeholders are in a text.
func (d *substituted) missingIn(text string) []string {
	var names []string
	for _, match := range d.pattern.FindAllStringSubmatch(text, -1) {
		var index int
		if _, err := fmt.Sscan(match[1], &index); err == nil && index < len(d.names) {
			names = append(names, d.names[index])
		}
	}
	return names
}

// missingBelow names the variables without a value in a tree and behind its
// aliases.
func (d *substituted) missingBelow(node *yaml.Node) []string {
	names := map[string]bool{}
	d.collectMissing(node, names, map[*yaml.Node]bool{})
	return sortedKeys(names)
}

func (d *substituted) collectMissing(node *yaml.Node, names map[string]bool, seen map[*yaml.Node]bool) {
	if node == nil || seen[node] {
		return
	}
	seen[node] = true
	for _, name := range d.missingIn(node.Value) {
		names[name] = true
	}
	d.collectMissing(node.Alias, names, seen)
	for _, child := range node.Content {
		d.collectMissing(child, names, seen)
	}
}

// reportVariables adds a problem for each variable of a tree without a value:
// its first line, and how often it occurs. It returns their names.
func reportVariables(file string, root *yaml.Node, env *environment, found *problems) []string {
	type place struct {
		line, count int
		why         string
	}
	places := map[string]*place{}
	walkScalars(root, func(node *yaml.Node) {
		for _, one := range expressions(node.Value) {
			_, name, err := one.value(env.lookup)
			if err == nil {
				continue
			}
			if name == "" {
				name = one.String()
			}
			if places[name] == nil {
				places[name] = &place{line: lineInScalar(node, one.start), why: env.explain(name, err)}
			}
			places[name].count++
		}
	})
	names := map[string]bool{}
	for name, at := range places {
		names[name] = true
		more := ""
		if at.count > 1 {
			more = fmt.Sprintf(" (used %d times)", at.count)
		}
		found.add(Error, file, at.line, "%s%s", at.why, more)
	}
	return sortedKeys(names)
}

// lineInScalar is the line of a place in a scalar's value: block scalars start
// on the line after their indicator.
func lineInScalar(node *yaml.Node, offset int) int {
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return node.Line
	}
	return node.Line + 1 + strings.Count(node.Value[:offset], "\n")
}

func sortedKeys[V any](set map[string]V) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
