package capture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

var (
	clientEnd = netip.MustParseAddrPort("192.0.2.1:50000")
	serverEnd = netip.MustParseAddrPort("192.0.2.2:80")
	begin     = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// wire is a packet as a test makes it.
type wire struct {
	from, to netip.AddrPort
	seq, ack uint32
	flags    byte
	data     string
	cut      int // bytes of it that the capture does not have
}

// ip is the packet with its IP head.
func (w wire) ip() []byte {
	b := make([]byte, 20, 20+len(w.data))
	binary.BigEndian.PutUint16(b, w.from.Port())
	binary.BigEndian.PutUint16(b[2:], w.to.Port())
	binary.BigEndian.PutUint32(b[4:], w.seq)
	binary.BigEndian.PutUint32(b[8:], w.ack)
	b[12], b[13] = 5<<4, w.flags
	return ipHead(w.from.Addr(), w.to.Addr(), protoTCP, append(b, w.data...))
}

func ipHead(from, to netip.Addr, protocol byte, b []byte) []byte {
	if from.Is4() {
		h := make([]byte, 20, 20+len(b))
		h[0], h[8], h[9] = 0x45, 64, protocol
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(b)))
		f, t := from.As4(), to.As4()
		copy(h[12:], f[:])
		copy(h[16:], t[:])
		return append(h, b...)
	}
	h := make([]byte, 40, 40+len(b))
	h[0], h[6], h[7] = 0x60, protocol, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(b)))
	f, t := from.As16(), to.As16()
	copy(h[8:], f[:])
	copy(h[24:], t[:])
	return append(h, b...)
}

func udpPacket(from, to netip.AddrPort, data string) []byte {
	b := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(data)))
	return ipHead(from.Addr(), to.Addr(), protoUDP, append(b, data...))
}

// pcapOf is a file of packets of a link type, a millisecond apart.
func pcapOf(link uint32, list ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, pcapMicro)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0)
	b = binary.LittleEndian.AppendUint32(b, link)
	for i, p := range list {
		b = appendEntry(b, begin.Add(time.Duration(i)*time.Millisecond), p, len(p))
	}
	return b
}

func appendEntry(b []byte, at time.Time, p []byte, size int) []byte {
	for _, n := range []uint32{uint32(at.Unix()), uint32(at.Nanosecond() / 1000), uint32(len(p)), uint32(size)} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return append(b, p...)
}

// session makes the packets of one connection.
type session struct {
	seq  [2]uint32
	list []wire
}

func newSession() *session {
	s := &session{seq: [2]uint32{1000, 5000}}
	s.add(0, flagSYN, "")
	s.add(1, flagSYN|flagACK, "")
	s.add(0, flagACK, "")
	return s
}

// add sends a segment from the client (0) or the server (1).
func (s *session) add(from int, flags byte, data string) {
	w := wire{from: clientEnd, to: serverEnd, seq: s.seq[from], ack: s.seq[1-from], flags: flags, data: data}
	if from == 1 {
		w.from, w.to = serverEnd, clientEnd
	}
	s.seq[from] += uint32(len(data))
	if flags&(flagSYN|flagFIN) != 0 {
		s.seq[from]++
	}
	s.list = append(s.list, w)
}

func (s *session) say(from int, data string) { s.add(from, flagACK, data) }

func (s *session) end() {
	s.add(0, flagFIN|flagACK, "")
	s.add(1, flagFIN|flagACK, "")
	s.add(0, flagACK, "")
}

// file is the packets as raw IP.
func (s *session) file() []byte {
	b := pcapOf(linkRaw)
	for i, w := range s.list {
		p := w.ip()
		b = appendEntry(b, begin.Add(time.Duration(i)*time.Millisecond), p[:len(p)-w.cut], len(p))
	}
	return b
}

const (
	askWS    = "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	answerWS = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	helloIn  = "\x81\x05Hello"
	helloOut = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	closeIn  = "\x88\x02\x03\xe8"
	closeOut = "\x88\x82\x00\x00\x00\x00\x03\xe8"
)

// webSocket is a whole conversation.
func webSocket() *session {
	s := newSession()
	s.say(0, askWS)
	s.say(1, answerWS)
	s.say(0, helloOut)
	s.say(1, helloIn)
	s.say(0, closeOut)
	s.say(1, closeIn)
	s.end()
	return s
}

// readAll reads a file, at the byte level.
func readAll(t testing.TB, from io.Reader, o Options) (*Report, *trace.Recorder, error) {
	t.Helper()
	rec := &trace.Recorder{}
	o.Sink, o.Level = rec, trace.Byte
	r, err := Read(context.Background(), from, o)
	return r, rec, err
}

func readBytes(t testing.TB, b []byte) (*Report, *trace.Recorder) {
	t.Helper()
	r, rec, err := readAll(t, bytes.NewReader(b), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r, rec
}

// story is what records come to, in a line each.
func story(rec *trace.Recorder) (list []string) {
	for _, r := range rec.Records() {
		switch e := r.Event.(type) {
		case trace.Open, trace.Close, trace.HalfClose:
			list = append(list, r.Event.Name())
		case trace.AttemptFailed:
			list = append(list, "failed "+e.Error)
		case trace.HTTPHead:
			list = append(list, fmt.Sprintf("%s %s", e.Dir, e.Line))
		case trace.Upgrade:
			list = append(list, "upgrade "+e.Target)
		case trace.UpgradeFailed:
			list = append(list, fmt.Sprintf("no upgrade %d", e.Status))
		case trace.WSMessage:
			list = append(list, fmt.Sprintf("%s %s %q", e.Dir, e.Type, e.Payload))
		case trace.WSClose:
			list = append(list, fmt.Sprintf("%s close %d", e.Dir, e.Code))
		case trace.SIOPacket:
			list = append(list, fmt.Sprintf("%s %s %s", e.Dir, e.Type, e.Payload))
		case trace.Data:
			list = append(list, fmt.Sprintf("%s data %q", e.Dir, e.Payload))
		case trace.Datagram:
			list = append(list, fmt.Sprintf("%s datagram %q", e.Dir, e.Payload))
		case trace.Finding:
			list = append(list, "finding "+e.Rule)
		case trace.Note:
			list = append(list, "note "+e.Text)
		}
	}
	return list
}

var wholeStory = []string{
	"open", "out GET /chat HTTP/1.1", "in HTTP/1.1 101 Switching Protocols", "upgrade /chat",
	`out text "Hello"`, `in text "Hello"`, "out close 1000", "in close 1000", "half_close", "half_close", "close",
}

func wantStory(t *testing.T, rec *trace.Recorder, want ...string) {
	t.Helper()
	if got := story(rec); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// mentions reports whether a note has the words.
func mentions(rec *trace.Recorder, words string) bool {
	return slices.ContainsFunc(story(rec), func(s string) bool { return strings.HasPrefix(s, "note ") && strings.Contains(s, words) })
}

func newBuffered(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

// netipPort is a client's end by its number.
func netipPort(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 14), 1}), uint16(40000+i&0x3fff))
}
