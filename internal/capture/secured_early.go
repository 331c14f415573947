package capture

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/ws"
)

// early is what a client sends ahead of the handshake's end (RFC 8446 section
// 2.3): it has a key of its own, and counts only if the server takes it.
type early struct {
	open    *opener
	over    bool     // its end was read
	kept    [][]byte // until it is known whether the server takes it
	size    int      // bytes in kept
	decided bool
	taken   bool
	refused int // bytes that the server does not take
	closed  int // bytes that could not be opened
}

// mostEarlyKept bounds what waits for the server's word; few servers take more
// than 16 KiB.
const mostEarlyKept = 1 << 20

// earlySecret is the secret's label in a key log.
const earlySecret = "CLIENT_EARLY_TRAFFIC_SECRET"

// earlyRecord takes a record of the client's, if it is early data.
func (s *secured) earlyRecord(b []byte) bool {
	e := &s.early
	if !s.client.early || e.over || s.sides[ws.ClientRole].seen {
		return false
	}
	kind, plain, ok := s.openEarly(b)
	switch {
	case !ok:
		return false
	case kind == recordHandshake && len(plain) > 0 && plain[0] == endOfEarly: // sent only if the server takes it
		e.over = true
		s.decideEarly(true)
	case kind == recordData:
		s.earlyData(plain)
	}
	return true
}

// openEarly opens a record by the secret of early data. Its suite is that of an
// earlier session, which nobody names: the first that opens it is the one.
func (s *secured) openEarly(b []byte) (kind byte, plain []byte, ok bool) {
	if s.early.open != nil {
		return s.early.open.open(b)
	}
	secret := s.t.r.keys.find(s.client.random, earlySecret)
	if secret == nil {
		return 0, nil, false
	}
	for id, name := range suiteNames() {
		suite, known := suiteOf(id)
		if !known || strings.Contains(name, "_WITH_") || len(secret) != suite.hash().Size() {
			continue
		}
		o := suite.opener13(secret)
		if kind, plain, ok = o.open(b); ok {
			s.early.open = o
			return kind, plain, true
		}
	}
	return 0, nil, false
}

// earlyData takes what is in a record.
func (s *secured) earlyData(b []byte) {
	e := &s.early
	switch {
	case e.decided && e.taken:
		s.t.plain.Feed(ws.ClientRole, b)
	case e.decided || e.size+len(b) > mostEarlyKept:
		e.refused += len(b)
	default:
		e.kept, e.size = append(e.kept, b), e.size+len(b)
	}
}

// decideEarly goes by the server's word on early data. What it does not take
// the client sends again.
func (s *secured) decideEarly(taken bool) {
	e := &s.early
	if e.decided || !s.client.early {
		return
	}
	e.decided, e.taken = true, taken
	kept := e.kept
	e.kept, e.size = nil, 0
	if taken && len(kept) > 0 {
		s.t.r.note(s.t.id, "the client sends early data (0-RTT), and the server takes it: whoever records it can send it to another server again (RFC 8446 section 8)")
	}
	for _, b := range kept {
		s.earlyData(b)
	}
}

// endEarly says what came of early data, once the client has ended it.
func (s *secured) endEarly() {
	e := &s.early
	s.decideEarly(false)
	if e.refused > 0 {
		s.t.r.note(s.t.id, fmt.Sprintf("%d bytes of early data (0-RTT) that the server has not taken are not shown; the client sends them again", e.refused))
	}
	if e.closed > 0 {
		s.t.r.note(s.t.id, "early data (0-RTT) is not decrypted: the secrets that are given lack "+earlySecret)
	}
}
