package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/kube"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// retryFiles is how often configuration that cannot be used is looked at again.
const retryFiles = 5 * time.Second

// link is one generation of a session: one talosconfig context, one kubeconfig,
// and all that runs on them.
type link struct {
	s            *Session
	talosContext string
	inv          *inventory
	status       *status
	talos        atomic.Pointer[talosapi.Client]
	kube         atomic.Pointer[kube.Client]
	opened       chan struct{}   // closed once the Talos client is there
	life         context.Context // of the generation, for questions asked on the side
	work         sync.WaitGroup
	evidence     evidenceKeeper
	machines     machines
	rights       rights
}

func newLink(ctx context.Context, s *Session, talosContext string) *link {
	l := &link{
		life: ctx, s: s, talosContext: talosContext, inv: newInventory(s.board.Nodes),
		status: &status{cell: s.board.Status, readOnly: s.opts.ReadOnly},
		opened: make(chan struct{}),
	}
	l.status.now.Demo, l.status.now.Proof = s.opts.Demo, cluster.ProofPending
	return l
}

// run connects both sides, each at its own pace, and waits for everything it
// started once ctx has ended.
func (l *link) run(ctx context.Context) {
	found := Discover(l.s.opts.Places)
	l.tellFound(found)
	l.start(func() { l.inv.run(ctx) })
	l.start(func() { l.watchCheckout(ctx, found) })
	l.start(func() { l.talosSide(ctx, found) })
	l.start(func() { l.kubeSide(ctx, found) })
	l.start(func() { l.logs(ctx) })
	l.start(func() { l.plans(ctx) })
	l.work.Wait()
	if c := l.talos.Load(); c != nil {
		c.Close()
	}
	if c := l.kube.Load(); c != nil {
		c.Close()
	}
}

// start runs f in a goroutine that run waits for.
func (l *link) start(f func()) {
	l.work.Add(1)
	l.s.opts.Go(func() {
		defer l.work.Done()
		f()
	})
}

func (l *link) tellFound(f Found) {
	l.status.change(func(s *cluster.Status) {
		s.Talosconfig = feed.Clean(f.Talosconfig)
		if len(f.Kubeconfigs) > 0 {
			s.Kubeconfig = feed.Clean(f.Kubeconfigs[0])
		}
	})
	l.tellCheckout(f)
}

// tellCheckout hands the checkout to the status and to the inventory.
func (l *link) tellCheckout(f Found) {
	if f.CheckoutErr != nil {
		l.status.trouble(fromCheckout, *f.CheckoutErr)
		l.status.change(func(s *cluster.Status) {
			if s.Checkout.Err == nil {
				s.Checkout.Since = time.Now()
			}
			s.Checkout.Err = f.CheckoutErr
		})
		return
	}
	l.status.trouble(fromCheckout)
	if f.Checkout == nil {
		return
	}
	c := describe(f.Checkout)
	l.status.change(func(s *cluster.Status) {
		s.Checkout = cluster.Reading[cluster.Checkout]{Value: c, At: time.Now()}
		if s.Cluster == "" {
			s.Cluster = c.Cluster
		}
	})
	l.inv.name(func(in *cluster.Input) { in.Checkout = &c })
}

const checkoutEvery = 10 * time.Second

// watchCheckout reads the checkout again when one of its files has changed.
func (l *link) watchCheckout(ctx context.Context, f Found) {
	if f.Talconfig == "" {
		return
	}
	for l.s.sleep(ctx, checkoutEvery) {
		if f.Checkout != nil && f.CheckoutErr == nil && !f.Checkout.Changed() {
			continue
		}
		before := f.CheckoutErr
		if f.Checkout, f.CheckoutErr = loadCheckout(f.Talconfig, l.s.opts.Places.Env); !sameTrouble(before, f.CheckoutErr) || f.CheckoutErr == nil {
			l.tellCheckout(f)
		}
	}
}

func sameTrouble(a, b *cluster.Trouble) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
