package feed

import "time"

// OnBeat rounds a wait of some seconds so that it ends with a full second of the
// clock, at most half a second sooner or later. All that is done now and then
// is so done together, and a process at rest wakes up once for it. Shorter waits
// stay as they are.
func OnBeat(now time.Time, wait time.Duration) time.Duration {
	if wait < 2*time.Second {
		return wait
	}
	return now.Round(0).Add(wait).Round(time.Second).Sub(now.Round(0))
}
