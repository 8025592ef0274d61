package kube

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// configFor is a kubeconfig with the given server, CA in PEM and user entry.
func configFor(t *testing.T, server string, ca []byte, user map[string]any) *Config {
	t.Helper()
	file, err := json.Marshal(map[string]any{
		"current-context": "x",
		"clusters":        []any{map[string]any{"name": "c", "cluster": map[string]any{"server": server, "certificate-authority-data": ca}}},
		"users":           []any{map[string]any{"name": "u", "user": user}},
		"contexts":        []any{map[string]any{"name": "x", "context": map[string]any{"cluster": "c", "user": "u"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := FromBytes(file, "test", "")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func askVersion(t *testing.T, cfg *Config) error {
	t.Helper()
	c, err := Open(cfg, Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Version(t.Context())
	return err
}

// closedPort is an address of this host where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

func TestRealConnectionErrors(t *testing.T) {
	f := newFakeAPI(t)
	ours := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	other, _ := certificate(t, time.Now().Add(time.Hour))
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	_, port, _ := net.SplitHostPort(f.Listener.Addr().String())
	token := map[string]any{"token": "x"}
	for name, tt := range map[string]struct {
		server string
		ca     []byte
		kind   cluster.TroubleKind
	}{
		"another CA":   {f.URL, other, cluster.TroubleUnknownCA},
		"another name": {"https://localhost:" + port, ours, cluster.TroubleWrongName},
		"closed":       {"https://" + closedPort(t), ours, cluster.TroubleRefused},
		"plain HTTP":   {strings.Replace(plain.URL, "http:", "https:", 1), ours, cluster.TroubleOther},
	} {
		t.Run(name, func(t *testing.T) {
			err := askVersion(t, configFor(t, tt.server, tt.ca, token))
			checkTrouble(t, err, tt.kind, "reach the Kubernetes API: ")
		})
	}
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	})
	checkTrouble(t, askVersion(t, configFor(t, f.URL, ours, token)), cluster.TroubleUnauthorized, "does not know these credentials")
}

// plugin is a credential plugin that runs the script.
func plugin(t *testing.T, script string) map[string]any {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"exec": map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "command": path, "args": []any{"two words"}, "interactiveMode": "IfAvailable",
	}}
}

func TestCredentialPlugin(t *testing.T) {
	f := newFakeAPI(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer two words" {
			fail(w, http.StatusUnauthorized, "Unauthorized", got)
			return
		}
		_, _ = fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
	})
	good := plugin(t, `echo noise >&2
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"%s"}}' "$1"`)
	cfg := configFor(t, f.URL, ca, good)
	if cfg.Plugin == "" {
		t.Error("the plugin is not named")
	}
	if err := askVersion(t, cfg); err != nil {
		t.Error(err)
	}
	bad := plugin(t, "echo 'the session ended, log in again' >&2\nexit 3")
	err := askVersion(t, configFor(t, f.URL, ca, bad))
	checkTrouble(t, err, cluster.TroubleUnauthorized, "gave no credentials")
	if trouble := Explain(err, ""); !strings.Contains(trouble.Raw, "the session ended, log in again") {
		t.Errorf("the reason is lost: %q", trouble.Raw)
	}
	missing := plugin(t, "")
	missing["exec"].(map[string]any)["command"] = "/nowhere/login"
	checkTrouble(t, askVersion(t, configFor(t, f.URL, ca, missing)), cluster.TroubleUnauthorized, `the credential plugin "/nowhere/login" gave no credentials`)
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "talos-cockpit-plugin-*")); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
}

// A trouble that was told already is shared by then: nothing is added to it.
func TestExplainLeavesATroubleAsItIs(t *testing.T) {
	c := &Client{cfg: &Config{Plugin: "aws", Expiry: time.Now().Add(-time.Hour)}}
	told := cluster.Trouble{Kind: cluster.TroubleUnauthorized, What: "told", Raw: "getting credentials: x"}
	shared := told
	if got := c.Explain(&shared, "list nodes"); got != &shared || shared != told {
		t.Errorf("%+v, want it as it was: %+v", shared, told)
	}
}
