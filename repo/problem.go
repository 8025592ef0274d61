package repo

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Severity grades a Problem.
type Severity int

// The severities. Error: talhelper refuses to go on, or a value that it needs
// is not known. Warning: it goes on, and an operator should know.
const (
	Warning Severity = iota
	Error
)

// String names the severity.
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Error:
		return "error"
	default:
		return "unknown"
	}
}

// Problem is something that is wrong with a checkout while the rest of it could
// be read. Its Reason holds no value of a variable.
type Problem struct {
	// File is an absolute path.
	File string
	// Line counts from 1; 0 when no line is to blame.
	Line     int
	Reason   string
	Severity Severity
}

// String is the problem in one line: file:line: reason.
func (p Problem) String() string { return place(p.File, p.Line) + ": " + p.Reason }

// FileError says that a file cannot be read at all. Its Reason holds no value
// of a variable.
type FileError struct {
	// File is an absolute path.
	File string
	// Line counts from 1; 0 when no line is to blame.
	Line   int
	Reason string
	// Err is the error of the operating system; nil when the content is wrong.
	Err error
}

// Error is file:line: reason.
func (e *FileError) Error() string { return place(e.File, e.Line) + ": " + e.Reason }

// Unwrap returns the error of the operating system, if any.
func (e *FileError) Unwrap() error { return e.Err }

func place(file string, line int) string {
	if line <= 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// problems collects without repeating.
type problems struct {
	list []Problem
	seen map[Problem]bool
}

func (p *problems) add(severity Severity, file string, line int, format string, args ...any) {
	one := Problem{File: file, Line: line, Reason: fmt.Sprintf(format, args...), Severity: severity}
	if p.seen[one] {
		return
	}
	if p.seen == nil {
		p.seen = map[Problem]bool{}
	}
	p.seen[one] = true
	p.list = append(p.list, one)
}

func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return p.list
}

// addError adds a file's error as a problem.
func (p *problems) addError(severity Severity, path string, err error) {
	var broken *FileError
	if errors.As(err, &broken) {
		p.add(severity, broken.File, broken.Line, "%s", broken.Reason)
		return
	}
	p.add(severity, path, 0, "%v", err)
}

// errNotExist is what a *FileError wraps when there is no such file.
var errNotExist = fs.ErrNotExist
