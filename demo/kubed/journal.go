package kubed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// journal is the log of one run of one container. Its lines are computed from
// the seed and the clock, so nothing is kept and the same moment always had the
// same line.
type journal struct {
	seed      int64
	pod       string
	container string
	restart   int32
	from      time.Time // the container's start
	until     time.Time // its end, or the moment that a still scene stands at; zero is none
	crash     bool      // the last line before until is the reason of its end
	style     func(seed int64, pod string, slot int64, at time.Time) string
	every     time.Duration
}

type logLine struct {
	at   time.Time
	text string
}

// longest is how far back a container's log reaches, as the kubelet rotates it.
const longest = 4 * time.Hour

func (s *Server) journalOf(pod *corev1.Pod, container string, previous bool) journal {
	j := journal{
		seed: s.scene.Seed, pod: pod.Namespace + "/" + pod.Name, container: container,
		from: pod.CreationTimestamp.Time, style: styleOf(container), every: paceOf(container),
	}
	if s.scene.Still {
		j.until = s.sim.began
	}
	for _, st := range pod.Status.ContainerStatuses {
		if st.Name != container {
			continue
		}
		j.restart = st.RestartCount
		last := st.LastTerminationState.Terminated
		if st.State.Running != nil {
			j.from = st.State.Running.StartedAt.Time
		}
		switch {
		case st.State.Terminated != nil:
			j.from, j.until = st.State.Terminated.StartedAt.Time, st.State.Terminated.FinishedAt.Time
			j.crash = st.State.Terminated.ExitCode != 0
		case last != nil && (previous || st.State.Waiting != nil):
			j.from, j.until, j.crash = last.StartedAt.Time, last.FinishedAt.Time, last.ExitCode != 0
		}
	}
	return j
}

// lines returns the lines between from and to, both included, or the last tail of them.
func (j journal) lines(from, to time.Time, tail int) []logLine {
	if !j.until.IsZero() && to.After(j.until) {
		to = j.until
	}
	for _, limit := range []time.Time{j.from, to.Add(-longest)} {
		if from.Before(limit) {
			from = limit
		}
	}
	var out []logLine
	if j.crash && tail != 0 && !j.until.Before(from) && !to.Before(j.until) {
		out = append(out, logLine{j.until, "panic: runtime error: invalid memory address or nil pointer dereference"})
	}
	for slot := to.UnixNano() / int64(j.every); slot >= from.UnixNano()/int64(j.every); slot-- {
		if tail >= 0 && len(out) >= tail {
			break
		}
		line, ok := j.slot(slot)
		if !ok || line.at.Before(from) || line.at.After(to) {
			continue
		}
		out = append(out, line)
	}
	slices.Reverse(out)
	return out
}

// slot is the line that falls into one short span of time, if one does.
func (j journal) slot(n int64) (logLine, bool) {
	v := number(j.seed, j.pod, j.container, strconv.Itoa(int(j.restart)), strconv.FormatInt(n, 10))
	if v%5 > 1 {
		return logLine{}, false
	}
	at := time.Unix(0, n*int64(j.every)+int64(v>>8%uint64(j.every)))
	return logLine{at, j.style(j.seed, j.pod, n, at)}, true
}

// styleOf picks how a container writes, as the real programs do.
func styleOf(container string) func(int64, string, int64, time.Time) string {
	switch {
	case strings.HasPrefix(container, "kube-") || container == "csi-driver" || container == "metrics-server":
		return klogLine
	case container == "manager":
		return zapLine
	case container == "coredns":
		return corednsLine
	case container == "postgres":
		return postgresLine
	case slices.Contains([]string{"prometheus", "grafana", "node-exporter", "cilium-agent", "cilium-operator", "registry"}, container):
		return logfmtLine
	default:
		return plainLine
	}
}

// paceOf is the span of time in which a container may write one line.
func paceOf(container string) time.Duration {
	switch {
	case strings.HasPrefix(container, "kube-apiserver"), container == "coredns", container == "manager":
		return time.Second
	default:
		return 2 * time.Second
	}
}

func pick(seed int64, pod string, slot int64, texts []string) string {
	return texts[number(seed, "text", pod, strconv.FormatInt(slot, 10))%uint64(len(texts))]
}

