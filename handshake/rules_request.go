package handshake

import "slices"

// requestRules are the rules about the headers of a request.
func requestRules() []Rule {
	return within(wholeRequest, InRequest, Client, slices.Concat(
		hostRules(), upgradeRules(), versionRules(), keyRules(), bodyRules(),
		originRules(), protocolRules(), offerRules(), deflateOfferRules(), oldRules())...)
}

// nginxLines are what nginx needs to pass an upgrade on.
const nginxLines = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`

const proxyMend = "In nginx: " + nginxLines + " In Apache: ProxyPass with upgrade=websocket (2.4.47 or later), before that mod_proxy_wstunnel. HAProxy, Caddy and Traefik pass it on by themselves, unless a rule removes headers."

func hostRules() []Rule {
	return []Rule{{
		ID: "request-host-missing", Clause: "RFC 9112 3.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "The request has no Host header.",
		Why:     "One address can serve many names; Host says which one is meant. HTTP/1.1 makes a server refuse a request without it.",
		Due:     "Host: example.com, with :port where it is not the default port",
		Cause:   "The request was put together by hand, or by a small client.",
		Mend:    "In the client, send the host that was dialled.",
		check:   hostMissing,
	}, {
		ID: "request-host-twice", Clause: "RFC 9112 3.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "The request has more than one Host header.",
		Why:     "A proxy may believe the first and the server the last: a known way around access rules.",
		Due:     "one Host header",
		Cause:   "A Host header was added to the one that the client sends by itself.",
		Mend:    "Replace the client's own Host header instead of adding one.",
		check:   hostTwice,
	}, {
		ID: "request-host-empty", Clause: "RFC 9110 7.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "The Host header is empty.",
		Why:     "An address of http has a host, and Host has to say which (RFC 9110 4.2.1).",
		Due:     "Host: example.com",
		Cause:   "A variable with the host's name was empty.",
		Mend:    "In the client, send the host that was dialled.",
		check:   hostEmpty,
	}, {
		ID: "request-host-bad", Clause: "RFC 9112 3.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "The Host header holds something other than a host and a port.",
		Why:     "Host is a name or an address, and perhaps a port. Anything else can lead astray whoever builds links or picks a server by it.",
		Due:     "Host: example.com:8080, or Host: [::1]:8080",
		Cause:   "A whole address, a path or a name with letters beyond ASCII stands there, or an IPv6 address without brackets.",
		Mend:    "Send host and port alone; an IPv6 address in brackets; other letters as punycode (xn--…).",
		check:   hostBad,
	}}
}

func upgradeRules() []Rule {
	return []Rule{{
		ID: "request-upgrade-missing", Clause: "RFC 6455 4.2.1 item 3", Source: WebSocket, Level: Must, Status: 426,
		Summary: "The request has no Upgrade header.",
		Why:     "Upgrade says to which protocol the connection shall change. Without it this is an ordinary request for a page.",
		Due:     "Upgrade: websocket",
		Cause:   "A proxy between client and server removed it, as most do unless they are told to pass it on; or the client is none for WebSocket.",
		Mend:    proxyMend,
		check:   upgradeMissing,
	}, {
		ID: "request-upgrade-other", Clause: "RFC 6455 4.2.1 item 3", Source: WebSocket, Level: Must, Status: 426,
		Summary: "The Upgrade header does not name websocket.",
		Why:     "The connection can change to other protocols too; this one is called websocket, in one word.",
		Due:     "Upgrade: websocket",
		Cause:   "A spelling such as WebSockets or ws, or a client that wants HTTP/2 (h2c).",
		Mend:    "Send Upgrade: websocket.",
		check:   upgradeOther,
	}, {
		ID: "request-connection-missing", Clause: "RFC 6455 4.2.1 item 4", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The request has no Connection header.",
		Why:     "Upgrade is meant for the next program on the way only, and Connection has to list such headers. Without it Upgrade does not count.",
		Due:     "Connection: Upgrade",
		Cause:   "A proxy removed it and passed only Upgrade on, or the request was put together by hand.",
		Mend:    proxyMend,
		check:   connectionMissing,
	}, {
		ID: "request-connection-other", Clause: "RFC 6455 4.2.1 item 4", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The Connection header does not list Upgrade.",
		Why:     "Upgrade is meant for the next program on the way only, and Connection has to list such headers. Without that Upgrade does not count.",
		Due:     "Connection: Upgrade, or a list that holds it: keep-alive, Upgrade",
		Cause:   "A proxy replaced it by its own (nginx sends Connection: close unless it is told otherwise), or the client's library did.",
		Mend:    proxyMend,
		check:   connectionOther,
	}}
}

func versionRules() []Rule {
	return []Rule{{
		ID: "request-version-missing", Clause: "RFC 6455 4.2.1 item 6", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The request has no Sec-WebSocket-Version header.",
		Why:     "There were several drafts of the protocol with different frames; the number says which one is spoken.",
		Due:     "Sec-WebSocket-Version: 13",
		Cause:   "The request was put together by hand, or a client of before 2011.",
		Mend:    "In the client, send Sec-WebSocket-Version: 13.",
		check:   versionMissing,
	}, {
		ID: "request-version-twice", Clause: "RFC 6455 11.3.5", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The request has more than one Sec-WebSocket-Version.",
		Why:     "A request asks for one version. Only a server's refusal may list several.",
		Due:     "Sec-WebSocket-Version: 13, once",
		Cause:   "The header was added to the one that the client sends by itself, or the client lists what it understands.",
		Mend:    "Send 13 alone, once.",
		check:   versionTwice,
	}, {
		ID: "request-version-number", Clause: "RFC 6455 4.3", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The Sec-WebSocket-Version is not a number.",
		Why:     "It is a number from 0 to 255, without leading zeros.",
		Due:     "Sec-WebSocket-Version: 13",
		Cause:   "The request was put together by hand.",
		Mend:    "Send 13.",
		check:   versionNumber,
	}, {
		ID: "request-version-unsupported", Clause: "RFC 6455 4.1 item 9", Source: WebSocket, Level: Must, Status: 426,
		Summary: "The request asks for a version of WebSocket other than 13.",
		Why:     "13 is the only version of the standard. Others are drafts, the last of them from 2011.",
		Due:     "Sec-WebSocket-Version: 13",
		Cause:   "A client of before 2012 (0, 7 and 8 were drafts), or a number that was made up.",
		Mend:    "Send 13, or renew the client's library.",
		check:   versionUnsupported,
	}}
}

func keyRules() []Rule {
	const why = "The server proves with the key that it has read and understood this very request."
	return []Rule{{
		ID: "request-key-missing", Clause: "RFC 6455 4.2.1 item 5", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The request has no Sec-WebSocket-Key header.", Why: why,
		Due:   "Sec-WebSocket-Key: 16 random bytes in base64",
		Cause: "The request was put together by hand, or a proxy passes on only headers that it knows.",
		Mend:  "In the client, send a fresh key with each request (`sockkit handshake key` makes one).",
		check: keyMissing,
	}, {
		ID: "request-key-twice", Clause: "RFC 6455 11.3.1", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The request has more than one Sec-WebSocket-Key header.", Why: why + " With two, nobody knows which one the answer is for.",
		Due:   "one Sec-WebSocket-Key header",
		Cause: "The header was added to the one that the client sends by itself.",
		Mend:  "Leave the key to the client's library.",
		check: keyTwice,
	}, {
		ID: "request-key-empty", Clause: "RFC 6455 4.2.1 item 5", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The Sec-WebSocket-Key is empty.", Why: why,
		Due:   "Sec-WebSocket-Key: 16 random bytes in base64",
		Cause: "A variable with the key was empty.",
		Mend:  "In the client, send a fresh key with each request.",
		check: keyEmpty,
	}, {
		ID: "request-key-base64", Clause: "RFC 6455 4.2.1 item 5", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The Sec-WebSocket-Key is not base64.", Why: why + " Its form guards against requests that something else was tricked into sending.",
		Due:   "24 characters, the last two \"==\"",
		Cause: "The key is a text or hex, is in base64url (\"-\" and \"_\"), or lost its \"==\" where code splits at \"=\".",
		Mend:  "Make 16 random bytes and write them in standard base64 with padding.",
		check: keyBadly(keyBase64),
	}, {
		ID: "request-key-length", Clause: "RFC 6455 4.2.1 item 5", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The Sec-WebSocket-Key does not decode to 16 bytes.", Why: why + " Its form guards against requests that something else was tricked into sending.",
		Due:   "16 random bytes in base64: 24 characters",
		Cause: "The client encodes something else, such as a UUID's text or a number of its own.",
		Mend:  "Make 16 random bytes and write them in base64.",
		check: keyBadly(keyLength),
	}, {
		ID: "request-key-padding", Clause: "RFC 4648 3.5", Source: WebSocket, Level: Should,
		Summary: "The Sec-WebSocket-Key is base64 with odd bits at its end.",
		Why:     "The last character before \"==\" holds two bits of data and four that should be zero. Most servers do not look; an example in the RFC itself has it.",
		Due:     "a last character of A, Q, g or w before \"==\"",
		Cause:   "The client makes up 22 characters instead of encoding 16 bytes.",
		Mend:    "Make 16 random bytes and write them in base64.",
		check:   keyBadly(keyPadding),
	}, {
		ID: "request-key-constant", Clause: "RFC 6455 4.1 item 7", Source: WebSocket, Level: Must,
		Summary: "The Sec-WebSocket-Key is not random: it is 16 times the same byte.",
		Why:     "The key has to be chosen at random for each connection, so that no stored answer fits.",
		Due:     "16 fresh random bytes in base64",
		Cause:   "The buffer was never filled with random bytes.",
		Mend:    "Fill it from the system's random source for each connection.",
		check:   keyConstant,
	}}
}
