package repo

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFileSize bounds what is read of one file, in bytes.
const maxFileSize = 8 << 20

// maxDepth bounds chains of aliases and merge keys.
const maxDepth = 64

var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\n\s*)?(?:line (\d+): )?(?s:(.*))$`)

// readFile reads a file of at most maxFileSize bytes; every error is a *FileError.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, osError(path, err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, osError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{File: path, Reason: "is not a regular file"}
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, osError(path, err)
	}
	if len(data) > maxFileSize {
		return nil, &FileError{File: path, Reason: "is larger than " + strconv.Itoa(maxFileSize>>20) + " MiB"}
	}
	return data, nil
}

func osError(path string, err error) *FileError {
	reason := "cannot be read"
	switch {
	case errors.Is(err, os.ErrNotExist):
		reason = "does not exist"
	case errors.Is(err, os.ErrPermission):
		reason = "may not be read: permission denied"
	}
	return &FileError{File: path, Reason: reason, Err: err}
}

// parseYAML reads all documents of a file; every error is a *FileError.
func parseYAML(file string, data []byte) ([]*yaml.Node, error) {
	if line := badTextLine(data); line > 0 {
		return nil, &FileError{File: file, Line: line, Reason: "has a byte or control character that YAML does not allow"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var documents []*yaml.Node
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			found := yamlError(file, data, err)
			if line := breakingLine(data); line > 0 {
				found.Line = line
			}
			return nil, found
		}
		documents = append(documents, &document)
	}
}

// checkYAML finds what the parser alone lets pass: keys given twice, aliases
// that contain themselves, documents that explode.
func checkYAML(file string, data []byte, document *yaml.Node) error {
	var ignored any
	if err := document.Decode(&ignored); err != nil {
		return yamlError(file, data, err)
	}
	return nil
}

// badTextLine is the first line with invalid UTF-8 or a control character, 0 if
// there is none. UTF-16 files (with their mark) are left to the parser.
func badTextLine(data []byte) int {
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		return 0
	}
	line := 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t' && r != '\r', r == 0x7F:
			return line
		}
		data = data[size:]
	}
	return 0
}

// anchorInError finds the anchor that an error text names.
var anchorInError = regexp.MustCompile(`anchor '([^']+)'`)

// yamlError turns the library's error text into file, line and reason.
func yamlError(file string, data []byte, err error) *FileError {
	found := &FileError{File: file, Reason: "is not valid YAML"}
	parts := yamlLine.FindStringSubmatch(err.Error())
	if parts == nil {
		return found
	}
	found.Line, _ = strconv.Atoi(parts[1])
	found.Reason, _, _ = strings.Cut(parts[2], "\n")
	switch anchor := anchorInError.FindStringSubmatch(found.Reason); {
	case found.Line > 0:
	case anchor != nil:
		found.Line = lineOf(data, "*"+anchor[1])
	case strings.HasPrefix(found.Reason, "map merge"):
		found.Line = lineOf(data, "<<")
	}
	return found
}

// maxSearch bounds, in bytes, the files in which breakingLine searches.
const maxSearch = 256 << 10

// openLines is for how many lines a quoted text or a [list] may stay open.
const openLines = 16

// breakingLine is the first line with which a text is no longer YAML whatever
// follows; the parser itself names the start of the block around it. It is 0
// for a text that is too long to search.
func breakingLine(data []byte) int {
	if len(data) > maxSearch {
		return 0
	}
	ends := lineEnds(data)
	good := func(lines int) int { // the last lines, at most so many, after which all is well
		for n := lines; n > 0 && n > lines-openLines; n-- {
			if wellFormed(data[:ends[n-1]]) {
				return n
			}
		}
		return 0
	}
	broken := sort.Search(len(ends), func(i int) bool { return good(i+1) == 0 })
	for n := min(broken+openLines, len(ends)); n > 0; n-- {
		if wellFormed(data[:ends[n-1]]) {
			return min(n+1, len(ends))
		}
	}
	return 1
}

// lineEnds are the offsets after each line.
func lineEnds(data []byte) []int {
	var ends []int
	for i, c := range data {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		ends = append(ends, len(data))
	}
	return ends
}

