package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Set by the release's linker flags; empty in other builds.
var version, commit, date string

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "talos-cockpit "+versionText())
			return err
		},
	}
}

// versionText is the version with what it was built of; what is not known is left out.
func versionText() string {
	v, from := version, commit
	info, ok := debug.ReadBuildInfo()
	if ok && v == "" {
		v = info.Main.Version
	}
	if v == "" {
		v = "(devel)"
	}
	parts := []string{v}
	if from != "" {
		parts = append(parts, "commit "+from)
	}
	if date != "" {
		parts = append(parts, date)
	}
	if ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/siderolabs/talos/pkg/machinery" {
				parts = append(parts, "Talos machinery "+m.Version)
			}
		}
	}
	return strings.Join(append(parts, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH), ", ")
}
