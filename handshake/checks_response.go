package handshake

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

func responseVersionMalformed(x *Exchange) *hit {
	if h := x.Response; !h.is(badLine) && h.major < 0 {
		return &hit{came: quote(h.Proto)}
	}
	return nil
}

func responseVersionOld(x *Exchange) *hit {
	if h := x.Response; h.major == 0 || h.major == 1 && h.minor == 0 {
		return &hit{came: show(h.AppendLine(nil))}
	}
	return nil
}

func responseVersionNew(x *Exchange) *hit {
	if h := x.Response; h.major > 1 {
		return &hit{came: show(h.AppendLine(nil))}
	}
	return nil
}

func answeredNoUpgrade(x *Exchange) *hit {
	if x.Response.has(upgradeField) == 0 {
		return without(upgradeField)
	}
	return nil
}

func answeredOtherUpgrade(x *Exchange) *hit {
	if h := x.Response; h.has(upgradeField) > 0 && !h.lists(upgradeField, "websocket") {
		return h.shows(upgradeField)
	}
	return nil
}

func answeredSeveralUpgrades(x *Exchange) *hit {
	h := x.Response
	if !h.lists(upgradeField, "websocket") || h.has(upgradeField) == 1 && foldEqual(h.value(upgradeField), "websocket") {
		return nil
	}
	return h.shows(upgradeField)
}

func answeredNoConnection(x *Exchange) *hit {
	if x.Response.has(connectionField) == 0 {
		return without(connectionField)
	}
	return nil
}

func answeredOtherConnection(x *Exchange) *hit {
	if h := x.Response; h.has(connectionField) > 0 && !h.lists(connectionField, "upgrade") {
		return h.shows(connectionField)
	}
	return nil
}

func acceptMissing(x *Exchange) *hit {
	if x.Response.has(acceptField) == 0 {
		return without(acceptField)
	}
	return nil
}

func acceptTwice(x *Exchange) *hit {
	if h := x.Response; h.has(acceptField) > 1 {
		return h.shows(acceptField)
	}
	return nil
}

// key is the request's key where there is exactly one, so that the answer to it is known.
func (x *Exchange) key() (key []byte, ok bool) {
	if !x.Request.whole() || x.Request.has(keyField) != 1 {
		return nil, false
	}
	return x.Request.value(keyField), true
}

func acceptWrong(x *Exchange) *hit {
	h := x.Response
	key, ok := x.key()
	if !ok || h.has(acceptField) != 1 {
		return nil
	}
	var room [acceptSize]byte
	due := AppendAcceptKey(room[:0], key)
	if bytes.Equal(due, h.value(acceptField)) {
		return nil
	}
	m := DiagnoseAccept(string(key), string(h.value(acceptField)))
	w := h.shows(acceptField)
	w.due, w.cause, w.mend = "Sec-WebSocket-Accept: "+string(due), m.What, "In the server: "+m.Mend
	return w
}

