package repo

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad: whatever the files hold, Load neither panics nor hangs, and it
// fails with a *FileError that has a reason.
func FuzzLoad(f *testing.F) {
	f.Add(wholeTalconfig, "CLUSTER: k8s\n", rootTaskfile)
	f.Add(sopsTalconfig, "name: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\nsops: {age: [{enc: x}]}\n", talosTaskfile)
	f.Add("a: &a [*a]\n", "a: 'b", "includes: {a: ., b: Taskfile.yaml}\n")
	f.Add("nodes: [{hostname: $X, <<: {a: b}}]\ncontrolPlane: 5\n", "X: '[a, b'", "tasks: {a: [b]}")
	f.Add("nodes: [~, {patches: ['@', '@/', '@a']}]\nimageFactory: {installerURLTmpl: '{{if}}'}\n", "", "vars: 5")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, talconfig, talenv, taskfile string) {
		for name, text := range map[string]string{"talconfig.yaml": talconfig, "talenv.sops.yaml": talenv, "Taskfile.yaml": taskfile} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Load(dir, Options{Env: noEnv, Root: dir})
		var broken *FileError
		switch {
		case err == nil && c.Fingerprint() == "":
			t.Error("no fingerprint")
		case err != nil && (!errors.As(err, &broken) || broken.Reason == "" || broken.Line < 0):
			t.Errorf("got %v", err)
		}
	})
}
