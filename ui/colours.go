package ui

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// paint is one role's look in every variant. A colour of zero is the
// terminal's own; index 0 is the dark and 1 the light variant.
type paint struct {
	attr  string // SGR attributes besides colour
	rgb   [2]uint32
	c256  [2]uint8
	c16   [2]uint8 // the SGR code itself: 30-37, 90-97
	under [2]uint32
	u256  [2]uint8
	u16   [2]uint8 // the SGR code itself: 40-47, 100-107
	a16   string   // attributes with 16 colours, where they differ from attr
	plain string   // attributes without any colour
}

// colours are explicit for each depth, because a computed reduction to 16
// colours makes amber and red the same.
var colours = map[Role]paint{
	RoleStrong:    {attr: "1", plain: "1"},
	RoleMuted:     {rgb: [2]uint32{0x8F98A8, 0x5A6372}, c256: [2]uint8{246, 241}, c16: [2]uint8{37, 90}, plain: "2"},
	RoleHeader:    {attr: "1", rgb: [2]uint32{0x8F98A8, 0x5A6372}, c256: [2]uint8{246, 241}, c16: [2]uint8{37, 90}, plain: "1"},
	RoleBorder:    {rgb: [2]uint32{0x5C6675, 0x8A93A1}, c256: [2]uint8{241, 246}, c16: [2]uint8{90, 90}, plain: "2"},
	RoleOK:        {rgb: [2]uint32{0x56E0B4, 0x006B50}, c256: [2]uint8{79, 23}, c16: [2]uint8{92, 32}},
	RoleWarn:      {rgb: [2]uint32{0xF2C14E, 0x8A5A00}, c256: [2]uint8{221, 94}, c16: [2]uint8{93, 33}, plain: "1"},
	RoleBad:       {rgb: [2]uint32{0xF2637E, 0xA8003F}, c256: [2]uint8{204, 125}, c16: [2]uint8{91, 31}, plain: "1"},
	RoleBusy:      {rgb: [2]uint32{0xA79BFF, 0x5B45C9}, c256: [2]uint8{147, 56}, c16: [2]uint8{95, 35}},
	RoleFocus:     {rgb: [2]uint32{0x7CC7FF, 0x005FA8}, c256: [2]uint8{117, 25}, c16: [2]uint8{96, 36}, plain: "1"},
	RoleUnknown:   {rgb: [2]uint32{0x9AA3B2, 0x5A6372}, c256: [2]uint8{247, 241}, c16: [2]uint8{37, 90}, plain: "2"},
	RoleSuspended: {rgb: [2]uint32{0x8F98A8, 0x5A6372}, c256: [2]uint8{246, 241}, c16: [2]uint8{37, 90}, plain: "2"},
	RoleDanger:    {attr: "1;7", rgb: [2]uint32{0xF2637E, 0xA8003F}, c256: [2]uint8{204, 125}, c16: [2]uint8{91, 31}, plain: "1;7"},
	RoleCursor:    {under: [2]uint32{0x263041, 0xDDE6F1}, u256: [2]uint8{237, 254}, a16: "7", plain: "7"},
	RoleMatch: {
		rgb: [2]uint32{0x14171C, 0x14171C}, c256: [2]uint8{16, 16}, c16: [2]uint8{30, 30},
		under: [2]uint32{0xF2C14E, 0xFFD25E}, u256: [2]uint8{221, 221}, u16: [2]uint8{43, 43}, plain: "1;7",
	},
	RoleMark: {attr: "1", rgb: [2]uint32{0x7CC7FF, 0x005FA8}, c256: [2]uint8{117, 25}, c16: [2]uint8{96, 36}, plain: "1"},
}

// sgr is the sequence that starts the look; empty where it is the terminal's own.
// lipgloss makes it, once a theme: painting is putting it before the text.
func (p paint) sgr(l Look) string {
	v := 0
	if l.Light {
		v = 1
	}
	style, attr := lipgloss.NewStyle(), p.attr
	switch l.Depth {
	case DepthTrue:
		style = style.Foreground(rgb(p.rgb[v])).Background(rgb(p.under[v]))
	case Depth256:
		style = style.Foreground(indexed(p.c256[v])).Background(indexed(p.u256[v]))
	case Depth16:
		style = style.Foreground(sixteen(p.c16[v], 30)).Background(sixteen(p.u16[v], 40))
		if p.a16 != "" {
			attr = p.a16
		}
	case DepthNone:
		attr = p.plain
	}
	for _, one := range strings.Split(attr, ";") {
		switch one {
		case "1":
			style = style.Bold(true)
		case "2":
			style = style.Faint(true)
		case "7":
			style = style.Reverse(true)
		}
	}
	before, _, _ := strings.Cut(style.Render("x"), "x")
	return before
}

func rgb(c uint32) color.Color {
	if c == 0 {
		return lipgloss.NoColor{}
	}
	return color.RGBA{R: uint8(c >> 16 & 0xff), G: uint8(c >> 8 & 0xff), B: uint8(c & 0xff), A: 0xff}
}

func indexed(c uint8) color.Color {
	if c == 0 {
		return lipgloss.NoColor{}
	}
	return ansi.IndexedColor(c)
}

// sixteen turns an SGR code of the sixteen colours, whose normal ones start at
// base, into the colour.
func sixteen(code, base uint8) color.Color {
	switch {
	case code == 0:
		return lipgloss.NoColor{}
	case code >= 90:
		return ansi.BasicColor(code - base - 60 + 8)
	}
	return ansi.BasicColor(code - base)
}
