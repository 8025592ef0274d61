package cluster

import "testing"

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		want  string
		names []string
		near  string
	}{
		{"turingp", []string{"prod", "turingpi", "lab"}, "turingpi"},
		{"admin@turingpy", []string{"admin@lab", "admin@turingpi"}, "admin@turingpi"},
		{"turingpi", []string{"admin@lab", "admin@turingpi"}, "admin@turingpi"},
		{"PROD", []string{"lab", "prod"}, "prod"},
		{"zzz", []string{"admin@lab", "admin@turingpi"}, ""},
		{"x", nil, ""},
	} {
		if got := Nearest(c.want, c.names); got != c.near {
			t.Errorf("%q is nearest to %q, want %q", c.want, got, c.near)
		}
	}
}
