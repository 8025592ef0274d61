package ui

import (
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Role is what a piece of text means; the theme knows how that looks.
type Role uint8

// The roles. Colour is for state and focus only; everything else is RoleText,
// RoleStrong or RoleMuted.
const (
	RoleText      Role = iota // the terminal's own foreground
	RoleStrong                // names and titles
	RoleMuted                 // labels, units, what matters less
	RoleHeader                // column headers
	RoleBorder                // borders of panes without focus
	RoleOK                    // healthy
	RoleWarn                  // needs a look
	RoleBad                   // broken
	RoleBusy                  // on its way
	RoleFocus                 // focused border, keys, the active tab
	RoleUnknown               // not known, or too old
	RoleSuspended             // suspended or cordoned by somebody
	RoleDanger                // destroys something
	RoleCursor                // the row under the cursor, see Theme.Over
	RoleMatch                 // what a search found
	RoleMark                  // marked rows
	roleCount
)

// Depth is how many colours the terminal has.
type Depth uint8

// The depths. DepthNone is for NO_COLOR and terminals without any colour: bold,
// reverse and faint only.
const (
	DepthTrue Depth = iota
	Depth256
	Depth16
	DepthNone
)

// Look chooses one of the theme's variants.
type Look struct {
	Light bool // the terminal's background is light
	Depth Depth
	ASCII bool // shapes and borders from ASCII only
}

// Theme paints text by role. It is used from the event loop only. Its variant
// can change while the program runs (the terminal may tell its background
// late); Version tells those who keep painted text.
type Theme struct {
	look    Look
	version uint64
	prefix  [roleCount]string
	shape   [roleCount]string
}

// reset ends every painted piece; Over relies on there being one spelling only.
const reset = "\x1b[m"

// NewTheme returns the theme in the given variant.
func NewTheme(l Look) *Theme {
	t := &Theme{}
	t.apply(l)
	return t
}

// Set switches to another variant and reports whether anything changed.
func (t *Theme) Set(l Look) bool {
	if l == t.look {
		return false
	}
	t.apply(l)
	return true
}

// Look is the variant in use.
func (t *Theme) Look() Look { return t.look }

// Version grows with each change of the variant: painted text that was kept is stale then.
func (t *Theme) Version() uint64 { return t.version }

// Paint returns text in the look of the role, ended by a reset. RoleText and
// empty text come back as they are. The text must be clean (feed.Clean).
func (t *Theme) Paint(r Role, text string) string {
	p := t.Prefix(r)
	if p == "" || text == "" {
		return text
	}
	return p + text + reset
}

// Append appends Paint(r, text) to b without a string in between.
func (t *Theme) Append(b []byte, r Role, text string) []byte {
	p := t.Prefix(r)
	if p == "" || text == "" {
		return append(b, text...)
	}
	b = append(b, p...)
	b = append(b, text...)
	return append(b, reset...)
}

// Prefix is the SGR sequence of the role, empty where it has none. Text after
// it must be followed by Reset.
func (t *Theme) Prefix(r Role) string {
	if r >= roleCount {
		return ""
	}
	return t.prefix[r]
}

// Reset is the SGR sequence that ends a Prefix.
func (t *Theme) Reset() string { return reset }

// Over lays a role under a whole painted line, such as RoleCursor under the
// selected row: what the pieces of the line set stays, and the rest is filled.
// The line must have been painted by this theme, and already be as wide as the fill.
func (t *Theme) Over(r Role, line string) string {
	p := t.Prefix(r)
	if p == "" {
		return line
	}
	return p + strings.ReplaceAll(line, reset, reset+p) + reset
}

// Shape is the sign of the role, one cell wide; a blank for roles without one.
func (t *Theme) Shape(r Role) string {
	if r >= roleCount || t.shape[r] == "" {
		return " "
	}
	return t.shape[r]
}

// Sign is the painted Shape of the role.
func (t *Theme) Sign(r Role) string { return t.Paint(r, t.Shape(r)) }

// Severity is the role that shows a severity.
func (t *Theme) Severity(s cluster.Severity) Role {
	switch s {
	case cluster.OK, cluster.Info:
		return RoleOK
	case cluster.Busy:
		return RoleBusy
	case cluster.Warn:
		return RoleWarn
	case cluster.Bad:
		return RoleBad
	case cluster.Unknown:
		return RoleUnknown
	default:
		return RoleUnknown
	}
}

// Glyph returns pretty, or plain where only ASCII can be shown. Both must have
// the same width.
func (t *Theme) Glyph(pretty, plain string) string {
	if t.look.ASCII {
		return plain
	}
	return pretty
}

func (t *Theme) apply(l Look) {
	t.look = l
	t.version++
	t.prefix = [roleCount]string{}
	for r, c := range colours {
		t.prefix[r] = c.sgr(l)
	}
	for r, s := range shapes {
		t.shape[r] = s[0]
		if l.ASCII {
			t.shape[r] = s[1]
		}
	}
}

// shapes are the signs, and their ASCII stand-ins.
var shapes = map[Role][2]string{
	RoleOK:        {"●", "*"},
	RoleWarn:      {"▲", "!"},
	RoleBad:       {"✗", "X"},
	RoleBusy:      {"◐", "~"},
	RoleFocus:     {"▸", ">"},
	RoleCursor:    {"▸", ">"},
	RoleUnknown:   {"○", "?"},
	RoleSuspended: {"⊘", "-"},
	RoleDanger:    {"■", "#"},
	RoleMark:      {"◆", "+"},
	RoleMatch:     {"★", "="},
}
