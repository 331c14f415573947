package handshake

import (
	"bytes"
	"strings"
)

// clue is something in an exchange that gives away why it was refused.
type clue struct {
	Likely
	is func(*scene) bool
}

// scene is a refusal, made ready to be searched.
type scene struct {
	*Exchange
	status       int
	body, server string // in lower case
	location     string
	path         string // of the request, "" where it is not known
	asked        bool   // the request is known and asks for an upgrade
}

// clues returns those that fit, the surest first.
func (x *Exchange) clues() (found []clue) {
	s := &scene{Exchange: x, status: x.Response.Status, body: lowerText(x.Body),
		server: lowerText([]byte(x.Response.Get("Server"))), location: x.Response.Get("Location")}
	if x.Request.whole() {
		s.path = string(x.Request.Target)
		s.asked = x.Request.lists(upgradeField, "websocket")
	}
	if f := x.brokenRequest(); f != nil && in(s.status, 400, 405, 426, 431, 501, 505) {
		found = append(found, clue{Likely: Likely{"The request itself breaks a rule: " + withoutDot(f.Summary) + " (" + f.Clause + ").", f.Mend, f.Fault}})
	}
	for _, list := range [][]clue{engineClues(), frameworkClues(), redirectClues(), versionClues(), accessClues(), hostingClues()} {
		for _, c := range list {
			if c.is(s) {
				found = append(found, c)
			}
		}
	}
	return found
}

func in(status int, statuses ...int) bool {
	for _, s := range statuses {
		if s == status {
			return true
		}
	}
	return false
}

// engineClues read Engine.IO's error codes (its protocol, "HTTP").
func engineClues() []clue {
	code := func(n string) func(*scene) bool {
		return func(s *scene) bool {
			return s.known() == engineIO && strings.HasPrefix(strings.TrimSpace(s.body), `{"code":`+n+`,`)
		}
	}
	return []clue{
		{Likely{"Socket.IO: unknown transport (code 0). The query names no transport, or one that the server has switched off.", "Add transport=websocket to the query, and allow \"websocket\" in the server's transports.", Client}, code("0")},
		{Likely{"Socket.IO: unknown session (code 1). The sid belongs to another server process, or has expired.", "Behind a load balancer, switch on sticky sessions, or use the websocket transport alone. Leave sid away from a first request.", Server}, code("1")},
		{Likely{"Socket.IO: wrong method (code 2).", "Use GET.", Client}, code("2")},
		{Likely{"Socket.IO: bad request (code 3). The upgrade did not reach the server, or the query is wrong.", proxyMend, Proxy}, code("3")},
		{Likely{"Socket.IO: forbidden (code 4). The server's allowRequest or its CORS settings refuse this client.", "Look at allowRequest and cors.origin in the server.", Server}, code("4")},
		{Likely{"Socket.IO: another protocol version (code 5). The client is of version 2 (EIO=3), the server of 3 or 4 (EIO=4), or the other way about.", "Use a client of the server's version, or set allowEIO3 in the server.", Client}, code("5")},
		{Likely{"The path is a Socket.IO server's, which wants ?EIO=4&transport=websocket.", "Use a Socket.IO client (`sockkit dial sio://…`).", Client},
			func(s *scene) bool { return s.known() != engineIO && s.path != "" && socketioQuery(s.Exchange) != nil }},
	}
}

// frameworkClues know servers by what they say.
func frameworkClues() []clue {
	return []clue{
		{Likely{"This is a SockJS server, whose WebSocket is one level deeper.", "Add /websocket to the path.", Client},
			func(s *scene) bool { return strings.Contains(s.body, "welcome to sockjs") }},
		{Likely{"This is a SignalR hub, which wants a negotiation first.", "Use a SignalR client; by hand, POST to …/negotiate and add ?id=connectionToken, or use skipNegotiation.", Client},
			func(s *scene) bool {
				return containsAny(s.body, "connection id required", "no connection with that id")
			}},
		{Likely{"This is AWS API Gateway, and the stage is missing from the path.", "Add the stage: wss://ID.execute-api.REGION.amazonaws.com/STAGE.", Client},
			func(s *scene) bool {
				return s.status == 403 && containsAny(s.body, "missing authentication token") || s.Response.Has("x-amzn-ErrorType") && s.status == 403
			}},
		{Likely{"An ASGI application (uvicorn, daphne, hypercorn) refused the connection before it accepted it: no route fits the path, or the handler closed it.", "Look at the routes for websockets (in Django: URLRouter, AllowedHostsOriginValidator), and at the handler.", Server},
			func(s *scene) bool {
				return s.status == 403 && containsAny(s.server, "daphne", "uvicorn", "hypercorn")
			}},
		{Likely{"A single-page application's index page answered for the path.", "The path is not the WebSocket's, or the rule that sends everything to index.html comes before the WebSocket's.", Server},
			func(s *scene) bool {
				return s.status == 200 && containsAny(s.body, `<div id="root"`, `<div id="app"`, "<app-root")
			}},
		{Likely{"An HTML page answered: this path is a web page, and not the WebSocket's.", "Check the path (often /ws, /socket, /cable, /graphql).", Client},
			func(s *scene) bool { return s.status == 200 && containsAny(s.body, "<!doctype html", "<html") }},
	}
}

