package repo

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// secretFiles are the files in which talhelper looks for the cluster's secrets;
// it takes the last one that exists.
var secretFiles = []string{"talsecret.yaml", "talsecret.sops.yaml", "talsecret.yml", "talsecret.sops.yml"}

// loader carries what the steps of one Load share.
type loader struct {
	out   *Checkout
	dir   string     // of talconfig.yaml
	raw   *yaml.Node // the document as written
	doc   *substituted
	env   *environment
	found *problems
	files map[string]*inputFile
	// shared are the files that every node's configuration is made from.
	shared []string
}

// Load reads the talconfig.yaml at path (or in the folder at path) and what
// belongs to it. A talconfig.yaml that cannot be read, is not valid YAML or has
// no list of nodes gives a *FileError; everything less than that is a Problem
// of the Checkout. It reads files only, and never runs anything.
func Load(path string, opts Options) (*Checkout, error) {
	started := time.Now()
	path = absolute(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, talconfigName)
	}
	env := opts.Env
	if env == nil {
		env = os.LookupEnv
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	document, err := parseTalconfig(path, data)
	if err != nil {
		return nil, err
	}
	l := newLoader(path, document, opts)
	tasks := readTaskfiles(l.out.Root, l.dir, l.found)
	l.out.ClusterConfigDir = exists(cmp.Or(tasks.outDir, filepath.Join(l.dir, clusterConfigName)))
	keys := findKeys(opts, env, append(tasks.ageKeys, filepath.Join(l.out.Root, "age.key"), filepath.Join(l.dir, "age.key")), l.found)
	l.env = loadEnvironment(l.dir, env, keys, l.found)
	l.doc = substitute(path, document, l.env, l.found)
	if err := l.cluster(); err != nil {
		return nil, err
	}
	l.surroundings(tasks, keys)
	l.out.Problems = l.found.sorted()
	l.out.seal(started)
	return l.out, nil
}

func newLoader(path string, document *yaml.Node, opts Options) *loader {
	dir := filepath.Dir(path)
	root, inGit := gitRoot(dir)
	if opts.Root != "" {
		root = absolute(opts.Root)
	} else if !inGit {
		root = dir
	}
	return &loader{
		out:   &Checkout{Root: root, InGit: inGit, Talconfig: path},
		dir:   dir,
		raw:   document,
		found: &problems{},
		files: map[string]*inputFile{},
	}
}

// parseTalconfig reads the first document, which is the only one that
// talhelper reads.
func parseTalconfig(path string, data []byte) (*yaml.Node, error) {
	documents, err := parseYAML(path, data)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 || content(documents[0]) == nil {
		return nil, &FileError{File: path, Reason: "is empty"}
	}
	root := content(documents[0])
	if root.Kind != yaml.MappingNode {
		return nil, &FileError{File: path, Line: root.Line, Reason: "is not a YAML mapping"}
	}
	if err := checkYAML(path, data, documents[0]); err != nil {
		return nil, err
	}
	return documents[0], nil
}

// cluster reads talconfig.yaml itself.
func (l *loader) cluster() error {
	root := l.doc.root
	if top := content(root); top == nil || top.Kind != yaml.MappingNode {
		return &FileError{File: l.doc.file, Reason: "is not a YAML mapping once its variables are substituted"}
	}
	l.out.Unresolved = reportVariables(l.doc.file, l.raw, l.env, l.found)
	l.out.ClusterName = l.required(root, "clusterName")
	l.out.TalosVersion = version(l.text(field(root, "talosVersion"), "talosVersion"))
	l.out.KubernetesVersion = version(l.required(root, "kubernetesVersion"))
	l.out.PinnedTalosVersion = version(l.env.pinned("talosVersion", "TALOS_VERSION"))
	l.out.PinnedKubernetesVersion = version(l.env.pinned("kubernetesVersion", "KUBERNETES_VERSION"))
	l.endpoint(root)
	l.compareVersions(root)
	l.findSecrets()
	return l.nodes(root)
}

// endpoint reads the endpoint's parts.
func (l *loader) endpoint(root *yaml.Node) {
	l.out.Endpoint.Raw = scalar(field(l.raw, "endpoint"))
	written := l.required(root, "endpoint")
	if written == "" {
		return
	}
	l.out.Endpoint.URL = written
	line := field(root, "endpoint").Line
	parsed, err := url.Parse(written)
	if err != nil || parsed.Scheme == "" || parsed.Hostname() == "" {
		l.found.add(Error, l.doc.file, line, "endpoint is not a URL such as https://192.0.2.10:6443")
		return
	}
	l.out.Endpoint.Host = parsed.Hostname()
	if port := parsed.Port(); port != "" {
		number, err := strconv.Atoi(port)
		if err != nil || number < 1 || number > 65535 {
			l.found.add(Error, l.doc.file, line, "the port of endpoint is not a number from 1 to 65535")
			return
		}
		l.out.Endpoint.Port = number
	}
}

// compareVersions tells when talconfig.yaml and the talenv files disagree.
func (l *loader) compareVersions(root *yaml.Node) {
	compare := func(key, here, pinned string) {
		if here != "" && pinned != "" && here != pinned {
			l.found.add(Warning, l.doc.file, lineOfField(root, key),
				"%s is not the version that the talenv files pin", key)
		}
	}
	compare("talosVersion", l.out.TalosVersion, l.out.PinnedTalosVersion)
	compare("kubernetesVersion", l.out.KubernetesVersion, l.out.PinnedKubernetesVersion)
	if field(root, "talosVersion") == nil {
		l.found.add(Warning, l.doc.file, 0, "talosVersion is not set: talhelper takes the newest version that it knows")
	}
}

