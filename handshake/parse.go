package handshake

import "bytes"

// fault is something wrong with a head that only whoever reads the bytes can
// see. Rules turn faults into findings.
type fault uint8

const (
	notHTTP fault = iota
	tlsRecord
	http2
	emptyHead
	tooLarge
	tooManyFields
	unfinished
	badLine
	noReasonSpace
	bareLF
	bareCR
	nulByte
	controlByte
	obsFold
	spaceBeforeColon
	leadingSpace
	noColon
	badName
	highByte
	emptyLines
	numFaults
)

// note records a fault, and where it was met first.
func (h *Head) note(f fault, at int) {
	if h.faults&(1<<f) == 0 {
		h.faults |= 1 << f
		h.at[f] = int32(at)
	}
}

// is reports whether the head has the fault.
func (h *Head) is(f fault) bool { return h.faults&(1<<f) != 0 }

// unreadable reports whether there is no HTTP in the head at all.
func (h *Head) unreadable() bool {
	return h.faults&(1<<notHTTP|1<<tlsRecord|1<<http2|1<<emptyHead) != 0
}

// Sound reports whether nothing was met in the head that a strict reader would not
// take for what it is: bare line feeds, folded lines, spaces out of place and the
// like.
func (h *Head) Sound() bool { return h.faults == 0 }

// ParseRequest reads the head of a request at the beginning of buf, and
// returns how many bytes it takes. What stands behind is not touched. Limits
// may be nil.
//
// The error is ErrNeedMore while the head is not complete, and ErrTooLarge,
// ErrTooManyFields or ErrNotHTTP where it never will be. Everything else that
// is wrong is no error here: it is kept, and a rule finds it. After an error
// other than ErrNeedMore the head holds what could be read, so that it can be
// judged and answered like any other.
func (h *Head) ParseRequest(buf []byte, limits *Limits) (int, error) {
	return h.read(buf, limits, false)
}

// ParseResponse is [Head.ParseRequest] for a response.
func (h *Head) ParseResponse(buf []byte, limits *Limits) (int, error) {
	return h.read(buf, limits, true)
}

func (h *Head) read(buf []byte, limits *Limits, response bool) (int, error) {
	s := Scanner{Response: response}
	n, err := s.Scan(buf, limits)
	h.Reset()
	h.response = response
	switch err {
	case nil:
		h.parse(buf[:n], response)
		return n, nil
	case ErrNeedMore:
		return 0, err
	case ErrNotHTTP:
		h.Raw = buf
		h.identifyForeign()
		return 0, err
	}
	h.parse(buf[:min(len(buf), limits.bytes())], response)
	if err == ErrTooLarge {
		h.note(tooLarge, 0)
	} else {
		h.note(tooManyFields, 0)
	}
	return 0, err
}

// capture reads all that there is, whole or not: for bytes that nothing will
// follow. It returns the size of the head.
func (h *Head) capture(buf []byte, response bool) int {
	n, err := h.read(buf, &Limits{MaxBytes: max(defaultMaxBytes, len(buf)+1)}, response)
	if err != ErrNeedMore {
		return n
	}
	h.response = response
	if len(buf) == 0 {
		h.note(emptyHead, 0)
		return 0
	}
	h.parse(buf, response)
	h.note(unfinished, len(buf)-1)
	return len(buf)
}

// parse takes a head apart, line by line.
func (h *Head) parse(raw []byte, response bool) {
	h.Raw, h.response = raw, response
	pos := 0
	for pos < len(raw) {
		end := h.lineEnd(pos)
		line := trimEOL(raw[pos:end])
		switch {
		case len(line) == 0 && h.line == nil:
			h.lead = raw[:end]
			h.note(emptyLines, pos)
		case len(line) == 0:
			h.end = raw[pos:end]
		case h.line == nil:
			h.line = raw[pos:end]
			h.parseFirst(line, pos)
		case isBlank(line[0]):
			h.fold(raw[pos:end], line, pos)
		default:
			h.parseField(raw[pos:end], line, pos)
		}
		pos = end
	}
}

// lineEnd finds the end of the line that begins at pos (RFC 9112 2.2).
func (h *Head) lineEnd(pos int) int {
	i := bytes.IndexByte(h.Raw[pos:], '\n')
	if i < 0 {
		return len(h.Raw)
	}
	if i == 0 || h.Raw[pos+i-1] != '\r' {
		h.note(bareLF, pos)
	}
	return pos + i + 1
}

