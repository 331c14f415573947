//go:build linux

package load

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// errOpening says that a server's answer opens no WebSocket.
var errOpening = errors.New("not the answer of an opening handshake")

// noTakeover is the one offer of compression: each message by itself, which
// every server can, and which makes their bytes comparable.
const noTakeover = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// opening is a request that opens a WebSocket, and what its answer must hold.
type opening struct {
	request []byte
	accept  string
	deflate bool
	speaks  bool // the server speaks first
}

// newOpening makes the request of the number n.
func newOpening(server netip.AddrPort, path string, n uint32, deflate bool) opening {
	nonce := make([]byte, 16)
	binary.BigEndian.PutUint32(nonce, n)
	key := base64.StdEncoding.EncodeToString(nonce)
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	lines := []string{
		"GET " + path + " HTTP/1.1",
		"Host: " + server.String(),
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Key: " + key,
		"Sec-WebSocket-Version: 13",
	}
	if deflate {
		lines = append(lines, "Sec-WebSocket-Extensions: "+noTakeover)
	}
	request := strings.Join(lines, "\r\n") + "\r\n\r\n"
	return opening{request: []byte(request), accept: base64.StdEncoding.EncodeToString(sum[:]), deflate: deflate}
}

// opened reports whether the answer is whole. Nothing may follow it where the
// server does not speak first.
func (o opening) opened(answer []byte) (whole bool, err error) {
	head, rest, whole := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !whole {
		return false, nil
	}
	accepted, agreed := fields(string(head))
	right := strings.HasPrefix(string(head), "HTTP/1.1 101 ") && accepted == o.accept && (len(rest) == 0 || o.speaks) && agreed == o.deflate
	if !right {
		return true, fmt.Errorf("%w: %.300q", errOpening, answer)
	}
	return true, nil
}

// fields finds in an answer what was accepted, and whether compression without
// context takeover was agreed.
func fields(head string) (accepted string, agreed bool) {
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(name) {
		case "sec-websocket-accept":
			accepted = value
		case "sec-websocket-extensions":
			agreed = strings.Contains(value, "permessage-deflate") && strings.Contains(value, "server_no_context_takeover")
		}
	}
	return accepted, agreed
}
