package session

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/kube"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// kubeSide opens the Kubernetes client, again and again until a kubeconfig can
// be used, and then runs everything that reads the Kubernetes API.
func (l *link) kubeSide(ctx context.Context, f Found) {
	client := l.openKube(ctx, f)
	if client == nil {
		return
	}
	l.kube.Store(client)
	l.evidence.set(func(e *evidence) { e.kubeCA, e.server = client.Config().CA, feed.Clean(client.Config().Server) })
	l.start(func() { client.WatchHealth(ctx, l.tellHealth) })
	l.start(func() { client.WatchNodes(ctx, l.tellNodes) })
	l.start(func() { client.WatchPodCounts(ctx, l.tellPods) })
	client.WatchFlux(ctx, l.tellFlux)
}

func (l *link) openKube(ctx context.Context, f Found) *kube.Client {
	for {
		cfg, err := l.kubeConfig(ctx, f)
		if cfg != nil {
			l.tellKubeconfig(cfg)
		}
		if err == nil {
			var client *kube.Client
			if client, err = kube.Open(cfg, kube.Options{Version: l.s.opts.Version, Go: l.s.opts.Go}); err == nil {
				l.status.trouble(fromKubeconfig)
				return client
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		t := trouble(err)
		l.status.trouble(fromKubeconfig, t)
		l.inv.tell(func(in *cluster.Input) { in.KubeErr, in.KubeSince = &t, time.Now() })
		l.s.board.Flux.Fail(&t, time.Now())
		if !l.s.sleep(ctx, retryFiles) {
			return nil
		}
	}
}

// kubeConfig reads the kubeconfig files, or fetches one through the Talos API if
// there are none and nobody named one.
func (l *link) kubeConfig(ctx context.Context, f Found) (*kube.Config, error) {
	if len(f.Kubeconfigs) > 0 || f.KubeconfigAsked {
		return kube.LoadConfig(f.Kubeconfigs, l.s.opts.KubeContext)
	}
	talos, err := l.waitTalos(ctx)
	if err != nil {
		return nil, err
	}
	data, err := talos.Kubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := kube.FromBytes(data, "the Talos API", l.s.opts.KubeContext)
	if err == nil {
		l.evidence.set(func(e *evidence) { e.talosCA = cfg.CA })
	}
	return cfg, err
}

func (l *link) waitTalos(ctx context.Context) (*talosapi.Client, error) {
	select {
	case <-l.opened:
		return l.talos.Load(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(retryFiles):
		return nil, &cluster.Trouble{
			Kind: cluster.TroubleMissingFile, What: "no kubeconfig was found",
			Do: "name one with --kubeconfig or $KUBECONFIG; it is fetched through the Talos API as soon as that answers",
		}
	}
}

func (l *link) tellKubeconfig(cfg *kube.Config) {
	l.status.change(func(s *cluster.Status) {
		s.Context, s.Server, s.KubeExpiry = feed.Clean(cfg.Context), feed.Clean(cfg.Server), cfg.Expiry
		if len(cfg.Paths) > 0 {
			s.Kubeconfig = feed.Clean(cfg.Paths[0])
		}
	})
}

func (l *link) tellHealth(h kube.Health) {
	l.status.change(func(s *cluster.Status) {
		s.Kubernetes.Err = h.Err
		if h.Err == nil {
			s.Kubernetes = cluster.Reading[cluster.KubeVersion]{Value: h.Version, At: h.At}
		} else {
			s.Kubernetes.Since = h.Since
		}
	})
	if h.Err != nil {
		l.status.trouble(fromKube, *h.Err)
		return
	}
	l.status.trouble(fromKube)
	l.evidence.set(func(e *evidence) { e.kubeAlive = true })
	l.judge()
}

func (l *link) tellNodes(nodes []cluster.KubeNode, err *cluster.Trouble) {
	now := time.Now()
	if err == nil {
		l.evidence.set(func(e *evidence) { e.nodes = nonNil(nodes) })
		l.judge()
	}
	l.inv.name(func(in *cluster.Input) {
		switch {
		case err == nil:
			in.Kube, in.KubeAt, in.KubeErr, in.KubeSince = nonNil(nodes), now, nil, time.Time{}
		case in.KubeErr == nil:
			in.KubeErr, in.KubeSince = err, now
		default:
			in.KubeErr = err
		}
	})
}

func (l *link) tellPods(counts map[string]cluster.PodCount, err *cluster.Trouble) {
	if counts == nil && err != nil {
		return // never known; the nodes' own trouble says why
	}
	l.inv.tell(func(in *cluster.Input) { in.Pods = counts })
}

// tellFlux shows the list. With trouble some kinds may be followed all the same:
// a list that has changed is news, whatever is missing of it.
func (l *link) tellFlux(list cluster.FluxList, err *cluster.Trouble) {
	cell, now := l.s.board.Flux, time.Now()
	switch {
	case err == nil:
		cell.Set(list, now)
	case list.Installed && !reflect.DeepEqual(list, cell.Load().Value):
		cell.Part(list, err, now)
	default:
		cell.Fail(err, now)
	}
}

// evidenceKeeper gathers the evidence of the same-cluster proof.
type evidenceKeeper struct {
	judging sync.Mutex // held from the evidence to the verdict, so that verdicts come in order

	mu  sync.Mutex
	now evidence
}

func (k *evidenceKeeper) set(change func(*evidence)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.now)
}

func (k *evidenceKeeper) get() evidence {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// judge renews the same-cluster proof, if it comes out differently.
func (l *link) judge() {
	l.evidence.judging.Lock()
	defer l.evidence.judging.Unlock()
	proof, why := prove(l.evidence.get())
	if now := l.status.get(); now.Proof == proof && now.ProofWhy == why {
		return
	}
	l.status.change(func(s *cluster.Status) { s.Proof, s.ProofWhy = proof, why })
}
