package pki_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/pki"
)

func newPKI(t *testing.T) *pki.PKI {
	t.Helper()
	p, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAuthoritiesHaveTheKindsTalosUses(t *testing.T) {
	p := newPKI(t)
	if _, ok := p.Talos.Certificate().PublicKey.(ed25519.PublicKey); !ok {
		t.Errorf("the Talos authority has a %T, want ed25519", p.Talos.Certificate().PublicKey)
	}
	for name, a := range map[string]*pki.Authority{"kubernetes": p.Kubernetes, "etcd": p.Etcd} {
		if _, ok := a.Certificate().PublicKey.(*ecdsa.PublicKey); !ok {
			t.Errorf("the %s authority has a %T, want ECDSA", name, a.Certificate().PublicKey)
		}
	}
	if !bytes.Contains(p.Talos.KeyPEM(), []byte("ED25519 PRIVATE KEY")) {
		t.Errorf("the Talos key is not in Talos' own PEM form: %.40s", p.Talos.KeyPEM())
	}
}

// handshake connects client and server and returns the error that the server saw.
func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	near, far := net.Pipe()
	defer func() { _ = near.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() {
		conn := tls.Client(far, client)
		if conn.HandshakeContext(ctx) == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
		_ = far.Close()
	}()
	return tls.Server(near, server).HandshakeContext(ctx)
}

func TestMutualTLS(t *testing.T) {
	now := time.Now()
	p, other := newPKI(t), newPKI(t)
	for name, tt := range map[string]struct {
		authority *pki.Authority
		notAfter  time.Time
		want      bool
	}{
		"valid":           {p.Talos, now.Add(time.Hour), true},
		"expired":         {p.Talos, now.Add(-time.Minute), false},
		"other authority": {other.Talos, now.Add(time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			serverPair, err := p.Talos.Server("node", []string{"192.168.13.11", "localhost"}, now.Add(-time.Hour), now.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			clientPair, err := tt.authority.Client("", []string{"os:admin"}, now.Add(-time.Hour), tt.notAfter)
			if err != nil {
				t.Fatal(err)
			}
			serverCert, err := serverPair.TLS()
			if err != nil {
				t.Fatal(err)
			}
			clientCert, err := clientPair.TLS()
			if err != nil {
				t.Fatal(err)
			}
			err = handshake(t,
				&tls.Config{Certificates: []tls.Certificate{serverCert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: p.Talos.Pool(), MinVersion: tls.VersionTLS13},
				&tls.Config{Certificates: []tls.Certificate{clientCert}, RootCAs: p.Talos.Pool(), ServerName: "192.168.13.11", MinVersion: tls.VersionTLS13})
			if (err == nil) != tt.want {
				t.Errorf("handshake gave %v, want success %v", err, tt.want)
			}
		})
	}
}

func TestRolesAreOrganizations(t *testing.T) {
	now := time.Now()
	pair, err := newPKI(t).Talos.Client("", []string{"os:reader"}, now, now.Add(pki.ClientLife))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(leaf.Subject.Organization) != 1 || leaf.Subject.Organization[0] != "os:reader" {
		t.Errorf("organizations are %v, want [os:reader]", leaf.Subject.Organization)
	}
	print1, err := pair.Fingerprint()
	if err != nil || len(print1) != 64 {
		t.Errorf("fingerprint is %q (%v), want 64 hex digits", print1, err)
	}
}

func TestLoadedAuthorityIssuesForTheOldOne(t *testing.T) {
	p := newPKI(t)
	again, err := pki.Load(p.Kubernetes.CertPEM(), p.Kubernetes.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := again.Client("somebody", nil, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	own, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.VerifyOptions{Roots: p.Kubernetes.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := own.Leaf.Verify(trust); err != nil {
		t.Errorf("what the loaded authority issued is not trusted: %v", err)
	}
	if _, err := pki.Load(p.Etcd.CertPEM(), p.Kubernetes.KeyPEM()); err == nil {
		t.Error("a certificate was loaded with the key of another")
	}
}
