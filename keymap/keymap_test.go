package keymap

import (
	"strings"
	"testing"
)

func TestDefaultHasNoConflicts(t *testing.T) {
	m, err := New(defaults())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(Stacks()...); err != nil {
		t.Fatal(err)
	}
}

func TestConflictsAreErrors(t *testing.T) {
	if _, err := New([]Binding{{Action: "a", Scope: Nodes, Keys: []string{"x"}}, {Action: "b", Scope: Nodes, Keys: []string{"x"}}}); err == nil {
		t.Error("a key with two meanings in one scope is accepted")
	}
	m, err := New([]Binding{{Action: "a", Scope: Nodes, Keys: []string{"x"}}, {Action: "b", Scope: Global, Keys: []string{"x"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(Stack(Nodes)); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("a key hidden by a narrower scope gives %v", err)
	}
	if err := m.Check(Stack(Logs)); err != nil {
		t.Errorf("a conflict in a stack that is not in use gives %v", err)
	}
}

func TestEveryBindingIsComplete(t *testing.T) {
	scopes := map[Scope]bool{}
	for _, s := range Scopes() {
		scopes[s] = true
	}
	actions := map[Action]bool{}
	for _, b := range defaults() {
		if b.Action == "" || b.Label == "" || b.Help == "" || len(b.Keys) == 0 || !scopes[b.Scope] {
			t.Errorf("incomplete binding %+v", b)
		}
		if strings.HasSuffix(b.Help, ".") {
			t.Errorf("%s: the help line ends in a full stop", b.Action)
		}
		if actions[b.Action] {
			t.Errorf("%s is bound twice", b.Action)
		}
		actions[b.Action] = true
	}
}

func TestResolvePrefersTheNarrowScope(t *testing.T) {
	m := Default()
	cases := []struct {
		key   string
		scope Scope
		want  Action
	}{
		{"j", Nodes, Down},
		{"down", Logs, Down},
		{"L", Nodes, NodesLogs},
		{"space", Logs, LogsPause},
		{"space", Nodes, NodesMark},
		{"S", Flux, FluxSuspend},
		{"S", Logs, LogsService},
		{"3", Flux, GoPane},
		{"?", Exchange, Help},
		{"ctrl+c", Nodes, Quit},
	}
	for _, c := range cases {
		if got, ok := m.Resolve(c.key, Stack(c.scope)...); !ok || got != c.want {
			t.Errorf("%q in %s is %q, want %q", c.key, c.scope, got, c.want)
		}
	}
	if a, ok := m.Resolve("f12", Stack(Nodes)...); ok {
		t.Errorf("an unbound key resolves to %q", a)
	}
}

func TestLookup(t *testing.T) {
	m := Default()
	if b, ok := m.Lookup(FluxReconcile); !ok || b.Short() != "r" {
		t.Errorf("Lookup gives %+v, %v", b, ok)
	}
	if _, ok := m.Lookup("none"); ok {
		t.Error("an unknown action is found")
	}
	if b, _ := m.Lookup(GoPane); b.Short() != "1-9" || b.Long() != "1-9" {
		t.Errorf("panes are shown as %q and %q", b.Short(), b.Long())
	}
	if b, _ := m.Lookup(Down); b.Long() != "j down" {
		t.Errorf("down is shown as %q", b.Long())
	}
}

func TestMarkdownNamesEveryKey(t *testing.T) {
	md := Markdown()
	for _, b := range defaults() {
		if !strings.Contains(md, "| "+b.Help+" |") {
			t.Errorf("%s is missing", b.Action)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(md), "\n") {
		if n := strings.Count(line, "|"); n != 4 {
			t.Errorf("%d bars in %q", n, line)
		}
	}
}
