package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

func TestWebSocket(t *testing.T) {
	r, rec := readBytes(t, webSocket().file())
	wantStory(t, rec, wholeStory...)
	c := r.Connections[0]
	if c.Client != clientEnd.String() || c.Server != serverEnd.String() || c.End != EndClosed || !c.Whole || c.Gaps != 0 || c.Closed.Code != 1000 || c.Messages != (Count{1, 1}) {
		t.Errorf("%+v", c)
	}
	if out := int64(len(askWS) + len(helloOut) + len(closeOut)); c.Out != out {
		t.Errorf("%d bytes out, want %d", c.Out, out)
	}
	if at := rec.Records()[0].Time; at.Before(begin) || at.After(begin.Add(20e6)) {
		t.Errorf("the time is %v", at)
	}
}

// The same whatever the packets look like.
func TestWebSocketHoweverItCame(t *testing.T) {
	shapes := map[string]func(*session){
		"bytes":    func(s *session) { s.list = pieces(s.list, 1) },
		"reversed": func(s *session) { slices.Reverse(s.list[3:5]); slices.Reverse(s.list[5:7]) },
		"again": func(s *session) {
			s.list = append(s.list[:9:9], append([]wire{s.list[3], s.list[5]}, s.list[9:]...)...)
		},
		"synAgain":   func(s *session) { s.list = append([]wire{s.list[0]}, s.list...) },
		"wrapAround": func(s *session) { shift(s.list, 0xffffffff-1000-20) },
		"keepAlive": func(s *session) {
			w := s.list[5]
			w.seq, w.data = w.seq-1, "\x00"
			s.list = slices.Insert(s.list, 5, w)
		},
	}
	for name, bend := range shapes {
		t.Run(name, func(t *testing.T) {
			s := webSocket()
			bend(s)
			_, rec := readBytes(t, s.file())
			got := story(rec)
			got = slices.DeleteFunc(got, func(s string) bool {
				return strings.HasPrefix(s, "note bytes of the client came again") && name == "keepAlive"
			})
			slices.Sort(got)
			want := slices.Sorted(slices.Values(wholeStory))
			if !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// pieces cuts what packets carry.
func pieces(list []wire, size int) (out []wire) {
	for _, w := range list {
		for len(w.data) > size && w.flags&(flagSYN|flagFIN) == 0 {
			p := w
			p.data = w.data[:size]
			out = append(out, p)
			w.seq, w.data = w.seq+uint32(size), w.data[size:]
		}
		out = append(out, w)
	}
	return out
}

// shift moves the client's sequence numbers.
func shift(list []wire, by uint32) {
	for i := range list {
		if list[i].from == clientEnd {
			list[i].seq += by
		} else {
			list[i].ack += by
		}
	}
}

func TestGaps(t *testing.T) {
	t.Run("a message is missing", func(t *testing.T) {
		s := webSocket()
		s.say(0, "") // keep the length of the list
		s.list = slices.Delete(s.list, 5, 6)
		r, rec := readBytes(t, s.file())
		if r.Connections[0].Gaps != 1 || r.Connections[0].Missing != int64(len(helloOut)) {
			t.Errorf("%+v", r.Connections[0])
		}
		if !mentions(rec, "gap: 11 bytes that the client sent") || r.Musts != 0 {
			t.Errorf("%q", story(rec))
		}
		if !slices.Contains(story(rec), `in text "Hello"`) {
			t.Error("the other direction is not decoded")
		}
	})
	t.Run("decoding goes on at a whole message", func(t *testing.T) {
		s := newSession()
		s.say(0, askWS)
		s.say(1, answerWS)
		for range 100 {
			s.say(1, helloIn)
			s.say(0, "")
		}
		s.list = slices.Delete(s.list, 7, 8)
		r, rec := readBytes(t, s.file())
		if n := len(trace.Events[trace.WSMessage](rec.Records())); n != 99 || r.Musts != 0 {
			t.Errorf("%d messages, %d findings", n, r.Musts)
		}
	})
	t.Run("the snap length cuts a packet", func(t *testing.T) {
		s := webSocket()
		s.list[6].cut = 3
		r, rec := readBytes(t, s.file())
		if r.Connections[0].Missing != 3 || !mentions(rec, "gap: 3 bytes that the server sent") {
			t.Errorf("%q", story(rec))
		}
	})
	t.Run("the beginning is missing", func(t *testing.T) {
		s := webSocket()
		s.list = s.list[5:]
		r, rec := readBytes(t, s.file())
		if r.Connections[0].Whole || r.Musts != 0 || !mentions(rec, "the beginning of this connection is not in the capture") {
			t.Errorf("%q", story(rec))
		}
	})
	t.Run("requests go on behind a gap", func(t *testing.T) {
		s := newSession()
		for _, path := range []string{"/a", "/b", "/c"} {
			s.say(0, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			s.say(1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		s.end()
		s.list[5].cut = 20
		_, rec := readBytes(t, s.file())
		if got := story(rec); !slices.Contains(got, "out GET /c HTTP/1.1") {
			t.Errorf("%q", got)
		}
	})
}

func TestConflicts(t *testing.T) {
	s := webSocket()
	other := s.list[5]
	other.data = strings.Replace(other.data, "\x7f", "\x00", 1)
	s.list = slices.Insert(s.list, 6, other)
	r, rec := readBytes(t, s.file())
	if r.Connections[0].Conflicts != 1 || !mentions(rec, "came again, and others than before") || !slices.Contains(story(rec), `out text "Hello"`) {
		t.Errorf("%q", story(rec))
	}
}

func TestEnds(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		s := newSession()
		s.list = s.list[:1]
		s.add(1, flagRST|flagACK, "")
		r, rec := readBytes(t, s.file())
		wantStory(t, rec, "failed connection refused")
		if r.Connections[0].End != EndRefused {
			t.Errorf("%+v", r.Connections[0])
		}
	})
	t.Run("unanswered", func(t *testing.T) {
		s := newSession()
		s.list = s.list[:1]
		_, rec := readBytes(t, s.file())
		wantStory(t, rec, "failed no answer is in the capture")
	})
	t.Run("reset", func(t *testing.T) {
		s := webSocket()
		s.list = s.list[:7]
		s.seq = [2]uint32{s.list[5].seq + 11, s.list[6].seq + 7}
		s.add(1, flagRST, "")
		r, rec := readBytes(t, s.file())
		if r.Connections[0].End != EndReset || !slices.Contains(story(rec), "finding close-missing") && r.Findings == 0 {
			t.Errorf("%q", story(rec))
		}
	})
	t.Run("cut off", func(t *testing.T) {
		s := webSocket()
		s.list = s.list[:7]
		r, rec := readBytes(t, s.file())
		if r.Connections[0].End != EndOpen || r.Findings != 0 {
			t.Errorf("%q", story(rec))
		}
	})
	t.Run("the port again", func(t *testing.T) {
		s, again := webSocket(), webSocket()
		shift(again.list, 77777)
		s.list = append(s.list, again.list...)
		r, _ := readBytes(t, s.file())
		if len(r.Connections) != 2 || r.Connections[1].Messages != (Count{1, 1}) {
			t.Errorf("%+v", r.Connections)
		}
	})
}

// Every link layer brings the same packets.
func TestLinks(t *testing.T) {
	mac := strings.Repeat("\x02", 12)
	links := []struct {
		name string
		link uint32
		head string
	}{
		{"raw", linkRaw, ""}, {"ethernet", linkEthernet, mac + "\x08\x00"},
		{"vlan", linkEthernet, mac + "\x81\x00\x00\x05\x08\x00"}, {"two vlans", linkEthernet, mac + "\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"},
		{"pppoe", linkEthernet, mac + "\x88\x64\x11\x00\x00\x01\x00\x00\x00\x21"},
		{"null", linkNull, "\x02\x00\x00\x00"}, {"null, other order", linkNull, "\x00\x00\x00\x02"}, {"loop", linkLoop, "\x00\x00\x00\x02"},
		{"sll", linkSLL, strings.Repeat("\x00", 14) + "\x08\x00"}, {"sll2", linkSLL2, "\x08\x00" + strings.Repeat("\x00", 18)},
		{"ppp", linkPPP, "\xff\x03\x00\x21"},
	}
	for _, l := range links {
		t.Run(l.name, func(t *testing.T) {
			var list [][]byte
			for _, w := range webSocket().list {
				list = append(list, append([]byte(l.head), w.ip()...))
			}
			_, rec := readBytes(t, pcapOf(l.link, list...))
			wantStory(t, rec, wholeStory...)
		})
	}
}

func TestIPv6(t *testing.T) {
	from, to := netip.MustParseAddrPort("[2001:db8::1]:50000"), netip.MustParseAddrPort("[2001:db8::2]:80")
	var list [][]byte
	for _, w := range webSocket().list {
		if w.from == clientEnd {
			w.from, w.to = from, to
		} else {
			w.from, w.to = to, from
		}
		p := w.ip()
		extended := append(slices.Clone(p[:40]), protoTCP, 0, 1, 4, 0, 0, 0, 0) // a hop-by-hop header
		extended[6] = 0
		binary.BigEndian.PutUint16(extended[4:], uint16(len(p)-40+8))
		list = append(list, append(extended, p[40:]...))
	}
	r, rec := readBytes(t, pcapOf(linkRaw, list...))
	wantStory(t, rec, wholeStory...)
	if r.Connections[0].Client != from.String() {
		t.Errorf("%+v", r.Connections[0])
	}
}

func TestDatagrams(t *testing.T) {
	from, to := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.2:53")
	whole := udpPacket(from, to, strings.Repeat("x", 2000))
	first, second := slices.Clone(whole[:20+1480]), append(slices.Clone(whole[:20]), whole[20+1480:]...)
	for i, p := range [][]byte{first, second} {
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		binary.BigEndian.PutUint16(p[6:], [...]uint16{0x2000, 1480 / 8}[i])
	}
	r, rec := readBytes(t, pcapOf(linkRaw, udpPacket(from, to, "ask"), udpPacket(to, from, "answer"), second, first))
	wantStory(t, rec, "open", `out datagram "ask"`, `in datagram "answer"`, `out datagram "`+strings.Repeat("x", 2000)+`"`)
	if r.Connections[0].Data != (Count{2, 1}) {
		t.Errorf("%+v", r.Connections[0])
	}
}

// What our own trace writes is read back as the same conversation.
func TestOwnCapture(t *testing.T) {
	var file bytes.Buffer
	sink, err := trace.NewPCAPNG(&file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), bytes.NewReader(webSocket().file()), Options{Sink: sink, Level: trace.Byte}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	r, rec := readBytes(t, file.Bytes())
	got := slices.DeleteFunc(story(rec), func(s string) bool { return strings.HasPrefix(s, "note comment in the capture") })
	if !slices.Equal(got, wholeStory) || r.Format != "pcapng" {
		t.Errorf("%q", got)
	}
}

// Findings are comments in the trace that is written.
func TestFindingsAsComments(t *testing.T) {
	s := newSession()
	s.say(0, askWS)
	s.say(1, strings.Replace(answerWS, "s3pP", "AAAA", 1))
	s.end()
	var file bytes.Buffer
	sink, _ := trace.NewPCAPNG(&file)
	r, err := Read(t.Context(), bytes.NewReader(s.file()), Options{Sink: sink, Level: trace.Byte})
	if err != nil || r.Musts != 1 || r.Must().Rule != "response-accept-wrong" {
		t.Fatalf("%v, %+v", err, r)
	}
	sink.Close()
	if !bytes.Contains(file.Bytes(), []byte("response-accept-wrong (RFC 6455 4.1 (response) item 4, MUST)")) {
		t.Error("the finding is no comment")
	}
	_, rec := readBytes(t, file.Bytes())
	if !mentions(rec, "comment in the capture: response-accept-wrong") {
		t.Errorf("%q", story(rec))
	}
}

func TestGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(webSocket().file())
	z.Close()
	_, rec := readBytes(t, b.Bytes())
	wantStory(t, rec, wholeStory...)
}

// A file that is cut says where, and what came before is shown.
func TestCutFiles(t *testing.T) {
	file := webSocket().file()
	for cut := range len(file) {
		r, _, err := readAll(t, bytes.NewReader(file[:cut]), Options{})
		var format *FormatError
		if err != nil && (!errors.As(err, &format) || format.Offset > int64(cut)) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if r.Error == "" && err != nil {
			t.Fatalf("cut at %d: the report does not say it", cut)
		}
	}
}

func TestLyingFiles(t *testing.T) {
	le := binary.LittleEndian
	section := []byte("\n\r\r\n\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00")
	block := func(kind, size uint32, body string, again uint32) []byte {
		b := le.AppendUint32(le.AppendUint32(slices.Clone(section), kind), size)
		return le.AppendUint32(append(b, body...), again)
	}
	files := map[string]struct {
		file []byte
		want string
	}{
		"huge packet":        {append(pcapOf(linkRaw), "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"...), "offset 24: a packet of 4294967295 bytes; the most is 1048576"},
		"huge block":         {block(blockPacket, 0xfffffff0, "", 0), "offset 28: a block of type 0x6 and 4294967280 bytes; the most is 4194304"},
		"small block":        {block(blockPacket, 8, "", 8), "offset 28: a block of type 0x6 and 8 bytes: blocks have 12 at least, and a multiple of 4"},
		"odd block":          {block(7, 13, "", 13), "offset 28: a block of type 0x7 and 13 bytes: blocks have 12 at least, and a multiple of 4"},
		"two lengths":        {block(7, 16, "abcd", 20), "offset 28: a block of 16 bytes whose end says that it has 20"},
		"no interface":       {block(blockPacket, 32, strings.Repeat("\x00", 20), 32), "offset 28: a packet of interface 0, of 0 that are described"},
		"huge unknown block": {block(7, 0xfffffff0, "", 0), "offset 28: the file ends within a block, after 12 bytes of it"},
		"byte order":         {[]byte("\n\r\r\n\x1c\x00\x00\x00abcd"), "offset 8: a section whose byte order is told by 61 62 63 64; 1a 2b 3c 4d is due, in either order"},
	}
	for name, f := range files {
		t.Run(name, func(t *testing.T) {
			_, _, err := readAll(t, bytes.NewReader(f.file), Options{})
			if err == nil || err.Error() != f.want {
				t.Errorf("%v, want %s", err, f.want)
			}
		})
	}
}

// Text of another protocol is shown as it comes, and is no broken request.
func TestOtherProtocols(t *testing.T) {
	for name, lines := range map[string][2]string{
		"redis": {"PING\r\n", "+PONG\r\n"}, "redis, arrays": {"*1\r\n$4\r\nPING\r\n", "+PONG\r\n"}, "words": {"one two three\n", "four\n"},
		"one letter": {"q", "r"}, "binary": {"\x00\x01\x02", "\xff\xfe"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession()
			s.say(0, lines[0])
			s.say(1, lines[1])
			s.end()
			r, rec := readBytes(t, s.file())
			got := strings.Join(story(rec), "\n")
			if !strings.Contains(got, fmt.Sprintf("out data %q", lines[0])) || !strings.Contains(got, fmt.Sprintf("in data %q", lines[1])) || r.Findings != 0 {
				t.Error(got)
			}
		})
	}
	t.Run("the server speaks first", func(t *testing.T) {
		s := newSession()
		s.say(1, "220 mail.test\r\n")
		s.say(0, "EHLO x\r\n")
		s.end()
		_, rec := readBytes(t, s.file())
		if got := strings.Join(story(rec), "\n"); !strings.Contains(got, `in data "220 mail.test\r\n"`) || !strings.Contains(got, `out data "EHLO x\r\n"`) {
			t.Error(got)
		}
	})
}

// Where bytes of a session are missing, its packets prove nothing.
func TestNoFindingsInGaps(t *testing.T) {
	ask := "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + askWS[strings.Index(askWS, "\r\n")+2:]
	frame := func(kind byte, s string) string { return string([]byte{0x80 | kind, byte(len(s))}) + s }
	s := newSession()
	s.say(0, ask)
	s.say(1, answerWS)
	for _, text := range []string{`0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}`, `40{"sid":"x"}`, `451-["bin",{"_placeholder":true,"num":0}]`} {
		s.say(1, frame(1, text))
	}
	s.say(1, frame(2, "\x01\x02\x03"))
	s.say(1, frame(1, `42["after"]`))
	whole, _ := readBytes(t, s.file())
	s.list = slices.Delete(s.list, 7, 8)
	r, rec := readBytes(t, s.file())
	if whole.Findings != 0 || r.Findings != 0 || !slices.Contains(story(rec), `in EVENT ["after"]`) {
		t.Errorf("%d, %d\n%s", whole.Findings, r.Findings, strings.Join(story(rec), "\n"))
	}
}

// A capture may have an answer before its question: what was acknowledged is
// waited for, so that nobody seems to have spoken too early.
func TestAnswersBeforeQuestions(t *testing.T) {
	s := webSocket()
	s.list[4], s.list[5] = s.list[5], s.list[4] // the first message before the 101
	_, rec := readBytes(t, s.file())
	wantStory(t, rec, wholeStory...)
	slices.Reverse(s.list[3:]) // all of it backwards
	r, rec := readBytes(t, s.file())
	if r.Findings != 0 || r.Connections[0].Gaps != 0 || r.Connections[0].Messages != (Count{1, 1}) || r.Connections[0].End != EndClosed {
		t.Errorf("%+v\n%s", r.Connections[0], strings.Join(story(rec), "\n"))
	}
}
