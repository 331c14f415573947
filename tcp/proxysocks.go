package tcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// SOCKS5: RFC 1928, and RFC 1929 for user and password.
const (
	socksVersion      = 5
	socksNoAuth       = 0
	socksPassword     = 2
	socksNoMethod     = 0xff
	socksPasswordVers = 1
	socksConnect      = 1
	socksIPv4         = 1
	socksName         = 3
	socksIPv6         = 4
)

func (p *proxied) socks5(t *proxyTalk) *ProxyError {
	request, err := p.socksRequest()
	if err != nil {
		return err
	}
	method, err := p.socksGreet(t)
	if err == nil && method == socksPassword {
		err = p.socksLogin(t)
	}
	if err == nil {
		err = t.send(request)
	}
	if err != nil {
		return err
	}
	return socksReply(t)
}

// socksGreet offers the methods, and returns the one that the proxy chose.
func (p *proxied) socksGreet(t *proxyTalk) (byte, *ProxyError) {
	greeting := []byte{socksVersion, 1, socksNoAuth}
	if p.user != nil {
		greeting = []byte{socksVersion, 2, socksNoAuth, socksPassword}
	}
	if err := t.send(greeting); err != nil {
		return 0, err
	}
	var answer [2]byte
	if err := t.read(answer[:]); err != nil {
		return 0, err
	}
	switch {
	case answer[0] != socksVersion:
		return 0, noSOCKS(answer[:])
	case answer[1] == socksNoMethod && p.user == nil:
		return 0, &ProxyError{Refused: true, Reason: "it wants a user and a password",
			Hint: "put them into its URL: socks5://USER:PASSWORD@HOST:PORT"}
	case answer[1] == socksNoMethod:
		return 0, &ProxyError{Refused: true, Reason: "it takes neither user and password nor none"}
	case answer[1] != socksNoAuth && (answer[1] != socksPassword || p.user == nil):
		return 0, &ProxyError{Reason: fmt.Sprintf("it chose authentication method %d, which was not offered (RFC 1928 section 3)", answer[1])}
	}
	return answer[1], nil
}

func noSOCKS(answer []byte) *ProxyError {
	e := &ProxyError{Reason: "it speaks no SOCKS5: its answer begins with " + strconv.Quote(string(answer))}
	switch {
	case answer[0] == 'H':
		e.Hint = "this may be an HTTP proxy: http://"
	case answer[0] == 0:
		e.Hint = "this may be a SOCKS4 proxy, which is not supported"
	}
	return e
}

func (p *proxied) socksLogin(t *proxyTalk) *ProxyError {
	user := p.user.Username()
	password, _ := p.user.Password()
	if len(user) > 255 || len(password) > 255 {
		return &ProxyError{Reason: "user and password have at most 255 bytes each (RFC 1929 section 2)"}
	}
	login := append([]byte{socksPasswordVers, byte(len(user))}, user...)
	login = append(append(login, byte(len(password))), password...)
	if err := t.send(login); err != nil {
		return err
	}
	var answer [2]byte
	if err := t.read(answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return &ProxyError{Refused: true, Status: int(answer[1]), Reason: "it refused the user and the password"}
	}
	return nil
}

func (p *proxied) socksRequest() ([]byte, *ProxyError) {
	request := []byte{socksVersion, socksConnect, 0}
	ip, err := netip.ParseAddr(p.host)
	switch ip = ip.Unmap(); {
	case err == nil && ip.Is4():
		request = append(append(request, socksIPv4), ip.AsSlice()...)
	case err == nil:
		request = append(append(request, socksIPv6), ip.AsSlice()...)
	case len(p.host) > 255:
		return nil, &ProxyError{Reason: fmt.Sprintf("the name has %d bytes, and SOCKS5 takes at most 255", len(p.host))}
	default:
		request = append(append(request, socksName, byte(len(p.host))), p.host...)
	}
	return binary.BigEndian.AppendUint16(request, p.port), nil
}

// socksReply reads the reply, with the address that the proxy is bound to.
func socksReply(t *proxyTalk) *ProxyError {
	var reply [4]byte
	if err := t.read(reply[:]); err != nil {
		return err
	}
	if reply[0] != socksVersion {
		return noSOCKS(reply[:])
	}
	if reply[1] != 0 {
		return &ProxyError{Refused: true, Status: int(reply[1]), Reason: socksWords(reply[1])}
	}
	size := 0
	switch reply[3] {
	case socksIPv4:
		size = 4
	case socksIPv6:
		size = 16
	case socksName:
		var length [1]byte
		if err := t.read(length[:]); err != nil {
			return err
		}
		size = int(length[0])
	default:
		return &ProxyError{Reason: fmt.Sprintf("its reply has the unknown address type %d (RFC 1928 section 6)", reply[3])}
	}
	return t.read(make([]byte, size+2))
}

// socksWords words a reply code (RFC 1928 section 6).
func socksWords(code byte) string {
	words := [...]string{
		1: "it failed for a reason that SOCKS has no code for",
		2: "its rules do not allow this target",
		3: "it cannot reach the target's network",
		4: "it cannot reach the target's host, or does not know its name",
		5: "the target refused its connection",
		6: "its connection to the target timed out",
		7: "it does not know how to connect (command not supported)",
		8: "it does not know this type of address",
	}
	if int(code) < len(words) {
		return fmt.Sprintf("%s (SOCKS reply %d)", words[code], code)
	}
	return fmt.Sprintf("it answered with the unknown SOCKS reply %d", code)
}
