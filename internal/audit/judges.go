package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// judge says what an answer means.
type judge = func(a *Answer, f *Facts) Verdict

var pass = Verdict{Kind: Pass}

func finding(text string) Verdict { return Verdict{Finding, text} }
func note(text string) Verdict    { return Verdict{Note, text} }

// mustRefuse wants an error status. RFC 6455 4.2.1 demands a response, too.
func mustRefuse(a *Answer, _ *Facts) Verdict {
	switch a.Outcome {
	case Refused:
		return refusal(a)
	case Upgraded:
		return finding("")
	case Reset:
		return note("reset, perhaps with a response that was lost")
	case Closed:
		return finding("it was not upgraded, but RFC 6455 4.2.1 wants a response with an error code")
	}
	return finding("")
}

// mustNotUpgrade wants anything but an upgrade: that a server hangs up on what
// is no HTTP is its right.
func mustNotUpgrade(a *Answer, _ *Facts) Verdict {
	switch a.Outcome {
	case Refused:
		return refusal(a)
	case Upgraded:
		return finding("")
	case Closed, Reset:
		return pass
	}
	return note("it was not upgraded, and not answered")
}

// refusal is right whatever its status is. One that blames the server for what
// the client did is worth knowing.
func refusal(a *Answer) Verdict {
	if a.Status() >= 500 && a.Status() != 501 && a.Status() != 505 {
		return note(fmt.Sprintf("refused, but %d says that it is the server's fault (RFC 9110 15.6)", a.Status()))
	}
	return pass
}

// shouldNotUpgrade makes a note of what is let through and had better not be.
func shouldNotUpgrade(text string) judge {
	return func(a *Answer, f *Facts) Verdict {
		if a.Outcome == Upgraded {
			return note(text)
		}
		return mustNotUpgrade(a, f)
	}
}

// mustAccept wants an upgrade that a client takes.
func mustAccept(a *Answer, _ *Facts) Verdict {
	if a.Outcome != Upgraded {
		return finding("")
	}
	if _, err := handshake.CheckResponse(&a.Exchange); err != nil {
		return finding("upgraded, but " + plain(err))
	}
	return pass
}

// mayAccept makes a note of a server that is stricter than it needs to be.
func mayAccept(a *Answer, f *Facts) Verdict {
	if a.Outcome != Upgraded {
		return note("stricter than it needs to be")
	}
	return mustAccept(a, f)
}

// plain is the rule that a response breaks, in the middle of a line.
func plain(err error) string {
	var f *handshake.Finding
	if errors.As(err, &f) {
		return f.Sentence()
	}
	return err.Error()
}

// broken are the MUSTs that a response breaks, of those whose rules begin with
// one of these.
func (a *Answer) broken(prefixes ...string) (list []handshake.Finding) {
	for _, f := range handshake.Check(&a.Exchange) {
		if f.Part == handshake.InRequest || f.Level != handshake.Must || f.ID == "response-accepted-broken-request" {
			continue
		}
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.ID, p) }) {
			list = append(list, f)
		}
	}
	return list
}

// rules wants a 101 that breaks none of the rules that begin so. Where there is
// no 101 the rules are not asked.
func rules(prefixes ...string) judge {
	return func(a *Answer, _ *Facts) Verdict {
		if a.Outcome != Upgraded {
			return Verdict{Undecided, "it was not upgraded: " + a.String()}
		}
		var said []string
		for _, f := range a.broken(prefixes...) {
			said = append(said, f.Sentence())
		}
		if len(said) > 0 {
			return finding(strings.Join(said, "; "))
		}
		return pass
	}
}

// mustDecline wants a response that does not agree to compression.
func mustDecline(a *Answer, _ *Facts) Verdict {
	switch {
	case a.Outcome == Refused:
		return note("the handshake is refused, where the offer was to be declined")
	case a.Outcome != Upgraded:
		return note("it was not upgraded: " + a.String())
	case agrees(a):
		return finding("it agreed: Sec-WebSocket-Extensions: " + strings.Join(a.Exchange.Response.Values("Sec-WebSocket-Extensions"), ", "))
	}
	return pass
}

