package talosapi

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	clientconfig "github.com/siderolabs/talos/pkg/machinery/client/config"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Config is one context of a talosconfig file, checked and ready to connect with.
type Config struct {
	Path      string   // the file
	Context   string   // the chosen context
	Contexts  []string // all contexts of the file, sorted
	Endpoints []string // as written
	Nodes     []string // as written; may be empty
	Cluster   string   // the context's cluster name; empty: not written (only Omni writes it)
	// CA is the Talos API's certificate authority in PEM; nil: the system's are used.
	CA []byte
	// NotBefore and NotAfter bound the client certificate's life.
	NotBefore, NotAfter time.Time
	// Roles are the client certificate's organizations, such as os:admin.
	Roles []string

	tls *tls.Config
}

// LoadConfig reads the talosconfig at path and chooses a context; an empty
// context is the file's own choice. Each error is a *cluster.Trouble that names
// file, line or context. With a certificate that has expired, or that is not
// valid yet, the Config is returned together with the error, for display.
func LoadConfig(path, context string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	file, err := clientconfig.FromBytes(data)
	if err != nil {
		return nil, broken(path, err)
	}
	cfg := &Config{Path: path, Contexts: cleanAll(slices.Sorted(maps.Keys(file.Contexts)))}
	chosen, err := choose(file, path, context)
	if err != nil {
		return nil, err
	}
	cfg.Context = feed.Clean(chosen)
	if err := cfg.fill(file.Contexts[chosen]); err != nil {
		return nil, err
	}
	return cfg, cfg.checkLife(time.Now())
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &cluster.Trouble{
			Kind: cluster.TroubleMissingFile,
			What: fmt.Sprintf("there is no talosconfig at %s", feed.Clean(path)),
			Do:   "name the file with --talosconfig or TALOSCONFIG, or make it with talosctl or talhelper genconfig",
		}
	}
	return &cluster.Trouble{
		Kind: cluster.TroubleBadFile,
		What: fmt.Sprintf("the talosconfig %s cannot be read", feed.Clean(path)),
		Raw:  raw(err.Error()),
	}
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func broken(path string, err error) error {
	where, why := feed.Clean(path), err.Error()
	if errors.Is(err, io.EOF) {
		why = "the file is empty"
	}
	if m := yamlLine.FindStringSubmatch(why); m != nil {
		where += ":" + m[1]
	}
	return &cluster.Trouble{
		Kind: cluster.TroubleBadFile,
		What: fmt.Sprintf("the talosconfig %s is not valid YAML", where),
		Do:   brief(strings.TrimPrefix(why, "yaml: ")),
		Raw:  raw(why),
	}
}

// choose gives the name of the context to use.
func choose(file *clientconfig.Config, path, want string) (string, error) {
	names := slices.Sorted(maps.Keys(file.Contexts))
	bad := func(what, do string) (string, error) {
		return "", &cluster.Trouble{Kind: cluster.TroubleBadFile, What: what, Do: do}
	}
	path = feed.Clean(path)
	if len(names) == 0 {
		return bad(fmt.Sprintf("the talosconfig %s has no contexts", path), "make one with talosctl gen config or talhelper genconfig")
	}
	if want == "" {
		want = file.Context
	}
	if want == "" && len(names) == 1 {
		want = names[0]
	}
	all := strings.Join(cleanAll(names), ", ")
	if want == "" {
		return bad(fmt.Sprintf("the talosconfig %s chooses no context", path), "name one of: "+all)
	}
	if file.Contexts[want] == nil {
		do := "it has: " + all
		if near := cluster.Nearest(want, names); near != "" {
			do = fmt.Sprintf("did you mean %q? %s", feed.Clean(near), do)
		}
		return bad(fmt.Sprintf("the talosconfig %s has no context %q", path, feed.Clean(want)), do)
	}
	return want, nil
}

func (c *Config) fill(from *clientconfig.Context) error {
	bad := func(what, do string, err error) error {
		t := &cluster.Trouble{Kind: cluster.TroubleBadFile, What: fmt.Sprintf("context %q of %s %s", c.Context, feed.Clean(c.Path), what), Do: do}
		if err != nil {
			t.Raw = raw(err.Error())
		}
		return t
	}
	c.Endpoints, c.Nodes, c.Cluster = cleanAll(from.Endpoints), cleanAll(from.Nodes), feed.Clean(from.Cluster)
	if len(c.Endpoints) == 0 {
		return bad("has no endpoints", "add the control plane nodes: talosctl config endpoint ADDRESS...", nil)
	}
	if from.Auth.SideroV1 != nil || from.Auth.Basic != nil {
		return bad("signs in without a client certificate (Omni or basic auth), which is not supported", "use a talosconfig with a client certificate", nil)
	}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if err := c.fillCA(from.CA); err != nil {
		return bad("has a CA that cannot be read", "make the talosconfig anew", err)
	}
	if err := c.fillCertificate(from.Crt, from.Key); err != nil {
		return bad("has a client certificate or key that cannot be read", "make the talosconfig anew", err)
	}
	return nil
}

func (c *Config) fillCA(encoded string) error {
	if encoded == "" {
		return nil
	}
	ca, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	block, _ := pem.Decode(ca)
	if block == nil {
		return errors.New("no PEM block")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c.CA, c.tls.RootCAs = bytes.Clone(ca), pool
	return nil
}

func (c *Config) fillCertificate(crt, key string) error {
	crtPEM, err := base64.StdEncoding.DecodeString(crt)
	if err != nil {
		return fmt.Errorf("decode certificate: %w", err)
	}
	keyPEM, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return errors.New("decode key: not base64") // the error could quote the key
	}
	pair, err := tls.X509KeyPair(crtPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	c.tls.Certificates = []tls.Certificate{pair}
	c.NotBefore, c.NotAfter = pair.Leaf.NotBefore, pair.Leaf.NotAfter
	c.Roles = cleanAll(pair.Leaf.Subject.Organization)
	return nil
}

// checkLife says whether the client certificate is valid at the given time.
func (c *Config) checkLife(now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return &cluster.Trouble{
			Kind:  cluster.TroubleExpired,
			What:  fmt.Sprintf("the client certificate of context %q in %s expired on %s", c.Context, feed.Clean(c.Path), c.NotAfter.UTC().Format("2006-01-02 15:04 MST")),
			Do:    "make a new one with talosctl config new from a control plane, or from the cluster's secrets (talhelper genconfig)",
			Until: c.NotAfter,
		}
	case now.Before(c.NotBefore):
		return &cluster.Trouble{
			Kind:  cluster.TroubleNotYetValid,
			What:  fmt.Sprintf("the client certificate of context %q in %s is not valid before %s", c.Context, feed.Clean(c.Path), c.NotBefore.UTC().Format("2006-01-02 15:04 MST")),
			Do:    "check this host's clock",
			Until: c.NotBefore,
		}
	default:
		return nil
	}
}

func cleanAll(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, feed.Clean(s))
	}
	return out
}
