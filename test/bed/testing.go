package bed

import (
	"context"
	"errors"
	"testing"
)

// ForTest brings a bed up in a temporary folder (unless Options name one) and ends
// it with the test; it dies with the test program too, whatever ends that.
// Without the binaries the test fails with the command that builds them.
func ForTest(tb testing.TB, o Options) *Bed {
	tb.Helper()
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	if o.Log == nil {
		o.Log = tb.Output()
	}
	b, err := StartGuarded(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Down(true); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// StartGuarded is Start for a bed that must not outlive this program: for a
// TestMain whose tests share one.
func StartGuarded(ctx context.Context, o Options) (*Bed, error) {
	b, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := b.startGuard(); err != nil {
		return nil, errors.Join(err, b.starting.Close())
	}
	if err := b.bringUpOrEnd(ctx, o); err != nil {
		return nil, err
	}
	return b, nil
}
