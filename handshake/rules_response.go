package handshake

import "slices"

// statusLineRules are the rules about the version of a response.
func statusLineRules() []Rule {
	malformed := within(wholeResponse, InResponse, Server, Rule{
		ID: "response-version-malformed", Clause: "RFC 9112 2.3", Source: HTTP, Level: Must, Fails: true,
		Summary: "The HTTP version of the response is malformed.",
		Why:     "It is exactly HTTP, a slash, a digit, a dot, a digit, in upper case.",
		Due:     "HTTP/1.1",
		Cause:   "The response was put together by hand.",
		Mend:    "In the server, begin the response with HTTP/1.1.",
		check:   responseVersionMalformed,
	})
	return append(malformed, within(upgrade, InResponse, Server, Rule{
		ID: "response-version-old", Clause: "RFC 9110 15.2", Source: HTTP, Level: Must, Fails: true,
		Summary: "The server switches protocols in a response of HTTP/1.0, which knows no 101.",
		Why:     "Status 101 came with HTTP/1.1. A proxy or client that reads HTTP/1.0 does not know that the connection changes.",
		Due:     "HTTP/1.1 101 Switching Protocols",
		Cause:   "The server's HTTP library still writes HTTP/1.0, as Python's http.server does by itself, or the response was put together by hand.",
		Mend:    "Write HTTP/1.1 (in Python's http.server: protocol_version = \"HTTP/1.1\").",
		check:   responseVersionOld,
	}, Rule{
		ID: "response-version-new", Clause: "RFC 9113 8.6", Source: HTTP, Level: Must, Fails: true,
		Summary: "The server answers 101 over HTTP/2 or HTTP/3, where that status does not exist.",
		Why:     "HTTP/2 opens a WebSocket by extended CONNECT and answers 200 (RFC 8441).",
		Due:     "HTTP/1.1 101 Switching Protocols",
		Cause:   "The response was put together by hand.",
		Mend:    curlHTTP1,
		check:   responseVersionNew,
	})...)
}

// responseRules are the rules about the headers of a response that upgrades.
func responseRules() []Rule {
	return within(upgrade, InResponse, Server, slices.Concat(
		switchRules(), acceptRules(), chosenRules(), agreedRules(), deflateAnswerRules(),
		deflateFitRules(), emptyBodyRules(), answerRules())...)
}

func switchRules() []Rule {
	return []Rule{{
		ID: "response-upgrade-missing", Clause: "RFC 6455 4.1 (response) item 2", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The response has no Upgrade header.",
		Why:     "101 says that the protocol changes, Upgrade says to which one. Without it the client cannot know.",
		Due:     "Upgrade: websocket",
		Cause:   "The response was put together by hand, or a proxy on the way back removed the header.",
		Mend:    "In the server, send Upgrade: websocket. Behind a proxy: " + proxyMend,
		check:   answeredNoUpgrade,
	}, {
		ID: "response-upgrade-other", Clause: "RFC 6455 4.1 (response) item 2", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The server switches to another protocol than WebSocket.",
		Why:     "Whatever comes behind this head is not WebSocket.",
		Due:     "Upgrade: websocket",
		Cause:   "The server or a proxy answers another upgrade (h2c is HTTP/2), or the word is misspelled.",
		Mend:    "In the server, send Upgrade: websocket; look at who answers on this port.",
		check:   answeredOtherUpgrade,
	}, {
		ID: "response-upgrade-several", Clause: "RFC 6455 4.1 (response) item 2", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The Upgrade header of the response names more than websocket.",
		Why:     "The server states the one protocol that it switches to. A client compares the whole value.",
		Due:     "Upgrade: websocket, once",
		Cause:   "The server or a proxy added the header to one that was there, or the server lists what it could speak.",
		Mend:    "Send Upgrade: websocket once, and nothing else in it.",
		check:   answeredSeveralUpgrades,
	}, {
		ID: "response-connection-missing", Clause: "RFC 6455 4.1 (response) item 3", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The response has no Connection header.",
		Why:     "Upgrade is meant for the next program on the way only, and Connection has to list such headers. Without it Upgrade does not count.",
		Due:     "Connection: Upgrade",
		Cause:   "The response was put together by hand, or a proxy on the way back removed the header.",
		Mend:    "In the server, send Connection: Upgrade. Behind a proxy: " + proxyMend,
		check:   answeredNoConnection,
	}, {
		ID: "response-connection-other", Clause: "RFC 6455 4.1 (response) item 3", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The Connection header of the response does not list Upgrade.",
		Why:     "Upgrade is meant for the next program on the way only, and Connection has to list such headers. Without that Upgrade does not count.",
		Due:     "Connection: Upgrade",
		Cause:   "The server's HTTP library or a proxy put its own value there, such as keep-alive or close.",
		Mend:    "In the server, send Connection: Upgrade. Behind a proxy: " + proxyMend,
		check:   answeredOtherConnection,
	}}
}

