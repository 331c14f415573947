package demo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

const greeting = "Hello"

func (f *framesStory) hello(s *Stage) error {
	l, err := s.listen("server")
	if err != nil {
		return err
	}
	f.listener = l
	client, server, err := talk{}.open(s, l)
	if err != nil {
		return err
	}
	if err := server.says(ws.Text, greeting); err != nil {
		return err
	}
	b := server.bytes()
	if _, err := client.hears(); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{%d bytes} on the wire for a message of %d: that is all. The request and the answer of HTTP that carry as much take a few
hundred bytes. Nor is there a question: the server spoke because it had something to say.`, len(b), len(greeting))
	s.Tell(`
The line "frame" is the header in words, and "text message" is what the programs at both ends deal with.`)
	return nil
}

func (f *framesStory) header(s *Stage) error {
	client, server, err := talk{unseen: both}.open(s, f.listener)
	if err != nil {
		return err
	}
	if err := server.says(ws.Text, greeting); err != nil {
		return err
	}
	b := server.wire.take()
	s.Note("server", "byte 1: %02x = %s", b[0], bits(b[0]))
	s.Note("server", "        %d          FIN: %s", b[0]>>7, chosenWord(b[0]>>7 == 1, "this is the last frame of its message", "more frames of it follow"))
	s.Note("server", "         %03b       RSV1 to RSV3: for extensions, else 0", b[0]>>4&7)
	s.Note("server", "             %04b  opcode: %d is %s", b[0]&0xf, b[0]&0xf, ws.Opcode(b[0]&0xf))
	s.Note("server", "byte 2: %02x = %s", b[1], bits(b[1]))
	s.Note("server", "        %d          MASK: %s", b[1]>>7, chosenWord(b[1]>>7 == 1, "a key follows", "no key follows"))
	s.Note("server", "         %03b %04b  the length of the payload: %d", b[1]>>4&7, b[1]&0xf, b[1]&0x7f)
	if _, err := client.hears(); err != nil {
		return err
	}
	if err := f.lengths(s, client, server); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{Opcodes}: 1 is text, 2 is bytes, 0 is the continuation of a message. 8 closes, 9 is a ping and 10 a pong; these three
are {control frames}. All others are reserved, and whoever gets one has to close the connection.`)
	s.Tell(`
Seven bits count to 127. Up to {125} they are the length itself; 126 says that two bytes with the length follow, and 127
that eight do. The shortest form that fits is the only one allowed.`)
	return nil
}

// lengths notes the headers of messages around the borders of the three forms.
func (f *framesStory) lengths(s *Stage, client, server *end) error {
	for _, n := range []int{125, 126, 65535, 65536} {
		if err := server.says(ws.Binary, strings.Repeat("x", n)); err != nil {
			return err
		}
		if _, err := client.hears(); err != nil {
			return err
		}
		header := server.wire.take()
		header = header[:len(header)-n]
		s.Note("server", "%s bytes: a header of %d, %s", grouped(n), len(header), spaced(header))
	}
	return nil
}

func chosenWord(first bool, one, other string) string {
	if first {
		return one
	}
	return other
}

func (f *framesStory) mask(s *Stage) error {
	client, server, err := talk{}.open(s, f.listener)
	if err != nil {
		return err
	}
	if err := client.sends(masked(ws.OpText, true, greeting)); err != nil {
		return err
	}
	b := client.bytes()
	if _, err := server.hears(); err != nil {
		return err
	}
	key, payload := b[2:6], b[6:]
	for i, c := range payload {
		s.Note("server", "%02x xor %02x = %02x, %q", c, key[i%4], c^key[i%4], string(c^key[i%4]))
	}
	s.Show()
	s.Tell(`
{%d bytes}: two of header, of which the first bit of the second is 1 now, four of key, and %d that are none of Hello's.
The server undoes it by the same {xor}, byte by byte, and begins the key anew behind its fourth byte.`, len(b), len(payload))
	s.Tell(`
It keeps nothing secret, for the key stands right there. It is against a trick: a page could have its browser send bytes
that look like a request of HTTP, and an old proxy in between, which takes all for HTTP, would believe them and keep
a wrong page for everybody. With a key that the page cannot foresee it cannot choose what goes over the wire. Servers
are no browsers: what they send must not be masked.`)
	return nil
}

