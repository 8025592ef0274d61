package talosd

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/client/config"
	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/demo/pki"
)

// Talosconfig makes a talosconfig as `talosctl gen` does: one context, named
// like the cluster, with a fresh client certificate of that role for a year.
// Without endpoints it names the control planes' own addresses, which only a
// Dialer leads anywhere; Endpoints gives those on loopback.
func (c *Cluster) Talosconfig(r role.Role, endpoints []string) ([]byte, error) {
	return c.TalosconfigUntil(r, endpoints, time.Now().Add(pki.ClientLife))
}

// TalosconfigUntil is Talosconfig with a certificate that ends at notAfter,
// which may be in the past.
func (c *Cluster) TalosconfigUntil(r role.Role, endpoints []string, notAfter time.Time) ([]byte, error) {
	begin := time.Now().Add(-time.Hour)
	if !begin.Before(notAfter) {
		begin = notAfter.Add(-time.Hour)
	}
	pair, err := c.pki.Talos.Client("", []string{string(r)}, begin, notAfter)
	if err != nil {
		return nil, err
	}
	ctx := &config.Context{
		Endpoints: endpoints,
		CA:        base64.StdEncoding.EncodeToString(c.pki.Talos.CertPEM()),
		Crt:       base64.StdEncoding.EncodeToString(pair.CertPEM),
		Key:       base64.StdEncoding.EncodeToString(pair.KeyPEM),
	}
	for _, n := range c.nodes {
		ctx.Nodes = append(ctx.Nodes, n.spec.Address)
		if n.spec.ControlPlane && len(endpoints) == 0 {
			ctx.Endpoints = append(ctx.Endpoints, n.spec.Address)
		}
	}
	conf := &config.Config{Context: c.scene.Cluster, Contexts: map[string]*config.Context{c.scene.Cluster: ctx}}
	out, err := conf.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing the talosconfig: %w", err)
	}
	return out, nil
}
