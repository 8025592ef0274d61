package talosd

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	talosconfig "github.com/siderolabs/talos/pkg/machinery/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"

	"github.com/talos-cockpit/talos-cockpit/demo/pki"
)

// config is the machine configuration that the node runs.
func (n *Node) config() (talosconfig.Provider, error) {
	provider, err := configloader.NewFromBytes([]byte(n.configText()))
	if err != nil {
		return nil, fmt.Errorf("reading the machine configuration of %s: %w", n.spec.Name, err)
	}
	return provider, nil
}

func (n *Node) configText() string {
	c := n.c
	b64 := base64.StdEncoding.EncodeToString
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version: v1alpha1")
	line("debug: false")
	line("persist: true")
	line("machine:")
	line("    type: %s", n.machineType())
	line("    token: %s", c.token("token"))
	line("    ca:")
	line("        crt: %s", b64(c.pki.Talos.CertPEM()))
	if n.spec.ControlPlane {
		line("        key: %s", b64(c.pki.Talos.KeyPEM()))
	} else {
		line("        key: \"\"")
	}
	line("    certSANs: []")
	line("    kubelet:")
	line("        image: ghcr.io/siderolabs/kubelet:%s", c.scene.Kubernetes)
	line("        defaultRuntimeSeccompProfileEnabled: true")
	line("        disableManifestsDirectory: true")
	line("    network:")
	line("        hostname: %s", n.spec.Name)
	line("        interfaces:")
	line("            - interface: end0")
	line("              addresses:")
	line("                - %s/24", n.spec.Address)
	if n.spec.ControlPlane {
		line("              vip:")
		line("                ip: %s", c.scene.APIAddress)
	}
	line("    install:")
	line("        disk: /dev/nvme0n1")
	line("        image: factory.talos.dev/metal-installer/%s:%s", schematicID, n.spec.Talos)
	line("        wipe: false")
	line("cluster:")
	line("    id: %s", c.id())
	line("    secret: %s", c.secret())
	line("    controlPlane:")
	line("        endpoint: %s", c.endpointURL())
	line("    clusterName: %s", c.scene.Cluster)
	line("    network:")
	line("        dnsDomain: cluster.local")
	line("        cni:")
	line("            name: none")
	line("        podSubnets:")
	line("            - %s", c.scene.PodCIDR)
	line("        serviceSubnets:")
	line("            - %s", c.scene.ServiceCIDR)
	line("    proxy:")
	line("        disabled: true")
	line("    token: %s", c.token("bootstrap"))
	line("    ca:")
	line("        crt: %s", b64(c.pki.Kubernetes.CertPEM()))
	if n.spec.ControlPlane {
		line("        key: %s", b64(c.pki.Kubernetes.KeyPEM()))
		line("    etcd:")
		line("        ca:")
		line("            crt: %s", b64(c.pki.Etcd.CertPEM()))
		line("            key: %s", b64(c.pki.Etcd.KeyPEM()))
	} else {
		line("        key: \"\"")
	}
	return b.String()
}

// id is the cluster's identity in discovery.
func (c *Cluster) id() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", c.scene.Cluster, c.scene.Seed))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (c *Cluster) secret() string {
	return base64.StdEncoding.EncodeToString([]byte(hex(c.nodes[0].random("cluster secret"), 32)))
}

func (c *Cluster) token(purpose string) string {
	return hex(c.nodes[0].random(purpose), 6) + "." + hex(c.nodes[0].random(purpose+" secret"), 16)
}

// Secrets is what talhelper keeps as talsecret.yaml: the secrets of all machines'
// configurations.
func (c *Cluster) Secrets() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "cluster:\n    id: %s\n    secret: %s\n", c.id(), c.secret())
	fmt.Fprintf(&b, "secrets:\n    bootstraptoken: %s\ntrustdinfo:\n    token: %s\ncerts:\n", c.token("bootstrap"), c.token("token"))
	for _, ca := range []struct {
		name string
		of   *pki.Authority
	}{{"etcd", c.pki.Etcd}, {"k8s", c.pki.Kubernetes}, {"os", c.pki.Talos}} {
		fmt.Fprintf(&b, "    %s:\n        crt: %s\n        key: %s\n", ca.name,
			base64.StdEncoding.EncodeToString(ca.of.CertPEM()), base64.StdEncoding.EncodeToString(ca.of.KeyPEM()))
	}
	return b.Bytes()
}
