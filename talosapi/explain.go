package talosapi

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// maxRaw bounds the original text of an error, in bytes.
const maxRaw = 600

// Explain names err as what it is, by its code and by its text, since Talos puts
// very different causes under the same code. what says who was asked, such as
// "talos-test03 (192.168.13.13)"; it begins the sentence. nil stays nil, and an
// error that is a *cluster.Trouble already is returned as it is.
func Explain(err error, what string) *cluster.Trouble {
	if err == nil {
		return nil
	}
	var known *cluster.Trouble
	if errors.As(err, &known) {
		return known
	}
	code, text := split(err)
	lower := strings.ToLower(text)
	for _, r := range rules {
		if r.matches(code, lower) {
			return r.trouble(what, text)
		}
	}
	return &cluster.Trouble{
		Kind: cluster.TroubleOther,
		What: feed.Clean(what) + ": " + brief(text),
		Raw:  raw(text),
	}
}

// split gives the gRPC code and the text without the "rpc error" wrapping.
func split(err error) (codes.Code, string) {
	text := rpcPrefix.ReplaceAllString(err.Error(), "")
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded, text
	case errors.Is(err, context.Canceled):
		return codes.Canceled, text
	case errors.Is(err, io.EOF):
		return codes.Unavailable, "error reading from server: EOF"
	}
	return status.Code(err), text
}

var (
	rpcPrefix  = regexp.MustCompile(`rpc error: code = [A-Za-z]+ desc = `)
	dialTarget = regexp.MustCompile(`dial tcp (\[[0-9a-fA-F:.%]+\]:\d+|[^\s:]+:\d+)`)
	afterDate  = regexp.MustCompile(`is (?:after|before) (\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))`)
)

// rule maps one cause to its kind. A rule without codes is for all codes.
type rule struct {
	kind    cluster.TroubleKind
	codes   []codes.Code
	texts   []string // any of them, in lower case; none: any text
	without string   // if not empty: text that must not be there
	says    string   // after the name of who was asked
	do      string
}

func (r *rule) matches(code codes.Code, lower string) bool {
	ok := len(r.codes) == 0
	for _, c := range r.codes {
		ok = ok || c == code
	}
	if !ok || len(r.texts) == 0 {
		return ok
	}
	if r.without != "" && strings.Contains(lower, r.without) {
		return false
	}
	for _, t := range r.texts {
		if strings.Contains(lower, t) {
			return true
		}
	}
	return false
}

func (r *rule) trouble(what, text string) *cluster.Trouble {
	t := &cluster.Trouble{Kind: r.kind, Do: r.do, Raw: raw(text)}
	t.What = feed.Clean(what) + " " + r.says
	switch r.kind {
	case cluster.TroubleExpired, cluster.TroubleNotYetValid:
		if m := afterDate.FindStringSubmatch(text); m != nil {
			if at, err := time.Parse(time.RFC3339Nano, m[1]); err == nil {
				t.Until = at
				t.What += " (" + at.UTC().Format(time.DateOnly) + ")"
			}
		}
	case cluster.TroubleRefused, cluster.TroubleNoRoute, cluster.TroubleReset, cluster.TroubleTimeout:
		if m := dialTarget.FindStringSubmatch(text); m != nil && !strings.Contains(what, strings.TrimSuffix(m[1], ":50000")) {
			t.What += " (at " + feed.Clean(m[1]) + ")"
		}
	case cluster.TroubleNotFound, cluster.TroubleUnimplemented, cluster.TroubleOther:
		t.What += ": " + brief(text)
	default:
	}
	return t
}

// brief is the first line of text, cleaned and short enough for a sentence.
func brief(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return cut(feed.Clean(line), 160)
}

func raw(text string) string { return cut(feed.Clean(text), maxRaw) }

// cut shortens clean text to at most n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
