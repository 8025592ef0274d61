package keymap

import (
	"fmt"
	"strings"
)

// Check looks for keys that mean two things inside one of the stacks, where the
// narrower scope would silently hide the wider one.
func (m *Map) Check(stacks ...[]Scope) error {
	for _, stack := range stacks {
		seen := map[string]Binding{}
		for _, scope := range stack {
			for _, b := range m.Bindings(scope) {
				for _, k := range b.Keys {
					if other, ok := seen[k]; ok && other.Action != b.Action {
						return fmt.Errorf("key %q means %s in scope %s and %s in scope %s", k, other.Action, other.Scope, b.Action, b.Scope)
					}
					seen[k] = b
				}
			}
		}
	}
	return nil
}

// Title is the scope's heading in the help screen and the README.
func (s Scope) Title() string {
	switch s {
	case Global:
		return "Everywhere"
	case Move:
		return "Moving"
	case Nodes:
		return "Nodes"
	case Logs:
		return "Logs"
	case Flux:
		return "Flux"
	case Exchange:
		return "Exchange"
	case Dialog:
		return "Questions"
	case Picker:
		return "Lists to choose from"
	default:
		return string(s)
	}
}

// Short is the first key of the binding as the footer shows it; a run of
// digits becomes its range.
func (b Binding) Short() string {
	if len(b.Keys) == 0 {
		return ""
	}
	if first, last := b.Keys[0], b.Keys[len(b.Keys)-1]; len(b.Keys) > 2 && isDigit(first) && isDigit(last) {
		return first + "-" + last
	}
	return b.Keys[0]
}

// Long is all keys of the binding, for the help screen.
func (b Binding) Long() string {
	if s := b.Short(); strings.Contains(s, "-") && len(b.Keys) > 2 {
		return s
	}
	return strings.Join(b.Keys, " ")
}

func isDigit(s string) bool { return len(s) == 1 && s[0] >= '0' && s[0] <= '9' }

// Markdown is the built-in key map as a table, for the README.
func Markdown() string {
	var b strings.Builder
	m := Default()
	b.WriteString("| | Key | What it does |\n|---|---|---|\n")
	for _, s := range Scopes() {
		title := "**" + s.Title() + "**"
		for _, bind := range m.Bindings(s) {
			keys := strings.Split(bind.Long(), " ")
			for i, k := range keys {
				keys[i] = "`" + strings.ReplaceAll(k, "|", `\|`) + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", title, strings.Join(keys, " "), bind.Help)
			title = ""
		}
	}
	return b.String()
}
