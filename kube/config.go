package kube

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Config is one context of a kubeconfig, ready to be opened.
type Config struct {
	// Paths are the files that were read; for FromBytes, the given origin.
	Paths []string
	// Context is the context in use, Contexts all of them in alphabetical order.
	Context  string
	Contexts []string
	// Cluster, User and Namespace are the context's entries.
	Cluster, User, Namespace string
	// Server is the URL of the API as written, Host its host without the port.
	Server, Host string
	// CA is the certificate authority of the server in PEM, nil if none is written.
	CA []byte
	// Expiry is the end of the client certificate; zero: there is none, such as with a token.
	Expiry time.Time
	// Plugin is the command of a credential plugin, empty if there is none.
	Plugin string

	rest *rest.Config
}

// LoadConfig reads the kubeconfig files, merged in order as kubectl merges
// $KUBECONFIG (the first mention of an entry wins, missing files are passed
// over unless all are missing), and picks the named context; an empty name is
// the current context. Each error is a *cluster.Trouble. An expired client
// certificate is one too, and so is a server whose certificate is not to be
// checked; both come with the Config, so that it can be shown.
func LoadConfig(paths []string, context string) (*Config, error) {
	found, err := readable(paths)
	if err != nil {
		return nil, err
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: found, WarnIfAllMissing: false, Warner: func(error) {}}
	merged, err := rules.Load()
	if err != nil {
		return nil, badFile(found[0], err)
	}
	return pick(merged, found, context)
}

// FromBytes is LoadConfig for a kubeconfig that is not a file, such as one that
// was fetched through the Talos API; origin names it in errors.
func FromBytes(data []byte, origin, context string) (*Config, error) {
	if err := checkShape(origin, data); err != nil {
		return nil, err
	}
	c, err := clientcmd.Load(data)
	if err != nil {
		return nil, badFile(origin, err)
	}
	return pick(c, []string{origin}, context)
}

// readable returns the paths that exist, each checked to be a kubeconfig.
func readable(paths []string) ([]string, error) {
	var found []string
	for _, path := range paths {
		if path == "" {
			continue
		}
		data, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, badFile(path, err)
		}
		if err := checkShape(path, data); err != nil {
			return nil, err
		}
		found = append(found, path)
	}
	if len(found) > 0 {
		return found, nil
	}
	where := "no kubeconfig was named"
	if len(paths) > 0 {
		where = fmt.Sprintf("the kubeconfig %s does not exist", strings.Join(paths, ", "))
	}
	return nil, &cluster.Trouble{
		Kind: cluster.TroubleMissingFile,
		What: feed.Clean(where),
		Do:   "name it with --kubeconfig or $KUBECONFIG",
	}
}

func pick(merged *api.Config, paths []string, context string) (*Config, error) {
	cfg := &Config{Paths: paths}
	for name := range merged.Contexts {
		cfg.Contexts = append(cfg.Contexts, name)
	}
	slices.Sort(cfg.Contexts)
	name, err := contextName(merged, cfg.Contexts, paths, context)
	if err != nil {
		return nil, err
	}
	cfg.Context = name
	entry := merged.Contexts[name]
	cfg.Cluster, cfg.User, cfg.Namespace = entry.Cluster, entry.AuthInfo, entry.Namespace
	if err := complete(merged, entry, name, paths); err != nil {
		return nil, err
	}
	rc, err := clientcmd.NewNonInteractiveClientConfig(*merged, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, badFile(paths[0], err)
	}
	cfg.rest = rc
	cfg.Server = rc.Host
	if u, err := url.Parse(rc.Host); err == nil {
		cfg.Host = u.Hostname()
	}
	if rc.ExecProvider != nil {
		cfg.Plugin = rc.ExecProvider.Command
	}
	if err := cfg.readCertificates(paths[0]); err != nil {
		return cfg, err
	}
	return cfg, cfg.verifiable()
}

// verifiable says why nobody could tell which server answers: the cockpit checks
// certificates always.
func (c *Config) verifiable() error {
	t := &cluster.Trouble{Kind: cluster.TroubleBadFile, Do: "fetch a kubeconfig that names the certificate authority: talosctl kubeconfig"}
	where := fmt.Sprintf("context %q in %s", c.Context, strings.Join(c.Paths, ", "))
	u, _, err := rest.DefaultServerUrlFor(c.rest)
	switch {
	case err != nil:
		return badFile(c.Paths[0], err)
	case c.rest.Insecure:
		t.What = where + " asks to skip the check of the API server's certificate, which the cockpit never does"
	case u.Scheme != "https":
		t.What = where + ": the API server is asked without TLS, so nobody can tell which one answers"
	default:
		return nil
	}
	t.What = feed.Clean(t.What)
	return t
}

