package trace_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// start is when the records of the tests begin.
var start = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

// recorded writes events to a sink, a millisecond apart.
type recorded struct {
	sink trace.Sink
	n    int
}

func (r *recorded) add(conn trace.ID, events ...trace.Event) {
	for _, e := range events {
		at := start.Add(time.Duration(r.n) * time.Millisecond)
		r.sink.Record(trace.Record{Time: at, Conn: conn, Event: e})
		r.n++
	}
}

// newCapture returns a sink, the buffer it writes to and what adds records.
func newCapture(t *testing.T) (*trace.PCAPNG, *bytes.Buffer, *recorded) {
	t.Helper()
	var file bytes.Buffer
	p, err := trace.NewPCAPNG(&file)
	if err != nil {
		t.Fatal(err)
	}
	return p, &file, &recorded{sink: p}
}

func tcpOpen(n int) trace.Open {
	return trace.Open{Side: trace.Client, Network: "tcp",
		Local: fmt.Sprintf("192.0.2.1:%d", 40000+n), Remote: "198.51.100.2:443"}
}

func sent(s string) trace.Bytes {
	return trace.Bytes{Dir: trace.Out, Size: len(s), Payload: []byte(s)}
}

func received(s string) trace.Bytes {
	return trace.Bytes{Dir: trace.In, Size: len(s), Payload: []byte(s)}
}

func TestPCAPNGHead(t *testing.T) {
	p, file, _ := newCapture(t)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	blocks := checkBlocks(t, file.Bytes())
	if !bytes.Contains(blocks[0].body, []byte("sockkit")) {
		t.Error("the section does not name sockkit")
	}
	if link := binary.LittleEndian.Uint16(blocks[1].body); link != 101 {
		t.Errorf("link type %d, want LINKTYPE_RAW (101)", link)
	}
	if !bytes.Contains(blocks[1].body, []byte{9, 0, 1, 0, 9, 0, 0, 0}) {
		t.Error("the interface does not count in nanoseconds")
	}
}

// TestPCAPNGStream compares a whole capture, packet by packet.
func TestPCAPNGStream(t *testing.T) {
	p, file, r := newCapture(t)
	r.add(1, tcpOpen(1), sent("hello"), received("hi"),
		trace.HalfClose{Dir: trace.Out}, received("!"), trace.Close{})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantSegments(t, file.Bytes(),
		"0 S seq=0 ack=0 ", "1 SA seq=0 ack=1 ", "0 A seq=1 ack=1 ",
		"0 PA seq=1 ack=1 hello", "1 PA seq=1 ack=6 hi",
		"0 FA seq=6 ack=3 ", "1 A seq=3 ack=7 ",
		"1 PA seq=3 ack=7 !",
		"1 FA seq=4 ack=7 ", "0 A seq=7 ack=5 ")
}

// TestPCAPNGTLSHalfClose ends one direction under TLS: the close_notify comes
// behind its record, and the FIN with the close.
func TestPCAPNGTLSHalfClose(t *testing.T) {
	_, file, r := newCapture(t)
	r.add(1, tcpOpen(1), trace.TLSStart{}, trace.TLS{},
		trace.HalfClose{Dir: trace.Out}, sent("notify"), received("rest"), trace.Close{})
	wantSegments(t, file.Bytes(),
		"0 S seq=0 ack=0 ", "1 SA seq=0 ack=1 ", "0 A seq=1 ack=1 ",
		"0 PA seq=1 ack=1 notify", "1 PA seq=1 ack=7 rest",
		"0 FA seq=7 ack=5 ", "1 A seq=5 ack=8 ", "1 FA seq=5 ack=8 ", "0 A seq=8 ack=6 ")
}

// TestPCAPNGAcknowledges sends one way only: the other end has to acknowledge
// now and then, or its window would be full.
func TestPCAPNGAcknowledges(t *testing.T) {
	_, file, r := newCapture(t)
	r.add(1, tcpOpen(1))
	want := []string{"0 S seq=0 ack=0 ", "1 SA seq=0 ack=1 ", "0 A seq=1 ack=1 "}
	for i := range 33 {
		r.add(1, sent("x"))
		want = append(want, fmt.Sprintf("0 PA seq=%d ack=1 x", i+1))
		if i == 15 || i == 31 {
			want = append(want, fmt.Sprintf("1 A seq=1 ack=%d ", i+2))
		}
	}
	wantSegments(t, file.Bytes(), want...)
}

