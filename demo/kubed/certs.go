package kubed

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"sigs.k8s.io/yaml"
)

// The users that Kubeconfig knows.
const (
	// UserAdmin may do everything (group system:masters).
	UserAdmin = "admin"
	// UserView may get, list and watch, and nothing else.
	UserView = "view"
)

const mastersGroup = "system:masters"

// authority is the cluster's certificate authority with what it has issued.
type authority struct {
	caPEM  []byte
	pool   *x509.CertPool
	server tls.Certificate
	users  map[string]keyPair
}

type keyPair struct{ cert, key []byte }

func newAuthority(s scene.Scene, opts Options) (*authority, error) {
	a := &authority{caPEM: opts.CACert, pool: x509.NewCertPool(), users: map[string]keyPair{}}
	from, to := validity(opts.Now())
	caKey := opts.CAKey
	if len(a.caPEM) == 0 {
		pair, err := selfSigned(from, to)
		if err != nil {
			return nil, err
		}
		a.caPEM, caKey = pair.cert, pair.key
	}
	ca, err := tls.X509KeyPair(a.caPEM, caKey)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's certificate authority: %w", err)
	}
	root, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("parse the cluster's certificate authority: %w", err)
	}
	a.pool.AddCert(root)
	sign := issuer{root: root, key: ca.PrivateKey, from: from, to: to}
	if err := a.issueServer(sign, s); err != nil {
		return nil, err
	}
	for user, group := range map[string]string{UserAdmin: mastersGroup, UserView: "viewers"} {
		pair, err := sign.issue(&x509.Certificate{
			Subject:     pkix.Name{CommonName: user, Organization: []string{group}},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err != nil {
			return nil, err
		}
		a.users[user] = pair
	}
	return a, nil
}

func (a *authority) issueServer(sign issuer, s scene.Scene) error {
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(s.APIAddress); ip != nil {
		ips = append(ips, ip)
	}
	for _, n := range s.ControlPlanes() {
		if ip := net.ParseIP(n.Address); ip != nil {
			ips = append(ips, ip)
		}
	}
	pair, err := sign.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver", Organization: []string{"kube-master"}},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: ips,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	a.server, err = tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		return fmt.Errorf("read the server's certificate: %w", err)
	}
	return nil
}

func (a *authority) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{a.server},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    a.pool,
		NextProtos:   []string{"h2", "http/1.1"},
	}
}

// validity spans both the simulated and the real clock, because the clients
// check certificates against the real one.
func validity(simulated time.Time) (from, to time.Time) {
	from, to = time.Now(), time.Now()
	if simulated.Before(from) {
		from = simulated
	}
	if simulated.After(to) {
		to = simulated
	}
	return from.Add(-time.Hour), to.AddDate(1, 0, 0)
}

type issuer struct {
	root     *x509.Certificate
	key      crypto.PrivateKey
	from, to time.Time
}

func (i issuer) issue(template *x509.Certificate) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("generate a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return keyPair{}, fmt.Errorf("generate a serial number: %w", err)
	}
	template.NotBefore, template.NotAfter = i.from, i.to
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	parent, signer := i.root, i.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return keyPair{}, fmt.Errorf("issue a certificate for %s: %w", template.Subject.CommonName, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return keyPair{}, fmt.Errorf("encode a key: %w", err)
	}
	return keyPair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

func selfSigned(from, to time.Time) (keyPair, error) {
	return issuer{from: from, to: to.AddDate(9, 0, 0)}.issue(&x509.Certificate{
		Subject: pkix.Name{Organization: []string{"kubernetes"}}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
}

// Kubeconfig returns the client configuration of a user, [UserAdmin] or
// [UserView], with the scene's context and the loopback address as server. It
// fails before Start, and for other users.
func (s *Server) Kubeconfig(user string) ([]byte, error) {
	url := s.URL()
	if url == "" {
		return nil, errors.New("the simulated Kubernetes API is not started")
	}
	pair, ok := s.certs.users[user]
	if !ok {
		return nil, fmt.Errorf("the simulated cluster has no user %q: there are %s and %s", user, UserAdmin, UserView)
	}
	name := user + "@" + s.scene.Cluster
	b64 := base64.StdEncoding.EncodeToString
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": s.scene.Context,
		"clusters": []any{map[string]any{"name": s.scene.Cluster, "cluster": map[string]any{
			"server": url, "certificate-authority-data": b64(s.certs.caPEM),
		}}},
		"contexts": []any{map[string]any{"name": s.scene.Context, "context": map[string]any{
			"cluster": s.scene.Cluster, "user": name, "namespace": "default",
		}}},
		"users": []any{map[string]any{"name": name, "user": map[string]any{
			"client-certificate-data": b64(pair.cert), "client-key-data": b64(pair.key),
		}}},
	}
	out, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("write the kubeconfig: %w", err)
	}
	return out, nil
}
