package feed

// Level is how grave a log line calls itself.
type Level uint8

// The levels, in rising order. LevelUnknown is for lines that do not say;
// LevelMark for lines that no node wrote, such as the note of a gap.
const (
	LevelUnknown Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelFatal
	LevelMark
)

// Letter is the level as klog abbreviates it; a blank if it is unknown.
func (l Level) Letter() string {
	switch l {
	case LevelDebug:
		return "D"
	case LevelInfo:
		return "I"
	case LevelWarn:
		return "W"
	case LevelError:
		return "E"
	case LevelFatal:
		return "F"
	case LevelMark:
		return "-"
	case LevelUnknown:
		return " "
	default:
		return " "
	}
}

// String is the level's name in lower case.
func (l Level) String() string {
	switch l {
	case LevelDebug:
		return "debug"
	case LevelInfo:
		return "info"
	case LevelWarn:
		return "warn"
	case LevelError:
		return "error"
	case LevelFatal:
		return "fatal"
	case LevelMark:
		return "mark"
	case LevelUnknown:
		return "unknown"
	default:
		return "unknown"
	}
}

// levelWord reads a level's name as zap, logrus, slog, zerolog and the kernel write it.
func levelWord(b []byte) Level {
	var low [9]byte
	if len(b) == 0 || len(b) > len(low) {
		return LevelUnknown
	}
	for i, c := range b {
		low[i] = c | 0x20
	}
	switch string(low[:len(b)]) {
	case "trace", "debug", "dbg", "trc":
		return LevelDebug
	case "info", "inf", "notice":
		return LevelInfo
	case "warn", "warning", "wrn":
		return LevelWarn
	case "error", "err", "eror":
		return LevelError
	case "fatal", "panic", "dpanic", "crit", "critical", "alert", "emerg", "ftl", "pnc":
		return LevelFatal
	default:
		return LevelUnknown
	}
}
