// Package keymap is the one list of everything that a key can do: each Action
// with its scope, its default keys and its help line. The footer, the help
// screen, the palette and the table in the README all come from it.
package keymap

import (
	"fmt"
	"slices"
)

// Action names what a key does. Panes act on actions and never compare keys.
type Action string

// Scope is where a binding holds. A key is looked up in the focused scope first
// and then in the wider ones.
type Scope string

// The scopes, from the widest to those that take every key while they are open.
const (
	Global   Scope = "global"
	Move     Scope = "move" // moving in any list or text
	Nodes    Scope = "nodes"
	Logs     Scope = "logs"
	Flux     Scope = "flux"
	Exchange Scope = "exchange"
	Dialog   Scope = "dialog" // a question is open
	Picker   Scope = "picker" // a list to choose from is open, which also takes text
)

// Binding ties keys to an action inside a scope.
type Binding struct {
	Action Action
	Scope  Scope
	Keys   []string // as Bubble Tea names them: "ctrl+d", "shift+tab", "enter"
	Label  string   // for the footer, one or two words; ends in … if it asks first
	Help   string   // one line for the help screen and the README
}

// Map resolves keys to actions.
type Map struct {
	bindings []Binding
	byKey    map[Scope]map[string]Action
}

// New checks the bindings and makes a map of them. A key that means two things
// inside one scope is an error.
func New(bindings []Binding) (*Map, error) {
	m := &Map{bindings: slices.Clone(bindings), byKey: map[Scope]map[string]Action{}}
	for _, b := range bindings {
		if m.byKey[b.Scope] == nil {
			m.byKey[b.Scope] = map[string]Action{}
		}
		for _, k := range b.Keys {
			if other, taken := m.byKey[b.Scope][k]; taken && other != b.Action {
				return nil, fmt.Errorf("key %q in scope %s means both %s and %s", k, b.Scope, other, b.Action)
			}
			m.byKey[b.Scope][k] = b.Action
		}
	}
	return m, nil
}

// Resolve returns the action of the key in the first of the scopes that binds it.
func (m *Map) Resolve(key string, scopes ...Scope) (Action, bool) {
	for _, s := range scopes {
		if a, ok := m.byKey[s][key]; ok {
			return a, true
		}
	}
	return "", false
}

// Bindings returns the bindings of the scope in the order of the list.
func (m *Map) Bindings(scope Scope) []Binding {
	var out []Binding
	for _, b := range m.bindings {
		if b.Scope == scope {
			out = append(out, b)
		}
	}
	return out
}

// Lookup returns the binding of the action.
func (m *Map) Lookup(a Action) (Binding, bool) {
	i := slices.IndexFunc(m.bindings, func(b Binding) bool { return b.Action == a })
	if i < 0 {
		return Binding{}, false
	}
	return m.bindings[i], true
}
