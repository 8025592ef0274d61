package repo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// noEnv is an environment without variables.
func noEnv(string) (string, bool) { return "", false }

// writeFiles puts files, given by relative path, into a new folder that looks
// like the top of a Git checkout.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMalformed(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		reason     string
	}{
		{"empty", "", 0, "is empty"},
		{"comments only", "# nothing\n", 0, "is empty"},
		{"first document empty", "---\n---\na: b\n", 0, "is empty"},
		{"list", "- a\n", 1, "is not a YAML mapping"},
		{"text", "\n\nhello\n", 3, "is not a YAML mapping"},
		{"indented too far", "a: b\n c: d\n", 2, "mapping values are not allowed"},
		{"two colons", "ok: 1\na: b: c\n", 2, "mapping values are not allowed"},
		{"tab", "a: b\n\tc: d\n", 2, "tab character"},
		{"bracket stays open", "ok: 1\na: [1,\n  2\nb: 3\n", 2, "did not find expected ',' or ']'"},
		{"quote stays open", "ok: 1\na: \"x\nb: y\n", 2, "unexpected end of stream"},
		{"no colon", "key: value\nkey2\nkey3: v\n", 2, "could not find expected ':'"},
		{"list entry in a mapping", "nodes:\n  - hostname: x\n    - y\n", 3, "did not find expected"},
		{"key between", "nodes:\n  - hostname: a\n    ipAddress: 192.0.2.1\n   controlPlane: true\n", 4, "did not find expected"},
		{"key beside a list", "nodes:\n  - hostname: a\n  ipAddress: x\n", 3, "did not find expected"},
		{"after a long list", "a: [1,\n 2,\n 3,\n 4]\nb: 1\n  c: 2\nd: 3\n", 6, "mapping values are not allowed"},
		{"unknown anchor", "a: 1\nb: *x\n", 2, "unknown anchor 'x'"},
		{"anchor in itself", "a: 1\nb: &x [*x]\n", 2, "contains itself"},
		{"key twice", "a: 1\nb: 1\na: 2\n", 3, `"a" already defined`},
		{"merge of a number", "a: 1\n<<: 5\n", 2, "map merge"},
		{"control character", "a: 1\nb: \x01\n", 2, "control character"},
		{"not UTF-8", "a: 1\nb: \xff\n", 2, "does not allow"},
		{"nodes is a number", "a: 1\nnodes: 5\n", 2, "nodes is not a list"},
		{"node is a number", "nodes:\n  - hostname: a\n  - 5\n", 3, "entry 2 of nodes is not a mapping"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(writeFiles(t, map[string]string{"talconfig.yaml": test.text}), "talconfig.yaml")
			_, err := Load(path, Options{Env: noEnv})
			var broken *FileError
			if !errors.As(err, &broken) {
				t.Fatalf("got %v, want a *FileError", err)
			}
			if broken.File != path || broken.Line != test.line || !strings.Contains(broken.Reason, test.reason) {
				t.Errorf("got %v, want line %d and %q", broken, test.line, test.reason)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	root := writeFiles(t, map[string]string{"talos/other.yaml": "a: b\n"})
	_, err := Load(filepath.Join(root, "talos"), Options{Env: noEnv})
	var broken *FileError
	if !errors.As(err, &broken) || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v, want a *FileError that there is no such file", err)
	}
	if err := os.Mkdir(filepath.Join(root, "talos", "talconfig.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(root, "talos"), Options{Env: noEnv}); !errors.As(err, &broken) || broken.Reason != "is not a regular file" {
		t.Errorf("a folder in its place: got %v", err)
	}
}
