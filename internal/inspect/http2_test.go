package inspect

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// TestHTTP2 asks servers of wss whether they take WebSockets over HTTP/2: one
// that does, those that speak HTTP/1.1 only, and one whose HTTP/2 has none.
func TestHTTP2(t *testing.T) {
	ours := func(h *ws.HTTP2, protocols ...string) endpoint.Address {
		config, err := (&tcp.TLSOptions{SelfSigned: true}).Server()
		if err != nil {
			t.Fatal(err)
		}
		config.NextProtos = protocols
		return webServer(t, &ws.Server{HTTP2: h, TCP: &tcp.Server{TLS: config}})
	}
	theirs := func() endpoint.Address {
		s := httptest.NewUnstartedServer(&ws.Server{})
		s.EnableHTTP2 = true
		s.StartTLS()
		t.Cleanup(s.Close)
		at, err := endpoint.Parse([]string{"wss" + strings.TrimPrefix(s.URL, "https")}, endpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	tests := map[string]struct {
		at     endpoint.Address
		spoken bool
		rule   string
		text   string
	}{
		"both":        {ours(&ws.HTTP2{MaxStreams: 7}, "h2", "http/1.1"), true, "", "WebSockets are taken (RFC 8441), in "},
		"HTTP/1.1":    {ours(nil, "http/1.1"), false, "http2-alpn", "no WebSockets: the server does not know h2 (ALPN), in "},
		"no ALPN":     {ours(nil), false, "http2-alpn", "no WebSockets: the server did not choose HTTP/2"},
		"of net/http": {theirs(), true, "http2-connect-setting", "no WebSockets: the server has not said"},
	}
	for name, test := range tests {
		test.at.Scheme = endpoint.WSS
		r := run(t, Options{Address: test.at, BannerWait: -1, TLS: tcp.TLSOptions{Insecure: true}})
		h := r.HTTP2
		if h == nil || h.Spoken != test.spoken || h.Rule != test.rule || h.WebSockets != (test.rule == "") || h.Error != "" {
			t.Errorf("%s: %+v", name, h)
			continue
		}
		if text := r.Text(TextOptions{}); !strings.Contains(text, "\nhttp/2       "+test.text) {
			t.Errorf("%s: %s", name, text)
		}
		if name == "both" && h.Settings["MAX_CONCURRENT_STREAMS"] != 7 {
			t.Errorf("%s: %v", name, h.Settings)
		}
	}
	if r := run(t, Options{Address: webServer(t, &ws.Server{HTTP2: &ws.HTTP2{}}), BannerWait: -1}); r.HTTP2 != nil {
		t.Errorf("without TLS: %+v", r.HTTP2)
	}
}
