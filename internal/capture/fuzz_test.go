package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// gathered keeps what a stream hands on.
type gathered struct {
	data     []byte
	gaps     int64
	finished bool
}

func (g *gathered) bytes(b []byte) { g.data = append(g.data, b...) }
func (g *gathered) gap(n int64) {
	g.gaps += n
	g.data = append(g.data, bytes.Repeat([]byte{0}, int(n))...)
}
func (g *gathered) conflict() {}
func (g *gathered) finish()   { g.finished = true }

// FuzzStream sends a text in pieces that overlap, come in any order and again:
// what comes out is the text. Where pieces are left out, all that is known
// stands where it belongs, and the rest is said to be missing.
func FuzzStream(f *testing.F) {
	f.Add(uint64(1), uint32(0), 500, false)
	f.Add(uint64(2), uint32(0xfffffff0), 3000, true)
	f.Fuzz(func(t *testing.T, seed uint64, first uint32, size int, lossy bool) {
		size = int(uint(size) % 20000)
		r := rand.New(rand.NewPCG(seed, 0))
		text := make([]byte, size)
		for i := range text {
			text[i] = byte(r.Uint32()) | 1 // never 0
		}
		known := make([]bool, size)
		type piece struct{ from, to int }
		var list []piece
		for at := 0; at < size; {
			to := min(at+1+r.IntN(200), size)
			list = append(list, piece{max(0, at-r.IntN(50)), min(size, to+r.IntN(50))})
			at = to
		}
		list = append(list, list[:r.IntN(len(list)+1)]...)
		for i := range list { // not so far that a gap is given up
			j := min(len(list)-1, i+r.IntN(100))
			list[i], list[j] = list[j], list[i]
		}
		g := &gathered{}
		s := &stream{to: g}
		s.begin(first)
		for _, p := range list {
			if lossy && r.IntN(10) == 0 {
				continue
			}
			for i := p.from; i < p.to; i++ {
				known[i] = true
			}
			s.add(first+uint32(p.from), text[p.from:p.to], 0)
		}
		s.fin(first + uint32(size))
		s.flush()
		if !g.finished || len(g.data) != size {
			t.Fatalf("finished %v, %d bytes of %d", g.finished, len(g.data), size)
		}
		missing := int64(0)
		for i := range text {
			switch {
			case known[i] && g.data[i] != text[i]:
				t.Fatalf("byte %d is %d, not %d", i, g.data[i], text[i])
			case !known[i]:
				missing++
			}
		}
		if g.gaps != missing || s.missing != missing || s.waits != 0 {
			t.Fatalf("%d bytes are missing, %d are said; %d wait", missing, g.gaps, s.waits)
		}
	})
}

// FuzzRead reads anything. It ends, with an error that names an offset within the
// file, and never says more bytes than there are.
func FuzzRead(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := readAll(t, bytes.NewReader(b), Options{})
		var format *FormatError
		if errors.As(err, &format) && format.Offset > int64(len(b)) && b[0] != 0x1f {
			t.Fatalf("%v, of %d bytes", err, len(b))
		}
		for _, c := range r.Connections {
			if c.Network == "tcp" && (r.Format == "pcap" || r.Format == "pcapng") && c.Out+c.In > int64(len(b)) {
				t.Fatalf("%d and %d bytes in a file of %d", c.Out, c.In, len(b))
			}
		}
		_ = r.Lines()
	})
}

// FuzzPackets writes packets in every form of file, and reads the same.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("hello"), uint32(3), uint32(1700000000), uint32(999), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, more, sec, micro uint32, link uint16) {
		data = data[:min(len(data), 1000)]
		size := uint32(len(data)) + more%1000
		micro %= 1000000
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for name, file := range map[string][]byte{
				"pcap":   writePCAP(order, data, size, sec, micro, link),
				"pcapng": writePCAPNG(order, data, size, sec, micro, link),
			} {
				p := readOne(t, name, file)
				if !bytes.Equal(p.data, data) || p.size != int(size) || p.link != uint32(link) || p.at.Unix() != int64(sec) || p.at.Nanosecond() != int(micro)*1000 {
					t.Fatalf("%s: %+v", name, p)
				}
			}
		}
	})
}

