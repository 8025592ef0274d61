package repo

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// varState says what is known of a variable.
type varState int

const (
	varUnset  varState = iota
	varSet             // the value is known
	varLocked          // it is set, but in a file that cannot be decrypted
)

// lookupFunc finds a variable.
type lookupFunc func(name string) (value string, state varState)

// Why an expression has no value.
var (
	errUnset   = errors.New("is not set")
	errEmpty   = errors.New("is set but empty")
	errLocked  = errors.New("is encrypted")
	errUnclear = errors.New("is written in a way that is not understood")
	errBrace   = errors.New("lacks its closing brace")
)

// expression is one ${...} or $NAME of a text.
type expression struct {
	name     string
	op       string // "", "-", "=", "+" with ":" before it or not
	fallback string
	// fallbackVar: fallback is the name of a variable
	fallbackVar bool
	hasFallback bool
	err         error
	start, end  int // bytes in the text
}

// expand substitutes the variables of a text as talhelper does (the grammar of
// a8m/envsubst, neither unset nor empty variables allowed). For an expression
// without a value it takes what miss returns.
func expand(text string, lookup lookupFunc, miss func(e expression, name string, why error) string) string {
	var out strings.Builder
	for len(text) > 0 {
		literal, e, rest := nextExpression(text)
		out.WriteString(literal)
		if e != nil {
			value, name, err := e.value(lookup)
			if err != nil {
				value = miss(*e, name, err)
			}
			out.WriteString(value)
		}
		text = rest
	}
	return out.String()
}

// expressions lists the expressions of a text, with their places.
func expressions(text string) []expression {
	var all []expression
	offset := 0
	for len(text) > 0 {
		_, e, rest := nextExpression(text)
		used := len(text) - len(rest)
		if e != nil {
			e.start, e.end = offset+used-(e.end-e.start), offset+used
			all = append(all, *e)
		}
		offset += used
		text = rest
	}
	return all
}

// nextExpression splits a text into the literal before its first expression,
// that expression (nil at the end or after an escape) and the rest.
func nextExpression(text string) (literal string, e *expression, rest string) {
	for i := 0; i < len(text); i++ {
		if text[i] != '$' {
			continue
		}
		after := text[i+1:]
		switch r, _ := utf8.DecodeRuneInString(after); {
		case r == '$':
			return text[:i+1], nil, after[1:]
		case r == '{':
			if e := braced(after[1:]); e != nil {
				e.end += 2
				return text[:i], e, text[i+e.end:]
			}
		case isNameRune(r):
			if name := leadingName(after); name != "_" {
				return text[:i], &expression{name: name, end: 1 + len(name)}, after[len(name):]
			}
		}
	}
	return text, nil, ""
}

// braced reads an expression after its "${"; end counts from there. It is nil
// for what stays literal text.
func braced(text string) *expression {
	name := leadingName(text)
	closing := strings.IndexAny(text, "}\n\r")
	switch {
	case name == "_" || strings.HasPrefix(text, "}"):
		return nil
	case closing < 0:
		return &expression{name: name, err: errBrace, end: len(text)}
	case name == "":
		return &expression{err: errUnclear, end: closing + 1}
	case text[closing] != '}':
		return &expression{name: name, err: errBrace, end: closing}
	}
	e := &expression{name: name, end: closing + 1}
	e.operator(text[len(name):closing])
	return e
}

// operator reads what stands between the name and the closing brace.
func (e *expression) operator(tail string) {
	for _, op := range []string{":-", ":=", ":+", "-", "=", "+"} {
		if fallback, found := strings.CutPrefix(tail, op); found {
			e.op = op
			e.setFallback(fallback)
			return
		}
	}
	if strings.Contains(tail, "$") || tail == ":" {
		e.err = errUnclear
	}
}

func (e *expression) setFallback(text string) {
	e.hasFallback = text != ""
	name, isVar := strings.CutPrefix(text, "$")
	switch {
	case !isVar && !strings.Contains(text, "$"):
		e.fallback = text
	case isVar && name != "" && name != "_" && leadingName(name) == name:
		e.fallback, e.fallbackVar = name, true
	default:
		e.err = errUnclear
	}
}

// value computes the expression; with an error comes the variable to blame.
func (e expression) value(lookup lookupFunc) (value, blame string, err error) {
	if e.err != nil {
		return "", e.name, e.err
	}
	value, state := lookup(e.name)
	if e.hasFallback {
		switch e.op {
		case ":-", ":=":
			if state == varUnset || state == varSet && value == "" {
				return e.fallbackValue(lookup)
			}
		case "+", ":+":
			if state == varUnset {
				return "", "", nil
			}
			return e.fallbackValue(lookup)
		case "-", "=":
			if state == varUnset {
				return e.fallbackValue(lookup)
			}
		}
	}
	return required(e.name, value, state)
}

func (e expression) fallbackValue(lookup lookupFunc) (value, blame string, err error) {
	if !e.fallbackVar {
		return e.fallback, "", nil
	}
	value, state := lookup(e.fallback)
	return required(e.fallback, value, state)
}

func required(name, value string, state varState) (string, string, error) {
	switch {
	case state == varUnset:
		return "", name, errUnset
	case state == varLocked:
		return "", name, errLocked
	case value == "":
		return "", name, errEmpty
	}
	return value, "", nil
}

func leadingName(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool { return !isNameRune(r) })
	if end < 0 {
		return text
	}
	return text[:end]
}

func isNameRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// String is the expression as an operator knows it, its fallback left out.
func (e expression) String() string { return fmt.Sprintf("${%s}", e.name) }
