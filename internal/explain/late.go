package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

// Late puts findings right that only know that a head is missing or not whole:
// its sender did not end the connection, it let the time that it had go by.
func Late(findings []handshake.Finding, after time.Duration) {
	for i := range findings {
		f := &findings[i]
		side, what, _ := strings.Cut(f.ID, "-")
		switch what {
		case "empty":
			f.Summary = fmt.Sprintf("Not a byte of the %s came within %v.", side, after)
			f.Came = "nothing"
			f.Cause, f.Mend = silence(side)
		case "unfinished":
			f.Summary = fmt.Sprintf("The %s was not complete within %v.", side, after)
			f.Cause = "The program that writes it forgot the second \"\\r\\n\" at its end, does not flush, or is very slow."
		}
	}
}

func silence(side string) (cause, mend string) {
	if side == "request" {
		return "Something connected that waits for this side to speak first: a port scanner, a client of another protocol, or a browser that keeps a connection in reserve.",
			"Look at what connects here."
	}
	return "The server accepts the connection and says nothing: the program behind it hangs or does not flush, it waits for a protocol other than HTTP, or a proxy waits for the server behind it.",
		"Look at the server's log, and make sure of the port. Another tool that waits too (curl -v) shows that it is the server."
}
