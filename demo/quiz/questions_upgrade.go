package quiz

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

const shake = "sockkit handshake dial {}"

// finds is the command that says which rule is broken.
func finds(rule string) []Look { return []Look{{shake, `\b` + rule + `\b`}} }

func upgradeQuestions() []Question {
	return []Question{{
		Group: Upgrade, Symptom: "The log of the server says connected, the browser says failed.",
		Hint:   "Both ends agree that it is a WebSocket. Hold the headers of the 101 against the list in RFC 6455 4.1: is each there?",
		Rule:   "response-upgrade-missing",
		Words:  []string{"no upgrade", "missing upgrade", "upgrade missing", "lacks upgrade", "without upgrade"},
		Broken: "The 101 has no Upgrade header.",
		Shown:  finds("response-upgrade-missing"),
		start:  bent(handshake.Bend{Omit: []string{"Upgrade"}}),
	}, {
		Group: Upgrade, Symptom: "Since we tidied up the headers no browser gets in any more. curl still does.",
		Hint:   "One header of the 101 was tidied away. It is a short one.",
		Rule:   "response-connection-missing",
		Words:  []string{"no connection", "missing connection", "connection missing", "lacks connection", "without connection"},
		Broken: "The 101 has no Connection header.",
		Shown:  finds("response-connection-missing"),
		start:  bent(handshake.Bend{Omit: []string{"Connection"}}),
	}, {
		Group: Upgrade, Symptom: "All headers are there, I counted them. It fails all the same.",
		Hint:   "They are all there. Does each say what it has to say?",
		Rule:   "response-connection-other",
		Words:  []string{"keep alive", "keepalive", "connection other", "wrong connection", "connection wrong", "connection value"},
		Broken: "The 101 says Connection: keep-alive, and Upgrade is not in the list.",
		Shown:  finds("response-connection-other"),
		start:  bent(handshake.Bend{Set: []handshake.Field{field("Connection", "keep-alive")}}),
	}, {
		Group: Upgrade, Symptom: "We open it, and get a page. The page looks quite friendly.",
		Hint:   "Look at the first line of the response.",
		Rule:   "refused-200",
		Words:  []string{"200", "not 101", "no 101", "status", "page"},
		Broken: "The server answers 200 with a page, where 101 was due.",
		Shown:  finds("refused-200"),
		start:  answering(page),
	}, {
		Group: Upgrade, Symptom: "We wrote the accept value by the book. It looks right, it is just longer than the others'.",
		Hint:   "Count the characters of Sec-WebSocket-Accept. base64 of 20 bytes has 28. What writes 20 bytes in 40?",
		Rule:   "response-accept-wrong",
		Words:  []string{"hex", "accept", "base64"},
		Broken: "Sec-WebSocket-Accept holds the SHA-1 in hex, where base64 was due.",
		Shown:  []Look{{shake, `written in hex`}},
		start:  answering(acceptOf(func(key string) string { return hex.EncodeToString(hashOf(key, handshake.GUID)) })),
	}, {
		Group: Upgrade, Symptom: "The accept value has the right length, and changes with the key. Every client says that it is wrong.",
		Hint:   "sockkit handshake key KEY --got VALUE names the mistake behind a wrong value. The key and the value are in what handshake dial shows.",
		Rule:   "response-accept-wrong",
		Words:  []string{"guid", "accept", "lower case", "lowercase"},
		Broken: "The accept value was made with the GUID in lower case.",
		Shown:  []Look{{shake, `GUID is in lower case`}},
		start: answering(acceptOf(func(key string) string {
			return base64.StdEncoding.EncodeToString(hashOf(key, strings.ToLower(handshake.GUID)))
		})),
	}, {
		Group: Upgrade, Symptom: "It worked in the tutorial, with the very same bytes.",
		Hint:   "Dial twice. What should change from one response to the next, and does not?",
		Rule:   "response-accept-wrong",
		Words:  []string{"accept", "constant", "same accept", "fixed", "cached"},
		Broken: "The accept value is always the one of the example in RFC 6455 1.3, whatever the key.",
		Shown:  []Look{{shake, `the example of RFC 6455`}},
		start:  answering(acceptOf(func(string) string { return "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" })),
	}, {
		Group: Upgrade, Symptom: "Our own client connects. Browsers say something about a subprotocol, and we did not ask for one.",
		Hint:   "A server may only choose from what the client has offered. What has it chosen, and what was offered?",
		Rule:   "response-protocol-unrequested",
		Words:  []string{"subprotocol", "protocol unrequested", "unrequested", "sec websocket protocol"},
		Broken: "The 101 chooses the subprotocol chat.v2, and the client has offered none.",
		Shown:  finds("response-protocol-unrequested"),
		start:  bent(handshake.Bend{Add: []handshake.Field{field("Sec-WebSocket-Protocol", "chat.v2")}}),
	}, {
		Group: Upgrade, Symptom: "Without subprotocols all is well. With chat and log offered (-s chat -s log) it fails, and we speak both.",
		Hint:   "Offer two: -s chat -s log. How many may the server choose?",
		Rule:   "response-protocol-several",
		Words:  []string{"several", "two subprotocols", "both", "more than one", "subprotocol twice", "two protocols"},
		Broken: "The 101 chooses every subprotocol that the client has offered, where one was due.",
		Shown:  []Look{{shake + " -s chat -s log", `\bresponse-protocol-several\b`}},
		start:  answering(allProtocols),
	}, {
		Group: Upgrade, Symptom: "We switched compression on for everybody. Browsers like it, and old clients are gone since.",
		Hint:   "handshake dial offers no extension. Which does the server use?",
		Rule:   "response-extension-not-offered",
		Words:  []string{"extension", "deflate", "compression"},
		Broken: "The 101 names permessage-deflate, and the client has not offered it.",
		Shown:  finds("response-extension-not-offered"),
		start:  (&websocket{deflate: true, bend: alwaysCompressed}).start,
	}, {
		Group: Upgrade, Symptom: "Each header is right, you can compare them. It must be something about the server's age.",
		Hint:   "Not a header, then. What stands in front of the status?",
		Rule:   "response-version-old",
		Words:  []string{"http 1.0", "http1.0", "1.0", "version", "old"},
		Broken: "The 101 is a response of HTTP/1.0, which has no upgrades.",
		Shown:  finds("response-version-old"),
		start:  bent(handshake.Bend{Proto: "HTTP/1.0"}),
	}, {
		Group: Upgrade, Symptom: "I print the response and see nothing wrong with it. Half of the clients take it, half do not.",
		Hint:   "What is wrong cannot be seen in print: lines end with it. handshake dial shows it as a finding.",
		Rule:   "response-bare-lf",
		Words:  []string{"lf", "newline", "line end", "line ends", "line ending", "line endings", "crlf"},
		Broken: "The lines of the 101 end with LF, where CR LF was due.",
		Shown:  finds("response-bare-lf"),
		start:  bent(handshake.Bend{LineEnd: "\n"}),
	}, {
		Group: Upgrade, Symptom: "Our framework adds a header to every answer. Some clients wait for something before they begin, and some do not.",
		Hint:   "A 101 is a head and nothing else. Which header speaks of something more?",
		Rule:   "response-body-length",
		Words:  []string{"content length", "length", "body"},
		Broken: "The 101 has a Content-Length, and no 101 has content: what follows are frames.",
		Shown:  finds("response-body-length"),
		start:  bent(handshake.Bend{Add: []handshake.Field{field("Content-Length", "0")}}),
	}, {
		Group: Upgrade, Symptom: "The handshake succeeds, and then the first frame is rubbish. Always.",
		Hint:   "What does the server send right behind the empty line that ends the head?",
		Rule:   "response-no-frame",
		Words:  []string{"no frame", "bytes", "text behind", "greeting", "body", "welcome", "not a frame"},
		Broken: "The server sends the plain text \"Welcome!\" behind the 101, where frames begin.",
		Shown:  finds("response-no-frame"),
		start: answering(func(_, answer *handshake.Head) []byte {
			return append(answer.AppendTo(nil), "Welcome!\r\n"...)
		}),
	}, {
		Group: Upgrade, Symptom: "On my machine it works. In the office it does not, and nobody changed the server.",
		Hint:   "Who answers here? Compare what was sent with what the answer says about it.",
		Rule:   "refused-upgrade-removed",
		Words:  []string{"proxy", "upgrade removed", "removed", "stripped", "strips", "hop by hop"},
		Broken: "A proxy stands before the server and does not pass Upgrade and Connection on: the server saw a plain request.",
		Shown:  finds("refused-upgrade-removed"),
		start:  plainProxy,
	}}
}

