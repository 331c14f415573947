package handshake

func deflateAnswerRules() []Rule {
	const why = "The parameters say how both sides compress. A client that does not understand them could not read a single message, so it has to give up."
	return []Rule{{
		ID: "response-deflate-unknown", Clause: "RFC 7692 7.1", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The server accepts compression with an unknown parameter.", Why: why,
		Due:   deflateParameters,
		Cause: "A misspelling, or an option of a library taken for a parameter.",
		Mend:  "In the server, leave it away.",
		check: answeredDeflate(deflateUnknown),
	}, {
		ID: "response-deflate-twice", Clause: "RFC 7692 7.1", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The server accepts compression with a parameter that stands there twice.", Why: why,
		Due:   "each parameter once",
		Cause: "The server adds its own parameters to the client's.",
		Mend:  "In the server, write each parameter once, with the smaller window of the two.",
		check: answeredDeflate(deflateTwice),
	}, {
		ID: "response-deflate-value", Clause: "RFC 7692 7.1.1, 7.1.2", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The server accepts compression with a value that a parameter may not have.", Why: why,
		Due:   "no value behind …_no_context_takeover; a number without leading zeros behind …_max_window_bits",
		Cause: "The server sends the offer back as it came: client_max_window_bits needs no value in an offer, but one in an answer.",
		Mend:  "In the server, give client_max_window_bits a number, or leave it away.",
		check: answeredDeflate(deflateValue),
	}, {
		ID: "response-deflate-bits", Clause: "RFC 7692 7.1.2.1, 7.1.2.2", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The server accepts compression with a window outside 8 to 15.", Why: why,
		Due:   "a number from 8 (256 bytes) to 15 (32 KiB)",
		Cause: "The size of the window was given and not its logarithm, or a level of compression.",
		Mend:  "In the server, give a number from 8 to 15, or leave the parameter away.",
		check: answeredDeflate(deflateRange),
	}}
}

func deflateFitRules() []Rule {
	return []Rule{{
		ID: "response-deflate-client-bits", Clause: "RFC 7692 7.1.2.2", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The server limits the client's window, but the client did not say that it understands that.",
		Why:     "A client that always compresses with a window of 32 KiB would send what the server cannot read.",
		Due:     "no client_max_window_bits, unless the offer names it",
		Cause:   "The server sends its own setting whatever is offered.",
		Mend:    "In the server, send client_max_window_bits only where the offer names it.",
		check:   unfitDeflate(deflateNotOffered),
	}, {
		ID: "response-deflate-server-bits", Clause: "RFC 7692 7.1.2.1", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The server wants to compress with a larger window than the client offered to read.",
		Why:     "The client keeps only so much of what came before; with a larger window it could not read the messages.",
		Due:     "server_max_window_bits with the offered number or a smaller one",
		Cause:   "The server does not look at server_max_window_bits in the offer: where the answer does not name it, it means 15.",
		Mend:    "In the server, honour server_max_window_bits and send it back, or decline that offer.",
		check:   unfitDeflate(deflateWider),
	}, {
		ID: "response-deflate-takeover", Clause: "RFC 7692 7.1.1.1", Source: PMDeflate, Level: Must, Fails: true,
		Summary: "The client asked the server to forget its context after each message, and the server does not grant it.",
		Why:     "The client has no memory for the context; without it, it could not read the second message.",
		Due:     "server_no_context_takeover",
		Cause:   "The server does not look at server_no_context_takeover in the offer.",
		Mend:    "In the server, grant it and send it back, or decline that offer.",
		check:   unfitDeflate(deflateTakeover),
	}}
}

func emptyBodyRules() []Rule {
	const why = "Behind a 101 come frames, never a body. A client that believes in a body would take the first frames for it; most ignore the header, as they should."
	return []Rule{{
		ID: "response-body-length", Clause: "RFC 9110 8.6", Source: HTTP, Level: Must,
		Summary: "The 101 has a Content-Length.", Why: why,
		Due:   "no Content-Length",
		Cause: "The server's HTTP library adds Content-Length: 0 to everything.",
		Mend:  "In the server, write the 101 to the connection itself, past the library's response.",
		check: answeredLength,
	}, {
		ID: "response-body-chunked", Clause: "RFC 9112 6.1", Source: HTTP, Level: Must,
		Summary: "The 101 has a Transfer-Encoding.", Why: why,
		Due:   "no Transfer-Encoding",
		Cause: "The server's HTTP library sends everything in chunks, perhaps the frames too.",
		Mend:  "In the server, write the 101 to the connection itself, past the library's response.",
		check: answeredEncoding,
	}, {
		ID: "response-no-frame", Clause: "RFC 6455 5.2", Source: WebSocket, Level: Must,
		Summary: "What comes behind the 101 is no frame.",
		Why:     "From the empty line on, the server speaks WebSocket: each piece begins with a frame's head, and servers do not mask.",
		Due:     "frames: 81 for text, 82 for binary, 88 for close, 89 for ping, then a length below 80 (hex)",
		Cause:   "The program printed something (a message of PHP, a log line, one line end too many), or sends its messages without frames.",
		Mend:    "In the server, write nothing but frames once the 101 is sent.",
		check:   noFrame,
	}}
}

func answerRules() []Rule {
	return []Rule{{
		ID: "response-accepted-broken-request", Clause: "RFC 6455 4.2.1", Source: WebSocket, Level: Must, Duty: Recipient,
		Summary: "The server accepted a request that it had to refuse.",
		Why:     "The requests that a server lets through are what keeps attackers from tricking browsers and proxies into a connection that they do not understand.",
		Due:     "an error status, such as 400 Bad Request",
		Cause:   "The server does not check what it reads, or a proxy mended the request on the way to it.",
		Mend:    "In the server, use a library for the handshake, or check each header of RFC 6455 4.2.1.",
		check:   acceptedBroken,
	}, {
		ID: "response-key", Clause: "RFC 6455 11.3.1", Source: Practice, Level: Note,
		Summary: "The response holds a header that belongs to the request: Sec-WebSocket-Key.",
		Why:     "It is the client's question. In a response it says nothing.",
		Due:     "no Sec-WebSocket-Key",
		Cause:   "The server copies the request's headers into its response.",
		Mend:    "In the server, send only the headers that are due.",
		check:   keyInResponse,
	}, {
		ID: "response-hixie", Clause: "draft-hixie-thewebsocketprotocol-76", Source: Practice, Level: Note,
		Summary: "The response holds headers of a draft of 2010 (Sec-WebSocket-Location).",
		Why:     "That draft had another handshake and other frames. No browser of today speaks it.",
		Due:     "Sec-WebSocket-Accept",
		Cause:   "A server's library of before 2011, or an example of that time.",
		Mend:    "Renew the server's library.",
		check:   hixieResponse,
	}}
}
