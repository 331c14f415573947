package audit

import (
	"fmt"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
)

// Reply is one answer to an attempt of a client: a response, right or wrong,
// and frames behind it. A client that takes it for an open connection answers
// the ping that comes last.
type Reply struct {
	ID      string // never changes
	Group   Group
	Clause  string
	Rule    string // of package handshake, that the response breaks; "" where there is none
	Binding handshake.Level
	Sends   string // what is answered, in words
	Due     string
	Why     string
	Mend    string

	wants  []string                             // subprotocols that a client has to ask for
	only   func(req *handshake.Head) string     // why a client cannot be asked, "" where it can
	head   func(h, req *handshake.Head)         // bends the right response
	edit   func(wire []byte) []byte             // changes its bytes then
	before string                               // comes before the response
	parts  int                                  // the response goes in so many pieces; 0: in one
	behind [][]byte                             // frames
	pong   string                               // the data of a ping in behind, whose pong is enough; no other comes
	bare   bool                                 // no ping comes last
	cut    bool                                 // the connection ends behind it
	judge  func(a *Attempt, pongs bool) Verdict // pongs: the client is known to answer pings
}

// What became of a client's attempt.
const (
	Opened Outcome = "opened"  // it sent frames as on an open connection
	GaveUp Outcome = "gave up" // it ended the connection, or complained
)

// Attempt is what a client did about one reply.
type Attempt struct {
	Request *handshake.Head
	Early   []byte // that came behind the request, before the response
	Sent    []byte
	Size    int
	Frames  []Frame
	End     End
	Wait    time.Duration
	Flood   bool
}

// Outcome tells whether the client took the connection for an open one.
func (a *Attempt) Outcome() Outcome {
	for i := range a.Frames {
		if f := &a.Frames[i]; f.Op != opClose || !f.complains() {
			return Opened
		}
	}
	if len(a.Frames) > 0 || a.End != Open {
		return GaveUp
	}
	return Silence
}

// complains reports whether a close frame says that the peer broke the
// protocol. Others are sent by who has opened, and leaves.
func (f *Frame) complains() bool {
	switch f.Code() {
	case 1002, 1003, 1007, 1008, 1009, 1010, 1011:
		return true
	}
	return false
}

func (a *Attempt) pong(data string) bool { return (&Answer{Frames: a.Frames}).pong(data) }
func (a *Attempt) close() *Frame         { return (&Answer{Frames: a.Frames}).Close() }
func (a *Attempt) ended() bool           { return a.close() != nil || a.End != Open }

// String says what came, in a few words.
func (a *Attempt) String() string {
	after := &Answer{Frames: a.Frames, End: a.End, Flood: a.Flood}
	if a.Outcome() == Silence {
		return "it neither sent anything nor ended within " + render.Duration(a.Wait)
	}
	text := strings.TrimPrefix(after.after(), ", then ")
	text = strings.ReplaceAll(text, "the ping behind it", "our ping")
	return strings.ReplaceAll(text, "of its own", "of data")
}

func (a *Attempt) key() string { return fmt.Sprint(a.Outcome(), a.pong(marker), a.ended()) }

// mustGiveUp wants the client not to take the connection for an open one.
func mustGiveUp(a *Attempt, pongs bool) Verdict {
	switch a.Outcome() {
	case Opened:
		return finding("it took the connection for an open one")
	case GaveUp:
		return pass
	}
	if pongs {
		return Verdict{Undecided, "it did not open, and did not end the connection"}
	}
	return Verdict{Undecided, "it did not end the connection, and answers no ping"}
}

// mustOpen wants the client to take the connection for an open one.
func mustOpen(a *Attempt, _ bool) Verdict {
	switch a.Outcome() {
	case Opened:
		if c := a.close(); c != nil && c.complains() {
			return finding("it took what is right for a breach of the protocol")
		}
		return pass
	case GaveUp:
		return finding("it gave up")
	}
	return Verdict{Undecided, "it did not end the connection, and answers no ping"}
}

// mightOpen makes a note of a client that is stricter than it needs to be.
func mightOpen(a *Attempt, pongs bool) Verdict {
	if v := mustOpen(a, pongs); v.Kind != Finding {
		return v
	}
	return note("stricter than it needs to be")
}

// mightGiveUp makes a note of what a client lets through.
func mightGiveUp(text string) func(*Attempt, bool) Verdict {
	return func(a *Attempt, pongs bool) Verdict {
		if v := mustGiveUp(a, pongs); v.Kind != Finding {
			return v
		}
		return note(text)
	}
}

// mustFail wants the client to end an open connection. That it goes on is shown
// by its answer to the ping behind.
func mustFail(a *Attempt, pongs bool) Verdict {
	switch {
	case a.pong(marker) && !a.ended():
		return finding("it goes on: it answered the ping behind it")
	case a.ended():
		return pass
	case pongs:
		return finding("neither an end nor a sign of life within the time")
	}
	return Verdict{Undecided, "it did not end, and it answers no ping"}
}

// mustAnswer wants a pong with this data.
func mustAnswer(data string) func(*Attempt, bool) Verdict {
	return func(a *Attempt, _ bool) Verdict {
		switch {
		case a.pong(data):
			return pass
		case a.Outcome() == GaveUp:
			return finding("it gave up")
		case a.ended():
			return Verdict{Undecided, "it left before: " + a.String()}
		}
		return finding("no pong with this data came")
	}
}

// mustCloseToo wants a close frame in answer to ours.
func mustCloseToo(a *Attempt, _ bool) Verdict {
	switch c := a.close(); {
	case c != nil && (c.Code() == 1002 || c.Code() == 1007):
		return finding("it took a right close frame for a breach of the protocol")
	case c != nil:
		return pass
	case a.Outcome() == Opened || a.End != Open:
		return finding("no close frame came in answer")
	}
	return Verdict{Undecided, "it sent nothing at all"}
}

// mustNotReflect wants the end, and not the code that must not be sent.
func mustNotReflect(code int) func(*Attempt, bool) Verdict {
	return func(a *Attempt, pongs bool) Verdict {
		if c := a.close(); c != nil && len(c.Data) >= 2 && c.Code() == code {
			return finding(fmt.Sprintf("it sent %d itself", code))
		}
		return mustFail(a, pongs)
	}
}
