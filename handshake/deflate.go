package handshake

import "strconv"

// Deflate is a set of parameters of permessage-deflate (RFC 7692 7.1): what a
// client offers, what a server answers, what both agreed on, or what a server
// wishes. The zero value is the extension without any parameter: both sides
// keep their context from message to message, with windows of 32 KiB.
type Deflate struct {
	ServerNoContextTakeover bool // 7.1.1.1: the server forgets its context after each message
	ClientNoContextTakeover bool // 7.1.1.2: the client does

	ServerMaxWindowBits int // 7.1.2.1: 8 to 15; 0 is not named, which means 15
	ClientMaxWindowBits int // 7.1.2.2: 8 to 15; 0 is not named, which means 15; in an offer also Unvalued
}

// Unvalued stands in an offer's ClientMaxWindowBits for the parameter without a
// value: the server may limit the client's window, and the client suggests no
// limit of its own.
const Unvalued = -1

const (
	deflateName      = "permessage-deflate"
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverWindow     = "server_max_window_bits"
	clientWindow     = "client_max_window_bits"
)

// ServerWindowBits is the size of the server's window, 8 to 15.
func (d Deflate) ServerWindowBits() int { return windowBits(d.ServerMaxWindowBits) }

// ClientWindowBits is the size of the client's window, 8 to 15.
func (d Deflate) ClientWindowBits() int { return windowBits(d.ClientMaxWindowBits) }

func windowBits(bits int) int {
	if bits <= 0 {
		return 15
	}
	return bits
}

// Extension returns the parameters as an element of Sec-WebSocket-Extensions.
func (d Deflate) Extension() Extension {
	e := Extension{Name: deflateName}
	flag := func(set bool, name string) {
		if set {
			e.Params = append(e.Params, Param{Name: name})
		}
	}
	bits := func(n int, name string) {
		if n > 0 {
			e.Params = append(e.Params, Param{Name: name, Value: strconv.Itoa(n), HasValue: true})
		}
	}
	flag(d.ServerNoContextTakeover, serverNoTakeover)
	flag(d.ClientNoContextTakeover, clientNoTakeover)
	bits(d.ServerMaxWindowBits, serverWindow)
	bits(d.ClientMaxWindowBits, clientWindow)
	flag(d.ClientMaxWindowBits == Unvalued, clientWindow)
	return e
}

// String is the extension as it stands in a header.
func (d Deflate) String() string { return string(d.appendTo(nil)) }

// appendTo appends what Extension().AppendTo does, and allocates nothing.
func (d Deflate) appendTo(b []byte) []byte {
	b = append(b, deflateName...)
	if d.ServerNoContextTakeover {
		b = append(b, "; "+serverNoTakeover...)
	}
	if d.ClientNoContextTakeover {
		b = append(b, "; "+clientNoTakeover...)
	}
	if d.ServerMaxWindowBits > 0 {
		b = strconv.AppendInt(append(b, "; "+serverWindow+"="...), int64(d.ServerMaxWindowBits), 10)
	}
	switch {
	case d.ClientMaxWindowBits > 0:
		b = strconv.AppendInt(append(b, "; "+clientWindow+"="...), int64(d.ClientMaxWindowBits), 10)
	case d.ClientMaxWindowBits == Unvalued:
		b = append(b, "; "+clientWindow...)
	}
	return b
}

// Accept answers an offer as a server that wishes what d says, and returns the
// parameters of the answer, which are those agreed on. Every offer that is
// valid can be answered: wishes only narrow it. A limit for the client's
// window is granted where the client said that it understands one
// (RFC 7692 7.1.2.2).
func (d Deflate) Accept(offer Deflate) Deflate {
	agreed := Deflate{
		ServerNoContextTakeover: d.ServerNoContextTakeover || offer.ServerNoContextTakeover,
		ClientNoContextTakeover: d.ClientNoContextTakeover || offer.ClientNoContextTakeover,
		ServerMaxWindowBits:     narrower(d.ServerMaxWindowBits, offer.ServerMaxWindowBits),
	}
	if offer.ClientMaxWindowBits != 0 {
		agreed.ClientMaxWindowBits = narrower(d.ClientMaxWindowBits, offer.ClientMaxWindowBits)
	}
	return agreed
}

// narrower is the smaller of two windows, 0 where neither is named.
func narrower(a, b int) int {
	if a <= 0 && b <= 0 {
		return 0
	}
	return min(windowBits(a), windowBits(b))
}

// Agree takes a server's answer to this offer, and returns the parameters that
// hold from then on, seen from both sides. The answer has to be a good one,
// see [CheckResponse].
func (d Deflate) Agree(answer Deflate) Deflate {
	agreed := answer
	if d.ClientMaxWindowBits > 0 { // what the client said it would keep to anyway
		agreed.ClientMaxWindowBits = narrower(d.ClientMaxWindowBits, answer.ClientMaxWindowBits)
	}
	agreed.ClientNoContextTakeover = answer.ClientNoContextTakeover || d.ClientNoContextTakeover
	return agreed
}

// deflateProblem is what is wrong with a permessage-deflate element.
type deflateProblem uint8

