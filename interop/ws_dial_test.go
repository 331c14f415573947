package interop

import (
	"fmt"
	"strings"
	"testing"
)

// wsTexts are messages that pass through every implementation, both ways.
var wsTexts = []string{
	"hello",
	"",
	"grüße ☃ 🧦 \u200b\ufeff",
	"  spaces are kept  ",
	strings.Repeat("a", 125), strings.Repeat("b", 126), strings.Repeat("c", 65535), strings.Repeat("d", 65536),
	strings.Repeat("0123456789abcdef", mib/16),
}

// manyParts are the frames of one message, with a letter cut in two where a
// library lets one.
var manyParts = []string{strings.Repeat("a", 5000), strings.Repeat("ü", 5000), strings.Repeat("z", 150000)}

// What is typed comes to every server as it was typed, and its echo is printed.
func TestWSDialEcho(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, lib, wsOptions{Echo: true, Subprotocols: []string{"chat", "v2"}})
			us := held(t, "dial", "-s", "v1", "-s", "v2", "--linger", "0", p.url)
			if got := p.next("open").Subprotocol; got != "v2" {
				t.Errorf("the server saw the subprotocol %q", got)
			}
			printed := dialTexts(us, p)
			printed += dialParts(us, p, lib)
			us.in.Close()
			if got := p.next("close"); got.Code != 1000 {
				t.Errorf("the server saw the close code %d; want 1000", got.Code)
			}
			us.want(0)
			if us.out.hex() != sumOf([]byte(printed)) {
				t.Errorf("what was printed is not what came: %d bytes of %d", us.out.size(), len(printed))
			}
			if us.err.size() > 0 {
				t.Errorf("it was not quiet: %s", us.err)
			}
		})
	}
}

// dialTexts types each message and waits for its echo.
func dialTexts(us *proc, p *wsPeer) (printed string) {
	p.t.Helper()
	for _, text := range wsTexts {
		us.write(text + "\n")
		p.nextText(text)
		printed += text + "\n"
		us.awaitOutput(int64(len(printed)))
	}
	return printed
}

// dialParts has the server send fragments, and a ping in between, and answers.
func dialParts(us *proc, p *wsPeer, lib wsLibrary) (printed string) {
	p.t.Helper()
	had := us.out.size()
	p.do(wsAct{Do: "ping", Data: "are you there"})
	if got := p.next("pong"); got.Data != "are you there" {
		p.t.Errorf("the pong holds %q", got.Data)
	}
	p.do(wsAct{Do: "parts", Parts: manyParts})
	printed = strings.Join(manyParts, "") + "\n"
	us.awaitOutput(had + int64(len(printed)))
	return printed
}

// 16 MiB is one message, to and fro.
func TestWSDialBigMessage(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, lib, wsOptions{Echo: true})
			text := strings.Repeat("0123456789abcdef", mib)
			us := fed(t, strings.NewReader(text+"\n"), "dial", "--count", "1", p.url)
			us.want(0)
			p.next("open")
			p.nextText(text)
			if us.out.hex() != sumOf([]byte(text+"\n")) {
				t.Errorf("%d bytes were printed of %d", us.out.size(), len(text)+1)
			}
		})
	}
}

// --binary alters no byte, whatever is sent.
func TestWSDialBinary(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, lib, wsOptions{Echo: true})
			b := newBlob(3*mib + 7)
			us := fed(t, b.reader(), "dial", "--binary", "--linger", "2s", p.url)
			us.want(0)
			us.out.want(t, "dial", b)
			p.next("open")
			p.next("binary")
		})
	}
}

// closing is a way for a peer to end.
type closing struct {
	code   int // 0: an empty frame; 1006: none at all
	reason string
	status int // that dial ends with
}

var closings = []closing{
	{1000, "bye", 0}, {1001, "going away", 0}, {0, "", 0},
	{1002, "protocol", 8}, {1008, "policy", 8}, {1011, "broken inside", 8}, {1012, "restart", 8}, {1013, "", 8},
	{3000, "grüße", 8}, {4999, strings.Repeat("r", 123), 8}, {1006, "", 8},
}

// A close of the server's is answered, and its code decides the status: 0 for
// 1000, 1001 and none, 8 for the others and for an end without a close.
func TestWSDialServerCloses(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		for _, row := range closings {
			if lib.noEmpty && row.code == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", name, row.code), func(t *testing.T) {
				t.Parallel()
				p := wsServer(t, lib, wsOptions{})
				us := held(t, "dial", p.url)
				p.next("open")
				p.do(wsAct{Do: "text", Data: "last words"})
				if row.code == 1006 {
					p.do(wsAct{Do: "drop"})
				} else {
					p.do(wsAct{Do: "close", Code: row.code, Reason: row.reason})
				}
				wantClosed(t, us, row.code, row.reason, row.status)
				if row.code != 1006 {
					wantAnswer(t, p, lib, row.code)
				}
			})
		}
	}
}

// wantClosed demands the status, and that standard error says why where it is
// not 0.
func wantClosed(t *testing.T, us *proc, code int, reason string, status int) {
	t.Helper()
	us.want(status)
	if got := us.out.String(); got != "last words\n" {
		t.Errorf("standard output has %q; want the message alone", got)
	}
	if status == 0 {
		return
	}
	for _, want := range []string{"sockkit: dial ws://", fmt.Sprint(code), reason} {
		if code == 1006 && want == "1006" {
			continue // nobody sent it: words are enough
		}
		if !strings.Contains(us.err.String(), want) {
			t.Errorf("standard error lacks %q: %s", want, us.err)
		}
	}
}

// Our pings are answered by every server, and the trace has the round trip.
func TestWSDialPings(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, lib, wsOptions{})
			us := held(t, "dial", "--ping-interval", "1s", "--json", "-vvv", "--linger", "0", p.url)
			us.awaitRecord(event("ws_ping", fields{"dir": "out"}))
			pong := us.awaitRecord(event("ws_ping", fields{"dir": "in", "pong": true}))
			if rtt, _ := pong["rtt_ns"].(float64); rtt <= 0 {
				t.Errorf("the pong has no round trip: %v", pong)
			}
			us.in.Close()
			us.want(0)
		})
	}
}

// wss is TLS, checked by default: an authority of our own has to be named.
func TestWSSDial(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, lib, wsOptions{Echo: true, Cert: cert.cert, Key: cert.key})
			us := sockkit(t, "dial", "--ca", a.pem, "-x", "hello", "--count", "1", p.url)
			us.want(0)
			if us.out.String() != "hello\n" {
				t.Errorf("got %q", us.out)
			}
			stranger := sockkit(t, "dial", "-x", "hello", p.url)
			stranger.wantSays(7, `^sockkit: dial wss://127\.0\.0\.1:\d+/?: `)
		})
	}
}
