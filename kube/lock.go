package kube

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// The Lease that says that somebody is at work on this cluster.
const (
	lockNamespace = "kube-system"
	lockName      = "talos-cockpit"
)

// Lock is the maintenance lock of the cluster.
type Lock struct {
	Holder   string        // who; empty: released
	Since    time.Time     // when it was taken
	Renewed  time.Time     // when it was renewed last
	Duration time.Duration // how long it is held without being renewed
}

// Held reports whether somebody holds the lock at the given time.
func (l Lock) Held(now time.Time) bool {
	return l.Holder != "" && now.Before(l.Renewed.Add(l.Duration))
}

// MaintenanceLock reads the Lease kube-system/talos-cockpit; the zero Lock: there
// is none. The error is a *cluster.Trouble.
func (c *Client) MaintenanceLock(ctx context.Context) (Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var lease coordinationv1.Lease
	err := c.leases.Get().Namespace(lockNamespace).Resource("leases").Name(lockName).Do(ctx).Into(&lease)
	if apierrors.IsNotFound(err) {
		return Lock{}, nil
	}
	if err != nil {
		return Lock{}, c.Explain(err, "read the maintenance lock")
	}
	var l Lock
	s := lease.Spec
	if s.HolderIdentity != nil {
		l.Holder = feed.Clean(*s.HolderIdentity)
	}
	if s.AcquireTime != nil {
		l.Since = s.AcquireTime.Time
	}
	if s.RenewTime != nil {
		l.Renewed = s.RenewTime.Time
	}
	if s.LeaseDurationSeconds != nil {
		l.Duration = time.Duration(*s.LeaseDurationSeconds) * time.Second
	}
	return l, nil
}
