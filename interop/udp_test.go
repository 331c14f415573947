package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
)

// udpListen and udpDial are how the peers do UDP.
var udpListen = map[string]func(place) []string{
	"nc":    func(at place) []string { return []string{"nc.openbsd", "-u", "-n", "-l", at.host, at.port} },
	"ncat":  func(at place) []string { return []string{"ncat", "-u", "-n", "-l", at.host, at.port} },
	"socat": func(at place) []string { return []string{"socat", "-", socatListen[at.net](at)} },
}

var udpDial = map[string]func(place) []string{
	"nc":    func(at place) []string { return []string{"nc.openbsd", "-u", "-n", at.host, at.port} },
	"ncat":  func(at place) []string { return []string{"ncat", "-u", "-n", at.host, at.port} },
	"socat": func(at place) []string { return []string{"socat", "-", socatDial[at.net](at)} },
}

// TestUDP has a short conversation with each peer, in both roles.
func TestUDP(t *testing.T) {
	t.Parallel()
	for peer := range udpDial {
		for _, network := range []string{"udp4", "udp6"} {
			t.Run(peer+" dials/"+network, func(t *testing.T) {
				t.Parallel()
				us := held(t, "listen", newPlace(t, network).any())
				it := start(t, program{args: udpDial[peer](placeOf(network, us.address())), hold: true})
				talkByTurns(t, it, us)
				us.signal(syscall.SIGTERM)
				us.want(143)
			})
			t.Run(peer+" listens/"+network, func(t *testing.T) {
				t.Parallel()
				it, at := serve(t, network, func(at place) program { return program{args: udpListen[peer](at), hold: true} })
				us := held(t, "dial", "--linger", "0.2", at.String())
				talkByTurns(t, us, it)
				us.in.Close()
				us.want(0)
			})
		}
	}
}

// talkByTurns has each of the two say some lines, each after the other's has
// come.
func talkByTurns(t *testing.T, a, b *proc) {
	t.Helper()
	said := map[*proc]string{}
	for i := range 3 {
		for _, turn := range [][2]*proc{{a, b}, {b, a}} {
			from, to := turn[0], turn[1]
			line := fmt.Sprintf("line %d of %d\n", i, from.pid())
			said[from] += line
			from.write(line)
			to.awaitOutput(int64(len(said[from])))
			if to.out.String() != said[from] {
				t.Fatalf("%s printed %q; want %q", to, to.out, said[from])
			}
		}
	}
}

// UDP from a second sender is seen with -k; without it the first peer keeps the
// socket.
func TestSecondSender(t *testing.T) {
	t.Parallel()
	t.Run("with -k both are seen, and the last is answered", func(t *testing.T) {
		t.Parallel()
		us, first, second := twoSenders(t, "-k")
		us.out.awaitText(t, "from the second\n")
		us.write("to whoever spoke last\n")
		second.out.awaitText(t, "to whoever spoke last\n")
		first.write("first again\n")
		us.out.awaitText(t, "first again\n")
		us.write("now to the first\n")
		first.out.awaitText(t, "now to the first\n")
		if got, want := us.out.String(), "from the first\nfrom the second\nfirst again\n"; got != want {
			t.Errorf("listen printed %q; want %q", got, want)
		}
	})
	t.Run("without it the first keeps the socket", func(t *testing.T) {
		t.Parallel()
		us, first, second := twoSenders(t)
		us.write("still to the first\n")
		first.out.awaitText(t, "still to the first\n")
		first.write("first again\n")
		us.out.awaitText(t, "first again\n")
		if got, want := us.out.String(), "from the first\nfirst again\n"; got != want {
			t.Errorf("listen printed %q; want %q", got, want)
		}
		if second.out.size() > 0 {
			t.Errorf("the second sender was told %q", second.out)
		}
	})
}

// twoSenders has two programs send a datagram each, one after the other. That
// the second has sent is known from its own log.
func twoSenders(t *testing.T, flags ...string) (us, first, second *proc) {
	t.Helper()
	us = held(t, append([]string{"listen", "udp://127.0.0.1:0"}, flags...)...)
	at := placeOf("udp4", us.address())
	first = start(t, program{args: udpDial["nc"](at), hold: true})
	first.write("from the first\n")
	us.out.awaitText(t, "from the first\n")
	second = start(t, program{args: []string{"socat", "-d", "-d", "-d", "-d", "-", socatDial["udp4"](at)}, hold: true})
	second.write("from the second\n")
	second.err.awaitText(t, "transferred 16 bytes from ")
	return us, first, second
}

const largest = 65507 // bytes of payload that fit a UDP datagram over IPv4