// hashOf is the SHA-1 of a key and what is put behind it.
func hashOf(key, behind string) []byte {
	sum := sha1.Sum([]byte(key + behind))
	return sum[:]
}

// acceptOf puts another accept value into the answer.
func acceptOf(value func(key string) string) func(request, answer *handshake.Head) []byte {
	return func(request, answer *handshake.Head) []byte {
		answer.Set(field("Sec-WebSocket-Accept", value(request.Get("Sec-WebSocket-Key"))))
		return nil
	}
}

// page answers with one.
func page(_, answer *handshake.Head) []byte {
	const text = "<!doctype html><title>Chat</title><p>Welcome to our chat!</p>\n"
	answer.Reset()
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n" + text)
}

// alwaysCompressed names the extension also where it was not offered.
func alwaysCompressed(_, answer *handshake.Head) []byte {
	if !answer.Has("Sec-WebSocket-Extensions") {
		answer.Set(field("Sec-WebSocket-Extensions", "permessage-deflate"))
	}
	return nil
}

// allProtocols chooses all that are offered.
func allProtocols(request, answer *handshake.Head) []byte {
	if request.Has("Sec-WebSocket-Protocol") {
		answer.Set(field("Sec-WebSocket-Protocol", strings.Join(request.Values("Sec-WebSocket-Protocol"), ", ")))
	}
	return nil
}
