// Package cli holds the commands of talos-cockpit: flags, the wiring of
// everything, and the output without a screen.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := execute(ctx, root, args)
	var e exit
	if err != nil && !errors.As(err, &e) {
		for line := range strings.Lines(sentence(err)) {
			fmt.Fprintln(os.Stderr, "talos-cockpit: "+strings.TrimSuffix(line, "\n"))
		}
	}
	return code(err)
}

// styled are the arguments that show help, which fang makes beautiful.
var styled = []string{"-h", "--help", "help", "completion", "man"}

// execute runs the command. Fang gets nothing else: after an error it asks the
// terminal for its colours, and waits for the answer.
func execute(ctx context.Context, root *cobra.Command, args []string) error {
	if !slices.ContainsFunc(args, func(a string) bool { return slices.Contains(styled, a) }) {
		return root.ExecuteContext(ctx)
	}
	return fang.Execute(ctx, root,
		fang.WithVersion(versionText()), fang.WithoutVersion(),
		fang.WithErrorHandler(func(io.Writer, fang.Styles, error) {}))
}

// untilSignal ends the context of a command without a screen on SIGINT, SIGTERM
// and SIGHUP; the screen has its own way.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

// options are the flags that every command takes.
type options struct {
	talosconfig, kubeconfig, repo string
	talosContext, kubeContext     string
	demo                          string // name of the scene; empty: a real cluster
	readOnly                      bool

	theme          string
	ascii, noMouse bool
	logLines       int
	logMiB         int
}

func rootCommand() *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use:   "talos-cockpit",
		Short: "A terminal cockpit for Talos Linux clusters",
		Long: "A full-screen cockpit for the operator of a Talos Linux Kubernetes cluster that Flux keeps in sync: every node at a glance, " +
			"live logs of any Talos service, the state of Flux, and the plan of a node exchange.\n\n" +
			"It finds talosconfig, kubeconfig and the cluster's Git checkout by the usual conventions.",
		Example: "# try every screen on a simulated cluster\n" +
			"talos-cockpit --demo\n\n" +
			"# your cluster, found by the conventions\n" +
			"talos-cockpit\n\n" +
			"# look, but touch nothing\n" +
			"talos-cockpit --read-only",
		Args:          o.noArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return o.cockpit(cmd.Context()) },
	}
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%s; see %s --help", err, cmd.CommandPath())
	})
	o.addConnection(c)
	o.addScreen(c)
	c.AddCommand(nodesCommand(o), versionCommand(), demoCommand())
	return c
}

// noArgs knows what is usually meant by an argument of the root command.
func (o *options) noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case o.demo != "" && slices.Contains(scene.Names(), args[0]):
		return usage("the scene belongs to the flag: write --demo=%s", args[0])
	}
	return usage("unknown command %q; see %s --help", args[0], cmd.CommandPath())
}

func (o *options) addConnection(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&o.talosconfig, "talosconfig", "", "Talos client configuration (default $TALOSCONFIG, the checkout's, ~/.talos/config)")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "Kubernetes client configuration (default $KUBECONFIG, the checkout's, ~/.kube/config)")
	f.StringVar(&o.repo, "repo", "", "folder of the cluster's Git checkout, or its talconfig.yaml (default the working directory upwards)")
	f.StringVar(&o.talosContext, "talos-context", "", "context of the talosconfig (default its current one)")
	f.StringVar(&o.kubeContext, "context", "", "context of the kubeconfig (default its current one)")
	f.BoolVar(&o.readOnly, "read-only", false, "allow no action")
	f.StringVar(&o.demo, "demo", "", "run on a simulated cluster; --demo=SCENE takes one of "+strings.Join(scene.Names(), ", "))
	f.Lookup("demo").NoOptDefVal = scene.Default
	_ = c.RegisterFlagCompletionFunc("demo", cobra.FixedCompletions(completions(scene.Names()), cobra.ShellCompDirectiveNoFileComp))
}

func completions(names []string) []cobra.Completion {
	out := make([]cobra.Completion, len(names))
	copy(out, names)
	return out
}

func (o *options) addScreen(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.theme, "theme", "auto", "colours: auto, dark or light (NO_COLOR is respected)")
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	f.BoolVar(&o.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	f.IntVar(&o.logLines, "log-lines", 1_000_000, "how many log lines to keep")
	f.IntVar(&o.logMiB, "log-mib", 64, "how many MiB of log text to keep")
}
