package session

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// What a checkout says reaches the terminal through the panes and through the
// commands without a screen: nothing of it may be a control sequence.
func TestTextOfTheCheckoutIsClean(t *testing.T) {
	dir := t.TempDir()
	text := "clusterName: \"a\\e[31mb\"\nendpoint: \"https://192.0.2.1:6443\"\nkubernetesVersion: \"v1\\e[2J\"\ntalosVersion: \"v1\\u202e\"\n" +
		"nodes:\n- hostname: \"n\\e]0;x\\a1\"\n  ipAddress: \"a\\eb\"\n  installDisk: \"/dev/\\e[1m\"\n  controlPlane: true\n" +
		"  talosImageURL: \"x\\e[1m/y\"\n- hostname: ${A}\n  ipAddress: 192.0.2.2\n  controlPlane: false\n  installDiskSelector: {model: \"m\\e[1m\"}\n"
	path := filepath.Join(dir, "talconfig.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, trouble := loadCheckout(path, func(string) string { return "" })
	if trouble != nil {
		t.Fatal(trouble)
	}
	out := describe(c)
	if len(out.Nodes) != 2 || len(out.Problems) == 0 {
		t.Fatalf("%+v, want two nodes and problems", out)
	}
	check := func(s string) {
		if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' }) {
			t.Errorf("not clean: %q", s)
		}
	}
	data, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	eachText(all, check)
	_, trouble = loadCheckout(filepath.Join(dir, "no\x1b[31m.yaml"), func(string) string { return "" })
	if trouble == nil {
		t.Fatal("a missing file is no trouble")
	}
	check(trouble.What)
}

// eachText calls use with every text in a decoded JSON value.
func eachText(v any, use func(string)) {
	switch v := v.(type) {
	case string:
		use(v)
	case []any:
		for _, x := range v {
			eachText(x, use)
		}
	case map[string]any:
		for key, x := range v {
			use(key)
			eachText(x, use)
		}
	}
}
