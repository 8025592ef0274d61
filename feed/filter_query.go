package feed

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Query says which lines are wanted. The zero Query wants all.
type Query struct {
	// Text as the operator typed it: a substring with ASCII letters in any case,
	// /…/ for a regular expression, and a ! before either for all other lines.
	Text string
	// Level is the lowest level wanted. Lines that do not say their level are
	// wanted always: they may matter.
	Level Level

	inverse bool
	needle  []byte // in lower case
	anchor  int    // place of the needle's rarest byte
	expr    *regexp.Regexp
}

// ParseQuery reads a query as typed. A regular expression that cannot be read
// is an error in one clause.
func ParseQuery(text string, level Level) (Query, error) {
	q := Query{Text: text, Level: level}
	rest := text
	if strings.HasPrefix(rest, "!") {
		q.inverse, rest = true, rest[1:]
	}
	if len(rest) > 1 && rest[0] == '/' {
		expr, err := regexp.Compile(strings.TrimSuffix(rest[1:], "/"))
		if err != nil {
			return Query{}, fmt.Errorf("not a regular expression: %w", plainly(err))
		}
		q.expr = expr
		return q, nil
	}
	if rest == "" || rest == "/" {
		q.inverse = false // nothing to look for yet
		return q, nil
	}
	q.needle = []byte(rest)
	for i, c := range q.needle {
		q.needle[i] = lower(c)
	}
	q.anchor = rarest(q.needle)
	return q, nil
}

// plainly leaves out of an error what its reader has before his eyes.
func plainly(err error) error {
	if e := (*syntax.Error)(nil); errors.As(err, &e) {
		return errors.New(e.Code.String())
	}
	return err
}

// All reports whether every line is wanted.
func (q *Query) All() bool { return q.needle == nil && q.expr == nil && q.Level == LevelUnknown }

// Find returns where the query is found in the text, for highlighting: -1, -1
// if it is not, if it has no text, or if it is an inverse one.
func (q *Query) Find(text []byte) (start, end int) {
	switch {
	case q.inverse:
		return -1, -1
	case q.expr != nil:
		if loc := q.expr.FindIndex(text); loc != nil {
			return loc[0], loc[1]
		}
	case q.needle != nil:
		if i := indexFold(text, q.needle, q.anchor); i >= 0 {
			return i, i + len(q.needle)
		}
	}
	return -1, -1
}

// Wants reports whether a line of that text and level is wanted.
func (q *Query) Wants(text []byte, level Level) bool {
	if q.Level != LevelUnknown && level != LevelUnknown && level < q.Level {
		return false
	}
	switch {
	case level == LevelMark:
		return true
	case q.expr != nil:
		return q.expr.Match(text) != q.inverse
	case q.needle != nil:
		return (indexFold(text, q.needle, q.anchor) >= 0) != q.inverse
	default:
		return true
	}
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// common holds the bytes that log lines are full of, the most frequent first.
const common = "e taoinsrl\"dcmup.:/-=0123456789fhgbvywkxqzj"

// rarest is the place of the byte that log lines have the least of.
func rarest(needle []byte) int {
	best, place := -1, 0
	for i, c := range needle {
		rank := strings.IndexByte(common, c)
		if rank < 0 {
			return i
		}
		if rank > best {
			best, place = rank, i
		}
	}
	return place
}

// indexFold is bytes.Index for a needle in lower case, ASCII letters in any
// case. It hops from one candidate of the byte at anchor to the next.
func indexFold(b, needle []byte, anchor int) int {
	c := needle[anchor]
	upper := c
	if c >= 'a' && c <= 'z' {
		upper = c &^ 0x20
	}
	last := len(b) - len(needle) + anchor // where the anchor can be at the latest
	nextLow, nextUp := -1, -1
	for i := anchor; i <= last; i++ {
		if nextLow < i {
			nextLow = seek(b, i, last, c)
		}
		if upper != c && nextUp < i {
			nextUp = seek(b, i, last, upper)
		}
		if i = nextLow; upper != c {
			i = min(nextLow, nextUp)
		}
		if i > last {
			return -1
		}
		if equalFold(b[i-anchor:], needle) {
			return i - anchor
		}
	}
	return -1
}

// seek is the position of c in b[from:last+1], or last+1.
func seek(b []byte, from, last int, c byte) int {
	if i := bytes.IndexByte(b[from:last+1], c); i >= 0 {
		return from + i
	}
	return last + 1
}

func equalFold(b, needle []byte) bool {
	for i, c := range needle {
		if lower(b[i]) != c {
			return false
		}
	}
	return true
}
