package tcp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// step is one turn of a scripted proxy: what it must be sent, what it answers.
type step struct{ want, answer string }

// scriptedProxy dials a proxy that follows a script, and then passes the
// connection to then.
func scriptedProxy(t *testing.T, steps []step, then func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	return func(context.Context, string, string) (net.Conn, error) {
		done := make(chan struct{})
		t.Cleanup(func() { <-done }) // after joined's own, which ends the proxy
		client, proxy := joined(t)
		go func() {
			defer close(done)
			for _, s := range steps {
				got := make([]byte, len(s.want))
				if _, err := io.ReadFull(proxy, got); err != nil || string(got) != s.want {
					t.Errorf("the proxy got %q (%v)\nwant %q", got, err, s.want)
					proxy.Close()
					return
				}
				io.WriteString(proxy, s.answer)
			}
			if then != nil {
				then(proxy)
			}
		}()
		return client, nil
	}
}

func echoing(conn net.Conn) {
	io.Copy(conn, conn)
	conn.(*net.TCPConn).CloseWrite()
}

func dialThrough(t *testing.T, proxy, target string, dial func(context.Context, string, string) (net.Conn, error), tracer *trace.Tracer) (net.Conn, error) {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := DialProxy(testContext(t), u, dial, target, tracer)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

const (
	socksHello = "\x05\x01\x00"
	socksAuth  = "\x05\x02\x00\x02"
	socksOK    = "\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"
)

func connectTo(target, more string) string {
	return "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + more + "\r\n"
}

func TestProxiesThatConnect(t *testing.T) {
	name := strings.Repeat("n", 255)
	tests := []struct {
		name, proxy, target string
		steps               []step
	}{
		{"name", "socks5://p", "a.example:80", []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x03\x09a.example\x00\x50", socksOK}}},
		{"socks5h", "socks5h://p:9", "a.example:80", []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x03\x09a.example\x00\x50", socksOK}}},
		{"longest name", "socks5://p", name + ":1", []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x03\xff" + name + "\x00\x01", socksOK}}},
		{"IPv4", "socks5://p", "10.1.2.3:65535", []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x01\x0a\x01\x02\x03\xff\xff", socksOK}}},
		{"IPv6, bound to IPv6", "socks5://p", "[2001:db8::1]:443", []step{{socksHello, "\x05\x00"},
			{"\x05\x01\x00\x04\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x01\xbb", "\x05\x00\x00\x04" + strings.Repeat("\xaa", 18)}}},
		{"bound to a name", "socks5://p", "a:80", []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", "\x05\x00\x00\x03\x03abc\x00\x01"}}},
		{"named port", "socks5://p", "a:http", []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", socksOK}}},
		{"password", "socks5://us%3Aer:pa%40ss@p", "a:80", []step{{socksAuth, "\x05\x02"},
			{"\x01\x05us:er\x05pa@ss", "\x01\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", socksOK}}},
		{"password not asked for", "socks5://u:p@p", "a:80", []step{{socksAuth, "\x05\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", socksOK}}},

		{"CONNECT", "http://p:3128", "a.example:443", []step{{connectTo("a.example:443", ""), "HTTP/1.1 200 Connection established\r\n\r\n"}}},
		{"IPv6 by CONNECT", "http://p", "[::1]:443", []step{{connectTo("[::1]:443", ""), "HTTP/1.0 200 OK\r\nProxy-agent: x\r\n\r\n"}}},
		{"any 2xx, its length ignored", "http://p", "a:1", []step{{connectTo("a:1", ""), "HTTP/1.1 204 Fine\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n"}}},
		{"no reason", "http://p", "a:1", []step{{connectTo("a:1", ""), "HTTP/1.1 200\r\n\r\n"}}},
		{"bare LF", "http://p", "a:1", []step{{connectTo("a:1", ""), "HTTP/1.1 200 OK\n\n"}}},
		{"interim responses", "http://p", "a:1", []step{{connectTo("a:1", ""), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}}},
		{"Basic", "http://Aladdin:open%20sesame@p", "a:1", []step{{
			connectTo("a:1", "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "HTTP/1.1 200 OK\r\n\r\n"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// What stands right behind the last answer is the target's.
			last := &test.steps[len(test.steps)-1]
			last.answer += "early\r\n\r\n"
			conn, err := dialThrough(t, test.proxy, test.target, scriptedProxy(t, test.steps, echoing), nil)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, "late")
			CloseWrite(conn)
			if got, err := io.ReadAll(conn); string(got) != "early\r\n\r\nlate" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if _, ok := conn.(*net.TCPConn); !ok {
				t.Errorf("%T stands on top, and would keep splice away", conn)
			}
		})
	}
}

func TestProxyAddress(t *testing.T) {
	for proxy, want := range map[string]string{
		"socks5://p": "p:1080", "http://p": "p:80", "https://p": "p:443", "socks5h://[::1]:9": "[::1]:9", "http://u:p@p:8080": "p:8080",
	} {
		var dialled string
		_, err := dialThrough(t, proxy, "a:1", func(_ context.Context, network, address string) (net.Conn, error) {
			dialled = network + " " + address
			return nil, syscall.ECONNREFUSED
		}, nil)
		var e *ProxyError
		if dialled != "tcp "+want || !errors.As(err, &e) || !errors.Is(err, syscall.ECONNREFUSED) || e.Refused || e.Via != want {
			t.Errorf("%s: dialled %q, %+v", proxy, dialled, err)
		}
		if strings.Contains(err.Error(), "u:p@") {
			t.Errorf("%v shows the password", err)
		}
	}
}

func TestProxiesThatRefuse(t *testing.T) {
	reset := func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }
	ended := func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }
	stay := func(net.Conn) {}
	socks := func(answers ...string) []step {
		wants := []string{socksHello, "\x05\x01\x00\x03\x01a\x00\x01"}
		var steps []step
		for i, answer := range answers {
			steps = append(steps, step{wants[i], answer})
		}
		return steps
	}
	http := func(answer string) []step { return []step{{connectTo("a:1", ""), answer}} }
	tests := []struct {
		name, proxy  string
		steps        []step
		then         func(net.Conn)
		refused      bool
		status       int
		reason, hint string
	}{
		{"SOCKS wants a password", "socks5://p", socks("\x05\xff"), stay, true, 0, "it wants a user and a password", "socks5://USER:PASSWORD@"},
		{"SOCKS wants none", "socks5://u:p@p", []step{{socksAuth, "\x05\xff"}}, stay, true, 0, "neither user and password nor none", ""},
		{"wrong password", "socks5://u:p@p", []step{{socksAuth, "\x05\x02"}, {"\x01\x01u\x01p", "\x01\x01"}}, stay, true, 1, "refused the user and the password", ""},
		{"method not offered", "socks5://p", socks("\x05\x02"), stay, false, 0, "authentication method 2, which was not offered", ""},
		{"GSSAPI", "socks5://u:p@p", []step{{socksAuth, "\x05\x01"}}, stay, false, 0, "authentication method 1, which was not offered", ""},
		{"general failure", "socks5://p", socks("\x05\x00", "\x05\x01\x00\x01"), stay, true, 1, "(SOCKS reply 1)", ""},
		{"not allowed", "socks5://p", socks("\x05\x00", "\x05\x02\x00\x01"), stay, true, 2, "its rules do not allow this target (SOCKS reply 2)", ""},
		{"network", "socks5://p", socks("\x05\x00", "\x05\x03\x00\x01"), stay, true, 3, "cannot reach the target's network", ""},
		{"host", "socks5://p", socks("\x05\x00", "\x05\x04\x00\x01"), stay, true, 4, "cannot reach the target's host", ""},
		{"refused", "socks5://p", socks("\x05\x00", "\x05\x05\x00\x01"), stay, true, 5, "the target refused its connection", ""},
		{"TTL", "socks5://p", socks("\x05\x00", "\x05\x06\x00\x01"), stay, true, 6, "timed out", ""},
		{"command", "socks5://p", socks("\x05\x00", "\x05\x07\x00\x01"), stay, true, 7, "command not supported", ""},
		{"address type", "socks5://p", socks("\x05\x00", "\x05\x08\x00\x01"), stay, true, 8, "this type of address", ""},
		{"unknown code", "socks5://p", socks("\x05\x00", "\x05\xee\x00\x01"), stay, true, 0xee, "unknown SOCKS reply 238", ""},
		{"unknown bound address", "socks5://p", socks("\x05\x00", "\x05\x00\x00\x09"), stay, false, 0, "unknown address type 9", ""},
		{"an HTTP proxy", "socks5://p", socks("HTTP/1.1 400 Bad Request\r\n\r\n"), stay, false, 0, `it speaks no SOCKS5: its answer begins with "HT"`, "http://"},
		{"SOCKS4", "socks5://p", socks("\x00\x5b"), stay, false, 0, "it speaks no SOCKS5", "SOCKS4"},
		{"another reply", "socks5://p", socks("\x05\x00", "\x1b[31"), stay, false, 0, `its answer begins with "\x1b[31"`, ""},
		{"SOCKS ends", "socks5://p", socks("\x05"), ended, false, 0, "it closed the connection instead of answering", ""},
		{"SOCKS ends late", "socks5://p", socks("\x05\x00", "\x05\x00\x00\x03\x05ab"), ended, false, 0, "it closed the connection instead of answering", ""},
		{"SOCKS resets", "socks5://p", socks(""), reset, false, 0, "it reset the connection instead of answering", ""},

		{"407", "http://p", http("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno!"), stay, true, 407,
			"it wants a user and a password, or refused those given (HTTP/1.1 407 Proxy Authentication Required)", "http://USER:PASSWORD@"},
		{"403", "http://p", http("HTTP/1.1 403 Forbidden\r\n\r\n"), stay, true, 403, "its rules do not allow this target (HTTP/1.1 403 Forbidden)", ""},
		{"405", "http://p", http("HTTP/1.1 405 Method Not Allowed\r\n\r\n"), stay, true, 405, "does not know CONNECT", ""},
		{"502", "http://p", http("HTTP/1.1 502 Bad Gateway\r\n\r\n"), stay, true, 502, "could not connect to the target", ""},
		{"504", "http://p", http("HTTP/1.0 504 \r\n\r\n"), stay, true, 504, "timed out (HTTP/1.0 504 )", ""},
		{"302", "http://p", http("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), stay, true, 302, "it made no connection (HTTP/1.1 302 Found)", ""},
		{"101", "http://p", http("HTTP/1.1 101 Switching Protocols\r\n\r\n"), stay, true, 101, "it made no connection", ""},
		{"escapes", "http://p", http("HTTP/1.1 403 \x1b[31mred\r\n\r\n"), stay, true, 403, `\x1b[31mred`, ""},
		{"a long line", "http://p", http("HTTP/1.1 403 " + strings.Repeat("x", 1000) + "\r\n\r\n"), stay, true, 403, "xxx…)", ""},
		{"garbage", "http://p", http("SSH-2.0-OpenSSH\r\n"), stay, false, 0, `it speaks no HTTP: its answer begins with "S"`, ""},
		{"TLS", "http://p", http("\x15\x03\x01\x00\x02\x02\x0a"), stay, false, 0, "it speaks no HTTP", "https://"},
		{"SOCKS", "http://p", http("\x05\xff"), stay, false, 0, `it speaks no HTTP: its answer begins with "\x05"`, "socks5://"},
		{"HTTP/2", "http://p", http("HTTP/2 200\r\n\r\n"), stay, false, 0, `begins with "HTTP/2"`, ""},
		{"no status", "http://p", http("HTTP/1.1\r\n\r\n"), stay, false, 0, `begins with "HTTP/1.1"`, ""},
		{"a bad status", "http://p", http("HTTP/1.1 +20 OK\r\n\r\n"), stay, false, 0, `begins with "HTTP/1.1 +20 OK"`, ""},
		{"four digits", "http://p", http("HTTP/1.1 2000 OK\r\n\r\n"), stay, false, 0, `begins with "HTTP/1.1 2000 OK"`, ""},
		{"below 100", "http://p", http("HTTP/1.1 020 OK\r\n\r\n"), stay, false, 0, `begins with "HTTP/1.1 020 OK"`, ""},
		{"ends", "http://p", http(""), ended, false, 0, "it closed the connection instead of answering", ""},
		{"ends within", "http://p", http("HTTP/1.1 200 OK\r\nX"), ended, false, 0, `it ended in the middle of its answer, after "HTTP/1.1 200 OK"`, ""},
		{"resets", "http://p", http(""), reset, false, 0, "it reset the connection instead of answering", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tracer, saw := tracing(trace.Connection)
			conn, err := dialThrough(t, test.proxy, "a:1", scriptedProxy(t, test.steps, test.then), tracer)
			var e *ProxyError
			if conn != nil || !errors.As(err, &e) {
				t.Fatalf("%v, %v", conn, err)
			}
			if e.Refused != test.refused || e.Status != test.status || !strings.Contains(e.Reason, test.reason) || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("%+v", e)
			}
			if prefix := e.Kind + " proxy " + e.Via + ": "; !strings.HasPrefix(err.Error(), prefix) || e.Target != "a:1" {
				t.Errorf("%v", err)
			}
			if got := strings.Join(eventNames(saw.Records()), " "); got != "open close" {
				t.Error(got)
			}
			if end := trace.Events[trace.Close](saw.Records()); end[0].Error == "" {
				t.Error("the trace does not say why")
			}
		})
	}
}

func TestProxiesThatCannotBe(t *testing.T) {
	tests := []struct{ proxy, target, want string }{
		{"ftp://p", "a:1", "this kind of proxy is not known"},
		{"socks4://p", "a:1", "this kind of proxy is not known"},
		{"socks5://", "a:1", "the URL names no host"},
		{"http://:80", "a:1", "the URL names no host"},
		{"http://p", "a", "missing port"},
		{"http://p", ":1", "lacks a host or a port"},
		{"http://p", "a:0", "lacks a host or a port"},
		{"http://p", "a:99999", "invalid port"},
		{"http://p", "a\r\nX:1", "characters that no name has"},
		{"socks5://p", "[fe80::1%eth0]:1", "has a zone"},
		{"socks5://p", strings.Repeat("n", 256) + ":1", "SOCKS5 takes at most 255"},
		{"socks5://" + strings.Repeat("u", 256) + ":p@p", "a:1", "at most 255 bytes each"},
	}
	for _, test := range tests {
		dial := scriptedProxy(t, nil, func(c net.Conn) {
			io.WriteString(c, "\x05\x02")
			io.Copy(io.Discard, c)
		})
		_, err := dialThrough(t, test.proxy, test.target, dial, nil)
		var e *ProxyError
		if !errors.As(err, &e) || !strings.Contains(e.Reason, test.want) {
			t.Errorf("%s, %s: %v", test.proxy, test.target, err)
		}
	}
}

// An answer without an end is given up at 64 KiB.
func TestEndlessProxy(t *testing.T) {
	for name, piece := range map[string]string{"one line": "x", "lines": "X: y\r\n", "interim": "\r\n\r\nHTTP/1.1 100 Continue\r\nX: y"} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan int64, 1)
			dial := scriptedProxy(t, []step{{connectTo("a:1", ""), "HTTP/1.1 100 Continue\r\nX: y"}}, func(c net.Conn) {
				n, _ := io.Copy(c, io.LimitReader(endless(piece), 64<<20))
				sent <- n
			})
			_, err := dialThrough(t, "http://p", "a:1", dial, nil)
			if err == nil || !strings.Contains(err.Error(), "no end within 64 KiB") {
				t.Fatal(err)
			}
			if n := <-sent; n == 64<<20 {
				t.Error("all of it was taken")
			}
		})
	}
}

type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for len(p)-n >= len(e) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// A proxy that never comes to an end is bounded by the context, however it
// drips.
func TestSlowProxy(t *testing.T) {
	for _, proxy := range []string{"http://p", "socks5://p"} {
		for name, answer := range map[string]string{"silent": "", "dripping": "HTTP/1.1 200 OK\r\n\r"} {
			t.Run(proxy+" "+name, func(t *testing.T) {
				steps := []step{{"C", answer}}
				if proxy == "socks5://p" {
					steps = []step{{socksHello, "\x05"[:min(1, len(answer))]}}
				}
				u, _ := url.Parse(proxy)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				defer cancel()
				_, err := DialProxy(ctx, u, scriptedProxy(t, steps, nil), "a:1", nil)
				var e *ProxyError
				if !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || e.Reason != "no whole answer in time" {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestProxyCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dial := scriptedProxy(t, []step{{"C", "H"}}, func(net.Conn) { cancel() })
	_, err := DialProxy(ctx, &url.URL{Scheme: "http", Host: "p"}, dial, "a:1", nil)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "cancelled while waiting") {
		t.Fatal(err)
	}
}

// The context of the dialling says nothing about the connection's later life.
func TestProxyContextEndsWithTheDial(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	conn, err := DialProxy(ctx, &url.URL{Scheme: "socks5", Host: "p"},
		scriptedProxy(t, []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x03\x01a\x00\x01", socksOK}}, echoing), "a:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	io.WriteString(conn, "hello")
	CloseWrite(conn)
	if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}

// net/http's reader is the oracle for what is a status line; it takes more.
func FuzzStatusLine(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 407 \r\n\r\n", "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		w := &wire{Conn: &scripted{r: bytes.NewReader(head)}}
		got, failure := readHTTPHead(&proxyTalk{wire: w}, maxProxyHead)
		if failure != nil {
			return
		}
		if !bytes.HasPrefix(head, got) || !headEnded(got) {
			t.Fatalf("%q is not the head of %q", got, head)
		}
		status, _, err := statusLine(got)
		if err != nil {
			return
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(got)), &http.Request{Method: http.MethodConnect})
		if err == nil && r.StatusCode != status {
			t.Fatalf("%q: %d, and net/http reads %d", got, status, r.StatusCode)
		}
		if err != nil && strings.Contains(err.Error(), "status code") {
			t.Fatalf("%q: %d, and net/http says %v", got, status, err)
		}
	})
}
