package trace_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// block is one pcapng block.
type block struct {
	kind uint32
	body []byte
}

// The kinds of blocks that a capture may hold.
const (
	sectionBlock    = 0x0A0D0D0A
	interfaceBlock  = 1
	statisticsBlock = 5
	packetBlock     = 6
	secretsBlock    = 10
)

// readBlocks cuts a capture into blocks and checks their lengths.
func readBlocks(data []byte) ([]block, error) {
	var blocks []block
	for len(data) > 0 {
		if len(data) < 12 {
			return nil, fmt.Errorf("%d bytes are left, too few for a block", len(data))
		}
		size := binary.LittleEndian.Uint32(data[4:])
		if size%4 != 0 || size < 12 || int(size) > len(data) {
			return nil, fmt.Errorf("block %d has the length %d of %d", len(blocks), size, len(data))
		}
		if again := binary.LittleEndian.Uint32(data[size-4:]); again != size {
			return nil, fmt.Errorf("block %d has the lengths %d and %d", len(blocks), size, again)
		}
		blocks = append(blocks, block{binary.LittleEndian.Uint32(data), data[8 : size-4]})
		data = data[size:]
	}
	return blocks, nil
}

// checkBlocks fails the test unless data is a well-formed capture.
func checkBlocks(t *testing.T, data []byte) []block {
	t.Helper()
	blocks, err := readBlocks(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		if err := b.check(i); err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
	}
	return blocks
}

// check returns what is wrong with the i-th block of a capture.
func (b block) check(i int) error {
	le := binary.LittleEndian
	switch {
	case (b.kind == sectionBlock) != (i == 0) || (b.kind == interfaceBlock) != (i == 1):
		return fmt.Errorf("kind %#x is out of place", b.kind)
	case b.kind == sectionBlock:
		return checkOptions(b.body[16:])
	case b.kind == interfaceBlock:
		return checkOptions(b.body[8:])
	case b.kind == statisticsBlock:
		return checkOptions(b.body[12:])
	case b.kind == secretsBlock:
		if n := le.Uint32(b.body[4:]); padded(int(n)) != len(b.body)-8 {
			return fmt.Errorf("%d bytes of secrets in %d", n, len(b.body))
		}
		return nil
	case b.kind == packetBlock:
		captured, original := le.Uint32(b.body[12:]), le.Uint32(b.body[16:])
		if captured > original || original > math.MaxInt32 || 20+padded(int(captured)) > len(b.body) {
			return fmt.Errorf("captured %d of %d in a block of %d", captured, original, len(b.body))
		}
		if err := checkPacket(b.packet(), int(original)); err != nil {
			return err
		}
		return checkOptions(b.body[20+padded(int(captured)):])
	}
	return fmt.Errorf("unknown kind %#x", b.kind)
}

func padded(n int) int { return (n + 3) &^ 3 }

// checkOptions returns what is wrong with a list of options.
func checkOptions(b []byte) error {
	for len(b) >= 4 {
		code, size := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if code == 0 && size == 0 && len(b) == 4 {
			return nil
		}
		if code == 0 || 4+padded(size) > len(b) {
			return fmt.Errorf("option %d of %d bytes, %d are left", code, size, len(b))
		}
		b = b[4+padded(size):]
	}
	return errors.New("options without an end")
}

// packet returns the IP packet of a packet block.
func (b block) packet() []byte {
	return b.body[20 : 20+binary.LittleEndian.Uint32(b.body[12:])]
}

// ofKind returns the blocks of one kind.
func ofKind(blocks []block, kind uint32) []block {
	var found []block
	for _, b := range blocks {
		if b.kind == kind {
			found = append(found, b)
		}
	}
	return found
}

// checkPacket returns what is wrong with an IP packet of a declared size.
func checkPacket(b []byte, original int) error {
	if len(b) < 20 {
		return fmt.Errorf("a packet of %d bytes", len(b))
	}
	if b[0]>>4 == 6 {
		return checkBody(b[40:], b[6], b[8:40], int(binary.BigEndian.Uint16(b[4:])), original-40)
	}
	if b[0] != 0x45 || checksum(b[:20]) != 0 {
		return fmt.Errorf("IPv4 head % x, its checksum is off by %#x", b[:20], checksum(b[:20]))
	}
	return checkBody(b[20:], b[9], b[12:20], int(binary.BigEndian.Uint16(b[2:]))-20, original-20)
}

// checkBody returns what is wrong with a segment or datagram whose IP head
// says that it is declared bytes long.
func checkBody(b []byte, protocol byte, addresses []byte, declared, original int) error {
	switch {
	case original < declared || len(b) > declared:
		return fmt.Errorf("declared %d bytes, captured %d of %d", declared, len(b), original)
	case protocol == 17 && int(binary.BigEndian.Uint16(b[4:])) != declared:
		return fmt.Errorf("UDP length %d in %d bytes", binary.BigEndian.Uint16(b[4:]), declared)
	case protocol == 17 && b[6] == 0 && b[7] == 0:
		return errors.New("no UDP checksum")
	case len(b) < declared:
		return nil
	}
	pseudo := append(bytes.Clone(addresses), 0, protocol, byte(declared>>8), byte(declared))
	if off := checksum(append(pseudo, b...)); off != 0 {
		return fmt.Errorf("the checksum of protocol %d is off by %#x", protocol, off)
	}
	return nil
}

// checksum returns the Internet checksum of b, by the definition of RFC 1071:
// 0 over bytes that hold their own.
func checksum(b []byte) uint16 {
	var total uint32
	for i, x := range b {
		total += uint32(x) << (8 * (1 - i%2))
		total = total&0xffff + total>>16
	}
	return ^uint16(total)
}

// payloads lists what the packets carry, and where secrets stand.
func payloads(blocks []block) string {
	var found []string
	for _, b := range blocks {
		switch b.kind {
		case secretsBlock:
			found = append(found, "SECRET")
		case packetBlock:
			pkt := b.packet()
			if data := pkt[20+pkt[32]>>4*4:]; len(data) > 0 {
				found = append(found, string(data))
			}
		}
	}
	return strings.Join(found, "|")
}

// flags names the flags of a TCP segment.
func flags(b byte) string {
	var names string
	for i, name := range "FSRPA" {
		if b&(1<<i) != 0 {
			names += string(name)
		}
	}
	return names
}

// wantSegments compares the segments of the one stream in a capture: the end
// (0 opened it), flags, sequence and acknowledgement number from 0, and data.
func wantSegments(t *testing.T, capture []byte, want ...string) {
	t.Helper()
	var got []string
	var base [2]uint32
	for i, b := range ofKind(checkBlocks(t, capture), packetBlock) {
		pkt := b.packet()
		end := 0
		if pkt[12] != 192 { // tcpOpen's address
			end = 1
		}
		seq, ack := binary.BigEndian.Uint32(pkt[24:]), binary.BigEndian.Uint32(pkt[28:])
		if i == end { // the SYN and the SYN-ACK
			base[end] = seq
		}
		data := pkt[20+pkt[32]>>4*4:]
		got = append(got, fmt.Sprintf("%d %s seq=%d ack=%d %s", end, flags(pkt[33]), seq-base[end], ack-base[1-end], data))
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("segments:\n%s\nwant:\n%s", g, w)
	}
}
