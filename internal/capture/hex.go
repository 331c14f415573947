package capture

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// block is what one dump of bytes holds.
type block struct {
	dir  trace.Dir // of sockkit -vvvv; else none
	conn string    // likewise
	data []byte
}

// hexLine is a line of a dump, of xxd, hexdump -C, tshark -x, od -A x -t x1 or
// sockkit -vvvv.
type hexLine struct {
	dir    trace.Dir
	conn   string
	offset int
	data   []byte
	stars  bool // hexdump: the line before is repeated
}

// readDump reads a hex dump, and reports whether the text is one: most of its
// first lines are lines of a dump, or all are digits.
func readDump(b []byte) ([]block, bool) {
	if plain, ok := plainHex(b); ok {
		return []block{{data: plain}}, true
	}
	if !mostlyHex(b) {
		return nil, false
	}
	d := &dump{}
	for line := range bytes.Lines(b) {
		d.line(string(bytes.TrimRight(line, "\r\n")))
	}
	d.end()
	return d.blocks, len(d.blocks) > 0
}

// mostlyHex looks at the first lines.
func mostlyHex(b []byte) bool {
	hexes, others := 0, 0
	for line := range bytes.Lines(b[:min(len(b), 64<<10)]) {
		text := string(bytes.TrimRight(line, "\r\n"))
		if _, ok := parseHexLine(text); ok {
			hexes++
		} else if strings.TrimSpace(text) != "" && !strings.HasPrefix(text, "* ") {
			others++
		}
	}
	return hexes > 0 && (hexes > others || hasOurs(b))
}

// hasOurs knows what sockkit -vvvv shows among its other lines.
func hasOurs(b []byte) bool {
	for line := range bytes.Lines(b[:min(len(b), 64<<10)]) {
		if l, ok := parseHexLine(string(bytes.TrimRight(line, "\r\n"))); ok && l.dir != trace.None {
			return true
		}
	}
	return false
}

// plainHex reads digits and nothing else (xxd -p).
func plainHex(b []byte) ([]byte, bool) {
	first, _, _ := bytes.Cut(b, []byte("\n"))
	if l, ok := parseHexLine(string(first)); ok && l.offset == 0 {
		return nil, false
	}
	digits := bytes.Join(bytes.Fields(b[:min(len(b), mostText)]), nil)
	if len(digits) < 4 || len(digits)%2 != 0 {
		return nil, false
	}
	out := make([]byte, len(digits)/2)
	if _, err := hex.Decode(out, digits); err != nil {
		return nil, false
	}
	return out, true
}

// dump collects the lines of a text.
type dump struct {
	blocks  []block
	open    block
	begun   bool
	stars   bool
	section bool // one of tshark's that is not the packet itself
}

func (d *dump) line(text string) {
	l, ok := parseHexLine(text)
	switch {
	case !ok && strings.HasSuffix(text, " bytes):"), !ok && strings.HasSuffix(text, " byte):"): // tshark names each source of bytes
		d.end()
		d.section = !strings.HasPrefix(text, "Frame (") && !strings.HasPrefix(text, "Packet (")
		return
	case !ok:
		if strings.TrimSpace(text) == "" { // between packets, and between tshark's sections
			d.end()
			d.section = false
		}
		return
	case d.section:
		return
	case l.stars:
		d.stars = true
		return
	}
	if l.offset == 0 || !d.begun || l.dir != d.open.dir || l.conn != d.open.conn || l.offset < len(d.open.data) {
		d.end()
		d.open, d.begun = block{dir: l.dir, conn: l.conn}, true
	}
	if d.stars {
		d.repeat(l.offset)
	}
	d.open.data = append(d.open.data, l.data...)
}

// repeat fills up to an offset with the last sixteen bytes.
func (d *dump) repeat(to int) {
	d.stars = false
	row := bytes.Clone(d.open.data[max(len(d.open.data)-16, 0):])
	for len(row) > 0 && len(d.open.data) < min(to, mostText) {
		d.open.data = append(d.open.data, row[:min(len(row), to-len(d.open.data))]...)
	}
}

func (d *dump) end() {
	if d.begun && len(d.open.data) > 0 {
		d.blocks = append(d.blocks, d.open)
	}
	d.open, d.begun, d.stars = block{}, false, false
}

