package handshake

import "strings"

// edited is an exchange that breaks one rule.
type edited struct {
	rule  string
	edits []string
}

func e(rule string, edits ...string) edited { return edited{rule, edits} }

const (
	upgradeLine    = "Upgrade: websocket\r\n"
	connectionLine = "Connection: Upgrade\r\n"
	keyLine        = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	versionLine    = "Sec-WebSocket-Version: 13\r\n"
	acceptLine     = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	originLine     = "Origin: http://example.com\r\n"
	hostLine       = "Host: server.example.com\r\n"
	firstLine      = "GET /chat HTTP/1.1\r\n"
	statusLine     = "HTTP/1.1 101 Switching Protocols\r\n"
	deflateOffer   = "Sec-WebSocket-Extensions: permessage-deflate"
)

// brokenRequests each break the rule that they name, and no other.
func brokenRequests() []edited {
	return []edited{
		e("request-empty", goodRequest, ""),
		e("request-is-tls", goodRequest, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		e("request-is-http2", goodRequest, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		e("request-not-http", goodRequest, "\x00\x01binary"),
		e("request-not-http", goodRequest, `{"event":"hello"}`),
		e("request-too-many-fields", hostLine, hostLine+strings.Repeat("X-A: b\r\n", 100)),
		e("request-unfinished", "\r\n\r\n", "\r\n"),
		e("request-line-bad", "GET /chat", "GET  /chat"),
		e("request-line-bad", "/chat HTTP", "/chat room HTTP"),
		e("request-line-bad", " HTTP/1.1", ""),
		e("request-bare-lf", hostLine, strings.TrimSuffix(hostLine, "\r\n")+"\n"),
		e("request-empty-lines", "GET", "\r\nGET"),
		e("request-nul", "superchat", "superchat\r\nX-A: b\x00"),
		e("request-bare-cr", hostLine, hostLine+"X-A: b\rc\r\n"),
		e("request-control-character", hostLine, hostLine+"X-A: \x1b[31m\r\n"),
		e("request-non-ascii", hostLine, hostLine+"X-A: ü\r\n"),
		e("request-leading-space", firstLine, firstLine+" X-A: b\r\n"),
		e("request-obs-fold", hostLine, hostLine+"X-A: b\r\n c\r\n"),
		e("request-no-colon", hostLine, hostLine+"X-A\r\n"),
		e("request-space-before-colon", hostLine, hostLine+"X-A : b\r\n"),
		e("request-bad-name", hostLine, hostLine+"X A: b\r\n"),
		e("request-bad-name", hostLine, hostLine+": b\r\n"),

		e("request-method-case", "GET", "get"),
		e("request-method", "GET", "POST"),
		e("request-method", "GET", "CONNECT"),
		e("request-version-malformed", "HTTP/1.1", "http/1.1"),
		e("request-version-malformed", "HTTP/1.1", "HTTP/1"),
		e("request-version-malformed", "HTTP/1.1", "HTTP/1.10"),
		e("request-version-old", "HTTP/1.1", "HTTP/1.0"),
		e("request-version-old", "HTTP/1.1", "HTTP/0.9"),
		e("request-version-new", "HTTP/1.1", "HTTP/2"),
		e("request-target-bad", "/chat", "chat"),
		e("request-target-bad", "/chat", "*"),
		e("request-target-scheme", "/chat", "ws://server.example.com/chat"),
		e("request-target-absolute", "/chat", "http://server.example.com/chat"),
		e("request-target-fragment", "/chat", "/chat#room"),
		e("request-target-characters", "/chat", "/ch\"at"),
		e("request-target-characters", "/chat", "/chät"),
		e("request-target-escape", "/chat", "/chat%2"),
		e("request-target-escape", "/chat", "/chat%zz%20"),
		e("request-target-long", "/chat", "/chat?"+strings.Repeat("a", 8000)),
		e("request-socketio-query", "/chat", "/socket.io/?EIO=4"),

		e("request-host-missing", hostLine, ""),
		e("request-host-twice", hostLine, hostLine+hostLine),
		e("request-host-empty", hostLine, "Host:\r\n"),
		e("request-host-bad", "server.example.com", "server.example.com/chat"),
		e("request-host-bad", "server.example.com", "a, b"),
		e("request-host-bad", "server.example.com", "::1"),
		e("request-host-bad", "server.example.com", "user@server"),
		e("request-host-bad", "server.example.com", "server:port"),
		e("request-host-bad", "server.example.com", ":80"),
		e("request-upgrade-missing", upgradeLine, ""),
		e("request-upgrade-other", "websocket", "h2c"),
		e("request-upgrade-other", "websocket", "websockets"),
		e("request-connection-missing", connectionLine, ""),
		e("request-connection-other", connectionLine, "Connection: keep-alive\r\n"),
		e("request-version-missing", versionLine, ""),
		e("request-version-twice", versionLine, versionLine+versionLine),
		e("request-version-twice", "Version: 13", "Version: 13, 8"),
		e("request-version-number", "Version: 13", "Version: thirteen"),
		e("request-version-number", "Version: 13", "Version: 013"),
		e("request-version-number", "Version: 13", "Version: 256"),
		e("request-version-number", "Version: 13", "Version:"),
		e("request-version-unsupported", "Version: 13", "Version: 8"),
		e("request-version-unsupported", "Version: 13", "Version: 9"),
		e("request-version-unsupported", "Version: 13", "Version: 0"),
		e("request-key-missing", keyLine, ""),
		e("request-key-twice", keyLine, keyLine+keyLine),
		e("request-key-empty", keyLine, "Sec-WebSocket-Key:\r\n"),
		e("request-key-base64", "dGhlIHNhbXBsZSBub25jZQ==", "not base64 at all !!!!=="),
		e("request-key-base64", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
		e("request-key-length", "dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4P"), // 15 bytes
		e("request-key-length", "dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEBE="),
		e("request-key-padding", "dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC=="),
		e("request-key-constant", "dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA=="),

		e("request-length-bad", hostLine, hostLine+"Content-Length: 1\r\nContent-Length: 2\r\n"),
		e("request-length-bad", hostLine, hostLine+"Content-Length: +0\r\n"),
		e("request-length-and-encoding", hostLine, hostLine+"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
		e("request-body-length", hostLine, hostLine+"Content-Length: 5\r\n"),
		e("request-body-chunked", hostLine, hostLine+"Transfer-Encoding: chunked\r\n"),
		e("request-expect", hostLine, hostLine+"Expect: 100-continue\r\n"),
		e("request-origin-twice", originLine, originLine+originLine),
		e("request-origin-bad", "http://example.com", "http://example.com/"),
		e("request-origin-bad", "http://example.com", "example.com"),
		e("request-protocol-empty", "chat, superchat", ""),
		e("request-protocol-empty", "chat, superchat", " , ,"),
		e("request-protocol-many", "chat, superchat", strings.Repeat("a,", 101)),
		e("request-protocol-bad", "chat, superchat", "chat/1, superchat"),
		e("request-protocol-bad", "chat, superchat", `"chat"`),
		e("request-protocol-twice", "chat, superchat", "chat, superchat, chat"),
		e("request-protocol-twice", versionLine, versionLine+"Sec-WebSocket-Protocol: chat\r\n"),
		e("request-extensions-bad", hostLine, hostLine+"Sec-WebSocket-Extensions: ;;;=\r\n"),
		e("request-extensions-bad", hostLine, hostLine+"Sec-WebSocket-Extensions:\r\n"),
		e("request-extensions-bad", hostLine, hostLine+deflateOffer+"; server_max_window_bits=\"1 0\"\r\n"),
		e("request-extension-unregistered", hostLine, hostLine+"Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n"),
		e("request-deflate-unknown", hostLine, hostLine+deflateOffer+"; level=9\r\n"),
		e("request-deflate-twice", hostLine, hostLine+deflateOffer+"; server_max_window_bits=10; server_max_window_bits=9\r\n"),
		e("request-deflate-value", hostLine, hostLine+deflateOffer+"; server_no_context_takeover=true\r\n"),
		e("request-deflate-value", hostLine, hostLine+deflateOffer+"; server_max_window_bits\r\n"),
		e("request-deflate-value", hostLine, hostLine+deflateOffer+"; client_max_window_bits=08\r\n"),
		e("request-deflate-bits", hostLine, hostLine+deflateOffer+"; server_max_window_bits=16\r\n"),
		e("request-deflate-bits", hostLine, hostLine+deflateOffer+"; client_max_window_bits=7\r\n"),
		e("request-hixie", hostLine, hostLine+"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n"),
		e("request-draft-origin", hostLine, hostLine+"Sec-WebSocket-Origin: http://example.com\r\n"),
		e("request-accept", hostLine, hostLine+acceptLine),
	}
}

// brokenResponses each break the rule that they name, and no other, as the
// answer to the good request.
func brokenResponses() []edited {
	return []edited{
		e("response-empty", goodResponse, ""),
		e("response-is-tls", goodResponse, "\x15\x03\x03\x00\x02\x02\x46"),
		e("response-is-tls", goodResponse, "\x15\x03\x01\x00\x02\x02\x0a"),
		e("response-is-http2", goodResponse, "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"),
		e("response-not-http", goodResponse, "SSH-2.0-OpenSSH_9.2\r\n"),
		e("response-not-http", goodResponse, "\x81\x05Hello"),
		e("response-too-many-fields", upgradeLine, upgradeLine+strings.Repeat("X-A: b\r\n", 100)),
		e("response-unfinished", "\r\n\r\n", "\r\n"),
		e("response-line-bad", "101 ", "10 "),
		e("response-line-bad", "HTTP/1.1 101", "HTTP/1.1  101"),
		e("response-line-bad", statusLine, "HTTP/1.1\r\n"),
		e("response-bare-lf", upgradeLine, "Upgrade: websocket\n"),
		e("response-empty-lines", "HTTP", "\r\nHTTP"),
		e("response-nul", upgradeLine, upgradeLine+"X-A: \x00\r\n"),
		e("response-bare-cr", upgradeLine, upgradeLine+"X-A: b\r\r\n"),
		e("response-control-character", upgradeLine, upgradeLine+"X-A: \x07\r\n"),
		e("response-non-ascii", upgradeLine, upgradeLine+"X-A: ü\r\n"),
		e("response-reason-space", " Switching Protocols", ""),
		e("response-leading-space", statusLine, statusLine+"\tX-A: b\r\n"),
		e("response-obs-fold", upgradeLine, upgradeLine+"X-A: b\r\n\tc\r\n"),
		e("response-no-colon", upgradeLine, upgradeLine+"X-A\r\n"),
		e("response-space-before-colon", upgradeLine, upgradeLine+"X-A\t: b\r\n"),
		e("response-bad-name", upgradeLine, upgradeLine+"\"X\": b\r\n"),

		e("response-version-malformed", "HTTP/1.1", "http/1.1"),
		e("response-version-old", "HTTP/1.1", "HTTP/1.0"),
		e("response-version-new", "HTTP/1.1", "HTTP/2"),
		e("response-upgrade-missing", upgradeLine, ""),
		e("response-upgrade-other", "websocket", "h2c"),
		e("response-upgrade-several", "websocket", "websocket, h2c"),
		e("response-upgrade-several", upgradeLine, upgradeLine+upgradeLine),
		e("response-connection-missing", connectionLine, ""),
		e("response-connection-other", connectionLine, "Connection: keep-alive\r\n"),
		e("response-accept-missing", acceptLine, ""),
		e("response-accept-twice", acceptLine, acceptLine+acceptLine),
		e("response-accept-wrong", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "hHLtf2V1k8aDQZfNjw3Ia1hCwt0="),
		e("response-accept-wrong", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""),
		e("response-protocol-unrequested", "Protocol: chat", "Protocol: mqtt"),
		e("response-protocol-unrequested", "Protocol: chat", "Protocol: Chat"),
		e("response-protocol-several", "Protocol: chat", "Protocol: chat, superchat"),
		e("response-protocol-empty", "Protocol: chat", "Protocol:"),
		e("response-protocol-bad", "Protocol: chat", "Protocol: \"chat\""),
		e("browser-protocol-none", "Sec-WebSocket-Protocol: chat\r\n", ""),
		e("response-extensions-bad", upgradeLine, upgradeLine+"Sec-WebSocket-Extensions: ;;;=\r\n"),
		e("response-extension-not-offered", upgradeLine, upgradeLine+deflateOffer+"\r\n"),
		e("response-extension-unknown", upgradeLine, upgradeLine+"Sec-WebSocket-Extensions: made-up\r\n"),
		e("response-body-length", upgradeLine, upgradeLine+"Content-Length: 0\r\n"),
		e("response-body-chunked", upgradeLine, upgradeLine+"Transfer-Encoding: chunked\r\n"),
		e("response-no-frame", "\r\n\r\n", "\r\n\r\n\r\n<br />Warning"),
		e("response-no-frame", "\r\n\r\n", "\r\n\r\n\x81\x85masked"),
		e("response-key", upgradeLine, upgradeLine+keyLine),
		e("response-hixie", upgradeLine, upgradeLine+"Sec-WebSocket-Location: ws://server.example.com/chat\r\n"),
	}
}

// brokenAnswers are answers to an offer of compression.
func brokenAnswers() []struct{ rule, offer, answer string } {
	const d = "permessage-deflate"
	return []struct{ rule, offer, answer string }{
		{"", d, d},
		{"", d + "; client_max_window_bits", d + "; client_max_window_bits=10"},
		{"", d + "; client_max_window_bits=10", d + "; client_max_window_bits=15"}, // 7.1.2.2: a hint
		{"", d, d + "; server_max_window_bits=8; server_no_context_takeover; client_no_context_takeover"},
		{"", d + "; server_max_window_bits=15", d},
		{"", d + "; server_max_window_bits=10, " + d, d},
		{"", d + `; server_max_window_bits="1\0"`, d + "; server_max_window_bits=9"},
		{"response-extension-twice", d, d + ", " + d},
		{"response-extensions-lines", d + ", bbf-usp-protocol", d + "\r\nSec-WebSocket-Extensions: bbf-usp-protocol"},
		{"response-deflate-unknown", d, d + "; level=9"},
		{"response-deflate-twice", d, d + "; server_max_window_bits=10; server_max_window_bits=10"},
		{"response-deflate-value", d + "; client_max_window_bits", d + "; client_max_window_bits"},
		{"response-deflate-bits", d, d + "; server_max_window_bits=99"},
		{"response-deflate-client-bits", d, d + "; client_max_window_bits=10"},
		{"response-deflate-server-bits", d + "; server_max_window_bits=10", d + "; server_max_window_bits=11"},
		{"response-deflate-server-bits", d + "; server_max_window_bits=10", d},
		{"response-deflate-takeover", d + "; server_no_context_takeover", d},
	}
}

// refusals each are told by the rule that they name, and by no other.
func refusals() []struct{ rule, head, body string } {
	return []struct{ rule, head, body string }{
		{"refused-needs-tls", "400 Bad Request\r\nServer: nginx", "<center>The plain HTTP request was sent to HTTPS port</center>"},
		{"refused-needs-tls", "400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n"},
		{"refused-engineio", "400 Bad Request\r\nContent-Type: application/json", `{"code":0,"message":"Transport unknown"}`},
		{"refused-upgrade-removed", "426 Upgrade Required\r\nUpgrade: websocket", "Upgrade Required"},
		{"refused-upgrade-removed", "400 Bad Request", "Can \"Upgrade\" only to \"WebSocket\"."},
		{"refused-interim", "100 Continue", ""},
		{"refused-200", "200 OK", "<!doctype html>"},
		{"refused-2xx", "204 No Content", ""},
		{"refused-redirect", "301 Moved Permanently\r\nLocation: https://server.example.com/chat", ""},
		{"refused-redirect", "304 Not Modified", ""},
		{"refused-400", "400 Bad Request", ""},
		{"refused-401", "401 Unauthorized\r\nWWW-Authenticate: Bearer", ""},
		{"refused-403", "403 Forbidden", ""},
		{"refused-404", "404 Not Found", ""},
		{"refused-405", "405 Method Not Allowed\r\nAllow: POST", ""},
		{"refused-407", "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x", ""},
		{"refused-408", "408 Request Timeout", ""},
		{"refused-410", "410 Gone", ""},
		{"refused-too-large", "413 Content Too Large", ""},
		{"refused-too-large", "414 URI Too Long", ""},
		{"refused-421", "421 Misdirected Request", ""},
		{"refused-426", "426 Upgrade Required\r\nUpgrade: websocket", ""},
		{"refused-429", "429 Too Many Requests", ""},
		{"refused-431", "431 Request Header Fields Too Large", ""},
		{"refused-464", "464 ", ""},
		{"refused-4xx", "418 I'm a teapot", ""},
		{"refused-500", "500 Internal Server Error", ""},
		{"refused-501", "501 Not Implemented", ""},
		{"refused-502", "502 Bad Gateway", ""},
		{"refused-503", "503 Service Unavailable", ""},
		{"refused-504", "504 Gateway Timeout", ""},
		{"refused-505", "505 HTTP Version Not Supported", ""},
		{"refused-5xx", "521 Web server is down", ""},
	}
}

// owed are refusals that lack something: a note about the status comes with it.
func owed() []struct{ rule, head string } {
	return []struct{ rule, head string }{
		{"refusal-426-upgrade", "426 Upgrade Required"},
		{"refusal-401-challenge", "401 Unauthorized"},
		{"refusal-407-challenge", "407 Proxy Authentication Required"},
		{"refusal-405-allow", "405 Method Not Allowed"},
		{"refusal-redirect-location", "302 Found"},
	}
}
