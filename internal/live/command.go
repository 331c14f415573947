package live

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// json is the record as a JSON line.
func (k *kept) json() json.RawMessage {
	var b bytes.Buffer
	trace.NewJSON(&b).Record(k.Record)
	return bytes.TrimSpace(b.Bytes())
}

// mostCommand bounds the payload that a command line holds.
const mostCommand = 4096

// command is a line for the shell that does the same as what was recorded: that
// sends the same bytes to the same server, or opens the same connection. It is
// empty where there is none.
func (k *kept) command() string {
	if k.ends.server == "" || len(payload(k.Event)) > mostCommand {
		return ""
	}
	switch e := k.Event.(type) {
	case trace.Open, trace.Attempt:
		return "sockkit dial -v " + k.address()
	case trace.TLSStart, trace.TLS:
		return "sockkit inspect " + k.address()
	case trace.Data:
		return k.sends(e.Dir, e.Payload)
	case trace.Datagram:
		return k.sends(e.Dir, e.Payload)
	case trace.HTTPHead:
		return k.request(e)
	case trace.Upgrade:
		return "sockkit dial --explain " + k.webSocket()
	case trace.UpgradeFailed, trace.Finding:
		return "sockkit handshake dial " + k.webSocket()
	case trace.WSMessage:
		return k.message(e)
	case trace.WSClose:
		return fmt.Sprintf("sockkit dial -vvv %s # then /close %d", k.webSocket(), e.Code)
	}
	return ""
}

// address is the server's, as one dials it.
func (k *kept) address() string {
	scheme := k.ends.network
	if k.ends.tls {
		scheme = "tls"
	}
	if strings.HasPrefix(scheme, "unix") {
		return quoted(scheme + ":" + k.ends.server)
	}
	return scheme + "://" + k.ends.server
}

// webSocket is the server's address, as that of a WebSocket.
func (k *kept) webSocket() string {
	scheme := "ws"
	if k.ends.tls {
		scheme = "wss"
	}
	return quoted(scheme + "://" + k.ends.server + k.ends.target)
}

// toServer reports whether bytes went from the client to the server.
func (k *kept) toServer(dir trace.Dir) bool { return way(k.ends.side, dir) == "right" }

// sends is a command that sends bytes.
func (k *kept) sends(dir trace.Dir, b []byte) string {
	if !k.toServer(dir) {
		return ""
	}
	return piped(b) + " | sockkit dial -vv " + k.address()
}

// piped writes bytes to standard output.
func piped(b []byte) string {
	if text := string(b); utf8.Valid(b) && !strings.ContainsFunc(text, isControl) {
		format := strings.NewReplacer(`\`, `\\`, "%", "%%", "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text)
		if strings.HasPrefix(format, "-") {
			return "printf -- " + quoted(format)
		}
		return "printf " + quoted(format)
	}
	return "printf %s " + base64.StdEncoding.EncodeToString(b) + " | base64 -d"
}

func isControl(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7F }

// request is a command that sends an opening request, with the header fields
// that are not there anyway.
func (k *kept) request(e trace.HTTPHead) string {
	var h handshake.Head
	r := handshake.Reader{Source: bytes.NewReader(e.Payload)}
	if !k.toServer(e.Dir) || r.ReadRequest(&h) != nil {
		return ""
	}
	line := "sockkit handshake dial " + k.webSocket()
	for _, f := range h.Fields() {
		if name := string(f.Name); !usual(name) {
			line += " --set " + quoted(name+": "+string(f.Value))
		}
	}
	return line
}

// usual reports whether each opening request has a field of that name.
func usual(name string) bool {
	for _, n := range []string{"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func (k *kept) message(e trace.WSMessage) string {
	switch {
	case !k.toServer(e.Dir):
		return ""
	case e.Type == "text" && !bytes.ContainsAny(e.Payload, "\n\r"):
		return fmt.Sprintf("sockkit dial -vv %s -x %s", k.webSocket(), quoted(string(e.Payload)))
	}
	return fmt.Sprintf("%s | sockkit dial -vv --binary %s", piped(e.Payload), k.webSocket())
}

// quoted is a word for the shell.
func quoted(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
