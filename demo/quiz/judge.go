package quiz

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// UnknownError is a number that no question has.
type UnknownError struct{ Number, Most int }

// Error implements error.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no question %d: they are numbered from 1 to %d", e.Number, e.Most)
}

// Right reports whether an answer names the rule that is broken: by its
// identifier, by its clause, or in plain words.
func (q *Question) Right(answer string) bool {
	said := words(answer)
	if slices.Equal(said, words(q.Rule)) || isClause(said, words(q.Clause)) {
		return true
	}
	if summary(strings.ToLower(strings.TrimSpace(answer))) != "" {
		return false // the identifier of another rule, whatever words it has
	}
	return slices.ContainsFunc(q.Words, func(s string) bool { return holds(said, words(s)) })
}

// words are those of a text, in lower case and without punctuation. A number
// such as 4.1 is one word.
func words(s string) []string {
	list := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.'
	})
	for i := range list {
		list[i] = strings.Trim(list[i], ".")
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// isClause reports whether a clause was said. Its source may be left out:
// "4.1 item 4" is "RFC 6455 4.1 (response) item 4".
func isClause(said, clause []string) bool {
	short := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(unsaid, s) })
	}
	said = short(said)
	return len(said) > 0 && slices.Equal(said, short(clause))
}

// unsaid are the words of a clause that may be left out.
var unsaid = []string{"rfc", "6455", "7692", "9110", "9112", "response", "section", "engine.io", "socket.io", "practice"}

// holds reports whether all words of want are among those that were said.
func holds(said, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(said, w) })
}

// meant finds what somebody means who is wrong: what the rule says that was
// named, or what another server does of which the words are true. It is "" where
// nothing is known by such a name.
func meant(answer string) string {
	if s := summary(strings.ToLower(strings.TrimSpace(answer))); s != "" {
		return s
	}
	for _, q := range Questions() {
		if q.Right(answer) {
			return q.Broken
		}
	}
	return ""
}
