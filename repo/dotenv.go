package repo

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
)

// dotenvEntry is one assignment of a dotenv file.
type dotenvEntry struct{ name, value string }

var (
	errDotenvName  = errors.New("a name has a character that dotenv does not allow")
	errDotenvQuote = errors.New("a quoted value is not closed")
	errDotenvEmpty = errors.New("a name is missing")
)

// parseDotenv reads NAME=value and "name: value" lines as talhelper does (the
// rules of joho/godotenv 1.5.1): $NAME and ${NAME} in upper case refer to
// earlier entries of the same file, unset ones are empty. The error names the
// line, from 1, and holds no content.
func parseDotenv(text string) (entries []dotenvEntry, line int, err error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	total := strings.Count(text, "\n")
	vars := map[string]string{}
	for rest := skipToStatement(text); rest != ""; rest = skipToStatement(rest) {
		line = total - strings.Count(rest, "\n") + 1
		name, tail, err := dotenvName(rest)
		if err != nil {
			return nil, line, err
		}
		value, tail, err := dotenvValue(tail, vars)
		if err != nil {
			return nil, line, err
		}
		vars[name] = value
		entries = append(entries, dotenvEntry{name, value})
		rest = tail
	}
	return entries, 0, nil
}

// skipToStatement drops white space and comment lines.
func skipToStatement(text string) string {
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if !strings.HasPrefix(text, "#") {
			return text
		}
		newline := strings.IndexByte(text, '\n')
		if newline < 0 {
			return ""
		}
		text = text[newline:]
	}
}

// dotenvName reads a name up to its = or : sign.
func dotenvName(text string) (name, rest string, err error) {
	text = strings.TrimLeftFunc(text, isBlank)
	if after, found := strings.CutPrefix(text, "export"); found && strings.IndexFunc(after, isBlank) == 0 {
		text = strings.TrimLeftFunc(after, isBlank)
	}
	if text == "" {
		return "", "", errDotenvEmpty
	}
	end := 0
	for i := 0; i < len(text) && end == 0; i++ {
		switch c := rune(text[i]); {
		case c == '=' || c == ':':
			name, end = text[:i], i+1
		case isBlank(c), c == '_', c == '.', unicode.IsLetter(c), unicode.IsNumber(c):
		default:
			return "", "", errDotenvName
		}
	}
	return strings.TrimRightFunc(name, unicode.IsSpace), strings.TrimLeftFunc(text[end:], isBlank), nil
}

// dotenvValue reads a value up to its end of line or closing quote.
func dotenvValue(text string, vars map[string]string) (value, rest string, err error) {
	if text == "" {
		return "", "", nil
	}
	if quote := text[0]; quote == '"' || quote == '\'' {
		return quotedValue(text, quote, vars)
	}
	end := strings.IndexAny(text, "\r\n")
	if end < 0 {
		end = len(text)
	}
	bare := strings.TrimFunc(cutComment([]rune(text[:end])), isBlank)
	return dotenvRefs(bare, vars), text[end:], nil
}

// cutComment drops a comment: the last # with white space before it.
func cutComment(line []rune) string {
	for i := len(line) - 1; i > 0; i-- {
		if line[i] == '#' && isBlank(line[i-1]) {
			return string(line[:i])
		}
	}
	return string(line)
}

func quotedValue(text string, quote byte, vars map[string]string) (value, rest string, err error) {
	for i := 1; i < len(text); i++ {
		if text[i] != quote || text[i-1] == '\\' {
			continue
		}
		value = strings.Trim(text[:i], string(quote))
		if quote == '"' {
			value = dotenvRefs(unescape(value), vars)
		}
		return value, text[i+1:], nil
	}
	return "", "", errDotenvQuote
}

var (
	escapePattern    = regexp.MustCompile(`\\.`)
	backslashPattern = regexp.MustCompile(`\\([^$])`)
	refPattern       = regexp.MustCompile(`(\\)?\$(\()?\{?([A-Z0-9_]+)?\}?`)
)

// unescape turns \n and \r into line ends and drops other backslashes, except
// before a dollar sign.
func unescape(text string) string {
	text = escapePattern.ReplaceAllStringFunc(text, func(match string) string {
		switch match {
		case `\n`:
			return "\n"
		case `\r`:
			return "\r"
		default:
			return match
		}
	})
	return backslashPattern.ReplaceAllString(text, "$1")
}

// dotenvRefs substitutes references to earlier entries.
func dotenvRefs(text string, vars map[string]string) string {
	return refPattern.ReplaceAllStringFunc(text, func(match string) string {
		parts := refPattern.FindStringSubmatch(match)
		switch {
		case parts[1] != "":
			return match[1:]
		case parts[3] != "":
			return vars[parts[3]]
		default:
			return match
		}
	})
}

// isBlank is white space that does not end a line.
func isBlank(r rune) bool {
	switch r {
	case '\t', '\v', '\f', '\r', ' ', 0x85, 0xA0:
		return true
	default:
		return false
	}
}
