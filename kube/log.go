package kube

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// logTarget is a slog.Handler that hands on to the one set last. The Kubernetes
// libraries log through one global; it is set once, so that opening a second
// client never races with a goroutine that logs.
type logTarget struct{ to atomic.Pointer[slog.Handler] }

var (
	libraryLog  logTarget
	libraryOnce sync.Once
)

// quiet keeps what the Kubernetes libraries log off the terminal: it goes to h, or nowhere.
func quiet(h slog.Handler) {
	if h == nil {
		h = slog.DiscardHandler
	}
	libraryLog.to.Store(&h)
	libraryOnce.Do(func() {
		klog.SetLogger(logr.FromSlogHandler(&libraryLog))
	})
}

func (l *logTarget) handler() slog.Handler { return *l.to.Load() }

// Enabled asks the current handler.
func (l *logTarget) Enabled(ctx context.Context, level slog.Level) bool {
	return l.handler().Enabled(ctx, level)
}

// Handle gives the record to the current handler.
func (l *logTarget) Handle(ctx context.Context, r slog.Record) error {
	return l.handler().Handle(ctx, r)
}

// WithAttrs returns the handler with the attributes, bound to the current one.
func (l *logTarget) WithAttrs(attrs []slog.Attr) slog.Handler { return l.handler().WithAttrs(attrs) }

// WithGroup returns the handler with the group, bound to the current one.
func (l *logTarget) WithGroup(name string) slog.Handler { return l.handler().WithGroup(name) }
