package ws

import (
	"fmt"
	"strings"
)

// noUTF8 are beginnings of texts that nothing can follow any more.
var noUTF8 = []string{
	"\x80", "\xbf", "\xc0", "\xc1", "\xf5", "\xf8", "\xfe", "\xff", "ok\xff", "\xc3\x28", "\xe2\x28", "\xe2\x82\x28",
	"\xe0\x80", "\xe0\x9f", "\xed\xa0", "\xed\xbf", "\xf0\x80", "\xf0\x8f", "\xf4\x90", "\xf4\xbf", "\xf0\x9f\x98\x28", "κόσμε\xed\xa0",
}

// someUTF8 are texts with characters of each length, at both ends of them.
var someUTF8 = []string{
	"κόσμε", "\x00\x7f", "\u0080\u07ff", "\u0800\ud7ff\ue000\uffff", "\U00010000\U0010ffff", "€ 5, 😀 und Grüße", "\ufffe\uffff", "\ufeff",
}

func textCases() (all []conformance) {
	const clause = "RFC 6455 8.1"
	bad := func(name string, hold bool, send ...any) {
		all = append(all, conformance{clause: clause, name: name, hold: hold, send: send, rule: "text-utf8", code: 1007})
	}
	for _, s := range noUTF8 {
		bad(fmt.Sprintf("%q in one frame", s), false, text(s))
		bad(fmt.Sprintf("%q in a frame that is not complete", s), true, fr{op: OpText, data: s, says: 200})
		bad(fmt.Sprintf("%q in a frame of 1 MiB that is not complete", s), true, fr{op: OpText, data: s, says: 1 << 20})
		bad(fmt.Sprintf("%q in a fragment", s), true, fr{op: OpText, data: s, more: true})
		for cut := 1; cut < len(s); cut++ {
			bad(fmt.Sprintf("%q cut behind byte %d", s, cut), false, fragments(OpText, s, cut))
		}
	}
	for _, s := range someUTF8 {
		for cut := 1; cut < len(s); cut++ {
			all = append(all, conformance{clause: clause, name: fmt.Sprintf("%q in fragments of %d", s, cut), send: []any{fragments(OpText, s, cut)}, echo: []string{"text:" + s}})
		}
		whole := []rune(s)
		last := string(whole[len(whole)-1])
		for cut := 1; cut < len(last); cut++ {
			bad(fmt.Sprintf("%q without its last %d bytes", s, cut), false, text(s[:len(s)-cut]))
			bad(fmt.Sprintf("%q without its last %d bytes, in fragments", s, cut), false, fragments(OpText, s[:len(s)-cut], 1))
		}
	}
	return append(all, conformance{clause: clause, name: "a ping within a character", send: []any{fr{op: OpText, data: "\xe2\x82", more: true}, fr{op: OpPing, data: "\xff"}, fr{op: OpContinuation, data: "\xac"}},
		echo: []string{"text:€"}, pongs: []string{"\xff"}})
}

// prose is text that compresses, and whose repetitions are further apart than
// the smaller windows reach.
func prose(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d of some text that repeats itself, %x; ", i%97, uint32(i*i)*2654435761)
	}
	return b.String()[:n]
}

