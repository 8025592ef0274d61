package talosapi

import (
	"math"
	"slices"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// The least moves of a measurement that are worth a new picture.
const (
	visibleShare = 0.01            // of the whole: CPU, memory, disk
	visibleClock = 2 * time.Second // boot time and clock offset wobble by a second
)

// shows reports whether b differs from a in anything that can be seen.
func shows(a, b *cluster.Machine) bool {
	return showsText(a, b) || showsNumbers(a, b) || showsLists(a, b)
}

func showsText(a, b *cluster.Machine) bool {
	return a.Address != b.Address || a.Endpoint != b.Endpoint || a.Hostname != b.Hostname ||
		a.Version != b.Version || a.Arch != b.Arch || a.Platform != b.Platform ||
		a.Role != b.Role || a.Stage != b.Stage || a.Ready != b.Ready || a.TimeSynced != b.TimeSynced ||
		a.BootID != b.BootID || a.UUID != b.UUID || a.Serial != b.Serial ||
		a.Schematic != b.Schematic || a.Kernel != b.Kernel
}

func showsNumbers(a, b *cluster.Machine) bool {
	return a.CPU.Known != b.CPU.Known || moved(a.CPU.V, b.CPU.V) || a.Cores != b.Cores ||
		usageMoved(a.Memory, b.Memory) || usageMoved(a.Disk, b.Disk) ||
		a.BootTime.Known != b.BootTime.Known || a.BootTime.V.Sub(b.BootTime.V).Abs() >= visibleClock ||
		a.ClockOffset.Known != b.ClockOffset.Known || (a.ClockOffset.V-b.ClockOffset.V).Abs() >= visibleClock
}

func showsLists(a, b *cluster.Machine) bool {
	return !slices.Equal(a.Unmet, b.Unmet) || !slices.Equal(a.Services, b.Services) ||
		(a.Services == nil) != (b.Services == nil) ||
		!slices.Equal(a.Extensions, b.Extensions) || !slices.Equal(a.Addresses, b.Addresses) ||
		a.Diagnostics.Known != b.Diagnostics.Known || !slices.Equal(a.Diagnostics.V, b.Diagnostics.V)
}

// moved compares with what was shown last, not with the last sample, so that a
// slow drift is seen and a wobble about a rounding edge is not.
func moved(a, b float64) bool { return math.Abs(a-b) >= visibleShare }

func usageMoved(a, b cluster.Opt[cluster.Usage]) bool {
	return a.Known != b.Known || a.V.Total != b.V.Total || moved(a.V.Share(), b.V.Share())
}