// TestPCAPNGTime checks that time stamps are those of the records, to the
// nanosecond, and that a time before 1970 is none.
func TestPCAPNGTime(t *testing.T) {
	p, file, _ := newCapture(t)
	d := trace.Datagram{Dir: trace.In, Network: "udp", Local: "127.0.0.1:1", Remote: "127.0.0.1:2"}
	for _, at := range []time.Time{start, {}, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		p.Record(trace.Record{Time: at, Event: d})
	}
	var got []uint64
	for _, b := range ofKind(checkBlocks(t, file.Bytes()), packetBlock) {
		got = append(got, uint64(binary.LittleEndian.Uint32(b.body[4:]))<<32|uint64(binary.LittleEndian.Uint32(b.body[8:])))
	}
	if want := []uint64{uint64(start.UnixNano()), 0, 0}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("time stamps %d, want %d", got, want)
	}
}

// TestPCAPNGSecretsFirst checks that secrets stand before the ciphertext, that
// packets of other connections keep their order, and that a handshake that has
// sent nothing yet holds nobody up.
func TestPCAPNGSecretsFirst(t *testing.T) {
	_, file, r := newCapture(t)
	r.add(1, tcpOpen(1), trace.TLSStart{Side: trace.Client})
	r.add(2, tcpOpen(2), sent("not held"))
	if got := payloads(checkBlocks(t, file.Bytes())); got != "not held" {
		t.Errorf("before any ciphertext: %q", got)
	}
	r.add(1, sent("hello 1"))
	r.add(2, sent("behind it"))
	r.add(3, tcpOpen(3), trace.TLSStart{Side: trace.Client}, sent("hello 3"))
	r.add(1, trace.Secret{Line: "CLIENT_RANDOM 1 1"})
	if got := payloads(checkBlocks(t, file.Bytes())); got != "not held|SECRET" {
		t.Errorf("during the handshakes: %q", got)
	}
	r.add(1, trace.TLS{Side: trace.Client}, sent("data 1"))
	if got := payloads(checkBlocks(t, file.Bytes())); got != "not held|SECRET|hello 1|behind it" {
		t.Errorf("after the first handshake: %q", got)
	}
	r.add(3, trace.Secret{Line: "CLIENT_RANDOM 3 3"}, trace.Close{})
	const all = "not held|SECRET|hello 1|behind it|SECRET|hello 3|data 1"
	if got := payloads(checkBlocks(t, file.Bytes())); got != all {
		t.Errorf("after both: %q", got)
	}
}

// TestPCAPNGHoldBounds checks both bounds of the packets that wait.
func TestPCAPNGHoldBounds(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		_, file, r := newCapture(t)
		r.add(1, tcpOpen(1), trace.TLSStart{Side: trace.Client}, sent("hello"))
		before := file.Len()
		chunk := strings.Repeat("x", 64<<10)
		for range 64 {
			r.add(1, sent(chunk))
		}
		if file.Len() < before+4<<20 {
			t.Errorf("%d bytes written although over 4 MiB waited", file.Len()-before)
		}
		r.add(1, sent("next"))
		if !bytes.Contains(file.Bytes(), []byte("waited too long for its secrets")) {
			t.Error("no comment says so")
		}
		checkBlocks(t, file.Bytes())
	})
	t.Run("time", func(t *testing.T) {
		synctest.Test(t, testHoldTime)
	})
}

// testHoldTime checks that each connection's packets wait for 5 seconds.
func testHoldTime(t *testing.T) {
	p, file, r := newCapture(t)
	written := func() string {
		time.Sleep(3 * time.Second) // of the bubble's clock
		synctest.Wait()
		defer p.Err() // whose lock stands between this read and a later write
		return payloads(checkBlocks(t, file.Bytes()))
	}
	r.add(1, tcpOpen(1), trace.TLSStart{Side: trace.Client}, sent("one"))
	if got := written(); got != "" {
		t.Errorf("after 3 s: %q, want none", got)
	}
	r.add(2, tcpOpen(2), trace.TLSStart{Side: trace.Client}, sent("two"))
	if got := written(); got != "one" {
		t.Errorf("after 6 s: %q, want the first connection's packets", got)
	}
	if got := written(); got != "one|two" {
		t.Errorf("after 9 s: %q, want both", got)
	}
	r.add(3, tcpOpen(3), trace.TLSStart{Side: trace.Client}, sent("three"))
	if err := p.Close(); err != nil { // no timer may be left behind
		t.Error(err)
	}
}

