package talosd

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// writer makes lines of one log: how often, and what they say.
type writer struct {
	mean time.Duration
	line func(n *Node) func(rng *rand.Rand, at time.Time) string
}

// writers are the logs that grow by themselves. The kubelets of the four nodes
// of the reference cluster write about two lines a second together.
var writers = map[string]writer{
	"kubelet":            {1800 * time.Millisecond, kubeletLines},
	"etcd":               {9 * time.Second, etcdLines},
	"containerd":         {90 * time.Second, containerdLines},
	"cri":                {7 * time.Second, criLines},
	"trustd":             {120 * time.Second, trustdLines},
	"controller-runtime": {11 * time.Second, controllerLines},
	"dns-resolve-cache":  {45 * time.Second, dnsLines},
	"dmesg":              {75 * time.Second, kernelLines},
	"udevd":              {10 * time.Minute, plainLines("Network interface NamePolicy= disabled on kernel command line.")},
	"syslogd":            {4 * time.Minute, plainLines("<30>systemd-udevd: Configuration is up to date.")},
}

// generator makes the writer of a log for one boot; nil for a log that only
// gets lines when something happens.
func (n *Node) generator(id, bootID string) *generator {
	if strings.Contains(id, "/") {
		return n.containerGenerator(id, bootID)
	}
	w, ok := writers[id]
	if !ok {
		return nil
	}
	return &generator{rng: n.random("log/" + id + bootID), mean: w.mean, line: w.line(n)}
}

// containerPace is the mean time between two lines of a container.
const containerPace = 2500 * time.Millisecond

// containerGenerator makes the writer of a container's log, whose id is
// namespace/pod:container:id.
func (n *Node) containerGenerator(id, bootID string) *generator {
	g := &generator{mean: containerPace}
	pod, rest, _ := strings.Cut(id, ":")
	container, short, _ := strings.Cut(rest, ":")
	if source := n.c.opts.PodLog; source != nil {
		namespace, name, _ := strings.Cut(pod, "/")
		g.source = func(from, to time.Time, limit int) []PodLine {
			return source(namespace, name, container, short, from, to, limit)
		}
		g.stream = "stdout"
		if strings.HasPrefix(container, "kube-") {
			g.stream = "stderr"
		}
		return g
	}
	g.rng, g.line = n.random("log/"+id+bootID), criContainerLines(id)(n)
	return g
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

// klogTime is the kubelet's JSON timestamp: milliseconds with four decimals.
func klogTime(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixNano()/100)/1e4, 'f', -1, 64)
}

// kubeletLines write about the pods that were there when the log was first read.
func kubeletLines(n *Node) func(*rand.Rand, time.Time) string {
	name, pods := n.spec.Name, n.pods()
	if len(pods) == 0 {
		pods = []Pod{{Namespace: "apps", Name: "web-8cc4f4b54-gth77", UID: uuid(n.random("pod"))}}
	}
	return func(rng *rand.Rand, at time.Time) string {
		ts := klogTime(at)
		pod := pods[rng.IntN(len(pods))]
		switch roll := rng.IntN(100); {
		case roll < 34:
			return fmt.Sprintf(`{"ts":%s,"caller":"pods/server.go:177","msg":"Pod update broadcasted","v":0,"podUID":%q,"type":"MODIFIED"}`, ts, pod.UID)
		case roll < 58:
			volume := pick(rng, "config", "secrets", "kube-api-access-tmdgg", "tmp")
			return fmt.Sprintf(`{"ts":%s,"caller":"reconciler/reconciler_common.go:251","msg":"operationExecutor.VerifyControllerAttachedVolume started for volume \"%s\" (UniqueName: \"kubernetes.io/projected/%s-%s\") pod \"%s\" (UID: \"%s\") ","v":0,"pod":{"name":%q,"namespace":%q}}`, ts, volume, pod.UID, volume, pod.Name, pod.UID, pod.Name, pod.Namespace)
		case roll < 74:
			return fmt.Sprintf(`{"ts":%s,"caller":"prober/prober.go:120","msg":"Probe succeeded","v":0,"probeType":%q,"node":{"name":%q}}`, ts, pick(rng, "Readiness", "Liveness"), name)
		case roll < 86:
			return fmt.Sprintf(`{"ts":%s,"caller":"util/pod_startup_latency_tracker.go:144","msg":"Observed pod startup duration","v":0,"pod":{"name":%q,"namespace":%q},"podStartSLOduration":%.9f,"podStartE2EDuration":"%.9fs"}`, ts, pod.Name, pod.Namespace, 1+rng.Float64()*3, 1+rng.Float64()*3)
		case roll < 94:
			return fmt.Sprintf(`{"ts":%s,"caller":"kubelet/kubelet_getters.go:264","msg":"Pod status updated","v":0,"pod":{"name":%q,"namespace":%q},"status":"Running"}`, ts, pod.Name, pod.Namespace)
		case roll < 98 && n.spec.ControlPlane:
			return fmt.Sprintf(`{"ts":%s,"caller":"kubelet/kubelet.go:3581","msg":"Failed creating a mirror pod","pod":{"name":"kube-scheduler-%s","namespace":"kube-system"},"err":"pods \"kube-scheduler-%s\" already exists"}`, ts, name, name)
		default:
			return fmt.Sprintf(`{"ts":%s,"caller":"dns/dns.go:154","msg":"Nameserver limits exceeded","err":"Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 169.254.116.108"}`, ts)
		}
	}
}

