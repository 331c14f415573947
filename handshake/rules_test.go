package handshake

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The exchange of RFC 6455 section 1.3.
const (
	goodRequest = "GET /chat HTTP/1.1\r\n" +
		"Host: server.example.com\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Origin: http://example.com\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Version: 13\r\n\r\n"
	goodResponse = "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: chat\r\n\r\n"
)

func captured(text string, response bool) *Head {
	h := &Head{}
	h.capture([]byte(text), response)
	return h
}

func ids(findings []Finding) (list []string) {
	for _, f := range findings {
		list = append(list, f.ID)
	}
	return list
}

// change replaces in text, and makes sure that there was something to replace.
func change(t *testing.T, text string, edits ...string) string {
	t.Helper()
	for i := 0; i < len(edits); i += 2 {
		changed := strings.Replace(text, edits[i], edits[i+1], 1)
		if changed == text {
			t.Fatalf("%q does not hold %q", text, edits[i])
		}
		text = changed
	}
	return text
}

func TestGoodExchange(t *testing.T) {
	request, response := captured(goodRequest, false), captured(goodResponse, true)
	for name, x := range map[string]Exchange{
		"both": {Request: request, Response: response}, "request": {Request: request}, "response": {Response: response}, "neither": {},
		"with the first frame": {Request: request, Response: response, Body: []byte("\x81\x05Hello")},
	} {
		if f := Check(&x); len(f) > 0 {
			t.Errorf("%s: %v", name, ids(f))
		}
	}
}

