package bed

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is the folder of a bed's certificates and keys.
type pki string

const certLifetime = 10 * 365 * 24 * time.Hour

func (p pki) crt(name string) string { return filepath.Join(string(p), name+".crt") }
func (p pki) key(name string) string { return filepath.Join(string(p), name+".key") }

// leaf is a certificate signed by the bed's own authority.
type leaf struct {
	name   string // of its files
	cn     string
	org    []string
	server bool // for serving on loopback, else for a client
}

var leaves = []leaf{
	{name: "apiserver", cn: "kube-apiserver", server: true},
	{name: "kubelet", cn: "kwok", server: true},
	{name: "admin", cn: "admin", org: []string{"system:masters"}},
	{name: "controller-manager", cn: "system:kube-controller-manager"},
	{name: "scheduler", cn: "system:kube-scheduler"},
	{name: "kubelet-client", cn: "apiserver-kubelet-client", org: []string{"system:masters"}},
	{name: "front-proxy", cn: "front-proxy-client"},
}

// ensure makes the authority, the certificates and the key pair for service
// account tokens, unless an earlier start did.
func (p pki) ensure() error {
	if _, err := os.Stat(p.key("sa")); err == nil {
		return nil
	}
	caKey, err := newKey()
	if err != nil {
		return err
	}
	ca := template("talos-cockpit bed")
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if err := p.write("ca", ca, ca, caKey, caKey); err != nil {
		return err
	}
	for _, l := range leaves {
		key, err := newKey()
		if err != nil {
			return err
		}
		if err := p.write(l.name, l.template(), ca, key, caKey); err != nil {
			return err
		}
	}
	return p.writeServiceAccountKeys() // last: its presence says that all is there
}

func (l leaf) template() *x509.Certificate {
	t := template(l.cn)
	t.Subject.Organization = l.org
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if l.server {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		t.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 43, 0, 1)}
	}
	return t
}

func template(cn string) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(certLifetime),
	}
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func (p pki) write(name string, cert, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	cert.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	if err := writePEM(p.crt(name), "CERTIFICATE", der); err != nil {
		return err
	}
	return writeKey(p.key(name), key)
}

func (p pki) writeServiceAccountKeys() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(string(p), "sa.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(p.key("sa"), key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
