package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"strings"
	"time"
)

// Of pcapng (draft-ietf-opsawg-pcapng section 4).
const (
	blockSection   = 0x0a0d0d0a // 4.1
	blockInterface = 1          // 4.2
	blockOldPacket = 2          // appendix A
	blockSimple    = 3          // 4.4
	blockPacket    = 6          // 4.3
	blockSecrets   = 10         // 4.7

	byteOrderMagic = 0x1a2b3c4d
	secretsTLS     = 0x544c534b

	optComment    = 1
	optResolution = 9  // if_tsresol
	optOffset     = 14 // if_tsoffset

	mostBlock      = 4 << 20 // bytes of a block that is read; others are passed over
	mostInterfaces = 4096    // in a section
	mostComments   = 16      // of a packet
	mostComment    = 1024    // bytes of one
)

// pcapngFile reads a file of blocks.
type pcapngFile struct {
	source
	order      binary.ByteOrder
	interfaces []captured
	secrets    func([]byte) // told of each block of a TLS key log
	out        packet
}

// captured is an interface that packets came from.
type captured struct {
	link   uint32
	snap   uint32
	ticks  uint64 // a second
	offset int64  // seconds
}

func newPCAPNG(s source, secrets func([]byte)) *pcapngFile {
	return &pcapngFile{source: s, order: binary.LittleEndian, secrets: secrets}
}

// next implements [packets].
func (f *pcapngFile) next() (*packet, error) {
	for {
		start := f.at
		kind, body, err := f.block()
		if err != nil {
			return nil, err
		}
		p, err := f.read(kind, body, start)
		if p != nil || err != nil {
			return p, err
		}
	}
}

// block reads a block's type and body; the body of one that is of no use here
// is nil.
func (f *pcapngFile) block() (uint32, []byte, error) {
	start := f.at
	head, err := f.exactly(8)
	if err == io.EOF {
		return 0, nil, io.EOF
	}
	if err != nil {
		return 0, nil, f.cut(start, "the head of a block", err)
	}
	if kind := binary.LittleEndian.Uint32(head); kind == blockSection { // reads the same in both orders
		if err := f.section(); err != nil {
			return 0, nil, f.cut(start, "the head of a section", err)
		}
	}
	kind, size := f.order.Uint32(head), f.order.Uint32(head[4:])
	if size%4 != 0 || size < 12 {
		return 0, nil, wrong(start, "a block of type %#x and %d bytes: blocks have 12 at least, and a multiple of 4", kind, size)
	}
	body, err := f.body(kind, int64(size)-8, start)
	return kind, body, err
}

// section learns a section's byte order, ahead of its own length.
func (f *pcapngFile) section() error {
	magic, err := f.r.Peek(4)
	if err != nil {
		return err
	}
	switch {
	case binary.LittleEndian.Uint32(magic) == byteOrderMagic:
		f.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic) == byteOrderMagic:
		f.order = binary.BigEndian
	default:
		return wrong(f.at, "a section whose byte order is told by % x; 1a 2b 3c 4d is due, in either order", magic)
	}
	return nil
}

// body reads what stands between the head of a block and the length behind it.
func (f *pcapngFile) body(kind uint32, left int64, start int64) ([]byte, error) {
	wanted := kind == blockSection || kind == blockInterface || kind == blockOldPacket || kind == blockSimple || kind == blockPacket || kind == blockSecrets
	if wanted && left > mostBlock {
		return nil, wrong(start, "a block of type %#x and %d bytes; the most is %d", kind, left+8, mostBlock)
	}
	if !wanted {
		if err := f.skip(left - 4); err != nil {
			return nil, f.cut(start, "a block", err)
		}
		left = 4
	}
	b, err := f.exactly(int(left))
	if err != nil {
		return nil, f.cut(start, "a block", err)
	}
	end := len(b) - 4
	if again := f.order.Uint32(b[end:]); int64(again) != f.at-start {
		return nil, wrong(start, "a block of %d bytes whose end says that it has %d", f.at-start, again)
	}
	if !wanted {
		return nil, nil
	}
	return b[:end], nil
}

// read takes a block. It returns the packet of one that has it.
func (f *pcapngFile) read(kind uint32, b []byte, start int64) (*packet, error) {
	switch kind {
	case blockSection:
		f.interfaces = nil
		if len(b) < 16 {
			return nil, wrong(start, "a section's head of %d bytes", len(b))
		}
		if major := f.order.Uint16(b[4:]); major != 1 {
			return nil, wrong(start, "pcapng of version %d; version 1 is known", major)
		}
	case blockInterface:
		return nil, f.addInterface(b, start)
	case blockSecrets:
		return nil, f.secret(b, start)
	case blockPacket, blockOldPacket:
		return f.packet(kind, b, start)
	case blockSimple:
		return f.simple(b, start)
	}
	return nil, nil
}