// TestPCAPNGLeftOut checks records that belong to no packet.
func TestPCAPNGLeftOut(t *testing.T) {
	p, file, r := newCapture(t)
	r.add(7, sent("never opened"), trace.HalfClose{Dir: trace.In}, trace.Note{Text: "n"}, trace.TLSStart{}, trace.Close{})
	r.add(1, tcpOpen(1), trace.Bytes{Payload: []byte("no direction")}, trace.HalfClose{Dir: trace.Out}, sent("too late"), trace.Close{}, sent("closed"))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	r.add(2, tcpOpen(2))
	blocks := checkBlocks(t, file.Bytes())
	if got := payloads(blocks); got != "" {
		t.Errorf("payloads %q, want none", got)
	}
	last := blocks[len(blocks)-1]
	if last.kind != statisticsBlock || !bytes.Contains(last.body, []byte("4 trace records are left out")) {
		t.Errorf("the last block is %#x: %q", last.kind, last.body)
	}
}

// TestPCAPNGBothEnds checks that a connection between two ends that are both
// recorded is shown once.
func TestPCAPNGBothEnds(t *testing.T) {
	p, file, r := newCapture(t)
	a := tcpOpen(1)
	b := trace.Open{Side: trace.Server, Network: "tcp", Local: a.Remote, Remote: a.Local}
	r.add(1, a)
	r.add(2, b)
	r.add(1, sent("x"))
	r.add(2, received("x"), trace.HalfClose{Dir: trace.In}, trace.Close{})
	r.add(1, trace.Close{})
	r.add(3, b, received("again"))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := payloads(checkBlocks(t, file.Bytes())); got != "x|again" {
		t.Errorf("payloads %q, want each once", got)
	}
}

// failing fails every write after the first n.
type failing struct {
	n      int
	writes int
}

var errDisk = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	f.writes++
	if f.writes > f.n {
		return 0, errDisk
	}
	return len(p), nil
}

func TestPCAPNGWriteError(t *testing.T) {
	if _, err := trace.NewPCAPNG(&failing{}); !errors.Is(err, errDisk) {
		t.Errorf("NewPCAPNG: %v", err)
	}
	w := &failing{n: 1}
	p, err := trace.NewPCAPNG(w)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{sink: p}
	r.add(1, tcpOpen(1), sent("x"), trace.Close{})
	if !errors.Is(p.Err(), errDisk) || !errors.Is(p.Close(), errDisk) || !errors.Is(p.Close(), errDisk) {
		t.Errorf("Err: %v", p.Err())
	}
	if w.writes != 2 {
		t.Errorf("%d writes, want none after the failed one", w.writes)
	}
}

func TestPCAPNGConcurrent(t *testing.T) {
	p, file, _ := newCapture(t)
	var done sync.WaitGroup
	for n := 1; n <= 8; n++ {
		done.Go(func() {
			r := &recorded{sink: p}
			r.add(trace.ID(n), tcpOpen(n), trace.TLSStart{}, sent("a"), trace.Secret{Line: "x"}, trace.TLS{}, received("b"), trace.Close{})
		})
	}
	done.Wait()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	blocks := checkBlocks(t, file.Bytes())
	if n := len(ofKind(blocks, packetBlock)); n != 8*9 {
		t.Errorf("%d packets, want %d", n, 8*9)
	}
	if n := len(ofKind(blocks, secretsBlock)); n != 8 {
		t.Errorf("%d secrets, want 8", n)
	}
}

// TestPCAPNGHugeSizes feeds lengths that were declared and never came.
func TestPCAPNGHugeSizes(t *testing.T) {
	_, file, r := newCapture(t)
	for _, size := range []int{math.MaxInt, math.MinInt, -1, 65507, 65508, 1 << 20} {
		r.add(0, trace.Datagram{Dir: trace.Out, Network: "udp", Local: "127.0.0.1:1", Remote: "127.0.0.1:2",
			Size: size, Payload: []byte("abc"), TTL: size})
		r.add(0, trace.Datagram{Dir: trace.In, Network: "unixgram", Remote: "/a", Size: size})
	}
	r.add(0, trace.Secret{Line: strings.Repeat("x", 1<<20)})
	if n := len(ofKind(checkBlocks(t, file.Bytes()), packetBlock)); n != 12 {
		t.Errorf("%d packets, want 12", n)
	}
}
