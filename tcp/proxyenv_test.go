package tcp

import (
	"strings"
	"testing"
)

func clearProxyEnvironment(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
	t.Setenv("REQUEST_METHOD", "")
}

func TestProxyFromEnvironment(t *testing.T) {
	tests := []struct{ env, scheme, host, want string }{
		{"", "ws", "a.example", ""},
		{"http_proxy=http://p:1", "ws", "a.example:80", "http://p:1"},
		{"http_proxy=http://p:1", "sio", "a.example", "http://p:1"},
		{"http_proxy=http://p:1", "wss", "a.example", ""},
		{"https_proxy=http://p:1", "wss", "a.example", "http://p:1"},
		{"HTTPS_PROXY=http://p:1", "sios", "a.example", "http://p:1"},
		{"HTTPS_PROXY=p:1", "https", "a.example", "http://p:1"},
		{"HTTP_PROXY=http://up:1 http_proxy=http://low:1", "http", "a.example", "http://up:1"},
		{"all_proxy=socks5://p:1", "wss", "a.example", "socks5://p:1"},
		{"ALL_PROXY=socks5h://p:1 https_proxy=http://q:1", "wss", "a.example", "http://q:1"},
		{"ALL_PROXY=socks5h://u:p@p:1", "ws", "a.example", "socks5h://u:p@p:1"},
		{"HTTP_PROXY=http://p:1 REQUEST_METHOD=GET", "ws", "a.example", ""},
		{"http_proxy=http://p:1 REQUEST_METHOD=GET", "ws", "a.example", "http://p:1"},

		{"all_proxy=http://p:1", "ws", "localhost:80", ""},
		{"all_proxy=http://p:1", "ws", "LOCALHOST.", ""},
		{"all_proxy=http://p:1", "ws", "a.localhost", ""},
		{"all_proxy=http://p:1", "ws", "127.9.8.7:80", ""},
		{"all_proxy=http://p:1", "ws", "[::1]:80", ""},
		{"all_proxy=http://p:1", "ws", "::1", ""},
		{"all_proxy=http://p:1", "ws", "[::ffff:127.0.0.1]:80", ""},
		{"all_proxy=http://p:1", "ws", "localhost.example", "http://p:1"},

		{"all_proxy=http://p:1 no_proxy=*", "ws", "a.example", ""},
		{"all_proxy=http://p:1 NO_PROXY=x,A.Example", "ws", "a.example:81", ""},
		{"all_proxy=http://p:1 no_proxy=example", "ws", "b.a.example", ""},
		{"all_proxy=http://p:1 no_proxy=example", "ws", "aexample", "http://p:1"},
		{"all_proxy=http://p:1 no_proxy=.example", "ws", "a.example", ""},
		{"all_proxy=http://p:1 no_proxy=.example", "ws", "example", "http://p:1"},
		{"all_proxy=http://p:1 no_proxy=*.example", "ws", "a.example", ""},
		{"all_proxy=http://p:1 no_proxy=a.example:8080", "ws", "a.example:8080", ""},
		{"all_proxy=http://p:1 no_proxy=a.example:8080", "ws", "a.example:80", "http://p:1"},
		{"all_proxy=http://p:1 no_proxy=a.example:443", "wss", "a.example", ""},
		{"all_proxy=http://p:1 no_proxy=a.example:80", "ws", "a.example", ""},
		{"all_proxy=http://p:1 no_proxy=10.0.0.0/8", "ws", "10.1.2.3:80", ""},
		{"all_proxy=http://p:1 no_proxy=10.0.0.0/8", "ws", "11.1.2.3:80", "http://p:1"},
		{"all_proxy=http://p:1 no_proxy=2001:db8::/32", "ws", "[2001:db8::1]:80", ""},
		{"all_proxy=http://p:1 no_proxy=10.1.2.3", "ws", "10.1.2.3:80", ""},
		{"all_proxy=http://p:1 no_proxy=10.1.2.3:81", "ws", "10.1.2.3:80", "http://p:1"},
		{"all_proxy=http://p:1 no_proxy=2001:db8::1", "ws", "[2001:db8::1]", ""},
		{"all_proxy=http://p:1 no_proxy=,", "ws", "a.example", "http://p:1"},
	}
	for _, test := range tests {
		t.Run(test.env+" "+test.scheme+" "+test.host, func(t *testing.T) {
			clearProxyEnvironment(t)
			for _, pair := range strings.Fields(test.env) {
				name, value, _ := strings.Cut(pair, "=")
				t.Setenv(name, value)
			}
			u, err := ProxyFromEnvironment(test.scheme, test.host)
			got := ""
			if u != nil {
				got = u.String()
			}
			if err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestProxyFromBadEnvironment(t *testing.T) {
	for value, want := range map[string]string{
		"http://user:secret@p:port": "https_proxy: its value is no URL of a proxy",
		"http://":                   "https_proxy: its value is no URL of a proxy",
		"gopher://user:secret@p":    `https_proxy: "gopher" proxies are not known`,
	} {
		clearProxyEnvironment(t)
		t.Setenv("https_proxy", value)
		u, err := ProxyFromEnvironment("wss", "a.example")
		if u != nil || err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", value, u, err)
		}
		if u, err := ProxyFromEnvironment("wss", "localhost"); u != nil || err != nil {
			t.Errorf("%q disturbs loopback: %v, %v", value, u, err)
		}
	}
}
