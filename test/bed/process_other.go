//go:build !linux

package bed

import (
	"os/exec"
	"strconv"
	"strings"
)

// identify returns the start time of a process as ps(1) prints it; false if there
// is none, or only its zombie.
func identify(pid int) (string, bool) {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // ends at once
	state, started, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || !ok || strings.HasPrefix(state, "Z") {
		return "", false
	}
	return strings.TrimSpace(started), true
}
