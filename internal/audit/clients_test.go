package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// auditing serves replies, and gives the report once it has ended.
func auditing(t *testing.T, c *Clients) (hostPort string, report func() (*Report, error)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	type result struct {
		r   *Report
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := c.Serve(ctx, func(ctx context.Context) (net.Conn, error) {
			stop := context.AfterFunc(ctx, func() { l.Close() })
			defer stop()
			return l.Accept()
		})
		done <- result{r, err}
	}()
	return l.Addr().String(), func() (*Report, error) {
		select {
		case got := <-done:
			return got.r, got.err
		case <-time.After(patience):
			t.Fatal("the audit does not end")
			return nil, nil
		}
	}
}

// Our own client, with all that it can offer, has no finding.
func TestOurClientIsClean(t *testing.T) {
	c := &Clients{Replies: Replies(), Wait: patience}
	hostPort, report := auditing(t, c)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d := &ws.Dialer{Subprotocols: []string{"a", "b"}, Deflate: &handshake.Deflate{}}
		for {
			conn, _, err := d.Dial(context.Background(), "ws://"+hostPort+"/")
			if tcpRefused(err) {
				return
			}
			for err == nil {
				_, _, err = conn.Read(context.Background())
			}
		}
	}()
	r, err := report()
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Summary; s.Findings+s.Flaky+s.Undecided > 0 || s.Skipped != 1 || s.Asked < 34 {
		t.Errorf("%s", strings.Join(r.Lines(TextOptions{All: true}), "\n"))
	}
	<-ended
}

func tcpRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// The replies have what is promised, and break the rules that they name.
func TestReplies(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Replies() {
		if seen[r.ID] || r.ID == "" {
			t.Errorf("%q is no name of its own", r.ID)
		}
		seen[r.ID] = true
		for what, s := range map[string]string{"clause": r.Clause, "sends": r.Sends, "due": r.Due, "why": r.Why, "mend": r.Mend} {
			if s == "" || strings.Contains(s, "%!") {
				t.Errorf("%s: its %s is %q", r.ID, what, s)
			}
		}
		if r.judge == nil {
			t.Errorf("%s: nobody judges it", r.ID)
		}
		x := exchangeFor(t, r)
		var ids []string
		for _, f := range handshake.Check(x) {
			if f.Part != handshake.InRequest && f.Level == handshake.Must {
				ids = append(ids, f.ID)
			}
		}
		if r.Rule != "" && !strings.Contains(strings.Join(ids, " "), r.Rule) {
			t.Errorf("%s does not break %s but %q: %s", r.ID, r.Rule, ids, x.Response.Raw)
		}
		if r.Due == dueOpen && len(ids) > 0 {
			t.Errorf("%s is to be taken, and breaks %q", r.ID, ids)
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d replies", len(seen))
	}
}

// exchangeFor is a right request and what it is answered.
func exchangeFor(t *testing.T, r *Reply) *handshake.Exchange {
	t.Helper()
	req, err := (&handshake.Request{URL: "ws://localhost/", Subprotocols: []string{"sockkit-a", "sockkit-b"}, Offers: []handshake.Deflate{{ServerNoContextTakeover: true, ServerMaxWindowBits: 10}}}).Head()
	if err != nil {
		t.Fatal(err)
	}
	switch r.ID {
	case "protocol-unasked":
		req.Omit("Sec-WebSocket-Protocol")
	case "deflate-unasked":
		req.Omit("Sec-WebSocket-Extensions")
	}
	in := &handshake.Reader{Source: bytes.NewReader(r.wire(req))}
	x := &handshake.Exchange{Request: req, Response: &handshake.Head{}}
	for err := in.ReadResponse(x.Response); err == nil && x.Response.Interim(); err = in.ReadResponse(x.Response) {
		x.Response = &handshake.Head{}
	}
	return x
}

// client is one that is wrong in its own way.
type client struct {
	name string
	do   func(c net.Conn)
}

// clientRequest is a right request, with all that can be offered.
func clientRequest() string {
	return "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + handshake.NewKey() +
		"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sockkit-a, sockkit-b\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"
}

// laxClient takes anything for an upgrade, answers every ping and echoes every
// close.
func laxClient(send func(byte, string) []byte) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, clientRequest())
		in := bufio.NewReader(c)
		if _, ok := readHead(in); !ok {
			return
		}
		fr := &frameReader{r: in}
		for {
			f, err := fr.next()
			if errors.Is(err, errFlood) {
				fr.buf, fr.total = fr.buf[10:], 0 // as if the length were 0
				continue
			}
			if err != nil {
				return
			}
			switch f.Op {
			case opPing:
				_, _ = c.Write(send(fin|opPong, string(f.Data)))
			case opClose:
				_, _ = c.Write(send(fin|opClose, string(f.Data)))
			}
		}
	}
}

// strictClient gives up whatever comes.
func strictClient(c net.Conn) {
	_, _ = io.WriteString(c, clientRequest())
	_, _ = c.Read(make([]byte, 1))
}

// muteClient says nothing behind its request, and stays.
func muteClient(c net.Conn) {
	_, _ = io.WriteString(c, clientRequest())
	_, _ = io.Copy(io.Discard, c)
}

// complainingClient closes with 1002 whatever comes.
func complainingClient(c net.Conn) {
	_, _ = io.WriteString(c, clientRequest())
	_, _ = c.Read(make([]byte, 1))
	_, _ = c.Write(frame(fin|opClose, closing(1002, "")))
	_, _ = io.Copy(io.Discard, c)
}

