package ws

import (
	"fmt"
	"strings"
	"sync"
)

// conformance is a case at the level of frames: what one end sends, and what
// the other has to do about it.
type conformance struct {
	clause, name string
	offer        string // of permessage-deflate; "" is none
	send         []any  // see wire
	make         func(from Role) []any
	hold         bool // nothing more is sent: what came is enough to know

	echo    []string // messages that come back
	pongs   []string
	closes  bool       // the script has a close frame of its own
	code    StatusCode // that comes back; 0 is 1000
	rule    string     // that is broken, and ends it
	finding string     // that does not
	once    bool       // large: not byte by byte
}

func (c *conformance) script(from Role) []byte {
	send := c.send
	if c.make != nil {
		send = c.make(from)
	}
	if c.rule == "" && !c.closes {
		send = append(send[:len(send):len(send)], closeWith(1000, ""))
	}
	return wire(from, send...)
}

const deflateOffer = "permessage-deflate"

// allCases are made once: some are large.
var allCases = sync.OnceValue(func() (all []conformance) {
	for _, some := range [][]conformance{
		headerCases(), lengthCases(), fragmentCases(), controlCases(), closeCases(), textCases(), deflateCases(),
	} {
		all = append(all, some...)
	}
	return all
})

func headerCases() (all []conformance) {
	for rsv := byte(1); rsv < 8; rsv++ {
		all = append(all, conformance{clause: "RFC 6455 5.2", name: fmt.Sprintf("reserved bits %03b without an extension", rsv),
			send: []any{fr{op: OpText, rsv: rsv, data: "x"}}, rule: "frame-rsv", code: 1002})
		if rsv != rsv1 {
			all = append(all, conformance{clause: "RFC 6455 5.2", name: fmt.Sprintf("reserved bits %03b with deflate", rsv), offer: deflateOffer,
				send: []any{fr{op: OpText, rsv: rsv, data: "x"}}, rule: "frame-rsv", code: 1002})
		}
	}
	for op := range Opcode(16) {
		if op.Reserved() {
			all = append(all, conformance{clause: "RFC 6455 5.2", name: "opcode " + op.String(), send: []any{fr{op: op, data: "x"}},
				rule: "frame-opcode-reserved", code: 1002},
				conformance{clause: "RFC 6455 5.2", name: "within a message, opcode " + op.String(),
					send: []any{fr{op: OpText, data: "x", more: true}, fr{op: op}}, rule: "frame-opcode-reserved", code: 1002})
		}
	}
	for _, key := range []string{"\x00\x00\x00\x00", "\x00\x00\x00\x01", "\xff\xff\xff\xff", "Key!"} {
		all = append(all, conformance{clause: "RFC 6455 5.3", name: fmt.Sprintf("masking key %x", key),
			send: []any{fr{op: OpText, data: "some text that is longer than a word", key: key}}, echo: []string{"text:some text that is longer than a word"}})
	}
	for _, f := range []fr{{op: OpText, data: "x", flip: true}, {op: OpPing, flip: true}, {op: OpClose, flip: true}, {op: OpBinary, data: strings.Repeat("x", 70000), flip: true}} {
		all = append(all, conformance{clause: "RFC 6455 5.1", name: "the wrong masking of a " + f.op.String(), send: []any{f}, rule: "masking", code: 1002})
	}
	return all
}

