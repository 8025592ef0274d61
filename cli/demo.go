package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/talos-cockpit/talos-cockpit/demo"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

func demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "The simulated cluster",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(demoServeCommand(), demoScenesCommand())
	return c
}

func demoScenesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scenes",
		Short: "List the scenes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range scene.Names() {
				s, err := scene.Get(name)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-24s %s\n", name, s.Title); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func demoServeCommand() *cobra.Command {
	var dir, load string
	c := &cobra.Command{
		Use:   "serve --dir DIR [SCENE]",
		Short: "Run the simulated cluster alone, until it is ended",
		Long: "Runs the simulated cluster on loopback ports until it is ended, and writes DIR/talosconfig, DIR/kubeconfig and a\n" +
			"small Git checkout with talos/talconfig.yaml, so that talosctl, kubectl, flux and the cockpit itself can use it.",
		Example:   "  talos-cockpit demo serve --dir /tmp/demo &\n  talosctl --talosconfig /tmp/demo/talosconfig -n 192.168.13.11 services\n  kubectl --kubeconfig /tmp/demo/kubeconfig get nodes",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: completions(scene.Names()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usage("demo serve needs --dir, the folder to write the client files to")
			}
			name := strings.Join(args, "")
			return serve(cmd, name, dir, load)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder for talosconfig, kubeconfig and the checkout; made if it is missing")
	c.Flags().StringVar(&load, "burst", "", "for measurements: NODE/SERVICE=N writes N log lines a second")
	return c
}

func serve(cmd *cobra.Command, name, dir, burstSpec string) error {
	ctx, end := untilSignal(cmd.Context())
	defer end()
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	if err := emptyOrOurs(abs); err != nil {
		return err
	}
	load, err := parseBurst(burstSpec)
	if err != nil {
		return err
	}
	if _, err := scene.Get(name); err != nil {
		return usageError{err.Error()}
	}
	c, err := demo.Start(ctx, name, demo.Options{})
	if err != nil {
		return err
	}
	defer c.Stop()
	if err := c.WriteFiles(ctx, abs, false); err != nil {
		return err
	}
	if load.lines > 0 {
		stop, err := load.start(c)
		if err != nil {
			return err
		}
		defer stop()
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "scene %s: %s\nTALOSCONFIG=%s\nKUBECONFIG=%s\nready; ctrl-c ends it\n",
		c.Scene.Name, c.Scene.Title, filepath.Join(abs, "talosconfig"), filepath.Join(abs, "kubeconfig")); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// emptyOrOurs keeps serve from writing into somebody's checkout.
func emptyOrOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, demo.Marker)); err != nil {
		return usage("--dir %s is not empty and was not written by demo serve: name another folder", dir)
	}
	return nil
}

// burst is how many lines a second a log gets; none is the zero value.
type burst struct {
	node, service string
	lines         int
}

func parseBurst(spec string) (burst, error) {
	if spec == "" {
		return burst{}, nil
	}
	source, rate, _ := strings.Cut(spec, "=")
	node, service, _ := strings.Cut(source, "/")
	lines, err := strconv.Atoi(rate)
	if err != nil || lines < 1 || node == "" || service == "" {
		return burst{}, usage("--burst takes NODE/SERVICE=LINES, such as talos-test01/kubelet=50000, not %q", spec)
	}
	return burst{node, service, lines}, nil
}

func (b burst) start(c *demo.Cluster) (stop func(), err error) {
	n := c.Talos.Node(b.node)
	if n == nil {
		return nil, usage("--burst: the scene %s has no node named %q", c.Scene.Name, b.node)
	}
	if logs := n.Logs(); !slices.Contains(logs, b.service) {
		return nil, usage("--burst: %s has no log named %q: there are %s", b.node, b.service, strings.Join(logs, ", "))
	}
	return c.Talos.BurstLogs(b.node, b.service, b.lines), nil
}
