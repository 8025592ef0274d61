package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

func dialError(err error) error {
	return &url.Error{Op: "Get", URL: "https://192.168.13.10:6443/version", Err: &net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 168, 13, 10), Port: 6443}, Err: err,
	}}
}

func forbiddenBy(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden, Message: message}}
}

func streamBroke(cause string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: 500, Reason: metav1.StatusReasonInternalError,
		Message: `an error on the server ("unable to decode an event from the watch stream: ` + cause + `") has prevented the request from succeeding`,
	}}
}

// slowError is what net/http says of a handshake that takes too long.
type slowError struct{}

func (slowError) Error() string   { return "net/http: TLS handshake timeout" }
func (slowError) Timeout() bool   { return true }
func (slowError) Temporary() bool { return true }

func TestExplain(t *testing.T) {
	notAfter := time.Date(2026, 2, 3, 4, 5, 0, 0, time.UTC)
	expired := x509.CertificateInvalidError{Cert: &x509.Certificate{NotAfter: notAfter}, Reason: x509.Expired, Detail: "current time 2026-11-23T00:00:00Z is after 2026-02-03T04:05:00Z"}
	early := x509.CertificateInvalidError{Cert: &x509.Certificate{NotBefore: notAfter}, Reason: x509.Expired, Detail: "current time 2026-01-01T00:00:00Z is before 2026-02-03T04:05:00Z"}
	nodes := schema.GroupResource{Resource: "nodes"}
	for name, tt := range map[string]struct {
		err  error
		kind cluster.TroubleKind
		says string
	}{
		"401": {apierrors.NewUnauthorized("Unauthorized"), cluster.TroubleUnauthorized, "does not know these credentials"},
		"403 in the cluster": {
			forbiddenBy(`nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope`),
			cluster.TroubleForbidden, `list nodes: user "jane" may not list nodes in the whole cluster: it needs a role with the verb list on nodes`,
		},
		"403 in a namespace": {
			forbiddenBy(`kustomizations.kustomize.toolkit.fluxcd.io "web" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "kustomizations" in API group "kustomize.toolkit.fluxcd.io" in the namespace "apps"`),
			cluster.TroubleForbidden, `user "system:serviceaccount:a:b" may not patch kustomizations.kustomize.toolkit.fluxcd.io in namespace apps`,
		},
		"403 of a path":            {forbiddenBy(`forbidden: User "system:anonymous" cannot get path "/apis"`), cluster.TroubleForbidden, `user "system:anonymous" may not get /apis`},
		"403 of an admission hook": {forbiddenBy(`admission webhook "x" denied the request`), cluster.TroubleForbidden, `not allowed: admission webhook "x" denied`},
		"404":                      {apierrors.NewNotFound(nodes, "talos-test09"), cluster.TroubleNotFound, `there is no node "talos-test09"`},
		"404 of a kind":            {apierrors.NewGenericServerResponse(404, "get", nodes, "", "404 page not found", 0, true), cluster.TroubleNotFound, "does not serve this kind"},
		"410":                      {apierrors.NewResourceExpired("too old resource version"), cluster.TroubleOther, "no longer has this version"},
		"409":                      {apierrors.NewConflict(nodes, "a", errors.New("modified")), cluster.TroubleOther, "changed meanwhile"},
		"422":                      {apierrors.NewInvalid(schema.GroupKind{Kind: "Node"}, "a", nil), cluster.TroubleOther, "rejected the request"},
		"429":                      {apierrors.NewTooManyRequests("slow down", 1), cluster.TroubleOther, "refuses for now"},
		"500":                      {apierrors.NewInternalError(errors.New("etcd is on fire")), cluster.TroubleOther, "etcd is on fire"},
		"503":                      {apierrors.NewServiceUnavailable("apiserver is shutting down"), cluster.TroubleGoingAway, "not available"},
		"504":                      {apierrors.NewTimeoutError("etcd is slow", 1), cluster.TroubleTimeout, "ran out of time"},
		"405":                      {apierrors.NewMethodNotSupported(nodes, "watch"), cluster.TroubleUnimplemented, "does not support this"},
		"refused":                  {dialError(syscall.ECONNREFUSED), cluster.TroubleRefused, "192.168.13.10:6443 refuses the connection"},
		"no route":                 {dialError(syscall.EHOSTUNREACH), cluster.TroubleNoRoute, "no route to the API server at 192.168.13.10:6443"},
		"no network":               {dialError(syscall.ENETUNREACH), cluster.TroubleNoRoute, "no route"},
		"reset":                    {dialError(syscall.ECONNRESET), cluster.TroubleReset, "dropped the connection"},
		"end":                      {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), cluster.TroubleReset, "dropped the connection"},
		"dns":                      {dialError(&net.DNSError{Name: "k8s.home.arpa", IsNotFound: true}), cluster.TroubleDNS, `"k8s.home.arpa" is not found`},
		"dns timeout":              {dialError(&net.DNSError{Name: "k8s.home.arpa", IsTimeout: true}), cluster.TroubleTimeout, "does not answer"},
		"deadline":                 {fmt.Errorf("get: %w", context.DeadlineExceeded), cluster.TroubleTimeout, "does not answer"},
		"handshake":                {&url.Error{Op: "Get", URL: "x", Err: slowError{}}, cluster.TroubleTimeout, "does not answer"},
		"ping":                     {errors.New("http2: client connection lost"), cluster.TroubleTimeout, "does not answer"},
		"watch, ping":              {streamBroke("http2: client connection lost"), cluster.TroubleTimeout, "does not answer any more"},
		"watch, reset":             {streamBroke("read tcp: connection reset by peer"), cluster.TroubleReset, "was reset"},
		"watch, going away":        {streamBroke("http2: server sent GOAWAY and closed the connection"), cluster.TroubleGoingAway, "ended the connection"},
		"watch, garbage":           {streamBroke("proto: illegal tag 0"), cluster.TroubleOther, "illegal tag"},
		"unknown CA":               {&url.Error{Op: "Get", URL: "x", Err: x509.UnknownAuthorityError{}}, cluster.TroubleUnknownCA, "not signed by the kubeconfig's certificate authority"},
		"server expired":           {expired, cluster.TroubleExpired, "expired on 2026-02-03 04:05 UTC"},
		"server too early":         {early, cluster.TroubleNotYetValid, "valid from 2026-02-03 04:05 UTC on"},
		"wrong name":               {x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "b"}, cluster.TroubleWrongName, "for another name"},
		"client expired":           {errors.New("remote error: tls: expired certificate"), cluster.TroubleExpired, "client certificate expired"},
		"client required":          {errors.New("remote error: tls: certificate required"), cluster.TroubleCertRequired, "demands a client certificate"},
		"client rejected":          {errors.New("remote error: tls: bad certificate"), cluster.TroubleUnknownCA, "rejects the client certificate: bad certificate"},
		"plain http":               {errors.New("http: server gave HTTP response to HTTPS client"), cluster.TroubleOther, "does not speak TLS"},
		"something else":           {errors.New("odd \x1b[31mthing"), cluster.TroubleOther, "list nodes: odd thing"},
		"explained before":         {fmt.Errorf("again: %w", &cluster.Trouble{Kind: cluster.TroubleDNS, What: "as it was"}), cluster.TroubleDNS, "as it was"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Explain(tt.err, "list nodes")
			checkTrouble(t, got, tt.kind, tt.says)
			if strings.ContainsRune(got.What+got.Raw+got.Do, '\x1b') {
				t.Errorf("control sequences: %+v", got)
			}
		})
	}
	if Explain(nil, "x") != nil {
		t.Error("no error is a trouble")
	}
	if got := Explain(expired, "x"); !got.Until.Equal(notAfter) {
		t.Errorf("until %v", got.Until)
	}
}
