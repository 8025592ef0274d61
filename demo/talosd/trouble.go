package talosd

import (
	"fmt"
	"time"
)

// restartInterval is how long Talos waits before it starts a service again.
const restartInterval = 5 * time.Second

// CrashKubelet lets the kubelet end with an error; Talos starts it again five
// seconds later. It reports false, and does nothing, when no kubelet runs.
func (n *Node) CrashKubelet() bool {
	return n.trouble(func(l *life, s *service, now time.Time) {
		ts := klogTime(now)
		l.say("kubelet", now, restartInterval,
			fmt.Sprintf(`{"ts":%s,"caller":"kubelet/kubelet.go:2602","msg":"Failed to start cAdvisor","err":"inotify_init: too many open files"}`, ts))
		l.move(s, "Waiting", `Error running Containerd(kubelet), going to restart forever: task "kubelet" failed: exit code 1`, now)
		l.judge(now)
		l.later(restartInterval, func(at time.Time) {
			if s.state != "Waiting" {
				return
			}
			l.move(s, "Running", fmt.Sprintf("Started task kubelet (PID %d) for container kubelet", l.pid()), at)
			l.later(3*time.Second, func(at time.Time) { l.recover(s, at) })
		})
	})
}

// ChokeKubelet lets the kubelet's health check fail for that long, while the
// kubelet runs on. It reports false, and does nothing, when no kubelet runs.
func (n *Node) ChokeKubelet(lasts time.Duration) bool {
	return n.trouble(func(l *life, s *service, now time.Time) {
		ts := klogTime(now)
		l.say("kubelet", now, 0,
			fmt.Sprintf(`{"ts":%s,"caller":"pleg/generic.go:254","msg":"GenericPLEG: Unable to retrieve pods","err":"rpc error: code = DeadlineExceeded desc = context deadline exceeded"}`, ts),
			fmt.Sprintf(`{"ts":%s,"caller":"kubelet/kubelet.go:2560","msg":"Skipping pod synchronization","err":"container runtime is down"}`, ts))
		l.move(s, "Running", healthFailed+`Get "http://127.0.0.1:10248/healthz": context deadline exceeded`, now)
		l.judge(now)
		l.later(lasts, func(at time.Time) { l.recover(s, at) })
	})
}

// KubeletHealthy reports whether the kubelet runs and its last health check was good.
func (n *Node) KubeletHealthy() bool {
	l := n.current()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	s, err := l.find("kubelet")
	return err == nil && s.running() && s.healthy && !l.silent
}

// trouble begins something with a kubelet that runs and is healthy.
func (n *Node) trouble(begin func(l *life, s *service, now time.Time)) bool {
	if !n.c.runs() || !n.Reachable() {
		return false
	}
	if !n.current().troubled(begin) {
		return false
	}
	n.tellMachine()
	return true
}

func (l *life) troubled(begin func(l *life, s *service, now time.Time)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	s, err := l.find("kubelet")
	if err != nil || !s.running() || !s.healthy || l.silent {
		return false
	}
	begin(l, s, l.n.c.now())
	return true
}

// say writes lines to a log and keeps the log's own lines back for a while; the
// caller holds l.mu.
func (l *life) say(id string, now time.Time, quiet time.Duration, lines ...string) {
	f := l.openLocked(id)
	f.mu.Lock()
	f.advance(now)
	if f.gen != nil && quiet > 0 {
		f.gen.due = now.Add(l.n.c.scaled(quiet))
	}
	f.mu.Unlock()
	f.write(lines...)
}

// recover ends a service's trouble, unless it has been stopped meanwhile; the
// caller holds l.mu.
func (l *life) recover(s *service, at time.Time) {
	if !s.running() || l.silent {
		return
	}
	l.move(s, "Running", "Health check successful", at)
	l.judge(at)
}
