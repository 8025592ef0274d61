package talosd_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc/codes"

	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

// testClock is a clock that the test moves.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *testClock {
	return &testClock{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// logText reads a log that ends, and checks the size of its chunks.
func logText(t *testing.T, stream machine.MachineService_LogsClient) string {
	t.Helper()
	all, err := drain(stream.Recv)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range all {
		if len(m.GetBytes()) > 1024 {
			t.Errorf("a chunk has %d bytes, want at most 1024", len(m.GetBytes()))
		}
		b.Write(m.GetBytes())
	}
	return b.String()
}

func TestLogTail(t *testing.T) {
	c := connect(t, start(t, "still", talosd.Options{}), role.Reader, node1)
	read := func(tail int32) string {
		stream, err := c.Logs(on(t, node1), "system", 0, "etcd", false, tail)
		if err != nil {
			t.Fatal(err)
		}
		return logText(t, stream)
	}
	if got := read(0); got != "" {
		t.Errorf("tail 0 gave %q, want nothing", got)
	}
	all := read(-1)
	if n := strings.Count(all, "\n"); n < 200 {
		t.Errorf("tail -1 gave %d lines, want the whole history", n)
	}
	if three := read(3); strings.Count(three, "\n") != 3 || !strings.HasSuffix(all, three) {
		t.Errorf("tail 3 gave %q", three)
	}
	if again := read(-1); again != all {
		t.Error("a log of a scene that stands still has changed")
	}
	stream, err := c.Logs(on(t, node1), "system", 0, "nosuch", false, -1)
	if err == nil {
		_, err = stream.Recv()
	}
	refused(t, err, codes.Unknown, `log "nosuch" was not registered`)
}

func TestLogFormats(t *testing.T) {
	c := connect(t, start(t, "turingpi", talosd.Options{}), role.Reader, node1)
	for id, pattern := range map[string]string{
		"kubelet":            `^\{"ts":\d{13}(\.\d+)?,"caller":"[^"]+:\d+","msg":.*\}$`,
		"etcd":               `^\{"level":"(info|warn)","ts":"[^"]+Z","caller":.*\}$`,
		"machined":           `^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} (\[talos\]|machined) \d{4}/\d\d/\d\d .*$`,
		"containerd":         `^(\{.*"time":.*\}|time=.*)$`,
		"cri":                `^\{.*"time":.*\}$`,
		"controller-runtime": "^\\S+Z \x1b\\[35mDEBUG\x1b\\[0m .*\\{.*\\}$",
	} {
		stream, err := c.Logs(on(t, node1), "system", 0, id, false, -1)
		if err != nil {
			t.Fatal(err)
		}
		text := logText(t, stream)
		if text == "" {
			t.Errorf("the log of %s is empty", id)
		}
		re := regexp.MustCompile(pattern)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if !re.MatchString(line) {
				t.Errorf("%s: %q does not look real", id, line)
				break
			}
			if strings.HasPrefix(line, "{") && !json.Valid([]byte(line)) {
				t.Errorf("%s: not JSON: %s", id, line)
				break
			}
		}
	}
}

func TestLogsMove(t *testing.T) {
	clock := newClock()
	c := connect(t, start(t, "turingpi", talosd.Options{Now: clock.Now}), role.Reader, node1)
	count := func() int {
		stream, err := c.Logs(on(t, node3), "system", 0, "kubelet", false, -1)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(logText(t, stream), "\n")
	}
	before := count()
	clock.Advance(time.Minute)
	if more := count() - before; more < 15 || more > 80 {
		t.Errorf("a kubelet wrote %d lines in a minute, want about 33", more)
	}
}

// lines reads a followed log line by line.
func lines(t *testing.T, stream machine.MachineService_LogsClient) *bufio.Scanner {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { _ = r.Close() })
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				_ = w.CloseWithError(err)
				return
			}
			if _, err := w.Write(m.GetBytes()); err != nil {
				return
			}
		}
	}()
	return bufio.NewScanner(r)
}

func TestBurstLosesNothing(t *testing.T) {
	cl := start(t, "turingpi", talosd.Options{})
	c := connect(t, cl, role.Reader, node1)
	ctx := on(t, node3)
	stream, err := c.Logs(ctx, "", 0, "kubelet", true, 0)
	if err != nil {
		t.Fatal(err)
	}
	scanner := lines(t, stream)
	stop := cl.BurstLogs("talos-test03", "kubelet", 20_000)
	defer stop()
	want := 1
	for want <= 10_000 && scanner.Scan() {
		var line struct{ Msg string }
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%q: %v", scanner.Text(), err)
		}
		var got int
		if _, err := fmt.Sscanf(line.Msg, "burst line %d", &got); err != nil {
			continue // a line of the kubelet's own
		}
		if want == 1 {
			want = got // lines before the stream was open
		}
		if got != want {
			t.Fatalf("line %d came after line %d", got, want-1)
		}
		want++
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestDmesg(t *testing.T) {
	c := connect(t, start(t, "still", talosd.Options{}), role.Reader, node1)
	stream, err := c.Dmesg(on(t, node3), false, false)
	if err != nil {
		t.Fatal(err)
	}
	all, err := drain(stream.Recv)
	if err != nil || len(all) < 50 {
		t.Fatalf("%d messages, %v", len(all), err)
	}
	re := regexp.MustCompile(`^(kern|user): {1,4}(notice|info|warning): \[\d{4}-\d\d-\d\dT[0-9:.]+Z\]: .+\n$`)
	for _, m := range all {
		if !re.Match(m.GetBytes()) {
			t.Fatalf("%q is not a line of the kernel's log", m.GetBytes())
		}
	}
}
