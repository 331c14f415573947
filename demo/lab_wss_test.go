package demo

import (
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

func TestWSSLab(t *testing.T) {
	s, call := inLab(t, wssLab)
	if _, err := call("question", readAnswer{"name"}); err == nil {
		t.Error("the question has an answer before anything was said")
	}
	for _, text := range []string{"", strings.Repeat("x", mostWords+1)} {
		if _, err := call("say", wssWords{text}); err == nil {
			t.Errorf("%d bytes were said", len(text))
		}
	}
	for range 2 {
		got, err := call("say", wssWords{secret})
		if err != nil {
			t.Fatal(err)
		}
		if r := got.(reaction); !strings.Contains(r.Said, `ws: the middle reads "my PIN is 4711".`) || !strings.Contains(r.Said, "wss: the middle sees") || len(r.Rows) < 4 {
			t.Errorf("%+v", r)
		}
	}
	list := s.cast.entries()
	for scheme, want := range map[string]string{"ws": "on the way back; what the client sent", "wss": "nowhere"} {
		there, back := wireOf(list, scheme+" middle", trace.Out), wireOf(list, scheme+" middle", trace.In)
		if got := standsIn(there, back, secret); !strings.HasPrefix(got, want) {
			t.Errorf("%s: the words stand %s, want %s", scheme, got, want)
		}
		if n := len(messages(list, scheme+" server", trace.In)); n != 2 {
			t.Errorf("%s: the server heard %d messages, want 2", scheme, n)
		}
	}
	for what, right := range map[string]bool{"name": true, "nothing": false, "words": false} {
		got, err := call("question", readAnswer{what})
		if v, _ := got.(Verdict); err != nil || v.Right != right || len(v.Rows) != 1 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}

func TestWSSLabBreaks(t *testing.T) {
	_, call := inLab(t, wssLab)
	tests := map[string]string{
		"authority": "unknown authority",
		"name":      `not for "shop.example"`,
		"expired":   "expired",
		"impostor":  "gives up",
		"pin":       `heard "Hello"`,
		"pin-other": "pin",
		"no-tls":    "speaks no TLS",
		"no-wss":    "gives up",
	}
	for what := range wssTries {
		got, err := call("break", wssTryName{what})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		r := got.(reaction)
		if !strings.Contains(r.Said, tests[what]) || len(r.Rows) == 0 {
			t.Errorf("%s: %+v, want %q in it", what, r, tests[what])
		}
	}
	if _, err := call("break", wssTryName{"nothing"}); err == nil {
		t.Error("nothing was tried")
	}
}

func TestDumped(t *testing.T) {
	got := dumped([]byte("0123456789\x00\xff"))
	want := "30 31 32 33 34 35 36 37  01234567\n38 39 00 ff              89..\n"
	if got != want {
		t.Errorf("dumped:\n%s\nwant\n%s", got, want)
	}
	if got := dumped(make([]byte, mostDumped+1)); !strings.HasSuffix(got, "\nand 1 byte more\n") {
		t.Errorf("dumped: %s", got)
	}
}
