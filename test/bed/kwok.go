package bed

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed manifests/stages.yaml
var podStages []byte

//go:embed manifests/pod.log
var podLog string

// kwokDebugging lets kubectl logs read the bed's pods.log for every container,
// and kubectl exec run its command on this machine, in the bed's tmp folder.
const kwokDebugging = `
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata: {name: all}
spec:
  logs: [{logsFile: %[1]q, previousLogsFile: %[1]q, follow: true}]
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterAttach
metadata: {name: all}
spec:
  attaches: [{logsFile: %[1]q}]
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata: {name: all}
spec:
  execs: [{local: {workDir: %[2]q}}]
`

// kwok plays the kubelets: its own stages for the nodes, ours for the pods.
func (b *Bed) kwok() (command, error) {
	config, err := b.kwokConfig()
	if err != nil {
		return command{}, err
	}
	p := b.pki()
	return command{
		name: "kwok", bin: "kwok",
		args: []string{
			"--kubeconfig=" + b.Kubeconfig(), "--config=" + config, "--manage-all-nodes=true", "--cidr=" + podNetwork,
			"--node-ip=127.0.0.1", "--node-port=" + b.port("kubelet"), "--server-address=" + b.addr("kubelet"),
			"--tls-cert-file=" + p.crt("kubelet"), "--tls-private-key-file=" + p.key("kubelet"),
			"--node-lease-duration-seconds=40",
		},
		ready: b.healthy("https://localhost:" + b.port("kubelet") + "/healthz"),
	}, nil
}

func (b *Bed) kwokConfig() (string, error) {
	stages, err := filepath.Glob(filepath.Join(b.bin, "kwok-stages", "*.yaml"))
	if err != nil || len(stages) == 0 {
		return "", fmt.Errorf("no KWOK stages in %s (%w)", b.bin, err)
	}
	config := bytes.NewBuffer(podStages)
	for _, path := range stages {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(config, "\n---\n%s", data)
	}
	logs := filepath.Join(b.dir, "pods.log")
	fmt.Fprintf(config, kwokDebugging, logs, filepath.Join(b.dir, "tmp"))
	if err := seedPodLog(logs); err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, "kwok.yaml")
	return path, writeFile(path, config.Bytes())
}

// seedPodLog fills the log of all pods with its first lines, one second apart.
func seedPodLog(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(podLog), "\n")
	start := time.Now().Add(-time.Duration(len(lines)) * time.Second)
	var out strings.Builder
	for i, line := range lines {
		out.WriteString(criLine(start.Add(time.Duration(i)*time.Second), line))
	}
	return writeFile(path, []byte(out.String()))
}

// AppendLog appends a line to the log that every container of the bed shares; a
// kubectl logs -f sees it at once.
func (b *Bed) AppendLog(line string) error {
	f, err := os.OpenFile(filepath.Join(b.dir, "pods.log"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(criLine(time.Now(), line))
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// criLine is a line as container runtimes write their log files.
func criLine(at time.Time, line string) string {
	return at.UTC().Format(time.RFC3339Nano) + " stdout F " + line + "\n"
}
