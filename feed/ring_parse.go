package feed

import (
	"bytes"
	"time"
)

// How far into a line its time and level are looked for.
const (
	maxHead   = 1 << 10
	maxFields = 8 << 10
)

// readLine finds out what a line says of its own time and level: klog (text and
// JSON), zap (console and JSON), etcd, containerd, logfmt, CRI, Go's log package
// and the kernel log as Talos prints it. What it does not say stays unknown.
func readLine(b []byte, at time.Time) lineMeta {
	switch {
	case len(b) < 2:
		return lineMeta{}
	case b[0] == '{':
		return readJSON(b)
	case isKlog(b):
		return readKlog(b, at)
	case b[0] >= '0' && b[0] <= '9':
		return readStamped(b, at)
	}
	if m, ok := readKmsg(b); ok {
		return m
	}
	return readLogfmt(b)
}

func isKlog(b []byte) bool {
	return len(b) > 14 && bytes.IndexByte([]byte("IWEFD"), b[0]) >= 0 && b[1] >= '0' && b[1] <= '1'
}

// readKlog reads W1123 04:55:20.123456    1155 file.go:12] text.
func readKlog(b []byte, at time.Time) lineMeta {
	ns, n, ok := klogStamp(b[1:], at)
	if !ok {
		return readLogfmt(b)
	}
	m := lineMeta{time: ns}
	switch b[0] {
	case 'I':
		m.level = LevelInfo
	case 'W':
		m.level = LevelWarn
	case 'E':
		m.level = LevelError
	case 'F':
		m.level = LevelFatal
	case 'D':
		m.level = LevelDebug
	}
	i := blanks(b, n+1)
	j := i
	for j < len(b) && b[j] >= '0' && b[j] <= '9' {
		j++
	}
	m.head = headLen(blanks(b, j))
	return m
}

// readStamped reads a line that begins with a date: CRI, zap's console, Go's log.
func readStamped(b []byte, at time.Time) lineMeta {
	ns, n, ok := stamp(b)
	if !ok {
		return readLogfmt(b)
	}
	rest := blanks(b, n)
	m := lineMeta{time: ns, head: headLen(rest)}
	w := word(b[rest:])
	switch string(w) {
	case "stdout", "stderr":
		if i := rest + len(w) + 3; i <= len(b) && b[i-1] == ' ' {
			inner := readLine(b[i:], at)
			m.level, m.head = inner.level, headLen(i+int(inner.head))
		}
		return m
	}
	if m.level = levelWord(bytes.Trim(w, "[]:|")); m.level != LevelUnknown {
		m.head = headLen(blanks(b, rest+len(w)))
		return m
	}
	m.level = readLogfmt(b[rest:]).level
	return m
}

// readKmsg reads kern:  notice: [2026-11-23T03:34:07.05Z]: text.
func readKmsg(b []byte) (lineMeta, bool) {
	i := bytes.IndexByte(b[:min(len(b), 16)], ':')
	if i < 2 {
		return lineMeta{}, false
	}
	p := blanks(b, i+1)
	j := bytes.IndexByte(b[p:min(len(b), p+10)], ':')
	if j < 2 {
		return lineMeta{}, false
	}
	level := levelWord(b[p : p+j])
	q := blanks(b, p+j+1)
	if level == LevelUnknown || q >= len(b) || b[q] != '[' {
		return lineMeta{}, false
	}
	ns, n, ok := stamp(b[q+1:])
	if !ok {
		return lineMeta{}, false
	}
	end := q + 1 + n
	for end < len(b) && (b[end] == ']' || b[end] == ':') {
		end++
	}
	return lineMeta{time: ns, level: level, head: headLen(blanks(b, end))}, true
}

// readLogfmt reads the keys time and level of key=value pairs.
func readLogfmt(b []byte) lineMeta {
	var m lineMeta
	b = b[:min(len(b), maxHead)]
	for _, key := range [...]string{"level=", "lvl="} {
		if v := logfmtValue(b, key); v != nil {
			m.level = levelWord(v)
			break
		}
	}
	for _, key := range [...]string{"time=", "ts="} {
		if v := logfmtValue(b, key); v != nil {
			m.time = whenever(v)
			break
		}
	}
	return m
}

func logfmtValue(b []byte, key string) []byte {
	i := bytes.Index(b, []byte(key))
	if i < 0 || (i > 0 && b[i-1] != ' ') {
		return nil
	}
	v := b[i+len(key):]
	if len(v) > 0 && v[0] == '"' {
		v = v[1:]
		if j := bytes.IndexByte(v, '"'); j >= 0 {
			return v[:j]
		}
		return nil
	}
	return word(v)
}

// whenever reads a time as text or as a number.
func whenever(b []byte) int64 {
	if ns, _, ok := stamp(b); ok {
		return ns
	}
	return epoch(b)
}

// readJSON reads the keys of the outermost object. klog's JSON has no level: a
// line with a verbosity is for information, one with an error and without is an error.
func readJSON(b []byte) lineMeta {
	var m lineMeta
	verbose, failed := false, false
	b = b[:min(len(b), maxFields)]
	for i := 1; i < len(b); {
		key, value, next := jsonField(b, i)
		if next <= i {
			break
		}
		i = next
		switch string(key) {
		case "ts", "time", "timestamp", "@timestamp":
			m.time = whenever(value)
		case "level", "lvl", "severity":
			m.level = levelWord(value)
		case "v":
			verbose = true
		case "err", "error":
			failed = true
		}
	}
	if m.level == LevelUnknown {
		switch {
		case verbose:
			m.level = LevelInfo
		case failed:
			m.level = LevelError
		}
	}
	return m
}

// jsonField returns the key and the value (a string without its quotes, another
// scalar as it is, nothing for an object or list) of the field at i and the
// position behind it; a position not behind i means that there is no more field.
func jsonField(b []byte, i int) (key, value []byte, next int) {
	for i < len(b) && (b[i] == ' ' || b[i] == ',') {
		i++
	}
	if i >= len(b) || b[i] != '"' {
		return nil, nil, 0
	}
	end := stringLen(b[i:])
	key = b[i+1 : max(i+end-1, i+1)]
	i = blanks(b, i+end)
	if i >= len(b) || b[i] != ':' {
		return nil, nil, 0
	}
	i = blanks(b, i+1)
	if i >= len(b) {
		return nil, nil, 0
	}
	switch b[i] {
	case '"':
		end = stringLen(b[i:])
		return key, b[i+1 : max(i+end-1, i+1)], i + end
	case '{', '[':
		return key, nil, i + nestedLen(b[i:])
	}
	j := i
	for j < len(b) && b[j] != ',' && b[j] != '}' && b[j] != ' ' {
		j++
	}
	return key, b[i:j], j
}

// stringLen is the length of the JSON string at the start of b, quotes included.
func stringLen(b []byte) int {
	for i := 1; i < len(b); {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return len(b)
		}
		slashes := 0
		for k := i + j - 1; k >= i && b[k] == '\\'; k-- {
			slashes++
		}
		i += j + 1
		if slashes%2 == 0 {
			return i
		}
	}
	return len(b)
}

func nestedLen(b []byte) int {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i += stringLen(b[i:])
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}

func blanks(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return min(i, len(b))
}

func word(b []byte) []byte {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i]
	}
	return b
}

func headLen(n int) uint16 { return uint16(min(n, 1<<16-1)) }