const (
	deflateGood       deflateProblem = iota
	deflateUnknown                   // a parameter that RFC 7692 does not define
	deflateTwice                     // a parameter named twice
	deflateValue                     // a value where none may be, none where one must be, or not a number
	deflateRange                     // a window outside 8 to 15
	deflateNotOffered                // an answer's client_max_window_bits that was not offered
	deflateWider                     // an answer's server window wider than what was offered
	deflateTakeover                  // an answer without the server_no_context_takeover that was offered
)

// scanDeflate reads the parameters behind the name permessage-deflate, as an
// offer or as an answer (RFC 7692 7.1). It reads all of them, and returns the
// first problem with the parameter that has it.
func scanDeflate(s *extensionScanner, offer bool) (d Deflate, problem deflateProblem, culprit scannedParam) {
	seen := 0
	for p, ok := s.param(); ok; p, ok = s.param() {
		bit, found := d.take(p, offer)
		if found == deflateGood && seen&bit != 0 {
			found = deflateTwice
		}
		seen |= bit
		if problem == deflateGood && found != deflateGood {
			problem, culprit = found, p
		}
	}
	return d, problem, culprit
}

// take enters one parameter, and returns a bit that stands for its name.
func (d *Deflate) take(p scannedParam, offer bool) (bit int, problem deflateProblem) {
	switch string(p.name) {
	case serverNoTakeover:
		d.ServerNoContextTakeover = true
		return 1, noValue(p)
	case clientNoTakeover:
		d.ClientNoContextTakeover = true
		return 2, noValue(p)
	case serverWindow:
		d.ServerMaxWindowBits, problem = scanBits(p)
		return 4, problem
	case clientWindow:
		if offer && !p.hasValue {
			d.ClientMaxWindowBits = Unvalued
			return 8, deflateGood
		}
		d.ClientMaxWindowBits, problem = scanBits(p)
		return 8, problem
	}
	return 0, deflateUnknown
}

func noValue(p scannedParam) deflateProblem {
	if p.hasValue {
		return deflateValue
	}
	return deflateGood
}

// scanBits reads "8" to "15", a decimal number without leading zeros
// (RFC 7692 7.1.2.1).
func scanBits(p scannedParam) (int, deflateProblem) {
	var room [4]byte
	if len(p.value) > 2*len(room) {
		return 0, deflateValue
	}
	v := p.unescape(room[:0])
	switch {
	case !isDigits(v) || v[0] == '0' && len(v) > 1:
		return 0, deflateValue
	case len(v) > 2:
		return 0, deflateRange
	}
	bits := 0
	for _, c := range v {
		bits = bits*10 + int(c-'0')
	}
	if bits < 8 || bits > 15 {
		return 0, deflateRange
	}
	return bits, deflateGood
}

// fits judges a valid answer against this offer.
func (d Deflate) fits(answer Deflate) deflateProblem {
	switch {
	case answer.ClientMaxWindowBits != 0 && d.ClientMaxWindowBits == 0:
		return deflateNotOffered
	case answer.ServerWindowBits() > d.ServerWindowBits():
		return deflateWider
	case d.ServerNoContextTakeover && !answer.ServerNoContextTakeover:
		return deflateTakeover
	}
	return deflateGood
}

// firstOffer finds the first offer of permessage-deflate that a server may
// accept. It declines the others, as RFC 7692 7.1 says it must.
func firstOffer(req *Head) (Deflate, bool) {
	for i := req.after(extensionsField, -1); i >= 0; i = req.after(extensionsField, i) {
		s := extensionScanner{rest: req.fields[i].Value}
		for name, ok := s.extension(); ok; name, ok = s.extension() {
			if string(name) != deflateName {
				for _, ok := s.param(); ok; _, ok = s.param() {
				}
				continue
			}
			if d, problem, _ := scanDeflate(&s, true); problem == deflateGood && !s.bad {
				return d, true
			}
		}
	}
	return Deflate{}, false
}

// bestOffer finds the client's offer that an answer fits, or else the first
// valid one with what does not fit.
func bestOffer(req *Head, answer Deflate) (best Deflate, problem deflateProblem, any bool) {
	for i := req.after(extensionsField, -1); i >= 0; i = req.after(extensionsField, i) {
		s := extensionScanner{rest: req.fields[i].Value}
		for name, ok := s.extension(); ok; name, ok = s.extension() {
			offer, invalid, _ := scanDeflate(&s, true)
			if string(name) != deflateName || invalid != deflateGood || s.bad {
				continue
			}
			found := offer.fits(answer)
			if found == deflateGood {
				return offer, found, true
			}
			if !any {
				best, problem, any = offer, found, true
			}
		}
	}
	return best, problem, any
}

// ParseDeflate reads an element of Sec-WebSocket-Extensions as an offer or as
// an answer of permessage-deflate. It reports false where RFC 7692 7.1 says
// that it must not be accepted.
func ParseDeflate(e Extension, offer bool) (Deflate, bool) {
	s := extensionScanner{rest: e.AppendTo(nil)}
	name, _ := s.extension()
	d, problem, _ := scanDeflate(&s, offer)
	return d, string(name) == deflateName && problem == deflateGood && !s.bad
}
