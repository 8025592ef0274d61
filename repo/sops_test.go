package repo

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// secretEntry is a value to encrypt: kind is the sops type, clear leaves it as
// it is.
type secretEntry struct {
	path, kind, value string
	clear             bool
}

const sealedAt = "2026-01-02T03:04:05Z"

// sealValue encrypts a value as sops does.
func sealValue(t *testing.T, key []byte, value, kind, bound string) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, 32)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		t.Fatal(err)
	}
	out := gcm.Seal(nil, nonce, []byte(value), []byte(bound))
	text := base64.StdEncoding.EncodeToString
	at := len(out) - 16
	return fmt.Sprintf("ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:%s]", text(out[:at]), text(nonce), text(out[at:]), kind)
}

// sealFile writes a sops file for a recipient; extra goes into its sops section.
func sealFile(t *testing.T, recipient age.Recipient, entries []secretEntry, extra string) string {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	sum := sha512.New()
	macOnly := strings.Contains(extra, "mac_only_encrypted: true")
	if macOnly {
		_, _ = sum.Write(macOnlyEncryptedStart)
	}
	var out strings.Builder
	for _, one := range entries {
		if !one.clear || !macOnly {
			_, _ = sum.Write([]byte(one.value))
		}
		value := one.value
		if !one.clear {
			value = sealValue(t, key, value, one.kind, strings.ReplaceAll(one.path, "/", ":")+":")
		}
		depth := strings.Count(one.path, "/")
		name := one.path[strings.LastIndex(one.path, "/")+1:]
		fmt.Fprintf(&out, "%s%s: %s\n", strings.Repeat("  ", depth), name, value)
	}
	mac := sealValue(t, key, fmt.Sprintf("%X", sum.Sum(nil)), "str", sealedAt)
	fmt.Fprintf(&out, "sops:\n  age:\n    - recipient: age1\n      enc: |\n%s", sealKey(t, recipient, key))
	fmt.Fprintf(&out, "  lastmodified: %q\n  mac: %s\n%s", sealedAt, mac, extra)
	return out.String()
}

