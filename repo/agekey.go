package repo

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"filippo.io/age"
)

// keyring holds the age identities that were found.
type keyring struct {
	identities []age.Identity
	// file is the first key file that exists.
	file string
	// looked are the files that were looked for.
	looked []string
}

// findKeys collects age identities from the environment and from key files, as
// sops does, and from the checkout.
func findKeys(opts Options, env func(string) (string, bool), more []string, found *problems) *keyring {
	keys := &keyring{}
	if text, ok := env("SOPS_AGE_KEY"); ok {
		if !keys.parse(strings.Fields(text)) {
			found.add(Warning, "$SOPS_AGE_KEY", 0, "holds a key that is not an age identity")
		}
	}
	for _, path := range keyFiles(opts, env, more) {
		keys.addFile(path, found)
	}
	return keys
}

// keyFiles are the places of key files, the explicit ones first.
func keyFiles(opts Options, env func(string) (string, bool), more []string) []string {
	files := []string{opts.AgeKeyFile}
	if path, ok := env("SOPS_AGE_KEY_FILE"); ok {
		files = append(files, path)
	}
	files = append(files, more...)
	if dir, ok := env("XDG_CONFIG_HOME"); ok && dir != "" {
		return append(files, filepath.Join(dir, "sops", "age", "keys.txt"))
	}
	if home, ok := env("HOME"); ok && home != "" {
		dir := ".config"
		if runtime.GOOS == "darwin" {
			dir = filepath.Join("Library", "Application Support")
		}
		files = append(files, filepath.Join(home, dir, "sops", "age", "keys.txt"))
	}
	return files
}

func (k *keyring) addFile(path string, found *problems) {
	if path == "" {
		return
	}
	path = absolute(path)
	k.looked = append(k.looked, path)
	data, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		found.addError(Error, path, err)
		return
	}
	if k.file == "" {
		k.file = path
	}
	if !k.parse(strings.Split(string(data), "\n")) {
		found.add(Warning, path, 0, "holds a line that is not an age identity")
	}
}

// parse adds the identities of some lines; false when one is not understood.
func (k *keyring) parse(lines []string) bool {
	good := true
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		identities, err := age.ParseIdentities(strings.NewReader(line))
		if err != nil {
			good = false
			continue
		}
		k.identities = append(k.identities, identities...)
	}
	return good
}

// absolute is the absolute form of a path, or the path itself when the working
// directory is gone.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return filepath.Clean(path)
}
