package interop

import "net"

// listenPeer is how each peer listens at a place and pipes what comes to its
// standard streams.
var listenPeer = map[string]func(place) []string{
	"nc": func(at place) []string {
		if at.net == "unix" {
			return []string{"nc.openbsd", "-N", "-lU", at.path}
		}
		return []string{"nc.openbsd", "-N", "-n", "-l", at.host, at.port}
	},
	"ncat": func(at place) []string {
		if at.net == "unix" {
			return []string{"ncat", "-lU", at.path}
		}
		return []string{"ncat", "-n", "-l", at.host, at.port}
	},
	"socat": func(at place) []string {
		return []string{"socat", "-t", "60", "-", socatListen[at.net](at)}
	},
}

// dialPeer is how each peer connects to a place.
var dialPeer = map[string]func(place) []string{
	"nc": func(at place) []string {
		if at.net == "unix" {
			return []string{"nc.openbsd", "-N", "-U", at.path}
		}
		return []string{"nc.openbsd", "-N", "-n", at.host, at.port}
	},
	"ncat": func(at place) []string {
		if at.net == "unix" {
			return []string{"ncat", "-U", at.path}
		}
		return []string{"ncat", "-n", at.host, at.port}
	},
	"socat": func(at place) []string {
		return []string{"socat", "-t", "60", "-", socatDial[at.net](at)}
	},
}

var socatListen = map[string]func(place) string{
	"tcp4": func(at place) string { return "TCP4-LISTEN:" + at.port + ",bind=" + at.host },
	"tcp6": func(at place) string { return "TCP6-LISTEN:" + at.port + ",bind=[" + at.host + "]" },
	"udp4": func(at place) string { return "UDP4-LISTEN:" + at.port + ",bind=" + at.host },
	"udp6": func(at place) string { return "UDP6-LISTEN:" + at.port + ",bind=[" + at.host + "]" },
	"unix": func(at place) string { return "UNIX-LISTEN:" + at.path },
}

var socatDial = map[string]func(place) string{
	"tcp4": func(at place) string { return "TCP4:" + at.hostPort() },
	"tcp6": func(at place) string { return "TCP6:" + at.hostPort() },
	"udp4": func(at place) string { return "UDP4:" + at.hostPort() },
	"udp6": func(at place) string { return "UDP6:" + at.hostPort() },
	"unix": func(at place) string { return "UNIX-CONNECT:" + at.path },
}

func (p place) hostPort() string { return net.JoinHostPort(p.host, p.port) }
