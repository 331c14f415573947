package cmd

import "strings"

// habits are flags of nc, ncat, curl, wscat and websocat that have another name
// here, or none, and what does the same.
var habits = map[string]string{
	"p":   "--source :PORT dials from this port; what listens has its port as the address",
	"e":   "listen --exec COMMAND gives each connection a command of its own",
	"c":   "sockkit ws://HOST:PORT opens a WebSocket; listen --sh LINE gives each connection a line of shell",
	"d":   "--recv-only sends nothing",
	"X":   "--proxy socks5://HOST:PORT goes through a proxy, or http://",
	"o":   "--trace FILE keeps what passed",
	"V":   "sockkit version prints it",
	"ssl": "tls://HOST:PORT speaks TLS",
}

// habit is what does the same as a flag that is unknown; "" where none does.
func habit(unknown string) string {
	if _, name, ok := strings.Cut(unknown, "unknown flag: --"); ok {
		return habits[name]
	}
	_, rest, _ := strings.Cut(unknown, "unknown shorthand flag: '")
	letter, _, _ := strings.Cut(rest, "'")
	return habits[letter]
}
