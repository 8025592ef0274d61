package demo

import (
	"context"
	"testing"
)

// BenchmarkStart is the cost of having a simulated cluster, its files included.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		c, err := Start(context.Background(), "turingpi", Options{})
		if err != nil {
			b.Fatal(err)
		}
		c.Stop()
	}
}
