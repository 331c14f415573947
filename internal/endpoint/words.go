package endpoint

import (
	"fmt"
	"os/exec"
	"strings"
)

// splitWords splits a line into words by the quoting rules of a POSIX shell
// (Shell Command Language, section 2.2). Nothing is expanded. A word that is an
// operator to a shell is an error: no shell runs to obey it.
func splitWords(line string) ([]string, error) {
	s := splitter{rest: line}
	for s.rest != "" {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	s.end()
	return s.words, nil
}

type splitter struct {
	rest    string
	words   []string
	word    strings.Builder
	started bool // a word has begun, though it may be empty
}

func (s *splitter) end() {
	if s.started {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.started = false
}

func (s *splitter) add(text string) {
	s.word.WriteString(text)
	s.started = true
}

// next takes one character, or one quoted part, from the rest of the line.
func (s *splitter) next() error {
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch c {
	case ' ', '\t', '\n':
		s.end()
	case '\'':
		return s.single()
	case '"':
		return s.double()
	case '\\':
		return s.escape()
	case '|', '<', '>', '&', ';':
		if !s.started {
			return &Hint{fmt.Errorf("%q is for a shell, and none runs here", string(c)),
				"quote it, or run a shell: exec:\"sh -c '…'\", or listen --sh '…'"}
		}
		s.add(string([]byte{c}))
	default:
		s.add(string([]byte{c}))
	}
	return nil
}

func (s *splitter) single() error {
	quoted, rest, ok := strings.Cut(s.rest, "'")
	if !ok {
		return fmt.Errorf("a ' has no end")
	}
	s.add(quoted)
	s.rest = rest
	return nil
}

func (s *splitter) double() error {
	s.add("")
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return nil
		case c == '\\' && s.rest != "" && strings.ContainsRune("\"\\$`\n", rune(s.rest[0])):
			s.add(s.rest[:1])
			s.rest = s.rest[1:]
		default:
			s.add(string([]byte{c}))
		}
	}
	return fmt.Errorf("a \" has no end")
}

func (s *splitter) escape() error {
	if s.rest == "" {
		return fmt.Errorf("it ends with a backslash")
	}
	s.add(s.rest[:1])
	s.rest = s.rest[1:]
	return nil
}

// Runnable reports as an error that a command does not exist.
func Runnable(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return &ChildError{name, err}
	}
	return nil
}
