package demo

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

func (w *wssStory) open(s *Stage) (err error) {
	if w.plain, err = s.echoes("server", nil); err != nil {
		return err
	}
	m, err := s.between(w.plain, nil, nil)
	if err != nil {
		return err
	}
	if err := s.visits(visitor{who: "client", scheme: "ws", name: chatName}, m.address()); err != nil {
		return err
	}
	if err := m.over(s); err != nil {
		return err
	}
	if err := w.reads(s, m); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
Everything can be read: which page, which words, both ways. The client's frames are masked, and that hides nothing, since
the key stands right in front of what it masks. Masking is against confused proxies, not against readers.`)
	s.Tell(`
Whoever can read can also change. Nothing in these bytes would tell the client that the answer is not the server's.`)
	return nil
}

// reads notes what the middle can make of a WebSocket that passed.
func (w *wssStory) reads(s *Stage, m *middle) error {
	seen := s.at("middle", trace.Byte)
	request, there := afterHead(m.there.b)
	line, _, _ := bytes.Cut(request, []byte("\r\n"))
	seen.Emit(0, trace.HTTPHead{Dir: trace.Out, Line: string(line), Size: len(request), Payload: append(bytes.Clone(line), "\r\n"...)})
	frame, key, text, err := firstFrame(there)
	if err != nil {
		return err
	}
	seen.Emit(0, trace.Bytes{Dir: trace.Out, Size: len(frame), Payload: frame})
	s.Note("middle", "the key is %s, so that reads: %s", spaced(key), text)
	_, back := afterHead(m.back.b)
	if frame, _, text, err = firstFrame(back); err != nil {
		return err
	}
	seen.Emit(0, trace.Bytes{Dir: trace.In, Size: len(frame), Payload: frame})
	s.Note("middle", "no key, and it reads: %s", text)
	return nil
}

func (w *wssStory) sealed(s *Stage) (err error) {
	if w.authority, err = newAuthority("An authority"); err != nil {
		return err
	}
	cert, err := w.authority.signs(chatName)
	if err != nil {
		return err
	}
	if w.secure, err = s.echoes("server", &cert); err != nil {
		return err
	}
	m, err := s.between(w.secure, nil, nil)
	if err != nil {
		return err
	}
	known := &tls.Config{RootCAs: w.authority.trusts()}
	if err := s.visits(visitor{"client", "wss", chatName, known}, m.address()); err != nil {
		return err
	}
	if err := m.over(s); err != nil {
		return err
	}
	if err := w.guesses(s, m); err != nil {
		return err
	}
	s.Show()
	w.tellsSealed(s, saidIn(tlsRecords(m.there.b, trace.Out)))
	return nil
}

// guesses notes what the middle sees of a connection in TLS.
func (w *wssStory) guesses(s *Stage, m *middle) error {
	seen := s.at("middle", trace.Byte)
	there := tlsRecords(m.there.b, trace.Out)
	said := saidIn(there)
	if said == nil {
		return fmt.Errorf("%d records passed, and too few of them carry data", len(there))
	}
	for i := range there {
		seen.Emit(0, there[i].TLSRecord)
		if &there[i] == said {
			seen.Emit(0, trace.Bytes{Dir: trace.Out, Size: said.Size, Payload: said.body})
		}
	}
	s.Note("middle", "looks for %q in the first of these: %s", chatName, found(there[0].body, chatName))
	s.Note("middle", "looks for %q in all that passed, both ways: %s", pin, found(append(bytes.Clone(m.there.b), m.back.b...), pin))
	return nil
}

// saidIn is the record in which the client says something: the third with data,
// behind the end of the TLS handshake and the request.
func saidIn(list []record) *record {
	n := 0
	for i := range list {
		if list[i].Type == "application_data" {
			if n++; n == 3 {
				return &list[i]
			}
		}
	}
	return nil
}

func found(in []byte, what string) string {
	if bytes.Contains(in, []byte(what)) {
		return "it is there"
	}
	return "it is not there"
}

func (w *wssStory) tellsSealed(s *Stage, said *record) {
	s.Tell(`
TLS sends {records}. Only the first one each way is for everybody to read, and change_cipher_spec, which says nothing and is
there for old boxes on the way. The handshake's rest, the opening handshake, the frames and even the end are in records of
the type application_data, encrypted, and whoever changes a bit of one ends the connection. The path, the headers and the
words are hidden.`)
	s.Tell(`
Not hidden are who talks with whom, when and how much: the IP addresses, the server's name, which the client sends in the
open so that one address can have many certificates, and the sizes. The record whose bytes are shown has %d, for a frame of %d: a byte for its true type and a
seal of 16 are added, and no more.`, said.Size, 2+4+len(secret))
}

