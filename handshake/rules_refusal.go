package handshake

import "slices"

// refusalRules are the rules about responses other than 101. A refusal breaks
// no rule by itself: what is told of it are notes.
func refusalRules() []Rule {
	return within(refusal, InRefusal, Server, slices.Concat(
		knownRefusals(), pageRefusals(), accessRefusals(), requestRefusals(), serverRefusals(), proxyRefusals(), owedRules())...)
}

// told is a note about a refusal with one of some statuses.
func told(id, clause, summary, why, cause, mend string, from, to int) Rule {
	return Rule{
		ID: id, Clause: clause, Source: Practice, Level: Note, Fails: true,
		Summary: summary, Why: why, Due: "HTTP/1.1 101 Switching Protocols", Cause: cause, Mend: mend,
		check: func(x *Exchange) *hit {
			if s := x.Response.Status; s < from || s > to || x.known() != unknownRefusal {
				return nil
			}
			return x.refused()
		},
	}
}

const (
	itemOne  = "RFC 6455 4.1 (response) item 1"
	notToday = "Any status other than 101 is an ordinary HTTP answer, and the connection does not become a WebSocket."
)

// knownRefusals are those whose text says what is wrong. They go before what
// the status alone says.
func knownRefusals() []Rule {
	rules := []Rule{{
		ID: "refused-needs-tls", Fault: Client,
		Summary: "The port speaks TLS and was dialled without it.",
		Why:     "ws:// is plain, wss:// is inside TLS. The server could just read enough to say so.",
		Cause:   "The address begins with ws:// and should begin with wss://.",
		Mend:    "Dial wss:// instead of ws://.",
		check:   knownAs(needsTLS),
	}, {
		ID:      "refused-engineio",
		Summary: "This is a Socket.IO server, and it wants Socket.IO's own handshake.",
		Why:     "Socket.IO is a protocol of its own on top of WebSocket. Its server refuses clients that do not speak it.",
		Cause:   "A plain WebSocket client, or a Socket.IO client of another version.",
		Mend:    "Use a Socket.IO client of the server's version (`sockkit dial sio://…`). By hand: GET /socket.io/?EIO=4&transport=websocket.",
		check:   knownAs(engineIO),
	}, {
		ID: "refused-upgrade-removed", Fault: Proxy,
		Summary: "The server says that no upgrade was asked for, but the request did ask: something in between removed the headers.",
		Why:     "Upgrade and Connection are for the next program on the way only. A proxy has to be told to send them on.",
		Cause:   "A reverse proxy, a load balancer or a firewall between client and server drops Upgrade and Connection.",
		Mend:    proxyMend,
		check:   knownAs(upgradeRemoved),
	}, {
		ID: "refused-websocket-only", Fault: Client,
		Summary: "The server expects a WebSocket client, and the request does not ask for an upgrade.",
		Why:     "This address serves WebSocket connections and no pages.",
		Cause:   "It was opened in a browser's address bar, with curl or by a health check.",
		Mend:    "Use a WebSocket client: new WebSocket(\"ws://…\") in a page, `sockkit dial ws://…` in a shell.",
		check:   knownAs(websocketOnly),
	}}
	for i := range rules {
		r := &rules[i]
		r.Clause, r.Source, r.Level, r.Fails, r.Due = itemOne, Practice, Note, true, "HTTP/1.1 101 Switching Protocols"
	}
	return rules
}

func pageRefusals() []Rule {
	return []Rule{
		told("refused-interim", "RFC 9110 15.2", "Only an interim response came, and no final one.",
			"Statuses from 100 to 199, but for 101, announce that the answer comes later.",
			"The server, or a proxy, announced its answer and then gave none.", "Wait for the next response; look at the server's log.", 100, 199),
		told("refused-200", itemOne, "The server answered with an ordinary page (200).", notToday,
			"The path is not the one of the WebSocket: a web framework or a single-page application answered for it. Or a proxy removed Upgrade and Connection, so that the server saw an ordinary request.",
			"Check the path (often /ws, /socket, /cable, /graphql). If the path is right, look at the proxy: "+proxyMend, 200, 200),
		told("refused-2xx", itemOne, "The server answered with success, but not with an upgrade.", notToday,
			"The path belongs to an API, or the request was taken for a preflight.", "Check the path and the method.", 201, 299),
		told("refused-redirect", "RFC 6455 4.2.2 item 3", "The server sends the client to another address.",
			"Clients need not follow a redirect, and browsers never do for a WebSocket.",
			"The address lacks a slash at its end or has one too many, is http where the site is https only (then dial wss://), has another name (www), or wants a login first.",
			"Dial the address that Location names, with ws:// for http:// and wss:// for https://. (`sockkit dial -L` follows it.)", 300, 399),
	}
}