func wellFormed(data []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// lineOf is the line on which a text first occurs, 0 if it does not.
func lineOf(data []byte, text string) int {
	at := bytes.Index(data, []byte(text))
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(data[:at], []byte("\n"))
}

// stripped is a document as text without its comments, as talhelper hands it to
// the substitution. It is empty when the document cannot be written again.
func stripped(document *yaml.Node) (text string) {
	defer func() {
		if recover() != nil { // the YAML library panics on some odd documents
			text = ""
		}
	}()
	clean := withoutComments(document)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if encoder.Encode(clean) != nil || encoder.Close() != nil {
		return ""
	}
	return out.String()
}

// withoutComments copies a tree, aliases pointing into the copy.
func withoutComments(root *yaml.Node) *yaml.Node {
	copies := map[*yaml.Node]*yaml.Node{}
	clean := copyTree(root, copies)
	for _, node := range copies {
		if target := copies[node.Alias]; target != nil {
			node.Alias = target
		}
	}
	return clean
}

func copyTree(node *yaml.Node, copies map[*yaml.Node]*yaml.Node) *yaml.Node {
	clean := *node
	copies[node] = &clean
	clean.HeadComment, clean.LineComment, clean.FootComment = "", "", ""
	clean.Content = make([]*yaml.Node, len(node.Content))
	for i, child := range node.Content {
		clean.Content[i] = copyTree(child, copies)
	}
	return &clean
}

// copyLines gives a tree the lines of the tree it was made from.
func copyLines(to, from *yaml.Node) {
	to.Line = from.Line
	if to.Kind == from.Kind && len(to.Content) == len(from.Content) {
		for i := range to.Content {
			copyLines(to.Content[i], from.Content[i])
		}
		return
	}
	setLine(to, from.Line)
}

func setLine(node *yaml.Node, line int) {
	node.Line = line
	for _, child := range node.Content {
		setLine(child, line)
	}
}

// walkScalars visits the keys and values of a tree; aliases are not followed.
func walkScalars(node *yaml.Node, visit func(*yaml.Node)) {
	if node.Kind == yaml.ScalarNode {
		visit(node)
	}
	for _, child := range node.Content {
		walkScalars(child, visit)
	}
}

// content is the node behind documents and aliases; nil for nothing and null.
func content(node *yaml.Node) *yaml.Node {
	for range maxDepth {
		switch {
		case node == nil:
			return nil
		case node.Kind == yaml.DocumentNode && len(node.Content) > 0:
			node = node.Content[0]
		case node.Kind == yaml.AliasNode:
			node = node.Alias
		case node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null", node.Kind == 0, node.Kind == yaml.DocumentNode:
			return nil
		default:
			return node
		}
	}
	return nil
}

// field is the value of a key in a mapping, merge keys followed; nil when the
// key is absent, null, or the node no mapping.
func field(node *yaml.Node, key string) *yaml.Node { return fieldDeep(node, key, maxDepth) }

func fieldDeep(node *yaml.Node, key string, depth int) *yaml.Node {
	mapping := content(node)
	if mapping == nil || mapping.Kind != yaml.MappingNode || depth == 0 {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if name := content(mapping.Content[i]); name != nil && name.Kind == yaml.ScalarNode && name.Value == key {
			return content(mapping.Content[i+1])
		}
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].ShortTag() != "!!merge" {
			continue
		}
		sources := []*yaml.Node{mapping.Content[i+1]}
		if list := content(mapping.Content[i+1]); list != nil && list.Kind == yaml.SequenceNode {
			sources = list.Content
		}
		for _, source := range sources {
			if found := fieldDeep(source, key, depth-1); found != nil {
				return found
			}
		}
	}
	return nil
}

// pair is one entry of a mapping.
type pair struct {
	key   string
	value *yaml.Node // nil for null
	line  int
}

// pairs are the entries of a mapping in order, merged ones last.
func pairs(node *yaml.Node) []pair {
	var all []pair
	seen := map[string]bool{}
	collectPairs(node, seen, &all, maxDepth)
	return all
}

func collectPairs(node *yaml.Node, seen map[string]bool, all *[]pair, depth int) {
	mapping := content(node)
	if mapping == nil || mapping.Kind != yaml.MappingNode || depth == 0 {
		return
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, mapping.Content[i+1])
			continue
		}
		name := content(key)
		if name == nil || name.Kind != yaml.ScalarNode || seen[name.Value] {
			continue
		}
		seen[name.Value] = true
		*all = append(*all, pair{name.Value, content(mapping.Content[i+1]), key.Line})
	}
	for _, source := range merged {
		sources := []*yaml.Node{source}
		if list := content(source); list != nil && list.Kind == yaml.SequenceNode {
			sources = list.Content
		}
		for _, one := range sources {
			collectPairs(one, seen, all, depth-1)
		}
	}
}

// canonical is a scalar's text after talhelper's way through untyped values: an
// unquoted 1.10 is the number 1.1. Null is empty.
func canonical(node *yaml.Node) string {
	switch node.ShortTag() {
	case "!!str":
		return node.Value
	case "!!null":
		return ""
	}
	var value any
	if node.Decode(&value) != nil {
		return node.Value
	}
	if text, ok := value.(string); ok {
		return text
	}
	data, err := yaml.Marshal(value)
	if err != nil {
		return node.Value
	}
	return strings.Trim(strings.TrimSpace(string(data)), `"`)
}
