package cluster

import "time"

// TroubleKind names what an error really is, in the operator's terms.
type TroubleKind string

// The kinds of trouble that the cockpit tells apart.
const (
	TroubleOther          TroubleKind = "error"
	TroubleTimeout        TroubleKind = "timed out"
	TroubleRefused        TroubleKind = "connection refused"
	TroubleNoRoute        TroubleKind = "no route to host"
	TroubleReset          TroubleKind = "connection reset"
	TroubleDNS            TroubleKind = "name not found"
	TroubleExpired        TroubleKind = "certificate expired"
	TroubleNotYetValid    TroubleKind = "certificate not yet valid"
	TroubleUnknownCA      TroubleKind = "unknown CA"
	TroubleCertRequired   TroubleKind = "client certificate required"
	TroubleWrongName      TroubleKind = "certificate for another name"
	TroubleForbidden      TroubleKind = "not authorized"
	TroubleUnauthorized   TroubleKind = "not authenticated"
	TroubleVIPEndpoint    TroubleKind = "VIP as endpoint"
	TroubleNoForwarding   TroubleKind = "endpoint does not forward"
	TroubleNotFound       TroubleKind = "not found"
	TroubleUnimplemented  TroubleKind = "not supported here"
	TroubleNoLeader       TroubleKind = "etcd has no leader"
	TroubleBadFile        TroubleKind = "bad file"
	TroubleMissingFile    TroubleKind = "file missing"
	TroubleGoingAway      TroubleKind = "going away"
	TroubleDifferentPlace TroubleKind = "different clusters"
)

// Trouble is an error named as what it is. It satisfies error.
type Trouble struct {
	Kind TroubleKind `json:"kind"`
	// What says in one clear sentence what happened and where.
	What string `json:"what"`
	// Do says what to do next; empty where there is nothing sensible to say.
	Do string `json:"do,omitempty"`
	// Raw is the original error text, sanitised, for the detail view.
	Raw string `json:"raw,omitempty"`
	// Until is the date that matters, such as the expiry of a certificate; zero if none.
	Until time.Time `json:"until,omitzero"`
}

// Error is the sentence, followed by the advice where there is one.
func (t *Trouble) Error() string {
	if t.Do == "" {
		return t.What
	}
	return t.What + ": " + t.Do
}

// Severity orders states; the worst is the highest. Unknown is worse than warn
// because nothing is known to be well, and never counts as OK.
type Severity int

// The severities, in rising order.
const (
	OK Severity = iota
	Info
	Busy
	Warn
	Unknown
	Bad
)

// String is the severity's name in lower case.
func (s Severity) String() string {
	switch s {
	case OK:
		return "ok"
	case Info:
		return "info"
	case Busy:
		return "busy"
	case Warn:
		return "warn"
	case Unknown:
		return "unknown"
	case Bad:
		return "bad"
	default:
		return "unknown"
	}
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
