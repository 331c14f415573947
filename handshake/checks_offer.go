package handshake

import "bytes"

// length is the one value of Content-Length, repeated or not (RFC 9112 6.3).
func (h *Head) length() (v []byte, ok bool) {
	v = h.value(contentLengthField)
	for i := h.after(contentLengthField, -1); i >= 0; i = h.after(contentLengthField, i) {
		if !bytes.Equal(h.fields[i].Value, v) {
			return v, false
		}
	}
	return v, isDigits(v)
}

func lengthBad(x *Exchange) *hit {
	h := x.Request
	if h.has(contentLengthField) == 0 {
		return nil
	}
	if _, ok := h.length(); ok {
		return nil
	}
	return h.shows(contentLengthField)
}

func lengthAndEncoding(x *Exchange) *hit {
	h := x.Request
	if h.has(contentLengthField) == 0 || h.has(transferEncodingField) == 0 {
		return nil
	}
	return &hit{came: h.shows(contentLengthField).came + " and " + h.shows(transferEncodingField).came}
}

func bodyLength(x *Exchange) *hit {
	h := x.Request
	if h.has(contentLengthField) == 0 || h.has(transferEncodingField) > 0 {
		return nil
	}
	if v, ok := h.length(); !ok || len(bytes.Trim(v, "0")) == 0 {
		return nil
	}
	return h.shows(contentLengthField)
}

func bodyChunked(x *Exchange) *hit {
	if h := x.Request; h.has(transferEncodingField) > 0 && h.has(contentLengthField) == 0 {
		return h.shows(transferEncodingField)
	}
	return nil
}

func expectation(x *Exchange) *hit {
	if h := x.Request; h.has(expectField) > 0 {
		return h.shows(expectField)
	}
	return nil
}

func earlyData(x *Exchange) *hit {
	if len(x.Early) > 0 {
		return &hit{came: count(len(x.Early), "byte", "bytes") + " behind the request: " + hexOf(x.Early)}
	}
	return nil
}

func originTwice(x *Exchange) *hit {
	if h := x.Request; h.has(originField) > 1 {
		return h.shows(originField)
	}
	return nil
}

func originBad(x *Exchange) *hit {
	h := x.Request
	if h.has(originField) != 1 || isOrigin(h.value(originField)) {
		return nil
	}
	return h.shows(originField)
}

// isOrigin reports whether b is "null" or scheme "://" host [ ":" port ]
// (RFC 6454 7). Browsers write "file://" for pages from a disk.
func isOrigin(b []byte) bool {
	scheme, host, ok := bytes.Cut(b, []byte("://"))
	if !ok {
		return string(b) == "null"
	}
	return isToken(scheme) && (isAuthority(host) || string(scheme) == "file" && len(host) == 0)
}

// each walks over the elements of the list that the fields of a name make up,
// without the empty ones (RFC 9110 5.6.1.2), until f returns false.
func (h *Head) each(id fieldID, f func(item []byte) bool) {
	for i := h.after(id, -1); i >= 0; i = h.after(id, i) {
		l := list{rest: h.fields[i].Value}
		for item, ok := l.next(); ok; item, ok = l.next() {
			if len(item) > 0 && !f(item) {
				return
			}
		}
	}
}

// maxProtocols bounds the subprotocols that are compared with one another.
const maxProtocols = 100

func (h *Head) protocols() (n int) {
	h.each(protocolField, func([]byte) bool { n++; return n <= maxProtocols })
	return n
}

func protocolEmpty(x *Exchange) *hit {
	if h := x.Request; h.has(protocolField) > 0 && h.protocols() == 0 {
		return h.shows(protocolField)
	}
	return nil
}

func protocolMany(x *Exchange) *hit {
	h := x.Request
	if h.has(protocolField) == 0 || h.protocols() <= maxProtocols {
		return nil
	}
	return &hit{came: "more than 100 names: " + h.shows(protocolField).came}
}

func protocolBad(x *Exchange) *hit {
	h := x.Request
	var bad []byte
	h.each(protocolField, func(item []byte) bool {
		if !isToken(item) {
			bad = item
		}
		return bad == nil
	})
	if bad == nil {
		return nil
	}
	return &hit{came: quote(bad)}
}