// findSecrets looks for the file that keeps the cluster's identity.
func (l *loader) findSecrets() {
	for _, name := range secretFiles {
		path := filepath.Join(l.dir, name)
		if _, err := os.Stat(path); err == nil {
			l.out.SecretsFile = path
		}
	}
	if l.out.SecretsFile == "" {
		l.found.add(Warning, filepath.Join(l.dir, "talsecret.sops.yaml"), 0,
			"no talsecret file: talhelper genconfig would make the secrets of a new cluster")
	}
}

// nodes reads the list of nodes.
func (l *loader) nodes(root *yaml.Node) error {
	list := field(root, "nodes")
	if list == nil {
		l.found.add(Error, l.doc.file, lineOfField(root, "nodes"), "nodes is empty")
		return nil
	}
	if list.Kind != yaml.SequenceNode {
		return &FileError{File: l.doc.file, Line: list.Line, Reason: "nodes is not a list"}
	}
	if len(list.Content) == 0 {
		l.found.add(Error, l.doc.file, list.Line, "nodes is empty")
	}
	l.sharedInputs(root)
	raw := field(l.raw, "nodes")
	for i, entry := range list.Content {
		if one := content(entry); one != nil && one.Kind != yaml.MappingNode {
			return &FileError{File: l.doc.file, Line: entry.Line, Reason: fmt.Sprintf("entry %d of nodes is not a mapping", i+1)}
		}
		var written *yaml.Node
		if raw != nil && i < len(raw.Content) {
			written = raw.Content[i]
		}
		l.out.Nodes = append(l.out.Nodes, l.node(root, entry, written))
	}
	l.duplicates()
	return nil
}

// duplicates tells of nodes that share a hostname or an address.
func (l *loader) duplicates() {
	seen := map[string]bool{}
	tell := func(kind, value string, line int) {
		key := kind + "\x00" + strings.ToLower(value)
		if value != "" && seen[key] {
			l.found.add(Error, l.doc.file, line, "the node has the same %s as one before it", kind)
		}
		seen[key] = true
	}
	for _, node := range l.out.Nodes {
		tell("hostname", node.Hostname, node.Line)
		for _, address := range node.Addresses {
			tell("address", address, node.Line)
		}
	}
}

// required is a text that talhelper does not do without.
func (l *loader) required(parent *yaml.Node, key string) string {
	node := field(parent, key)
	text := l.text(node, key)
	if text == "" && (node == nil || node.Kind == yaml.ScalarNode && len(l.doc.missingIn(node.Value)) == 0) {
		l.found.add(Error, l.doc.file, cmp.Or(lineOfField(parent, key), parent.Line), "%s is not set", key)
	}
	return text
}

// text is a scalar's text; empty when absent, unresolved or not a scalar.
func (l *loader) text(node *yaml.Node, what string) string {
	if node == nil {
		return ""
	}
	if node.Kind != yaml.ScalarNode {
		l.found.add(Error, l.doc.file, node.Line, "%s is not a text", what)
		return ""
	}
	text := canonical(node)
	if len(l.doc.missingIn(node.Value)) > 0 {
		return ""
	}
	if text != node.Value {
		l.found.add(Warning, l.doc.file, node.Line, "%s is not quoted, and its text changes when YAML reads it as a %s",
			what, strings.TrimPrefix(node.ShortTag(), "!!"))
	}
	return text
}

// texts is a list of texts, the unresolved ones left out.
func (l *loader) texts(node *yaml.Node, what string) []string {
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		l.found.add(Error, l.doc.file, node.Line, "%s is not a list", what)
		return nil
	}
	var all []string
	for _, item := range node.Content {
		if text := l.text(content(item), "an entry of "+what); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// boolean reads true or false; known is false when unresolved or neither.
func (l *loader) boolean(node *yaml.Node, what string) (value, known bool) {
	if node == nil {
		return false, true
	}
	if node.Kind == yaml.ScalarNode {
		switch node.Value {
		case "true", "True", "TRUE", "y", "Y", "yes", "on":
			return true, true
		case "false", "False", "FALSE", "n", "N", "no", "off":
			return false, true
		}
		if len(l.doc.missingIn(node.Value)) > 0 {
			return false, false
		}
	}
	l.found.add(Error, l.doc.file, node.Line, "%s is neither true nor false", what)
	return false, false
}

// lineOfField is the line of a key's value, else of its mapping.
func lineOfField(parent *yaml.Node, key string) int {
	for _, one := range pairs(parent) {
		if one.key == key {
			return one.line
		}
	}
	if mapping := content(parent); mapping != nil {
		return mapping.Line
	}
	return 0
}

// version puts a v before a version that has none.
func version(text string) string {
	if text == "" || strings.HasPrefix(text, "v") {
		return text
	}
	return "v" + text
}

// exists stats a path of the checkout; what may not be looked at counts as there.
func exists(path string) FilePath {
	_, err := os.Stat(path)
	return FilePath{Path: path, Exists: err == nil || !errors.Is(err, os.ErrNotExist)}
}

// gitRoot is the nearest folder at or above dir that holds a .git.
func gitRoot(dir string) (root string, found bool) {
	for {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
