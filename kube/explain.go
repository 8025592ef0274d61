package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Explain names an error of the Kubernetes API, or of the way to it, as what it
// is. what says in a few words what was tried, such as "list nodes". A nil err
// gives nil, a *cluster.Trouble is returned as it is.
func Explain(err error, what string) *cluster.Trouble {
	if err == nil {
		return nil
	}
	if t := new(cluster.Trouble); errors.As(err, &t) {
		return t
	}
	t := explainStatus(err)
	if t == nil {
		t = explainTLS(err)
	}
	if t == nil {
		t = explainNetwork(err)
	}
	if t == nil {
		t = &cluster.Trouble{Kind: cluster.TroubleOther, What: err.Error()}
	}
	t.What = feed.Clean(what + ": " + t.What)
	t.Do = feed.Clean(t.Do)
	t.Raw = feed.Clean(err.Error())
	return t
}

// explainStatus is for what the API server itself answered; nil for other errors.
func explainStatus(err error) *cluster.Trouble {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	s := status.Status()
	if t := explainBroken(s.Message); t != nil {
		return t
	}
	switch {
	case apierrors.IsUnauthorized(err):
		return &cluster.Trouble{
			Kind: cluster.TroubleUnauthorized, What: "the API server does not know these credentials",
			Do: "they may have expired or belong to another cluster; fetch a new kubeconfig: talosctl kubeconfig",
		}
	case apierrors.IsForbidden(err):
		return forbidden(s)
	case apierrors.IsNotFound(err):
		return &cluster.Trouble{Kind: cluster.TroubleNotFound, What: notFound(s)}
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the API server no longer has this version of the list", Do: "it is read anew"}
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return &cluster.Trouble{Kind: cluster.TroubleTimeout, What: "the API server ran out of time: " + s.Message}
	case apierrors.IsTooManyRequests(err):
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the API server refuses for now: " + s.Message}
	case apierrors.IsServiceUnavailable(err):
		return &cluster.Trouble{Kind: cluster.TroubleGoingAway, What: "the API server is not available: " + s.Message, Do: "it may be starting or stopping; it is asked again"}
	case apierrors.IsMethodNotSupported(err), apierrors.IsNotAcceptable(err), apierrors.IsUnsupportedMediaType(err):
		return &cluster.Trouble{Kind: cluster.TroubleUnimplemented, What: "the API server does not support this: " + s.Message}
	case apierrors.IsConflict(err):
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the object was changed meanwhile: " + s.Message, Do: "look at it and try again"}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the API server rejected the request: " + s.Message}
	default:
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the API server answered: " + s.Message}
	}
}

// explainBroken is for a stream that broke: client-go wraps that as a status of its own.
func explainBroken(message string) *cluster.Trouble {
	const stream = "unable to decode an event from the watch stream: "
	_, cause, ok := strings.Cut(message, stream)
	cause, _, _ = strings.Cut(cause, `") has prevented`)
	switch {
	case !ok:
		return nil
	case strings.Contains(cause, "connection lost"), strings.Contains(cause, "deadline exceeded"):
		return &cluster.Trouble{Kind: cluster.TroubleTimeout, What: "the API server does not answer any more", Do: "it is asked again"}
	case strings.Contains(cause, "reset"), strings.Contains(cause, "broken pipe"):
		return &cluster.Trouble{Kind: cluster.TroubleReset, What: "the connection to the API server was reset", Do: "it is asked again"}
	case strings.Contains(cause, "GOAWAY"), strings.Contains(cause, "stream error"):
		return &cluster.Trouble{Kind: cluster.TroubleGoingAway, What: "the API server ended the connection", Do: "it is asked again"}
	default:
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the watch broke: " + cause, Do: "it is started again"}
	}
}

// refusal is how the API server words a missing right.
var refusal = regexp.MustCompile(`User "([^"]*)" cannot (\S+) (?:resource "([^"]*)" in API group "([^"]*)"|path "([^"]*)")(?: in the namespace "([^"]*)")?`)

// forbidden names the missing right: who, which verb, which resource, where.
func forbidden(s metav1.Status) *cluster.Trouble {
	t := &cluster.Trouble{Kind: cluster.TroubleForbidden, What: "not allowed: " + s.Message, Do: "take credentials that have this right"}
	m := refusal.FindStringSubmatch(s.Message)
	if m == nil {
		return t
	}
	user, verb, resource, where := m[1], m[2], m[3], "in the whole cluster"
	if m[4] != "" {
		resource += "." + m[4]
	}
	if m[5] != "" {
		resource, where = m[5], ""
	}
	if m[6] != "" {
		where = "in namespace " + m[6]
	}
	t.What = strings.TrimSpace(fmt.Sprintf("user %q may not %s %s %s", user, verb, resource, where))
	t.Do = fmt.Sprintf("it needs a role with the verb %s on %s", verb, resource)
	return t
}

