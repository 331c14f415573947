package handshake

import "slices"

// lineRules are the rules about the first line of a request.
func lineRules() []Rule {
	return within(wholeRequest, InRequest, Client, slices.Concat(methodRules(), versionLineRules(), targetRules(), targetTextRules())...)
}

const curlHTTP1 = "Use HTTP/1.1: with curl --http1.1; elsewhere offer only http/1.1 in TLS's ALPN."

func methodRules() []Rule {
	return []Rule{{
		ID: "request-method-case", Clause: "RFC 9110 9.1", Source: HTTP, Level: Must, Status: 405,
		Summary: "The method is not written in upper case.",
		Why:     "Methods are case-sensitive: get is not GET.",
		Due:     "GET",
		Cause:   "The request was put together by hand.",
		Mend:    "Write GET.",
		check:   methodCase,
	}, {
		ID: "request-method", Clause: "RFC 6455 4.1 item 2", Source: WebSocket, Level: Must, Status: 405,
		Summary: "The method is not GET.",
		Why:     "A WebSocket is opened with GET. (Over HTTP/2 it is CONNECT, which is another handshake: RFC 8441.)",
		Due:     "GET",
		Cause:   "The address was called as an API (POST), by a preflight (OPTIONS) or by a monitor (HEAD).",
		Mend:    "Use a WebSocket client, which sends GET; with curl leave -d and -X away.",
		check:   methodOther,
	}}
}

func versionLineRules() []Rule {
	return []Rule{{
		ID: "request-version-malformed", Clause: "RFC 9112 2.3", Source: HTTP, Level: Must, Status: 400,
		Summary: "The HTTP version of the request is malformed.",
		Why:     "It is exactly HTTP, a slash, a digit, a dot, a digit, in upper case.",
		Due:     "HTTP/1.1",
		Cause:   "The request was put together by hand.",
		Mend:    "Write HTTP/1.1 at the end of the first line.",
		check:   requestVersionMalformed,
	}, {
		ID: "request-version-old", Clause: "RFC 6455 4.1 item 2", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The request is HTTP/1.0, which knows no Upgrade.",
		Why:     "A server has to ignore Upgrade in a request of HTTP/1.0 (RFC 9110 7.8), so the connection can never become a WebSocket.",
		Due:     "HTTP/1.1",
		Cause:   "A proxy speaks HTTP/1.0 to the server: nginx does so unless it is told otherwise. Or a very old client.",
		Mend:    "In nginx: " + nginxLines + " Elsewhere: make the proxy, or the client, speak HTTP/1.1.",
		check:   requestVersionOld,
	}, {
		ID: "request-version-new", Clause: "RFC 9113 8.6", Source: HTTP, Level: Must, Status: 505,
		Summary: "The request was sent over HTTP/2 or HTTP/3, where there is no Upgrade.",
		Why:     "The Upgrade header and status 101 exist in HTTP/1.1 only; HTTP/2 opens a WebSocket by extended CONNECT (RFC 8441).",
		Due:     "HTTP/1.1",
		Cause:   "Client and server agreed on HTTP/2 by ALPN while TLS was set up, as curl does by itself for https://.",
		Mend:    curlHTTP1,
		check:   requestVersionNew,
	}}
}

func targetRules() []Rule {
	return []Rule{{
		ID: "request-target-bad", Clause: "RFC 9112 3.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "What is asked for is no path.",
		Why:     "The path tells the server which of its services is wanted. It begins with a slash.",
		Due:     "/path, with ?query where there is one",
		Cause:   `The slash at the beginning is missing: where an address has no path, the path is "/".`,
		Mend:    `Begin the path with "/".`,
		check:   targetBad,
	}, {
		ID: "request-target-scheme", Clause: "RFC 6455 4.1 item 3", Source: WebSocket, Level: Must, Status: 400,
		Summary: "A whole address stands where the path was due, and not one of http or https.",
		Why:     "The first line holds the path. A whole address is for proxies, and then with http:// or https://.",
		Due:     "/path alone",
		Cause:   "The client puts its whole ws:// address into the first line. (Where this is a copy out of a browser's developer tools: they write it so, and what was sent is the path.)",
		Mend:    "Send the path and the query only.",
		check:   targetScheme,
	}, {
		ID: "request-target-absolute", Clause: "RFC 9112 3.2.1", Source: HTTP, Level: Note,
		Summary: "A whole address stands where the path was due.",
		Why:     "Servers have to understand it, and not all do. Only a request to a proxy should hold it, and a WebSocket goes through a proxy by CONNECT.",
		Due:     "/path alone",
		Cause:   "The client believes that it speaks to a proxy.",
		Mend:    "Send the path alone, or use CONNECT to get through a proxy.",
		check:   targetAbsolute,
	}, {
		ID: "request-target-host", Clause: "RFC 9112 3.2.2", Source: HTTP, Level: Must,
		Summary: "The first line names another host than the Host header.",
		Why:     "Where they differ, the first line counts for some programs and the Host header for others.",
		Due:     "the same host and port in both",
		Cause:   "A proxy changed one of them and left the other.",
		Mend:    "Send the path alone in the first line, and the host in Host.",
		check:   targetHost,
	}}
}

func targetTextRules() []Rule {
	return []Rule{{
		ID: "request-target-fragment", Clause: "RFC 6455 3", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The path holds a fragment (#…).",
		Why:     "A fragment is for the client alone and is never sent. WebSocket addresses have none at all.",
		Due:     "no #; one that is meant as text is %23",
		Cause:   "The address was taken over from a page with its #.",
		Mend:    "Cut the address at #, or write %23.",
		check:   targetFragment,
	}, {
		ID: "request-target-characters", Clause: "RFC 9112 3.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "The path holds characters that no address may hold.",
		Why:     "Addresses are visible ASCII. Servers and proxies differ in what they make of anything else, or refuse it.",
		Due:     `percent-encoding: "ü" is %C3%BC`,
		Cause:   "A name or a search text was put into the address as it is.",
		Mend:    "Percent-encode it, as encodeURIComponent() does.",
		check:   targetCharacters,
	}, {
		ID: "request-target-escape", Clause: "RFC 3986 2.1", Source: HTTP, Level: Must,
		Summary: "A % in the path is not followed by two hex digits.",
		Why:     "Servers that decode the path refuse it, or read something else.",
		Due:     "%25 for a percent sign",
		Cause:   "A text with a percent sign was put into the address as it is.",
		Mend:    "Percent-encode it once, as encodeURIComponent() does.",
		check:   targetEscape,
	}, {
		ID: "request-target-long", Clause: "RFC 9112 3", Source: HTTP, Level: Should,
		Summary: "The first line is longer than 8,000 bytes.",
		Why:     "That is what every server should be able to read; many refuse more with 414.",
		Due:     "at most 8,000 bytes",
		Cause:   "A token or other data is passed in the query.",
		Mend:    "Send it in a message once the connection is open.",
		check:   targetLong,
	}, {
		ID: "request-socketio-query", Clause: "Engine.IO protocol, HTTP", Source: Practice, Level: Note,
		Summary: "The path is a Socket.IO server's, but the query is not what such a server needs.",
		Why:     "Under WebSocket, Socket.IO speaks Engine.IO, which picks its version and transport from the query.",
		Due:     "/socket.io/?EIO=4&transport=websocket",
		Cause:   "A plain WebSocket client was pointed at a Socket.IO server.",
		Mend:    "Use a Socket.IO client (`sockkit dial sio://…`), or add ?EIO=4&transport=websocket and speak Engine.IO yourself.",
		check:   socketioQuery,
	}}
}
