package quiz

import (
	"bytes"
	"net/http"
	"regexp"
	"sync"

	"github.com/sockkit/sockkit/socketio/engine"
)

const look = "sockkit inspect {} --banner-wait 1ms"

func socketIOQuestions() []Question {
	return []Question{{
		Group: SocketIO, Symptom: "It works, and yet the network tab is full of requests. Our proxy is quite ordinary.",
		Hint: "Socket.IO falls back to polling where a WebSocket does not open. Does it open? inspect tries.",
		Rule: "upgrade_failed", Clause: "Engine.IO 4, Upgrade",
		Words:  []string{"proxy", "upgrade removed", "upgrade failed", "no upgrade", "polling"},
		Broken: "A proxy takes Upgrade and Connection from the requests: no WebSocket opens, and clients stay with polling.",
		Why:    "Upgrade and Connection are for the next program on the way only. A proxy has to be told to send them on.",
		Mend:   `In nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade".`,
		Shown:  []Look{{look, `a proxy removed it`}},
		start:  (&spoiler{wrap: withoutUpgrade}).start,
	}, {
		Group: SocketIO, Symptom: "Two servers for twice the load, and now half of the requests are 400.",
		Hint: "What does the body of a 400 say? Which of the two servers opened the session?",
		Rule: "no_sticky_sessions", Clause: "Engine.IO 4, HTTP long-polling",
		Words:  []string{"sticky", "round robin", "balancer", "session id unknown", "unknown sid", "unknown session", "eio code 1"},
		Broken: "Two servers take turns, and a session is known to one of them: every other request of it is answered Session ID unknown.",
		Why:    "A session is many requests, and lives in the memory of the server that opened it.",
		Mend:   "Switch sticky sessions on at the balancer (ip_hash in nginx, or a cookie), or have clients use WebSocket alone. A broker such as Redis does not help: it carries events, and no sessions.",
		Shown:  []Look{{look, `sticky sessions`}},
		start:  (&spoiler{servers: 2}).start,
	}, {
		Group: SocketIO, Symptom: "From Node it connects, from our page (http://app.test) it does not. The server's log is empty.",
		Hint: "Ask as the page does: --origin http://app.test. What must an answer have for a page of another origin to read it?",
		Rule: "cors", Clause: "Fetch, CORS check",
		Words:  []string{"cors", "access control allow origin", "allow origin"},
		Broken: "Answers have no Access-Control-Allow-Origin: a browser sends the request, and lets no page of another origin read the answer.",
		Why:    "A page may read what comes from its own origin, and from others only what those allow. Programs that are no browsers do not care.",
		Mend:   "Set the server's cors option to the origins of your pages. Look for a proxy that takes the header away.",
		Shown:  []Look{{look + " --origin http://app.test", `no Access-Control-Allow-Origin`}},
		start: (&spoiler{
			engine: func() *engine.Server { return &engine.Server{CORS: &engine.CORS{Origins: []string{"http://app.test"}}} },
			header: func(h http.Header) { h.Del("Access-Control-Allow-Origin") },
		}).start,
	}, {
		Group: SocketIO, Symptom: "We updated the clients, as everybody does. Now they say timeout, and the answer was there after five milliseconds.",
		Hint: "Two numbers stand in a request: EIO=4. In which version is it answered?",
		Rule: "engine_version_3", Clause: "Engine.IO 4, History",
		Words:  []string{"version", "eio 3", "eio3", "eio", "socket io 2", "v3", "v2", "old", "eio other version"},
		Broken: "The server speaks Engine.IO 3, that of Socket.IO 2, also to clients that ask for 4.",
		Why:    "Versions 3 and 4 write payloads in different ways, and heartbeats go the other way round.",
		Mend:   "Update the server to Socket.IO 3 or newer, with allowEIO3 while old clients are about; or use clients of 2.",
		Shown:  []Look{{look, `speaks Engine\.IO 3 only`}},
		start: (&spoiler{
			engine:  func() *engine.Server { return &engine.Server{AllowEIO3: true} },
			request: askForThree,
		}).start,
	}, {
		Group: SocketIO, Symptom: "The first answer comes, 200 and all. Then the client does not know how to go on.",
		Hint: "Read the open packet, the first that the server sends. What must the client repeat in each request, and where has it that from?",
		Rule: "eio-open", Clause: "Engine.IO 4, Handshake",
		Words:  []string{"sid", "session id", "open packet"},
		Broken: "The open packet has no sid: the client is in a session whose name it is not told.",
		Why:    "Each request of a session, and its upgrade, names the session by the sid.",
		Mend:   "In the server, or in what rewrites its answers, send sid, upgrades, pingInterval, pingTimeout and maxPayload.",
		Shown:  []Look{{look, `has no sid`}},
		start:  (&spoiler{packet: opens(withoutSID)}).start,
	}, {
		Group: SocketIO, Symptom: "Clients come and go all the time: ping timeout, again and again. Our interval is 25, as in the manual.",
		Hint: "25 of what? inspect says how often the server means to ping.",
		Rule: "fast_ping", Clause: "Engine.IO 4, Handshake (pingInterval)",
		Words:  []string{"seconds", "milliseconds", "pinginterval", "ping interval", "interval", "ms"},
		Broken: "pingInterval and pingTimeout are given in seconds, where milliseconds were due: clients wait 45 ms for a ping, and give up.",
		Why:    "A client gives the connection up when no ping came within pingInterval and pingTimeout together.",
		Mend:   "In the server, write 25000 and 20000.",
		Shown:  []Look{{look, `pings every 25\.\d* ms`}, {"sockkit dial {} -w 2s --linger 2s -x 'message hello'", `ping timeout`}},
		start:  (&spoiler{packet: opens(inSeconds)}).start,
	}, {
		Group: SocketIO, Symptom: "It connects and works. Three seconds later it is gone: ping timeout. The server is fine, it says, and waits.",
		Hint: "Who pings whom in Engine.IO 4? -vvv shows each ping. Wait for one.",
		Rule: "eio-heartbeat", Clause: "Engine.IO 4, Heartbeat",
		Words:  []string{"ping", "pings", "heartbeat", "no ping"},
		Broken: "The server sends no pings. It waits for those of the client, as servers of version 3 did.",
		Why:    "In version 4 the server pings and the client answers, since browsers slow the timers of pages down. Each gives the other up without.",
		Mend:   "In the server, ping every pingInterval, and speak the version that the client asks for.",
		Shown:  []Look{{"sockkit dial -v {} --transports websocket --linger 6s -x 'message hello'", `ping timeout`}},
		start:  (&spoiler{engine: quick, packet: impatient}).start,
	}, {
		Group: SocketIO, Symptom: "The WebSocket opens, 101 and all. It is just never used.",
		Hint: "Before a client moves it tries whether bytes get through: 2probe. What is the answer, to the letter?",
		Rule: "eio-probe", Clause: "Engine.IO 4, Upgrade",
		Words:  []string{"probe", "3probe"},
		Broken: "The probe is answered 3, where 3probe was due: the client closes the WebSocket and stays with polling.",
		Why:    "A proxy may let a WebSocket open and no frames through. Only the repeated word shows that they pass both ways.",
		Mend:   "In the server, send the data of a ping back in its pong.",
		Shown:  []Look{{look, `the probe was answered by another packet`}},
		start:  (&spoiler{packet: emptyProbe}).start,
	}, {
		Group: SocketIO, Symptom: "There is no error at all. It just says connecting, for ever.",
		Hint: "The transport is open. What is the first thing that a client of Socket.IO asks, and who answers?",
		Rule: "sio-connect", Clause: "Socket.IO 5, Connection to a namespace",
		Words:  []string{"connect", "namespace", "40"},
		Broken: "The server never answers the CONNECT packet (40) of the namespace.",
		Why:    "A client is connected to a namespace when the server has answered with a CONNECT that has the socket's sid. It sends no event before.",
		Mend:   "In the server, answer 40{\"sid\":…}, or 44{\"message\":…} where the client is refused.",
		Shown:  []Look{{look + " -w 1s", `(no answer came to the CONNECT|was not answered)`}},
		start:  (&spoiler{packet: drops(engine.Message, "0")}).start,
	}, {
		Group: SocketIO, Symptom: "The event arrives, the server calls the callback, I can see it in the log. Mine is never called.",
		Hint: "Ask for an acknowledgement, with --ack, and look at the packets with -vv. By what does a client know which of its events is meant?",
		Rule: "sio-ack-id", Clause: "Socket.IO 5, Acknowledgement",
		Words:  []string{"ack", "ack id", "acknowledgement", "acknowledgment"},
		Broken: "The acknowledgement (43) does not repeat the number of the event (42N) that it answers.",
		Why:    "Many events can wait for their acknowledgements at once. The number says which is answered.",
		Mend:   "In the server, write the event's number behind 43.",
		Shown:  []Look{{"sockkit dial -vvv {} --ack -x 'message hello' -w 1s", `Socket\.IO ACK, \d+ bytes`}},
		start:  (&spoiler{packet: withoutAckID}).start,
	}, {
		Group: SocketIO, Symptom: "The picture never arrives, and after it nothing does: parse error.",
		Hint: "An event with bytes says how many attachments follow. -vvv shows the header and the attachments. Count them.",
		Rule: "sio-attachments", Clause: "Socket.IO 5, Packet encoding",
		Words:  []string{"attachment", "attachments", "451", "452", "binary"},
		Broken: "The event says that two attachments follow (452-), and one does.",
		Why:    "The attachments come in messages of their own. A client that waits for one more takes the next text for an error.",
		Mend:   "In the server, count the placeholders, and write that number.",
		Shown:  []Look{{"sockkit dial -vvv {} -x 'message hello' -w 1s --linger 200ms", `452-`}},
		start:  (&spoiler{greets: true, packet: twoAttachments}).start,
	}}
}

