package engine

import "github.com/sockkit/sockkit/trace"

// rule is something that the protocol demands, as findings name it.
type rule struct {
	id, clause, binding string
	summary, due, mend  string
}

// Whose fault a finding is.
const (
	byClient = "client"
	byServer = "server"
)

// The rules that findings name. Clauses are headings of the protocol's text, of
// version 4.
var (
	rulePayload = rule{"eio-payload", "Engine.IO 4, Packet encoding (HTTP long-polling)", "MUST",
		"A body is no payload.", "packets, with 0x1e between them (version 3: LENGTH:PACKET)", "Find out who else writes to this path, and compare the versions of both ends."}
	rulePacket = rule{"eio-packet", "Engine.IO 4, Packet encoding (WebSocket)", "MUST",
		"A message is no packet.", "a digit from 0 to 6 and the data, or a binary message", "Speak Engine.IO on this path, or WebSocket on another."}
	ruleOtherVersion = rule{"eio-other-version", "Engine.IO 4, History", "MUST",
		"The server answers in the payloads of version 3 to a client of version 4.", "a payload of version 4", "Update the server to Socket.IO 3 or newer, or use a client of Socket.IO 2."}
	ruleOpenFirst = rule{"eio-open-first", "Engine.IO 4, Handshake", "MUST",
		"A session does not begin with an open packet.", "0{\"sid\":...}", "Compare the path with that of the server."}
	ruleOpen = rule{"eio-open", "Engine.IO 4, Handshake", "MUST",
		"An open packet lacks what it has to hold.", "JSON with sid, upgrades, pingInterval and pingTimeout", "Mend the server."}
	ruleHeartbeat = rule{"eio-heartbeat", "Engine.IO 4, Heartbeat", "MUST",
		"A heartbeat goes the wrong way.", "pings of the server and pongs of the client (version 3: the other way round)", "Use the same version at both ends."}
	ruleDirection = rule{"eio-direction", "Engine.IO 4, Packet types", "MUST",
		"A packet goes the wrong way.", "open packets of the server, upgrade packets of the client", "Mend the sender."}
	ruleMaxPayload = rule{"eio-max-payload", "Engine.IO 4, Handshake (maxPayload)", "MUST",
		"What a client sends at once is larger than the server takes.", "no more than maxPayload bytes", "Send less at once, or raise maxHttpBufferSize at the server."}
	ruleTwoPolls = rule{"eio-two-polls", "Engine.IO 4, HTTP long-polling", "MUST",
		"Two polls of a session wait at the same time.", "one GET at a time", "Use a session from one client only, and do not repeat requests in a proxy."}
	ruleTwoPosts = rule{"eio-two-posts", "Engine.IO 4, HTTP long-polling", "MUST",
		"Two POSTs of a session are under way at the same time.", "one POST at a time", "Wait for the answer before the next POST."}
	ruleAfterUpgrade = rule{"eio-after-upgrade", "Engine.IO 4, Upgrade", "MUST",
		"A session that has moved to WebSocket is polled.", "no more requests by polling", "Use a session from one client only."}
	ruleProbe = rule{"eio-probe", "Engine.IO 4, Upgrade", "MUST",
		"A WebSocket of a session that polls does not begin with a probe.", "2probe, answered by 3probe", "Mend the sender."}
)

// codeRules are the rules behind the codes of refused requests.
var codeRules = map[Code]rule{
	UnknownTransport: {"eio-code-0", "Engine.IO 4, Handshake", "MUST",
		"The transport is unknown to the server.", "transport=polling or transport=websocket, where the server offers it", "Offer the transport at the server, or leave it out at the client."},
	UnknownSID: {"eio-code-1", "Engine.IO 4, HTTP long-polling", "MUST",
		"The server does not know the session.", "the id of a session that is open on this server", "With several servers behind a balancer turn sticky sessions on, or use WebSocket only."},
	BadHandshakeMethod: {"eio-code-2", "Engine.IO 4, Handshake", "MUST",
		"A session does not begin with GET.", "GET", "Begin with GET; a redirect may have changed the method, or the sid is missing."},
	BadRequest: {"eio-code-3", "Engine.IO 4, HTTP long-polling", "MUST",
		"The request does not fit its session.", "the transport and the EIO that the session uses", "Look for a proxy that takes the Upgrade header away, or for a client that goes on polling."},
	Forbidden: {"eio-code-4", "Socket.IO server, allowRequest and cors", "note",
		"The server does not let the client in.", "what allowRequest and cors of the server allow", "Let the origin or the client in at the server."},
	UnsupportedProtocolVersion: {"eio-code-5", "Engine.IO 4, History", "MUST",
		"The client speaks Engine.IO 3, which is Socket.IO 2.", "EIO=4", "Update the client to Socket.IO 3 or newer, or set allowEIO3 at the server."},
}

func (r *rule) finding(fault, came string) trace.Finding {
	return trace.Finding{
		Rule: r.id, Clause: r.clause, Binding: r.binding, Fault: fault,
		Summary: r.summary, Came: came, Due: r.due, Mend: r.mend,
	}
}