// contextName is the context to use: the wanted one, the current one, or the only one.
func contextName(merged *api.Config, all, paths []string, want string) (string, error) {
	name := want
	if name == "" {
		name = merged.CurrentContext
	}
	if name == "" && len(all) == 1 {
		return all[0], nil
	}
	if _, ok := merged.Contexts[name]; ok {
		return name, nil
	}
	files := strings.Join(paths, ", ")
	t := &cluster.Trouble{Kind: cluster.TroubleBadFile}
	switch {
	case len(all) == 0:
		t.What = fmt.Sprintf("%s has no context", files)
		t.Do = "take another kubeconfig"
	case name == "":
		t.What = fmt.Sprintf("%s has no current context", files)
		t.Do = "choose one of " + strings.Join(all, ", ")
	default:
		t.What = fmt.Sprintf("%s has no context %q", files, name)
		t.Do = "there are " + strings.Join(all, ", ")
		if near := cluster.Nearest(name, all); near != "" {
			t.Do = fmt.Sprintf("did you mean %q?", near)
		}
	}
	t.What, t.Do = feed.Clean(t.What), feed.Clean(t.Do)
	return "", t
}

// complete says which entry a context names that the files do not have.
func complete(merged *api.Config, entry *api.Context, name string, paths []string) error {
	missing := ""
	if c, ok := merged.Clusters[entry.Cluster]; !ok {
		missing = fmt.Sprintf("the cluster %q", entry.Cluster)
	} else if c.Server == "" {
		missing = fmt.Sprintf("the server of cluster %q", entry.Cluster)
	} else if _, ok := merged.AuthInfos[entry.AuthInfo]; !ok && entry.AuthInfo != "" {
		missing = fmt.Sprintf("the user %q", entry.AuthInfo)
	}
	if missing == "" {
		return present(merged.Clusters[entry.Cluster], merged.AuthInfos[entry.AuthInfo])
	}
	return &cluster.Trouble{
		Kind: cluster.TroubleBadFile,
		What: feed.Clean(fmt.Sprintf("context %q in %s needs %s, which is not there", name, strings.Join(paths, ", "), missing)),
		Do:   "fetch the kubeconfig again or take another context",
	}
}

// present says which file that the entries name cannot be read; user may be nil.
func present(c *api.Cluster, user *api.AuthInfo) error {
	files := []string{c.CertificateAuthority}
	if user != nil {
		files = append(files, user.ClientCertificate, user.ClientKey, user.TokenFile)
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return badFile(file, err)
		}
	}
	return nil
}

// readCertificates fills CA and Expiry from the data or the files named.
func (c *Config) readCertificates(path string) error {
	ca, err := bytesOr(c.rest.CAData, c.rest.CAFile)
	if err != nil {
		return badFile(c.rest.CAFile, err)
	}
	if len(ca) > 0 {
		if firstCertificate(ca) == nil {
			return badPEM(path, c.rest.CAFile, fmt.Sprintf("the certificate authority of cluster %q", c.Cluster))
		}
		c.CA = ca
		c.rest.CAData, c.rest.CAFile = ca, "" // what is checked against is what was read here
	}
	client, err := bytesOr(c.rest.CertData, c.rest.CertFile)
	if err != nil {
		return badFile(c.rest.CertFile, err)
	}
	if len(client) == 0 {
		return nil
	}
	cert := firstCertificate(client)
	if cert == nil {
		return badPEM(path, c.rest.CertFile, fmt.Sprintf("the client certificate of user %q", c.User))
	}
	c.Expiry = cert.NotAfter
	if now := time.Now(); now.After(cert.NotAfter) {
		return &cluster.Trouble{
			Kind: cluster.TroubleExpired,
			What: feed.Clean(fmt.Sprintf("the client certificate of user %q in %s expired on %s", c.User, path, day(cert.NotAfter))),
			Do:   "fetch a new kubeconfig: talosctl kubeconfig", Until: cert.NotAfter,
		}
	}
	return nil
}

func bytesOr(data []byte, file string) ([]byte, error) {
	if len(data) > 0 || file == "" {
		return data, nil
	}
	return os.ReadFile(file)
}

func firstCertificate(data []byte) *x509.Certificate {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert
		}
		return nil
	}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