func klogLine(seed int64, pod string, slot int64, at time.Time) string {
	text := pick(seed, pod, slot, []string{
		`I%s       1 httplog.go:134] "HTTP" verb="LIST" URI="/api/v1/nodes?limit=500" latency="4.116ms" userAgent="kubelet" resp=200`,
		`I%s       1 controller.go:231] "Finished syncing" key="media/sonarr" duration="1.02ms"`,
		`I%s       1 leaderelection.go:297] successfully renewed lease kube-system/kube-scheduler`,
		`W%s       1 reflector.go:561] watch of *v1.ConfigMap ended with: too old resource version`,
		`I%s       1 cidrallocator.go:277] updated ClusterIP allocator for Service CIDR 10.43.0.0/16`,
	})
	return fmt.Sprintf(text, at.UTC().Format("0102 15:04:05.000000"))
}

func zapLine(seed int64, pod string, slot int64, at time.Time) string {
	text := pick(seed, pod, slot, []string{
		`"level":"info","ts":"%s","msg":"server-side apply completed","controller":"kustomization","name":"media","namespace":"flux-system","revision":"main"`,
		`"level":"info","ts":"%s","msg":"Reconciliation finished in 391.2ms, next run in 10m0s","controller":"kustomization","name":"infra","namespace":"flux-system"`,
		`"level":"info","ts":"%s","msg":"artifact up-to-date with remote revision","controller":"gitrepository","name":"flux-system","namespace":"flux-system"`,
		`"level":"info","ts":"%s","msg":"release in-sync with desired state","controller":"helmrelease","name":"sonarr","namespace":"media"`,
	})
	return "{" + fmt.Sprintf(text, at.UTC().Format("2006-01-02T15:04:05.000Z")) + "}"
}

func corednsLine(seed int64, pod string, slot int64, _ time.Time) string {
	return pick(seed, pod, slot, []string{
		`[INFO] 10.42.2.17:41802 - 2210 "A IN postgres.database.svc.cluster.local. udp 58 false 512" NOERROR qr,aa,rd 114 0.000201s`,
		`[INFO] 10.42.1.9:55311 - 9921 "AAAA IN ghcr.io. udp 36 false 1232" NOERROR qr,rd,ra 118 0.012806s`,
		`[INFO] 10.42.3.4:38110 - 4417 "A IN api.themoviedb.org. udp 47 false 1232" NOERROR qr,rd,ra 150 0.021377s`,
		`[WARNING] plugin/health: Local health request to "http://:8080/health" took more than 1s: 1.20s`,
	})
}

func postgresLine(seed int64, pod string, slot int64, at time.Time) string {
	text := pick(seed, pod, slot, []string{
		"LOG:  checkpoint starting: time",
		"LOG:  checkpoint complete: wrote 112 buffers (0.7%), wrote 1 SLRU buffers; 0 WAL file(s) added, 0 removed, 1 recycled",
		"LOG:  automatic vacuum of table \"sonarr.public.History\": index scans: 1",
		"LOG:  connection authorized: user=radarr database=radarr application_name=radarr",
	})
	return at.UTC().Format("2006-01-02 15:04:05.000 UTC") + " [27] " + text
}

func logfmtLine(seed int64, pod string, slot int64, at time.Time) string {
	text := pick(seed, pod, slot, []string{
		`level=info msg="Completed scrape pool sync" component="scrape manager" targets=31`,
		`level=info msg="regenerating all endpoints" subsys=endpoint-manager reason="one or more identities created or deleted"`,
		`level=info msg="write block" component=tsdb mint=1764000000000 duration=1.83s`,
		`level=warn msg="slow request" path=/metrics duration=1.1s`,
		`level=debug msg="resolved endpoint" host=192.168.13.13`,
	})
	return "time=" + at.UTC().Format("2006-01-02T15:04:05.000Z") + " " + text
}

func plainLine(seed int64, pod string, slot int64, at time.Time) string {
	text := pick(seed, pod, slot, []string{
		"[Info] RssSyncService: RSS Sync Completed. Reports found: 100, Reports grabbed: 0",
		"[Info] HousekeepingService: Running housecleaning tasks",
		"[Info] GET /health 200 1.4ms",
		"[Info] Session ended, position saved",
		"[Warn] HttpClient: HTTP Error - Res: HTTP/1.1 [GET] 503.ServiceUnavailable",
		"[Debug] cache: 412 entries, 3 evicted",
	})
	return at.UTC().Format("[2006-01-02 15:04:05.0] ") + text
}
