package bed

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// api is a plain client of the API server, as administrator.
type api struct {
	base string
	http *http.Client
}

// StatusError is an answer of the API server that is not a success.
type StatusError struct {
	Code int    // HTTP status
	Body string // what the server said
}

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Code, e.Body) }

func newAPI(p pki, port int) (*api, error) {
	ca, err := os.ReadFile(p.crt("ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", p.crt("ca"))
	}
	cert, err := tls.LoadX509KeyPair(p.crt("admin"), p.key("admin"))
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}},
		DisableKeepAlives: true, // so that no idle connection outlives the bed
	}
	return &api{
		base: fmt.Sprintf("https://127.0.0.1:%d", port),
		http: &http.Client{Transport: transport, Timeout: 30 * time.Second},
	}, nil
}

// do sends a request; url may be a path of the API server. out, if not nil, gets the JSON answer.
func (a *api) do(ctx context.Context, method, url, contentType string, body []byte, out any) error {
	if strings.HasPrefix(url, "/") {
		url = a.base + url
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &StatusError{Code: resp.StatusCode, Body: strings.TrimSpace(string(data))}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// healthy returns a check that a URL answers with success.
func (b *Bed) healthy(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return b.api.do(ctx, http.MethodGet, url, "", nil, nil)
	}
}

// Get reads a path of the API server, such as "/api/v1/nodes", into out.
func (b *Bed) Get(ctx context.Context, path string, out any) error {
	return b.api.do(ctx, http.MethodGet, path, "", nil, out)
}

// create posts an object; one that exists already is no error.
func (b *Bed) create(ctx context.Context, path string, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	err = b.api.do(ctx, http.MethodPost, path, "application/json", data, nil)
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Code == http.StatusConflict {
		return nil
	}
	return err
}

// Kubectl runs the real kubectl as administrator and returns what it prints. Its
// error carries what kubectl said on standard error.
func (b *Bed) Kubectl(ctx context.Context, args ...string) (string, error) {
	return b.run(ctx, "kubectl", "", args...)
}

// Flux runs the real flux command as administrator; otherwise it is as Kubectl.
func (b *Bed) Flux(ctx context.Context, args ...string) (string, error) {
	return b.run(ctx, "flux", "", args...)
}

// Apply gives manifests (YAML, several documents) to kubectl apply --server-side.
func (b *Bed) Apply(ctx context.Context, manifests string) error {
	_, err := b.run(ctx, "kubectl", manifests, "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}

func (b *Bed) run(ctx context.Context, program, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, program), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+b.Kubeconfig(), "KUBECACHEDIR="+filepath.Join(b.dir, "tmp"))
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Evict asks for the eviction of a pod, as a drain does. A refusal by a
// PodDisruptionBudget is a StatusError with code 429.
func (b *Bed) Evict(ctx context.Context, namespace, pod string) error {
	data, err := json.Marshal(object{
		"apiVersion": "policy/v1", "kind": "Eviction", "metadata": object{"namespace": namespace, "name": pod},
	})
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", namespace, pod)
	return b.api.do(ctx, http.MethodPost, path, "application/json", data, nil)
}

// Wait polls until the condition returns nil, or the context ends; the error then
// holds the condition's last one.
func (b *Bed) Wait(ctx context.Context, condition func(context.Context) error) error {
	return poll(ctx, condition)
}
