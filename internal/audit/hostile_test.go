package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

// endless says the same for ever.
func endless(begin, again string) func(peer) {
	return func(c peer) {
		if _, ok := readHead(bufio.NewReader(c)); !ok {
			return
		}
		_, err := io.WriteString(c, begin)
		for err == nil {
			_, err = io.WriteString(c, again)
		}
	}
}

// drip says something a byte at a time, for ever.
func drip(c peer) {
	if _, ok := readHead(bufio.NewReader(c)); !ok {
		return
	}
	for _, err := io.WriteString(c, "HTTP/1.1 101 Yes\r\n"); err == nil; _, err = io.WriteString(c, "x") {
		time.Sleep(time.Millisecond)
	}
}

func upgrade(c peer, then func()) {
	if head, ok := readHead(bufio.NewReader(c)); ok {
		_, _ = io.WriteString(c, "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+handshake.AcceptKey(valueOf(head, "Sec-WebSocket-Key"))+"\r\n\r\n")
		then()
	}
}

// Servers that mean harm end within the time, and are not believed: no more is
// kept of what they send than there are bounds for.
func TestHostile(t *testing.T) {
	ping := &Probe{frames: [][]byte{frame(fin|opPing, "x")}, wait: forLife, judge: mustPong("x")}
	for _, row := range []struct {
		name   string
		answer func(peer)
		want   Outcome
		kind   Kind
	}{
		{"a head without an end", endless("HTTP/1.1 101 Yes\r\n", "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"), Garbage, Undecided},
		{"a line without an end", endless("HTTP/1.1 101 Yes\r\nX-A: ", strings.Repeat("a", 4096)), Garbage, Undecided},
		{"1xx for ever", endless("", "HTTP/1.1 100 Continue\r\n\r\n"), Garbage, Undecided},
		{"a huge body", endless("HTTP/1.1 403 No\r\nContent-Length: 999999999999\r\n\r\n", strings.Repeat("a", 4096)), Refused, Undecided},
		{"drips", drip, Silence, Undecided},
		{"closes at once", func(c peer) {}, Closed, Undecided},
		{"a frame of 2^62 bytes", func(c peer) {
			upgrade(c, func() {
				_, _ = c.Write([]byte{0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0})
				endless("", strings.Repeat("a", 4096))(c)
			})
		}, Upgraded, Undecided},
		{"frames for ever", func(c peer) {
			upgrade(c, func() {
				for _, err := c.Write(bare(fin|opText, "x")); err == nil; _, err = c.Write(bare(fin|opText, "x")) {
				}
			})
		}, Upgraded, Undecided},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			target := targetAt(t, serve(t, row.answer), short)
			a := target.ask(context.Background(), ping)
			if a.Outcome == Reset && row.want == Closed {
				return // the request was not read: the system's choice
			}
			if v := ping.verdict(a, allFacts); a.Outcome != row.want || v.Kind != row.kind {
				t.Errorf("%s (%s), %v; want %s, %s", a, a.Outcome, v, row.want, row.kind)
			}
			if len(a.Frames) > mostFrames || len(a.Exchange.Body) > mostSent || len(a.Exchange.Response.Raw) > mostHead+8192 {
				t.Errorf("%d frames, %d and %d bytes are kept", len(a.Frames), len(a.Exchange.Body), len(a.Exchange.Response.Raw))
			}
		})
	}
}

// What cannot be connected to, or does not upgrade a right request, is said at
// once and makes no finding.
func TestBaselineFails(t *testing.T) {
	for want, answer := range map[Outcome]func(peer){
		Refused: saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), Closed: saying(""), Silence: silent, Garbage: saying("hello\r\n"),
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			_, err := Run(context.Background(), targetAt(t, serve(t, answer), short), Probes())
			var b *Baseline
			if !errors.As(err, &b) || b.Answer.Outcome != want || b.Error() == "" {
				t.Errorf("%v; want %s", err, want)
			}
		})
	}
	target := targetAt(t, "127.0.0.1:9", short)
	target.Dial = func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
	_, err := Run(context.Background(), target, Probes())
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v; want that there was no connection", err)
	}
}

