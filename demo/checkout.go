package demo

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// talconfig is the scene's talconfig.yaml, in the layout of the cluster templates.
func talconfig(s scene.Scene) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "clusterName: %s\nendpoint: https://%s:6443\ntalosVersion: ${talosVersion}\nkubernetesVersion: ${kubernetesVersion}\n", s.Cluster, s.APIAddress)
	fmt.Fprintf(&b, "clusterPodNets: [%q]\nclusterSvcNets: [%q]\nnodes:\n", s.PodCIDR, s.ServiceCIDR)
	for _, n := range s.Nodes {
		fmt.Fprintf(&b, "  - hostname: %s\n    ipAddress: %s\n    controlPlane: %v\n    installDisk: /dev/nvme0n1\n", n.Name, n.Address, n.ControlPlane)
		if len(n.Labels) > 0 {
			fmt.Fprintln(&b, "    nodeLabels:")
			for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
				fmt.Fprintf(&b, "      %s: %q\n", k, n.Labels[k])
			}
		}
		b.WriteString("    schematic:\n      overlay: {image: siderolabs/sbc-rockchip, name: turingrk1}\n      customization:\n        systemExtensions:\n          officialExtensions: [siderolabs/iscsi-tools, siderolabs/util-linux-tools]\n")
	}
	return b.Bytes()
}

// talenv is the scene's talenv.yaml; it pins the version of the first node.
func talenv(s scene.Scene) []byte {
	return fmt.Appendf(nil, "talosVersion: %s\nkubernetesVersion: %s\n", s.Nodes[0].Talos, s.Kubernetes)
}

// initGit makes dir a Git checkout with one commit. Without the git command the
// folder stays as it is: the cockpit finds its talconfig.yaml all the same.
func initGit(ctx context.Context, dir string) error {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil //nolint:nilerr // without git there is no checkout to make, and nothing depends on it
	}
	run := func(args ...string) (string, error) {
		own := []string{"-C", dir, "-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=" + os.DevNull}
		cmd := exec.CommandContext(ctx, git, append(own, args...)...)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
		}
		return string(out), nil
	}
	if _, err := run("init", "-q", "-b", "main"); err != nil {
		return err
	}
	if _, err := run("add", "-A"); err != nil {
		return err
	}
	changed, err := run("status", "--porcelain")
	if err != nil || changed == "" {
		return err
	}
	_, err = run("commit", "-q", "-m", "demo cluster")
	return err
}
