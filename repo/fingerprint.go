package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// rememberInputs lists every file whose change, coming or going would change
// what Load says.
func (l *loader) rememberInputs(tasks *taskfiles, keys *keyring, kubeconfigs []string) {
	inputs := append([]string{l.doc.file, l.out.Talosconfig.Path}, kubeconfigs...)
	for _, name := range append(slices.Clone(talenvFiles), secretFiles...) {
		inputs = append(inputs, filepath.Join(l.dir, name))
	}
	for path := range l.files {
		inputs = append(inputs, path)
	}
	for _, node := range l.out.Nodes {
		if node.ConfigFile.Path != "" {
			inputs = append(inputs, node.ConfigFile.Path)
		}
	}
	inputs = append(append(inputs, tasks.looked...), keys.looked...)
	slices.Sort(inputs)
	l.out.inputs = slices.Compact(inputs)
}

// Fingerprint is a digest of the paths, sizes and modification times of
// everything that Load looked at, as they are now; a different one means that
// it is time to Load again. It reads no contents.
func (c *Checkout) Fingerprint() string {
	fingerprint, _ := c.fingerprint()
	return fingerprint
}

// Changed tells whether an input has changed since Load read it.
func (c *Checkout) Changed() bool { return c.Fingerprint() != c.loaded }

// fingerprint also gives the latest modification time.
func (c *Checkout) fingerprint() (digest string, latest time.Time) {
	sum := sha256.New()
	for _, path := range c.inputs {
		info, err := os.Stat(path)
		if err != nil {
			_, _ = fmt.Fprintf(sum, "%q absent\n", path)
			continue
		}
		if info.ModTime().After(latest) {
			latest = info.ModTime()
		}
		_, _ = fmt.Fprintf(sum, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	}
	return hex.EncodeToString(sum.Sum(nil)), latest
}

// seal notes the inputs' state. A file that was written while Load read may
// have been read before: then Changed stays true.
func (c *Checkout) seal(started time.Time) {
	fingerprint, latest := c.fingerprint()
	if latest.Before(started) {
		c.loaded = fingerprint
	}
}
