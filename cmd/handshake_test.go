//go:build unix

package cmd_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

// right is the answer to a request, to be broken.
func right(request *handshake.Head) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		handshake.AcceptKey(request.Get("Sec-WebSocket-Key")) + "\r\n\r\n"
}

func without(line string) func(string) string {
	return func(s string) string { return strings.Replace(s, line+"\r\n", "", 1) }
}

func instead(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func also(header string) func(string) string {
	return func(s string) string { return strings.TrimSuffix(s, "\r\n") + header + "\r\n\r\n" }
}

func only(text string) func(string) string { return func(string) string { return text } }

// answers serves connections one after the other: it reads a request and lets
// answer speak.
func answers(t *testing.T, answer func(conn net.Conn, request *handshake.Head)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			request := &handshake.Head{}
			_ = (&handshake.Reader{Source: conn}).ReadRequest(request)
			answer(conn, request)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// run runs the program to its end.
func run(t *testing.T, args ...string) (status int, out, failed string) {
	t.Helper()
	program := sockkit(t, args...)
	var stdout, stderr bytes.Buffer
	program.Stdout, program.Stderr = &stdout, &stderr
	err := program.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return program.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// TestHandshakeDialRefusesBroken101 holds that each response that others
// accept is refused, with the header and the clause named and both heads shown.
func TestHandshakeDialRefusesBroken101(t *testing.T) {
	tests := []struct {
		name  string
		bend  func(string) string
		rules string
	}{
		{"no Upgrade", without("Upgrade: websocket"), "response-upgrade-missing, RFC 6455 4.1 (response) item 2"},
		{"no Connection", without("Connection: Upgrade"), "response-connection-missing, RFC 6455 4.1 (response) item 3"},
		{"keep-alive", instead("Connection: Upgrade", "Connection: keep-alive"), "response-connection-other"},
		{"h2c", instead("Upgrade: websocket", "Upgrade: h2c"), "response-upgrade-other"},
		{"no Accept", func(s string) string { return s[:strings.Index(s, "Sec-")] + "\r\n" }, "response-accept-missing, RFC 6455 4.1 (response) item 4"},
		{"wrong Accept", instead("Accept: ", "Accept: x"), "response-accept-wrong"},
		{"subprotocol", also("Sec-WebSocket-Protocol: chat"), "response-protocol-unrequested, RFC 6455 4.1 (response) item 6"},
		{"unknown extension", also("Sec-WebSocket-Extensions: x-nothing"), "response-extension-"},
		{"extension not offered", also("Sec-WebSocket-Extensions: permessage-deflate"), "response-extension-not-offered"},
		{"window bits", also("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99"), "response-deflate-bits"},
		{"HTTP/1.0", instead("HTTP/1.1", "HTTP/1.0"), "response-version-old"},
		{"bare LF", func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }, "response-bare-lf"},
		{"NUL", also("X-A: \x00"), "response-nul"},
		{"no frame", func(s string) string { return s + "Hello, world" }, "response-no-frame"},
		{"not HTTP", only("220 mail.test ESMTP\r\n\r\n"), "response-not-http"},
		{"TLS", only("\x15\x03\x01\x00\x02\x02\x16"), "response-is-tls"},
		{"nothing", only(""), "response-empty"},
		{"half a head", only("HTTP/1.1 101 Switching Protocols\r\nUpgr"), "response-unfinished"},
		{"no end of fields", only("HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("A: b\r\n", 200) + "\r\n"), "response-too-many-fields"},
		{"64 KiB and more", only("HTTP/1.1 101 " + strings.Repeat("x", 70000)), "response-too-large"},
	}
	for _, test := range tests {
		address := answers(t, func(conn net.Conn, request *handshake.Head) {
			_, _ = io.WriteString(conn, test.bend(right(request)))
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		})
		status, out, failed := run(t, "handshake", "dial", "ws://"+address+"/")
		flat := strings.Join(strings.Fields(out), " ")
		if status != 3 || !strings.Contains(flat, test.rules) || !strings.Contains(out, "> GET / HTTP/1.1") || !strings.HasPrefix(failed, "sockkit: handshake dial ws://") || !strings.Contains(failed, "\nhint: ") {
			t.Errorf("%s: status %d\n%s\n%s", test.name, status, out, failed)
		}
		if strings.ContainsAny(out, "\x00\x1b") {
			t.Errorf("%s: what the server said is on the terminal as it came", test.name)
		}
	}
}

// TestHandshakeDialRefused holds that a refusal is shown with its body and its
// likely cause.
func TestHandshakeDialRefused(t *testing.T) {
	for response, want := range map[string]string{
		"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nnothing":                                                                "| nothing",
		"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlogin\r\n0\r\n\r\n": "| login",
		"HTTP/1.1 301 Moved Permanently\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n":                               "Location: https://127.0.0.1/",
		"HTTP/1.1 403 Forbidden\r\n\r\nbad origin\x1b[2J":                                                                           "| bad origin\\x1b[2J",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n":                                "< HTTP/1.1 503",
	} {
		address := answers(t, func(conn net.Conn, _ *handshake.Head) {
			_, _ = io.WriteString(conn, response)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		})
		status, out, failed := run(t, "handshake", "dial", "ws://"+address+"/")
		if status != 4 || !strings.Contains(out, want) || !strings.Contains(out, "ikely cause") || !strings.Contains(failed, ": refused with ") {
			t.Errorf("%q: status %d\n%s\n%s", response, status, out, failed)
		}
	}
}

// TestHandshakeDialIsBounded holds that a server that is silent, or sends a byte
// now and then, is given up on with a finding.
func TestHandshakeDialIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		each string
		rule string
	}{"silent": {"", "response-empty"}, "trickling": {"x", "response-"}} {
		address := answers(t, func(conn net.Conn, _ *handshake.Head) {
			gone := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, conn); close(gone) }()
			_, _ = io.WriteString(conn, strings.Repeat("HTTP/1.1 101 ", len(test.each)))
			for {
				select {
				case <-gone:
					return
				case <-time.After(20 * time.Millisecond):
					_, _ = io.WriteString(conn, test.each)
				}
			}
		})
		status, out, failed := run(t, "handshake", "dial", "ws://"+address+"/", "-w", "1s")
		if status != 124 || !strings.Contains(out, test.rule) || !strings.Contains(failed, "timed out after 1s (-w)") {
			t.Errorf("%s: status %d\n%s\n%s", name, status, out, failed)
		}
	}
}

