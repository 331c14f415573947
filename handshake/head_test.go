package handshake

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseRequest(t *testing.T) {
	var h Head
	wire := "GET /chat?a=b HTTP/1.1\r\nHOST:  a.example \t\r\nx-Odd_name:\r\nUpgrade: x\r\nupgrade: websocket\r\n\r\nbehind"
	n, err := h.ParseRequest([]byte(wire), nil)
	if err != nil || wire[n:] != "behind" || h.IsResponse() {
		t.Fatalf("%d, %v", n, err)
	}
	if string(h.Method) != "GET" || string(h.Target) != "/chat?a=b" || string(h.Proto) != "HTTP/1.1" {
		t.Errorf("%s %s %s", h.Method, h.Target, h.Proto)
	}
	if h.Get("host") != "a.example" || !h.Has("X-ODD_NAME") || h.Get("X-Odd_Name") != "" || h.Has("nothing") {
		t.Errorf("%v", h.Fields())
	}
	if got := h.Values("Upgrade"); !reflect.DeepEqual(got, []string{"x", "websocket"}) {
		t.Errorf("%q", got)
	}
	if string(h.Fields()[0].Name) != "HOST" || string(h.Fields()[0].Raw) != "HOST:  a.example \t\r\n" {
		t.Errorf("%q", h.Fields()[0].Raw)
	}
}

func TestParseResponse(t *testing.T) {
	var h Head
	n, err := h.ParseResponse([]byte(goodResponse+"\x81\x00"), nil)
	if err != nil || n != len(goodResponse) || h.Status != 101 || string(h.Reason) != "Switching Protocols" || !h.IsResponse() {
		t.Errorf("%d, %v: %d %q", n, err, h.Status, h.Reason)
	}
}

// RFC 9112 5.2: folded lines are joined by a space.
func TestObsFold(t *testing.T) {
	h := captured("GET / HTTP/1.1\r\nA: b\r\n  c \r\n\t\r\n d\r\nE:\r\n f\r\n\r\n", false)
	if a, e := h.Get("A"), h.Get("E"); a != "b c  d" || e != "f" {
		t.Errorf("%q, %q", a, e)
	}
}