func accessRefusals() []Rule {
	return []Rule{
		told("refused-401", "RFC 9110 15.5.2", "The server wants to know who you are (401).", "The server asks for credentials before it opens a connection.",
			"No token, cookie or password was sent, or it has expired. A browser's WebSocket cannot send an Authorization header, only cookies.",
			"Send what the server expects: -H 'Authorization: Bearer …', --basic-auth, a cookie; in a page a cookie, a token in the query, or a token in the first message.", 401, 401),
		told("refused-403", "RFC 6455 4.2.2 item 4", "The server does not let this client in (403).", "The server understood and will not.",
			"Most often the Origin is not on the server's list. Else missing rights, a CSRF check, an address that is blocked, a path that no handler serves (in Django's Channels), or a web firewall.",
			"Add the page's origin (scheme, host and port, without a slash) to the server's list; from a shell send --origin as the page has it.", 403, 403),
		told("refused-407", "RFC 9110 15.5.8", "A proxy on the way wants to know who you are (407).", "The answer comes from a proxy and not from the server.",
			"The proxy of the company or the network needs a name and a password.", "Give them with the proxy's address: --proxy http://user:password@proxy:port.", 407, 407),
		told("refused-429", "RFC 6585 4", "Too many requests (429).", "The server, or a proxy, bounds how often a client may connect.",
			"Clients reconnect in a tight loop, or many share one address.", "Wait as long as Retry-After says, and reconnect with growing pauses.", 429, 429),
	}
}

func requestRefusals() []Rule {
	return []Rule{
		told("refused-400", "RFC 6455 4.2.1", "The server finds the request bad (400).", "A server has to refuse a request that breaks a rule of the handshake.",
			"A proxy changed or removed headers of the handshake; the path or the query lacks something that the server needs; or the Host is not one that it serves.",
			"Compare what was sent with what the server's log says came in. Behind a proxy: "+proxyMend, 400, 400),
		told("refused-404", "RFC 6455 4.2.2 item 4", "There is nothing at this path (404).", "One server can have many services, told apart by path and host.",
			"The path is misspelled, lacks a prefix that a proxy adds or removes, or the Host leads to another site on the same machine.",
			"Look up the path in the server's code (often /ws, /socket, /cable, /socket.io/), and what the proxy makes of it.", 404, 404),
		told("refused-405", "RFC 9110 15.5.6", "The path exists but does not take GET (405).", "A WebSocket is opened with GET.",
			"The path belongs to an API that takes POST.", "Check the path.", 405, 405),
		told("refused-408", "RFC 9110 15.5.9", "The server waited too long for the request (408).", "A server bounds how long a request may take to come.",
			"The request never came to its end (an empty line is missing), or it came very slowly.", "End the head with an empty line; look at the network.", 408, 408),
		told("refused-410", "RFC 9110 15.5.11", "What was at this path is gone (410).", "The server says that it will not come back.",
			"The service was moved or switched off.", "Ask for its new address.", 410, 410),
		told("refused-421", "RFC 9110 15.5.20", "The server is not the right one for this host (421).", "Host and the name in TLS have to lead to the same site.",
			"Host is another name than the one that TLS was set up for.", "Send the same name in both (--server-name, Host).", 421, 421),
		told("refused-426", "RFC 6455 4.2.2 item 4", "The server wants an upgrade, but not this one (426).", "426 asks for another protocol or another version; the headers say which.",
			"Upgrade did not reach the server (a proxy removed it), or the version is not 13.",
			"Look at Upgrade and Sec-WebSocket-Version in the response. If it names websocket and 13, look at the proxy: "+proxyMend, 426, 426),
		told("refused-431", "RFC 6585 5", "The request's headers are too large for the server (431).", "Every server bounds the size of a request.",
			"Cookies have piled up, or a token in the address is very large.", "Clear the site's cookies; send large data in a message.", 431, 431),
		{
			ID: "refused-too-large", Clause: "RFC 9110 15.5.14, 15.5.15", Source: Practice, Level: Note, Fails: true,
			Summary: "The request is too large for the server (413 or 414).", Why: "Every server bounds the size of an address and of a body.",
			Due: "HTTP/1.1 101 Switching Protocols", Cause: "A token in the address is very large, or the request has a body.", Mend: "Send large data in a message once the connection is open.",
			check: func(x *Exchange) *hit {
				if s := x.Response.Status; s != 413 && s != 414 || x.known() != unknownRefusal {
					return nil
				}
				return x.refused()
			},
		},
		told("refused-464", "AWS Application Load Balancer", "The load balancer does not speak this version of HTTP to its servers (464).", "The status is one of AWS's own.",
			"The target group is set to HTTP/2 or gRPC.", "Set the target group's protocol version to HTTP1.", 464, 464),
		{
			ID: "refused-4xx", Clause: "RFC 9110 15.5", Source: Practice, Level: Note, Fails: true,
			Summary: "The server refuses the request (4xx).", Why: "Statuses from 400 to 499 say that the client has to change something.",
			Due: "HTTP/1.1 101 Switching Protocols", Cause: "The status and the body say what.", Mend: "Look at the body, and at the server's log.",
			check: otherClientError,
		},
	}
}

