package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

func nodesCommand(o *options) *cobra.Command {
	var output string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "nodes",
		Short: "Print every node once, worst first",
		Long: "Prints every node that Talos discovery, Kubernetes, etcd or the checkout knows, merged to one row, worst first.\n\n" +
			"What is wrong with the connection goes to standard error.\n\n" +
			"Exit code: 0 all well, 1 warnings, 2 something failed or is unknown, 3 usage or no connection.",
		Example: "  talos-cockpit nodes\n  talos-cockpit nodes -o json | jq '.nodes[].name'\n  talos-cockpit --demo nodes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, ok := nodeWriters[output]
			if !ok {
				return usage("-o takes table, json or yaml, not %q", output)
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			inv, troubles, err := o.inventory(ctx, timeout)
			if err != nil {
				return err
			}
			for i := range troubles {
				fmt.Fprintln(cmd.ErrOrStderr(), "talos-cockpit: "+troubles[i].Error())
			}
			if err := write(cmd.OutOrStdout(), inv, time.Now()); err != nil {
				return fmt.Errorf("cannot write the nodes: %w", err)
			}
			return exitCode(worst(inv))
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "output format: table, json or yaml")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long to wait for all sources to answer")
	return c
}

var nodeWriters = map[string]func(io.Writer, cluster.Inventory, time.Time) error{
	"table": writeNodeTable,
	"json": func(w io.Writer, inv cluster.Inventory, _ time.Time) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(inv)
	},
	"yaml": func(w io.Writer, inv cluster.Inventory, _ time.Time) error {
		b, err := yaml.Marshal(inv)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	},
}

func writeNodeTable(w io.Writer, inv cluster.Inventory, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	fmt.Fprintln(t, "NODE\tROLE\tSTAGE\tK8S\tTALOS\tKUBERNETES\tCPU\tMEMORY\tDISK\tPODS\tADDRESS\tUPTIME\tNOTES")
	for _, n := range inv.Nodes {
		fmt.Fprintln(t, strings.Join(nodeCells(n, now), "\t"))
	}
	return t.Flush()
}

const unknown = "?"

func nodeCells(n cluster.Node, now time.Time) []string {
	m := n.Machine.Value
	cells := []string{n.Name, role(n), stage(n), kubeReady(n), orUnknown(m.Version), unknown, unknown, unknown, unknown, unknown, orUnknown(n.Address), unknown, notes(n)}
	if n.Kube != nil {
		cells[5] = orUnknown(n.Kube.Kubelet)
	}
	if n.Machine.Fresh() {
		if cpu, known := m.CPU.Get(); known {
			cells[6] = fmt.Sprintf("%.0f%%", 100*cpu)
		}
		cells[7], cells[8] = percent(m.Memory), percent(m.Disk)
		if boot, known := m.BootTime.Get(); known {
			cells[11] = age(now.Sub(boot))
		}
	}
	if pods, known := n.Pods.Get(); known {
		cells[9] = fmt.Sprint(pods.Total)
	}
	return cells
}

func percent(u cluster.Opt[cluster.Usage]) string {
	if v, known := u.Get(); known {
		return fmt.Sprintf("%.0f%%", 100*v.Share())
	}
	return unknown
}

func role(n cluster.Node) string {
	s := n.Role.Short()
	if n.EtcdLead {
		s += " (leader)"
	}
	return s
}

func stage(n cluster.Node) string {
	switch {
	case n.Machine.Err != nil:
		return "no answer"
	case n.Machine.Value.Stage == cluster.StageUnknown:
		return unknown
	}
	return string(n.Machine.Value.Stage)
}

func kubeReady(n cluster.Node) string {
	if n.Kube == nil {
		return unknown
	}
	s := map[string]string{"True": "Ready", "False": "NotReady", "Unknown": "NotReady"}[n.Kube.Ready]
	if s = orUnknown(s); n.Kube.Unschedulable {
		s += ",SchedulingDisabled"
	}
	return s
}

func notes(n cluster.Node) string {
	texts := make([]string, len(n.Notes))
	for i, note := range n.Notes {
		texts[i] = note.Text
	}
	if len(texts) == 0 {
		return "-"
	}
	return strings.Join(texts, "; ")
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

// age is a duration as kubectl prints it, in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// worst is the worst severity of the inventory; a source that does not answer is unknown.
func worst(inv cluster.Inventory) cluster.Severity {
	s := cluster.OK
	if inv.KubeErr != nil || inv.TalosErr != nil || len(inv.Nodes) == 0 {
		s = cluster.Unknown
	}
	for _, n := range inv.Nodes {
		s = max(s, n.Severity)
	}
	return s
}

// exitCode turns a severity into the documented exit code.
func exitCode(s cluster.Severity) error {
	switch s {
	case cluster.OK, cluster.Info:
		return nil
	case cluster.Busy, cluster.Warn:
		return exit(exitWarn)
	case cluster.Unknown, cluster.Bad:
		return exit(exitFail)
	default:
		return exit(exitFail)
	}
}
