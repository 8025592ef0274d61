package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// certificate is a self-signed client certificate that ends at the given time, with its key.
func certificate(t *testing.T, end time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"},
		NotBefore: end.Add(-48 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

// kubeconfig is one with a context for each name; the first one is current.
func kubeconfig(t *testing.T, end time.Time, names ...string) string {
	t.Helper()
	cert, key := certificate(t, end)
	b := strings.Builder{}
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Config\ncurrent-context: %s\nclusters:\n- name: turingpi\n  cluster:\n    server: https://192.168.13.10:6443\n    certificate-authority-data: %s\n",
		names[0], base64.StdEncoding.EncodeToString(cert))
	fmt.Fprintf(&b, "users:\n- name: admin\n  user:\n    client-certificate-data: %s\n    client-key-data: %s\ncontexts:\n",
		base64.StdEncoding.EncodeToString(cert), base64.StdEncoding.EncodeToString(key))
	for _, name := range names {
		fmt.Fprintf(&b, "- name: %s\n  context: {cluster: turingpi, user: admin, namespace: apps}\n", name)
	}
	return b.String()
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadConfig(t *testing.T) {
	end := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	path := write(t, "config", kubeconfig(t, end, "admin@turingpi", "other"))
	cfg, err := LoadConfig([]string{filepath.Join(t.TempDir(), "none"), path}, "")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Context != "admin@turingpi" || strings.Join(cfg.Contexts, " ") != "admin@turingpi other" {
		t.Errorf("contexts %q of %q", cfg.Context, cfg.Contexts)
	}
	if cfg.Server != "https://192.168.13.10:6443" || cfg.Host != "192.168.13.10" {
		t.Errorf("server %q host %q", cfg.Server, cfg.Host)
	}
	if !cfg.Expiry.Equal(end) || cfg.Cluster != "turingpi" || cfg.User != "admin" || cfg.Namespace != "apps" || len(cfg.Paths) != 1 {
		t.Errorf("%+v", cfg)
	}
	if firstCertificate(cfg.CA) == nil {
		t.Errorf("CA is not PEM: %q", cfg.CA)
	}
	if other, err := LoadConfig([]string{path}, "other"); err != nil || other.Context != "other" {
		t.Errorf("named context: %v", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := FromBytes(data, "kubeconfig of 192.168.13.11", ""); err != nil || same.Server != cfg.Server {
		t.Errorf("from bytes: %v", err)
	}
}

func TestMergedFiles(t *testing.T) {
	end := time.Now().Add(time.Hour)
	first := write(t, "first", kubeconfig(t, end, "one"))
	second := write(t, "second", kubeconfig(t, end, "two"))
	cfg, err := LoadConfig([]string{first, second}, "")
	if err != nil || cfg.Context != "one" || len(cfg.Contexts) != 2 {
		t.Errorf("got %+v %v, want the first file's current context of two", cfg, err)
	}
}

func TestConfigTroubles(t *testing.T) {
	future := time.Now().Add(time.Hour)
	good := kubeconfig(t, future, "admin@turingpi", "admin@lab")
	one := strings.Replace(kubeconfig(t, future, "only"), "current-context: only", "current-context: \"\"", 1)
	if cfg, err := FromBytes([]byte(one), "f", ""); err != nil || cfg.Context != "only" {
		t.Errorf("the only context is not taken: %v", err)
	}
	for name, tt := range map[string]struct {
		content, context string
		kind             cluster.TroubleKind
		says             string
	}{
		"unknown context":    {good, "admin@turingpy", cluster.TroubleBadFile, `has no context "admin@turingpy": did you mean "admin@turingpi"?`},
		"part of a context":  {good, "turingpi", cluster.TroubleBadFile, `did you mean "admin@turingpi"?`},
		"far away":           {good, "zzz", cluster.TroubleBadFile, "there are admin@lab, admin@turingpi"},
		"no current context": {strings.Replace(good, "current-context: admin@turingpi", "", 1), "", cluster.TroubleBadFile, "has no current context"},
		"empty":              {"", "", cluster.TroubleBadFile, "has no context"},
		"broken yaml":        {"apiVersion: v1\nclusters:\n- name: [a\nusers: {}\n", "", cluster.TroubleBadFile, "/config:"},
		"tab":                {"apiVersion: v1\nclusters:\n\t- name: a\n", "", cluster.TroubleBadFile, "/config:3: found character that cannot start any token"},
		"a list of words":    {"apiVersion: v1\nclusters:\n- turingpi\n", "", cluster.TroubleBadFile, "/config:3: cannot unmarshal"},
		"not a kubeconfig":   {"hello\n", "", cluster.TroubleBadFile, "/config:1: cannot unmarshal"},
		"cluster is missing": {strings.Replace(good, "cluster: turingpi, user", "cluster: nope, user", 2), "", cluster.TroubleBadFile, `needs the cluster "nope"`},
		"user is missing":    {strings.Replace(good, "user: admin,", "user: nope,", 2), "", cluster.TroubleBadFile, `needs the user "nope"`},
		"no server":          {strings.Replace(good, "server: https", "proxy: https", 1), "", cluster.TroubleBadFile, `needs the server of cluster "turingpi"`},
		"bad certificate":    {replaceLine(good, "client-certificate-data", "aGVsbG8="), "", cluster.TroubleBadFile, "is not a PEM certificate"},
		"bad base64":         {replaceLine(good, "client-certificate-data", "%%%"), "", cluster.TroubleBadFile, "illegal base64"},
		"check skipped":      {unchecked(good, "server: https://192.168.13.10:6443\n    insecure-skip-tls-verify: true"), "", cluster.TroubleBadFile, "asks to skip the check of the API server's certificate"},
		"check against name": {unchecked(good, "server: https://192.168.13.10:6443\n    insecure-skip-tls-verify: true\n    tls-server-name: x"), "", cluster.TroubleBadFile, "asks to skip the check"},
		"plain HTTP":         {strings.Replace(good, "server: https", "server: http", 1), "", cluster.TroubleBadFile, "is asked without TLS"},
		"no scheme":          {unchecked(good, "server: 192.168.13.10:8080"), "", cluster.TroubleBadFile, "is asked without TLS"},
		"control sequences":  {good, "a\x1b[31mb", cluster.TroubleBadFile, `has no context`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadConfig([]string{write(t, "config", tt.content)}, tt.context)
			checkTrouble(t, err, tt.kind, tt.says)
			if strings.ContainsRune(fmt.Sprint(err), '\x1b') {
				t.Errorf("control sequences in %q", err)
			}
		})
	}
}

// unchecked is the kubeconfig with other lines in place of the server and its CA.
func unchecked(s, lines string) string {
	before, rest, _ := strings.Cut(s, "server: ")
	_, after, _ := strings.Cut(rest, "certificate-authority-data: ")
	_, after, _ = strings.Cut(after, "\n")
	return before + lines + "\n" + after
}

// The certificates that the server is checked against are those that the proof
// of the same cluster goes by, even if the file changes meanwhile.
func TestAuthorityIsReadOnce(t *testing.T) {
	good := kubeconfig(t, time.Now().Add(time.Hour), "a")
	ca, _ := certificate(t, time.Now().Add(time.Hour))
	file := write(t, "ca.pem", string(ca))
	cfg, err := LoadConfig([]string{write(t, "config", unchecked(good, "server: https://192.168.13.10:6443\n    certificate-authority: "+file))}, "")
	if err != nil {
		t.Fatal(err)
	}
	if string(cfg.CA) != string(ca) || string(cfg.rest.CAData) != string(ca) || cfg.rest.CAFile != "" {
		t.Errorf("the CA is %q, the server is checked against %q and the file %q", cfg.CA, cfg.rest.CAData, cfg.rest.CAFile)
	}
}

func replaceLine(s, key, value string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if before, _, ok := strings.Cut(line, key+":"); ok {
			lines[i] = before + key + ": \"" + value + "\""
		}
	}
	return strings.Join(lines, "\n")
}

func checkTrouble(t *testing.T, err error, kind cluster.TroubleKind, says string) {
	t.Helper()
	var trouble *cluster.Trouble
	if !errors.As(err, &trouble) {
		t.Fatalf("%v is no trouble", err)
	}
	if trouble.Kind != kind || !strings.Contains(trouble.Error(), says) {
		t.Errorf("got %q %q, want %q %q", trouble.Kind, trouble.Error(), kind, says)
	}
}

func TestMissingFiles(t *testing.T) {
	_, err := LoadConfig([]string{"/nowhere/config"}, "")
	checkTrouble(t, err, cluster.TroubleMissingFile, "/nowhere/config does not exist")
	_, err = LoadConfig(nil, "")
	checkTrouble(t, err, cluster.TroubleMissingFile, "no kubeconfig was named")
	end := time.Now().Add(time.Hour)
	content := replaceLine(kubeconfig(t, end, "a"), "client-certificate-data", "")
	content = strings.Replace(content, `client-certificate-data: ""`, "client-certificate: /nowhere/cert.pem", 1)
	_, err = LoadConfig([]string{write(t, "config", content)}, "")
	checkTrouble(t, err, cluster.TroubleMissingFile, "cert.pem")
}

func TestExpiredCertificate(t *testing.T) {
	end := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	path := write(t, "config", kubeconfig(t, end, "a"))
	cfg, err := LoadConfig([]string{path}, "")
	checkTrouble(t, err, cluster.TroubleExpired, "expired on 2026-01-02 03:04 UTC")
	var trouble *cluster.Trouble
	if !errors.As(err, &trouble) || !trouble.Until.Equal(end) {
		t.Errorf("until %v, want %v", trouble.Until, end)
	}
	if cfg == nil || cfg.Server == "" || !cfg.Expiry.Equal(end) {
		t.Errorf("the config is not there to be shown: %+v", cfg)
	}
}
