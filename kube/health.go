package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Health says whether the API server answers.
type Health struct {
	Version cluster.KubeVersion // as answered last; empty: not told yet
	At      time.Time           // of the last good answer; zero: never
	Err     *cluster.Trouble    // why it does not answer; nil: it does
	Since   time.Time           // since when it answers, or does not
}

const healthTimeout = 4 * time.Second

// WatchHealth asks the API server for its version again and again until ctx
// ends, and at once when a watcher of this client meets trouble. It calls emit
// after the first answer and whenever Err or Version changes.
func (c *Client) WatchHealth(ctx context.Context, emit func(Health)) {
	var h Health
	for first := true; ctx.Err() == nil; first = false {
		version, err := c.Version(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil && h.Err != nil {
			c.back.send()
		}
		if next := judge(h, version, err, time.Now()); first || !sameHealth(h, next) {
			h = next
			emit(h)
		} else {
			h = next
		}
		if !c.waitLook(ctx, h.Err != nil) {
			return
		}
	}
}

// judge is the health after an answer.
func judge(h Health, version cluster.KubeVersion, err error, now time.Time) Health {
	t := Explain(err, "reach the Kubernetes API")
	if h.Since.IsZero() || (h.Err == nil) != (t == nil) {
		h.Since = now
	}
	h.Err = t
	if t == nil {
		h.At = now
		if version.GitVersion != "" {
			h.Version = version
		}
	}
	return h
}

func sameHealth(a, b Health) bool {
	return a.Version == b.Version && sameTrouble(a.Err, b.Err) && a.Since.Equal(b.Since)
}

// waitLook waits for the next look; it is false when ctx has ended.
func (c *Client) waitLook(ctx context.Context, away bool) bool {
	var kick <-chan struct{} = c.kick
	wait := c.pace.look
	if away { // the watchers have nothing new to tell, but that it is back
		wait, kick = c.pace.lookAway, c.back.next()
	}
	timer := time.NewTimer(feed.OnBeat(time.Now(), wait))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-kick:
	}
	return true
}

// lookNow asks WatchHealth for a look at once.
func (c *Client) lookNow() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Version asks the API server for its version. A server that answers but does
// not tell its version gives an empty one. The error is a *cluster.Trouble.
func (c *Client) Version(ctx context.Context) (cluster.KubeVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	body, _, err := c.get(ctx, "/version", "application/json", "")
	if apierrors.IsForbidden(err) {
		return cluster.KubeVersion{}, nil
	}
	if err != nil {
		return cluster.KubeVersion{}, c.Explain(err, "reach the Kubernetes API")
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return cluster.KubeVersion{}, c.Explain(fmt.Errorf("read /version: %w", err), "reach the Kubernetes API")
	}
	return cluster.KubeVersion{GitVersion: feed.Clean(v.GitVersion)}, nil
}

const maxBody = 16 << 20 // bytes of an answer that is read as a whole

// get is a plain GET with the client's credentials. With an etag that is still
// right, body is nil and the etag is returned again.
func (c *Client) get(ctx context.Context, path, accept, etag string) (body []byte, newTag string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path).String(), http.NoBody)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", accept)
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotModified {
		return nil, etag, nil
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, "", err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", statusError(resp.StatusCode, body, path)
	}
	return body, resp.Header.Get("ETag"), nil
}

// statusError is the error that the answer describes.
func statusError(code int, body []byte, path string) error {
	var s metav1.Status
	if err := json.Unmarshal(body, &s); err == nil && s.Status == metav1.StatusFailure {
		return &apierrors.StatusError{ErrStatus: s}
	}
	return apierrors.NewGenericServerResponse(code, "get", schema.GroupResource{Resource: path}, "", string(body[:min(len(body), 200)]), 0, true)
}