// TestHandshakeDialReset holds that a reset is called one: status 6.
func TestHandshakeDialReset(t *testing.T) {
	address := answers(t, func(conn net.Conn, _ *handshake.Head) { _ = conn.(*net.TCPConn).SetLinger(0) })
	status, out, failed := run(t, "handshake", "dial", "ws://"+address+"/")
	if status != 6 || !strings.Contains(out, "response-empty") || !strings.Contains(failed, "/: connection reset by peer\nhint: ") {
		t.Errorf("status %d\n%s\n%s", status, out, failed)
	}
}

// TestHandshakeListenIsBounded holds the same of clients.
func TestHandshakeListenIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		first, each string
		want        string
		status      int
	}{
		"silent":          {"", "", "Not a byte of the request came within 300ms.", 124},
		"trickling":       {"GET / HTTP/1.1\r\nHost: a", "a", "The request was not complete within 300ms.", 124},
		"64 KiB and more": {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 70000), "", "431 Request Header Fields Too Large", 0},
		"no HTTP":         {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", "The client speaks TLS where plain HTTP was due.", 3},
	} {
		program := sockkit(t, "handshake", "listen", "127.0.0.1:0", "-w", "300ms", "--hold", "1ms")
		var out bytes.Buffer
		program.Stdout = &out
		notes, err := program.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		s := watch(notes)
		s.wait(t, "/\n")
		s.mu.Lock()
		_, address, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(s.text.String()), "/"), "ws://")
		s.mu.Unlock()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, conn); conn.Close(); close(gone) }()
		_, _ = io.WriteString(conn, test.first)
		for waiting := true; waiting; {
			select {
			case <-gone:
				waiting = false
			case <-time.After(20 * time.Millisecond):
				_, _ = io.WriteString(conn, test.each)
			}
		}
		wantStatus(t, program, test.status)
		if flat := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(flat, test.want) {
			t.Errorf("%s:\n%s", name, out.String())
		}
	}
}
