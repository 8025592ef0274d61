// Command talos-cockpit is a full-screen terminal cockpit for the operator of a
// Talos Linux Kubernetes cluster that Flux keeps in sync.
package main

import (
	"context"
	"os"

	"github.com/talos-cockpit/talos-cockpit/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:]))
}
