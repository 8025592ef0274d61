// Gitserve serves the Git repositories under a folder over HTTP, with git's own
// http-backend, and a folder of Helm charts under /charts/. Anyone who reaches its
// address may read: it belongs on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:20080", "listen address")
	root := flag.String("root", "git", "folder of bare repositories")
	charts := flag.String("charts", "charts", "folder of Helm charts with an index.yaml")
	flag.Parse()
	if err := serve(*addr, *root, *charts); err != nil {
		fmt.Fprintln(os.Stderr, "gitserve:", err)
		os.Exit(1)
	}
}

func serve(addr, root, charts string) error {
	backend, err := httpBackend()
	if err != nil {
		return err
	}
	root, err = filepath.Abs(root) // the backend runs in a folder of its own
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/charts/", http.StripPrefix("/charts/", http.FileServer(http.Dir(charts))))
	mux.Handle("/", &cgi.Handler{
		Path:       backend,
		Env:        []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
		InheritEnv: []string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"},
	})
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// httpBackend finds the program in the folder where git keeps its own.
func httpBackend() (string, error) {
	out, err := exec.CommandContext(context.Background(), "git", "--exec-path").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("git is needed: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("git --exec-path: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("git lacks its HTTP server: %w", err)
	}
	return path, nil
}
