package handshake

import (
	"errors"
	"fmt"
	"strings"
)

// Extension is one element of Sec-WebSocket-Extensions (RFC 6455 9.1): an
// extension's name and its parameters.
type Extension struct {
	Name   string
	Params []Param
}

// Param is one parameter of an extension.
type Param struct {
	Name     string
	Value    string // unescaped
	HasValue bool   // there is a "=" behind the name
	Quoted   bool   // the value stands, or shall stand, between quotation marks
}

// ErrExtensions says that a value breaks the grammar of RFC 6455 9.1.
var ErrExtensions = errors.New("handshake: not a list of extensions as RFC 6455 9.1 has it")

// ParseExtensions reads the value of one Sec-WebSocket-Extensions header. Empty
// elements of the list are passed over; a list without any element, like
// anything else that breaks the grammar, is an ErrExtensions that says where.
func ParseExtensions(value string) (extensions []Extension, err error) {
	s := extensionScanner{rest: []byte(value)}
	for {
		name, ok := s.extension()
		if !ok {
			break
		}
		e := Extension{Name: string(name)}
		for p, ok := s.param(); ok; p, ok = s.param() {
			e.Params = append(e.Params, Param{string(p.name), string(p.unescape(nil)), p.hasValue, p.quoted})
		}
		extensions = append(extensions, e)
	}
	if s.bad || len(extensions) == 0 {
		return nil, fmt.Errorf("%w: at %q", ErrExtensions, show(s.rest))
	}
	return extensions, nil
}

// String is the extension as it stands in a header.
func (e Extension) String() string { return string(e.AppendTo(nil)) }

// AppendTo appends the extension as it stands in a header. A value that is no
// token is put between quotation marks, though that is against the grammar.
func (e Extension) AppendTo(b []byte) []byte {
	b = append(b, e.Name...)
	for _, p := range e.Params {
		b = append(append(b, "; "...), p.Name...)
		switch {
		case !p.HasValue:
		case p.Quoted || !isToken([]byte(p.Value)):
			b = append(append(append(b, `="`...), strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.Value)...), '"')
		default:
			b = append(append(b, '='), p.Value...)
		}
	}
	return b
}

// FormatExtensions is the value of a Sec-WebSocket-Extensions header.
func FormatExtensions(extensions []Extension) string {
	parts := make([]string, len(extensions))
	for i, e := range extensions {
		parts[i] = e.String()
	}
	return strings.Join(parts, ", ")
}

// extensionScanner reads a list of extensions without allocating. extension
// gives the next name, and param the parameters behind it, all of which have
// to be asked for before the next extension.
type extensionScanner struct {
	rest []byte
	bad  bool // the grammar was broken at rest
}

// scannedParam is a parameter as a view.
type scannedParam struct {
	name, value      []byte // value without its quotation marks, but still escaped
	hasValue, quoted bool
}

// unescape appends the value, unescaped.
func (p scannedParam) unescape(b []byte) []byte {
	for i := 0; i < len(p.value); i++ {
		if p.quoted && p.value[i] == '\\' && i+1 < len(p.value) {
			i++
		}
		b = append(b, p.value[i])
	}
	return b
}

func (s *extensionScanner) fail() bool {
	s.bad = true
	return false
}

func (s *extensionScanner) blanks() {
	for len(s.rest) > 0 && isBlank(s.rest[0]) {
		s.rest = s.rest[1:]
	}
}

// takes eats c, and the whitespace around it (RFC 2616's implied *LWS).
func (s *extensionScanner) takes(c byte) bool {
	s.blanks()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	s.blanks()
	return true
}

func (s *extensionScanner) token() []byte {
	n := 0
	for n < len(s.rest) && classes[s.rest[n]]&isTokenByte != 0 {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

// extension moves to the next extension; false at the end, or where the
// grammar is broken.
func (s *extensionScanner) extension() (name []byte, ok bool) {
	for s.takes(',') {
	}
	if s.bad || len(s.rest) == 0 {
		return nil, false
	}
	name = s.token()
	return name, len(name) > 0 || s.fail()
}

// param gives the next parameter of this extension; false where there is none.
func (s *extensionScanner) param() (p scannedParam, ok bool) {
	if !s.takes(';') {
		return p, len(s.rest) > 0 && s.rest[0] != ',' && s.fail()
	}
	if p.name = s.token(); len(p.name) == 0 {
		return p, s.fail()
	}
	if p.hasValue = s.takes('='); !p.hasValue {
		return p, true
	}
	if len(s.rest) > 0 && s.rest[0] == '"' {
		return s.quotedValue(p)
	}
	p.value = s.token()
	return p, len(p.value) > 0 || s.fail()
}

// quotedValue reads a quoted-string, whose value has to be a token once it is
// unescaped (RFC 6455 9.1).
func (s *extensionScanner) quotedValue(p scannedParam) (scannedParam, bool) {
	p.quoted = true
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '\\' && i+1 < len(s.rest) && classes[s.rest[i+1]]&isTokenByte != 0:
			i++
		case c == '"':
			p.value, s.rest = s.rest[1:i], s.rest[i+1:]
			return p, i > 1 || s.fail()
		case classes[c]&isTokenByte == 0:
			return p, s.fail()
		}
	}
	return p, s.fail()
}