func acceptRules() []Rule {
	const why = "With this value the server proves that it has read this very request and speaks WebSocket."
	return []Rule{{
		ID: "response-accept-missing", Clause: "RFC 6455 4.1 (response) item 4", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The response has no Sec-WebSocket-Accept header.", Why: why,
		Due:   "Sec-WebSocket-Accept: base64(SHA-1(key + \"" + GUID + "\"))",
		Cause: "The response was put together by hand, or a proxy passes on only headers that it knows.",
		Mend:  "In the server, calculate the value from the request's key (`sockkit handshake key` shows how).",
		check: acceptMissing,
	}, {
		ID: "response-accept-twice", Clause: "RFC 6455 11.3.3", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The response has more than one Sec-WebSocket-Accept header.", Why: why + " With two, it proves nothing.",
		Due:   "one Sec-WebSocket-Accept header",
		Cause: "Two parts of the server answer the same request, such as a framework and a handler of yours.",
		Mend:  "Let one of them answer.",
		check: acceptTwice,
	}, {
		ID: "response-accept-wrong", Clause: "RFC 6455 4.1 (response) item 4", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The Sec-WebSocket-Accept does not follow from the key.", Why: why,
		Due:   "base64(SHA-1(key + \"" + GUID + "\"))",
		Cause: "The calculation has a mistake, or the value belongs to another request.",
		Mend:  formula,
		check: acceptWrong,
	}, {
		ID: "response-accept-malformed", Clause: "RFC 6455 4.2.2 item 5.4", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The Sec-WebSocket-Accept cannot be right for any key: it is not base64 of 20 bytes.", Why: why,
		Due:   "28 characters of base64, the last one \"=\"",
		Cause: "Another hash than SHA-1, or another way of writing it than base64.",
		Mend:  formula,
		check: acceptMalformed,
	}}
}

func chosenRules() []Rule {
	const why = "The server picks one of the subprotocols that the client asked for, or none; both sides then have to speak it."
	return []Rule{{
		ID: "response-protocol-unrequested", Clause: "RFC 6455 4.1 (response) item 6", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The server chose a subprotocol that the client did not ask for.", Why: why,
		Due:   "one of the client's names, letter by letter; or no such header",
		Cause: "The server names its own subprotocol whatever is asked. Or the client should have asked and did not.",
		Mend:  "In the server, choose among the request's names, and send no header where none fits. In the client, ask for the name: new WebSocket(url, \"name\"), `sockkit dial -s name`.",
		check: protocolUnrequested,
	}, {
		ID: "response-protocol-several", Clause: "RFC 6455 11.3.4", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The server chose more than one subprotocol.", Why: why,
		Due:   "one name, in one header",
		Cause: "The server sends the client's whole list back.",
		Mend:  "In the server, pick one name.",
		check: protocolSeveral,
	}, {
		ID: "response-protocol-empty", Clause: "RFC 6455 4.2.2 item 4", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The Sec-WebSocket-Protocol of the response is empty.", Why: why,
		Due:   "one of the client's names, or no such header",
		Cause: "The server sends the header also where it has chosen nothing.",
		Mend:  "In the server, leave the header away where nothing was chosen.",
		check: protocolChosenEmpty,
	}, {
		ID: "response-protocol-bad", Clause: "RFC 6455 4.2.2 item 4", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The subprotocol that the server chose holds characters that no name may hold.", Why: why,
		Due:   "a name without spaces, slashes, quotation marks or brackets",
		Cause: "The response was put together by hand.",
		Mend:  "In the server, send one of the client's names, letter by letter.",
		check: protocolChosenBad,
	}, {
		ID: "browser-protocol-none", Clause: "WHATWG WebSockets 2.2, establish a WebSocket connection", Source: WHATWG, Level: Should,
		Summary: "The client asked for subprotocols and the server chose none: browsers give up, other clients go on.",
		Why:     "RFC 6455 allows it. Browsers have a rule of their own: where a page asked for subprotocols, one has to be chosen.",
		Due:     "Sec-WebSocket-Protocol with one of the client's names",
		Cause:   "The server knows none of the names, or does not look at the header at all.",
		Mend:    "In the server, support one of the names and send it back; or in the page, ask for none.",
		check:   protocolNone,
	}}
}

func agreedRules() []Rule {
	const why = "Extensions change what frames look like. A server may only use what the client offered; with anything else the client cannot read its frames."
	return []Rule{{
		ID: "response-extensions-bad", Clause: "RFC 6455 9.1", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The Sec-WebSocket-Extensions header of the response is malformed.", Why: why,
		Due:   "Sec-WebSocket-Extensions: permessage-deflate, or no such header",
		Cause: "The header was put together by hand, or it is empty.",
		Mend:  "In the server, leave the header away where no extension is used.",
		check: agreedBad,
	}, {
		ID: "response-extension-not-offered", Clause: "RFC 6455 4.1 (response) item 5", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The server uses an extension that the client did not offer.", Why: why,
		Due:   "only extensions that the request names",
		Cause: "The server compresses always, whatever the client offers. Or a proxy removed the offer from the request.",
		Mend:  "In the server, look for the offer in the request before accepting it; or switch compression off.",
		check: agreedNotOffered,
	}, {
		ID: "response-extension-unknown", Clause: "RFC 6455 9.1", Source: WebSocket, Level: Must, Fails: true,
		Summary: "The server uses an extension that nobody offered and that no registry knows.", Why: why,
		Due:   "only extensions that the request names",
		Cause: "A misspelling, or a name that was made up.",
		Mend:  "In the server, leave it away.",
		check: agreedUnknown,
	}, {
		ID: "response-extension-twice", Clause: "RFC 7692 5", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The server accepts an extension twice.", Why: "Each would compress what the other has compressed, and both would use the same bit of the frame.",
		Due:   "each extension once",
		Cause: "The client made several offers of one extension (that is allowed), and the server sent them all back.",
		Mend:  "In the server, accept the first offer that it can honour, and no other.",
		check: agreedTwice,
	}, {
		ID: "response-extensions-lines", Clause: "RFC 6455 11.3.2", Source: WebSocket, Level: Must,
		Summary: "The response has more than one Sec-WebSocket-Extensions header.",
		Why:     "In a response there may be one only (though 4.2.2 of the same RFC speaks of several). Some clients refuse it, others join the lines.",
		Due:     "one header, with a list",
		Cause:   "The server writes a header for each extension.",
		Mend:    "In the server, write them into one header, with commas between them.",
		check:   agreedLines,
	}}
}
