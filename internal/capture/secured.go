package capture

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// Of records (RFC 8446 section 5.1).
const (
	recordHead      = 5
	recordChange    = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	mostRecord      = 1<<14 + 2048
	mostHandshake   = 256 << 10 // bytes of one message of the handshake
)

// secured reads TLS along: records, the handshake, and what is inside where the
// secrets are known.
type secured struct {
	t      *talk
	client hello
	server hello
	names  []string
	suite  suite
	known  bool // the suite can be decrypted
	tls13  bool
	sides  [2]records
	keys12 [2]*opener
	told   bool
	sure   bool // a hello was read
	began  time.Time
	early  early
}

// records is one direction.
type records struct {
	buf     []byte
	message []byte // of the handshake, as far as it has come
	open    *opener
	sealed  bool // records are encrypted from here on
	lost    bool
	spoke   bool // a record was read
	other   bool // something else than TLS is spoken
	seen    bool // a Finished was read
}

func newSecured(t *talk) *secured {
	t.report.TLS = &TLS{}
	return &secured{t: t}
}

// feed takes bytes as they passed.
func (s *secured) feed(from ws.Role, b []byte) {
	side := &s.sides[from]
	if side.lost {
		if side.other {
			s.data(from, b)
		}
		return
	}
	side.buf = append(side.buf, b...)
	used := 0
	for {
		rest := side.buf[used:]
		if len(rest) < recordHead {
			break
		}
		size := int(big.Uint16(rest[3:]))
		if rest[0] < recordChange || rest[0] > 24 || rest[1] != 3 || size > mostRecord {
			s.notTLS(from, rest)
			return
		}
		if len(rest) < recordHead+size {
			break
		}
		s.record(from, rest[:recordHead+size])
		used += recordHead + size
		if side.lost {
			return
		}
	}
	side.buf = append(side.buf[:0], side.buf[used:]...)
}

// notTLS is what came in place of a record. What never was TLS goes to those
// that read plain text.
func (s *secured) notTLS(from ws.Role, rest []byte) {
	if side := &s.sides[from]; s.sure && !side.spoke {
		other := bytes.Clone(side.buf)
		s.lose(from, "the "+from.String()+" does not answer by TLS"+looksLikeOther(other))
		side.other = true
		s.data(from, other)
		return
	}
	if s.sure {
		s.lose(from, fmt.Sprintf("what the %s sends is no TLS record any more (% x…): it is not decrypted", from, rest[:recordHead]))
		return
	}
	t := s.t
	t.tls, t.report.TLS = nil, nil
	for _, role := range []ws.Role{ws.ClientRole, ws.ServerRole} {
		t.plain.Feed(role, s.sides[role].buf)
	}
}

// looksLikeOther names what came in place of TLS.
func looksLikeOther(b []byte) string {
	name := handshake.Sniff(b)
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		name = "HTTP"
	}
	if name == "" {
		return ""
	}
	return ", but by what looks like " + name
}

// data shows what is not TLS.
func (s *secured) data(from ws.Role, b []byte) {
	if s.t.r.tracer.On(trace.Message) {
		s.t.r.emit(s.t.id, trace.Data{Dir: dirOf(from), Size: len(b), Payload: b})
	}
}

// lose ends the reading of a direction.
func (s *secured) lose(from ws.Role, why string) {
	side := &s.sides[from]
	if side.lost {
		return
	}
	side.lost, side.buf, side.message = true, nil, nil
	s.t.r.note(s.t.id, why)
	if side.open != nil {
		s.t.plain.Gap(from, 0)
	}
}

// gap says that bytes are missing: where records begin is lost with them.
func (s *secured) gap(from ws.Role) {
	s.lose(from, fmt.Sprintf("where TLS records of the %s begin is lost in the gap: what comes behind it is not decrypted", from))
}

func (s *secured) held() int {
	n := 0
	for role := range s.sides {
		n += len(s.sides[role].buf) + len(s.sides[role].message)
	}
	return n + s.early.size
}

var recordNames = map[byte]string{recordChange: "change_cipher_spec", recordAlert: "alert", recordHandshake: "handshake", recordData: "application_data", 24: "heartbeat"}

