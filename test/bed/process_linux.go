package bed

import (
	"fmt"
	"os"
	"strings"
)

// identify returns the start time of a process in clock ticks after boot, as
// /proc gives it (proc_pid_stat(5), field 22); false if there is none, or only
// its zombie.
func identify(pid int) (string, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The program's name comes before, in parentheses, and may hold anything.
	end := strings.LastIndexByte(string(data), ')')
	fields := strings.Fields(string(data)[end+1:])
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	return fields[19], true
}
