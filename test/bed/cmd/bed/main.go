// Bed builds, starts, stops and disturbs the test bed: a real Kubernetes control
// plane with real Flux controllers on loopback. See the README of test/bed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/talos-cockpit/talos-cockpit/test/bed"
)

const usage = `usage: bed COMMAND [--dir DIR]

  build              build the binaries, unless they are in the cache
  up                 start a bed  [--nodes N] [--pods N] [--no-flux]
  down               end it       [--wipe]
  status             show where it is and what runs (exit code 1 if nothing does)
  stop-api           end the API server  [--hang: let it hang instead]
  start-api          start it again, or let it go on
  push-break         push a commit that turns the Kustomization web red
  push-fix           push a commit that mends it
  log LINE           append a line to the log of all pods
`

// options are the flags of all commands.
type options struct {
	dir    string
	nodes  int
	pods   int
	noFlux bool
	wipe   bool
	hang   bool
	args   []string
}

// verb is a command with the flags that it takes besides --dir.
type verb struct {
	flags []string
	run   func(context.Context, options) error
}

var verbs = map[string]verb{
	"build":      {run: build},
	"up":         {flags: []string{"nodes", "pods", "no-flux"}, run: up},
	"down":       {flags: []string{"wipe"}, run: down},
	"status":     {run: status},
	"stop-api":   {flags: []string{"hang"}, run: stopAPI},
	"start-api":  {run: startAPI},
	"push-break": {run: push((*bed.Bed).PushBroken)},
	"push-fix":   {run: push((*bed.Bed).PushFix)},
	"log":        {run: appendLog},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 for a failure, 2 for wrong usage.
func run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	v, ok := verbs[args[0]]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	o, err := parse(args[0], v, args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "bed %s: %v\n\n%s", args[0], err, usage)
		return 2
	}
	if err := v.run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "bed %s: %v\n", args[0], err)
		return 1
	}
	return 0
}

func parse(name string, v verb, args []string) (options, error) {
	var o options
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.dir, "dir", "", "state folder")
	if slices.Contains(v.flags, "nodes") {
		f.IntVar(&o.nodes, "nodes", 4, "number of nodes, at least 4")
	}
	if slices.Contains(v.flags, "pods") {
		f.IntVar(&o.pods, "pods", 0, "pods on top, on the nodes beyond the fourth")
	}
	if slices.Contains(v.flags, "no-flux") {
		f.BoolVar(&o.noFlux, "no-flux", false, "no Flux controllers")
	}
	if slices.Contains(v.flags, "wipe") {
		f.BoolVar(&o.wipe, "wipe", false, "remove the state too")
	}
	if slices.Contains(v.flags, "hang") {
		f.BoolVar(&o.hang, "hang", false, "hang rather than end")
	}
	err := f.Parse(args)
	o.args = f.Args()
	switch {
	case err != nil:
	case len(o.args) > 0 && name != "log":
		err = fmt.Errorf("unexpected argument %q", o.args[0])
	case name == "up" && o.nodes < 4:
		err = fmt.Errorf("--nodes %d: the workloads need 4", o.nodes)
	case o.pods > 0 && o.pods > 100*(o.nodes-4):
		err = fmt.Errorf("--pods %d: %d nodes beyond the fourth take at most %d", o.pods, o.nodes-4, 100*(o.nodes-4))
	}
	return o, err
}

func build(ctx context.Context, _ options) error {
	_, err := bed.Build(ctx, os.Stderr)
	return err
}

func up(ctx context.Context, o options) error {
	if _, err := bed.Build(ctx, os.Stderr); err != nil {
		return err
	}
	_, err := bed.Start(ctx, bed.Options{Dir: o.dir, Nodes: o.nodes, Pods: o.pods, NoFlux: o.noFlux, Log: os.Stderr})
	return err
}

func down(_ context.Context, o options) error {
	return bed.End(o.dir, o.wipe)
}

func status(ctx context.Context, o options) error {
	b, err := bed.Open(o.dir)
	if err != nil {
		return err
	}
	fmt.Printf("folder      %s\nbinaries    %s\nkubeconfig  %s (context %s)\nserver      %s\n",
		b.Dir(), b.Bin(), b.Kubeconfig(), bed.Context, b.Server())
	for _, c := range b.Components() {
		fmt.Println(c)
	}
	if err := b.Ping(ctx); err != nil {
		fmt.Println("the API server does not answer:", err)
	}
	return nil
}

func stopAPI(ctx context.Context, o options) error {
	b, err := bed.Open(o.dir)
	if err != nil {
		return err
	}
	if o.hang {
		return b.FreezeAPI(ctx)
	}
	return b.StopAPI(ctx)
}

func startAPI(ctx context.Context, o options) error {
	b, err := bed.Open(o.dir)
	if err != nil {
		return err
	}
	return b.StartAPI(ctx)
}

func push(f func(*bed.Bed, context.Context) (string, error)) func(context.Context, options) error {
	return func(ctx context.Context, o options) error {
		b, err := bed.Open(o.dir)
		if err != nil {
			return err
		}
		revision, err := f(b, ctx)
		if err == nil {
			fmt.Println(revision)
		}
		return err
	}
}

func appendLog(_ context.Context, o options) error {
	b, err := bed.Open(o.dir)
	if err != nil {
		return err
	}
	for _, line := range o.args {
		if err := b.AppendLog(line); err != nil {
			return err
		}
	}
	return nil
}