// TestEveryRule holds that every rule finds what it is for, that nothing else
// is found with it, and that the words are there.
func TestEveryRule(t *testing.T) {
	clauses, met := map[string]Rule{}, map[string]bool{}
	for _, r := range Rules() {
		if _, twice := clauses[r.ID]; twice {
			t.Errorf("%s stands in the table twice", r.ID)
		}
		clauses[r.ID] = r
	}
	try := func(rule string, x *Exchange, others ...string) {
		t.Run(rule+" "+clauses[rule].Clause, func(t *testing.T) {
			met[rule] = true
			findings := Check(x)
			want := append([]string{rule}, others...)
			if rule == "" {
				want = nil
			}
			if !reflect.DeepEqual(ids(findings), want) {
				t.Fatalf("got %v, want %v", ids(findings), want)
			}
			for _, f := range findings {
				if f.Came == "" || f.Due == "" || f.Cause == "" || f.Mend == "" || f.Why == "" || f.Fault == "" || strings.ContainsAny(f.Came, "\r\n\x00\x1b") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
	for _, b := range brokenRequests() {
		try(b.rule, &Exchange{Request: captured(change(t, goodRequest, b.edits...), false)})
	}
	good := captured(goodRequest, false)
	for _, b := range brokenResponses() {
		h := &Head{}
		text := []byte(change(t, goodResponse, b.edits...))
		n := h.capture(text, true)
		try(b.rule, &Exchange{Request: good, Response: h, Body: text[n:]})
	}
	for _, b := range brokenAnswers() {
		request := captured(change(t, goodRequest, hostLine, hostLine+"Sec-WebSocket-Extensions: "+b.offer+"\r\n"), false)
		try(b.rule, &Exchange{Request: request, Response: captured(change(t, goodResponse, upgradeLine, upgradeLine+"Sec-WebSocket-Extensions: "+b.answer+"\r\n"), true)})
	}
	for _, r := range refusals() {
		try(r.rule, &Exchange{Request: good, Response: captured("HTTP/1.1 "+r.head+"\r\n\r\n", true), Body: []byte(r.body)})
	}
	for _, r := range owed() {
		told := "refused-" + r.head[:3]
		if r.head[0] == '3' {
			told = "refused-redirect"
		}
		try(r.rule, &Exchange{Request: good, Response: captured("HTTP/1.1 "+r.head+"\r\n\r\n", true)}, told)
	}

	// Those that take more than one head, or a limit.
	old := captured(change(t, goodRequest, "Version: 13", "Version: 8"), false)
	try("request-early-data", &Exchange{Request: good, Early: []byte("\x81\x85")})
	try("request-target-host", &Exchange{Request: captured(change(t, goodRequest, "/chat", "http://other/chat"), false)}, "request-target-absolute")
	try("response-accept-malformed", &Exchange{Response: captured(change(t, goodResponse, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xO"), true)})
	try("request-version-unsupported", &Exchange{Request: old, Response: captured(goodResponse, true)}, "response-accepted-broken-request")
	met["response-accepted-broken-request"] = true
	try("request-version-unsupported", &Exchange{Request: old, Response: captured("HTTP/1.1 400 Bad Request\r\n\r\n", true)}, "refusal-version-unnamed", "refused-400")
	met["refusal-version-unnamed"] = true
	plain := captured("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false)
	try("request-upgrade-missing", &Exchange{Request: plain, Response: captured("HTTP/1.1 400 Bad Request\r\n\r\n", true), Body: []byte("Upgrade Required")},
		"request-connection-missing", "request-version-missing", "request-key-missing", "refused-websocket-only")
	met["refused-websocket-only"] = true
	for _, part := range []string{"request", "response"} {
		h := &Head{}
		h.read([]byte(change(t, map[string]string{"request": goodRequest, "response": goodResponse}[part], "\r\n", "\r\nX-A: "+strings.Repeat("a", 1<<17)+"\r\n")), nil, part == "response")
		x := &Exchange{Request: h}
		if part == "response" {
			x = &Exchange{Request: good, Response: h}
		}
		try(part+"-too-large", x)
	}
	for id := range clauses {
		if !met[id] {
			t.Errorf("no test breaks %s", id)
		}
	}
	if len(clauses) < 60 {
		t.Errorf("%d rules", len(clauses))
	}
}

// TestTwelveBroken101 holds the responses that curl 8.14 accepts: a client of
// ours gives up for each, and says which header and which clause.
func TestTwelveBroken101(t *testing.T) {
	offer := captured(goodRequest, false)
	compressed := captured(change(t, goodRequest, hostLine, hostLine+deflateOffer+"\r\n"), false)
	for _, test := range []struct {
		name  string
		req   *Head
		edits []string
		rule  string
	}{
		{"no Upgrade", offer, []string{upgradeLine, ""}, "response-upgrade-missing"},
		{"no Connection", offer, []string{connectionLine, ""}, "response-connection-missing"},
		{"Connection: keep-alive", offer, []string{connectionLine, "Connection: keep-alive\r\n"}, "response-connection-other"},
		{"Upgrade: h2c", offer, []string{"websocket", "h2c"}, "response-upgrade-other"},
		{"no Accept", offer, []string{acceptLine, ""}, "response-accept-missing"},
		{"wrong Accept", offer, []string{"s3pP", "S3pP"}, "response-accept-wrong"},
		{"unrequested subprotocol", offer, []string{"Protocol: chat", "Protocol: mqtt"}, "response-protocol-unrequested"},
		{"unknown extension", offer, []string{upgradeLine, upgradeLine + "Sec-WebSocket-Extensions: made-up\r\n"}, "response-extension-unknown"},
		{"extension not offered", offer, []string{upgradeLine, upgradeLine + deflateOffer + "\r\n"}, "response-extension-not-offered"},
		{"window bits of 99", compressed, []string{upgradeLine, upgradeLine + deflateOffer + "; server_max_window_bits=99\r\n"}, "response-deflate-bits"},
		{"HTTP/1.0", offer, []string{"HTTP/1.1", "HTTP/1.0"}, "response-version-old"},
		{"bare LF", offer, []string{"websocket\r\n", "websocket\n"}, "response-bare-lf"},
	} {
		x := &Exchange{Request: test.req, Response: captured(change(t, goodResponse, test.edits...), true)}
		_, err := CheckResponse(x)
		f, ok := err.(*Finding)
		if !ok || f.ID != test.rule || f.Level != Must || f.Part != InResponse {
			t.Errorf("%s: %v", test.name, err)
		} else if !strings.Contains(err.Error(), f.Clause) || f.Fault != Server {
			t.Errorf("%s: %v, the %s's fault", test.name, err, f.Fault)
		}
	}
}

// A client gives up for what a check calls broken, and a server refuses for it.
func TestOneTable(t *testing.T) {
	var a Acceptor
	var ans Answer
	for _, b := range brokenRequests() {
		x := &Exchange{Request: captured(change(t, goodRequest, b.edits...), false)}
		err := a.Accept(x.Request, &ans)
		rule := ruleOf(b.rule)
		if f, ok := err.(*Finding); (rule.Status != 0) != ok || ok && f.ID != b.rule || ans.Status != max(rule.Status, 101) && rule.Status != 0 {
			t.Errorf("%s: accepting says %v, %d", b.rule, err, ans.Status)
		}
	}
	good := captured(goodRequest, false)
	for _, b := range brokenResponses() {
		text := change(t, goodResponse, b.edits...)
		_, err := CheckResponse(&Exchange{Request: good, Response: captured(text, true)})
		if f, ok := err.(*Finding); ruleOf(b.rule).Fails != ok || ok && f.ID != b.rule {
			t.Errorf("%s: dialling says %v", b.rule, err)
		}
	}
	for _, r := range refusals() {
		_, err := CheckResponse(&Exchange{Request: good, Response: captured("HTTP/1.1 "+r.head+"\r\n\r\n", true), Body: []byte(r.body)})
		if f, ok := err.(*Finding); !ok || f.ID != r.rule || f.Part != InRefusal {
			t.Errorf("%s: dialling says %v", r.rule, err)
		}
	}
}

func ruleOf(id string) Rule {
	all := Rules()
	return all[slices.IndexFunc(all, func(r Rule) bool { return r.ID == id })]
}

func FuzzCheck(f *testing.F) {
	f.Add(goodRequest, goodResponse, "body")
	for _, b := range brokenRequests() {
		f.Add(strings.Replace(goodRequest, b.edits[0], b.edits[1], 1), goodResponse, "")
	}
	for _, b := range brokenResponses() {
		f.Add(goodRequest, strings.Replace(goodResponse, b.edits[0], b.edits[1], 1), "{\"code\":0,\"message\":\"\"}")
	}
	f.Fuzz(func(t *testing.T, request, response, body string) {
		x := &Exchange{Request: captured(request, false), Response: captured(response, true), Body: []byte(body)}
		findings := Check(x)
		for _, finding := range findings {
			if finding.Came == "" || strings.ContainsAny(finding.Came, "\r\n\x00\x1b") {
				t.Errorf("%s: came %q", finding.ID, finding.Came)
			}
		}
		ExplainRefusal(x)
		var a Acceptor
		if err := a.Accept(x.Request, &Answer{}); err != nil && !slices.Contains(ids(findings), err.(*Finding).ID) {
			t.Errorf("accepting says %v, checking %v", err, ids(findings))
		}
		if _, err := CheckResponse(x); err != nil && !slices.Contains(ids(findings), err.(*Finding).ID) {
			t.Errorf("dialling says %v, checking %v", err, ids(findings))
		}
	})
}

func ExampleCheck() {
	request, response := &Head{}, &Head{}
	request.ParseRequest([]byte(goodRequest), nil)
	response.ParseResponse([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n"+
		"Sec-WebSocket-Accept: hHLtf2V1k8aDQZfNjw3Ia1hCwt0=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"), nil)
	for _, f := range Check(&Exchange{Request: request, Response: response}) {
		fmt.Printf("%s %s, %s: %s\n  came  %s\n  due   %s\n  cause %s\n", f.Level, f.Clause, f.Fault, f.Summary, f.Came, f.Due, f.Cause)
	}
	// Output:
	// MUST RFC 6455 4.1 (response) item 3, server: The Connection header of the response does not list Upgrade.
	//   came  Connection: keep-alive
	//   due   Connection: Upgrade
	//   cause The server's HTTP library or a proxy put its own value there, such as keep-alive or close.
	// MUST RFC 6455 4.1 (response) item 4, server: The Sec-WebSocket-Accept does not follow from the key.
	//   came  Sec-WebSocket-Accept: hHLtf2V1k8aDQZfNjw3Ia1hCwt0=
	//   due   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	//   cause The GUID is missing: the server hashed the key alone.
}
