package handshake

func bodyRules() []Rule {
	const why = "Behind the head of a request that upgrades come frames. Where one program takes what follows for a body and the next one for something else, requests can be smuggled."
	return []Rule{{
		ID: "request-length-bad", Clause: "RFC 9112 6.3 item 5", Source: HTTP, Level: Must, Status: 400,
		Summary: "The Content-Length is not one number.", Why: why,
		Due:   "no Content-Length",
		Cause: "Two different lengths, a sign or a text: the request was put together by hand, or is an attack.",
		Mend:  "Send no Content-Length with a GET.",
		check: lengthBad,
	}, {
		ID: "request-length-and-encoding", Clause: "RFC 9112 6.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "The request has both Content-Length and Transfer-Encoding.", Why: why,
		Due:   "neither of them",
		Cause: "A proxy adds one of them to a request that has the other, or it is an attack (request smuggling).",
		Mend:  "Send neither with a GET.",
		check: lengthAndEncoding,
	}, {
		ID: "request-body-length", Clause: "RFC 9110 9.3.1", Source: HTTP, Level: Should, Status: 400,
		Summary: "The request announces a body.", Why: why,
		Due:   "no Content-Length, or 0",
		Cause: "A client for APIs was used, which sends data with the GET.",
		Mend:  "Send no data with the request; send it in a message once the connection is open.",
		check: bodyLength,
	}, {
		ID: "request-body-chunked", Clause: "RFC 9112 6.1", Source: HTTP, Level: Should, Status: 400,
		Summary: "The request announces a body in chunks.", Why: why,
		Due:   "no Transfer-Encoding",
		Cause: "A client for uploads was used (curl -T does this), or a proxy streams the request on.",
		Mend:  "Use a WebSocket client; in the proxy, pass the request on as it came.",
		check: bodyChunked,
	}, {
		ID: "request-expect", Clause: "RFC 9110 10.1.1", Source: HTTP, Level: Must,
		Summary: "The request waits for a permission to send a body that it does not have.",
		Why:     "Expect: 100-continue is for large uploads. Some servers answer it with 100 first, and simple clients take that for the answer.",
		Due:     "no Expect header",
		Cause:   "A client's library adds it by itself.",
		Mend:    "Switch it off in the client (curl -H 'Expect:').",
		check:   expectation,
	}, {
		ID: "request-early-data", Clause: "RFC 6455 4.1", Source: WebSocket, Level: Must,
		Summary: "The client sent more before it had the server's response.",
		Why:     "Until the server has answered 101 nobody knows whether this is a WebSocket; a refusing server may take the bytes for another request.",
		Due:     "to wait for the response",
		Cause:   "The client sends its first message right behind the request.",
		Mend:    "Send the first message once the connection is open (onopen).",
		check:   earlyData,
	}}
}

func originRules() []Rule {
	return []Rule{{
		ID: "request-origin-twice", Clause: "RFC 6454 7.3", Source: HTTP, Level: Must, Status: 400,
		Summary: "The request has more than one Origin header.",
		Why:     "Origin says which page opens the connection, and servers decide by it. With two, they may look at the wrong one.",
		Due:     "at most one Origin header",
		Cause:   "A proxy or a program added one to the browser's.",
		Mend:    "Leave the Origin header to the browser.",
		check:   originTwice,
	}, {
		ID: "request-origin-bad", Clause: "RFC 6455 4.1 item 8", Source: WebSocket, Level: Must,
		Summary: "The Origin header is no origin.",
		Why:     "Servers compare it letter by letter with the origins that they allow. With a path or a slash behind it, it matches none.",
		Due:     "scheme://host, with :port where it is not the default port; or null",
		Cause:   "The address of a page, or a name without https://, was given as the origin.",
		Mend:    "Cut everything behind the host and port, also a slash.",
		check:   originBad,
	}}
}

func protocolRules() []Rule {
	return []Rule{{
		ID: "request-protocol-empty", Clause: "RFC 6455 4.1 item 10", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The Sec-WebSocket-Protocol header names no subprotocol.",
		Why:     "It is a list of one or more names, in order of preference. A client that wants none leaves the header away.",
		Due:     "Sec-WebSocket-Protocol: chat, or no such header",
		Cause:   "An empty list of subprotocols was given to the client.",
		Mend:    "Give names, or no list at all.",
		check:   protocolEmpty,
	}, {
		ID: "request-protocol-many", Clause: "CVE-2021-32640", Source: Practice, Level: Should, Status: 400,
		Summary: "The request names more than 100 subprotocols.",
		Why:     "Comparing thousands of names costs a server much time: a known way to attack one.",
		Due:     "a handful of names",
		Cause:   "Data is passed as subprotocols, or it is an attack.",
		Mend:    "Send data in a message once the connection is open.",
		check:   protocolMany,
	}, {
		ID: "request-protocol-bad", Clause: "RFC 6455 4.1 item 10", Source: WebSocket, Level: Must, Status: 400,
		Summary: "A subprotocol's name holds characters that no name may hold.",
		Why:     "Names are letters, digits and !#$%&'*+-.^_`|~. A browser's new WebSocket(url, name) throws a SyntaxError for any other.",
		Due:     "names without spaces, slashes, quotation marks or brackets",
		Cause:   "An address, JSON or a token with \"=\" or \"/\" (base64) was given as a name.",
		Mend:    "Choose plain names; pass a token as base64url without padding, or in a message.",
		check:   protocolBad,
	}, {
		ID: "request-protocol-twice", Clause: "RFC 6455 4.1 item 10", Source: WebSocket, Level: Must, Status: 400,
		Summary: "A subprotocol is named twice.",
		Why:     "Each name stands once. A browser's new WebSocket(url, names) throws a SyntaxError otherwise.",
		Due:     "each name once",
		Cause:   "The header was added to the one that the client's library sends for its list of subprotocols.",
		Mend:    "Give the names in one place.",
		check:   protocolTwice,
	}}
}