// Each error comes as soon as it is sure, and never before.
func TestScanner(t *testing.T) {
	line := "A: " + strings.Repeat("b", 94) + "\r\n" // 99 bytes
	for _, test := range []struct {
		name, wire string
		response   bool
		limits     *Limits
		at         int // bytes after which it is decided; 0 is never
		want       error
	}{
		{"a whole request", goodRequest, false, nil, len(goodRequest), nil},
		{"bare LF", "GET / HTTP/1.1\nA: b\n\n", false, nil, 21, nil},
		{"empty lines before", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", false, nil, 22, nil},
		{"TLS", "\x16\x03\x01", false, nil, 1, ErrNotHTTP},
		{"a response where a request is due", "HTTP/1.1 101 \r\n", false, nil, 5, ErrNotHTTP},
		{"a request where a response is due", "GET / HTTP/1.1\r\n", true, nil, 1, ErrNotHTTP},
		{"SSH", "SSH-2.0", true, nil, 1, ErrNotHTTP},
		{"HTTX", "HTTX", true, nil, 4, ErrNotHTTP},
		{"an endless method", strings.Repeat("A", 100), false, nil, 66, ErrNotHTTP},
		{"too large without a line end", "GET /" + strings.Repeat("a", 1<<16), false, nil, 1 << 16, ErrTooLarge},
		{"too large by many lines", "GET / HTTP/1.1\r\n" + strings.Repeat(line, 700), false, &Limits{MaxFields: 1000}, 1 << 16, ErrTooLarge},
		{"too many fields", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 101), false, nil, 16 + 6*101, ErrTooManyFields},
		{"just enough fields", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", false, nil, 16 + 6*100 + 2, nil},
		{"a limit of ten bytes", "GET / HTTP/1.1\r\n\r\n", false, &Limits{MaxBytes: 10}, 10, ErrTooLarge},
		{"just enough bytes", "GET / HTTP/1.1\r\n\r\n", false, &Limits{MaxBytes: 18}, 18, nil},
		{"no end", "GET / HTTP/1.1\r\nA: b\r\n", false, nil, 0, ErrNeedMore},
	} {
		s := Scanner{Response: test.response}
		decided := 0
		err, wire := ErrNeedMore, []byte(test.wire)
		for i := 0; i <= len(test.wire) && err == ErrNeedMore; i++ {
			var n int
			n, err = s.Scan(wire[:i], test.limits)
			if decided = i; err == nil && n != i {
				t.Errorf("%s: %d of %d bytes", test.name, n, i)
			}
		}
		if err != test.want || test.at != 0 && decided != test.at {
			t.Errorf("%s: %v after %d bytes, want %v after %d", test.name, err, decided, test.want, test.at)
		}
		var h Head
		if _, err := h.read([]byte(test.wire), test.limits, test.response); err != test.want {
			t.Errorf("%s at once: %v, want %v", test.name, err, test.want)
		}
	}
}

func TestHeadEdits(t *testing.T) {
	h := captured("GET / HTTP/1.1\r\nhost: a\r\nX: 1\r\nY: 2\r\nx: 3\r\n\r\n", false)
	h.Set(F("X", "new"))
	h.Omit("y")
	h.Add("Upgrade", "websocket")
	want := "GET / HTTP/1.1\r\nhost: a\r\nX: new\r\nUpgrade: websocket\r\n\r\n"
	if got := string(h.AppendTo(nil)); got != want {
		t.Errorf("%q", got)
	}
	if !h.lists(upgradeField, "websocket") || h.has(hostField) != 1 || string(h.Clone().AppendTo(nil)) != want {
		t.Error("the index is wrong")
	}
	h.SetStatusLine("HTTP/1.1", 426, "Upgrade Required")
	if got, _, _ := strings.Cut(string(h.AppendTo(nil)), "\r\n"); got != "HTTP/1.1 426 Upgrade Required" {
		t.Errorf("%q", got)
	}
}

// A head that is parsed into memory that was used before allocates nothing.
func TestParseDoesNotAllocate(t *testing.T) {
	var h Head
	wire := []byte(goodRequest)
	h.ParseRequest(wire, nil)
	if n := testing.AllocsPerRun(100, func() { h.ParseRequest(wire, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReader(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
	} {
		r := Reader{Source: wrap(strings.NewReader("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + goodResponse + "\x81\x05Hello"))}
		var hints, h Head
		if err := r.ReadResponse(&hints); err != nil || !hints.Interim() {
			t.Fatalf("%s: %v, %d", name, err, hints.Status)
		}
		if err := r.ReadResponse(&h); err != nil || h.Interim() || h.Status != 101 || hints.Get("Link") != "a" {
			t.Fatalf("%s: %v, %d", name, err, h.Status)
		}
		if !strings.HasPrefix("\x81\x05Hello", string(r.Rest())) {
			t.Errorf("%s: rest %q", name, r.Rest())
		}
		if rest, err := io.ReadAll(&r); string(rest) != "\x81\x05Hello" || err != nil {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
	}
}

// What a client sends behind its request is not lost either.
func TestReadRequest(t *testing.T) {
	r := Reader{Source: iotest.HalfReader(strings.NewReader(goodRequest + "\x81\x80mask"))}
	var h Head
	if err := r.ReadRequest(&h); err != nil || string(h.Target) != "/chat" {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(&r); string(rest) != "\x81\x80mask" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	r = Reader{Source: strings.NewReader("GET / HTTP/1.1\r\nHost: a"), Limits: &Limits{MaxBytes: 100}}
	if err := r.ReadRequest(&h); err == nil || err.Error() != "handshake: the request broke off after 23 bytes: the peer closed the connection" {
		t.Error(err)
	}
	if f := Check(&Exchange{Request: &h}); len(f) != 1 || f[0].ID != "request-unfinished" {
		t.Errorf("%v", ids(f))
	}
}

func TestReaderErrors(t *testing.T) {
	broken := errors.New("reset by peer")
	reset := &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 1}, Err: os.NewSyscallError("read", broken)}
	for _, test := range []struct {
		wire   string
		source error
		want   error
		rule   string
		text   string
	}{
		{"", io.EOF, io.ErrUnexpectedEOF, "response-empty", "handshake: no response came: the peer closed the connection"},
		{"", broken, broken, "response-empty", "handshake: no response came: reset by peer"},
		{"", reset, reset, "response-empty", "handshake: no response came: reset by peer"},
		{"HTTP/1.1 101 \r\nUpgrade: websocket\r\n", io.EOF, io.ErrUnexpectedEOF, "response-unfinished", "handshake: the response broke off after 35 bytes: the peer closed the connection"},
		{"\x15\x03\x03\x00\x02", io.EOF, ErrNotHTTP, "response-is-tls", ErrNotHTTP.Error()},
		{strings.Repeat("HTTP/1.1", 1<<14), io.EOF, ErrTooLarge, "response-too-large", ErrTooLarge.Error()},
	} {
		r := Reader{Source: io.MultiReader(strings.NewReader(test.wire), iotest.ErrReader(test.source))}
		var h Head
		err := r.ReadResponse(&h)
		if !errors.Is(err, test.want) || err.Error() != test.text {
			t.Errorf("%q: %v", show([]byte(test.wire)), err)
		}
		if _, err := CheckResponse(&Exchange{Response: &h}); err == nil || err.(*Finding).ID != test.rule {
			t.Errorf("%q: %v, want %s", show([]byte(test.wire)), err, test.rule)
		}
	}
}

func TestBody(t *testing.T) {
	for _, test := range []struct {
		name, head, body, want string
		err                    error
	}{
		{"Content-Length", "404 Not Found\r\nContent-Length: 5", "hello, and more", "hello", nil},
		{"cut short", "404 Not Found\r\nContent-Length: 9", "hello", "hello", io.ErrUnexpectedEOF},
		{"to the end", "404 Not Found", "hello", "hello", nil},
		{"more than wanted", "404 Not Found", "hello, this is long", "hello, thi", nil},
		{"chunks", "404 Not Found\r\nTransfer-Encoding: chunked", "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello", nil},
		{"a huge chunk", "404 Not Found\r\nTransfer-Encoding: chunked", "3fffffffffffffff\r\nhello, this is long", "hello, thi", nil},
		{"chunks cut short", "404 Not Found\r\nTransfer-Encoding: chunked", "9\r\nhello", "hello", io.ErrUnexpectedEOF},
		{"no chunks", "404 Not Found\r\nTransfer-Encoding: chunked", "zz\r\nhello", "", ErrNotHTTP},
		{"none", "204 No Content", "hello", "", nil},
	} {
		r := Reader{Source: strings.NewReader("HTTP/1.1 " + test.head + "\r\n\r\n" + test.body)}
		var h Head
		if err := r.ReadResponse(&h); err != nil {
			t.Fatal(err)
		}
		if body, err := r.Body(&h, 10); string(body) != test.want || err != test.err {
			t.Errorf("%s: %q, %v", test.name, body, err)
		}
	}
}

// FuzzParseRequest holds the parser against net/http: what both accept they
// read alike. And whatever is read is written again byte for byte, whole or in
// pieces.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(goodRequest))
	for _, b := range brokenRequests() {
		f.Add([]byte(strings.Replace(goodRequest, b.edits[0], b.edits[1], 1)))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var h Head
		n, err := h.ParseRequest(wire, nil)
		checkAgain(t, &h, wire, n, err, false)
		if err != nil || h.faults != 0 {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
		if err != nil {
			return
		}
		if r.Method != string(h.Method) || r.RequestURI != string(h.Target) || r.Proto != string(h.Proto) {
			t.Errorf("net/http reads %q %q %q, we %q %q %q", r.Method, r.RequestURI, r.Proto, h.Method, h.Target, h.Proto)
		}
		compareFields(t, r.Header, &h)
		if x := (&Exchange{Request: &h}); hostMissing(x) == nil && hostTwice(x) == nil && hostBad(x) == nil && h.Target[0] == '/' && r.Host != h.Get("Host") {
			t.Errorf("net/http reads the host %q, we %q", r.Host, h.Get("Host"))
		}
	})
}

// FuzzParseResponse is FuzzParseRequest for responses.
func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(goodResponse))
	for _, b := range brokenResponses() {
		f.Add([]byte(strings.Replace(goodResponse, b.edits[0], b.edits[1], 1)))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var h Head
		n, err := h.ParseResponse(wire, nil)
		checkAgain(t, &h, wire, n, err, true)
		if err != nil || h.faults != 0 {
			return
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), nil)
		if err != nil {
			return
		}
		if r.StatusCode != h.Status || r.Proto != string(h.Proto) || r.Status != fmt.Sprintf("%03d %s", h.Status, h.Reason) && h.Reason != nil && !bytes.HasPrefix(h.Reason, []byte(" ")) {
			t.Errorf("net/http reads %q %q, we %q %d %q", r.Proto, r.Status, h.Proto, h.Status, h.Reason)
		}
		compareFields(t, r.Header, &h)
	})
}

// checkAgain holds what has to be true of any bytes.
func checkAgain(t *testing.T, h *Head, wire []byte, n int, err error, response bool) {
	t.Helper()
	if err == nil && (n == 0 || !bytes.Equal(h.AppendTo(nil), wire[:n])) {
		t.Errorf("%q is written again as %q", wire[:n], h.AppendTo(nil))
	}
	s := Scanner{Response: response}
	for i := range len(wire) + 1 {
		m, bit := s.Scan(wire[:i], nil)
		if bit == ErrNeedMore {
			continue
		}
		if bit != err || m != n {
			t.Errorf("in pieces %d, %v; at once %d, %v", m, bit, n, err)
		}
		return
	}
	if err != ErrNeedMore {
		t.Errorf("in pieces it needs more; at once %d, %v", n, err)
	}
}

// compareFields passes over what net/http takes out of the header or changes.
func compareFields(t *testing.T, theirs http.Header, h *Head) {
	t.Helper()
	ours := http.Header{}
	for _, f := range h.Fields() {
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		ours[name] = append(ours[name], string(f.Value))
	}
	for _, name := range []string{"Host", "Transfer-Encoding", "Content-Length", "Trailer", "Cache-Control", "Connection"} {
		delete(ours, name)
		delete(theirs, name)
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Errorf("net/http reads %q, we %q", theirs, ours)
	}
}

func ExampleHead_ParseRequest() {
	buffer := []byte("GET /chat HTTP/1.1\r\nHost: example.com\r\nUPGRADE: websocket\r\n\r\nand what comes behind it")
	var h Head
	n, err := h.ParseRequest(buffer, nil)
	fmt.Println(n, err, string(h.Target), h.Get("Upgrade"), string(h.Fields()[1].Name))
	fmt.Printf("%s\n", buffer[n:])
	_, err = h.ParseRequest(buffer[:20], nil)
	fmt.Println(err)
	// Output:
	// 61 <nil> /chat websocket UPGRADE
	// and what comes behind it
	// handshake: the head is not complete yet
}

func ExampleReader() {
	r := Reader{Source: strings.NewReader("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope!")}
	var h Head
	fmt.Println(r.ReadResponse(&h), h.Status)
	body, err := r.Body(&h, 1024)
	fmt.Println(string(body), err)
	// Output:
	// <nil> 404
	// nope! <nil>
}
