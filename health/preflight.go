package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Facts are what the preflight of a node exchange is judged by. A fact that
// could not be read is a Reading without a value, and gives Unknown.
type Facts struct {
	Now       time.Time
	Target    string // name of the node
	Inventory cluster.Inventory
	Status    cluster.Status
	Endpoints cluster.Reading[[]cluster.Endpoint]
	Forecast  cluster.Reading[cluster.Forecast]
	Flux      cluster.Reading[cluster.FluxList]
	Lock      cluster.Reading[cluster.Lock]
	// Rights maps a right, such as "create pods/eviction", to whether the
	// kubeconfig's user has it; nil: not known.
	Rights map[string]bool
}

// MaxAge is how old a fact may be to count as seen.
const MaxAge = 2 * time.Minute

// names of all seventeen checks, in the order of the exchange's documentation.
var names = [...]string{
	"credentials", "clocks", "endpoints", "etcd", "quorum", "other nodes", "nobody else at work",
	"etcd snapshot", "machine config saved", "config to apply", "version and schematic", "install disk",
	"network", "drain forecast", "room for the pods", "Longhorn", "Flux",
}

// Preflight judges whether the target can be exchanged now. It returns all
// seventeen checks in order; those that need what this version cannot read or do
// are NotChecked, never passed.
func Preflight(f Facts) []Check {
	judges := map[int]func(Facts, *Check){
		1: credentials, 2: clocks, 3: endpoints, 4: etcd, 5: quorum, 6: others, 7: alone, 14: drain, 17: flux,
	}
	checks := make([]Check, len(names))
	for i, name := range names {
		c := &checks[i]
		c.Number, c.Name = i+1, name
		judge, made := judges[c.Number]
		if !made {
			c.Verdict, c.Evidence = NotChecked, notChecked[c.Number]
			continue
		}
		judge(f, c)
	}
	return checks
}

var notChecked = map[int]string{
	8:  "the snapshot is taken when the exchange runs",
	9:  "the config is saved when the exchange runs",
	10: "the config to apply is not examined by this version",
	11: "the version to install is not compared by this version",
	12: "the disks of the new machine are known after the swap",
	13: "the links of the new machine are known after the swap",
	15: "requests are not fitted to the other nodes by this version",
	16: "Longhorn is not read by this version",
}

// Summary counts the verdicts: passed, warned, failed, and those that say nothing.
func Summary(checks []Check) (pass, warn, fail, open int) {
	for _, c := range checks {
		switch c.Verdict {
		case Pass:
			pass++
		case WarnV:
			warn++
		case Fail:
			fail++
		case UnknownV, NotChecked:
			open++
		}
	}
	return pass, warn, fail, open
}

func (c *Check) set(v Verdict, evidence, remedy string) {
	c.Verdict, c.Evidence, c.Remedy = v, evidence, remedy
}

// worst sets the verdict if it is worse than the one so far, and keeps the
// details worst first.
func (c *Check) worst(v Verdict, detail string) {
	rank := slices.Index(rising, v)
	if rank > slices.Index(rising, c.Verdict) {
		c.Verdict = v
	}
	at := len(c.ranks)
	for at > 0 && c.ranks[at-1] < rank {
		at--
	}
	c.ranks = slices.Insert(c.ranks, at, rank)
	c.Details = slices.Insert(c.Details, at, detail)
}

var rising = []Verdict{"", Pass, WarnV, UnknownV, Fail}

// conclude writes the evidence: quiet if nothing was found, else the first of
// the worst details.
func (c *Check) conclude(quiet, remedy string) {
	if c.Verdict == "" || c.Verdict == Pass {
		c.Verdict, c.Evidence = Pass, quiet
		return
	}
	c.Remedy = remedy
	c.Evidence = strings.Join(c.Details, "; ")
	if len(c.Details) > 2 {
		c.Evidence = fmt.Sprintf("%s; and %d more", strings.Join(c.Details[:2], "; "), len(c.Details)-2)
	}
}

func target(f Facts) (cluster.Node, bool) {
	for _, n := range f.Inventory.Nodes {
		if n.Name == f.Target {
			return n, true
		}
	}
	return cluster.Node{}, false
}

func controlPlanes(f Facts) (targetIsOne bool, rest []cluster.Node) {
	for _, n := range f.Inventory.Nodes {
		switch {
		case n.Role != cluster.RoleControlPlane:
		case n.Name == f.Target:
			targetIsOne = true
		default:
			rest = append(rest, n)
		}
	}
	return targetIsOne, rest
}

func stale(f Facts, at time.Time) bool { return at.IsZero() || f.Now.Sub(at) > MaxAge }

func reason(t *cluster.Trouble) string {
	if t == nil {
		return "not read yet"
	}
	return t.What
}

// countOf is a number with its noun.
func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
