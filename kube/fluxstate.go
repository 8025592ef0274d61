package kube

import (
	"regexp"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// The condition types and reasons of Flux that decide the state; the values are
// those of github.com/fluxcd/pkg/apis/meta.
const (
	condReady       = "Ready"
	condStalled     = "Stalled"
	condReconciling = "Reconciling"

	reasonDependency = "DependencyNotReady"
	reasonProgress   = "Progressing"
	reasonRetries    = "RetriesExceeded"

	statusTrue, statusFalse = "True", "False"
)

// generations says which generation of the object each condition is about.
type generations struct {
	object   int64            // metadata.generation
	observed int64            // status.observedGeneration; failing objects keep the last good one there
	of       map[string]int64 // condition type -> its observedGeneration; 0: not written
}

// about is the generation that a condition speaks of.
func (g generations) about(condition string) int64 {
	if n := g.of[condition]; n > 0 {
		return n
	}
	return g.observed
}

func (g generations) current(condition string) bool { return g.about(condition) >= g.object }

// fluxState is the state of an object that is not suspended, and the reason and
// the message to show. A condition about an older generation decides nothing: an
// object that was changed is never ready before its controller has said so.
func fluxState(conditions []cluster.Condition, g generations) (state cluster.FluxState, reason, message string) {
	ready, hasReady := find(conditions, condReady)
	stalled, hasStalled := find(conditions, condStalled)
	busy, hasBusy := find(conditions, condReconciling)
	reconciling := hasBusy && busy.Status == statusTrue && g.current(condReconciling)
	switch {
	case hasStalled && stalled.Status == statusTrue && g.current(condStalled):
		return cluster.FluxStalled, stalled.Reason, stalledMessage(ready, stalled)
	case !hasReady && reconciling, hasReady && !g.current(condReady) && reconciling:
		return cluster.FluxReconciling, busy.Reason, busy.Message
	case !hasReady:
		return cluster.FluxUnknown, "", "its controller has not said anything yet"
	case !g.current(condReady):
		return cluster.FluxUnknown, ready.Reason, "its controller has not seen the last change yet; before it: " + ready.Message
	}
	switch ready.Status {
	case statusTrue:
		return readyState(ready, busy, g, reconciling)
	case statusFalse:
		return notReadyState(ready), ready.Reason, ready.Message
	default:
		if reconciling || ready.Reason == reasonProgress {
			return cluster.FluxReconciling, ready.Reason, ready.Message
		}
		return cluster.FluxUnknown, ready.Reason, ready.Message
	}
}

// readyState is for Ready=True about the current generation.
func readyState(ready, busy cluster.Condition, g generations, reconciling bool) (cluster.FluxState, string, string) {
	switch {
	case reconciling:
		return cluster.FluxReconciling, busy.Reason, busy.Message
	case g.observed < g.object:
		return cluster.FluxReconciling, ready.Reason, ready.Message
	default:
		return cluster.FluxReady, ready.Reason, ready.Message
	}
}

// notReadyState is for Ready=False about the current generation. A controller
// that retries says Reconciling=True beside it: that is a failure all the same.
func notReadyState(ready cluster.Condition) cluster.FluxState {
	switch ready.Reason {
	case reasonDependency:
		return cluster.FluxWaiting
	case reasonProgress:
		return cluster.FluxReconciling
	case reasonRetries:
		return cluster.FluxStalled
	default:
		return cluster.FluxFailed
	}
}

// stalledMessage tells what failed, and why it is not tried again.
func stalledMessage(ready, stalled cluster.Condition) string {
	switch {
	case ready.Status != statusFalse || ready.Message == "" || strings.Contains(stalled.Message, ready.Message):
		return stalled.Message
	case stalled.Message == "" || strings.Contains(ready.Message, stalled.Message):
		return ready.Message
	default:
		return ready.Message + " (" + stalled.Message + ")"
	}
}

func find(conditions []cluster.Condition, kind string) (cluster.Condition, bool) {
	for _, c := range conditions {
		if c.Type == kind {
			return c, true
		}
	}
	return cluster.Condition{}, false
}

var (
	digested = regexp.MustCompile(`^(?:(.*)@)?(sha1|sha256|sha384|sha512):([0-9a-f]{7})[0-9a-f]*$`)
	oldStyle = regexp.MustCompile(`^(.+)/([0-9a-f]{7})[0-9a-f]{33}$`)
	hexTail  = regexp.MustCompile(`^(.+\+)([0-9a-f]{7})[0-9a-f]{5,}$`)
)

// ShortRevision shortens a revision as Flux writes it: main@sha1:1c9f3e2...
// becomes main@1c9f3e2, an OCI latest@sha256:ab12... becomes latest@ab12..., a
// bare digest keeps its algorithm, and a chart version stays as it is.
func ShortRevision(revision string) string {
	if m := digested.FindStringSubmatch(revision); m != nil {
		if m[1] == "" {
			return m[2] + ":" + m[3]
		}
		return shortRef(m[1]) + "@" + m[3]
	}
	if m := oldStyle.FindStringSubmatch(revision); m != nil {
		return shortRef(m[1]) + "@" + m[2]
	}
	if m := hexTail.FindStringSubmatch(revision); m != nil {
		return m[1] + m[2]
	}
	return revision
}

func shortRef(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}
