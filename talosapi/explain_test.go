package talosapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

func TestExplain(t *testing.T) {
	dial := func(end string) string {
		return `connection error: desc = "transport: Error while dialing: dial tcp 10.5.0.99:50000: connect: ` + end + `"`
	}
	shake := func(end string) string {
		return `connection error: desc = "transport: authentication handshake failed: ` + end + `"`
	}
	for _, tc := range []struct {
		code codes.Code
		text string
		want cluster.TroubleKind
	}{
		{codes.Unavailable, dial("no route to host"), cluster.TroubleNoRoute},
		{codes.Unavailable, dial("network is unreachable"), cluster.TroubleNoRoute},
		{codes.Unavailable, dial("connection refused"), cluster.TroubleRefused},
		{codes.Unavailable, dial("connection timed out"), cluster.TroubleTimeout},
		{codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp 10.5.0.99:50000: i/o timeout"`, cluster.TroubleTimeout},
		{codes.Unavailable, "dns: A record lookup error: lookup talos-node-2 on 10.5.0.1:53: read udp 10.5.0.2:47222->10.5.0.1:53: read: connection refused", cluster.TroubleDNS},
		{codes.Unavailable, "dns: A record lookup error: lookup nosuch.invalid on 10.5.0.1:53: read udp 10.5.0.2:36877->10.5.0.1:53: i/o timeout", cluster.TroubleDNS},
		{codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp: lookup cp.test: no such host"`, cluster.TroubleDNS},
		{codes.Unavailable, shake("tls: failed to verify certificate: x509: certificate signed by unknown authority"), cluster.TroubleUnknownCA},
		{codes.Unavailable, shake("tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-23T06:00:00Z is after 2026-11-01T00:00:00Z"), cluster.TroubleExpired},
		{codes.Unavailable, shake("tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-23T06:00:00Z is before 2026-12-01T00:00:00Z"), cluster.TroubleNotYetValid},
		{codes.Unavailable, shake("tls: failed to verify certificate: x509: certificate is valid for 10.5.0.2, 127.0.0.1, not 10.5.0.9"), cluster.TroubleWrongName},
		{codes.Unavailable, `connection error: desc = "error reading server preface: remote error: tls: certificate required"`, cluster.TroubleCertRequired},
		{codes.Unavailable, `connection error: desc = "error reading server preface: remote error: tls: expired certificate"`, cluster.TroubleExpired},
		{codes.Unavailable, `connection error: desc = "error reading server preface: remote error: tls: unknown certificate authority"`, cluster.TroubleUnknownCA},
		{codes.Unavailable, `connection error: desc = "error reading server preface: read tcp 10.5.0.1:4->10.5.0.2:50000: read: connection reset by peer"`, cluster.TroubleReset},
		{codes.Unavailable, `closing transport due to: connection error: desc = "error reading from server: EOF", received prior goaway: code: NO_ERROR, debug data: "graceful_stop"`, cluster.TroubleGoingAway},
		{codes.Unavailable, "error reading from server: EOF", cluster.TroubleGoingAway},
		{codes.FailedPrecondition, "invalid watch bookmark", cluster.TroubleGoingAway},
		{codes.PermissionDenied, "no request forwarding", cluster.TroubleNoForwarding},
		{codes.PermissionDenied, "not authorized", cluster.TroubleForbidden},
		{codes.PermissionDenied, `resource type "Nosuch.talos.dev" is not supported`, cluster.TroubleUnimplemented},
		{codes.Unauthenticated, "missing token", cluster.TroubleUnauthorized},
		{codes.NotFound, "resource HostnameStatuses.net.talos.dev(network/nope@undefined) doesn't exist", cluster.TroubleNotFound},
		{codes.Unknown, `log "nosuch" was not registered`, cluster.TroubleNotFound},
		{codes.Unknown, `service "nosuch" not defined`, cluster.TroubleNotFound},
		{codes.Unknown, `service "etcd" doesn't support restart operation via API`, cluster.TroubleUnimplemented},
		{codes.Unimplemented, "member list is only available on control plane nodes", cluster.TroubleUnimplemented},
		{codes.FailedPrecondition, "method is not supported in container mode", cluster.TroubleUnimplemented},
		{codes.InvalidArgument, "one-2-many proxying is not supported for method /cosi.resource.State/List", cluster.TroubleUnimplemented},
		{codes.Unknown, "etcdserver: no leader", cluster.TroubleNoLeader},
		{codes.Unavailable, "etcdserver: no leader", cluster.TroubleNoLeader},
		{codes.DeadlineExceeded, "context deadline exceeded", cluster.TroubleTimeout},
		{codes.DeadlineExceeded, "stream terminated by RST_STREAM with error code: CANCEL", cluster.TroubleTimeout},
		{codes.AlreadyExists, "etcd data directory is not empty", cluster.TroubleOther},
		{codes.Unknown, `failed to reset: volume "STATE" is not located and doesn't reside on another volume`, cluster.TroubleOther},
	} {
		for _, err := range []error{status.Error(tc.code, tc.text), fmt.Errorf("wrapped: %w", status.Error(tc.code, tc.text))} {
			got := talosapi.Explain(err, "talos-node-2 (10.5.0.3)")
			if got.Kind != tc.want || !strings.HasPrefix(got.What, "talos-node-2 (10.5.0.3)") || got.Raw == "" {
				t.Errorf("%v %s:\n is %q, %q; want %q", tc.code, tc.text, got.Kind, got.What, tc.want)
			}
			if strings.Contains(got.Error(), "rpc error") || strings.Contains(got.Error(), "desc =") {
				t.Errorf("not plain words: %s", got)
			}
		}
	}
}

func TestExplainTellsDates(t *testing.T) {
	err := status.Error(codes.Unavailable, "x509: certificate has expired or is not yet valid: current time 2026-11-23T06:00:00Z is after 2026-11-01T00:00:00Z")
	got := talosapi.Explain(err, "n")
	if !got.Until.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) || !strings.Contains(got.What, "2026-11-01") {
		t.Errorf("until %v in %q", got.Until, got.What)
	}
}

func TestExplainOtherErrors(t *testing.T) {
	if talosapi.Explain(nil, "n") != nil {
		t.Error("no error is a trouble")
	}
	own := &cluster.Trouble{Kind: cluster.TroubleDNS, What: "x"}
	if talosapi.Explain(fmt.Errorf("wrapped: %w", own), "n") != own {
		t.Error("a trouble is made anew")
	}
	for want, err := range map[cluster.TroubleKind]error{
		cluster.TroubleTimeout:   fmt.Errorf("call: %w", context.DeadlineExceeded),
		cluster.TroubleGoingAway: io.EOF,
		cluster.TroubleOther:     errors.New("what"),
	} {
		if got := talosapi.Explain(err, "n"); got.Kind != want {
			t.Errorf("%v is %q, want %q", err, got.Kind, want)
		}
	}
	hostile := talosapi.Explain(status.Error(codes.Unknown, "\x1b]0;owned\x07\x1b[31mred\u202egnp.\n"+strings.Repeat("y", 5000)), "evil\x1b[2Jnode")
	if text := hostile.Error() + hostile.Raw; strings.ContainsAny(text, "\x1b\x07\u202e") || len(text) > 2000 {
		t.Errorf("hostile text is told: %.100q, %d bytes", text, len(text))
	}
}

// TestExplainSamples reads the errors that real nodes gave: none may be without a name.
func TestExplainSamples(t *testing.T) {
	re := regexp.MustCompile(`code = (\w+) desc = (.*)$`)
	count := 0
	for _, file := range []string{"down-endpoint", "down-node", "down-node-mixed", "maintenance-probe", "logs-unknown"} {
		text, err := os.ReadFile("../../shared/samples/talos/" + file + ".txt")
		if err != nil {
			t.Skip("the samples of real nodes are not here: ../shared/samples/talos")
		}
		for line := range strings.Lines(string(text)) {
			m := re.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil {
				continue
			}
			count++
			var code codes.Code
			if err := code.UnmarshalJSON([]byte(`"` + strings.ToUpper(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(m[1], "${1}_$2")) + `"`)); err != nil {
				t.Fatal(err)
			}
			if got := talosapi.Explain(status.Error(code, m[2]), "n"); got.Kind == cluster.TroubleOther {
				t.Errorf("%s: %q has no name", file, m[0])
			}
		}
	}
	if count == 0 {
		t.Error("the samples hold no errors")
	}
}
