package views

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// maxUnfold is the length up to which a line is taken apart; longer ones are
// shown as they are.
const maxUnfold = 8 << 10

// readable is the text of a line without the time and level that are shown
// beside it: the message first, then the fields, and at the end, from byte
// caller on, where in its program it was written. What cannot be read is shown
// as it is.
func readable(line feed.Line) (text string, caller int) {
	text = line.Text
	if line.Head > 0 && line.Head < len(text) {
		text = text[line.Head:]
	}
	if len(text) > maxUnfold || len(text) < 2 {
		return text, len(text)
	}
	var x unfolded
	ok := false
	switch {
	case text[0] == '{':
		ok = x.json(text)
	case line.Head > 0:
		ok = x.klog(text)
	default:
		ok = x.logfmt(text)
	}
	if !ok {
		return text, len(text)
	}
	out := clean(strings.TrimPrefix(x.msg+x.fields.String(), " "))
	if x.caller == "" {
		return out, len(out)
	}
	return out + "  " + clean(x.caller), len(out)
}

// unfolded is a line taken apart.
type unfolded struct {
	msg, caller string
	fields      strings.Builder // each after a blank
}

// field takes one key with its value, plain and as it is written beside its key.
func (x *unfolded) field(key, plain, written string) {
	switch key {
	case "ts", "time", "timestamp", "@timestamp", "level", "lvl", "severity", "v":
	case "msg", "message":
		x.msg += plain
	case "caller":
		x.caller = plain
	default:
		x.fields.WriteString(" " + key + "=" + written)
	}
}

// json reads a JSON object, in its order.
func (x *unfolded) json(text string) bool {
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return false
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return false
		}
		x.field(name, scalar(raw, false), scalar(raw, true))
	}
	t, err := dec.Token()
	return err == nil && t == json.Delim('}') && !dec.More()
}

// klog reads what follows klog's head: file.go:42] message, where the message
// of a structured line is in quotes.
func (x *unfolded) klog(text string) bool {
	caller, msg, ok := strings.Cut(text, "] ")
	if !ok || caller == "" || strings.ContainsAny(caller, " \"[") || !strings.Contains(caller, ".go:") {
		return false
	}
	x.caller, x.msg = caller, msg
	if quoted, err := strconv.QuotedPrefix(msg); err == nil && quoted[0] == '"' {
		if plain, err := strconv.Unquote(quoted); err == nil {
			x.msg = plain + msg[len(quoted):]
		}
	}
	return true
}

// logfmt reads key=value pairs; a line is one only if all of it is, and it has a message.
func (x *unfolded) logfmt(text string) bool {
	for rest := strings.TrimRight(text, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		key, after, ok := strings.Cut(rest, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return false
		}
		written, _, _ := strings.Cut(after, " ")
		plain := written
		if quoted, err := strconv.QuotedPrefix(after); err == nil && after[0] == '"' {
			written = quoted
			if plain, err = strconv.Unquote(quoted); err != nil {
				return false
			}
		}
		x.field(key, plain, written)
		rest = after[len(written):]
	}
	return x.msg != ""
}

// scalar is a JSON value as text: a string without its quotes where it needs none.
func scalar(raw json.RawMessage, quoted bool) string {
	var s string
	if raw[0] == '{' {
		return object(raw)
	}
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	if quoted && (s == "" || strings.ContainsAny(s, " =\"")) {
		return string(raw)
	}
	return s
}

// object is a JSON object as it is, or namespace/name if it is such a reference,
// as klog writes them.
func object(raw json.RawMessage) string {
	var ref struct{ Name, Namespace string }
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	switch {
	case dec.Decode(&ref) != nil || ref.Name == "":
		return string(raw)
	case ref.Namespace == "":
		return ref.Name
	default:
		return ref.Namespace + "/" + ref.Name
	}
}