// A datagram of 65,507 bytes comes whole, in both directions; a larger line is
// an error, and no datagram.
func TestLargestDatagram(t *testing.T) {
	t.Parallel()
	t.Run("received", func(t *testing.T) {
		t.Parallel()
		b := newBlob(largest)
		us := sockkit(t, "listen", "udp://127.0.0.1:0", "--count", "1")
		it := start(t, program{args: []string{"socat", "-u", "-b", "70000", "OPEN:" + fileOf(t, b.bytes()), socatDial["udp4"](placeOf("udp4", us.address()))}})
		it.want(0)
		us.want(0)
		us.out.want(t, "listen", b)
	})
	t.Run("sent", func(t *testing.T) {
		t.Parallel()
		it, at := receiver(t)
		line := strings.Repeat("x", largest-1) + "\n"
		us := fed(t, strings.NewReader(line), "dial", "--linger", "0", at.String())
		us.want(0)
		it.awaitOutput(largest)
		if it.out.String() != line {
			t.Errorf("%d bytes came, not the line of %d", it.out.size(), largest)
		}
	})
	for _, flags := range [][]string{nil, {"--null"}, {"-x", strings.Repeat("y", largest+1)}} {
		t.Run("too large "+fmt.Sprint(len(flags)), func(t *testing.T) {
			t.Parallel()
			it, at := receiver(t)
			us := fed(t, strings.NewReader(strings.Repeat("x", largest+1)+"\n\x00"), append([]string{"dial", "--linger", "0", at.String()}, flags...)...)
			us.wantSays(1, `^sockkit: dial udp://.*65,?50[89]`)
			wantOneError(t, us)
			after := fed(t, strings.NewReader("after\n"), "dial", "--linger", "0", at.String())
			after.want(0)
			it.out.awaitText(t, "\n")
			if it.out.String() != "after\n" {
				t.Errorf("something of it was sent: %d bytes came", it.out.size())
			}
		})
	}
}

func receiver(t *testing.T) (*proc, place) {
	t.Helper()
	return serve(t, "udp4", func(at place) program {
		return program{args: []string{"socat", "-u", "-b", "70000", "UDP4-RECV:" + at.port + ",bind=" + at.host, "-"}}
	})
}

func fileOf(t *testing.T, content []byte) string {
	t.Helper()
	name := tempDir(t) + "/f"
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestBordersOfDatagrams sends small datagrams quickly: none is split or joined.
func TestBordersOfDatagrams(t *testing.T) {
	t.Parallel()
	us := held(t, "listen", "udp://127.0.0.1:0", "--length-prefix", "--count", "5")
	it := start(t, program{args: udpDial["nc"](placeOf("udp4", us.address())), hold: true})
	want := ""
	for _, line := range []string{"a\n", "bc\n", "\n", "d e f\n", "é\n"} {
		want += string([]byte{0, 0, 0, byte(len(line))}) + line
		it.write(line)
		us.awaitOutput(int64(len(want)))
	}
	us.want(0)
	if us.out.String() != want {
		t.Errorf("got %q; want %q", us.out, want)
	}
}

// TestMulticast sends to a group and hears one, on the loopback interface.
func TestMulticast(t *testing.T) {
	t.Parallel()
	t.Run("dial sends", func(t *testing.T) {
		t.Parallel()
		group := newGroup()
		it, at := serve(t, "udp4", func(at place) program {
			return program{args: []string{"socat", "-u", "UDP4-RECV:" + at.port + ",ip-add-membership=" + group + ":127.0.0.1", "-"}}
		})
		us := fed(t, strings.NewReader("to all\n"), "dial", "--linger", "0", "udp://"+group+":"+at.port+"?iface=lo")
		us.want(0)
		it.out.awaitText(t, "to all\n")
	})
	t.Run("listen hears", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "listen", "udp://"+newGroup()+":0?iface=lo", "--count", "1")
		group := placeOf("udp4", strings.TrimSuffix(us.address(), "?iface=lo"))
		it := start(t, program{args: []string{"socat", "-u", "-", "UDP4-DATAGRAM:" + group.hostPort() + ",ip-multicast-if=127.0.0.1"}, in: strings.NewReader("to all\n")})
		it.want(0)
		us.want(0)
		if us.out.String() != "to all\n" {
			t.Errorf("got %q", us.out)
		}
	})
}

// newGroup is a multicast group of this organisation only (RFC 2365 section 6.2).
func newGroup() string {
	return fmt.Sprintf("239.192.%d.%d", rand.IntN(256), 1+rand.IntN(254))
}