func etcdLines(n *Node) func(*rand.Rand, time.Time) string {
	return func(rng *rand.Rand, at time.Time) string {
		ts := at.UTC().Format("2006-01-02T15:04:05.000000Z")
		rev := 20000 + int64(n.c.etcd.raftIndex(at))*3/4
		switch roll := rng.IntN(10); {
		case roll < 5:
			return fmt.Sprintf(`{"level":"info","ts":%q,"caller":"mvcc/index.go:194","msg":"compact tree index","revision":%d}`, ts, rev)
		case roll < 8:
			return fmt.Sprintf(`{"level":"info","ts":%q,"caller":"mvcc/kvstore_compaction.go:72","msg":"finished scheduled compaction","compact-revision":%d,"took":"%.6fms","hash":%d,"current-db-size-bytes":%d,"current-db-size":"26 MB","current-db-size-in-use-bytes":%d,"current-db-size-in-use":"12 MB"}`,
				ts, rev, 4+rng.Float64()*30, rng.Uint32(), etcdSize, etcdInUse)
		case roll < 9:
			return fmt.Sprintf(`{"level":"info","ts":%q,"caller":"mvcc/hash.go:151","msg":"storing new hash","hash":%d,"revision":%d,"compact-revision":%d}`, ts, rng.Uint32(), rev, rev-900)
		default:
			return fmt.Sprintf(`{"level":"warn","ts":%q,"caller":"txn/util.go:93","msg":"apply request took too long","took":"%.6fms","expected-duration":"100ms","prefix":"read-only range ","request":"key:\"/registry/leases/kube-node-lease/%s\" limit:1 ","response":"range_response_count:1 size:512"}`,
				ts, 101+rng.Float64()*80, n.spec.Name)
		}
	}
}

func hex(rng *rand.Rand, digits int) string {
	var b strings.Builder
	for b.Len() < digits {
		fmt.Fprintf(&b, "%016x", rng.Uint64())
	}
	return b.String()[:digits]
}

func containerdLines(*Node) func(*rand.Rand, time.Time) string {
	return func(rng *rand.Rand, at time.Time) string {
		ts := at.UTC().Format(time.RFC3339Nano)
		if rng.IntN(3) == 0 {
			return fmt.Sprintf(`time=%q level=info msg="shim disconnected" id=%s namespace=system`, ts, pick(rng, "apid", "trustd"))
		}
		return fmt.Sprintf(`{"address":"unix:///run/containerd/s/%s","level":"info","msg":"connecting to shim %s","namespace":"system","protocol":"ttrpc","time":%q,"version":3}`,
			hex(rng, 64), pick(rng, "apid", "kubelet"), ts)
	}
}

func criLines(*Node) func(*rand.Rand, time.Time) string {
	return func(rng *rand.Rand, at time.Time) string {
		ts := at.UTC().Format(time.RFC3339Nano)
		id := hex(rng, 64)
		switch rng.IntN(4) {
		case 0:
			return fmt.Sprintf(`{"level":"info","msg":"Container to stop \"%s\" must be in running or unknown state, current state \"CONTAINER_EXITED\"","time":%q}`, id, ts)
		case 1:
			return fmt.Sprintf(`{"level":"info","msg":"RemoveContainer for \"%s\" returns successfully","time":%q}`, id, ts)
		case 2:
			return fmt.Sprintf(`{"level":"info","msg":"ImageUpdate event name:\"sha256:%s\" labels:{key:\"io.cri-containerd.image\" value:\"managed\"}","time":%q}`, id, ts)
		default:
			return fmt.Sprintf(`{"level":"info","msg":"StartContainer for \"%s\" returns successfully","time":%q}`, id, ts)
		}
	}
}