func (f *pcapngFile) addInterface(b []byte, start int64) error {
	if len(b) < 8 {
		return wrong(start, "an interface described in %d bytes", len(b))
	}
	if len(f.interfaces) == mostInterfaces {
		return wrong(start, "more than %d interfaces", mostInterfaces)
	}
	i := captured{link: uint32(f.order.Uint16(b)), snap: f.order.Uint32(b[4:]), ticks: 1e6}
	f.options(b[8:], func(code uint16, value []byte) {
		switch {
		case code == optResolution && len(value) >= 1:
			i.ticks = ticks(value[0])
		case code == optOffset && len(value) >= 8:
			i.offset = int64(f.order.Uint64(value))
		}
	})
	f.interfaces = append(f.interfaces, i)
	return nil
}

// ticks reads if_tsresol (4.2): a negative power of 10, or of 2 with the top
// bit set. What is finer than a number can say counts as microseconds.
func ticks(v byte) uint64 {
	power, base := int(v&0x7f), uint64(10)
	if v&0x80 != 0 {
		base = 2
	}
	n := uint64(1)
	for range power {
		if n > math.MaxUint64/base {
			return 1e6
		}
		n *= base
	}
	return n
}

// options calls f with each option, up to the end that is said or there.
func (f *pcapngFile) options(b []byte, each func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, size := f.order.Uint16(b), int(f.order.Uint16(b[2:]))
		if b = b[4:]; code == 0 || size > len(b) {
			return
		}
		each(code, b[:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}

func (f *pcapngFile) secret(b []byte, start int64) error {
	if len(b) < 8 {
		return wrong(start, "secrets in %d bytes", len(b))
	}
	size := f.order.Uint32(b[4:])
	if int64(size) > int64(len(b)-8) {
		return wrong(start, "secrets of %d bytes in a block that has room for %d", size, len(b)-8)
	}
	if f.order.Uint32(b) == secretsTLS && f.secrets != nil {
		f.secrets(b[8 : 8+size])
	}
	return nil
}

// packet reads an Enhanced Packet Block, or the Packet Block that was before it.
func (f *pcapngFile) packet(kind uint32, b []byte, start int64) (*packet, error) {
	if len(b) < 20 {
		return nil, wrong(start, "a packet's block of %d bytes", len(b)+12)
	}
	number := f.order.Uint32(b)
	if kind == blockOldPacket {
		number = uint32(f.order.Uint16(b))
	}
	if int64(number) >= int64(len(f.interfaces)) {
		return nil, wrong(start, "a packet of interface %d, of %d that are described", number, len(f.interfaces))
	}
	i := f.interfaces[number]
	stamp := uint64(f.order.Uint32(b[4:]))<<32 | uint64(f.order.Uint32(b[8:]))
	kept, size := f.order.Uint32(b[12:]), f.order.Uint32(b[16:])
	if int64(kept) > int64(len(b)-20) || kept > mostPacket {
		return nil, wrong(start, "a packet of %d bytes in a block that has room for %d", kept, len(b)-20)
	}
	f.out = packet{at: i.time(stamp), link: i.link, data: b[20 : 20+kept], size: int(size), offset: start}
	f.options(b[min(20+int(kept+3)&^3, len(b)):], func(code uint16, value []byte) {
		if code == optComment && len(f.out.comments) < mostComments {
			f.out.comments = append(f.out.comments, strings.ToValidUTF8(string(value[:min(len(value), mostComment)]), "\uFFFD"))
		}
	})
	return &f.out, nil
}

// time is what a stamp of the interface stands for.
func (i captured) time(stamp uint64) time.Time {
	seconds, rest := stamp/i.ticks, stamp%i.ticks
	nano := float64(rest) / float64(i.ticks) * 1e9
	if i.ticks <= 1e9 && 1e9%i.ticks == 0 {
		nano = float64(rest * (1e9 / i.ticks))
	}
	return time.Unix(int64(seconds)+i.offset, int64(nano)).UTC()
}

// simple reads a Simple Packet Block: it has no time, and the first interface.
func (f *pcapngFile) simple(b []byte, start int64) (*packet, error) {
	if len(f.interfaces) == 0 || len(b) < 4 {
		return nil, wrong(start, "a packet of interface 0, and none is described")
	}
	i := f.interfaces[0]
	size := f.order.Uint32(b)
	kept := min(int64(size), int64(len(b)-4))
	if i.snap > 0 {
		kept = min(kept, int64(i.snap))
	}
	f.out = packet{link: i.link, data: b[4 : 4+kept], size: int(size), offset: start, at: f.out.at}
	return &f.out, nil
}

func isPCAPNG(b []byte) bool { return bytes.HasPrefix(b, []byte{0x0a, 0x0d, 0x0d, 0x0a}) }