// record takes one whole record.
func (s *secured) record(from ws.Role, b []byte) {
	side := &s.sides[from]
	side.spoke = true
	if s.t.r.tracer.On(trace.Frame) {
		s.t.r.emit(s.t.id, trace.TLSRecord{Dir: dirOf(from), Type: recordNames[b[0]], Version: versionName(int(big.Uint16(b[1:]))), Size: len(b) - recordHead})
	}
	kind, plain := b[0], b[recordHead:]
	switch {
	case kind == recordChange && !s.tls13 && s.sure:
		s.change(from)
		return
	case kind == recordChange:
		return
	case kind == recordData && from == ws.ClientRole && s.earlyRecord(b):
		return
	case s.tls13 && s.server.random != nil && kind == recordData && !side.sealed && from == ws.ClientRole && side.open == nil:
		s.seal13(from, "CLIENT_HANDSHAKE_TRAFFIC_SECRET")
	}
	if side.sealed {
		if side.open == nil {
			s.reportOnce()
			return
		}
		var ok bool
		if kind, plain, ok = side.open.open(b); !ok {
			s.undone(from)
			return
		}
	} else if kind == recordData {
		s.early.closed += len(plain) // before anything else
		return
	}
	s.content(from, kind, plain)
}

// undone is a record that could not be opened.
func (s *secured) undone(from ws.Role) {
	if from == ws.ClientRole && s.client.early && !s.sides[from].seen {
		s.early.closed++ // it has keys of its own (RFC 8446 section 4.2.10)
		return
	}
	s.t.report.TLS.Decrypted = false
	s.t.report.TLS.Why = fmt.Sprintf("a record of the %s cannot be opened by the secrets that are given", from)
	s.lose(from, s.t.report.TLS.Why)
	s.reportOnce()
}

// content takes what a record holds.
func (s *secured) content(from ws.Role, kind byte, b []byte) {
	switch kind {
	case recordHandshake:
		s.handshake(from, b)
	case recordData:
		s.reportOnce()
		s.t.plain.Feed(from, b)
	case recordAlert:
		s.alert(from, b)
	}
}

// alert reads RFC 8446 section 6.
func (s *secured) alert(from ws.Role, b []byte) {
	if len(b) != 2 {
		return
	}
	if b[1] == 0 { // close_notify
		s.t.plain.End(from, true)
		return
	}
	s.t.r.emit(s.t.id, trace.TLSFailed{Side: trace.Client, Error: fmt.Sprintf("the %s sent the alert %s (%d)", from, alertName(b[1]), b[1])})
}

// handshake takes a piece of the messages of a handshake.
func (s *secured) handshake(from ws.Role, b []byte) {
	side := &s.sides[from]
	side.message = append(side.message, b...)
	for len(side.message) >= 4 && !side.lost {
		size := int(side.message[1])<<16 | int(big.Uint16(side.message[2:]))
		if size > mostHandshake {
			s.lose(from, fmt.Sprintf("a message of TLS's handshake of %d bytes, by the %s; %d are the most", size, from, mostHandshake))
			return
		}
		if len(side.message) < 4+size {
			return
		}
		kind, body := side.message[0], side.message[4:4+size]
		side.message = side.message[4+size:]
		s.message(from, kind, body)
	}
	if len(side.message) == 0 {
		side.message = nil
	}
}

// message takes one message of the handshake.
func (s *secured) message(from ws.Role, kind byte, b []byte) {
	switch {
	case kind == helloClient && from == ws.ClientRole:
		s.clientHello(b)
	case kind == helloServer && from == ws.ServerRole:
		s.serverHello(b)
	case kind == encryptedExts && from == ws.ServerRole:
		f := &fields{b: b}
		s.server.early = false
		s.server.extensions(f.vector(2), false)
		s.decideEarly(s.server.early)
	case kind == certificates && from == ws.ServerRole:
		s.t.report.TLS.Certificates = readChain(b, s.tls13)
	case kind == finished && s.tls13:
		s.finished13(from)
	case kind == keyUpdate && s.tls13 && s.sides[from].open != nil:
		s.sides[from].open = s.sides[from].open.updated()
	}
}

func (s *secured) clientHello(b []byte) {
	h, ok := readHello(b, false)
	switch {
	case !ok || s.sure && s.tls13: // again, since the server has asked for another
		return
	case s.sure: // renegotiated: the keys are others then (RFC 5246 section 7.4.1.1)
		s.client, s.keys12 = h, [2]*opener{}
		s.secrets()
		return
	}
	s.sure, s.client, s.began = true, h, s.t.r.now
	r := s.t.report.TLS
	r.ServerName, r.Offered = h.name, h.alpn
	s.t.r.emit(s.t.id, trace.TLSStart{Side: trace.Client, ServerName: h.name})
	s.secrets()
}

// secrets records those of the client's hello.
func (s *secured) secrets() {
	h := &s.client
	for _, l := range s.t.r.keys.lines[string(h.random)] {
		s.t.r.emit(s.t.id, trace.Secret{Line: fmt.Sprintf("%s %x %s", l.label, h.random, hex.EncodeToString(l.secret))})
	}
}