func deflateCases() (all []conformance) {
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{true, false} {
			all = append(all, windowCase(bits, takeover))
		}
	}
	const clause = "RFC 7692 7.2.2"
	hello := newPacking(15).pack("Hello", false)
	broken := func(name, data string) {
		all = append(all, conformance{clause: clause, name: name, offer: deflateOffer, send: []any{fr{op: OpBinary, rsv: rsv1, data: data}}, rule: "deflate-broken", code: 1007})
	}
	broken("no deflate", "\xff\xff\xff\xff")
	broken("no data at all", "")
	broken("a zlib header", "\x78\x9c"+hello)
	broken("a gzip header", "\x1f\x8b\x08\x00\x00\x00\x00\x00"+hello)
	broken("a distance beyond the beginning", "\x4a\x04\x22\x00\xfa")
	broken("final blocks without end", strings.Repeat("\x03\x00", 100000))
	fine := func(name string, want string, parts ...any) {
		all = append(all, conformance{clause: clause, name: name, offer: deflateOffer, send: parts, echo: []string{want}})
	}
	fine("an example of the RFC", "text:Hello", fr{op: OpText, rsv: rsv1, data: "\xf2\x48\xcd\xc9\xc9\x07\x00"})
	fine("no compression", "text:Hello", fr{op: OpText, rsv: rsv1, data: "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"})
	fine("a final block", "text:Hello", fr{op: OpText, rsv: rsv1, data: "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"})
	fine("a final block without the byte behind it", "text:Hello", fr{op: OpText, rsv: rsv1, data: "\xf3\x48\xcd\xc9\xc9\x07\x00"})
	fine("two blocks", "text:Hello", fr{op: OpText, rsv: rsv1, data: "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"})
	fine("an empty message", "text:", fr{op: OpText, rsv: rsv1, data: "\x00"})
	fine("an empty message of a final block", "binary:", fr{op: OpBinary, rsv: rsv1, data: "\x03\x00"})
	fine("a message that is not compressed", "text:plain", text("plain"))
	for cut := 1; cut < len(hello); cut++ {
		f := fragments(OpText, hello, cut)
		f[0].rsv = rsv1
		fine(fmt.Sprintf("fragments of %d", cut), "text:Hello", f)
	}
	fine("a ping between fragments", "text:Hello", fr{op: OpText, rsv: rsv1, data: hello[:3], more: true}, fr{op: OpPong}, fr{op: OpContinuation}, text("")) // mended below
	all[len(all)-1].send = []any{fr{op: OpText, rsv: rsv1, data: hello[:3], more: true}, fr{op: OpPong}, fr{op: OpContinuation, data: hello[3:]}}
	bomb := newPacking(15).pack(strings.Repeat("\x00", 32<<20+1), false)
	most := newPacking(15).pack(strings.Repeat("\x00", 32<<20), false)
	return append(all,
		conformance{clause: "RFC 7692 8", name: "a bomb", offer: deflateOffer, once: true, send: []any{fr{op: OpBinary, rsv: rsv1, data: bomb}}, rule: "deflate-too-big", code: 1009},
		conformance{clause: "RFC 7692 8", name: "as much as may be", offer: deflateOffer, once: true, send: []any{fr{op: OpBinary, rsv: rsv1, data: most}}, echo: []string{"binary:" + strings.Repeat("\x00", 32<<20)}},
		conformance{clause: "RFC 6455 8.1", name: "a compressed text that is no UTF-8", offer: deflateOffer, send: []any{packed(OpText, "\xff")}, rule: "text-utf8", code: 1007},
		conformance{clause: "RFC 6455 8.1", name: "a compressed text cut within a character", offer: deflateOffer, send: []any{packed(OpText, "\xe2\x82")}, rule: "text-utf8", code: 1007},
		conformance{clause: "RFC 7692 6.1", name: "RSV1 on each fragment", offer: deflateOffer, send: []any{fr{op: OpText, rsv: rsv1, data: hello[:3], more: true}, fr{op: OpContinuation, rsv: rsv1, data: hello[3:]}},
			rule: "frame-rsv1-place", code: 1002},
		conformance{clause: "RFC 7692 6.1", name: "RSV1 on the last fragment", offer: deflateOffer, send: []any{fr{op: OpText, data: hello[:3], more: true}, fr{op: OpContinuation, rsv: rsv1, data: hello[3:]}},
			rule: "frame-rsv1-place", code: 1002},
		contextKept(),
	)
}

// windowCase sends messages that are larger than the window, some with what
// stood in earlier ones.
func windowCase(bits int, takeover bool) conformance {
	c := conformance{clause: "RFC 7692 7.1", name: fmt.Sprintf("a window of %d bits, takeover %v", bits, takeover), once: true}
	c.offer = fmt.Sprintf("permessage-deflate; server_max_window_bits=%d; client_max_window_bits=%d", bits, bits)
	if !takeover {
		c.offer += "; server_no_context_takeover; client_no_context_takeover"
	}
	p := newPacking(bits)
	for _, n := range []int{10, 300, 5000, 100000, 300, 300, 5000, 10} {
		s := prose(n)
		c.send = append(c.send, fr{op: OpText, rsv: rsv1, data: p.pack(s, !takeover)})
		c.echo = append(c.echo, "text:"+s)
	}
	return c
}

// contextKept is a sender that keeps the context that both agreed to drop.
func contextKept() conformance {
	p, s := newPacking(15), prose(3000)
	first, second := p.pack(s, false), p.pack(s, false)
	return conformance{clause: "RFC 7692 7.1.1", name: "a context that was to be dropped", offer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		send: []any{fr{op: OpText, rsv: rsv1, data: first}, fr{op: OpText, rsv: rsv1, data: second}}, echo: []string{"text:" + s}, rule: "deflate-broken", code: 1007}
}