// TestReplyVerdicts holds each reply's verdict on each of the clients, right and
// wrong, against the golden file.
func TestReplyVerdicts(t *testing.T) {
	clients := []client{
		{"lax, answers all", laxClient(frame)}, {"gives up at once", strictClient}, {"mute", muteClient}, {"complains", complainingClient},
	}
	replies := Replies()
	columns := make([][]Kind, len(clients))
	synctest.Test(t, func(t *testing.T) {
		for i, is := range clients {
			for _, r := range replies {
				columns[i] = append(columns[i], verdictOn(r, is))
			}
		}
	})
	var b bytes.Buffer
	for i, is := range clients {
		fmt.Fprintf(&b, "# %c %s\n", 'a'+i, is.name)
	}
	fmt.Fprintf(&b, "# . passes, F a finding, n a note, ? undecided, - skipped\n%-24s abcd\n", "#")
	for n, r := range replies {
		line := ""
		for _, column := range columns {
			line += letters[column[n]]
		}
		fmt.Fprintf(&b, "%-24s %s\n", r.ID, line)
		if r.ID == "cut" { // half a head, which none of them takes for a whole one
			continue
		}
		if !strings.Contains(line, ".") || r.Binding == handshake.Must && !strings.Contains(line, "F") || !strings.ContainsAny(line, "Fn") {
			t.Errorf("%s tells nothing apart: %s", r.ID, line)
		}
	}
	golden(t, "replies.txt", b.Bytes())
}

func verdictOn(r *Reply, is client) Kind {
	ours, theirs := memoryPair()
	defer ours.Close()
	go func() { defer theirs.Close(); is.do(theirs) }()
	c := &Clients{}
	in := &handshake.Reader{Source: ours}
	req := &handshake.Head{}
	if err := in.ReadRequest(req); err != nil {
		return Undecided
	}
	return r.judge(c.answer(context.Background(), ours, in, req, r), true).Kind
}

// A client that sends without masks, with one mask, or one key, is found out.
func TestClientRules(t *testing.T) {
	head := func(key string) *handshake.Head {
		h := &handshake.Head{}
		_, _ = h.ParseRequest([]byte(strings.Replace(clientRequest(), "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: "+key, 1)), nil)
		return h
	}
	masked := func(n byte) Frame { return Frame{Op: opPong, Masked: true, Size: 1, Mask: [4]byte{n}} }
	same := head("13")
	var good, bad []*Attempt
	for i := range byte(4) {
		good = append(good, &Attempt{Request: head("13"), Frames: []Frame{masked(i)}})
		bad = append(bad, &Attempt{Request: same, Frames: []Frame{masked(0)}})
	}
	for _, row := range aboutRequests(good) {
		if row.Verdict != Pass {
			t.Errorf("%s: %s %s", row.ID, row.Verdict, row.Came)
		}
	}
	for i, want := range []Kind{Pass, Finding, Pass, Finding} {
		if got := aboutRequests(bad)[i]; got.Verdict != want {
			t.Errorf("%s: %s %s", got.ID, got.Verdict, got.Came)
		}
	}
	bad[0].Frames[0].Masked, bad[1].Request = false, head("8")
	if rows := aboutRequests(bad); rows[0].Verdict != Finding || rows[2].Verdict != Finding {
		t.Errorf("%+v", rows)
	}
}

// The path picks a reply, a finding is asked again, who stays away ends it, and
// the page is served to whoever may have it.
func TestClientsServe(t *testing.T) {
	replies, err := PickReplies([]string{"accept-other", "accept-key", "plain"})
	if err != nil || len(replies) != 3 {
		t.Fatalf("%d, %v", len(replies), err)
	}
	hostPort, report := auditing(t, &Clients{Replies: replies, Wait: short, Idle: short})
	for path, want := range map[string]int{"/": 200, "/audit.js": 200, "/state": 200, "/nosuch": 404} {
		got, err := http.Get("http://" + hostPort + path)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want || want == 200 && got.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s: %s, %v", path, got.Status, got.Header)
		}
	}
	evil := httptest.NewRequest("GET", "http://"+hostPort+"/state", nil)
	evil.Host, evil.RequestURI = "evil.example", ""
	if got, err := http.DefaultClient.Do(evil); err != nil || got.StatusCode != 403 {
		t.Errorf("another site's name: %v, %v", got, err)
	}
	for range 3 {
		c, err := net.Dial("tcp", hostPort)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, strings.Replace(clientRequest(), "GET / ", "GET /accept-other?x=1 ", 1))
		in := bufio.NewReader(c)
		if head, ok := readHead(in); !ok || !strings.Contains(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
			t.Errorf("answered by %q", head)
		}
		_, _ = c.Write(frame(fin|opPong, marker))
		_, _ = io.Copy(io.Discard, in)
		c.Close()
	}
	r, err := report()
	if !errors.Is(err, ErrIdle) {
		t.Errorf("it ended with %v", err)
	}
	if s := r.Summary; s.Findings != 1 || s.Skipped != 2 || r.Findings()[0].ID != "accept-other" || r.Findings()[0].Asked != 3 {
		t.Errorf("%+v\n%s", s, strings.Join(r.Lines(TextOptions{}), "\n"))
	}
	if _, err := PickReplies([]string{"nosuch"}); err == nil {
		t.Error("nosuch picks a reply")
	}
}

// TestAnotherRequest: what a client sends that keeps the connection for another
// request is no frame.
func TestAnotherRequest(t *testing.T) {
	pong := "\x8a\x80abcd"
	fr := &frameReader{r: strings.NewReader(pong + "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), asks: true}
	if f, err := fr.next(); err != nil || f.Op != opPong {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := fr.next(); err != io.EOF {
		t.Errorf("%+v, %v", f, err)
	}
}
