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
}

func newTalk(r *reader, id trace.ID, report *Connection) *talk {
	return &talk{r: r, id: id, report: report, plain: r.follow(id)}
}

// feed takes bytes as they passed.
func (t *talk) feed(from ws.Role, b []byte) {
	if len(b) == 0 {
		return
	}
	if !t.begun {
		t.begun = true
		if from == ws.ClientRole && b[0] == recordHandshake {
			t.tls = newSecured(t)
		}
	}
	if t.tls != nil {
		t.tls.feed(from, b)
		return
	}
	t.plain.Feed(from, b)
}

func (t *talk) gap(from ws.Role, n int64) {
	if t.tls != nil {
		t.tls.gap(from)
		return
	}
	t.plain.Gap(from, n)
}

func (t *talk) end(from ws.Role, whole bool) {
	if t.tls != nil {
		t.tls.end(from, whole)
		return
	}
	t.plain.End(from, whole)
}

func (t *talk) held() int {
	n := t.plain.Held()
	if t.tls != nil {
		n += t.tls.held()
	}
	return n
}

func (t *talk) giveUp(why string) { t.plain.GiveUp(why) }
