package bed_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/test/bed"
)

// shared is the bed of all tests here: each leaves it as it found it.
var shared *bed.Bed

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVar); dir != "" {
		os.Exit(beVictim(dir))
	}
	os.Exit(runAll(m))
}

// runAll brings a bed up, runs the tests and proves that nothing of it remains.
func runAll(m *testing.M) int {
	parent, err := os.MkdirTemp("", "bed-test-")
	if err == nil {
		defer func() { _ = os.RemoveAll(parent) }()
		shared, err = bed.StartGuarded(context.Background(), bed.Options{Dir: filepath.Join(parent, "bed"), Log: os.Stderr})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	dir := shared.Dir()
	if err := shared.Down(true); err != nil {
		fmt.Fprintln(os.Stderr, "down:", err)
		return 1
	}
	if left := mentioning(dir); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "down left processes behind:", left)
		return 1
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "down left the state folder behind:", err)
		return 1
	}
	return code
}

// mentioning lists the processes whose command line or working directory has a
// text; where there is no /proc, none.
func mentioning(text string) []string {
	var out []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		cmdline, _ := os.ReadFile(f)
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(f), "cwd"))
		if strings.Contains(string(cmdline), text) || strings.Contains(cwd, text) {
			out = append(out, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return out
}

func withTimeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := shared.Kubectl(withTimeout(t, time.Minute), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func TestNodesAreTheReferenceCluster(t *testing.T) {
	got := kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} `+
		`{.status.addresses[?(@.type=="InternalIP")].address} {.status.nodeInfo.architecture} `+
		`{.status.nodeInfo.kubeletVersion} {.status.nodeInfo.osImage} `+
		`{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
	var want []string
	for i := 1; i <= 4; i++ {
		want = append(want, fmt.Sprintf("talos-test%02d 192.168.13.%d arm64 v1.37.2 Talos (v1.13.9) True", i, 10+i))
	}
	if got != strings.Join(want, "\n") {
		t.Errorf("nodes:\n%s\nwanted:\n%s", got, strings.Join(want, "\n"))
	}
	planes := kubectl(t, "get", "nodes", "-l", "node-role.kubernetes.io/control-plane", "-o", "name")
	if planes != "node/talos-test01\nnode/talos-test02" {
		t.Errorf("control planes: %s", planes)
	}
	if v := kubectl(t, "version"); !strings.Contains(v, "Server Version: v1.37.2") {
		t.Errorf("version: %s", v)
	}
	if c := kubectl(t, "config", "current-context"); c != bed.Context {
		t.Errorf("context: %s", c)
	}
}

func TestPodsRunAndHaveLogs(t *testing.T) {
	phases := kubectl(t, "get", "pods", "-A", "-o", `jsonpath={range .items[*]}{.status.phase}{"\n"}{end}`)
	if n := strings.Count(phases, "Running"); n < 25 {
		t.Errorf("%d pods run:\n%s", n, phases)
	}
	id := kubectl(t, "get", "pod", "-n", "media", "debug-shell", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	if !strings.HasPrefix(id, "containerd://") {
		t.Errorf("container id %q", id)
	}
	logs := kubectl(t, "logs", "-n", "media", "debug-shell", "--tail=1")
	if !strings.Contains(logs, `"msg":"ready"`) {
		t.Errorf("last line of the log: %s", logs)
	}
}

func TestLogsFollow(t *testing.T) {
	ctx := withTimeout(t, time.Minute)
	cmd := exec.CommandContext(ctx, filepath.Join(shared.Bin(), "kubectl"), "--kubeconfig", shared.Kubeconfig(),
		"logs", "-f", "--tail=1", "-n", "monitoring", "prometheus-0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() { // the tail: from here on it follows
		t.Fatalf("no line: %v", lines.Err())
	}
	const want = "a line written while someone follows"
	if err := shared.AppendLog(want); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != want {
		t.Errorf("followed %q (%v), wanted %q", lines.Text(), lines.Err(), want)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestBudgetRefusesEviction(t *testing.T) {
	err := shared.Evict(withTimeout(t, time.Minute), "database", "etcd-locked-0")
	var status *bed.StatusError
	if !errors.As(err, &status) || status.Code != 429 || !strings.Contains(status.Body, "etcd-locked") {
		t.Errorf("eviction against a budget of none: %v", err)
	}
}

func TestFluxFollowsGit(t *testing.T) {
	ctx := withTimeout(t, 2*time.Minute)
	for _, path := range []string{
		bed.GitRepositoryPath, bed.KustomizationInfraPath, bed.KustomizationWebPath, bed.HelmRepositoryPath, bed.HelmReleasePath,
	} {
		if _, err := shared.AwaitReady(ctx, path, "True", ""); err != nil {
			t.Error(err)
		}
	}
	if n := kubectl(t, "get", "deployment", "-n", "gitops", "podinfo", "-o", "jsonpath={.status.readyReplicas}"); n != "2" {
		t.Errorf("pods of the Helm release: %s", n)
	}
	if out, err := shared.Flux(ctx, "get", "kustomizations", "web"); err != nil || !strings.Contains(out, "Applied revision") {
		t.Errorf("flux says %q (%v)", out, err)
	}
	revision, err := shared.PushBroken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	message, err := shared.AwaitReady(ctx, bed.KustomizationWebPath, "False", revision)
	if err != nil || !strings.Contains(message, "missing.yaml: no such file") {
		t.Errorf("the controller's message after a broken commit: %q (%v)", message, err)
	}
	if revision, err = shared.PushFix(ctx); err != nil {
		t.Fatal(err)
	}
	message, err = shared.AwaitReady(ctx, bed.KustomizationWebPath, "True", revision)
	if err != nil || !strings.Contains(message, revision) {
		t.Errorf("the controller's message after the fix: %q (%v)", message, err)
	}
}

func TestAPIServerGoesAndComesBack(t *testing.T) {
	ctx := withTimeout(t, 3*time.Minute)
	before := kubectl(t, "get", "namespace", "media", "-o", "jsonpath={.metadata.uid}")
	if err := shared.StopAPI(ctx); err != nil {
		t.Fatal(err)
	}
	if err := shared.Ping(ctx); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a stopped API server: %v", err)
	}
	if err := shared.StopAPI(ctx); err == nil {
		t.Error("a stopped API server was stopped again")
	}
	if err := shared.StartAPI(ctx); err != nil {
		t.Fatal(err)
	}
	if after := kubectl(t, "get", "namespace", "media", "-o", "jsonpath={.metadata.uid}"); after != before {
		t.Errorf("another cluster came back: %s is not %s", after, before)
	}
	// The controllers find it again: a new pod comes to run.
	kubectl(t, "rollout", "restart", "-n", "monitoring", "deployment/grafana")
	kubectl(t, "rollout", "status", "-n", "monitoring", "deployment/grafana", "--timeout=60s")
}

func TestAPIServerHangs(t *testing.T) {
	ctx := withTimeout(t, 2*time.Minute)
	if err := shared.FreezeAPI(ctx); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := shared.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hanging API server: %v", err)
	}
	if err := shared.StartAPI(ctx); err != nil {
		t.Fatal(err)
	}
	if err := shared.Ping(ctx); err != nil {
		t.Error(err)
	}
}

func TestAnotherBedInTheSameFolderIsRefused(t *testing.T) {
	_, err := bed.Start(t.Context(), bed.Options{Dir: shared.Dir()})
	if !errors.Is(err, bed.ErrRunning) {
		t.Errorf("a second bed in the folder: %v", err)
	}
	if _, err := bed.Open(t.TempDir()); !errors.Is(err, bed.ErrNotRunning) {
		t.Errorf("an empty folder: %v", err)
	}
	again, err := bed.Open(shared.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBuildAgainIsInstant(t *testing.T) {
	start := time.Now()
	dir, err := bed.Build(t.Context(), nil)
	if err != nil || dir != shared.Bin() {
		t.Errorf("built %s (%v), wanted %s", dir, err, shared.Bin())
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
}
