// Package uitest compares screens with golden files: the text as it stands on
// the screen, a map of the attributes, and what the letters of the map mean.
package uitest

import (
	"flag"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	uv "github.com/charmbracelet/ultraviolet"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// Screen is what a terminal shows of a frame.
type Screen struct {
	W, H  int
	cells *uv.ScreenBuffer
}

// Draw puts the frame on a screen of w by h cells, as the terminal would.
func Draw(frame string, w, h int) *Screen {
	buf := uv.NewScreenBuffer(w, h)
	uv.NewStyledString(frame).Draw(buf, buf.Bounds())
	return &Screen{W: w, H: h, cells: &buf}
}

// Line is the text of row y with the blanks at its end.
func (s *Screen) Line(y int) string {
	var b strings.Builder
	for x := 0; x < s.W; {
		c := s.cells.CellAt(x, y)
		if c == nil || c.Content == "" {
			b.WriteByte(' ')
			x++
			continue
		}
		b.WriteString(c.Content)
		x += max(c.Width, 1)
	}
	return b.String()
}

// Text is all rows.
func (s *Screen) Text() string {
	var b strings.Builder
	for y := range s.H {
		b.WriteString(s.Line(y))
		b.WriteString("\n")
	}
	return b.String()
}

// Contains reports whether the text stands in one row of the screen.
func (s *Screen) Contains(text string) bool {
	for y := range s.H {
		if strings.Contains(s.Line(y), text) {
			return true
		}
	}
	return false
}

// Attributes is a map of the screen with a letter for each look, and the legend.
func (s *Screen) Attributes() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var b, legend strings.Builder
	known := map[string]byte{"": '.'}
	for y := range s.H {
		for x := range s.W {
			look := ""
			if c := s.cells.CellAt(x, y); c != nil {
				look = describe(c.Style)
			}
			if known[look] == 0 {
				known[look] = '?'
				if n := len(known) - 2; n < len(letters) {
					known[look] = letters[n]
				}
				fmt.Fprintf(&legend, "%c %s\n", known[look], look)
			}
			b.WriteByte(known[look])
		}
		b.WriteByte('\n')
	}
	return b.String() + "\n" + legend.String()
}

func describe(st uv.Style) string {
	var parts []string
	for _, a := range []struct {
		bit  uint8
		name string
	}{{uv.AttrBold, "bold"}, {uv.AttrFaint, "faint"}, {uv.AttrReverse, "reverse"}, {uv.AttrItalic, "italic"}} {
		if st.Attrs&a.bit != 0 {
			parts = append(parts, a.name)
		}
	}
	if st.Underline != 0 {
		parts = append(parts, "underline")
	}
	if st.Fg != nil {
		parts = append(parts, hex(st.Fg))
	}
	if st.Bg != nil {
		parts = append(parts, "on "+hex(st.Bg))
	}
	return strings.Join(parts, " ")
}

func hex(c color.Color) string {
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

// Golden compares the frame, drawn on w by h cells, with testdata/NAME.golden.
// With the flag -update, or the environment variable UPDATE_GOLDEN set, it
// writes the file instead.
func Golden(t *testing.T, name, frame string, w, h int) {
	t.Helper()
	s := Draw(frame, w, h)
	got := s.Text() + "\n" + s.Attributes()
	path := filepath.Join("testdata", filepath.FromSlash(name)+".golden")
	if *update || os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test with -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("the screen differs from %s:\n%s\n%s", path, firstDifference(string(want), got), s.Text())
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\nwant %q\n got %q", i+1, a, b)
		}
	}
	return "no difference"
}
