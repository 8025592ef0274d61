package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/keymap"
)

const module = "github.com/talos-cockpit/talos-cockpit/"

// may says what each room may import of ours; ARCHITECTURE.md has the reasons.
var may = map[string][]string{
	"cluster":  {},
	"feed":     {},
	"keymap":   {},
	"talosapi": {"cluster", "feed"},
	"kube":     {"cluster", "feed"},
	"repo":     {"cluster"},
	"health":   {"cluster"},
	"runbook":  {"cluster", "health"},
	"board":    {"cluster", "feed", "health"},
	"session":  {"board", "cluster", "feed", "health", "kube", "repo", "runbook", "talosapi"},
	"ui":       {"cluster", "feed", "keymap"},
	"views":    {"board", "cluster", "feed", "health", "keymap", "ui"},
	"demo":     {"demo"},
	"cli":      {"*"},
	"bench":    {"*"},
	"e2e":      {"*"},
	"internal": {"keymap"},
}

// onlyFor says which rooms may import what of others.
var onlyFor = map[string][]string{
	"charm.land/":               {"ui", "views", "cli"},
	"github.com/siderolabs/":    {"talosapi", "demo"},
	"github.com/cosi-project/":  {"talosapi", "demo"},
	"k8s.io/":                   {"kube", "demo"},
	"sigs.k8s.io/":              {"kube", "demo", "cli"},
	"google.golang.org/":        {"talosapi", "demo"},
	"github.com/spf13/cobra":    {"cli"},
	"github.com/charmbracelet/": {"ui", "views", "cli", "internal"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room is the first folder of a package of ours; empty for the entry itself.
func room(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, module), "/")
	return first
}

func TestImportRules(t *testing.T) {
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.ImportPath, module) {
			continue
		}
		from := room(p.ImportPath)
		allowed, known := may[from]
		if !known {
			t.Errorf("%s: the room %q has no rule in this test and in ARCHITECTURE.md", p.ImportPath, from)
			continue
		}
		for _, imported := range p.Imports {
			checkImport(t, p.ImportPath, from, allowed, imported)
		}
	}
}

func checkImport(t *testing.T, path, from string, allowed []string, imported string) {
	t.Helper()
	if to := room(imported); strings.HasPrefix(imported, module) {
		if to != from && !slices.Contains(allowed, to) && !slices.Contains(allowed, "*") {
			t.Errorf("%s imports %s: the room %q may import %v only", path, imported, from, allowed)
		}
		return
	}
	for prefix, rooms := range onlyFor {
		if strings.HasPrefix(imported, prefix) && !slices.Contains(rooms, from) {
			t.Errorf("%s imports %s: that is for %v only", path, imported, rooms)
		}
	}
	standard := !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	if !standard && slices.Contains([]string{"cluster", "feed", "keymap"}, from) {
		t.Errorf("%s imports %s: the room %q uses the standard library only", path, imported, from)
	}
}

// The table of the rooms tells the same as this test.
func TestArchitectureTellsTheImportRules(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) == 5 {
			told[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[3])
		}
	}
	for room, allowed := range may {
		cell, there := told[room]
		if !there {
			t.Errorf("ARCHITECTURE.md has no row for %q", room)
		}
		if len(allowed) > 0 && allowed[0] != "*" && allowed[0] != room && cell != strings.Join(allowed, ", ") {
			t.Errorf("ARCHITECTURE.md says that %q may import %q, this test says %v", room, cell, allowed)
		}
	}
}

func TestReadmeHasTheKeysOfToday(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), strings.TrimSpace(keymap.Markdown())) {
		t.Error("the keys table of the README is stale: run go generate ./...")
	}
}
