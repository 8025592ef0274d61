package kubed

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// logRequest is what a client wants of a container's log.
type logRequest struct {
	follow, timestamps, previous bool
	tail                         int // -1 is everything
	since                        time.Time
	limit                        int64 // bytes, 0 is no limit
}

func (s *Server) serveLog(c *call) error {
	if c.res != pods || c.info.verb != "get" {
		return methodNotAllowed()
	}
	o, ok := s.fetch(pods, c.info.namespace, c.info.name)
	if !ok {
		return notFound(pods, c.info.name)
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("stored pod %s has another type", c.info.name)
	}
	req, err := s.parseLog(c)
	if err != nil {
		return err
	}
	container, err := s.logContainer(c, pod, req)
	if err != nil {
		return err
	}
	flusher, _ := c.w.(http.Flusher)
	c.w.Header().Set("Content-Type", "text/plain")
	c.w.WriteHeader(http.StatusOK)
	j := s.journalOf(pod, container, req.previous)
	out := &logWriter{w: c.w, req: req, left: req.limit}
	now := s.opts.Now()
	for _, line := range j.lines(req.since, now, req.tail) {
		if !out.write(line) {
			return nil
		}
	}
	if flusher != nil {
		flusher.Flush()
	}
	if req.follow && !req.previous {
		s.followLog(c, pod, j, out, now, flusher)
	}
	return nil
}

func (s *Server) parseLog(c *call) (logRequest, error) {
	req := logRequest{
		follow: c.flag("follow"), timestamps: c.flag("timestamps"), previous: c.flag("previous"), tail: -1,
	}
	if v := c.query("tailLines"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return req, badRequest(fmt.Sprintf("tailLines: Invalid value: %q: must be greater than or equal to 0", v))
		}
		req.tail = n
	}
	if v := c.query("sinceSeconds"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n <= 0 {
			return req, badRequest(fmt.Sprintf("sinceSeconds: Invalid value: %q: must be greater than 0", v))
		}
		req.since = s.opts.Now().Add(-secondsOf(n))
	}
	if v := c.query("sinceTime"); v != "" {
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return req, badRequest(fmt.Sprintf("sinceTime: Invalid value: %q", v))
		}
		req.since = t
	}
	if v := c.query("limitBytes"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 {
			return req, badRequest(fmt.Sprintf("limitBytes: Invalid value: %q: must be greater than 0", v))
		}
		req.limit = n
	}
	return req, nil
}

// logContainer picks the container, and says why its log cannot be read.
func (s *Server) logContainer(c *call, pod *corev1.Pod, req logRequest) (string, error) {
	name := c.query("container")
	var known []string
	for _, k := range pod.Spec.Containers {
		known = append(known, k.Name)
	}
	switch {
	case name == "" && len(known) == 1:
		name = known[0]
	case name == "":
		return "", badRequest(fmt.Sprintf("a container name must be specified for pod %s, choose one of: %v", pod.Name, known))
	}
	found := false
	for _, k := range known {
		found = found || k == name
	}
	if !found {
		return "", badRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
	}
	if pod.Spec.NodeName == "" {
		return "", badRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	}
	if !s.sim.kubeletUp(pod.Spec.NodeName) {
		address := s.sim.addressOf(pod.Spec.NodeName)
		return "", wording(fmt.Sprintf("Get \"https://%s:10250/containerLogs/%s/%s/%s\": dial tcp %s:10250: connect: no route to host",
			address, pod.Namespace, pod.Name, name, address))
	}
	return name, logState(pod, name, req.previous)
}

func logState(pod *corev1.Pod, name string, previous bool) error {
	for _, st := range pod.Status.ContainerStatuses {
		if st.Name != name {
			continue
		}
		if previous && st.LastTerminationState.Terminated == nil {
			return badRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", name, pod.Name))
		}
		if w := st.State.Waiting; w != nil && !previous && st.LastTerminationState.Terminated == nil {
			return badRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", name, pod.Name, w.Reason))
		}
		return nil
	}
	return badRequest(fmt.Sprintf("container %q in pod %q is waiting to start: ContainerCreating", name, pod.Name))
}

// followLog sends new lines until the client or the container has gone.
func (s *Server) followLog(c *call, pod *corev1.Pod, j journal, out *logWriter, from time.Time, flusher http.Flusher) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.r.Context().Done():
			return
		case <-tick.C:
		}
		now := s.opts.Now()
		for _, line := range j.lines(from.Add(1), now, -1) {
			if !out.write(line) {
				return
			}
		}
		from = now
		if flusher != nil && out.flushNeeded() {
			flusher.Flush()
		}
		o, ok := s.fetch(pods, pod.Namespace, pod.Name)
		if !ok || o.GetUID() != pod.UID || !s.sim.kubeletUp(pod.Spec.NodeName) || s.stopped(o, j) {
			return
		}
	}
}

// stopped says whether the container that is being followed has ended.
func (s *Server) stopped(o object, j journal) bool {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return true
	}
	for _, st := range p.Status.ContainerStatuses {
		if st.Name == j.container {
			return st.RestartCount != j.restart || st.State.Terminated != nil
		}
	}
	return true
}

// logWriter writes lines as the kubelet does.
type logWriter struct {
	w     http.ResponseWriter
	req   logRequest
	left  int64
	dirty bool
}

// write sends one line; false means that no more is wanted or possible.
func (l *logWriter) write(line logLine) bool {
	text := line.text + "\n"
	if l.req.timestamps {
		text = line.at.UTC().Format("2006-01-02T15:04:05.000000000Z") + " " + text
	}
	if l.req.limit > 0 {
		if int64(len(text)) >= l.left {
			_, _ = l.w.Write([]byte(text[:l.left])) // the stream ends in any case
			return false
		}
		l.left -= int64(len(text))
	}
	l.dirty = true
	_, err := l.w.Write([]byte(text))
	return err == nil
}

func (l *logWriter) flushNeeded() bool {
	dirty := l.dirty
	l.dirty = false
	return dirty
}
