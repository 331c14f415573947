package handshake

import (
	"encoding/json"
	"strings"
	"testing"
)

// hostile are heads of 60 KiB that make a careless reader work for each byte
// as often as there are bytes.
func hostile() map[string]string {
	field := func(name, value string) string { return hostLine + name + ": " + value + "\r\n" }
	many := func(s string) string { return strings.Repeat(s, 60000/len(s)) }
	return map[string]string{
		"subprotocols":           field("Sec-WebSocket-Protocol", many("a,")),
		"subprotocols of blanks": field("Sec-WebSocket-Protocol", "a"+many(" ")+"b"), // CVE-2021-32640
		"commas":                 field("Connection", many(",")),
		"extensions":             field("Sec-WebSocket-Extensions", "x"+many(", x")),
		"offers":                 field("Sec-WebSocket-Extensions", deflateName+many(", "+deflateName+"; a")),
		"parameters":             field("Sec-WebSocket-Extensions", deflateName+many("; a")),
		"a quoted value":         field("Sec-WebSocket-Extensions", `x; a="`+many(`\a`)+`"`),
		"folds":                  field("X", many("\r\n a")),
		"folds of blanks":        field("X", many("\r\n  \t")),
		"fields":                 hostLine + many("a:\r\n"),
		"a key":                  field("Sec-WebSocket-Key", many("=")),
		"escapes":                strings.Replace(firstLine, "/chat", "/"+many("%20"), 1) + hostLine,
	}
}

// BenchmarkHostile shows what each of them costs to accept and to check.
func BenchmarkHostile(b *testing.B) {
	for name, lines := range hostile() {
		text := strings.Replace(goodRequest, hostLine, lines, 1)
		if strings.HasPrefix(lines, "GET") {
			text = strings.Replace(goodRequest, firstLine+hostLine, lines, 1)
		}
		wire := []byte(text)
		response := captured(strings.Replace(goodResponse, upgradeLine, upgradeLine+strings.TrimPrefix(lines, hostLine), 1), true)
		b.Run("accept/"+name, func(b *testing.B) {
			var h Head
			var ans Answer
			a := fullAcceptor()
			for b.Loop() {
				h.ParseRequest(wire, nil)
				a.Accept(&h, &ans)
			}
		})
		b.Run("check/"+name, func(b *testing.B) {
			for b.Loop() {
				Check(&Exchange{Request: captured(text, false), Response: response})
			}
		})
	}
}

// A request that a proxy has plucked is the proxy's fault.
func TestPluckedByProxy(t *testing.T) {
	forwarded := hostLine + "X-Forwarded-For: 192.0.2.1\r\n"
	for rule, edits := range map[string][]string{
		"request-upgrade-missing":  {hostLine, forwarded, upgradeLine, ""},
		"request-connection-other": {hostLine, forwarded, connectionLine, "Connection: close\r\n"},
		"request-version-old":      {hostLine, forwarded, "HTTP/1.1", "HTTP/1.0"},
	} {
		f := Check(&Exchange{Request: captured(change(t, goodRequest, edits...), false)})
		if len(f) != 1 || f[0].ID != rule || f[0].Fault != Proxy || !strings.Contains(f[0].Came, "192.0.2.1") || !strings.Contains(f[0].Mend, "proxy_http_version 1.1") {
			t.Errorf("%s: %+v", rule, f)
		}
	}
	f := Check(&Exchange{Request: captured("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Mozilla\r\n\r\n", false)})
	if f[0].ID != "request-upgrade-missing" || f[0].Fault != Client || !strings.Contains(f[0].Cause, "ordinary HTTP request") {
		t.Errorf("%+v", f[0])
	}
}

// The names of a finding's fields are a promise.
func TestFindingJSON(t *testing.T) {
	f := Check(&Exchange{Request: captured(change(t, goodRequest, versionLine, ""), false)})
	got, err := json.Marshal(f[0])
	want := `{"id":"request-version-missing","clause":"RFC 6455 4.2.1 item 6","source":"RFC 6455","level":"MUST","duty":"sender","part":"request",` +
		`"summary":"The request has no Sec-WebSocket-Version header.","why":"There were several drafts of the protocol with different frames; the number says which one is spoken.",` +
		`"status":400,"came":"no Sec-WebSocket-Version header","due":"Sec-WebSocket-Version: 13","fault":"client",` +
		`"cause":"The request was put together by hand, or a client of before 2011.","mend":"In the client, send Sec-WebSocket-Version: 13."}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestJudge(t *testing.T) {
	verdicts := Judge(&Exchange{Request: captured(goodRequest, false)})
	for _, v := range verdicts {
		if v.Finding != nil || v.Rule.Part != InRequest {
			t.Errorf("%s: %v", v.Rule.ID, v.Finding)
		}
	}
	if len(verdicts) < 40 {
		t.Errorf("%d rules were asked", len(verdicts))
	}
	r := ruleOf("request-host-missing")
	if x := (&Exchange{Request: captured(change(t, goodRequest, hostLine, ""), false)}); !r.Applies(x) || r.Holds(x) == nil || r.Holds(&Exchange{}) != nil {
		t.Error("a rule asked alone does not hold what the table holds")
	}
}