func (h *Head) parseFirst(line []byte, pos int) {
	if c := classOf(line); c&isControlByte != 0 {
		h.noteControls(line, pos)
	}
	if h.response {
		h.parseStatusLine(line, pos)
		return
	}
	h.parseRequestLine(line, pos)
	if string(h.Method) == "PRI" && string(h.Proto) == "HTTP/2.0" { // RFC 9113 3.4
		h.note(http2, pos)
	}
}

// parseRequestLine reads "method SP target SP version" (RFC 9112 3).
func (h *Head) parseRequestLine(line []byte, pos int) {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	i := bytes.LastIndexByte(rest, ' ')
	if !ok || i < 0 || !isToken(method) {
		h.note(badLine, pos)
		h.Method, h.Target = method, trim(rest)
		h.setProto(nil)
		return
	}
	h.Method, h.Target = method, rest[:i]
	h.setProto(rest[i+1:])
	if bytes.IndexByte(h.Target, ' ') >= 0 || bytes.IndexByte(rest, '\t') >= 0 || len(h.Target) == 0 || len(h.Proto) == 0 {
		h.note(badLine, pos)
		h.Target = trim(h.Target)
	}
}

// parseStatusLine reads "version SP status SP [reason]" (RFC 9112 4).
func (h *Head) parseStatusLine(line []byte, pos int) {
	proto, rest, ok := bytes.Cut(line, []byte(" "))
	code, reason, spaced := bytes.Cut(rest, []byte(" "))
	h.setProto(proto)
	h.Reason = reason
	if !ok || len(code) != 3 || !isDigits(code) || code[0] == '0' {
		h.note(badLine, pos)
		return
	}
	h.Status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	if !spaced {
		h.note(noReasonSpace, pos)
	}
}

// parseField reads "name: value" (RFC 9112 5).
func (h *Head) parseField(raw, line []byte, pos int) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		h.note(noColon, pos)
		h.noteControls(line, pos)
		h.fields = append(h.fields, Field{Value: line, Raw: raw})
		return
	}
	name, value := line[:i], trim(line[i+1:])
	if i > 0 && isBlank(line[i-1]) {
		h.note(spaceBeforeColon, pos)
		name = trim(name)
	}
	if !isToken(name) {
		h.note(badName, pos)
		h.noteControls(name, pos)
	}
	if c := classOf(value); c&(isControlByte|isHighByte) != 0 {
		h.noteControls(value, pos)
		if c&isHighByte != 0 {
			h.note(highByte, pos)
		}
	}
	h.fields = append(h.fields, Field{Name: name, Value: value, Raw: raw, id: identify(name)})
	h.enter(len(h.fields) - 1)
}

// fold joins a line that begins with whitespace to the field before it, as
// RFC 9112 5.2 tells a user agent to. Before the first field it belongs to
// nothing (RFC 9112 2.2).
func (h *Head) fold(raw, line []byte, pos int) {
	h.noteControls(line, pos)
	if len(h.fields) == 0 {
		h.note(leadingSpace, pos)
		h.fields = append(h.fields, Field{Value: line, Raw: raw})
		return
	}
	h.note(obsFold, pos)
	f := &h.fields[len(h.fields)-1]
	f.Raw = f.Raw[:len(f.Raw)+len(raw)] // the lines stand behind one another
	if !f.folded {                      // from here on the value has memory of its own, which grows
		f.Value, f.folded = append([]byte{}, f.Value...), true
	}
	f.Value = append(append(f.Value, ' '), trim(line)...)
	if len(f.Value) > 0 && isBlank(f.Value[0]) {
		f.Value = f.Value[1:]
	}
}

// noteControls notes which control characters stand in b.
func (h *Head) noteControls(b []byte, pos int) {
	for _, c := range b {
		switch {
		case classes[c]&isControlByte == 0:
		case c == 0:
			h.note(nulByte, pos)
		case c == '\r':
			h.note(bareCR, pos)
		default:
			h.note(controlByte, pos)
		}
	}
}

// identifyForeign says what came where HTTP was due.
func (h *Head) identifyForeign() {
	switch kind := Sniff(h.Raw); {
	case kind == "TLS":
		h.note(tlsRecord, 0)
	case kind == "HTTP/2":
		h.note(http2, 0)
	default:
		h.note(notHTTP, 0)
	}
}
