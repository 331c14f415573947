package demo

// wssStory is what the steps of the lesson on TLS share.
type wssStory struct {
	authority *authority
	plain     string // the address of the server without TLS
	secure    string // that of the one with it
}

func wssLesson() Lesson {
	w := &wssStory{}
	return Lesson{
		Name:  "wss",
		Title: "ws:// and wss://, as somebody in the middle sees them",
		Lab:   wssLab,
		Intro: `
Between a client and its server lie cables, routers and wireless networks of other people. {TLS} is what makes a connection
private on such a way: https:// is HTTP in TLS, and {wss://} is WebSocket in TLS. In this lesson the same few words are said
over ws:// and over wss://, and {the middle}, a program through which all bytes pass, shows what it can read.

The server is called chat.example. Its certificates are made here and now, in memory, and all of it stays on this machine.` + "\n\n" + traceIntro,
		Steps: []Step{
			{"ws: an open book", `
The client opens ws://chat.example/chat, says its PIN, and the server repeats it. Afterwards the middle shows what passed.`, w.open},
			{"wss: the same words again", `
Now by wss://chat.example/chat. First client and server agree on secret keys, in the {TLS handshake}; then they say what
they said before.`, w.sealed},
			{"Who is at the other end?", `
Secrecy is of no use with the wrong one. So the server shows a {certificate}: a statement that a name and a key belong
together, signed by an {authority} that the client knows. Three clients try, and each has something to object to.`, w.checked},
			{"A pin in place of an authority", `
A server at home has no authority. It makes its own certificate, {self-signed}, and its owner tells the client by another
way what to expect: the SHA-256 of that certificate, a {pin}. Then somebody else answers at that address.`, w.pinned},
			{"One question", `
The middle makes a certificate for chat.example, too, signed by itself, and answers in the server's place.`, w.question},
		},
		Try: []Exercise{
			{`
A certificate made on the spot. The second command refuses it; for the third put in the pin that the first has printed.`, []string{
				"sockkit listen -k --echo --self-signed wss://:9443",
				"sockkit dial wss://localhost:9443",
				"sockkit dial -vvv wss://localhost:9443 --pin sha256:…",
			}},
			{`
Be the middle yourself. Ports 8080 and 8443 pass on what comes, and show each byte of it. In front of wss only raw bytes
can be shown, since nobody has the keys.`, []string{
				"sockkit listen -k --echo ws://:9000",
				"sockkit tap -vvvv tcp://:8080 tcp://localhost:9000",
				"sockkit dial ws://localhost:8080 -x 'my PIN is 4711'",
				"sockkit tap -vvvv tcp://:8443 tcp://localhost:9443",
				"sockkit dial -k wss://localhost:8443 -x 'my PIN is 4711'",
			}},
			{`
Ask a server of yours for its certificate, and for what is wrong with it.`, []string{
				"sockkit inspect wss://example.com",
			}},
		},
	}
}