func (s *secured) serverHello(b []byte) {
	h, ok := readHello(b, true)
	switch {
	case !ok:
		return
	case string(h.random) == string(retryRandom[:]):
		s.tls13 = true // a ChangeCipherSpec may come behind it, and means nothing
		s.decideEarly(false)
		return
	}
	s.server = h
	s.suite, s.known = suiteOf(h.suite)
	s.tls13 = h.version >= tls.VersionTLS13
	r := s.t.report.TLS
	r.Version, r.Cipher = versionName(h.version), suiteName(h.suite)
	if s.tls13 {
		s.seal13(ws.ServerRole, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
	}
}

// seal13 begins to open records by a secret of TLS 1.3.
func (s *secured) seal13(from ws.Role, label string) {
	side := &s.sides[from]
	side.sealed, side.message = true, nil
	secret := s.t.r.keys.find(s.client.random, label)
	if side.open = nil; secret != nil && s.known && len(secret) == s.suite.hash().Size() {
		side.open = s.suite.opener13(secret)
		return
	}
	s.closed(label)
}

// closed says why records stay closed.
func (s *secured) closed(label string) {
	r := s.t.report.TLS
	switch {
	case r.Why != "":
	case !s.sure:
		r.Why = "the client's hello is not in the capture"
	case s.server.version < tls.VersionTLS10 && s.server.random != nil:
		r.Why = "SSL 3.0 is not decrypted here"
	case !s.known:
		r.Why = "the cipher suite is not one of those that are decrypted here"
	case s.t.r.keys.lines[string(s.client.random)] == nil:
		r.Why = "its secrets are not given; --keylog names a file that has them"
	default:
		r.Why = "the secrets that are given lack " + label
	}
}

// finished13 goes over to the secrets of the data, behind a Finished.
func (s *secured) finished13(from ws.Role) {
	label := "CLIENT_TRAFFIC_SECRET_0"
	if from == ws.ServerRole {
		label = "SERVER_TRAFFIC_SECRET_0"
	}
	if s.sides[from].seen { // once a connection
		return
	}
	s.sides[from].seen = true
	if from == ws.ClientRole {
		s.endEarly()
	}
	s.seal13(from, label)
	s.t.report.TLS.Decrypted = s.sides[from].open != nil
	if from == ws.ServerRole {
		s.reportOnce()
	}
}

// change is the ChangeCipherSpec of TLS 1.2: what follows is encrypted.
func (s *secured) change(from ws.Role) {
	side := &s.sides[from]
	switch {
	case s.server.random == nil: // of TLS 1.3, ahead of early data: it means nothing (RFC 8446 section D.4)
		return
	case side.sealed && (side.open == nil || s.keys12[from] == side.open):
		return
	}
	side.sealed, side.message = true, nil
	master := s.t.r.keys.find(s.client.random, "CLIENT_RANDOM")
	if master != nil && s.known && s.keys12[from] == nil && s.server.version >= tls.VersionTLS10 {
		s.keys12 = s.suite.openers12(master, s.client, s.server)
	}
	if side.open = s.keys12[from]; side.open == nil {
		s.closed("CLIENT_RANDOM")
	}
	s.t.report.TLS.Decrypted = side.open != nil
	if from == ws.ServerRole {
		s.reportOnce()
	}
}

// reportOnce makes the record of the handshake, once it is known.
func (s *secured) reportOnce() {
	if s.told || s.server.random == nil {
		return
	}
	s.told = true
	r := s.t.report.TLS
	r.ALPN = strings.Join(s.server.alpn, ",")
	s.t.r.emit(s.t.id, trace.TLS{Side: trace.Client, Version: r.Version, Cipher: r.Cipher, ALPN: r.ALPN, ServerName: r.ServerName, Certificates: r.Certificates,
		Duration: max(s.t.r.now.Sub(s.began), 0)})
	if !r.Decrypted {
		s.t.r.note(s.t.id, "what is inside TLS is not decrypted: "+r.Why)
	}
}

// end is the end of one direction.
func (s *secured) end(from ws.Role, whole bool) {
	if s.sure {
		s.reportOnce()
	}
	if from == ws.ClientRole && s.early.size > 0 {
		s.t.r.note(s.t.id, fmt.Sprintf("%d bytes of early data (0-RTT) are not shown: whether the server takes them is not known", s.early.size))
	}
	if s.sides[from].open != nil {
		s.t.plain.End(from, whole && !s.sides[from].lost)
	}
}

// alertName names the alerts that come (RFC 8446 section 6).
func alertName(code byte) string {
	names := map[byte]string{
		10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure", 42: "bad_certificate",
		43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter",
		48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security",
		80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 112: "unrecognized_name",
		116: "certificate_required", 120: "no_application_protocol",
	}
	if name := names[code]; name != "" {
		return name
	}
	return "of an unknown kind"
}
