package session

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/repo"
)

// Places says where to look; empty fields are found by the conventions.
type Places struct {
	Talosconfig string // flag
	Kubeconfig  string // flag
	Repo        string // flag: a folder of the checkout, or its talconfig.yaml
	Dir         string // working directory
	Home        string
	Env         func(string) string
}

// Found is what discovery came up with.
type Found struct {
	Talosconfig string   // path; it may be missing
	Kubeconfigs []string // in kubectl's order of precedence; empty: none was found
	// KubeconfigAsked is true if a flag or $KUBECONFIG named it: then no other is tried.
	KubeconfigAsked bool
	Talconfig       string   // path; empty: no checkout
	Others          []string // further talconfig.yaml that were found
	Checkout        *repo.Checkout
	CheckoutErr     *cluster.Trouble
}

// Discover finds talosconfig, kubeconfig and checkout in the documented order:
// talosconfig by flag, $TALOSCONFIG, the checkout's clusterconfig/talosconfig,
// ~/.talos/config; kubeconfig by flag, $KUBECONFIG, the checkout's kubeconfig,
// ~/.kube/config; the checkout by flag or from the working directory upwards.
func Discover(p Places) Found {
	var f Found
	f.findCheckout(p)
	f.Talosconfig = firstNonEmpty(p.Talosconfig, p.Env("TALOSCONFIG"))
	if f.Talosconfig == "" && f.Checkout != nil && f.Checkout.Talosconfig.Exists {
		f.Talosconfig = f.Checkout.Talosconfig.Path
	}
	if f.Talosconfig == "" {
		f.Talosconfig = filepath.Join(p.Home, ".talos", "config")
	}
	f.findKubeconfig(p)
	return f
}

func (f *Found) findCheckout(p Places) {
	candidates := []string{p.Repo}
	if p.Repo == "" || isDir(p.Repo) {
		found, err := repo.Find(cmp.Or(p.Repo, p.Dir))
		if err != nil || len(found) == 0 {
			if p.Repo != "" {
				f.CheckoutErr = &cluster.Trouble{
					Kind: cluster.TroubleMissingFile, What: "no talconfig.yaml was found in " + feed.Clean(p.Repo),
					Do: "name the folder or the file with --repo",
				}
			}
			return
		}
		candidates = found
	}
	f.Talconfig, f.Others = candidates[0], candidates[1:]
	f.Checkout, f.CheckoutErr = loadCheckout(f.Talconfig, p.Env)
}

func loadCheckout(path string, env func(string) string) (*repo.Checkout, *cluster.Trouble) {
	c, err := repo.Load(path, repo.Options{Env: func(name string) (string, bool) {
		v := env(name)
		return v, v != ""
	}})
	if err == nil {
		return c, nil
	}
	t := &cluster.Trouble{Kind: cluster.TroubleBadFile, What: feed.Clean(err.Error()), Do: "correct the file; it is read again by itself"}
	if errors.Is(err, os.ErrNotExist) {
		t.Kind, t.Do = cluster.TroubleMissingFile, "name the folder or the file with --repo"
	}
	return nil, t
}

func (f *Found) findKubeconfig(p Places) {
	if p.Kubeconfig != "" {
		f.Kubeconfigs, f.KubeconfigAsked = []string{p.Kubeconfig}, true
		return
	}
	if list := p.Env("KUBECONFIG"); list != "" {
		for _, path := range filepath.SplitList(list) {
			if path = strings.TrimSpace(path); path != "" {
				f.Kubeconfigs = append(f.Kubeconfigs, path)
			}
		}
		f.KubeconfigAsked = len(f.Kubeconfigs) > 0
	}
	if f.KubeconfigAsked {
		return
	}
	if f.Checkout != nil {
		for _, k := range f.Checkout.Kubeconfigs {
			if k.Exists {
				f.Kubeconfigs = []string{k.Path}
				return
			}
		}
	}
	if path := filepath.Join(p.Home, ".kube", "config"); exists(path) {
		f.Kubeconfigs = []string{path}
	}
}

func firstNonEmpty(values ...string) string { return cmp.Or(values...) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
