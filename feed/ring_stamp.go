package feed

import "time"

// stamp reads a time at the start of b: 2026-11-23T03:34:07.05Z, with a blank
// for the T, an offset or no zone (then UTC, as Talos logs), or Go's
// 2026/11/23 03:34:07.05. It returns Unix nanoseconds and the length read.
func stamp(b []byte) (ns int64, n int, ok bool) {
	if len(b) < 19 || b[4] != b[7] || (b[4] != '-' && b[4] != '/') ||
		(b[10] != 'T' && b[10] != ' ' && b[10] != 't') || b[13] != ':' || b[16] != ':' {
		return 0, 0, false
	}
	year, y := digits(b[0:4])
	month, mo := digits(b[5:7])
	day, d := digits(b[8:10])
	sec, s := clock(b[11:19])
	if !y || !mo || !d || !s || year < 1971 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, 0, false
	}
	frac, fn := fraction(b[19:])
	n = 19 + fn
	offset, zn := zone(b[n:])
	ns = time.Date(year, time.Month(month), day, 0, 0, sec-offset, frac, time.UTC).UnixNano()
	return ns, n + zn, true
}

// klogStamp reads MMDD hh:mm:ss.uuuuuu; the year is the one that puts it
// closest to the time of arrival.
func klogStamp(b []byte, at time.Time) (ns int64, n int, ok bool) {
	if len(b) < 13 || b[4] != ' ' || b[7] != ':' || b[10] != ':' {
		return 0, 0, false
	}
	month, mo := digits(b[0:2])
	day, d := digits(b[2:4])
	sec, s := clock(b[5:13])
	if !mo || !d || !s || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, 0, false
	}
	frac, fn := fraction(b[13:])
	at = at.UTC()
	year := at.Year()
	switch {
	case month-int(at.Month()) > 6:
		year--
	case int(at.Month())-month > 6:
		year++
	}
	return time.Date(year, time.Month(month), day, 0, 0, sec, frac, time.UTC).UnixNano(), 13 + fn, true
}

// clock reads hh:mm:ss as seconds.
func clock(b []byte) (int, bool) {
	h, hok := digits(b[0:2])
	m, mok := digits(b[3:5])
	s, sok := digits(b[6:8])
	return h*3600 + m*60 + s, hok && mok && sok && h < 24 && m < 60 && s < 61
}

// fraction reads .ddd (or ,ddd) as nanoseconds.
func fraction(b []byte) (ns, n int) {
	if len(b) < 2 || (b[0] != '.' && b[0] != ',') {
		return 0, 0
	}
	scale := 100_000_000
	for n = 1; n < len(b) && b[n] >= '0' && b[n] <= '9'; n++ {
		ns += int(b[n]-'0') * scale
		scale /= 10
	}
	if n == 1 {
		return 0, 0
	}
	return ns, n
}

// zone reads Z, +hh:mm or +hhmm as seconds east of UTC.
func zone(b []byte) (seconds, n int) {
	switch {
	case len(b) > 0 && (b[0] == 'Z' || b[0] == 'z'):
		return 0, 1
	case len(b) >= 5 && (b[0] == '+' || b[0] == '-'):
	default:
		return 0, 0
	}
	rest, n := b[3:], 5
	if b[3] == ':' {
		if len(b) < 6 {
			return 0, 0
		}
		rest, n = b[4:], 6
	}
	h, hok := digits(b[1:3])
	m, mok := digits(rest[:2])
	if !hok || !mok {
		return 0, 0
	}
	seconds = h*3600 + m*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, n
}

func digits(b []byte) (int, bool) {
	v := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

// epoch takes a count since 1970 in seconds, milliseconds, microseconds or
// nanoseconds, told apart by its size, and returns nanoseconds; 0 if it is none.
func epoch(b []byte) int64 {
	var whole int64
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if i > 18 {
			return 0
		}
		whole = whole*10 + int64(b[i]-'0')
	}
	unit := int64(0)
	switch {
	case whole < 100_000_000: // before 1973 in seconds: no time of a log
		return 0
	case whole < 100_000_000_000:
		unit = int64(time.Second)
	case whole < 100_000_000_000_000:
		unit = int64(time.Millisecond)
	case whole < 100_000_000_000_000_000:
		unit = int64(time.Microsecond)
	default:
		unit = 1
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		return 0
	}
	frac, n := fraction(b[i:])
	if i+n < len(b) {
		return 0
	}
	if whole > (1<<63-1)/unit-1 {
		return 0
	}
	return whole*unit + int64(frac)*unit/int64(time.Second)
}
