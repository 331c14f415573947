package trace

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"
)

// Of pcapng (draft-ietf-opsawg-pcapng).
const (
	blockSection    = 0x0A0D0D0A
	blockInterface  = 1
	blockStatistics = 5
	blockPacket     = 6
	blockSecrets    = 0x0000000A

	byteOrderMagic = 0x1A2B3C4D
	linkRaw        = 101        // LINKTYPE_RAW: the packet begins with the IP head
	secretsTLS     = 0x544c534b // "TLSK"
	maxSecret      = 64 << 10   // bytes of one key log line

	optEnd         = 0
	optComment     = 1
	optSystem      = 3 // shb_os
	optApplication = 4 // shb_userappl
	optName        = 2 // if_name
	optResolution  = 9 // if_tsresol
	optFlags       = 2 // epb_flags
	optReceived    = 4 // isb_ifrecv
	optDropped     = 5 // isb_ifdrop

	packetHead = 28 // bytes of a packet block before the packet
)

// blockOrder is the byte order of the blocks.
var blockOrder = binary.LittleEndian

// beginBlock appends the head of a block, whose length endBlock fills in.
func beginBlock(b []byte, kind uint32) []byte {
	b = blockOrder.AppendUint32(b, kind)
	return append(b, 0, 0, 0, 0)
}

// endBlock ends the block that begins at start.
func endBlock(b []byte, start int) []byte {
	size := uint32(len(b) - start + 4)
	blockOrder.PutUint32(b[start+4:], size)
	return blockOrder.AppendUint32(b, size)
}

// appendOption appends one option, padded to 32 bits.
func appendOption(b []byte, code uint16, value []byte) []byte {
	b = blockOrder.AppendUint16(b, code)
	b = blockOrder.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...), len(value))
}

// appendNumber appends an option that is a 64 bit number.
func appendNumber(b []byte, code uint16, n uint64) []byte {
	return appendOption(b, code, blockOrder.AppendUint64(nil, n))
}

// endOptions ends a list of options.
func endOptions(b []byte) []byte { return append(b, optEnd, 0, 0, 0) }

// pad appends zeros up to a multiple of 4 after size bytes.
func pad(b []byte, size int) []byte {
	for ; size%4 != 0; size++ {
		b = append(b, 0)
	}
	return b
}

// appendSection appends a Section Header Block of unknown length.
func appendSection(b []byte) []byte {
	start := len(b)
	b = beginBlock(b, blockSection)
	b = blockOrder.AppendUint32(b, byteOrderMagic)
	b = blockOrder.AppendUint16(b, 1) // version 1.0
	b = blockOrder.AppendUint16(b, 0)
	b = blockOrder.AppendUint64(b, math.MaxUint64)
	b = appendOption(b, optSystem, []byte(runtime.GOOS))
	b = appendOption(b, optApplication, []byte("sockkit"))
	return endBlock(endOptions(b), start)
}

// appendInterface appends an Interface Description Block: raw IP, nanoseconds.
func appendInterface(b []byte) []byte {
	start := len(b)
	b = beginBlock(b, blockInterface)
	b = blockOrder.AppendUint16(b, linkRaw)
	b = append(b, 0, 0)
	b = blockOrder.AppendUint32(b, 0) // packets of any length
	b = appendOption(b, optName, []byte("sockkit"))
	b = appendOption(b, optResolution, []byte{9})
	return endBlock(endOptions(b), start)
}

// appendTime appends a time stamp in nanoseconds, the higher half first.
func appendTime(b []byte, at time.Time) []byte {
	var ns uint64
	if at.Unix() > 0 && at.Year() < 2262 {
		ns = uint64(at.UnixNano())
	}
	b = blockOrder.AppendUint32(b, uint32(ns>>32))
	return blockOrder.AppendUint32(b, uint32(ns))
}

// appendStatistics appends an Interface Statistics Block.
func appendStatistics(b []byte, at time.Time, packets, left uint64) []byte {
	start := len(b)
	b = beginBlock(b, blockStatistics)
	b = blockOrder.AppendUint32(b, 0)
	b = appendTime(b, at)
	b = appendNumber(b, optReceived, packets)
	b = appendNumber(b, optDropped, left)
	if left > 0 {
		b = appendOption(b, optComment, fmt.Appendf(nil,
			"%d trace records are left out: most likely they belong to no connection that is open in this capture", left))
	}
	return endBlock(endOptions(b), start)
}

// appendSecrets appends a Decryption Secrets Block of one key log line.
func appendSecrets(b []byte, line string) []byte {
	line = strings.TrimRight(line, "\r\n") + "\n"
	start := len(b)
	b = beginBlock(b, blockSecrets)
	b = blockOrder.AppendUint32(b, secretsTLS)
	b = blockOrder.AppendUint32(b, uint32(len(line)))
	b = pad(append(b, line...), len(line))
	return endBlock(b, start)
}

// packetInfo is what a packet block says beside the packet.
type packetInfo struct {
	dir      Dir
	missing  int // bytes of the packet that are not in the capture
	comments []string
}

// beginPacket appends the head of an Enhanced Packet Block.
func beginPacket(b []byte, at time.Time) []byte {
	b = beginBlock(b, blockPacket)
	b = blockOrder.AppendUint32(b, 0) // the interface
	b = appendTime(b, at)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0) // lengths: endPacket
}

// endPacket ends the packet block that begins at start.
func endPacket(b []byte, start int, info packetInfo) []byte {
	captured := len(b) - start - packetHead
	original := captured + min(info.missing, math.MaxInt32-captured)
	blockOrder.PutUint32(b[start+20:], uint32(captured))
	blockOrder.PutUint32(b[start+24:], uint32(original))
	b = pad(b, captured)
	b = appendOption(b, optFlags, []byte{byte(info.dir), 0, 0, 0}) // 1 in, 2 out
	for _, text := range info.comments {
		b = appendOption(b, optComment, []byte(text))
	}
	return endBlock(endOptions(b), start)
}