func offerRules() []Rule {
	return []Rule{{
		ID: "request-extensions-bad", Clause: "RFC 6455 9.1", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The Sec-WebSocket-Extensions header is malformed.",
		Why:     "It is a list: name; parameter; parameter=value, name … Whoever receives anything else has to give up.",
		Due:     "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, or no such header",
		Cause:   "The header was put together by hand, or it is empty.",
		Mend:    "Leave the header to the client's library, or leave it away.",
		check:   offerBad,
	}, {
		ID: "request-extension-unregistered", Clause: "RFC 6455 9.1", Source: WebSocket, Level: Must,
		Summary: "The client offers an extension that is not registered.",
		Why:     "Names of extensions are kept in a registry, so that two sides mean the same by one. A server passes over what it does not know, so nothing breaks.",
		Due:     "permessage-deflate, which is the one extension in wide use",
		Cause:   "A misspelling (names are case-sensitive), an old name such as x-webkit-deflate-frame, or something private to both sides.",
		Mend:    "Correct the name, or leave it away. Where both sides are yours, nothing has to be done.",
		check:   offerUnregistered,
	}}
}

func deflateOfferRules() []Rule {
	const why = "A server has to decline an offer like this, so the connection will not be compressed."
	return []Rule{{
		ID: "request-deflate-unknown", Clause: "RFC 7692 7.1", Source: PMDeflate, Level: Must,
		Summary: "The offer of compression holds an unknown parameter.", Why: why,
		Due:   deflateParameters,
		Cause: "A misspelling, or an option of a library taken for a parameter.",
		Mend:  "Correct the name, or leave it away.",
		check: offeredDeflate(deflateUnknown),
	}, {
		ID: "request-deflate-twice", Clause: "RFC 7692 7.1", Source: PMDeflate, Level: Must,
		Summary: "The offer of compression holds a parameter twice.", Why: why,
		Due:   "each parameter once; another choice is another offer: permessage-deflate; …, permessage-deflate",
		Cause: "Two choices were meant and stand in one offer, with \";\" between them and not \",\".",
		Mend:  "Put a comma and the name permessage-deflate before the second choice.",
		check: offeredDeflate(deflateTwice),
	}, {
		ID: "request-deflate-value", Clause: "RFC 7692 7.1.1, 7.1.2", Source: PMDeflate, Level: Must,
		Summary: "A parameter in the offer of compression has a value that it may not have.", Why: why,
		Due:   "no value behind …_no_context_takeover; a number without leading zeros behind …_max_window_bits",
		Cause: "=true or =1 behind a parameter that takes no value, or no number behind server_max_window_bits.",
		Mend:  "Write server_no_context_takeover alone, and server_max_window_bits=10.",
		check: offeredDeflate(deflateValue),
	}, {
		ID: "request-deflate-bits", Clause: "RFC 7692 7.1.2.1, 7.1.2.2", Source: PMDeflate, Level: Must,
		Summary: "The offer of compression names a window outside 8 to 15.", Why: why,
		Due:   "a number from 8 (256 bytes) to 15 (32 KiB)",
		Cause: "The size of the window was given and not its logarithm, or a level of compression.",
		Mend:  "Give a number from 8 to 15, or leave the parameter away.",
		check: offeredDeflate(deflateRange),
	}}
}

const deflateParameters = "server_no_context_takeover, client_no_context_takeover, server_max_window_bits=8…15, client_max_window_bits[=8…15]"

func oldRules() []Rule {
	return []Rule{{
		ID: "request-hixie", Clause: "draft-hixie-thewebsocketprotocol-76", Source: Practice, Level: Note,
		Summary: "The request holds headers of a draft of 2010 (Sec-WebSocket-Key1).",
		Why:     "That draft had another handshake and other frames. No server of today speaks it.",
		Due:     "Sec-WebSocket-Key and Sec-WebSocket-Version: 13",
		Cause:   "A client of 2010, such as an old Flash shim or an embedded device.",
		Mend:    "Renew the client's library.",
		check:   hixieRequest,
	}, {
		ID: "request-draft-origin", Clause: "draft-ietf-hybi-thewebsocketprotocol-08 11.3.3", Source: Practice, Level: Note,
		Summary: "The request holds Sec-WebSocket-Origin, which became Origin.",
		Why:     "Servers of today do not look at it, so an origin that stands there alone is not seen.",
		Due:     "Origin",
		Cause:   "A client of 2011, or an example of that time.",
		Mend:    "Send Origin.",
		check:   draftOrigin,
	}, {
		ID: "request-accept", Clause: "RFC 6455 11.3.3", Source: Practice, Level: Note,
		Summary: "The request holds a header that belongs to the response: Sec-WebSocket-Accept.",
		Why:     "It is the server's answer to the key. In a request it says nothing.",
		Due:     "no Sec-WebSocket-Accept",
		Cause:   "A whole response was copied into the request, or a proxy mixes up headers.",
		Mend:    "Leave it away.",
		check:   acceptInRequest,
	}}
}
