package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// framesBench is the lab of the lesson on frames: one WebSocket at a time, whose
// ends do what the reader says.
type framesBench struct {
	stage   *Stage
	address string
	served  sync.Map // the server's ends, by where their clients are

	mu     sync.Mutex // one thing at a time
	client *framesEnd // nil before the first
	server *framesEnd
	packed []packing // of this connection
}

// framesEnd is one end, with a program behind it that reads what comes.
type framesEnd struct {
	*ws.Conn
	stage *Stage
	who   string
	over  chan struct{} // closed once the program has been told of the end
	told  string
}

// How messages are compressed.
const (
	deflateNo    = "no"
	deflateYes   = "yes"
	deflateAlone = "alone" // without context takeover
)

// deflateOffers are what a client offers for each.
var deflateOffers = map[string]*handshake.Deflate{
	deflateNo: nil, deflateYes: {}, deflateAlone: {ServerNoContextTakeover: true, ClientNoContextTakeover: true},
}

func framesLab(s *Stage) (Actions, error) {
	l, err := s.listen("server")
	if err != nil {
		return nil, err
	}
	b := &framesBench{stage: s, address: "ws://" + l.Addr().String() + chatPath}
	server := &ws.Server{Handler: b.serve, Tracer: s.full("server"), Deflate: &handshake.Deflate{}, CompressFrom: 1}
	s.Keep(server)
	s.Keep(closerFunc(b.close))
	go func() { _ = server.Serve(l.Sockets()[0]) }()
	s.Push("state", "none yet")
	return Actions{
		"open":     act(b.open),
		"say":      act(b.say),
		"ping":     act(b.ping),
		"close":    act(b.bye),
		"break":    act(b.offend),
		"question": act(b.question),
	}, nil
}

// serve is the server's program.
func (b *framesBench) serve(ctx context.Context, c *ws.Conn) error {
	e := &framesEnd{Conn: c, stage: b.stage, who: "server", over: make(chan struct{})}
	from := c.NetConn().RemoteAddr().String()
	b.served.Store(from, e) // a stranger's, by a command that was copied, stays there to its end
	defer b.served.Delete(from)
	e.listen(ctx)
	return nil
}

// listen reads until the end.
func (e *framesEnd) listen(ctx context.Context) {
	defer close(e.over)
	for {
		if _, _, err := e.Read(ctx); err != nil {
			e.told = heardOf(err)
			e.stage.Note(e.who, "the program is told: %s", e.told)
			return
		}
	}
}

// close ends the connection that there is, with no good-bye.
func (b *framesBench) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop()
	return nil
}

func (b *framesBench) drop() {
	for _, e := range []*framesEnd{b.client, b.server} {
		if e != nil {
			_ = e.CloseNow() // it may be closed
			<-e.over
		}
	}
	b.client, b.server, b.packed = nil, nil, nil
}

// deflating is how the reader wishes a connection.
type deflating struct {
	Deflate string `json:"deflate"` // no, yes or alone
}

// open opens a new connection.
func (b *framesBench) open(ctx context.Context, a deflating) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return nil, b.connect(ctx, a.Deflate)
}

func (b *framesBench) connect(ctx context.Context, how string) error {
	offer, ok := deflateOffers[how]
	if !ok {
		return fmt.Errorf("%.20q is no way to compress", how)
	}
	b.drop()
	d := ws.Dialer{Tracer: b.stage.full("client"), Deflate: offer, CompressFrom: 1, Timeout: patience, CloseTimeout: patience}
	c, _, err := d.Dial(ctx, b.address)
	if err != nil {
		return err
	}
	e := &framesEnd{Conn: c, stage: b.stage, who: "client", over: make(chan struct{})}
	err = b.stage.until("the server", func() bool {
		end, ok := b.served.Load(c.NetConn().LocalAddr().String())
		if ok {
			b.server = end.(*framesEnd)
		}
		return ok
	})
	if err != nil {
		_ = c.CloseNow() // the reader hears of the first
		return err
	}
	b.client = e
	go e.listen(b.stage.ctx)
	b.stage.Push("packed", []packing{})
	b.stage.Push("state", "open, "+worded(c.Agreed()))
	return nil
}

func worded(a handshake.Agreement) string {
	if !a.Compressed {
		return "without compression"
	}
	return "with " + a.Deflate.String()
}

// ends are the one that does something and the other one. Where the connection
// is over, or there was none, another is opened.
func (b *framesBench) ends(ctx context.Context, who string) (this, other *framesEnd, err error) {
	if b.client == nil || b.isOver() {
		how := deflateNo
		if b.client != nil && b.client.Agreed().Compressed {
			how = deflateYes
			if b.client.Agreed().Deflate.ClientNoContextTakeover {
				how = deflateAlone
			}
		}
		if err := b.connect(ctx, how); err != nil {
			return nil, nil, err
		}
	}
	if who == "server" {
		return b.server, b.client, nil
	}
	return b.client, b.server, nil
}

func (b *framesBench) isOver() bool {
	for _, e := range []*framesEnd{b.client, b.server} {
		select {
		case <-e.over:
			return true
		default:
		}
	}
	return false
}

// saying is a message, and how it is sent.
type saying struct {
	Who    string `json:"who"`
	Text   string `json:"text"`
	Pieces int    `json:"pieces"` // frames; 0 is one
	Ping   bool   `json:"ping"`   // between the first two
	Key    string `json:"key"`    // the masking key in hex; "" is a random one
}

// The bounds of what is typed.
const (
	mostSaid   = 4 << 10 // bytes
	mostPieces = 16
)