func (w *wssStory) checked(s *Stage) error {
	tries := []struct {
		what string
		v    visitor
	}{
		{"knows no authority", visitor{"client 1", "wss", chatName, &tls.Config{RootCAs: (*authority)(nil).trusts()}}},
		{"knows it, and has called shop.example", visitor{"client 2", "wss", "shop.example", &tls.Config{RootCAs: w.authority.trusts()}}},
		{"knows it, and calls the server without TLS by wss", visitor{"client 3", "wss", chatName, &tls.Config{RootCAs: w.authority.trusts()}}},
	}
	for i, try := range tries {
		address := w.secure
		if i == len(tries)-1 {
			address = w.plain
		}
		s.Note(try.v.who, "%s", try.what)
		var failed *tcp.TLSError
		if err := s.visits(try.v, address); !errors.As(err, &failed) {
			return fmt.Errorf("%s was not refused by TLS: %w", try.v.who, err)
		}
	}
	s.Show()
	s.Tell(`
Each of them gave up before a word was said: no request was sent, and no cookie and no token with it. A certificate that
nobody vouches for proves nothing, for anybody can make one with any name in it. One for another name is right, but it is
somebody else's. And what answered the third has no TLS at all.`)
	s.Tell(`
It is the client that checks, each time anew. The server cannot tell whether it has: the only traces there are an alert, or
a connection that ends.`)
	return nil
}

func (w *wssStory) pinned(s *Stage) error {
	own, err := (*authority)(nil).signs(chatName)
	if err != nil {
		return err
	}
	other, err := (*authority)(nil).signs(chatName)
	if err != nil {
		return err
	}
	pin := tcp.Fingerprint(own.Certificate[0])
	config, err := (&tcp.TLSOptions{Pins: []string{pin}}).Client(chatName)
	if err != nil {
		return err
	}
	s.Note("client", "expects %s", pin)
	for i, cert := range []*tls.Certificate{&own, &other} {
		address, err := s.echoes([]string{"server", "somebody"}[i], cert)
		if err != nil {
			return err
		}
		err = s.visits(visitor{"client", "wss", chatName, config}, address)
		var wrong *tcp.PinError
		if refused := errors.As(err, &wrong); refused != (i == 1) {
			return fmt.Errorf("the pin decided otherwise: %w", err)
		}
	}
	s.Show()
	s.Tell(`
A pin asks for one certificate and no other, so no authority is needed, and neither name nor date counts. The second server
had the same name in its certificate, and another key: that shows at once.`)
	s.Tell(`
The price is that the pin has to be told anew when the certificate changes. sockkit listen --self-signed prints it, and
sockkit dial --pin takes it. Browsers know no pins; there an authority of one's own is the way.`)
	return nil
}

func (w *wssStory) question(s *Stage) error {
	if err := s.Ask(`
{A client connects that was told to check nothing, as by curl -k or rejectUnauthorized: false. What does the middle read?}`); err != nil {
		return err
	}
	own, err := (*authority)(nil).signs(chatName)
	if err != nil {
		return err
	}
	faked := &tls.Config{Certificates: []tls.Certificate{own}, SessionTicketsDisabled: true}
	towards := &tls.Config{RootCAs: w.authority.trusts(), ServerName: chatName}
	m, err := s.between(w.secure, faked, towards)
	if err != nil {
		return err
	}
	if err := s.visits(visitor{"client", "wss", chatName, &tls.Config{InsecureSkipVerify: true}}, m.address()); err != nil {
		return err
	}
	if err := m.over(s); err != nil {
		return err
	}
	if err := w.reads(s, m); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{All of it.} The client has TLS, and the best there is: with the middle. That opens what comes, reads it, and says it again
to the server on a second connection, whose certificate it does check. Both ends see an encrypted connection, and neither
sees the other.`)
	s.Tell(`
So a check that is switched off to get on with it is no smaller secrecy, but none. Where a certificate is not accepted, mend
the certificate, give the client the authority, or pin it.`)
	return nil
}
