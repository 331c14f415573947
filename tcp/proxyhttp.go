package tcp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxProxyHead bounds all that a proxy says before the connection stands.
const maxProxyHead = 64 << 10

// http asks for the target with CONNECT (RFC 9110 section 9.3.6).
func (p *proxied) http(t *proxyTalk) *ProxyError {
	if err := t.send(p.httpRequest()); err != nil {
		return err
	}
	for left := maxProxyHead; ; {
		head, err := readHTTPHead(t, left)
		if err != nil {
			return err
		}
		left -= len(head)
		status, line, malformed := statusLine(head)
		switch {
		case malformed != nil:
			return noHTTP(head)
		case status/100 == 2: // whatever else it says, the tunnel begins here
			return nil
		case status/100 != 1 || status == 101:
			return refusedHTTP(status, line)
		}
	}
}

func (p *proxied) httpRequest() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", p.target, p.target)
	if p.user != nil {
		password, _ := p.user.Password()
		login := base64.StdEncoding.EncodeToString([]byte(p.user.Username() + ":" + password))
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", login)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// readHTTPHead reads one head of at most limit bytes. What cannot become one is
// given up as soon as that is clear.
func readHTTPHead(t *proxyTalk, limit int) ([]byte, *ProxyError) {
	head, err := t.readHead(func(head []byte) bool {
		return len(head) >= limit || headEnded(head) || !mayBeHTTP(head)
	})
	switch {
	case err != nil && len(head) > 0:
		err.Reason = "it ended in the middle of its answer, after " + firstWords(head[:min(len(head), firstBytes)])
		return nil, err
	case err != nil:
		return nil, err
	case !mayBeHTTP(head):
		return nil, noHTTP(head)
	case !headEnded(head):
		return nil, &ProxyError{Reason: fmt.Sprintf("its answer has no end within %d KiB", maxProxyHead>>10)}
	}
	return head, nil
}

func headEnded(head []byte) bool {
	return bytes.HasSuffix(head, []byte("\r\n\r\n")) || bytes.HasSuffix(head, []byte("\n\n"))
}

func mayBeHTTP(head []byte) bool {
	const start = "HTTP/1."
	n := min(len(head), len(start))
	return string(head[:n]) == start[:n]
}

var errStatusLine = errors.New("not a status line")

// statusLine reads the first line of head (RFC 9112 section 4).
func statusLine(head []byte) (status int, line string, err error) {
	first, _, _ := bytes.Cut(head, []byte("\n"))
	line = strings.TrimSuffix(string(first), "\r")
	version, rest, spaced := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	if !spaced || len(version) != len("HTTP/1.x") || len(code) != 3 {
		return 0, line, errStatusLine
	}
	n, err := strconv.ParseUint(code, 10, 16)
	if err != nil || n < 100 {
		return 0, line, errStatusLine
	}
	return int(n), line, nil
}

func noHTTP(head []byte) *ProxyError {
	e := &ProxyError{Reason: "it speaks no HTTP: its answer begins with " + firstWords(head[:min(len(head), firstBytes)])}
	switch {
	case len(head) == 0:
	case head[0] == 21 || head[0] == 22:
		e.Hint = "it may want TLS: https://"
	case head[0] == socksVersion:
		e.Hint = "this may be a SOCKS5 proxy: socks5://"
	}
	return e
}

// refusedHTTP words a status that is not 2xx.
func refusedHTTP(status int, line string) *ProxyError {
	e := &ProxyError{Refused: true, Status: status}
	meaning := ""
	switch status {
	case 400:
		meaning = "it did not understand the request"
	case 401, 407:
		meaning = "it wants a user and a password, or refused those given"
		e.Hint = "put them into its URL: http://USER:PASSWORD@HOST:PORT"
	case 403:
		meaning = "its rules do not allow this target"
	case 404, 405, 501:
		meaning = "it is no proxy, or does not know CONNECT"
	case 429:
		meaning = "it has had too many requests"
	case 502, 503:
		meaning = "it could not connect to the target"
	case 504:
		meaning = "its connection to the target timed out"
	default:
		meaning = "it made no connection"
	}
	e.Reason = meaning + " (" + printable(cut(line)) + ")"
	return e
}

// cut keeps a line short enough for an error.
func cut(line string) string {
	const most = 120
	if len(line) <= most {
		return line
	}
	return strings.ToValidUTF8(line[:most], "") + "…"
}