func agrees(a *Answer) bool {
	for _, v := range a.Exchange.Response.Values("Sec-WebSocket-Extensions") {
		if strings.Contains(strings.ToLower(v), "permessage-deflate") {
			return true
		}
	}
	return false
}

// mustEnd wants the end of the connection. That the server goes on is shown by
// its answer to the ping behind.
func mustEnd(a *Answer, f *Facts) Verdict {
	switch {
	case a.Outcome != Upgraded:
		return Verdict{Undecided, "it was not upgraded: " + a.String()}
	case a.Ended() && f.Leaves && (a.Close() == nil || !a.Close().complains()):
		return Verdict{Undecided, "it ends connections by itself: " + a.String()}
	case a.Ended():
		return pass
	case a.Alive():
		return finding("it goes on: it answered the ping behind it")
	case !f.Pongs:
		return Verdict{Undecided, "it did not end, and it answers no ping"}
	}
	return finding("neither an end nor a sign of life within the time")
}

// mustLive wants the server to go on. An application may end a connection for
// reasons of its own, but not as a breach of the protocol.
func mustLive(a *Answer, f *Facts) Verdict {
	c := a.Close()
	switch {
	case a.Outcome != Upgraded:
		return Verdict{Undecided, "it was not upgraded: " + a.String()}
	case c != nil && (c.Code() == 1002 || c.Code() == 1007):
		return finding("it took what is right for a breach of the protocol")
	case a.Ended():
		return Verdict{Undecided, "the application may have ended it: " + a.String()}
	case a.Alive():
		return pass
	case !f.Pongs:
		return Verdict{Undecided, "it answers no ping"}
	}
	return finding("no sign of life behind it within the time")
}

// mustPong wants a pong with this data.
func mustPong(data string) judge {
	return func(a *Answer, f *Facts) Verdict {
		switch {
		case a.Outcome != Upgraded:
			return Verdict{Undecided, "it was not upgraded: " + a.String()}
		case a.pong(data):
			return pass
		case a.Ended() && f.Pongs:
			return mustLive(a, f)
		case a.Ended():
			return Verdict{Undecided, "it ended before: " + a.String()}
		}
		return finding("no pong with this data came")
	}
}

// mustClose wants a close frame in answer to ours, with a code that is no
// complaint.
func mustClose(a *Answer, f *Facts) Verdict {
	c := a.Close()
	switch {
	case a.Outcome != Upgraded:
		return Verdict{Undecided, "it was not upgraded: " + a.String()}
	case c == nil && f.Leaves:
		return Verdict{Undecided, "it ends connections by itself: " + a.String()}
	case c == nil:
		return finding("no close frame came in answer")
	case c.Code() == 1002 || c.Code() == 1007:
		return finding("it took a right close frame for a breach of the protocol")
	}
	return pass
}

// mustHangUp wants the end of the TCP connection behind both close frames.
func mustHangUp(a *Answer, _ *Facts) Verdict {
	switch {
	case a.Outcome != Upgraded:
		return Verdict{Undecided, "it was not upgraded: " + a.String()}
	case a.End == Open:
		return finding("the connection stayed open")
	}
	return pass
}

// mustNotEcho wants the end, and not the code that must not be sent in answer.
func mustNotEcho(code int) judge {
	return func(a *Answer, f *Facts) Verdict {
		if c := a.Close(); c != nil && len(c.Data) >= 2 && c.Code() == code {
			return finding(fmt.Sprintf("it sent %d itself", code))
		}
		if a.Outcome == Upgraded && !a.Ended() {
			return finding("it did not end")
		}
		return mustEnd(a, &Facts{Pongs: f.Pongs}) // whoever leaves by himself has not sent that code
	}
}
