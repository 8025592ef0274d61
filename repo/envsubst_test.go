package repo

import (
	"errors"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	lookup := func(name string) (string, varState) {
		switch name {
		case "A":
			return "one", varSet
		case "B":
			return "two", varSet
		case "EMPTY":
			return "", varSet
		case "LOCKED":
			return "", varLocked
		}
		return "", varUnset
	}
	tests := []struct {
		text, want string
		why        error
		blame      string
	}{
		{text: "plain", want: "plain"},
		{text: "$A-${B}", want: "one-two"},
		{text: "$$A $$ $${A}", want: "$A $ ${A}"},
		{text: "5$ $ $. ${} $_ ${_}", want: "5$ $ $. ${} $_ ${_}"},
		{text: "${A:-x}${U:-x}${EMPTY:-x}", want: "onexx"},
		{text: "${A:=x}${U:=x y}", want: "onex y"},
		{text: "${A-x}${U-x}", want: "onex"},
		{text: "${A:+x}${U:+x}${U+x}|", want: "x|"},
		{text: "${LOCKED:+x}", want: "x"},
		{text: "${U:=$B}", want: "two"},
		{text: "${A:?must}", want: "one"},
		{text: "$U", want: "!", why: errUnset, blame: "U"},
		{text: "${EMPTY}", want: "!", why: errEmpty, blame: "EMPTY"},
		{text: "${EMPTY-x}", want: "!", why: errEmpty, blame: "EMPTY"},
		{text: "${LOCKED}", want: "!", why: errLocked, blame: "LOCKED"},
		{text: "${LOCKED:-x}", want: "!", why: errLocked, blame: "LOCKED"},
		{text: "${U:-$EMPTY}", want: "!", why: errEmpty, blame: "EMPTY"},
		{text: "${U:-}", want: "!", why: errUnset, blame: "U"},
		{text: "${U:-${B}}", want: "!}", why: errUnclear, blame: "U"},
		{text: "${!A}", want: "!", why: errUnclear},
		{text: "${A\n}", want: "!\n}", why: errBrace, blame: "A"},
		{text: "a ${A", want: "a !", why: errBrace, blame: "A"},
		{text: "$größe", want: "!", why: errUnset, blame: "größe"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			var why error
			var blame string
			got := expand(test.text, lookup, func(_ expression, name string, reason error) string {
				why, blame = reason, name
				return "!"
			})
			if got != test.want || !errors.Is(why, test.why) || blame != test.blame {
				t.Errorf("got %q, %q, %v; want %q, %q, %v", got, blame, why, test.want, test.blame, test.why)
			}
		})
	}
}

func TestExpressionPlaces(t *testing.T) {
	text := "a $B ${C:-d} $$E"
	var got []string
	for _, one := range expressions(text) {
		got = append(got, text[one.start:one.end])
	}
	if want := "$B|${C:-d}"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"${A:-$B}", "$$", "${", "${A", "$\xff", "${_}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		none := func(string) (string, varState) { return "", varUnset }
		out := expand(text, none, func(expression, string, error) string { return "" })
		if len(out) > len(text) {
			t.Errorf("%q grew to %q", text, out)
		}
		for _, one := range expressions(text) {
			if one.start < 0 || one.end > len(text) || one.start >= one.end || text[one.start] != '$' {
				t.Errorf("%q: expression at %d to %d", text, one.start, one.end)
			}
		}
	})
}

func TestParseDotenv(t *testing.T) {
	tests := []struct {
		name, text, want string
		line             int
		err              error
	}{
		{name: "yaml", text: "a: 1\nb: \"two words\" \n# c\nc: 'x' # y\n", want: "a=1|b=two words|c=x"},
		{name: "dotenv", text: "export A=1\r\nB=x#y # z\n\nC=\n", want: "A=1|B=x#y|C="},
		{name: "references", text: "A=x\nB=$A-${A}\nC='$A'\nD=\\$A\nE=${UNSET}\n", want: "A=x|B=x-x|C=$A|D=$A|E="},
		{name: "lower case is no reference", text: "a=x\nB=$a ${a}\n", want: "a=x|B=$a ${a}"},
		{name: "escapes", text: `A="a\nb\"c\d"` + "\n", want: "A=a\nb\"cd"},
		{name: "nested mapping is flattened", text: "a:\n  b: c\n", want: "a=|b=c"},
		{name: "quote over lines", text: "A='x\ny'\nB=z", want: "A=x\ny|B=z"},
		{name: "url", text: "A: https://x:6443\n", want: "A=https://x:6443"},
		{name: "list", text: "a: 1\nb:\n  - c\n", line: 3, err: errDotenvName},
		{name: "open quote", text: "a: 1\n\nb: \"c\n", line: 3, err: errDotenvQuote},
		{name: "dash in a name", text: "my-name: c\n", line: 1, err: errDotenvName},
		{name: "empty", text: " \n# c"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			entries, line, err := parseDotenv(test.text)
			var got []string
			for _, one := range entries {
				got = append(got, one.name+"="+one.value)
			}
			if strings.Join(got, "|") != test.want || line != test.line || !errors.Is(err, test.err) {
				t.Errorf("got %q, line %d, %v; want %q, line %d, %v", got, line, err, test.want, test.line, test.err)
			}
		})
	}
}

func FuzzParseDotenv(f *testing.F) {
	for _, seed := range []string{"A=1", "a: 'b", "=", "export ", "A=\"\\", "#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, line, err := parseDotenv(text)
		if (err != nil) != (line > 0) {
			t.Errorf("%q: line %d with error %v", text, line, err)
		}
	})
}
