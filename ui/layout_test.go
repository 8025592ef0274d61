package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// draw paints the layout: each rectangle filled with its letter.
func draw(l Layout) string {
	grid := make([][]byte, l.H)
	for y := range grid {
		grid[y] = []byte(strings.Repeat(".", l.W))
	}
	fill := func(r Rect, c byte) {
		for y := r.Y; y < r.Y+r.H; y++ {
			for x := r.X; x < r.X+r.W; x++ {
				grid[y][x] = c
			}
		}
	}
	fill(l.Header, 'H')
	fill(l.Banner, 'B')
	fill(l.Tabs, 'T')
	fill(l.Message, 'M')
	fill(l.Footer, 'F')
	fill(l.Detail, 'D')
	for i, p := range l.Panes {
		fill(p, byte('1'+i))
	}
	var b strings.Builder
	for _, row := range grid {
		b.Write(row)
		b.WriteByte('\n')
	}
	return b.String()
}

// TestLayoutDrawings compares layouts with the drawings under testdata/layout.
// A drawing's name says what it is: WxH-focusN[-zoom][-bannerN].
func TestLayoutDrawings(t *testing.T) {
	files, err := filepath.Glob("testdata/layout/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d drawings: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := draw(parseLayout(t, name)); got != string(want) {
				t.Errorf("the layout is\n%s\nthe drawing is\n%s", got, want)
			}
		})
	}
}

func parseLayout(t *testing.T, name string) Layout {
	t.Helper()
	o := LayoutOptions{Panes: 4}
	var w, h int
	for _, part := range strings.Split(name, "-") {
		switch {
		case part == "zoom":
			o.Zoom = true
		case strings.HasPrefix(part, "focus"):
			_, _ = fmt.Sscanf(part, "focus%d", &o.Focus)
			o.Focus--
		case strings.HasPrefix(part, "banner"):
			_, _ = fmt.Sscanf(part, "banner%d", &o.Banner)
		default:
			if _, err := fmt.Sscanf(part, "%dx%d", &w, &h); err != nil {
				t.Fatalf("%q is no size", part)
			}
		}
	}
	return Arrange(w, h, o)
}

// TestLayoutTilesEverySize checks for every size that each cell belongs to
// exactly one rectangle, and that the focused pane is on the screen.
func TestLayoutTilesEverySize(t *testing.T) {
	for w := 1; w <= 300; w++ {
		for h := 1; h <= 100; h++ {
			for focus := range 4 {
				for _, o := range []LayoutOptions{{Panes: 4, Focus: focus}, {Panes: 4, Focus: focus, Zoom: true, Banner: 2}} {
					if err := tiled(Arrange(w, h, o)); err != nil {
						t.Fatalf("%dx%d %+v: %v", w, h, o, err)
					}
					if Arrange(w, h, o).Panes[focus].Empty() {
						t.Fatalf("%dx%d %+v: the focused pane is not shown", w, h, o)
					}
				}
			}
		}
	}
}

// tiled works with areas and pairs of rectangles, because filling cells for all sizes takes too long.
func tiled(l Layout) error {
	rects := []Rect{l.Header, l.Banner, l.Tabs, l.Footer, l.Detail}
	if l.Message != l.Footer {
		rects = append(rects, l.Message)
	}
	rects = append(rects, l.Panes...)
	area := 0
	for i, a := range rects {
		if a.Empty() {
			continue
		}
		if a.X < 0 || a.Y < 0 || a.X+a.W > l.W || a.Y+a.H > l.H {
			return fmt.Errorf("%+v is outside", a)
		}
		area += a.W * a.H
		for _, b := range rects[i+1:] {
			if !b.Empty() && a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				return fmt.Errorf("%+v and %+v overlap", a, b)
			}
		}
	}
	if area != l.W*l.H {
		return fmt.Errorf("%d of %d cells are covered", area, l.W*l.H)
	}
	return nil
}

func TestStableGeography(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		first := Arrange(size[0], size[1], LayoutOptions{Panes: 4})
		for focus := 1; focus < 3; focus++ {
			if got := Arrange(size[0], size[1], LayoutOptions{Panes: 4, Focus: focus}); draw(got) != draw(first) {
				t.Errorf("%v: panes move when pane %d gets the focus", size, focus+1)
			}
		}
	}
}

func TestFewerPanes(t *testing.T) {
	for n := range 4 {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}, {20, 5}} {
			if l := Arrange(size[0], size[1], LayoutOptions{Panes: n}); n > 0 {
				if err := tiled(l); err != nil {
					t.Errorf("%d panes at %v: %v", n, size, err)
				}
			}
		}
	}
}
