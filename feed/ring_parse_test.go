package feed

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadLine(t *testing.T) {
	day := func(h, m, s, ns int) time.Time { return time.Date(2026, 11, 23, h, m, s, ns, time.UTC) }
	never := time.Time{}
	cases := []struct {
		name, line string
		level      Level
		at         time.Time
		rest       string // the text behind the head
	}{
		{"klog", "W1123 04:55:20.123456    1155 eviction.go:369] memory", LevelWarn, day(4, 55, 20, 123456000), "eviction.go:369] memory"},
		{"klog of last year", "E1231 23:59:59.000001       1 a.go:1] x", LevelError, time.Date(2026, 12, 31, 23, 59, 59, 1000, time.UTC), "a.go:1] x"},
		{"kubelet json", `{"ts":1795409336812.5,"caller":"a.go:1","msg":"x","v":0}`, LevelInfo, time.UnixMilli(1795409336812).Add(500 * time.Microsecond), ""},
		{"kubelet json error", `{"ts":1795409336812,"caller":"a.go:1","msg":"x","err":"boom"}`, LevelError, time.UnixMilli(1795409336812), ""},
		{"json with a key inside a string", `{"msg":"\"level\":\"error\",","v":1}`, LevelInfo, never, ""},
		{"json with a key inside an object", `{"a":{"level":"error"},"level":"warn"}`, LevelWarn, never, ""},
		{"json in seconds", `{"level":"error","ts":1795409336.25,"msg":"x"}`, LevelError, time.UnixMilli(1795409336250), ""},
		{"etcd", `{"level":"info","ts":"2026-11-23T04:52:09.101584Z","logger":"raft","msg":"x"}`, LevelInfo, day(4, 52, 9, 101584000), ""},
		{"containerd", `{"id":"x","level":"info","msg":"m","time":"2026-11-23T04:43:39.468920116Z","type":"y"}`, LevelInfo, day(4, 43, 39, 468920116), ""},
		{"logfmt", `time="2026-11-23T04:43:39Z" level=warning msg="slow"`, LevelWarn, day(4, 43, 39, 0), ""},
		{"logfmt later", `ts=2026-11-23T04:43:39.5Z caller=x level=error msg=y`, LevelError, day(4, 43, 39, 5e8), ""},
		{"logfmt inside a word", `xlevel=error and sublevel=error`, LevelUnknown, never, ""},
		{"zap console", "2026-11-23T04:53:26.014Z DEBUG discovered affiliate", LevelDebug, day(4, 53, 26, 14e6), "discovered affiliate"},
		{"zap console, coloured", "2026-11-23T04:53:26.014Z\t\x1b[35mERROR\x1b[0m\tboom", LevelError, day(4, 53, 26, 14e6), "boom"},
		{"offset", "2026-11-23T06:53:26+02:00 INFO x", LevelInfo, day(4, 53, 26, 0), "x"},
		{"go log", "2026/11/23 04:55:20.676034 log.go:106: OK [/m/V] 572µs", LevelUnknown, day(4, 55, 20, 676034000), "log.go:106: OK [/m/V] 572µs"},
		{"cri", "2026-11-23T04:55:20.1Z stderr F E1123 04:55:20.100000       1 a.go:1] boom", LevelError, day(4, 55, 20, 1e8), "a.go:1] boom"},
		{"kernel", "kern:  notice: [2026-11-23T03:34:07.05231227Z]: Linux version 6.18", LevelInfo, day(3, 34, 7, 52312270), "Linux version 6.18"},
		{"kernel warning", "user: warning: [2026-11-23T04:43:39.1Z]: [talos] phase", LevelWarn, day(4, 43, 39, 1e8), "[talos] phase"},
		{"kernel without a time", "kern: warning: text", LevelUnknown, never, "kern: warning: text"},
		{"plain", "hello error world", LevelUnknown, never, "hello error world"},
		{"broken json", `{"level":"err`, LevelUnknown, never, ""},
		{"numbers", "12345", LevelUnknown, never, "12345"},
		{"no such month", "2026-13-23T04:53:26.014Z INFO x", LevelUnknown, never, "2026-13-23T04:53:26.014Z INFO x"},
		{"empty", "", LevelUnknown, never, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := NewRing(1, 1<<20)
			r.AppendBatch(0, batch(c.line), arrival)
			l, _ := r.Load().Line(1)
			if l.Level != c.level {
				t.Errorf("level %v, want %v", l.Level, c.level)
			}
			if !l.Time.Equal(c.at) {
				t.Errorf("time %v, want %v", l.Time, c.at)
			}
			if c.rest != "" && l.Text[l.Head:] != c.rest {
				t.Errorf("rest %q, want %q", l.Text[l.Head:], c.rest)
			}
		})
	}
}

func TestKlogYearTurns(t *testing.T) {
	r := NewRing(2, 1<<20)
	r.AppendBatch(0, batch("I1231 23:59:59.000001 1 a.go:1] x"), time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC))
	r.AppendBatch(0, batch("I0101 00:00:01.000001 1 a.go:1] x"), time.Date(2026, 12, 31, 23, 59, 58, 0, time.UTC))
	a, _ := r.Load().Line(1)
	b, _ := r.Load().Line(2)
	if a.Time.Year() != 2026 || b.Time.Year() != 2027 {
		t.Errorf("years %d and %d", a.Time.Year(), b.Time.Year())
	}
}

// Each line of the samples of real nodes says when it was written.
func TestSamplesHaveTimes(t *testing.T) {
	files, err := filepath.Glob("../../shared/samples/talos/logs-*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the samples of real nodes are not beside this checkout")
	}
	r := NewRing(1, 1<<20)
	seen := 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for sc := bufio.NewScanner(f); sc.Scan(); {
			node, line, ok := strings.Cut(sc.Text(), ": ")
			if !ok || !strings.HasPrefix(node, "10.5.0.") || strings.HasPrefix(node, "error") {
				continue
			}
			r.AppendBatch(0, batch(line), arrival)
			v := r.Load()
			if l, _ := v.Line(v.First); l.Time.IsZero() || l.Time.Year() != 2026 {
				t.Errorf("%s: time %v of %.120q", filepath.Base(name), l.Time, line)
			}
			seen++
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Error("no line of the samples was read")
	}
}
