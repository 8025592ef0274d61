package bed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Networks of the reference cluster. Nothing is routed there: KWOK's pods have
// addresses, but no process behind them.
const (
	podNetwork     = "10.42.0.0/16"
	serviceNetwork = "10.43.0.0/16"
)

func (b *Bed) startControlPlane(ctx context.Context) error {
	kwok, err := b.kwok()
	if err != nil {
		return err
	}
	for _, c := range []command{b.etcd(), b.apiserver(), b.controllerManager(), b.scheduler(), kwok} {
		if err := b.spawn(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bed) port(name string) string { return strconv.Itoa(b.state.Ports[name]) }
func (b *Bed) addr(name string) string { return "127.0.0.1:" + b.port(name) }

// etcd keeps its data in memory pages only (no fsync): a bed need not survive a power cut.
func (b *Bed) etcd() command {
	client, peer := "http://"+b.addr("etcd"), "http://"+b.addr("etcd-peer")
	return command{
		name: "etcd", bin: "etcd",
		args: []string{
			"--name=bed", "--data-dir=" + filepath.Join(b.dir, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
			"--quota-backend-bytes=4294967296",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=bed=" + peer,
		},
		ready: b.healthy(client + "/health"),
	}
}

func (b *Bed) apiserver() command {
	p := b.pki()
	return command{
		name: "kube-apiserver", bin: "kube-apiserver",
		args: []string{
			"--etcd-servers=http://" + b.addr("etcd"),
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + b.port("api"),
			"--client-ca-file=" + p.crt("ca"),
			"--tls-cert-file=" + p.crt("apiserver"), "--tls-private-key-file=" + p.key("apiserver"),
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + filepath.Join(string(p), "sa.pub"),
			"--service-account-signing-key-file=" + p.key("sa"),
			"--service-cluster-ip-range=" + serviceNetwork,
			"--authorization-mode=Node,RBAC", "--allow-privileged=true",
			"--kubelet-client-certificate=" + p.crt("kubelet-client"), "--kubelet-client-key=" + p.key("kubelet-client"),
			"--kubelet-certificate-authority=" + p.crt("ca"),
			// The nodes' InternalIP is the one of the reference cluster; KWOK is
			// reached by their InternalDNS, localhost (see node).
			"--kubelet-preferred-address-types=InternalDNS",
			"--requestheader-client-ca-file=" + p.crt("ca"), "--requestheader-allowed-names=front-proxy-client",
			"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--proxy-client-cert-file=" + p.crt("front-proxy"), "--proxy-client-key-file=" + p.key("front-proxy"),
			"--endpoint-reconciler-type=none",
			"--max-requests-inflight=800", "--max-mutating-requests-inflight=400",
		},
		ready: b.healthy(b.api.base + "/readyz"),
	}
}

func (b *Bed) controllerManager() command {
	p, k := b.pki(), filepath.Join(b.dir, "controller-manager.kubeconfig")
	return command{
		name: "kube-controller-manager", bin: "kube-controller-manager",
		args: append(b.kubeClient(k, "controller-manager"),
			"--use-service-account-credentials=true", "--service-account-private-key-file="+p.key("sa"),
			"--root-ca-file="+p.crt("ca"),
			"--cluster-signing-cert-file="+p.crt("ca"), "--cluster-signing-key-file="+p.key("ca"),
			"--cluster-cidr="+podNetwork, "--allocate-node-cidrs=false",
		),
		ready: b.healthy("https://" + b.addr("controller-manager") + "/healthz"),
	}
}

func (b *Bed) scheduler() command {
	k := filepath.Join(b.dir, "scheduler.kubeconfig")
	return command{
		name: "kube-scheduler", bin: "kube-scheduler",
		args:  b.kubeClient(k, "scheduler"),
		ready: b.healthy("https://" + b.addr("scheduler") + "/healthz"),
	}
}

// kubeClient are the flags that controller manager and scheduler share.
func (b *Bed) kubeClient(kubeconfig, port string) []string {
	p := b.pki()
	return []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port=" + b.port(port),
		"--tls-cert-file=" + p.crt("apiserver"), "--tls-private-key-file=" + p.key("apiserver"),
		"--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400",
	}
}

// StopAPI ends the API server, so that connections to it are refused; everything
// else keeps running. It returns when they are.
func (b *Bed) StopAPI(ctx context.Context) error {
	p, ok := b.state.find("kube-apiserver")
	if !ok || !p.alive() {
		return errors.New("the API server does not run")
	}
	if err := p.stop(true); err != nil {
		return err
	}
	// The system closes the sockets a moment after the process seems gone.
	return b.within(ctx, stopGrace, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", b.addr("api"))
		if err == nil {
			return errors.Join(errors.New("the API server's port is still open"), c.Close())
		}
		return nil
	})
}

// FreezeAPI makes the API server hang: connections are accepted by the system,
// and nothing answers, until StartAPI.
func (b *Bed) FreezeAPI(context.Context) error {
	p, ok := b.state.find("kube-apiserver")
	if !ok || !p.alive() {
		return errors.New("the API server does not run")
	}
	return p.signal(syscall.SIGSTOP)
}

// StartAPI starts the API server again on the same port after StopAPI, or lets it
// go on after FreezeAPI, and returns when it is ready.
func (b *Bed) StartAPI(ctx context.Context) error {
	c := b.apiserver()
	p, ok := b.state.find(c.name)
	if !ok || !p.alive() {
		return b.spawn(ctx, c)
	}
	if err := p.signal(syscall.SIGCONT); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := poll(ctx, c.ready); err != nil {
		return fmt.Errorf("%s: %w%s", c.name, err, tail(b.LogFile(c.name), 20))
	}
	return nil
}