func lengthCases() (all []conformance) {
	for _, n := range []int{0, 1, 2, 124, 125, 126, 127, 128, 4082, 4096, 16384, 65535, 65536, 65537, 1 << 20} {
		s := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		all = append(all, conformance{clause: "RFC 6455 5.2", name: fmt.Sprintf("%d bytes", n), send: []any{text(s), binaries(s)}, echo: []string{"text:" + s, "binary:" + s}, once: n > 1<<16})
	}
	for _, bad := range []fr{
		{op: OpText, wide: 2}, {op: OpText, data: "x", wide: 2}, {op: OpText, data: strings.Repeat("x", 125), wide: 2}, {op: OpPing, data: "x", wide: 2},
		{op: OpText, wide: 8}, {op: OpBinary, data: strings.Repeat("x", 126), wide: 8}, {op: OpBinary, data: strings.Repeat("x", 65535), wide: 8}, {op: OpClose, wide: 8},
	} {
		all = append(all, conformance{clause: "RFC 6455 5.2", name: fmt.Sprintf("a length of %d of a %s in %d bytes", len(bad.data), bad.op, bad.wide),
			send: []any{bad}, rule: "frame-length-not-minimal", code: 1002})
	}
	for _, n := range []uint64{1 << 63, 1<<63 + 1, 1<<64 - 1, 1<<63 + 5} {
		all = append(all, conformance{clause: "RFC 6455 5.2", name: fmt.Sprintf("a length of 0x%x", n), hold: true,
			send: []any{fr{op: OpBinary, says: n, wide: 8}}, rule: "frame-length-top-bit", code: 1002})
	}
	for _, n := range []uint64{32<<20 + 1, 1 << 32, 1<<63 - 1} {
		all = append(all, conformance{clause: "RFC 6455 7.4.1", name: fmt.Sprintf("a header that claims %d bytes", n), hold: true,
			send: []any{fr{op: OpBinary, says: n, wide: 8}}, rule: "message-too-big", code: 1009})
	}
	mega := strings.Repeat("sixteen bytes!! ", 1<<16)
	half := strings.Repeat(mega, 16)
	return append(all,
		conformance{clause: "RFC 6455 5.2", name: "16 MiB in one frame", send: []any{binaries(half)}, echo: []string{"binary:" + half}, once: true},
		conformance{clause: "RFC 6455 5.4", name: "16 MiB of text in frames of 1 MiB", send: []any{fragments(OpText, half, 1<<20)}, echo: []string{"text:" + half}, once: true},
		conformance{clause: "RFC 6455 5.4", name: "4 MiB in frames of 64 bytes", send: []any{fragments(OpBinary, half[:4<<20], 64)}, echo: []string{"binary:" + half[:4<<20]}, once: true},
		conformance{clause: "RFC 6455 7.4.1", name: "fragments that come to more than the limit", hold: true, once: true,
			send: []any{fr{op: OpBinary, data: half, more: true}, fr{op: OpContinuation, data: half, more: true}, fr{op: OpContinuation, says: 1}}, rule: "message-too-big", code: 1009},
		conformance{clause: "RFC 6455 10.4", name: "fragments without end", once: true, send: []any{fr{op: OpText, more: true}, repeated(fr{op: OpContinuation, more: true}, 131072)},
			rule: "message-fragments", code: 1008},
		conformance{clause: "RFC 6455 10.4", name: "as many fragments as may be", once: true,
			send: []any{fr{op: OpText, more: true}, repeated(fr{op: OpContinuation, more: true}, 131070), fr{op: OpContinuation, data: "end"}}, echo: []string{"text:end"}},
	)
}

func repeated(f fr, n int) []fr {
	all := make([]fr, n)
	for i := range all {
		all[i] = f
	}
	return all
}

func fragmentCases() []conformance {
	first := fr{op: OpText, data: "one ", more: true}
	last := fr{op: OpContinuation, data: "three"}
	empty := fr{op: OpContinuation, more: true}
	const clause = "RFC 6455 5.4"
	return []conformance{
		{clause: clause, name: "two fragments", send: []any{first, last}, echo: []string{"text:one three"}},
		{clause: clause, name: "three fragments", send: []any{first, fr{op: OpContinuation, data: "two ", more: true}, last}, echo: []string{"text:one two three"}},
		{clause: clause, name: "empty fragments", send: []any{fr{op: OpBinary, more: true}, empty, empty, fr{op: OpContinuation}}, echo: []string{"binary:"}},
		{clause: clause, name: "empty fragments around", send: []any{fr{op: OpText, more: true}, fr{op: OpContinuation, data: "two", more: true}, fr{op: OpContinuation}}, echo: []string{"text:two"}},
		{clause: clause, name: "a ping between fragments", send: []any{first, fr{op: OpPing, data: "p"}, last}, echo: []string{"text:one three"}, pongs: []string{"p"}},
		{clause: clause, name: "control frames between all fragments", send: []any{first, fr{op: OpPing, data: "p"}, fr{op: OpPong}, fr{op: OpContinuation, data: "two ", more: true}, fr{op: OpPing, data: "q"}, fr{op: OpPing, data: "r"}, last},
			echo: []string{"text:one two three"}, pongs: []string{"p", "q", "r"}},
		{clause: clause, name: "a close between fragments", send: []any{first, closeWith(1001, "off")}, closes: true, code: 1001},
		{clause: clause, name: "two messages in fragments", send: []any{first, last, fr{op: OpBinary, data: "\xff", more: true}, fr{op: OpContinuation, data: "\xfe"}}, echo: []string{"text:one three", "binary:\xff\xfe"}},
		{clause: clause, name: "a continuation of nothing", send: []any{last}, rule: "continuation-unexpected", code: 1002},
		{clause: clause, name: "a continuation of nothing without FIN", send: []any{fr{op: OpContinuation, more: true}}, rule: "continuation-unexpected", code: 1002},
		{clause: clause, name: "a continuation behind a message", send: []any{text("whole"), last}, echo: []string{"text:whole"}, rule: "continuation-unexpected", code: 1002},
		{clause: clause, name: "a continuation behind the last fragment", send: []any{first, last, last}, echo: []string{"text:one three"}, rule: "continuation-unexpected", code: 1002},
		{clause: clause, name: "a text within a text", send: []any{first, text("new")}, rule: "message-interleaved", code: 1002},
		{clause: clause, name: "a binary within a text", send: []any{first, binaries("new")}, rule: "message-interleaved", code: 1002},
		{clause: clause, name: "a fragment with the opcode again", send: []any{first, first}, rule: "message-interleaved", code: 1002},
		{clause: clause, name: "a text behind a ping within a text", send: []any{first, fr{op: OpPing}, text("new")}, pongs: []string{""}, rule: "message-interleaved", code: 1002},
	}
}

