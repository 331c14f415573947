package handshake

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// without is the hit of a header that is not there.
func without(id fieldID) *hit { return &hit{came: "no " + fieldNames[id] + " header"} }

// shows is the hit of headers that are there.
func (h *Head) shows(id fieldID) *hit {
	var lines []string
	for i := h.after(id, -1); i >= 0; i = h.after(id, i) {
		lines = append(lines, h.fields[i].String())
		if len(lines) == 4 {
			break
		}
	}
	return &hit{came: strings.Join(lines, " and ")}
}

func hostMissing(x *Exchange) *hit {
	if x.Request.has(hostField) == 0 {
		return without(hostField)
	}
	return nil
}

func hostTwice(x *Exchange) *hit {
	if h := x.Request; h.has(hostField) > 1 {
		return h.shows(hostField)
	}
	return nil
}

func hostEmpty(x *Exchange) *hit {
	if h := x.Request; h.has(hostField) == 1 && len(h.value(hostField)) == 0 {
		return h.shows(hostField)
	}
	return nil
}

func hostBad(x *Exchange) *hit {
	h := x.Request
	if h.has(hostField) != 1 || len(h.value(hostField)) == 0 || isAuthority(h.value(hostField)) {
		return nil
	}
	return h.shows(hostField)
}

// isAuthority reports whether b is uri-host [":" port] (RFC 9110 7.2,
// RFC 3986 3.2.2).
func isAuthority(b []byte) bool {
	host, port := b, []byte(nil)
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		return end > 2 && isIPLiteral(b[1:end]) && (end == len(b)-1 || b[end+1] == ':' && isPort(b[end+2:]))
	}
	if i := bytes.IndexByte(b, ':'); i >= 0 {
		host, port = b[:i], b[i+1:]
	}
	for _, c := range host {
		if c == '^' || c == '`' || c == '|' || c == '#' || classes[c]&isTokenByte == 0 && !strings.ContainsRune("(),;=", rune(c)) {
			return false
		}
	}
	return len(host) > 0 && isPort(port)
}

func isIPLiteral(b []byte) bool {
	for _, c := range b {
		if !isHex(c) && c != ':' && c != '.' && lower(c) != 'v' {
			return false
		}
	}
	return true
}

func isPort(b []byte) bool { return len(b) == 0 || len(b) <= 5 && isDigits(b) }

// removed explains a header of the hop that is not there by what else is.
func (h *Head) removed(w *hit) *hit {
	if h.has(keyField) == 0 && h.has(versionField) == 0 {
		w.cause = "This is an ordinary HTTP request: the address was opened in a browser's address bar, with curl, with fetch() or by a health check."
		w.mend = "Use a WebSocket client: new WebSocket(\"ws://…\") in a page, `sockkit dial ws://…` in a shell."
		return w
	}
	if by, ok := h.passedBy(); ok {
		w.came += ", but Sec-WebSocket headers, and it came " + by
		w.cause, w.fault = "A proxy on the way removed it: the rest of a WebSocket request is there.", Proxy
	}
	return w
}

func upgradeMissing(x *Exchange) *hit {
	if h := x.Request; h.has(upgradeField) == 0 {
		return h.removed(without(upgradeField))
	}
	return nil
}

func upgradeOther(x *Exchange) *hit {
	if h := x.Request; h.has(upgradeField) > 0 && !h.lists(upgradeField, "websocket") {
		return h.shows(upgradeField)
	}
	return nil
}

func connectionMissing(x *Exchange) *hit {
	if h := x.Request; h.has(connectionField) == 0 {
		return h.removed(without(connectionField))
	}
	return nil
}

func connectionOther(x *Exchange) *hit {
	if h := x.Request; h.has(connectionField) > 0 && !h.lists(connectionField, "upgrade") {
		return h.removed(h.shows(connectionField))
	}
	return nil
}

func versionMissing(x *Exchange) *hit {
	if x.Request.has(versionField) == 0 {
		return without(versionField)
	}
	return nil
}

func versionTwice(x *Exchange) *hit {
	h := x.Request
	if h.has(versionField) > 1 || bytes.IndexByte(h.value(versionField), ',') >= 0 {
		return h.shows(versionField)
	}
	return nil
}

// version is the one value of Sec-WebSocket-Version. It is well formed where
// ok (RFC 6455 4.3).
func (h *Head) version() (v []byte, single, ok bool) {
	v = h.value(versionField)
	if h.has(versionField) != 1 || bytes.IndexByte(v, ',') >= 0 {
		return v, false, false
	}
	ok = isDigits(v) && len(v) <= 3 && (v[0] != '0' || len(v) == 1) && (len(v) < 3 || string(v) <= "255")
	return v, true, ok
}

func versionNumber(x *Exchange) *hit {
	if _, single, ok := x.Request.version(); single && !ok {
		return x.Request.shows(versionField)
	}
	return nil
}

func versionUnsupported(x *Exchange) *hit {
	h := x.Request
	v, _, ok := h.version()
	if !ok || string(v) == "13" {
		return nil
	}
	w := h.shows(versionField)
	switch string(v) {
	case "7", "8":
		w.cause = "A client of 2011: " + string(v) + " was a draft (hybi-" + string(v) + " and after). Its frames are those of the standard, but the number is not."
	case "9", "10", "11", "12":
		w.cause = "The number was made up: " + string(v) + " is reserved and was never used."
	}
	return w
}

func keyMissing(x *Exchange) *hit {
	if x.Request.has(keyField) == 0 {
		return without(keyField)
	}
	return nil
}

func keyTwice(x *Exchange) *hit {
	if h := x.Request; h.has(keyField) > 1 {
		return h.shows(keyField)
	}
	return nil
}

func keyEmpty(x *Exchange) *hit {
	if h := x.Request; h.has(keyField) == 1 && len(h.value(keyField)) == 0 {
		return h.shows(keyField)
	}
	return nil
}

// keyBadly makes a check for one problem with a key.
func keyBadly(problem keyProblem) func(*Exchange) *hit {
	return func(x *Exchange) *hit {
		h := x.Request
		if h.has(keyField) != 1 || len(h.value(keyField)) == 0 || checkKey(h.value(keyField)) != problem {
			return nil
		}
		w := h.shows(keyField)
		if problem == keyLength {
			raw, _ := base64.StdEncoding.DecodeString(string(h.value(keyField)))
			w.came += ", which is " + count(len(raw), "byte", "bytes")
		}
		return w
	}
}

func keyConstant(x *Exchange) *hit {
	h := x.Request
	if h.has(keyField) != 1 || checkKey(h.value(keyField)) != keyGood {
		return nil
	}
	var nonce [18]byte
	n, _ := base64.StdEncoding.Decode(nonce[:], h.value(keyField))
	if bytes.Count(nonce[:n], nonce[:1]) != n {
		return nil
	}
	return h.shows(keyField)
}