func sealKey(t *testing.T, recipient age.Recipient, key []byte) string {
	t.Helper()
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	writer, err := age.Encrypt(armored, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(key); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := armored.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(sealed.String()) {
		out.WriteString("        " + line)
	}
	return out.String()
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

const sopsTalconfig = `clusterName: ${name}
talosVersion: v1.13.9
kubernetesVersion: v1.36.2
endpoint: https://${vip}:${port}
nodes:
  - hostname: cp-1
    ipAddress: ${address}
    controlPlane: ${control}
    installDisk: ${disk}
`

var sopsEntries = []secretEntry{
	{path: "name", kind: "str", value: "kept"},
	{path: "vip", kind: "str", value: "192.0.2.10"},
	{path: "port", kind: "int", value: "6443"},
	{path: "control", kind: "bool", value: "True"},
	{path: "disk_unencrypted", kind: "str", value: "/dev/sda", clear: true},
	{path: "nested", clear: true},
	{path: "nested/address", kind: "str", value: "192.0.2.11"},
	{path: "disk", kind: "str", value: "/dev/sdb"},
}

// loadSealed loads a checkout whose talenv.sops.yaml is the given text.
func loadSealed(t *testing.T, text string, env map[string]string, more map[string]string) *Checkout {
	t.Helper()
	files := map[string]string{"talos/talconfig.yaml": sopsTalconfig, "talos/talenv.sops.yaml": text}
	for name, data := range more {
		files[name] = data
	}
	root := writeFiles(t, files)
	lookup := func(name string) (string, bool) {
		value, ok := env[name]
		return strings.ReplaceAll(value, "ROOT", root), ok
	}
	checkout, err := Load(filepath.Join(root, "talos"), Options{Env: lookup})
	if err != nil {
		t.Fatal(err)
	}
	return checkout
}

func wantOpened(t *testing.T, checkout *Checkout) {
	t.Helper()
	if checkout.ClusterName != "kept" || checkout.Endpoint.Host != "192.0.2.10" || checkout.Endpoint.Port != 6443 {
		t.Errorf("got %q and %+v", checkout.ClusterName, checkout.Endpoint)
	}
	node := checkout.Nodes[0]
	if !node.ControlPlane || node.InstallDisk != "/dev/sdb" || len(node.Addresses) != 1 || node.Addresses[0] != "192.0.2.11" {
		t.Errorf("got node %+v", node)
	}
	if len(checkout.Unresolved) != 0 || len(node.Unresolved) != 0 {
		t.Errorf("unresolved: %v, %v", checkout.Unresolved, node.Unresolved)
	}
}

func TestSopsKeySources(t *testing.T) {
	identity, other := newIdentity(t), newIdentity(t)
	sealed := sealFile(t, identity.Recipient(), sopsEntries, "  version: 3.9.0\n")
	keyFile := "# created: now\n# public key: x\n" + identity.String() + "\n"
	tests := map[string]struct{ env, files map[string]string }{
		"SOPS_AGE_KEY":      {env: map[string]string{"SOPS_AGE_KEY": other.String() + " " + identity.String()}},
		"SOPS_AGE_KEY_FILE": {env: map[string]string{"SOPS_AGE_KEY_FILE": "ROOT/k"}, files: map[string]string{"k": keyFile}},
		"age.key":           {files: map[string]string{"age.key": keyFile}},
		"XDG_CONFIG_HOME": {
			env:   map[string]string{"XDG_CONFIG_HOME": "ROOT/config"},
			files: map[string]string{"config/sops/age/keys.txt": keyFile},
		},
		"Taskfile": {files: map[string]string{
			"Taskfile.yaml": "vars: {KEYS: '{{.ROOT_DIR}}/keys'}\nenv: {SOPS_AGE_KEY_FILE: '{{ .KEYS }}/a.txt'}\n",
			"keys/a.txt":    keyFile,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { wantOpened(t, loadSealed(t, sealed, test.env, test.files)) })
	}
}

func TestSopsRules(t *testing.T) {
	identity := newIdentity(t)
	env := map[string]string{"SOPS_AGE_KEY": identity.String()}
	for name, extra := range map[string]string{
		"unencrypted suffix": "  unencrypted_suffix: _unencrypted\n",
		"encrypted regex":    "  encrypted_regex: ^(name|vip|port|control|address|disk)$\n",
		"unencrypted regex":  "  unencrypted_regex: _unencrypted$\n",
		"mac only encrypted": "  mac_only_encrypted: true\n",
		"comments":           "  unencrypted_comment_regex: clear\n",
	} {
		t.Run(name, func(t *testing.T) {
			wantOpened(t, loadSealed(t, sealFile(t, identity.Recipient(), sopsEntries, extra), env, nil))
		})
	}
}

// TestSopsRefused: what cannot be decrypted is named, its variables too, and
// the rest is read.
func TestSopsRefused(t *testing.T) {
	identity, other := newIdentity(t), newIdentity(t)
	sealed := sealFile(t, identity.Recipient(), sopsEntries, "")
	right := map[string]string{"SOPS_AGE_KEY": identity.String()}
	tests := []struct {
		name, text, reason string
		env                map[string]string
	}{
		{"no key", sealed, "no age key was found", nil},
		{"wrong key", sealed, "none of the age keys", map[string]string{"SOPS_AGE_KEY": other.String()}},
		{"clear value changed", strings.Replace(sealed, "/dev/sda", "/dev/sdx", 1), "MAC does not match", right},
		{"entry added", "more_unencrypted: x\n" + sealed, "MAC does not match", right},
		{"values exchanged", strings.Replace(sealed, "disk: ", "disc: ", 1), "damaged", right},
		{"value in clear", "more: x\n" + sealed, "should be encrypted", right},
		{"no date", strings.Replace(sealed, sealedAt, "", 1), "sops section is damaged", right},
		{"not for age", "name: ENC[AES256_GCM,data:a,iv:a,tag:a,type:str]\nsops:\n  pgp: [{fp: x}]\n", "not encrypted for an age key", right},
		{"shamir", strings.Replace(sealed, "sops:\n", "sops:\n  key_groups: [{age: []}, {age: []}]\n", 1), "several key groups", right},
		{"two documents", sealed + "---\na: b\n", "several YAML documents", right},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkout := loadSealed(t, test.text, test.env, nil)
			if checkout.ClusterName != "" || checkout.TalosVersion != "v1.13.9" || len(checkout.Nodes) != 1 {
				t.Errorf("got %+v", checkout)
			}
			var file, variable bool
			for _, one := range checkout.Problems {
				file = file || strings.HasSuffix(one.File, "talenv.sops.yaml") && strings.Contains(one.Reason, test.reason)
				variable = variable || one.Line == 1 && strings.Contains(one.Reason, "${name} is in talenv.sops.yaml")
				if strings.Contains(one.Reason, "kept") || strings.Contains(one.Reason, "ENC[") {
					t.Errorf("a problem shows a value: %v", one)
				}
			}
			if !file || !variable {
				t.Errorf("file named: %v, variable named: %v, in %v", file, variable, checkout.Problems)
			}
		})
	}
}

// TestSopsHidesEarlierValue: a value that an encrypted file replaces is unknown,
// not the one of the file before it.
func TestSopsHidesEarlierValue(t *testing.T) {
	sealed := sealFile(t, newIdentity(t).Recipient(), sopsEntries, "")
	checkout := loadSealed(t, sealed, map[string]string{"vip": "192.0.2.1"}, map[string]string{"talos/talenv.yaml": "name: old\n"})
	if checkout.ClusterName != "" || checkout.Endpoint.Host != "" {
		t.Errorf("got %q and %+v, want nothing", checkout.ClusterName, checkout.Endpoint)
	}
	after := loadSealed(t, sealed, nil, map[string]string{"talos/talenv.yml": "name: new\n"})
	if after.ClusterName != "new" {
		t.Errorf("got %q, want the value of the file after it", after.ClusterName)
	}
}

func TestKeyFileProblems(t *testing.T) {
	checkout := loadSealed(t, "name: x\n", map[string]string{"SOPS_AGE_KEY": "AGE-SECRET-KEY-1NONSENSE"},
		map[string]string{"age.key": "garbage-secret\n"})
	var places []string
	for _, one := range checkout.Problems {
		if strings.Contains(one.Reason, "age identity") {
			places = append(places, filepath.Base(one.File))
		}
		if strings.Contains(one.Reason, "NONSENSE") || strings.Contains(one.Reason, "garbage") {
			t.Errorf("a problem shows a key: %v", one)
		}
	}
	if strings.Join(places, " ") != "$SOPS_AGE_KEY age.key" {
		t.Errorf("got %v", places)
	}
	if _, err := os.Stat(checkout.AgeKeyFile); err != nil {
		t.Errorf("age key file %q: %v", checkout.AgeKeyFile, err)
	}
}
