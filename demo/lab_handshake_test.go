package demo

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// inLab opens a lesson's lab without a page, and closes it again.
func inLab(t *testing.T, open func(*Stage) (Actions, error)) (*Stage, func(name string, args any) (any, error)) {
	t.Helper()
	s := newStage(t.Context(), silent{}, nil)
	does, err := open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, func(name string, args any) (any, error) {
		t.Helper()
		raw, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		return does[name](t.Context(), raw)
	}
}

func TestTypedBytes(t *testing.T) {
	tests := []struct{ text, want, wrong string }{
		{"GET / HTTP/1.1\\r\\n\n\\r\\n", "GET / HTTP/1.1\r\n\r\n", ""},
		{`a\x00\0\t\\b`, "a\x00\x00\t\\b", ""},
		{`\q`, "", `\q stands for no byte`},
		{`\x4`, "", `\x4 stands for no byte`},
		{"\\", "", `\ stands for no byte`},
		{strings.Repeat("x", mostHead+1), "", "are too many"},
	}
	for _, test := range tests {
		got, err := typedBytes(test.text)
		if string(got) != test.want || (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%.20q is %q, %v; want %q, %q", test.text, got, err, test.want, test.wrong)
		}
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	if got, err := typedBytes(boxText(every)); err != nil || string(got) != string(every) {
		t.Errorf("written and read again: %q, %v", got, err)
	}
}

func TestHandshakeLab(t *testing.T) {
	s, call := inLab(t, handshakeLab)
	b := &upgradeBench{stage: s, server: "127.0.0.1:1"} // for heads alone
	for name, want := range map[string]struct {
		said, found string
	}{
		"no-key":     {"400 Bad Request", "request-key-missing"},
		"version-8":  {"426 Upgrade Required", "request-version-"},
		"http-1.0":   {"400 Bad Request", "request-version-old"},
		"keep-alive": {"400 Bad Request", "request-connection-"},
		"two-keys":   {"400 Bad Request", "request-key-"},
		"folded":     {"400 Bad Request", "request-obs-fold"},
		"bare-lf":    {"400 Bad Request", "request-bare-lf"},
		"hex":        {"The client gives up: the Sec-WebSocket-Accept does not follow", "response-accept-wrong"},
		"200":        {"answered 200", "refused-"},
		"protocol":   {"The client gives up", "response-protocol-"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := call("break", presetName{name})
			if err != nil {
				t.Fatal(err)
			}
			if r := got.(reaction); !strings.Contains(r.Said, want.said) || len(r.Rows) == 0 {
				t.Errorf("the reaction is %+v, want %q in it", r, want.said)
			}
			heads, err := b.heads(headMistakes[name])
			if err != nil {
				t.Fatal(err)
			}
			found, err := call("check", heads)
			if err != nil {
				t.Fatal(err)
			}
			if list := found.(judged).Findings; len(list) == 0 || !strings.Contains(rulesIn(list), want.found) {
				t.Errorf("the rules say %s, want %s", rulesIn(list), want.found)
			}
		})
	}
	if n := len(events[trace.Upgrade](s.cast.entries(), "server")); n != 0 {
		t.Errorf("the server opened %d WebSockets, want none", n)
	}
}

func TestHandshakeLabByHand(t *testing.T) {
	_, call := inLab(t, handshakeLab)
	if _, err := call("question", acceptAnswer{"response-accept-wrong"}); err == nil {
		t.Error("the question has an answer before anything has happened")
	}
	right, err := (&upgradeBench{server: "127.0.0.1:1"}).heads(headMistake{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		what, action      string
		request, response string
		want              string
	}{
		{"all is right", "send", right.Request, "", `heard "Hello"`},
		{"all is right", "serve", right.Request, right.Response, `heard "Hello"`},
		{"a frame behind the answer", "serve", right.Request, right.Response + `\x81\x02hi`, `heard "hi"`},
		{"a request without an end", "send", "GET /", "", "408"},
		{"no request", "serve", "GET /", right.Response, `not complete`},
		{"half an answer", "serve", right.Request, `HTTP/1.1 101\r\n`, "gives up"},
		{"no bytes", "send", `\q`, "", "stands for no byte"},
	}
	for _, test := range tests {
		got, err := call(test.action, typedHeads{test.request, test.response})
		r, _ := got.(reaction)
		if err != nil {
			r.Said = err.Error()
		}
		if !strings.Contains(r.Said, test.want) {
			t.Errorf("%s, %s: %q, want %q in it", test.action, test.what, r.Said, test.want)
		}
	}
}

func TestHandshakeLabQuestion(t *testing.T) {
	_, call := inLab(t, handshakeLab)
	if _, err := call("break", presetName{"hex"}); err != nil {
		t.Fatal(err)
	}
	for rule, right := range map[string]bool{"response-accept-wrong": true, "response-accept-missing": false} {
		got, err := call("question", acceptAnswer{rule})
		if v, _ := got.(Verdict); err != nil || v.Right != right || len(v.Rows) != 2 {
			t.Errorf("%s: %+v, %v", rule, got, err)
		}
	}
}

func rulesIn(list []handshake.Finding) string {
	var names []string
	for _, f := range list {
		names = append(names, f.ID)
	}
	return strings.Join(names, " ")
}
