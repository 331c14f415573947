package tcp

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
)

const (
	recordHeadSize = 5
	// maxRecord is the most that may stand behind a head: 2^14 bytes and what
	// the oldest ciphers add (RFC 5246 section 6.2.3).
	maxRecord = 1<<14 + 2048
)

// recordHead is the head of a TLS record: type, version, size (RFC 8446
// section 5.1).
type recordHead [recordHeadSize]byte

func (h recordHead) size() int { return int(binary.BigEndian.Uint16(h[3:])) }

func (h recordHead) versionName() string { return tls.VersionName(binary.BigEndian.Uint16(h[1:])) }

// valid reports whether h can be the head of a TLS record at all.
func (h recordHead) valid() bool {
	return h[0] >= 20 && h[0] <= 24 && h[1] == 3 && h.size() <= maxRecord
}

func (h recordHead) typeName() string {
	switch h[0] {
	case 20:
		return "change_cipher_spec"
	case 21:
		return "alert"
	case 22:
		return "handshake"
	case 23:
		return "application_data"
	case 24:
		return "heartbeat"
	}
	return fmt.Sprintf("type_%d", h[0])
}

// recordHeads finds the heads of TLS records in one direction of a stream,
// however it is cut. After something that is no TLS record it finds no more.
type recordHeads struct {
	head recordHead
	have int  // bytes of the next head that came
	body int  // bytes of the last record's body that are still to come
	lost bool // what came was no TLS
}

// next takes p up to the end of the next head, and returns what is left of it
// and the head if it is whole.
func (r *recordHeads) next(p []byte) (rest []byte, head recordHead, whole bool) {
	if r.lost {
		return nil, head, false
	}
	skip := min(r.body, len(p))
	r.body -= skip
	p = p[skip:]
	n := copy(r.head[r.have:], p)
	r.have += n
	if r.have < recordHeadSize {
		return nil, head, false
	}
	if r.lost = !r.head.valid(); r.lost {
		return nil, head, false
	}
	r.have, r.body = 0, r.head.size()
	return p[n:], r.head, true
}