func trustdLines(n *Node) func(*rand.Rand, time.Time) string {
	return func(rng *rand.Rand, at time.Time) string {
		return fmt.Sprintf("%s log.go:106: OK [/securityapi.SecurityService/Certificate] %.6fms unary Success (:authority=%s:50001;content-type=application/grpc)",
			at.UTC().Format("2006/01/02 15:04:05.000000"), 0.4+rng.Float64(), n.spec.Address)
	}
}

// controllerLines carry colour codes, as the real log does.
func controllerLines(n *Node) func(*rand.Rand, time.Time) string {
	return func(rng *rand.Rand, at time.Time) string {
		head := at.UTC().Format("2006-01-02T15:04:05.000Z") + " \x1b[35mDEBUG\x1b[0m "
		if !n.spec.ControlPlane || rng.IntN(2) == 0 {
			other := n.c.nodes[rng.IntN(len(n.c.nodes))]
			return head + fmt.Sprintf(`discovered affiliate {"component": "controller-runtime", "controller": "cluster.DiscoveryServiceController", "id": "service/%s", "via": "default"}`, other.nodeID())
		}
		return head + fmt.Sprintf(`serving static pod manifests {"component": "controller-runtime", "controller": "k8s.StaticPodServerController", "size": %d}`, 14560+rng.IntN(3))
	}
}

func dnsLines(*Node) func(*rand.Rand, time.Time) string {
	return func(rng *rand.Rand, at time.Time) string {
		head := at.UTC().Format("2006-01-02T15:04:05.000Z") + " \x1b[35mDEBUG\x1b[0m "
		return head + fmt.Sprintf(`dns response {"component": "dns-resolve-cache", "question": "%s. IN A", "rcode": "NOERROR", "took": "%.3fms"}`,
			pick(rng, "discovery.talos.dev", "ghcr.io", "time.cloudflare.com", "registry.k8s.io"), rng.Float64()*20)
	}
}

func kernelLines(*Node) func(*rand.Rand, time.Time) string {
	return func(rng *rand.Rand, at time.Time) string {
		head := fmt.Sprintf("kern:    info: [%s]: ", at.UTC().Format(time.RFC3339Nano))
		veth := fmt.Sprintf("veth%08x", rng.Uint32())
		switch rng.IntN(4) {
		case 0:
			return head + "cni0: port " + strconv.Itoa(1+rng.IntN(20)) + "(" + veth + ") entered forwarding state"
		case 1:
			return head + veth + ": entered promiscuous mode"
		case 2:
			return head + "rk_gmac-dwmac fe1c0000.ethernet end0: Link is Up - 1Gbps/Full - flow control rx/tx"
		default:
			return head + "eth0: renamed from tmp" + hex(rng, 5)
		}
	}
}

func plainLines(text string) func(*Node) func(*rand.Rand, time.Time) string {
	return func(*Node) func(*rand.Rand, time.Time) string {
		return func(_ *rand.Rand, at time.Time) string {
			return at.UTC().Format("2006/01/02 15:04:05.000000") + " " + text
		}
	}
}

// criContainerLines are raw lines of the container runtime: time, stream, a
// mark for whole lines, text.
func criContainerLines(id string) func(*Node) func(*rand.Rand, time.Time) string {
	return func(*Node) func(*rand.Rand, time.Time) string {
		return func(rng *rand.Rand, at time.Time) string {
			utc := at.UTC()
			return fmt.Sprintf("%s stderr F I%s       1 %s", utc.Format(time.RFC3339Nano), utc.Format("0102 15:04:05.000000"),
				pick(rng,
					`trace.go:236] Trace: "List" url:/api/v1/pods,user-agent:kube-controller-manager (`+id+`)`,
					`httplog.go:134] "HTTP" verb="GET" URI="/readyz" latency="1.2ms" resp=200`,
					`leaderelection.go:281] successfully renewed lease kube-system/kube-scheduler`,
					`cidrallocator.go:277] updated ClusterIP allocator for Service CIDR`))
		}
	}
}