func serverRefusals() []Rule {
	return []Rule{
		told("refused-500", "RFC 9110 15.6.1", "The server failed while it handled the request (500).", "The fault lies in the server's program.",
			"An exception in the handler, or a web server that cannot upgrade (WSGI, PHP-FPM, a serverless function).",
			"Read the server's log. In Python use an ASGI server, in Java declare the endpoint; a framework's development server may lack WebSocket.", 500, 500),
		told("refused-501", "RFC 9110 15.6.2", "The server cannot do this (501).", "The server does not know the method or the upgrade.",
			"A simple static server, or a proxy without support for WebSocket.", "Use a server that supports WebSocket; in Apache load mod_proxy_wstunnel.", 501, 501),
		told("refused-503", "RFC 9110 15.6.4", "The service is not available at the moment (503).", "A proxy has no server to pass the request to, or the server is full.",
			"The application is starting, has crashed, fails its health check, or has reached its limit of connections.", "Look whether the application runs; wait as long as Retry-After says.", 503, 503),
		told("refused-505", "RFC 9110 15.6.6", "The server does not speak this version of HTTP (505).", "An upgrade needs HTTP/1.1.",
			"The request was sent as another version, or the server is very old.", curlHTTP1, 505, 505),
	}
}

func proxyRefusals() []Rule {
	rules := []Rule{
		told("refused-502", "RFC 9110 15.6.3", "A proxy got no valid answer from the server behind it (502).", "The answer comes from the proxy and not from your server.",
			"The application is not running, listens on another port, speaks TLS where the proxy does not (or the other way about), or its 101 was so wrong that the proxy refused it.",
			"Dial the application directly, past the proxy. If that works, compare the proxy's target (port, http or https) with it, and read the proxy's error log.", 502, 502),
		told("refused-504", "RFC 9110 15.6.5", "A proxy waited too long for the server behind it (504).", "The answer comes from the proxy and not from your server.",
			"The application accepts the connection and never answers: it does not see an upgrade (so it waits, or works on a page), or it is overloaded.",
			"Dial the application directly, past the proxy. In the proxy pass the upgrade on: "+proxyMend, 504, 504),
		{
			ID: "refused-5xx", Clause: "RFC 9110 15.6", Source: Practice, Level: Note, Fails: true,
			Summary: "The server, or a proxy in front of it, failed (5xx).", Why: "Statuses from 520 to 530 are Cloudflare's own: its servers could not talk to yours.",
			Due: "HTTP/1.1 101 Switching Protocols", Cause: "The application is down, or its TLS or port is not what the proxy expects.", Mend: "Dial the application directly, past the proxy.",
			check: otherServerError,
		},
	}
	rules[0].Fault, rules[1].Fault = Proxy, Proxy
	return rules
}

// owedRules are what a refusal has to hold.
func owedRules() []Rule {
	owed := func(id, clause string, level Level, summary, due, mend string, check func(*Exchange) *hit) Rule {
		return Rule{ID: id, Clause: clause, Source: HTTP, Level: level, Summary: summary, Due: due, Mend: mend,
			Why: "Without it the client knows that it is refused, but not what to do about it.", Cause: "The response was put together by hand.", check: check}
	}
	version := owed("refusal-version-unnamed", "RFC 6455 4.2.2 item 4, 4.4", Must, "The server refuses the version and does not say which it speaks.",
		"Sec-WebSocket-Version: 13", "In the server, send Sec-WebSocket-Version: 13 with the refusal.", versionUnnamed)
	version.Source = WebSocket
	return []Rule{version,
		owed("refusal-426-upgrade", "RFC 9110 15.5.22", Must, "The server wants an upgrade and does not say to what.",
			"Upgrade: websocket", "In the server, send Upgrade: websocket and Connection: Upgrade with a 426.", owes(426, upgradeField)),
		owed("refusal-401-challenge", "RFC 9110 15.5.2", Must, "The server wants credentials and does not say which kind.",
			"WWW-Authenticate: Basic realm=…, or Bearer", "In the server, send WWW-Authenticate with a 401; where no login would help, send 403.", owes(401, authenticateField)),
		owed("refusal-407-challenge", "RFC 9110 15.5.8", Must, "The proxy wants credentials and does not say which kind.",
			"Proxy-Authenticate: Basic realm=…", "In the proxy, send Proxy-Authenticate with a 407.", owes(407, proxyAuthenticateField)),
		owed("refusal-405-allow", "RFC 9110 15.5.6", Must, "The server refuses the method and does not say which it takes.",
			"Allow: GET", "In the server, send Allow with a 405.", owes(405, allowField)),
		owed("refusal-redirect-location", "RFC 9110 15.4", Should, "The server redirects and does not say where to.",
			"Location: …", "In the server, send Location with the redirect.", redirectsNowhere),
	}
}