func readOne(t *testing.T, name string, file []byte) *packet {
	s := source{r: newBuffered(file)}
	var list packets = newPCAPNG(s, nil)
	if name == "pcap" {
		f, err := newPCAP(s)
		if err != nil {
			t.Fatal(err)
		}
		list = f
	}
	p, err := list.next()
	if err != nil {
		t.Fatal(err)
	}
	kept := *p
	kept.data = bytes.Clone(p.data)
	if _, err := list.next(); err != io.EOF {
		t.Fatal(err)
	}
	return &kept
}

func writePCAP(o binary.AppendByteOrder, data []byte, size, sec, micro uint32, link uint16) []byte {
	b := o.AppendUint32(nil, pcapMicro)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = o.AppendUint32(append(b, 0, 0, 0, 0, 0, 0, 0, 0), 65535)
	for _, n := range []uint32{uint32(link), sec, micro, uint32(len(data)), size} {
		b = o.AppendUint32(b, n)
	}
	return append(b, data...)
}

func writePCAPNG(o binary.AppendByteOrder, data []byte, size, sec, micro uint32, link uint16) (b []byte) {
	block := func(kind uint32, body []byte) {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		b = o.AppendUint32(o.AppendUint32(b, kind), uint32(12+len(body)))
		b = o.AppendUint32(append(b, body...), uint32(12+len(body)))
	}
	head := o.AppendUint16(o.AppendUint16(o.AppendUint32(nil, byteOrderMagic), 1), 0)
	block(blockSection, o.AppendUint64(head, ^uint64(0)))
	block(blockInterface, o.AppendUint32(o.AppendUint16(o.AppendUint16(nil, link), 0), 0))
	stamp := uint64(sec)*1e6 + uint64(micro)
	var body []byte
	for _, n := range []uint32{0, uint32(stamp >> 32), uint32(stamp), uint32(len(data)), size} {
		body = o.AppendUint32(body, n)
	}
	block(blockPacket, append(body, data...))
	block(99, []byte("of no use here"))
	return b
}

// FuzzHex dumps bytes as each tool does, and reads the same.
func FuzzHex(f *testing.F) {
	f.Add([]byte(askWS))
	f.Add([]byte("\x00\x01 |abc|  beef"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 16 { // in one short line digits cannot be told from text
			return
		}
		b = b[:min(len(b), 4000)]
		for name, text := range map[string]string{"hexdump": hex.Dump(b), "xxd": xxd(b), "tshark": tsharkHex(b)} {
			blocks, ok := readDump([]byte(text))
			if !ok || len(blocks) != 1 || !bytes.Equal(blocks[0].data, b) {
				t.Fatalf("%s: %v %d\n%s", name, ok, len(blocks), text)
			}
		}
	})
}

func rows(b []byte, each func(at int, row []byte)) {
	for at := 0; at < len(b); at += 16 {
		each(at, b[at:min(at+16, len(b))])
	}
}

func plainText(row []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, string([]rune(latin1(row))))
}

func latin1(row []byte) string {
	var b strings.Builder
	for _, c := range row {
		b.WriteRune(rune(c))
	}
	return b.String()
}

func xxd(b []byte) string {
	var out strings.Builder
	rows(b, func(at int, row []byte) {
		var words []string
		for pair := range slices.Chunk(row, 2) {
			words = append(words, hex.EncodeToString(pair))
		}
		fmt.Fprintf(&out, "%08x: %-39s  %s\n", at, strings.Join(words, " "), plainText(row))
	})
	return out.String()
}

func tsharkHex(b []byte) string {
	var out strings.Builder
	rows(b, func(at int, row []byte) {
		fmt.Fprintf(&out, "%04x  %-47s   %s\n", at, fmt.Sprintf("% x", row), plainText(row))
	})
	return out.String()
}

func seeds() [][]byte {
	file := webSocket().file()
	var ng bytes.Buffer
	ng.Write(writePCAPNG(binary.LittleEndian, webSocket().list[3].ip(), 400, 1, 1, linkRaw))
	return [][]byte{
		file, ng.Bytes(), []byte(harText), []byte(hex.Dump([]byte(askWS + answerWS))), []byte(askWS + answerWS + helloIn + helloOut), []byte(helloIn + helloOut),
		[]byte(strings.ReplaceAll(askWS, "\r", "")), []byte("> [1]   0000  47 45 54 20\n< [1]   0000  48 54 54 50\n"), []byte(`{"time":"2026-01-02T03:04:05Z","conn":1,"event":"note","level":"connection","text":"x"}` + "\n"),
	}
}

// A file that never ends is left when its context is.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, bytes.NewReader(webSocket().file()), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
