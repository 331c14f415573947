package trace_test

import (
	"bytes"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// What an opening handshake came to is a comment on the next packet.
func TestPCAPNGHandshakeComments(t *testing.T) {
	_, file, r := newCapture(t)
	r.add(1, tcpOpen(1), trace.Upgrade{Target: "/chat"},
		trace.UpgradeFailed{Error: "nothing at this path"},
		trace.Finding{Rule: "response-upgrade-missing", Clause: "RFC 6455 4.1", Binding: "MUST", Summary: "It is missing.", Came: "none"}, sent("x"))
	for _, want := range []string{
		"WebSocket is open: /chat", "the opening handshake failed: nothing at this path",
		"response-upgrade-missing (RFC 6455 4.1, MUST): It is missing. came: none",
	} {
		if !bytes.Contains(file.Bytes(), []byte(want)) {
			t.Errorf("no comment says %q", want)
		}
	}
	checkBlocks(t, file.Bytes())
}
