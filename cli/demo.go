package cli

import (
	"fmt"
	"os"
	"path/filepath"
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
	var dir, burst string
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
			return serve(cmd, name, dir, burst)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder for talosconfig, kubeconfig and the checkout; made if it is missing")
	c.Flags().StringVar(&burst, "burst", "", "for measurements: NODE/SERVICE=N writes N log lines a second")
	return c
}

func serve(cmd *cobra.Command, name, dir, burst string) error {
	ctx, end := untilSignal(cmd.Context())
	defer end()
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	if err := emptyOrOurs(abs); err != nil {
		return err
	}
	c, err := demo.Start(ctx, name, demo.Options{})
	if err != nil {
		return err
	}
	defer c.Stop()
	if err := c.WriteFiles(ctx, abs, false); err != nil {
		return err
	}
	if burst != "" {
		stop, err := startBurst(c, burst)
		if err != nil {
			return err
		}
		defer stop()
	}
	fmt.Fprintf(cmd.OutOrStdout(), "scene %s: %s\nTALOSCONFIG=%s\nKUBECONFIG=%s\nready; ctrl-c ends it\n",
		c.Scene.Name, c.Scene.Title, filepath.Join(abs, "talosconfig"), filepath.Join(abs, "kubeconfig"))
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

func startBurst(c *demo.Cluster, spec string) (stop func(), err error) {
	source, rate, ok := strings.Cut(spec, "=")
	node, service, ok2 := strings.Cut(source, "/")
	var lines int
	if _, scanErr := fmt.Sscanf(rate, "%d", &lines); !ok || !ok2 || scanErr != nil || lines < 1 {
		return nil, usage("--burst takes NODE/SERVICE=LINES, such as talos-test01/kubelet=50000, not %q", spec)
	}
	if c.Talos.Node(node) == nil {
		return nil, usage("--burst: no node is named %q", node)
	}
	return c.Talos.BurstLogs(node, service, lines), nil
}