func controlCases() (all []conformance) {
	long := strings.Repeat("p", 125)
	for _, op := range []Opcode{OpPing, OpPong, OpClose} {
		all = append(all,
			conformance{clause: "RFC 6455 5.5", name: "a " + op.String() + " in fragments", send: []any{fr{op: op, more: true}}, rule: "control-fragmented", code: 1002},
			conformance{clause: "RFC 6455 5.5", name: "a " + op.String() + " of 126 bytes", send: []any{fr{op: op, data: long + "p"}}, rule: "control-too-long", code: 1002},
			conformance{clause: "RFC 6455 5.5", name: "a " + op.String() + " that claims 1 MiB", send: []any{fr{op: op, says: 1 << 20}}, hold: true, rule: "control-too-long", code: 1002},
			conformance{clause: "RFC 7692 6.1", name: "a compressed " + op.String(), offer: deflateOffer, send: []any{fr{op: op, rsv: rsv1}}, rule: "frame-rsv1-place", code: 1002})
	}
	return append(all,
		conformance{clause: "RFC 6455 5.5.2", name: "a ping", send: []any{fr{op: OpPing}}, pongs: []string{""}},
		conformance{clause: "RFC 6455 5.5.2", name: "a ping of 125 bytes", send: []any{fr{op: OpPing, data: long}}, pongs: []string{long}},
		conformance{clause: "RFC 6455 5.5.2", name: "a ping that is no text", send: []any{fr{op: OpPing, data: "\x00\xff\xfe"}}, pongs: []string{"\x00\xff\xfe"}},
		conformance{clause: "RFC 6455 5.5.2", name: "ten pings", send: []any{pings(10)}, pongs: strings.Split("0 1 2 3 4 5 6 7 8 9", " ")},
		conformance{clause: "RFC 6455 5.5.3", name: "a pong that nobody asked for", send: []any{fr{op: OpPong}, fr{op: OpPong, data: long}, fr{op: OpPong, data: "1"}, text("on")}, echo: []string{"text:on"}},
		conformance{clause: "RFC 6455 10.4", name: "pings without end", once: true, send: []any{repeated(fr{op: OpPong}, 1001)}, rule: "control-rate", code: 1008},
	)
}

func pings(n int) (all []fr) {
	for i := range n {
		all = append(all, fr{op: OpPing, data: fmt.Sprint(i)})
	}
	return all
}

func closeCases() (all []conformance) {
	for _, code := range []int{0, 1, 42, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 5001, 9999, 65535} {
		all = append(all, conformance{clause: "RFC 6455 7.4", name: fmt.Sprintf("code %d", code), send: []any{closeWith(code, "why")}, closes: true, rule: "close-code", code: 1002})
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		all = append(all, conformance{clause: "RFC 6455 7.4", name: fmt.Sprintf("code %d", code), send: []any{closeWith(code, "why")}, closes: true, code: StatusCode(code)})
	}
	reason := strings.Repeat("ü", 61) + "."
	return append(all,
		conformance{clause: "RFC 6455 5.5.1", name: "no body", send: []any{fr{op: OpClose}}, closes: true, code: 1005},
		conformance{clause: "RFC 6455 5.5.1", name: "a body of one byte", send: []any{fr{op: OpClose, data: "\x03"}}, closes: true, rule: "close-one-byte", code: 1002},
		conformance{clause: "RFC 6455 5.5.1", name: "a reason of 123 bytes", send: []any{closeWith(1000, reason)}, closes: true},
		conformance{clause: "RFC 6455 5.5.1", name: "a reason that is no UTF-8", send: []any{closeWith(1000, "\xff")}, closes: true, rule: "close-reason-utf8", code: 1007},
		conformance{clause: "RFC 6455 5.5.1", name: "a reason cut within a character", send: []any{closeWith(1000, "\xc3")}, closes: true, rule: "close-reason-utf8", code: 1007},
		conformance{clause: "RFC 6455 5.5.1", name: "a text behind the close", send: []any{closeWith(1000, ""), text("x")}, closes: true, finding: "data-after-close"},
		conformance{clause: "RFC 6455 5.5.1", name: "a ping behind the close", send: []any{closeWith(1000, ""), fr{op: OpPing}}, closes: true, finding: "data-after-close"},
		conformance{clause: "RFC 6455 5.5.1", name: "nonsense behind the close", send: []any{closeWith(4000, ""), "\xff\xff\xff\xff"}, closes: true, code: 4000, finding: "data-after-close"},
		conformance{clause: "RFC 6455 5.5.1", name: "a second close", send: []any{closeWith(1000, ""), closeWith(1001, "")}, closes: true, finding: "data-after-close"},
	)
}