// askForThree has the server behind answer in version 3.
func askForThree(r *http.Request) {
	q := r.URL.Query()
	q.Set("EIO", "3")
	r.URL.RawQuery = q.Encode()
}

var (
	sidField = lazily(`"sid":"[^"]*",?`)
	aTimes   = lazily(`("ping(?:Interval|Timeout)":\d+)000\b`)
	aNumber  = lazily(`^3\d+`)
)

// lazily compiles an expression once it is needed: no start of any program waits for it.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

func withoutSID(json []byte) []byte { return sidField().ReplaceAll(json, nil) }

func inSeconds(json []byte) []byte { return aTimes().ReplaceAll(json, []byte("$1")) }

// drops drops packets of a type that begin with start.
func drops(t engine.PacketType, start string) func(engine.Packet) (engine.Packet, bool) {
	return func(p engine.Packet) (engine.Packet, bool) {
		return p, p.Type != t || p.Binary || !bytes.HasPrefix(p.Data, []byte(start))
	}
}

// impatient drops pings, and has the client wait for a second only.
func impatient(p engine.Packet) (engine.Packet, bool) {
	if p.Type == engine.Open {
		p.Data = bytes.Replace(p.Data, []byte(`"pingTimeout":20000`), []byte(`"pingTimeout":1000`), 1)
	}
	return p, p.Type != engine.Ping
}

func emptyProbe(p engine.Packet) (engine.Packet, bool) {
	if p.Type == engine.Pong {
		p.Data = nil
	}
	return p, true
}

// withoutAckID takes the number off acknowledgements.
func withoutAckID(p engine.Packet) (engine.Packet, bool) {
	if p.Type == engine.Message && !p.Binary {
		p.Data = aNumber().ReplaceAll(bytes.Clone(p.Data), []byte("3"))
	}
	return p, true
}

// twoAttachments says two where there is one.
func twoAttachments(p engine.Packet) (engine.Packet, bool) {
	if p.Type == engine.Message && !p.Binary && bytes.HasPrefix(p.Data, []byte("51-")) {
		p.Data = append([]byte("52-"), p.Data[3:]...)
	}
	return p, true
}