// parseHexLine reads one line.
func parseHexLine(text string) (l hexLine, ok bool) {
	if text == "*" {
		return hexLine{stars: true}, true
	}
	rest := text
	if len(rest) > 2 && (rest[0] == '>' || rest[0] == '<') && rest[1] == ' ' {
		l.dir = map[byte]trace.Dir{'>': trace.Out, '<': trace.In}[rest[0]]
		rest = rest[2:]
		if tag, behind, found := strings.Cut(rest, "] "); found && strings.HasPrefix(tag, "[") {
			l.conn, rest = tag[1:], behind
		}
	}
	rest = strings.TrimLeft(rest, " ")
	end := 0
	for end < len(rest) && isHexDigit(rest[end]) {
		end++
	}
	if end < 4 || end > 8 || end == len(rest) && end < 6 {
		return l, false
	}
	offset, err := strconv.ParseUint(rest[:end], 16, 32)
	if err != nil {
		return l, false
	}
	l.offset, rest = int(offset), rest[end:]
	l.data, ok = hexColumns(rest)
	return l, ok
}

// hexColumns reads the bytes behind an offset, and not the text beside them.
func hexColumns(rest string) ([]byte, bool) {
	if columns, ok := strings.CutPrefix(rest, ": "); ok { // xxd: two spaces are before the text
		columns, _, _ = strings.Cut(columns, "  ")
		return hexBytes(columns)
	}
	if rest == "" { // hexdump ends with the size
		return nil, true
	}
	columns := strings.TrimLeft(rest, " ")
	if len(columns) == len(rest) {
		return nil, false
	}
	if at := strings.Index(columns, " |"); at >= 0 {
		columns = columns[:at]
	}
	return hexBytes(columns[:min(len(columns), 48)])
}

// hexBytes reads pairs of digits, up to what is none where a gap stands before it.
func hexBytes(columns string) ([]byte, bool) {
	var out []byte
	for word := range strings.FieldsSeq(columns) {
		b, err := hex.DecodeString(word)
		if err != nil || len(b) == 0 {
			return nil, false
		}
		out = append(out, b...)
	}
	return out, len(out) > 0
}

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// dump goes on with the bytes of a dump: packets, a file, or what was said.
func (r *reader) dump(blocks []block) error {
	switch {
	case blocks[0].dir != trace.None:
		r.directed(blocks)
		return nil
	case isPCAP(blocks[0].data) || isPCAPNG(blocks[0].data):
		return wrong(0, "a hex dump of a capture file: turn it back into one first, as with xxd -r")
	}
	if link, ok := looksLike(blocks[0].data); ok {
		a := newAssembler(r)
		for _, b := range blocks {
			a.packet(&packet{link: link, data: b.data, size: len(b.data)})
		}
		a.finish()
		return nil
	}
	var all []byte
	for _, b := range blocks {
		all = append(all, b.data...)
	}
	r.raw(all)
	return nil
}

// looksLike knows packets without a capture around them: Ethernet, raw IP, or
// Linux's "any" device.
func looksLike(b []byte) (uint32, bool) {
	for _, link := range []uint32{linkEthernet, linkRaw, linkSLL, linkSLL2, linkNull} {
		inner, why := network(link, b)
		if why != "" {
			continue
		}
		if d, why := parseIP(inner, 0); why == "" && d.missing == 0 && (d.protocol == protoTCP || d.protocol == protoUDP) {
			return link, true
		}
	}
	return 0, false
}

// directed reads what sockkit -vvvv showed: its directions are known.
func (r *reader) directed(blocks []block) {
	talks := map[string]*talk{}
	var order []*talk
	for _, b := range blocks {
		t := talks[b.conn]
		if t == nil {
			t = r.speaker()
			talks[b.conn] = t
			order = append(order, t)
		}
		t.say(roleOf(b.dir), b.data)
	}
	for _, t := range order {
		t.end(ws.ClientRole, false)
		t.end(ws.ServerRole, false)
	}
}

func roleOf(d trace.Dir) ws.Role {
	if d == trace.Out {
		return ws.ClientRole
	}
	return ws.ServerRole
}
