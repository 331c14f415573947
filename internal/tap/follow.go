package tap

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// extras are what a connection that is read from a capture has beside one that
// passes now.
type extras struct {
	clock  func() time.Time          // nil: time.Now
	told   func(*handshake.Exchange) // of each opening handshake; nil: nobody
	pieces bool                      // what is not decoded is shown as it came

	agreed handshake.Agreement
	fresh  func() *ws.Observer // makes one that begins anew
}

func (e *extras) now() time.Time {
	if e.clock == nil {
		return time.Now()
	}
	return e.clock()
}

func (e *extras) tell(x *handshake.Exchange) {
	if e.told != nil && asks(x.Request) {
		kept := *x
		kept.Early, kept.Body = bytes.Clone(kept.Early), bytes.Clone(kept.Body)
		e.told(&kept)
	}
}

// begin notes what frames follow by.
func (e *extras) begin(agreed handshake.Agreement, fresh func() *ws.Observer) {
	e.agreed, e.fresh = agreed, fresh
}

// Following says how a connection is followed.
type Following struct {
	ID     trace.ID
	Limits ws.Limits
	Kept   int                       // bytes of what is not complete, by direction; 0 is 64 MiB
	Now    func() time.Time          // the time of what is fed; nil is time.Now
	OnOpen func(*handshake.Exchange) // called with each opening handshake, right or wrong; may be nil

	// OnStream is called where a WebSocket is asked for on a stream of HTTP/2, and
	// returns the number of its records; OnStreamEnd is called when nothing more
	// passes there. Ended is false where the stream may go on. Both are nil where
	// they are the connection's.
	OnStream    func(stream uint32) trace.ID
	OnStreamEnd func(id trace.ID, e trace.Close, ended bool)
}

// Follower follows one connection whose bytes are read somewhere else, such as
// in a capture: opening handshakes, frames, Engine.IO and Socket.IO, and pieces
// of what is none of them. It is for one goroutine.
type Follower struct {
	x       *exchanges
	o       *opening
	decided decided
	frames  *ws.Observer
	over2   *over2 // where HTTP/2 is spoken
	lanes   [2]lane
	kept    [2][]byte // until it is decided
	scan    handshake.Scanner
	ended   [2]bool
	tracer  *trace.Tracer
	id      trace.ID

	onStream    func(uint32) trace.ID
	onStreamEnd func(trace.ID, trace.Close, bool)
}

// decided says which machine follows a connection.
type decided uint8

const (
	notDecided decided = iota
	byOpening          // one opening handshake, or no HTTP
	byExchanges
	byHTTP2
)

// lane is one direction once frames pass.
type lane struct {
	frames *ws.Observer // its own, behind a gap
	lost   bool
}

// Follow begins to follow a connection, of one that [NewCaptured] returned.
func (s *SocketIO) Follow(f Following) *Follower {
	t := s.captured.tracer
	e := extras{clock: f.Now, told: f.OnOpen, pieces: true}
	return &Follower{
		tracer: t, id: f.ID, onStream: f.OnStream, onStreamEnd: f.OnStreamEnd,
		x: &exchanges{watched: watched{tracer: t, id: f.ID}, io: s, limits: f.Limits, most: f.Kept, extras: e},
		o: &opening{tracer: t, id: f.ID, limits: f.Limits, extras: e},
	}
}

// Feed takes bytes that one end sent, in one piece of any size.
func (f *Follower) Feed(from ws.Role, b []byte) {
	switch {
	case len(b) == 0:
	case f.decided == notDecided:
		f.kept[from] = append(f.kept[from], b...)
		f.decide()
	default:
		f.feed(from, b)
	}
}

// decide looks at the first request to know what is spoken.
func (f *Follower) decide() {
	first := f.kept[ws.ClientRole]
	switch {
	case len(first) == 0 && mayBeSettings(f.kept[ws.ServerRole]):
		return // a server of HTTP/2 may be first
	case len(first) > 0 && string(first[:min(len(first), len(preface))]) == preface[:min(len(first), len(preface))]:
		if len(first) >= len(preface) {
			f.over2 = f.begin2()
			f.settle(byHTTP2)
		}
		return
	case len(first) == 0 && !mayAnswer(f.kept[ws.ServerRole]):
		f.settleOther(ws.ServerRole)
		return
	case len(first) == 0:
		return
	case !mayAsk(first):
		f.settleOther(ws.ClientRole)
		return
	}
	n, err := f.scan.Scan(first, nil)
	switch {
	case errors.Is(err, handshake.ErrNeedMore):
	case err != nil:
		f.settle(byOpening)
	default:
		head := &handshake.Head{}
		_, _ = head.ParseRequest(bytes.Clone(first[:n]), nil)
		if asks(head) && !ofEngine(string(head.Target)) {
			f.settle(byOpening)
			return
		}
		f.settle(byExchanges)
	}
}