// say sends a message, and waits until the other end has it.
func (b *framesBench) say(ctx context.Context, a saying) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, err := a.check()
	if err != nil {
		return nil, err
	}
	this, other, err := b.ends(ctx, a.Who)
	if err != nil {
		return nil, err
	}
	from := b.stage.cast.Next()
	if err := this.say(ctx, a, key); err != nil {
		return nil, err
	}
	got, err := b.arrival(ctx, from, other.who)
	if err != nil {
		return nil, err
	}
	b.packs(this.who, got)
	b.stage.Push("frames", b.sent(from, this.who))
	return fmt.Sprintf("The %s has the message, %s. On the wire it was %s, in %s.", other.who,
		counted(got.Size, "byte"), counted(int(got.Wire), "byte"), counted(got.Frames, "frame")), nil
}

// counted is a number and what it counts.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(n) + " " + what
}

// check returns the masking key that is wished for; nil is a random one.
func (a *saying) check() (key []byte, err error) {
	switch {
	case len(a.Text) > mostSaid:
		return nil, fmt.Errorf("%s bytes are too many: %s are allowed", grouped(len(a.Text)), grouped(mostSaid))
	case a.Pieces < 0 || a.Pieces > mostPieces:
		return nil, fmt.Errorf("%d frames: 1 to %d are possible", a.Pieces, mostPieces)
	case a.Key == "" || a.Who == "server":
		return nil, nil
	}
	if key, err = hex.DecodeString(a.Key); err != nil || len(key) != 4 {
		return nil, fmt.Errorf("%.20q is no masking key: 8 hexadecimal digits are due, for 4 bytes", a.Key)
	}
	return key, nil
}

// say sends a message in a frame as any program would, or by hand.
func (e *framesEnd) say(ctx context.Context, a saying, key []byte) error {
	if a.Pieces <= 1 && key == nil {
		return e.Write(ctx, ws.Text, []byte(a.Text))
	}
	return e.fragments(ctx, a, key)
}

// fragments sends a message in pieces that are as alike as can be.
func (e *framesEnd) fragments(ctx context.Context, a saying, key []byte) error {
	n := max(a.Pieces, 1)
	for i := range n {
		f := ws.Frame{Fin: i == n-1, Opcode: ws.OpContinuation, Masked: e.who == "client", Payload: []byte(a.Text[len(a.Text)*i/n : len(a.Text)*(i+1)/n])}
		if i == 0 {
			f.Opcode = ws.OpText
		}
		if copy(f.Key[:], key); key == nil {
			_, _ = rand.Read(f.Key[:]) // it never fails
		}
		if err := e.WriteFrame(ctx, f); err != nil {
			return err
		}
		if i == 0 && a.Ping {
			if _, err := e.Ping(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrival waits for the message that comes to who.
func (b *framesBench) arrival(ctx context.Context, from int, who string) (got trace.WSMessage, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ok := b.stage.cast.Await(ctx.Done(), from, func(list []live.Entry) bool {
		if came := messages(named(list), who, trace.In); len(came) > 0 {
			got = came[0]
		}
		return got.Frames > 0
	})
	if !ok {
		err = fmt.Errorf("the message did not come to the %s", who)
	}
	return got, err
}

// sent are the records of the frames that who has sent since one.
func (b *framesBench) sent(from int, who string) (numbers []int) {
	for _, e := range b.stage.cast.since(from) {
		if f, ok := e.Event.(trace.WSFrame); ok && e.who == who && f.Dir == trace.Out {
			numbers = append(numbers, e.number)
		}
	}
	return numbers
}

// packing is a message before and after its compression.
type packing struct {
	Who  string `json:"who"`
	Text string `json:"text"`
	Size int    `json:"size"`
	Wire int64  `json:"wire"`
	How  string `json:"how"`
}

// mostPacked bounds the messages that are listed.
const mostPacked = 12

func (b *framesBench) packs(who string, m trace.WSMessage) {
	p := packing{who, shortened(string(m.Payload)), m.Size, m.Wire, "as it is"}
	if m.Compressed {
		p.How = "compressed"
	}
	b.packed = append(b.packed, p)
	if len(b.packed) > mostPacked {
		b.packed = b.packed[1:]
	}
	b.stage.Push("packed", b.packed)
}

// framesWho says which end is meant.
type framesWho struct {
	Who string `json:"who"`
}

// ping sends a ping, and waits for its pong.
func (b *framesBench) ping(ctx context.Context, a framesWho) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	this, other, err := b.ends(ctx, a.Who)
	if err != nil {
		return nil, err
	}
	from := b.stage.cast.Next()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	took, err := this.Ping(ctx)
	if err != nil {
		return nil, err
	}
	b.stage.Push("frames", append(b.sent(from, this.who), b.sent(from, other.who)...))
	return fmt.Sprintf("The pong came after %v.", took.Round(time.Microsecond)), nil
}

// codeAnswer is the reader's to the question: with which code does a server
// close for a text that is not UTF-8?
type codeAnswer struct {
	Code string `json:"code"`
}

// question looks for the answer in the trace.
func (b *framesBench) question(_ context.Context, a codeAnswer) (any, error) {
	found := -1
	for _, e := range b.stage.cast.entries() {
		switch event := e.Event.(type) {
		case trace.Finding:
			found = -1
			if e.who == "server" && event.Rule == "text-utf8" {
				found = e.number
			}
		case trace.WSClose:
			if found >= 0 && e.who == "server" && event.Dir == trace.Out {
				return Verdict{a.Code == fmt.Sprint(event.Code), fmt.Sprintf("The server closes with %d, %s. The frame itself kept all rules, and so it is not 1002: what is wrong is what it holds.", event.Code, event.Title), []int{found, e.number}}, nil
			}
		}
	}
	return nil, errors.New("nothing of the kind has happened yet: send a text that is not UTF-8 first")
}