func notFound(s metav1.Status) string {
	if d := s.Details; d != nil && d.Name != "" {
		return fmt.Sprintf("there is no %s %q", strings.TrimSuffix(d.Kind, "s"), d.Name)
	}
	if strings.Contains(s.Message, "could not find the requested resource") {
		return "the API server does not serve this kind"
	}
	return s.Message
}

// explainTLS is for certificates, on either side; nil for other errors.
func explainTLS(err error) *cluster.Trouble {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return &cluster.Trouble{
			Kind: cluster.TroubleUnknownCA, What: "the API server's certificate is not signed by the kubeconfig's certificate authority",
			Do: "this kubeconfig belongs to another cluster, or the cluster was built anew: fetch a new one",
		}
	case errors.As(err, &invalid):
		return explainInvalid(invalid)
	case errors.As(err, &host):
		return &cluster.Trouble{
			Kind: cluster.TroubleWrongName, What: "the API server's certificate is for another name: " + host.Error(),
			Do: "connect by one of its names, or add this one to certSANs in the machine config",
		}
	case errors.As(err, &record):
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the server does not speak TLS", Do: "check the server's address and port in the kubeconfig"}
	}
	const remote = "remote error: tls: "
	_, alert, ok := strings.Cut(err.Error(), remote)
	switch {
	case !ok:
		return nil
	case strings.Contains(alert, "expired certificate"):
		return &cluster.Trouble{Kind: cluster.TroubleExpired, What: "the API server says that the client certificate expired", Do: "fetch a new kubeconfig: talosctl kubeconfig"}
	case strings.Contains(alert, "certificate required"):
		return &cluster.Trouble{Kind: cluster.TroubleCertRequired, What: "the API server demands a client certificate", Do: "take a kubeconfig that has one"}
	default:
		return &cluster.Trouble{Kind: cluster.TroubleUnknownCA, What: "the API server rejects the client certificate: " + alert, Do: "this kubeconfig may belong to another cluster"}
	}
}

func explainInvalid(invalid x509.CertificateInvalidError) *cluster.Trouble {
	t := &cluster.Trouble{Kind: cluster.TroubleOther, What: "the API server's certificate is not valid: " + invalid.Error()}
	if invalid.Reason != x509.Expired || invalid.Cert == nil {
		return t
	}
	if strings.Contains(invalid.Detail, "is before") {
		t.Kind, t.Until = cluster.TroubleNotYetValid, invalid.Cert.NotBefore
		t.What = "the API server's certificate is valid from " + day(invalid.Cert.NotBefore) + " on only"
		t.Do = "compare the clocks of this host and of the control plane"
		return t
	}
	t.Kind, t.Until = cluster.TroubleExpired, invalid.Cert.NotAfter
	t.What = "the API server's certificate expired on " + day(invalid.Cert.NotAfter)
	t.Do = "compare the clocks; Talos renews it when the control plane's apiserver restarts"
	return t
}

// explainNetwork is for connections that are not made or break; nil for other errors.
func explainNetwork(err error) *cluster.Trouble {
	where := "the API server"
	if op := new(net.OpError); errors.As(err, &op) && op.Addr != nil {
		where = "the API server at " + op.Addr.String()
	}
	var dns *net.DNSError
	var timeout net.Error
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "given up"}
	case errors.As(err, &dns) && !dns.IsTimeout:
		return &cluster.Trouble{Kind: cluster.TroubleDNS, What: fmt.Sprintf("the name %q is not found", dns.Name), Do: "check the server in the kubeconfig, and this host's name servers"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &cluster.Trouble{Kind: cluster.TroubleRefused, What: where + " refuses the connection", Do: "the host is up, but no API server listens there"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &cluster.Trouble{Kind: cluster.TroubleNoRoute, What: "there is no route to " + where, Do: "the host may be off, or a VPN is missing"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &cluster.Trouble{Kind: cluster.TroubleReset, What: where + " dropped the connection", Do: "it is asked again"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(),
		strings.Contains(text, "client connection lost"), strings.Contains(text, "rate limiter Wait"):
		return &cluster.Trouble{Kind: cluster.TroubleTimeout, What: where + " does not answer", Do: "the host may be off, hung, or behind a firewall"}
	case strings.Contains(text, "GOAWAY"):
		return &cluster.Trouble{Kind: cluster.TroubleGoingAway, What: where + " is going away", Do: "it is asked again"}
	case strings.Contains(text, "HTTP response to HTTPS client"):
		return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the server does not speak TLS", Do: "check the server's address and port in the kubeconfig"}
	default:
		return nil
	}
}