func acceptMalformed(x *Exchange) *hit {
	h := x.Response
	if _, known := x.key(); known || h.has(acceptField) != 1 {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(string(h.value(acceptField)))
	if err == nil && len(raw) == 20 {
		return nil
	}
	w := h.shows(acceptField)
	w.cause = byShape(string(h.value(acceptField))).What
	return w
}

// chosen is the subprotocol of the response where there is one value.
func (x *Exchange) chosen() (value []byte, ok bool) {
	h := x.Response
	value = h.value(protocolField)
	return value, h.has(protocolField) == 1 && len(value) > 0 && bytes.IndexByte(value, ',') < 0
}

func protocolUnrequested(x *Exchange) *hit {
	value, ok := x.chosen()
	if !ok || !x.Request.whole() || !isToken(value) {
		return nil
	}
	asked, similar := false, false
	x.Request.each(protocolField, func(item []byte) bool {
		asked = asked || bytes.Equal(item, value)
		similar = similar || bytes.EqualFold(item, value)
		return !asked
	})
	if asked {
		return nil
	}
	w := x.Response.shows(protocolField)
	switch {
	case similar:
		w.cause = "The server changed upper and lower case. Names of subprotocols are compared letter by letter."
	case x.Request.has(protocolField) == 0:
		w.came += "; the client asked for none"
	default:
		w.came += "; the client sent " + x.Request.shows(protocolField).came
	}
	return w
}

func protocolSeveral(x *Exchange) *hit {
	h := x.Response
	if h.has(protocolField) > 1 || bytes.IndexByte(h.value(protocolField), ',') >= 0 {
		return h.shows(protocolField)
	}
	return nil
}

func protocolChosenEmpty(x *Exchange) *hit {
	if h := x.Response; h.has(protocolField) == 1 && len(h.value(protocolField)) == 0 {
		return h.shows(protocolField)
	}
	return nil
}

func protocolChosenBad(x *Exchange) *hit {
	if value, ok := x.chosen(); ok && !isToken(value) {
		return x.Response.shows(protocolField)
	}
	return nil
}

func protocolNone(x *Exchange) *hit {
	if !x.Request.whole() || x.Response.has(protocolField) > 0 || x.Request.protocols() == 0 {
		return nil
	}
	return &hit{came: "no Sec-WebSocket-Protocol header; the client sent " + x.Request.shows(protocolField).came}
}

func agreedBad(x *Exchange) *hit { return x.Response.extensionsBad() }

// maxExtensions bounds the extensions of a response that are compared with
// those of the request.
const maxExtensions = 100

// unoffered finds the first extension of the response that the request does not
// name, among the registered ones or among the others.
func (x *Exchange) unoffered(registered bool) *hit {
	if !x.Request.whole() {
		return nil
	}
	var culprit []byte
	n := 0
	x.Response.extensions(func(name []byte, s *extensionScanner) {
		skipParams(name, s)
		if n++; n <= maxExtensions && culprit == nil && !s.bad && isRegistered(name) == registered && !x.Request.offers(name) {
			culprit = name
		}
	})
	if culprit == nil {
		return nil
	}
	w := &hit{came: x.Response.shows(extensionsField).came}
	if x.Request.has(extensionsField) == 0 {
		w.came += "; the client offered none"
	} else {
		w.came += "; the client sent " + x.Request.shows(extensionsField).came
	}
	return w
}

// offers reports whether the head names an extension, letter by letter.
func (h *Head) offers(name []byte) (found bool) {
	h.extensions(func(offered []byte, s *extensionScanner) {
		skipParams(offered, s)
		found = found || !s.bad && bytes.Equal(offered, name)
	})
	return found
}

func agreedNotOffered(x *Exchange) *hit { return x.unoffered(true) }

func agreedUnknown(x *Exchange) *hit { return x.unoffered(false) }

func agreedTwice(x *Exchange) *hit {
	var names []string
	var twice string
	x.Response.extensions(func(name []byte, s *extensionScanner) {
		skipParams(name, s)
		if slices.Contains(names, string(name)) && !s.bad {
			twice = string(name)
		}
		if len(names) < maxExtensions {
			names = append(names, string(name))
		}
	})
	if twice == "" {
		return nil
	}
	return &hit{came: quote([]byte(twice)) + " twice"}
}

func agreedLines(x *Exchange) *hit {
	if h := x.Response; h.has(extensionsField) > 1 {
		return h.shows(extensionsField)
	}
	return nil
}

func answeredDeflate(problem deflateProblem) func(*Exchange) *hit {
	return func(x *Exchange) *hit { return x.Response.deflateIn(problem, false) }
}

// deflate is the first permessage-deflate element of the response, where it is valid by itself.
func (h *Head) deflate() (d Deflate, ok bool) {
	h.extensions(func(name []byte, s *extensionScanner) {
		found, problem, _ := scanDeflate(s, false)
		if !ok && string(name) == deflateName && problem == deflateGood && !s.bad {
			d, ok = found, true
		}
	})
	return d, ok
}

// unfitDeflate makes a check for one way in which an answer does not fit its offer.
func unfitDeflate(problem deflateProblem) func(*Exchange) *hit {
	return func(x *Exchange) *hit {
		if !x.Request.whole() {
			return nil
		}
		answer, ok := x.Response.deflate()
		if !ok {
			return nil
		}
		offer, found, any := bestOffer(x.Request, answer)
		if !any || found != problem {
			return nil
		}
		return &hit{came: answer.String() + ", as the answer to " + offer.String()}
	}
}

func answeredLength(x *Exchange) *hit {
	if h := x.Response; h.has(contentLengthField) > 0 {
		return h.shows(contentLengthField)
	}
	return nil
}

func answeredEncoding(x *Exchange) *hit {
	if h := x.Response; h.has(transferEncodingField) > 0 {
		return h.shows(transferEncodingField)
	}
	return nil
}

// noFrame looks at the first two bytes behind a 101: an opcode that a first
// frame may have, no reserved bits but those an extension may use, no mask
// (RFC 6455 5.1, 5.2, 5.4).
func noFrame(x *Exchange) *hit {
	b := x.Body
	if len(b) == 0 {
		return nil
	}
	op, fin := b[0]&0x0f, b[0]&0x80 != 0
	known := op == 1 || op == 2 || op >= 8 && op <= 10 && fin
	reserved := b[0]&0x30 != 0 || b[0]&0x40 != 0 && x.Response.has(extensionsField) == 0
	if known && !reserved && (len(b) < 2 || b[1]&0x80 == 0) {
		return nil
	}
	w := &hit{came: hexOf(b) + ", as text " + quote(b[:min(len(b), 40)])}
	if known && !reserved {
		w.cause, w.mend = "The frame is masked. Only clients mask.", "In the server, send frames without a mask."
	}
	return w
}

// brokenRequest is the first rule for which the request had to be refused.
func (x *Exchange) brokenRequest() *Finding {
	for _, r := range slices.Concat(byteRules(requestSide), lineRules(), requestRules()) {
		if r.Level == Must && r.Status != 0 {
			if f := r.Holds(x); f != nil {
				return f
			}
		}
	}
	return nil
}

func acceptedBroken(x *Exchange) *hit {
	f := x.brokenRequest()
	if f == nil {
		return nil
	}
	return &hit{came: "101 for a request with " + f.ID + " (" + f.Clause + ")"}
}

func keyInResponse(x *Exchange) *hit {
	if h := x.Response; h.has(keyField) > 0 {
		return h.shows(keyField)
	}
	return nil
}

func hixieResponse(x *Exchange) *hit {
	for _, name := range []string{"Sec-WebSocket-Location", "WebSocket-Location", "WebSocket-Origin"} {
		if value, ok := x.Response.lookup(name); ok {
			return &hit{came: name + ": " + show(value)}
		}
	}
	return nil
}

// lowerText is text of a peer, folded for comparing.
func lowerText(b []byte) string { return strings.ToLower(string(b[:min(len(b), 4096)])) }
