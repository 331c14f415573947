package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// heads are those that who sent, or received.
func heads(list []entry, who string, way trace.Dir) []trace.HTTPHead {
	return slices.DeleteFunc(events[trace.HTTPHead](list, who), func(e trace.HTTPHead) bool { return e.Dir != way })
}

// parsed is the head of a record.
func parsed(t *testing.T, e trace.HTTPHead, response bool) *handshake.Head {
	t.Helper()
	h := &handshake.Head{}
	parse := h.ParseRequest
	if response {
		parse = h.ParseResponse
	}
	if n, err := parse(e.Payload, nil); err != nil || n != e.Size {
		t.Fatalf("%q: %d bytes, %v", e.Payload, n, err)
	}
	return h
}

// TestHandshakeFacts holds that the first three steps are one handshake, which
// is right, and that the words name what was sent.
func TestHandshakeFacts(t *testing.T) {
	got := look(t, "handshake")
	request := parsed(t, heads(got.entries, "client", trace.Out)[0], false)
	response := parsed(t, heads(got.entries, "server", trace.Out)[0], true)
	if findings := handshake.Check(&handshake.Exchange{Request: request, Response: response}); len(findings) != 0 {
		t.Errorf("the handshake that is shown is not right: %v", findings)
	}
	if n := got.numbers(t, `(\d+) bytes came, and (\d+) headers`); n[0] != len(request.Raw) || n[1] != len(request.Fields()) {
		t.Errorf("the words are %v; %d bytes and %d headers were sent", n, len(request.Raw), len(request.Fields()))
	}
	accept := response.Get("Sec-WebSocket-Accept")
	if strings.Count(got.text, accept) < 3 {
		t.Errorf("the proof %s is derived, sent and checked, and stands there %d times", accept, strings.Count(got.text, accept))
	}
	if opened := len(events[trace.Upgrade](got.entries, "client")) + len(events[trace.Upgrade](got.entries, "server")); opened != 2 {
		t.Errorf("%d ends say that they are open", opened)
	}
}

// TestHandshakeStatuses holds which status each wrong request gets.
func TestHandshakeStatuses(t *testing.T) {
	var lines []string
	for _, e := range heads(look(t, "handshake").entries, "client", trace.In) {
		lines = append(lines, strings.Fields(e.Line)[1])
	}
	want := "400 426 400 400 400 404 401 403 426 101 400"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("the statuses are %s, want %s", got, want)
	}
}

// TestHandshakeThroughProxy holds that the proxy passes on what the client sent,
// but for what the lesson says.
func TestHandshakeThroughProxy(t *testing.T) {
	list := look(t, "handshake").entries
	passed := parsed(t, heads(list, "proxy", trace.Out)[0], false)
	sent := parsed(t, heads(list, "client", trace.Out)[1], false)
	if key := passed.Get("Sec-WebSocket-Key"); key == "" || key != sent.Get("Sec-WebSocket-Key") {
		t.Errorf("the key became %q", key)
	}
	findings := handshake.Check(&handshake.Exchange{Request: passed})
	for _, f := range findings {
		if f.Fault != handshake.Proxy {
			t.Errorf("%s is the %s's fault", f.ID, f.Fault)
		}
	}
	if len(findings) != 3 {
		t.Errorf("%d findings, want 3", len(findings))
	}
}