func protocolTwice(x *Exchange) *hit {
	h := x.Request
	if h.has(protocolField) == 0 || h.protocols() > maxProtocols {
		return nil
	}
	var twice []byte
	at := 0
	h.each(protocolField, func(item []byte) bool {
		at++
		n := 0
		h.each(protocolField, func(other []byte) bool {
			if n++; n < at && bytes.Equal(item, other) {
				twice = item
			}
			return n < at && twice == nil
		})
		return twice == nil
	})
	if twice == nil {
		return nil
	}
	return &hit{came: quote(twice) + " twice"}
}

// extensions walks over the elements of Sec-WebSocket-Extensions in all its
// lines, as far as the grammar is kept. f has to read the parameters.
func (h *Head) extensions(f func(name []byte, s *extensionScanner)) {
	for i := h.after(extensionsField, -1); i >= 0; i = h.after(extensionsField, i) {
		s := extensionScanner{rest: h.fields[i].Value}
		for name, more := s.extension(); more; name, more = s.extension() {
			f(name, &s)
		}
		if s.bad {
			return
		}
	}
}

func skipParams(_ []byte, s *extensionScanner) {
	for _, ok := s.param(); ok; _, ok = s.param() {
	}
}

func offerBad(x *Exchange) *hit { return x.Request.extensionsBad() }

func (h *Head) extensionsBad() *hit {
	if h.has(extensionsField) == 0 || h.extensionsOK() {
		return nil
	}
	return h.shows(extensionsField)
}

// extensionsOK is what extensions reports. It allocates nothing.
func (h *Head) extensionsOK() bool {
	n := 0
	for i := h.after(extensionsField, -1); i >= 0; i = h.after(extensionsField, i) {
		s := extensionScanner{rest: h.fields[i].Value}
		for _, more := s.extension(); more; _, more = s.extension() {
			n++
			for _, ok := s.param(); ok; _, ok = s.param() {
			}
		}
		if s.bad {
			return false
		}
	}
	return n > 0
}

// isRegistered knows IANA's registry of extensions (RFC 6455 11.4).
func isRegistered(name []byte) bool {
	return string(name) == deflateName || string(name) == "bbf-usp-protocol"
}

func offerUnregistered(x *Exchange) *hit {
	var unknown []byte
	x.Request.extensions(func(name []byte, s *extensionScanner) {
		skipParams(name, s)
		if !isRegistered(name) && unknown == nil && !s.bad {
			unknown = name
		}
	})
	if unknown == nil {
		return nil
	}
	return &hit{came: quote(unknown)}
}

// deflateIn finds the first permessage-deflate element with one problem.
func (h *Head) deflateIn(problem deflateProblem, offer bool) *hit {
	var w *hit
	h.extensions(func(name []byte, s *extensionScanner) {
		if string(name) != deflateName {
			skipParams(name, s)
			return
		}
		_, found, culprit := scanDeflate(s, offer)
		if w == nil && found == problem && !s.bad {
			w = &hit{came: culprit.show()}
		}
	})
	return w
}

// show is the parameter as it came.
func (p scannedParam) show() string {
	switch {
	case p.quoted:
		return show(p.name) + `="` + show(p.value) + `"`
	case p.hasValue:
		return show(p.name) + "=" + show(p.value)
	}
	return show(p.name)
}

func offeredDeflate(problem deflateProblem) func(*Exchange) *hit {
	return func(x *Exchange) *hit { return x.Request.deflateIn(problem, true) }
}

func hixieRequest(x *Exchange) *hit {
	if h := x.Request; h.Has("Sec-WebSocket-Key1") || h.Has("Sec-WebSocket-Key2") {
		return &hit{came: "Sec-WebSocket-Key1: " + show([]byte(h.Get("Sec-WebSocket-Key1")))}
	}
	return nil
}

func draftOrigin(x *Exchange) *hit {
	if h := x.Request; h.Has("Sec-WebSocket-Origin") {
		return &hit{came: "Sec-WebSocket-Origin: " + show([]byte(h.Get("Sec-WebSocket-Origin")))}
	}
	return nil
}

func acceptInRequest(x *Exchange) *hit {
	if h := x.Request; h.has(acceptField) > 0 {
		return h.shows(acceptField)
	}
	return nil
}
