package capture

import (
	"encoding/binary"
	"io"
	"time"
)

// Of pcap (draft-ietf-opsawg-pcap).
const (
	pcapMicro = 0xa1b2c3d4 // section 4
	pcapNano  = 0xa1b23c4d
	pcapHead  = 24
	pcapEntry = 16 // section 5
)

// pcapFile reads a file of libpcap's first format.
type pcapFile struct {
	source
	order binary.ByteOrder
	unit  time.Duration
	link  uint32
	out   packet
}

// isPCAP knows the magic number, in either byte order.
func isPCAP(b []byte) bool {
	_, _, ok := pcapMagic(b)
	return ok
}

func pcapMagic(b []byte) (binary.ByteOrder, time.Duration, bool) {
	if len(b) < 4 {
		return nil, 0, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(b) {
		case pcapMicro:
			return order, time.Microsecond, true
		case pcapNano:
			return order, time.Nanosecond, true
		}
	}
	return nil, 0, false
}

func newPCAP(s source) (*pcapFile, error) {
	head, err := s.exactly(pcapHead)
	if err != nil {
		return nil, s.cut(0, "the head of a pcap file", err)
	}
	f := &pcapFile{}
	f.order, f.unit, _ = pcapMagic(head)
	f.link = f.order.Uint32(head[20:]) & 0x0fffffff // above it: how long a frame check sequence is
	f.source = s
	return f, nil
}

// next implements [packets].
func (f *pcapFile) next() (*packet, error) {
	start := f.at
	head, err := f.exactly(pcapEntry)
	if err == io.EOF {
		return nil, io.EOF
	}
	if err != nil {
		return nil, f.cut(start, "the head of a packet", err)
	}
	seconds, fraction := f.order.Uint32(head), f.order.Uint32(head[4:])
	kept, size := f.order.Uint32(head[8:]), f.order.Uint32(head[12:])
	if kept > mostPacket {
		return nil, wrong(start, "a packet of %d bytes; the most is %d", kept, mostPacket)
	}
	f.out = packet{at: time.Unix(int64(seconds), int64(fraction)*int64(f.unit)).UTC(), link: f.link, size: int(size), offset: start}
	if f.out.data, err = f.exactly(int(kept)); err != nil && kept > 0 {
		return nil, f.cut(start, "a packet", err)
	}
	return &f.out, nil
}
