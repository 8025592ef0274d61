package views

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

func itoa(n int) string { return strconv.Itoa(n) }

func clean(s string) string { return feed.Clean(s) }

// thousands writes n with commas: 4,212.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// size writes bytes in binary units with at most three digits: 15.2G, 640M.
func size(n int64) string {
	v, unit := scaled(n)
	if v < 99.95 && unit != "" {
		return decimal(v, 1) + unit
	}
	return decimal(v, 0) + unit
}

// scaled is n in the unit in which it is below a thousand.
func scaled(n int64) (v float64, unit string) {
	v = float64(n)
	for _, u := range []string{"K", "M", "G", "T", "P"} {
		if v < 1000 {
			break
		}
		v /= 1024
		unit = u
	}
	return v, unit
}

func decimal(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }

// usage writes a part of a whole in at most eight cells, in the unit of the
// whole: 3.0/7.1G, 15.2/16G, 123/256G.
func usage(u cluster.Usage) string {
	total, unit := scaled(u.Total)
	used := float64(u.Used)
	if unit == "" {
		return decimal(used, 0) + "/" + decimal(total, 0)
	}
	used /= float64(u.Total) / total
	ofUsed, ofTotal := 1, 1
	if total >= 9.95 || math.Abs(total-math.Round(total)) < 0.05 {
		ofTotal = 0
	}
	if total >= 99.95 {
		ofUsed = 0
	}
	return decimal(used, ofUsed) + "/" + decimal(total, ofTotal) + unit
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

// span writes how long something lasts, as Flux does: 10m, 1h30m.
func span(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// revision shortens main@sha1:1c9f3e2… to main@1c9f3e2.
func revision(s string) string {
	head, digest, ok := strings.Cut(s, "@")
	if !ok {
		if d := digestOf(s); d != "" {
			return d
		}
		return s
	}
	if d := digestOf(digest); d != "" {
		return head + "@" + d
	}
	return s
}

// digestOf is the first seven digits of algorithm:hex; empty if it is none.
func digestOf(s string) string {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok || !strings.HasPrefix(algorithm, "sha") || len(hex) < 7 {
		return ""
	}
	return hex[:7]
}

// stamp writes a moment for reading: the time of day if it is of the same day.
func stamp(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

func hex(n uint64) string { return strconv.FormatUint(n, 16) }

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

// because is the reason in an error's text, without what was being read when it came.
func because(text string) string {
	if what, why, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(what, "list ") {
		return why
	}
	return text
}
