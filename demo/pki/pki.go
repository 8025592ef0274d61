// Package pki makes the certificates of a simulated cluster: the three
// authorities that a Talos cluster has (Talos API, Kubernetes, etcd) and the
// server and client certificates they issue. Keys are fresh in every run and
// never leave the process unless a caller writes them out.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Lifetimes, as Talos chooses them.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// ClientLife is how long a client certificate is valid that `talosctl gen` issues.
	ClientLife = 365 * 24 * time.Hour
	// skew is how far certificates are valid into the past, for clocks that differ.
	skew = time.Hour
)

// PKI holds the authorities of one cluster.
type PKI struct {
	Talos      *Authority // ed25519; signs apid's and talosctl's certificates
	Kubernetes *Authority // ECDSA P-256
	Etcd       *Authority // ECDSA P-256
}

// New makes three authorities that are valid from an hour before now for ten
// years. It fails only when the system has no randomness to give.
func New(now time.Time) (*PKI, error) {
	_, talosKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the Talos key: %w", err)
	}
	p := &PKI{}
	if p.Talos, err = newAuthority(pkix.Name{Organization: []string{"talos"}}, talosKey, now); err != nil {
		return nil, err
	}
	kubeName := pkix.Name{Organization: []string{"kubernetes"}, CommonName: "kubernetes"}
	if p.Kubernetes, err = newECDSA(kubeName, now); err != nil {
		return nil, err
	}
	if p.Etcd, err = newECDSA(pkix.Name{Organization: []string{"etcd"}, CommonName: "etcd"}, now); err != nil {
		return nil, err
	}
	return p, nil
}

// Authority is a self-signed certificate authority with its key.
type Authority struct {
	cert    *x509.Certificate
	key     crypto.Signer
	certPEM []byte
	keyPEM  []byte
}

// CertPEM returns the authority's certificate.
func (a *Authority) CertPEM() []byte { return a.certPEM }

// KeyPEM returns the authority's private key.
func (a *Authority) KeyPEM() []byte { return a.keyPEM }

// Certificate returns the authority's parsed certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Pool returns a pool that trusts this authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Pair is a certificate with its private key, both PEM.
type Pair struct {
	CertPEM []byte
	KeyPEM  []byte
}

// TLS returns the pair in the form that crypto/tls wants.
func (p Pair) TLS() (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(p.CertPEM, p.KeyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("loading the key pair: %w", err)
	}
	return cert, nil
}

// Fingerprint returns the lower-case hex SHA-256 of the DER certificate.
func (p Pair) Fingerprint() (string, error) {
	block, _ := pem.Decode(p.CertPEM)
	if block == nil {
		return "", errors.New("the certificate is not PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:]), nil
}

// Server issues a server certificate for host names and IP addresses; it also
// serves as a client certificate, as the nodes' own certificates do.
func (a *Authority) Server(name string, hosts []string, notBefore, notAfter time.Time) (Pair, error) {
	tmpl := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotBefore:   notBefore,
		NotAfter:    notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, host)
		}
	}
	return a.issue(tmpl)
}

// Client issues a client certificate. Talos reads the organizations as roles
// (os:admin, os:operator, os:reader), Kubernetes as groups and the name as user.
func (a *Authority) Client(name string, organizations []string, notBefore, notAfter time.Time) (Pair, error) {
	return a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: organizations},
		NotBefore:   notBefore,
		NotAfter:    notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *Authority) issue(tmpl *x509.Certificate) (Pair, error) {
	key, err := a.newKey()
	if err != nil {
		return Pair{}, err
	}
	if tmpl.SerialNumber, err = serial(); err != nil {
		return Pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("issuing a certificate for %q: %w", tmpl.Subject, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{CertPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), KeyPEM: keyPEM}, nil
}

// newKey makes a key of the same kind as the authority's.
func (a *Authority) newKey() (crypto.Signer, error) {
	if _, ok := a.key.(ed25519.PrivateKey); ok {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making an ed25519 key: %w", err)
		}
		return key, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an ECDSA key: %w", err)
	}
	return key, nil
}

func newECDSA(name pkix.Name, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an ECDSA key: %w", err)
	}
	return newAuthority(name, key, now)
}

func newAuthority(name pkix.Name, key crypto.Signer, now time.Time) (*Authority, error) {
	number, err := serial()
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber:          number,
		Subject:               name,
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the authority %q: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the authority %q back: %w", name, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &Authority{
		cert: cert, key: key, keyPEM: keyPEM,
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}, nil
}

// Load makes an authority of a certificate and its key in PEM, such as those of
// a cluster that is there already. Its errors say that the two are broken or do
// not belong together.
func Load(certPEM, keyPEM []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("loading the authority: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("loading the authority: a %T cannot sign", pair.PrivateKey)
	}
	own, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &Authority{cert: pair.Leaf, key: key, certPEM: certPEM, keyPEM: own}, nil
}

// encodeKey writes a key as Talos does: ed25519 under a type of its own, ECDSA
// in the SEC 1 form.
func encodeKey(key crypto.Signer) ([]byte, error) {
	switch k := key.(type) {
	case ed25519.PrivateKey:
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return nil, fmt.Errorf("encoding a key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "ED25519 PRIVATE KEY", Bytes: der}), nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			return nil, fmt.Errorf("encoding a key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
	default:
		return nil, fmt.Errorf("encoding a key: unknown kind %T", key)
	}
}

func serial() (*big.Int, error) {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return number, nil
}
