package handshake

import (
	"bytes"
	"strings"
)

// readable is the request where its first line can be judged part by part.
func (x *Exchange) readable() (*Head, bool) { return x.Request, !x.Request.is(badLine) }

func methodCase(x *Exchange) *hit {
	if h := x.Request; string(h.Method) != "GET" && foldEqual(h.Method, "get") {
		return &hit{came: string(h.Method)}
	}
	return nil
}

func methodOther(x *Exchange) *hit {
	h, ok := x.readable()
	if !ok || foldEqual(h.Method, "get") {
		return nil
	}
	if string(h.Method) == "CONNECT" {
		return &hit{came: "CONNECT", cause: "This is what a client sends to a proxy, or over HTTP/2.", mend: "Point the client at the server itself, or the proxy setting at a proxy."}
	}
	return &hit{came: show(h.Method)}
}

func requestVersionMalformed(x *Exchange) *hit {
	if h, ok := x.readable(); ok && h.major < 0 {
		return &hit{came: quote(h.Proto)}
	}
	return nil
}

func requestVersionOld(x *Exchange) *hit {
	h, ok := x.readable()
	if !ok || h.major != 0 && (h.major != 1 || h.minor != 0) {
		return nil
	}
	if by, ok := h.passedBy(); ok {
		return &hit{came: show(h.Proto) + ", " + by, fault: Proxy}
	}
	return &hit{came: show(h.Proto)}
}

func requestVersionNew(x *Exchange) *hit {
	if h, ok := x.readable(); ok && h.major > 1 {
		return &hit{came: show(h.Proto)}
	}
	return nil
}

// splitTarget takes a whole address apart; ok is false where the target is none.
func splitTarget(target []byte) (scheme, authority []byte, ok bool) {
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || !isToken(scheme) {
		return nil, nil, false
	}
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return scheme, rest, true
}

func targetBad(x *Exchange) *hit {
	h, ok := x.readable()
	if !ok || len(h.Target) > 0 && h.Target[0] == '/' {
		return nil
	}
	if _, authority, ok := splitTarget(h.Target); ok && len(authority) > 0 {
		return nil
	}
	return &hit{came: quote(h.Target)}
}

// absolute is the request where a whole address stands in its first line.
func (x *Exchange) absolute() (h *Head, scheme, authority []byte, ok bool) {
	h, ok = x.readable()
	if !ok || len(h.Target) == 0 || h.Target[0] == '/' {
		return h, nil, nil, false
	}
	scheme, authority, ok = splitTarget(h.Target)
	return h, scheme, authority, ok && len(authority) > 0
}

func isWeb(scheme []byte) bool { return foldEqual(scheme, "http") || foldEqual(scheme, "https") }

func targetScheme(x *Exchange) *hit {
	if h, scheme, _, ok := x.absolute(); ok && !isWeb(scheme) {
		return &hit{came: quote(h.Target)}
	}
	return nil
}

func targetAbsolute(x *Exchange) *hit {
	if h, scheme, _, ok := x.absolute(); ok && isWeb(scheme) {
		return &hit{came: quote(h.Target)}
	}
	return nil
}

func targetHost(x *Exchange) *hit {
	h, _, authority, ok := x.absolute()
	if !ok || h.has(hostField) != 1 || bytes.EqualFold(authority, h.value(hostField)) {
		return nil
	}
	return &hit{came: quote(authority) + " in the first line, " + quote(h.value(hostField)) + " in Host"}
}

func targetFragment(x *Exchange) *hit {
	if h, ok := x.readable(); ok && bytes.IndexByte(h.Target, '#') >= 0 {
		return &hit{came: quote(h.Target)}
	}
	return nil
}

// targetCharacters names only what neither RFC 3986 nor browsers let pass.
func targetCharacters(x *Exchange) *hit {
	h, ok := x.readable()
	if !ok {
		return nil
	}
	for _, c := range h.Target {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			return &hit{came: quote(h.Target)}
		}
	}
	return nil
}

func targetEscape(x *Exchange) *hit {
	h, ok := x.readable()
	if !ok {
		return nil
	}
	for t := h.Target; ; t = t[1:] {
		i := bytes.IndexByte(t, '%')
		if i < 0 {
			return nil
		}
		if t = t[i:]; len(t) < 3 || !isHex(t[1]) || !isHex(t[2]) {
			return &hit{came: quote(h.Target)}
		}
	}
}

func isHex(c byte) bool {
	c = lower(c)
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
}

func targetLong(x *Exchange) *hit {
	if n := len(x.Request.line); n > 8000 {
		return &hit{came: count(n, "byte", "bytes")}
	}
	return nil
}

func socketioQuery(x *Exchange) *hit {
	path, query, _ := strings.Cut(string(x.Request.Target), "?")
	if !strings.HasSuffix(path, "/socket.io/") && !strings.HasSuffix(path, "/engine.io/") && !strings.HasSuffix(path, "/socket.io") {
		return nil
	}
	query = "&" + query + "&"
	if strings.Contains(query, "&EIO=") && strings.Contains(query, "&transport=websocket&") {
		return nil
	}
	return &hit{came: quote(x.Request.Target)}
}

// passedBy tells which proxy a request came through, by the headers that
// proxies add.
func (h *Head) passedBy() (string, bool) {
	for _, name := range []string{"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "CF-Ray", "X-Amzn-Trace-Id", "X-Envoy-External-Address"} {
		if value, ok := h.lookup(name); ok {
			return "through a proxy (" + name + ": " + show(value) + ")", true
		}
	}
	return "", false
}