// A server that answers the same question otherwise each time is called flaky,
// and a connection that is not made says nothing.
func TestFlaky(t *testing.T) {
	p := pick(t, "upgrade-missing")
	asked := 0
	target := targetAt(t, serve(t, yes{}.answer), patience)
	other := serve(t, saying("HTTP/1.1 400 No\r\n\r\n"))
	target.Dial = func(ctx context.Context) (net.Conn, error) {
		asked++
		to := strings.TrimSuffix(strings.TrimPrefix(target.URL, "ws://"), "/")
		if asked == 2 {
			to = other
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", to)
	}
	r := &runner{t: target, facts: allFacts, gate: newGate(context.Background(), 0)}
	result := &Result{Probe: p}
	r.repeat(context.Background(), result)
	if result.Kind != Flaky || !strings.Contains(result.Text, "101") || !strings.Contains(result.Text, "400") {
		t.Errorf("%v", result.Verdict)
	}
	target.Dial = func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
	result = &Result{Probe: p}
	if r.repeat(context.Background(), result); result.Kind != Undecided {
		t.Errorf("no connection is %v", result.Verdict)
	}
}

func pick(t *testing.T, id string) *Probe {
	t.Helper()
	list, err := Pick([]string{id})
	if err != nil || len(list) != 1 {
		t.Fatalf("%q picks %d probes, %v", id, len(list), err)
	}
	return list[0]
}

// The words of --only pick by identifier, group and clause, and by no part of a
// number.
func TestPick(t *testing.T) {
	for _, row := range []struct {
		word string
		has  string
		not  string
	}{
		{"version-8", "version-8", "version-7"}, {"safety", "origin-foreign", "ping"}, {"4.2.1", "upgrade-missing", "ping"},
		{"rfc 7692", "deflate-plain", "ping"}, {"RFC 9112 6", "length-differ", "bare-lf"}, {"rfc6455 5.5", "ping", "frame-rsv1"},
		{"5.5", "close-1000", "close-4000"}, {"4.2.1 item 3", "upgrade-missing", "connection-missing"},
	} {
		list, err := Pick([]string{row.word})
		if err != nil {
			t.Errorf("%s: %v", row.word, err)
		}
		var ids []string
		for _, p := range list {
			ids = append(ids, p.ID)
		}
		all := " " + strings.Join(ids, " ") + " "
		if !strings.Contains(all, " "+row.has+" ") || strings.Contains(all, " "+row.not+" ") {
			t.Errorf("%s picks%s", row.word, all)
		}
	}
	for _, word := range []string{"", "nosuch", "4.2.11", "4.", "rfc"} {
		if list, err := Pick([]string{word}); err == nil {
			t.Errorf("%q picks %d probes", word, len(list))
		}
	}
}

// The report keeps what it says through JSON, and accepts what a baseline has;
// a finding that comes otherwise is a new one.
func TestReport(t *testing.T) {
	target := targetAt(t, serve(t, yes{}.answer), patience)
	target.Progress = func(done, of, findings int) {
		if done > of || findings > done {
			t.Errorf("%d of %d, %d findings", done, of, findings)
		}
	}
	probes, err := Pick([]string{"upgrade-missing", "version-word", "target-asterisk", "upgrade-case", "origin-foreign", "version-8"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), target, probes)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Summary; s.Findings != 4 || s.Weighty != 3 || s.Notes != 1 || s.Passed != 1 || !r.Survived {
		t.Errorf("%+v", s)
	}
	var wire, junit bytes.Buffer
	if err := json.NewEncoder(&wire).Encode(r); err != nil {
		t.Fatal(err)
	}
	known, err := ReadReport(&wire)
	if err != nil {
		t.Fatal(err)
	}
	known.Probes[0].Outcome = Silence
	r.Accept(known)
	if s := r.Summary; s.Findings != 1 || s.Known != 3 || len(r.Findings()) != 1 {
		t.Errorf("with a baseline: %+v", s)
	}
	if err := r.WriteJUnit(&junit); err != nil || xml.Unmarshal(junit.Bytes(), &junitSuites{}) != nil || strings.Count(junit.String(), "<failure") != 1 {
		t.Errorf("%v\n%s", err, junit.String())
	}
	for _, bad := range []string{"", "{}", "[]", `{"kind":"handshake_audit","version":99}`, "nonsense"} {
		if _, err := ReadReport(strings.NewReader(bad)); !errors.Is(err, ErrReport) {
			t.Errorf("%q is read as a report (%v)", bad, err)
		}
	}
}
