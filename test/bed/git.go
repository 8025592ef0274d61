package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The fleet's first content, and what PushBroken and PushFix change. The wide
// character proves that text other than ASCII survives the way to the cluster.
const (
	infraKustomization = "resources: [quota.yaml, settings.yaml]\n"

	infraQuota = `apiVersion: v1
kind: ResourceQuota
metadata: {name: gitops, namespace: gitops}
spec: {hard: {pods: "50"}}
`
	infraSettings = `apiVersion: v1
kind: ConfigMap
metadata: {name: infra-settings, namespace: gitops}
data: {cluster: turingpi, note: "漢字"}
`
	webFile = "apps/web/kustomization.yaml"

	webGood = "resources: [deployment.yaml, service.yaml]\n"

	// webBroken names a file that is not there.
	webBroken = "resources: [deployment.yaml, service.yaml, missing.yaml]\n"

	webDeployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: gitops, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: docker.io/library/nginx:1.29
        ports: [{name: http, containerPort: 80}]
        resources: {requests: {cpu: 50m, memory: 32Mi}}
`
	webService = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: gitops}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
`
)

var fleet = map[string]string{
	"README.md":                "The configuration of the bed's cluster.\n",
	"infra/kustomization.yaml": infraKustomization,
	"infra/quota.yaml":         infraQuota,
	"infra/settings.yaml":      infraSettings,
	webFile:                    webGood,
	"apps/web/deployment.yaml": webDeployment,
	"apps/web/service.yaml":    webService,
}

// Checkout is the folder of a working copy of the fleet repository, from which
// Push pushes. It is there if the bed has Flux.
func (b *Bed) Checkout() string { return filepath.Join(b.dir, "fleet") }

// GitURL is where the bed serves the fleet repository.
func (b *Bed) GitURL() string { return "http://" + b.addr("git") + "/fleet.git" }

func (b *Bed) bareRepository() string { return filepath.Join(b.dir, "git", "fleet.git") }

// createFleet makes the bare repository and its checkout, unless they are there.
func (b *Bed) createFleet(ctx context.Context) error {
	if _, err := os.Stat(b.Checkout()); err == nil {
		return nil
	}
	if _, err := git(ctx, b.dir, "init", "--quiet", "--bare", "--initial-branch=main", b.bareRepository()); err != nil {
		return err
	}
	if _, err := git(ctx, b.dir, "clone", "--quiet", b.bareRepository(), b.Checkout()); err != nil {
		return err
	}
	_, err := b.commit(ctx, "the cluster as it should be", fleet)
	return err
}

// commit writes files (path in the repository to content), commits and pushes
// them, and returns the revision as Flux writes it. Content that is there already
// makes an empty commit, so that every push is a new revision.
func (b *Bed) commit(ctx context.Context, message string, files map[string]string) (string, error) {
	for name, content := range files {
		path := filepath.Join(b.Checkout(), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := writeFile(path, []byte(content)); err != nil {
			return "", err
		}
	}
	for _, args := range [][]string{
		{"add", "--all"},
		{"commit", "--quiet", "--allow-empty", "--message=" + message},
		{"push", "--quiet", "origin", "HEAD:main"},
	} {
		if _, err := git(ctx, b.Checkout(), args...); err != nil {
			return "", err
		}
	}
	sha, err := git(ctx, b.Checkout(), "rev-parse", "HEAD")
	return "main@sha1:" + strings.TrimSpace(sha), err
}

// git runs git in a folder, deaf to the configuration of user and system.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(cleanGitEnv(os.Environ()),
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=bed", "GIT_AUTHOR_EMAIL=bed@example.com",
		"GIT_COMMITTER_NAME=bed", "GIT_COMMITTER_EMAIL=bed@example.com",
	)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("git is needed: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// cleanGitEnv drops what would point git at another repository, as in a hook.
func cleanGitEnv(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "GIT_") {
			out = append(out, e)
		}
	}
	return out
}
