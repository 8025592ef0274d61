package talosapi

import (
	"google.golang.org/grpc/codes"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// rules are tried in order; the first that matches names the cause. Causes that
// are told by their text come before those that are told by their code alone.
var rules = []rule{
	{
		kind:    cluster.TroubleNotYetValid,
		texts:   []string{"certificate has expired or is not yet valid: current time"},
		without: " is after ",
		says:    "shows a certificate that is not valid yet",
		do:      "compare the clocks of this host and of the node",
	},
	{
		kind:  cluster.TroubleExpired,
		texts: []string{"remote error: tls: expired certificate"},
		says:  "refused the client certificate: it has expired",
		do:    "make a new talosconfig (talosctl config new, or from the cluster's secrets)",
	},
	{
		kind:  cluster.TroubleExpired,
		texts: []string{"certificate has expired"},
		says:  "shows a certificate that has expired",
		do:    "check the clocks of this host and of the node; Talos renews its server certificates by itself",
	},
	{
		kind:  cluster.TroubleCertRequired,
		texts: []string{"tls: certificate required"},
		says:  "wants a client certificate: it is configured and not in maintenance mode",
		do:    "use the talosconfig of its cluster",
	},
	{
		kind:  cluster.TroubleUnknownCA,
		texts: []string{"remote error: tls: unknown certificate authority", "remote error: tls: bad certificate", "remote error: tls: unknown certificate"},
		says:  "refused the client certificate: it is not of this cluster's CA",
		do:    "choose the talosconfig context of this cluster",
	},
	{
		kind:  cluster.TroubleUnknownCA,
		texts: []string{"certificate signed by unknown authority", "x509: invalid signature"},
		says:  "shows a certificate of another CA",
		do:    "the machine is in maintenance mode (no config yet), or it belongs to another cluster",
	},
	{
		kind:  cluster.TroubleWrongName,
		texts: []string{"x509: certificate is valid for", "x509: cannot validate certificate", "doesn't contain any ip sans", "x509: certificate is not valid for"},
		says:  "shows a certificate for other names than the one it was asked by",
		do:    "use one of the node's own addresses, or add this one to machine.certSANs",
	},
	{
		kind:  cluster.TroubleDNS,
		texts: []string{"no such host", "record lookup error", "dial tcp: lookup ", "server misbehaving", "produced zero addresses"},
		says:  "cannot be resolved to an address",
		do:    "use the address in place of the name, or check the DNS servers",
	},
	{
		kind:  cluster.TroubleNoRoute,
		texts: []string{"no route to host", "network is unreachable", "host is down", "host is unreachable"},
		says:  "cannot be reached: no route to host",
		do:    "check that the machine has power and its link is up",
	},
	{
		kind:  cluster.TroubleRefused,
		texts: []string{"connection refused"},
		says:  "refused the connection",
		do:    "the machine answers but its Talos API does not: it is starting or shutting down, or the address is wrong",
	},
	{
		kind:  cluster.TroubleGoingAway,
		texts: []string{"goaway", "graceful_stop", "error reading from server: eof", "transport is closing", "client connection is closing", "invalid watch bookmark", "error reading from server: read tcp"},
		says:  "closed the connection",
		do:    "it is restarting, or its API is",
	},
	{
		kind:  cluster.TroubleReset,
		texts: []string{"connection reset by peer", "broken pipe", "connection aborted"},
		says:  "broke the connection off",
	},
	{
		kind:  cluster.TroubleTimeout,
		texts: []string{"i/o timeout", "connection timed out", "handshake timeout"},
		says:  "did not answer in time",
		do:    "the machine hangs, is switched off, or a firewall drops the packets",
	},
	{
		kind:  cluster.TroubleNoForwarding,
		texts: []string{"no request forwarding"},
		says:  "does not forward calls to other nodes: it is a worker",
		do:    "use control plane nodes as endpoints (talosctl config endpoint ...)",
	},
	{
		kind:  cluster.TroubleUnimplemented,
		codes: []codes.Code{codes.PermissionDenied},
		texts: []string{"is not supported"},
		says:  "does not know this",
	},
	{
		kind:  cluster.TroubleForbidden,
		codes: []codes.Code{codes.PermissionDenied},
		says:  "refused: the role of this talosconfig does not allow it",
		do:    "use a talosconfig with a role that does, such as os:admin",
	},
	{
		kind:  cluster.TroubleUnauthorized,
		codes: []codes.Code{codes.Unauthenticated},
		says:  "did not accept the credentials",
		do:    "check the talosconfig context",
	},
	{
		kind:  cluster.TroubleNoLeader,
		texts: []string{"etcdserver: no leader", "etcdserver: leader changed"},
		says:  "says that etcd has no leader",
		do:    "a majority of the etcd members must be up",
	},
	{
		kind:  cluster.TroubleNotFound,
		texts: []string{"was not registered", "not defined"},
		says:  "does not have it",
	},
	{
		kind:  cluster.TroubleNotFound,
		codes: []codes.Code{codes.NotFound},
		says:  "does not have it",
	},
	{
		kind:  cluster.TroubleUnimplemented,
		texts: []string{"is not supported in container mode", "operation via api", "one-2-many proxying is not supported"},
		says:  "does not support this",
	},
	{
		kind:  cluster.TroubleUnimplemented,
		codes: []codes.Code{codes.Unimplemented},
		says:  "does not support this",
	},
	{
		kind:  cluster.TroubleTimeout,
		codes: []codes.Code{codes.DeadlineExceeded},
		says:  "did not answer in time",
		do:    "the machine hangs, is switched off, or a firewall drops the packets",
	},
	{
		kind:  cluster.TroubleGoingAway,
		codes: []codes.Code{codes.Canceled},
		says:  "was not asked to the end: the call was cancelled",
	},
}