func redirectClues() []clue {
	redirect := func(s *scene) bool { return s.status >= 300 && s.status < 400 && s.location != "" }
	return []clue{
		{Likely{"The server wants TLS: it redirects to https.", "Dial wss:// instead of ws://.", Client},
			func(s *scene) bool {
				return redirect(s) && strings.HasPrefix(strings.ToLower(s.location), "https://") && s.sameHost()
			}},
		{Likely{"The address differs by the slash at its end only.", "Dial the address as Location has it.", Client},
			func(s *scene) bool {
				return redirect(s) && s.path != "" && strings.TrimSuffix(pathOf(s.location), "/") == strings.TrimSuffix(pathOf(s.path), "/") && pathOf(s.location) != pathOf(s.path)
			}},
		{Likely{"The server sends to a login: it does not know this client.", "Send the cookie or the token of a session that is logged in.", Client},
			func(s *scene) bool {
				return redirect(s) && containsAny(strings.ToLower(s.location), "login", "signin", "sign-in", "auth", "sso")
			}},
	}
}

// pathOf is the path of an address, or of what follows its host.
func pathOf(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return "/"
		}
		address = rest[i:]
	}
	path, _, _ := strings.Cut(address, "?")
	return path
}

// sameHost reports whether Location leads to the host that was asked.
func (s *scene) sameHost() bool {
	_, authority, ok := splitTarget([]byte(s.location))
	if !ok || !s.Request.whole() {
		return false
	}
	host, _, _ := bytes.Cut(s.Request.value(hostField), []byte(":"))
	to, _, _ := bytes.Cut(authority, []byte(":"))
	return bytes.EqualFold(host, to)
}

func accessClues() []clue {
	return []clue{
		{Likely{"The server checks the Origin and does not have this one on its list.", "Add the page's origin (scheme, host and port, without a slash) to the server's list.", Server},
			func(s *scene) bool {
				return in(s.status, 400, 403) && s.Request.whole() && s.Request.has(originField) > 0 &&
					(strings.Contains(s.body, "origin") || s.status == 403 && s.crossOrigin())
			}},
		{Likely{"The server checks the Origin, and the request has none.", "Send the origin of a page that is allowed: --origin https://example.com.", Client},
			func(s *scene) bool {
				return s.status == 403 && s.asked && s.Request.has(originField) == 0 && strings.Contains(s.body, "origin")
			}},
		{Likely{"The server's check against forged requests (CSRF) refuses it.", "Leave the WebSocket's path out of that check, and check the Origin instead.", Server},
			func(s *scene) bool { return s.status == 403 && strings.Contains(s.body, "csrf") }},
		{Likely{"The server does not serve this host name.", "Add the name to the server's hosts (in Django ALLOWED_HOSTS, in Vite server.allowedHosts), or send the right Host.", Server},
			func(s *scene) bool {
				return in(s.status, 400, 403) && containsAny(s.body, "allowed_hosts", "allowedhosts", "invalid host header", "disallowedhost")
			}},
	}
}

// crossOrigin reports whether the Origin names another host than Host.
func (s *scene) crossOrigin() bool {
	_, origin, ok := bytes.Cut(s.Request.value(originField), []byte("://"))
	return ok && !bytes.EqualFold(origin, s.Request.value(hostField))
}

func versionClues() []clue {
	return []clue{
		{Likely{"The server does not speak version 13 of WebSocket.", "Renew the server's library.", Server},
			func(s *scene) bool {
				return s.Response.has(versionField) > 0 && !s.Response.lists(versionField, "13")
			}},
		{Likely{"The port speaks HTTP/2 only.", curlHTTP1 + " In the server, allow HTTP/1.1 beside HTTP/2.", Server},
			func(s *scene) bool {
				return s.Response.lists(upgradeField, "h2c") || s.Response.lists(upgradeField, "h2") || s.Response.major > 1 && s.asked
			}},
		{Likely{"The upgrade did not reach the server: something on the way removed Upgrade and Connection.", proxyMend, Proxy},
			func(s *scene) bool {
				return s.status == 426 && s.asked && s.Response.lists(upgradeField, "websocket") && s.brokenRequest() == nil
			}},
	}
}

// hostingClues know what stands in front of a server.
func hostingClues() []clue {
	return []clue{
		{Likely{"Cloudflare could not talk to the server behind it.", "Look whether the server runs, on the port and with the TLS that Cloudflare expects; WebSockets have to be on in its Network settings.", Proxy},
			func(s *scene) bool { return strings.Contains(s.server, "cloudflare") && s.status >= 520 }},
		{Likely{"Cloudflare's rules refused it.", "Look at Security, Events in Cloudflare; WebSockets have to be on in its Network settings.", Proxy},
			func(s *scene) bool { return strings.Contains(s.server, "cloudflare") && in(s.status, 403, 429) }},
		{Likely{"The AWS load balancer could not talk to the server behind it.", "Look at the target group's health and port; its protocol version has to be HTTP1.", Proxy},
			func(s *scene) bool { return strings.HasPrefix(s.server, "awselb") && s.status >= 500 }},
		{Likely{"nginx could not talk to the server behind it.", "Look at nginx's error log, and at the host and port in proxy_pass.", Proxy},
			func(s *scene) bool {
				return strings.HasPrefix(s.server, "nginx") && in(s.status, 502, 504) && s.asked
			}},
		{Likely{"A proxy of the network (Squid) answered in the server's place.", "Use wss://, which goes through such a proxy as a tunnel; or give the proxy with --proxy.", Proxy},
			func(s *scene) bool { return s.Response.Has("X-Squid-Error") || strings.Contains(s.server, "squid") }},
		{Likely{"The network wants a login in a browser first (a captive portal).", "Open any page in a browser and log in.", Proxy},
			func(s *scene) bool { return s.status == 511 }},
	}
}