func (f *framesStory) fragments(s *Stage) error {
	client, server, err := talk{}.open(s, f.listener)
	if err != nil {
		return err
	}
	for _, frame := range []ws.Frame{
		masked(ws.OpText, false, greeting[:3]), masked(ws.OpPing, true, "still there?"), masked(ws.OpContinuation, true, greeting[3:]),
	} {
		if err := client.sends(frame); err != nil {
			return err
		}
	}
	if _, err := server.hears(); err != nil {
		return err
	}
	if err := server.says(ws.Text, "I heard you"); err != nil {
		return err
	}
	if _, err := client.hears(); err != nil {
		return err
	}
	got := messages(s.entries(), "server", trace.In)
	if len(got) != 1 {
		return fmt.Errorf("%d messages came in place of one", len(got))
	}
	s.Show()
	s.Tell(`
The first fragment has the opcode of the message and no FIN; the others have opcode 0, and the last one FIN. The server's
program gets {one message in %d frames}, and does not see where it was cut: what stands between two systems may cut
messages anew. It is no use to give fragments a meaning.`, got[0].Frames)
	s.Tell(`
The ping went between them and was answered at once, by a {pong} with the same payload. Control frames may do that,
which is why they must be short: 125 bytes at most, and never in fragments themselves. Another message may not come
between: there is one at a time in each direction.`)
	return nil
}

// breaches are what the client does wrong, and the limits of the server that it
// does it to.
func breaches() []struct {
	what   string
	frame  ws.Frame
	limits ws.Limits
} {
	unmasked := masked(ws.OpText, true, greeting)
	unmasked.Masked = false
	return []struct {
		what   string
		frame  ws.Frame
		limits ws.Limits
	}{
		{"a text without a mask", unmasked, ws.Limits{}},
		{"a text of the bytes 48 ff", masked(ws.OpText, true, "H\xff"), ws.Limits{}},
		{"a text of 5 bytes to a server that takes 4", masked(ws.OpText, true, greeting), ws.Limits{MaxMessage: 4}},
	}
}

func (f *framesStory) violations(s *Stage) error {
	for _, breach := range breaches() {
		client, server, err := talk{limits: breach.limits}.open(s, f.listener)
		if err != nil {
			return err
		}
		s.Note("client", "%s", breach.what)
		if err := client.sends(breach.frame); err != nil {
			return err
		}
		if _, err := server.hears(); err == nil {
			return fmt.Errorf("%s was taken", breach.what)
		}
		if _, err := client.hears(); err == nil {
			return errors.New("a message came where a close frame was due")
		}
		s.Show()
	}
	codes := closings(s.entries(), "client", trace.In)
	if len(codes) != 3 {
		return fmt.Errorf("%d close frames came in place of 3", len(codes))
	}
	s.Tell(`
A rule of the protocol that is broken is answered with {%d}, protocol error. A text has to be {UTF-8}, the encoding of all
texts here, and one that is not gets {%d}. What is too large gets {%d}. The server does not read on: it could not know
any more where the next frame begins.`, codes[0].Code, codes[1].Code, codes[2].Code)
	s.Tell(`
These codes are the best clue there is when somebody's WebSocket ends as if by itself: 1002 and 1007 say that the other
side has found a mistake in what this side sent.`)
	return nil
}

// prices are two messages that resemble each other.
func prices() (list []string) {
	for _, acme := range []string{"101.25", "101.30"} {
		list = append(list, "the price of ACME is "+acme+" EUR, the price of INIT is 48.10 EUR, the price of ZETA is 7.95 EUR")
	}
	return list
}

