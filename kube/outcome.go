package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

const outcomeEvery = 700 * time.Millisecond

// Outcome follows an object until it has really been reconciled: its controller
// has handled the request and has said ready, failed or stalled about the
// current generation. Handled alone is not done: a suspended object says that
// too. With an empty requestedAt (after Resume) it waits for the current
// generation only. It returns the object as it was seen last; the error, a
// *cluster.Trouble, is nil only if it is ready, and says why it is not, that it
// was suspended meanwhile, or what was still awaited when ctx ended. A server
// that is away for a while is waited for.
func (c *Client) Outcome(ctx context.Context, obj cluster.FluxObject, requestedAt string) (cluster.FluxObject, error) {
	last := obj
	var lost error
	for {
		now, err := c.FluxGet(ctx, obj)
		switch {
		case err == nil:
			last, lost = now, nil
			if done, verdict := verdict(now, requestedAt); done {
				return now, verdict
			}
		case fatal(err):
			return last, err
		case ctx.Err() == nil:
			lost = err
		}
		if !sleep(ctx, outcomeEvery) {
			return last, unfinished(last, requestedAt, lost)
		}
	}
}

// fatal reports an error that waiting does not mend.
func fatal(err error) bool {
	switch Explain(err, "").Kind {
	case cluster.TroubleNotFound, cluster.TroubleForbidden, cluster.TroubleUnauthorized, cluster.TroubleExpired:
		return true
	default:
		return false
	}
}

// verdict reports whether the reconciliation is over, and how it ended.
func verdict(o cluster.FluxObject, requestedAt string) (done bool, err error) {
	if o.Suspended {
		return true, &cluster.Trouble{
			Kind: cluster.TroubleOther, What: name(o.Ref) + " was suspended meanwhile, so nothing was reconciled", Do: "resume it first",
		}
	}
	if !handled(o.Handled, requestedAt) {
		return false, nil
	}
	switch o.State {
	case cluster.FluxReady, cluster.FluxStatic:
		return true, nil
	case cluster.FluxFailed, cluster.FluxStalled:
		return true, &cluster.Trouble{
			Kind: cluster.TroubleOther, What: fmt.Sprintf("%s %s (%s): %s", name(o.Ref), o.State, o.Reason, o.Message),
		}
	case cluster.FluxReconciling, cluster.FluxWaiting, cluster.FluxUnknown, cluster.FluxSuspended:
		return false, nil
	default:
		return false, nil
	}
}

// handled reports whether the controller has handled this request or a later one.
func handled(last, requestedAt string) bool {
	if requestedAt == "" || last == requestedAt {
		return true
	}
	was, err := time.Parse(time.RFC3339Nano, last)
	if err != nil {
		return false
	}
	want, err := time.Parse(time.RFC3339Nano, requestedAt)
	return err == nil && !was.Before(want)
}

// unfinished says what was awaited when the time was over.
func unfinished(o cluster.FluxObject, requestedAt string, lost error) error {
	t := &cluster.Trouble{Kind: cluster.TroubleTimeout, Do: "it may still come: look at the object"}
	switch {
	case lost != nil:
		t.What = fmt.Sprintf("%s: the outcome is not known: %s", name(o.Ref), Explain(lost, "").What)
	case !handled(o.Handled, requestedAt):
		t.What = name(o.Ref) + ": its controller has not taken up the request"
		t.Do = "check that the controller runs"
	default:
		t.What = fmt.Sprintf("%s is still %s: %s", name(o.Ref), o.State, o.Message)
	}
	return t
}