// preface is what a client of HTTP/2 begins with (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// mayBeSettings reports whether bytes may begin the first frame of a server of
// HTTP/2: SETTINGS on no stream, and no answer to others.
func mayBeSettings(b []byte) bool {
	return len(b) >= 9 && b[0] == 0 && b[3] == 4 && b[4] == 0 && string(b[5:9]) == "\x00\x00\x00\x00" && (int(b[1])<<8|int(b[2]))%6 == 0
}

// mayAsk reports whether bytes may begin a request, also one that is wrong: a
// word in letters, and a line that speaks of HTTP or begins with a method.
func mayAsk(b []byte) bool {
	line, _, whole := bytes.Cut(b, []byte("\n"))
	method, _, spaced := bytes.Cut(line[:min(len(line), 32)], []byte(" "))
	if !spaced && (whole || len(line) > 20) || len(method) == 0 {
		return false
	}
	for _, c := range method {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return !whole || beginsRequest(line) || bytes.Contains(bytes.ToUpper(line), []byte("HTTP/"))
}

// mayAnswer reports whether bytes may begin a response.
func mayAnswer(b []byte) bool {
	const begin = "HTTP/"
	n := min(len(b), len(begin))
	return string(b[:n]) == begin[:n]
}

// settleOther has what is no HTTP shown in pieces.
func (f *Follower) settleOther(from ws.Role) {
	kept := f.kept
	f.settle(byOpening, from)
	if f.o.phase != undecoded {
		f.o.heads[from].buf = append(f.o.heads[from].buf, kept[from]...)
		f.o.noHTTP(from, handshake.ErrNotHTTP)
		return
	}
	f.feed(from, kept[from])
}

// Partial says that the beginning of the connection is not known.
func (f *Follower) Partial() { f.x.io.tear(f.x.id) }

// settle hands what was kept to the machine that follows from here on, but for
// what some ends sent.
func (f *Follower) settle(d decided, but ...ws.Role) {
	f.decided = d
	kept := f.kept
	f.kept = [2][]byte{}
	for _, from := range []ws.Role{ws.ClientRole, ws.ServerRole} {
		if len(kept[from]) > 0 && !slices.Contains(but, from) {
			f.feed(from, kept[from])
		}
	}
}

func (f *Follower) feed(from ws.Role, b []byte) {
	if f.over2 != nil {
		f.over2.Feed(from, b)
		return
	}
	if f.frames != nil {
		f.feedFrames(from, b)
		return
	}
	if f.decided == byOpening {
		f.frames = f.o.feed(from, b)
		return
	}
	f.x.feed(from, b)
	if f.frames = f.x.frames.Load(); f.x.h2c != nil {
		f.upgraded2()
	}
}

// feedFrames hands bytes to the decoder of their direction.
func (f *Follower) feedFrames(from ws.Role, b []byte) {
	l := &f.lanes[from]
	if l.lost && !f.resume(from, b) {
		f.data(from, b)
		return
	}
	if l.frames != nil {
		l.frames.Feed(from, b)
		return
	}
	f.frames.Feed(from, b)
}

// Gap says that n bytes of what one end sent are not known. What can be found
// again behind it, is.
func (f *Follower) Gap(from ws.Role, n int64) {
	if f.decided == notDecided {
		f.settle(byOpening)
	}
	f.x.io.tear(f.x.id)
	switch {
	case f.over2 != nil:
		f.over2.gap(from)
	case f.frames != nil:
		if f.lanes[from].lost {
			return
		}
		f.lanes[from] = lane{lost: true}
		f.note(fmt.Sprintf("frames of the %s are lost in the gap; they are decoded again from a piece on that begins and ends with whole frames", from))
	case f.decided == byOpening && f.o.phase != undecoded:
		f.o.decodeNoMore(nil)
	case f.decided == byExchanges && !f.x.lost:
		f.x.left()
		f.x.giveUp(fmt.Sprintf("%d bytes of the %s are missing", n, from))
		f.x.resumes = true
	}
}

// resume reports whether a piece behind a gap can be decoded again.
func (f *Follower) resume(from ws.Role, b []byte) bool {
	e := f.extras()
	context := from == ws.ClientRole && !e.agreed.Deflate.ClientNoContextTakeover || from == ws.ServerRole && !e.agreed.Deflate.ServerNoContextTakeover
	if e.agreed.Compressed && context || !wholeFrames(b, from == ws.ClientRole) {
		return false
	}
	f.lanes[from] = lane{frames: e.fresh()}
	f.note(fmt.Sprintf("what the %s sends is decoded again from here on", from))
	return true
}

// extras are those of the machine that follows.
func (f *Follower) extras() *extras {
	if f.decided == byOpening {
		return &f.o.extras
	}
	return &f.x.extras
}

// wholeFrames reports whether bytes are frames, whole and one after the other,
// the first of which begins and ends a message.
func wholeFrames(b []byte, masked bool) bool {
	if len(b) < 2 || b[0]&0x80 == 0 || b[0]&0x30 != 0 || b[0]&0x0f != 1 && b[0]&0x0f != 2 {
		return false
	}
	for len(b) > 0 {
		n, ok := FrameSize(b)
		if !ok || n > len(b) || (b[1]&0x80 != 0) != masked {
			return false
		}
		b = b[n:]
	}
	return true
}

// FrameSize is the size of the frame that bytes begin with, by its header (RFC
// 6455 section 5.2). It reports false where the header is not whole, or says
// more than 2 GiB.
func FrameSize(b []byte) (int, bool) {
	if len(b) < 2 {
		return 0, false
	}
	head, length := 2, int(b[1]&0x7f)
	extended := map[int]int{126: 2, 127: 8}[length]
	if head += extended; len(b) < head {
		return 0, false
	}
	if extended > 0 {
		length = 0
		for _, c := range b[2:head] {
			if length = length<<8 | int(c); length > 1<<31 {
				return 0, false
			}
		}
	}
	if b[1]&0x80 != 0 {
		head += 4
	}
	return head + length, true
}

// End says that one end has sent all it will; whole is false where the capture
// ends before the connection does, so that it proves nothing.
func (f *Follower) End(from ws.Role, whole bool) {
	if f.ended[from] {
		return
	}
	f.ended[from] = true
	if f.decided == notDecided && (len(f.kept[from]) > 0 || from == ws.ServerRole) {
		f.settle(byOpening)
	}
	switch {
	case f.over2 != nil:
		if f.ended[from.Peer()] {
			f.over2.finish(whole)
		}
	case f.frames != nil:
		f.endFrames(from, whole)
	case f.decided == byOpening && whole:
		f.o.end(from)
	case f.decided == byExchanges:
		f.x.end(from)
	}
}

func (f *Follower) endFrames(from ws.Role, whole bool) {
	if l := &f.lanes[from]; whole && !l.lost && f.good() {
		if l.frames != nil {
			l.frames.End(from)
		} else {
			f.frames.End(from)
		}
	}
	if f.decided == byExchanges && from == ws.ServerRole {
		f.x.left()
	}
}

func (f *Follower) good() bool { return f.x.good || f.o.good }

// Held is how many bytes are kept of what is not complete.
func (f *Follower) Held() int {
	n := len(f.x.client.buf) + len(f.x.server.buf) + len(f.o.early) + 3*f.x.asking // as bytes, and taken apart
	if f.frames != nil {
		n += f.frames.Held()
	}
	if f.over2 != nil {
		n += f.over2.held()
	}
	for _, l := range f.lanes {
		if l.frames != nil {
			n += l.frames.Held()
		}
	}
	for role := range f.kept {
		n += len(f.kept[role]) + len(f.o.heads[role].buf)
	}
	return n
}

// GiveUp has nothing more decoded, for the reason that is told.
func (f *Follower) GiveUp(why string) {
	if f.decided == notDecided {
		f.settle(byOpening)
	}
	switch {
	case f.over2 != nil:
		f.over2.giveUp(why)
	case f.frames != nil:
		f.note(why)
		f.x.io.tear(f.x.id)
		f.frames = f.extras().fresh()
		f.lanes = [2]lane{{lost: true}, {lost: true}}
	case f.decided == byOpening:
		f.note(why)
		f.o.decodeNoMore(nil)
	case !f.x.lost:
		f.x.giveUp(why)
	}
}

// most bounds what is kept of a request or a response that is not complete.
func (f *Follower) most() int { return cmp.Or(f.x.most, mostKept) }

func (f *Follower) note(text string) { f.o.note(text) }

func (f *Follower) data(from ws.Role, b []byte) { f.o.data(from, b) }

// data shows what is not decoded, where nobody else does.
func (x *exchanges) data(from ws.Role, b []byte) {
	if x.pieces && len(b) > 0 && x.tracer.On(trace.Message) {
		x.tracer.Emit(x.id, trace.Data{Dir: dirOf(from), Size: len(b), Payload: b})
	}
}

// resume begins anew with a request, behind a gap.
func (x *exchanges) resume(from ws.Role, b []byte) bool {
	if !x.resumes || from != ws.ClientRole || !beginsRequest(b) {
		return false
	}
	x.lost, x.resumes = false, false
	x.client, x.server, x.waiting, x.asking = sent{ended: x.client.ended}, sent{ended: x.server.ended}, nil, 0
	return true
}