func (f *framesStory) compression(s *Stage) error {
	wishes := []struct {
		what    string
		deflate handshake.Deflate
	}{
		{"both sides remember", handshake.Deflate{}},
		{"each message stands alone", handshake.Deflate{ServerNoContextTakeover: true, ClientNoContextTakeover: true}},
	}
	for _, wish := range wishes {
		client, server, err := talk{deflate: &wish.deflate, unseen: "server"}.open(s, f.listener)
		if err != nil {
			return err
		}
		s.Note("server", "agreed on %s: %s", wish.deflate, wish.what)
		for _, price := range prices() {
			if err := server.says(ws.Text, price); err != nil {
				return err
			}
			if _, err := client.hears(); err != nil {
				return err
			}
		}
		s.Show()
	}
	got := messages(s.entries(), "client", trace.In)
	if len(got) != 4 {
		return fmt.Errorf("%d messages came in place of 4", len(got))
	}
	s.Tell(`
Each message is {%d bytes} long. Alone it becomes {%d}. With what both sides remember of the one before, the second takes
{%d}; this is called {context takeover}. A compressed message is marked by RSV1 in its first frame, and control frames
are never compressed.`, got[0].Size, got[0].Wire, got[1].Wire)
	s.Tell(`
Remembering costs memory on both sides, for every connection, which is why many servers agree to compress only without it
(server_no_context_takeover). And where a secret and something that an attacker chooses stand in one context, the size
tells of the secret: such connections are better left alone.`)
	return nil
}

func (f *framesStory) goodBye(s *Stage) error {
	client, server, err := talk{}.open(s, f.listener)
	if err != nil {
		return err
	}
	heard := make(chan error, 1)
	go func() {
		_, err := server.hears()
		heard <- err
	}()
	if err := client.Close(ws.StatusNormal, "enough"); err != nil {
		return err
	}
	s.Note("server", "the program is told: %s", heardOf(<-heard))
	if client, server, err = (talk{}).open(s, f.listener); err != nil {
		return err
	}
	if err := client.sends(masked(ws.OpClose, true, "")); err != nil {
		return err
	}
	if _, err = server.hears(); err == nil {
		return errors.New("a message came where a close frame was due")
	}
	s.Note("server", "the program is told: %s", heardOf(err))
	if _, err := client.hears(); err == nil {
		return errors.New("a message came where a close frame was due")
	}
	s.Show()
	s.Tell(`
{1000} is a regular end, {1001} says that a page is left or a server goes down, {1011} that the server has failed, {1008}
that a rule of the house was broken, and {4000} to {4999} are for the programs themselves. A close frame may also hold no
code; programs are told {1005} then.`)
	s.Tell(`
Behind its close frame a side sends nothing more, and drops what still comes. Both have then said good-bye, and both know
that the other one has: that is what the end of a TCP connection alone cannot tell. It is the server that ends TCP,
because who ends it first keeps the connection's port for a while: the client can connect anew at once.`)
	return nil
}

func (f *framesStory) noGoodBye(s *Stage) error {
	if err := f.lose(s, func(*end) error { return nil }); err != nil {
		return err
	}
	f.lost = s.entries()
	s.Show()
	cut := masked(ws.OpText, true, greeting[:3])
	cut.Length = int64(len(greeting))
	if err := f.lose(s, func(client *end) error { return client.sends(cut) }); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The code is {1006}. It is never on the wire, for there was nobody to send it: it is what a program is told where no close
frame came. It says nothing about why. Half a message is no message, so Hel is dropped.`)
	s.Tell(`
Often even the end of TCP does not come: a phone that leaves the network says nothing at all. That is what pings are for.
A side that sends one every half a minute, say, and hears no pong to two of them, knows that nobody is there; and a
proxy that ends what is silent for a minute has no reason to.`)
	return nil
}

// lose has a client do something last, and vanish.
func (f *framesStory) lose(s *Stage, last func(client *end) error) error {
	client, server, err := talk{}.open(s, f.listener)
	if err != nil {
		return err
	}
	if err := errors.Join(last(client), client.CloseNow()); err != nil {
		return err
	}
	if _, err = server.hears(); err == nil {
		return errors.New("a message came where none was sent")
	}
	s.Note("server", "the program is told: %s", heardOf(err))
	return nil
}

func (f *framesStory) question(s *Stage) error {
	if err := s.Ask(`
{Clients of your chat complain that they are thrown out. The log says 1006 for each of them, always about 60 seconds after
their last message. Who ended the connection, and what will you change?}`); err != nil {
		return err
	}
	s.Again(f.lost)
	s.Tell(`
{Neither the client nor the server: both would have sent a close frame.} Something in between did, a proxy or a load
balancer that gives up what is silent for 60 seconds; nginx does so by itself (proxy_read_timeout). Send pings more often
than that, from the server: browsers have no function for it. sockkit listen and dial do with --ping-interval 20s.`)
	return nil
}
