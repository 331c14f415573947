package handshake

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const offering = deflateOffer + "; client_max_window_bits\r\n"

// fullAcceptor uses all there is.
func fullAcceptor() *Acceptor {
	return &Acceptor{Subprotocols: []string{"v2", "superchat", "chat"}, Deflate: &Deflate{ServerMaxWindowBits: 12},
		Permit: func(req *Head) error { return nil }, Header: []Field{F("Server", "test")}}
}

func TestAccept(t *testing.T) {
	req := captured(change(t, goodRequest, hostLine, hostLine+offering), false)
	var ans Answer
	if err := fullAcceptor().Accept(req, &ans); err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + acceptLine +
		"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\nServer: test\r\n\r\n"
	if got := string(ans.AppendTo(nil)); got != want || string(ans.Head().AppendTo(nil)) != want {
		t.Errorf("%q", got)
	}
	if ans.Subprotocol != "chat" || !ans.Compressed || ans.Deflate.ServerWindowBits() != 12 { // the client's order
		t.Errorf("%+v", ans.Agreement)
	}
	x := &Exchange{Request: req, Response: captured(want, true)}
	if agreed, err := CheckResponse(x); err != nil || agreed != ans.Agreement || len(Check(x)) > 0 {
		t.Errorf("%+v, %v, %v", agreed, err, ids(Check(x)))
	}
}

// A right request is parsed, judged and answered without allocating.
func TestAcceptDoesNotAllocate(t *testing.T) {
	wire := []byte(change(t, goodRequest, hostLine, hostLine+offering+browserLines))
	a, h, ans, out := fullAcceptor(), &Head{}, &Answer{}, make([]byte, 0, 1024)
	accept := func() {
		if _, err := h.ParseRequest(wire, nil); err != nil {
			t.Fatal(err)
		}
		if err := a.Accept(h, ans); err != nil {
			t.Fatal(err)
		}
		out = ans.AppendTo(out[:0])
	}
	accept()
	if n := testing.AllocsPerRun(100, accept); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// browserLines are what Chromium sends besides.
const browserLines = "Pragma: no-cache\r\nCache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef\r\n"

func BenchmarkAccept(b *testing.B) {
	wire := []byte(strings.Replace(goodRequest, hostLine, hostLine+offering+browserLines, 1))
	a, h, ans, out := fullAcceptor(), &Head{}, &Answer{}, make([]byte, 0, 1024)
	b.ReportAllocs()
	b.SetBytes(int64(len(wire)))
	for b.Loop() {
		h.ParseRequest(wire, nil)
		a.Accept(h, ans)
		out = ans.AppendTo(out[:0])
	}
}

// Each refusal is itself right: it says what its status owes, and a client
// reads it.
func TestRefusals(t *testing.T) {
	var a Acceptor
	for _, b := range brokenRequests() {
		var h Head
		n, err := h.ParseRequest([]byte(change(t, goodRequest, b.edits...)), nil)
		if err == ErrNeedMore {
			h.capture([]byte(change(t, goodRequest, b.edits...)), false)
		}
		var ans Answer
		err = a.Accept(&h, &ans)
		if err == nil {
			continue
		}
		wire := string(ans.AppendTo(nil))
		r := Reader{Source: strings.NewReader(wire)}
		var resp Head
		if err := r.ReadResponse(&resp); err != nil || resp.Status != ans.Status {
			t.Fatalf("%s: %v, %d", b.rule, err, n)
		}
		body, err := r.Body(&resp, 1<<16)
		if err != nil || string(body) != ans.Body() || !strings.Contains(string(body), ans.Finding.Clause) {
			t.Errorf("%s: %q, %v", b.rule, body, err)
		}
		for _, f := range Check(&Exchange{Request: &h, Response: &resp}) {
			if f.Part == InResponse || strings.HasPrefix(f.ID, "refusal-") {
				t.Errorf("%s: our own answer breaks %s: %q", b.rule, f.ID, wire)
			}
		}
	}
}

// RFC 6455 4.2.2 item 4, 4.4.
func TestRefusedVersion(t *testing.T) {
	for version, status := range map[string]int{"8": 426, "25": 426, "x": 400, "13, 8": 400} {
		var a Acceptor
		var ans Answer
		a.Accept(captured(change(t, goodRequest, "Version: 13", "Version: "+version), false), &ans)
		if h := ans.Head(); h.Status != status || h.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("version %s: %q", version, h.AppendTo(nil))
		}
	}
}

// RFC 6455 4.2.2 item 4: nothing is named where nothing fits.
func TestNoSubprotocol(t *testing.T) {
	a := Acceptor{Subprotocols: []string{"other"}}
	var ans Answer
	if err := a.Accept(captured(goodRequest, false), &ans); err != nil || ans.Subprotocol != "" || ans.Head().Has("Sec-WebSocket-Protocol") {
		t.Errorf("%v, %q", err, ans.Subprotocol)
	}
}

func TestPermit(t *testing.T) {
	req := captured(goodRequest, false)
	challenge := &Refusal{Status: 401, Header: []Field{F("WWW-Authenticate", "Bearer")}, Body: "who are you?\n"}
	plain := errors.New("not from this origin")
	for _, test := range []struct {
		refuse error
		status int
		body   string
	}{
		{plain, 403, "not from this origin\n"},
		{fmt.Errorf("login: %w", challenge), 401, "who are you?\n"},
		{&Refusal{}, 403, "403 Forbidden\n"},
	} {
		a := Acceptor{Permit: func(*Head) error { return test.refuse }}
		var ans Answer
		if err := a.Accept(req, &ans); !errors.Is(err, test.refuse) || ans.Status != test.status || ans.Body() != test.body {
			t.Errorf("%v: %d %q", err, ans.Status, ans.Body())
		}
		if h := ans.Head(); h.Status != test.status || h.Has("WWW-Authenticate") != (test.status == 401) {
			t.Errorf("%q", h.AppendTo(nil))
		}
	}
	if err := challenge.Error(); err != "handshake: refused with 401 Unauthorized" {
		t.Error(err)
	}
}

func ExampleAcceptor() {
	var (
		acceptor = Acceptor{Subprotocols: []string{"chat"}}
		head     Head
		answer   Answer
	)
	for _, wire := range []string{goodRequest, "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"} {
		head.ParseRequest([]byte(wire), nil)
		err := acceptor.Accept(&head, &answer)
		fmt.Println(answer.Status, answer.Subprotocol, err)
	}
	// Output:
	// 101 chat <nil>
	// 400  handshake: The request has no Host header (RFC 9112 3.2): no Host header
}
