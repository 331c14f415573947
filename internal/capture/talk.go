package capture

import (
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// talk is what two ends say to each other over a stream: TLS or not, and what
// is below it.
type talk struct {
	r      *reader
	id     trace.ID
	report *Connection
	plain  *tap.Follower
	tls    *secured // nil: it is not spoken
	begun  bool
	early  []byte // what the server said before the client said anything
}

func newTalk(r *reader, id trace.ID, report *Connection) *talk {
	return &talk{r: r, id: id, report: report, plain: r.follow(id, report)}
}

// feed takes bytes as they passed.
func (t *talk) feed(from ws.Role, b []byte) {
	if len(b) == 0 {
		return
	}
	if !t.begun && !t.begin(from, b) {
		return
	}
	if t.tls != nil {
		t.tls.feed(from, b)
		return
	}
	t.plain.Feed(from, b)
}

// mostEarly bounds what a server seems to say first: a capture may have the two
// directions in the wrong order.
const mostEarly = 64 << 10

// begin decides what is spoken. It reports false while that is not clear.
func (t *talk) begin(from ws.Role, b []byte) bool {
	secure := len(t.early) > 0
	if from == ws.ClientRole {
		secure = b[0] == recordHandshake
	} else if b[0] == recordHandshake && len(t.early) == 0 || secure && len(t.early) < mostEarly {
		t.early = append(t.early, b...)
		return false
	}
	t.begun = true
	if secure {
		t.tls = newSecured(t)
	}
	if early := t.early; len(early) > 0 {
		t.early = nil
		if from == ws.ClientRole { // the server answers it
			t.feed(from, b)
			t.feed(ws.ServerRole, early)
			return false
		}
		t.feed(ws.ServerRole, early)
	}
	return true
}

// settle ends the waiting for what a client says.
func (t *talk) settle() {
	if early := t.early; !t.begun && len(early) > 0 {
		t.begun, t.early, t.tls = true, nil, newSecured(t)
		t.feed(ws.ServerRole, early)
	}
}

func (t *talk) gap(from ws.Role, n int64) {
	t.settle()
	if t.tls != nil {
		t.tls.gap(from)
		return
	}
	t.plain.Gap(from, n)
}

func (t *talk) end(from ws.Role, whole bool) {
	t.settle()
	if t.tls != nil {
		t.tls.end(from, whole)
		return
	}
	t.plain.End(from, whole)
}

func (t *talk) held() int {
	n := t.plain.Held() + len(t.early)
	if t.tls != nil {
		n += t.tls.held()
	}
	return n
}

func (t *talk) giveUp(why string) { t.plain.GiveUp(why) }
