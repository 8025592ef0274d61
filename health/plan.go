// Package health judges: pure checks, facts in, findings out. Unknown is never
// counted as passed.
package health

import (
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Verdict is the outcome of one check.
type Verdict string

// The verdicts. NotChecked is for a check that this version cannot make; like
// Unknown it never counts as passed.
const (
	Pass       Verdict = "pass"
	WarnV      Verdict = "warn"
	Fail       Verdict = "fail"
	UnknownV   Verdict = "unknown"
	NotChecked Verdict = "not checked"
)

// Check is one preflight check of the node exchange.
type Check struct {
	Number   int       `json:"number"` // as in the documentation of the exchange
	Name     string    `json:"name"`
	Verdict  Verdict   `json:"verdict"`
	Evidence string    `json:"evidence"`          // what was seen
	Remedy   string    `json:"remedy,omitempty"`  // what to do about it
	Details  []string  `json:"details,omitempty"` // one line each
	Command  string    `json:"command,omitempty"` // the talosctl or kubectl command that shows it
	At       time.Time `json:"at,omitzero"`       // of the oldest fact used

	ranks []int // of Details, while the check is being judged
}

// Step is one step of the plan, for reading.
type Step struct {
	Number  int      `json:"number"`
	Name    string   `json:"name"`
	What    string   `json:"what"`
	Command []string `json:"commands,omitempty"` // equivalent commands
	Asks    bool     `json:"asks"`               // waits for a typed consent
	Final   bool     `json:"irreversible"`
}

// Plan is what an exchange of the node would do, and what speaks against it.
type Plan struct {
	Node   string       `json:"node"`
	Role   cluster.Role `json:"role"`
	Checks []Check      `json:"checks"`
	Steps  []Step       `json:"steps"`
	Refuse string       `json:"refuse,omitempty"` // why it must not start; empty: nothing found
}
