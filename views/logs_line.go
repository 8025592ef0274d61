package views

import (
	"encoding/json"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// maxUnfold is the length up to which a JSON line is written as text; longer
// ones are shown as they are.
const maxUnfold = 8 << 10

// readable is the text of a line without the time and level that are shown
// beside it. A JSON line is written as caller, message and key=value. What
// cannot be read is shown as it is.
func readable(line feed.Line) string {
	text := line.Text
	if line.Head > 0 && line.Head < len(text) {
		text = text[line.Head:]
	}
	if len(text) > maxUnfold || len(text) < 2 || text[0] != '{' {
		return text
	}
	if s, ok := unfold(text); ok {
		return clean(s)
	}
	return text
}

// unfold writes a JSON object as caller, message and key=value, in its order.
func unfold(text string) (string, bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return "", false
	}
	var caller, msg, rest strings.Builder
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return "", false
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return "", false
		}
		switch name {
		case "ts", "time", "timestamp", "@timestamp", "level", "lvl", "severity", "v":
		case "msg", "message":
			msg.WriteString(scalar(raw, false))
		case "caller":
			caller.WriteString(scalar(raw, false))
		default:
			rest.WriteString(" " + name + "=" + scalar(raw, true))
		}
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('}') || dec.More() {
		return "", false
	}
	out := msg.String()
	if caller.Len() > 0 {
		out = caller.String() + " " + out
	}
	return out + rest.String(), true
}

// scalar is a JSON value as text: a string without its quotes where it needs none.
func scalar(raw json.RawMessage, quoted bool) string {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	if quoted && (s == "" || strings.ContainsAny(s, " =\"")) {
		return string(raw)
	}
	return s
}
