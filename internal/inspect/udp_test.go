package inspect

import (
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// answerUDP binds a port of 127.0.0.1 and answers each datagram with what reply
// makes of it; nil is no answer.
func answerUDP(t *testing.T, reply func([]byte) []byte) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if r := reply(b[:n]); r != nil {
				_, _ = pc.WriteTo(r, from)
			}
		}
	}()
	return portOf(pc.LocalAddr())
}

func udpAt(host, port string) endpoint.Address {
	return endpoint.Address{Scheme: endpoint.UDP, Host: host, Port: port}
}

func TestUDPAnswered(t *testing.T) {
	port := answerUDP(t, func(b []byte) []byte { return append([]byte("you said "), b...) })
	r := run(t, Options{Address: udpAt("127.0.0.1", port), Send: []byte("ping"), BannerWait: long})
	p := r.Peer
	if p == nil || p.Text != "you said ping" || p.Sent != 4 || p.Size != 13 || p.After == 0 || p.From != "" {
		t.Fatalf("%+v", p)
	}
	if a := r.Attempts; len(a) != 1 || a[0].Result != Answered || !a[0].Used || a[0].Duration == 0 || len(r.Findings) != 0 {
		t.Errorf("%+v, %+v", a, r.Findings)
	}
	if c := r.Connection; c.Network != "udp" || c.Remote != "127.0.0.1:"+port || r.Reached != ReachedConnection || r.TCP != nil {
		t.Errorf("%+v", c)
	}
}

// The empty datagram that is sent without --send may be answered, by one that
// is empty too.
func TestUDPEmptyProbe(t *testing.T) {
	port := answerUDP(t, func(b []byte) []byte { return append([]byte{}, b...) })
	r := run(t, Options{Address: udpAt("127.0.0.1", port), BannerWait: long})
	if r.Attempts[0].Result != Answered || r.Peer.Size != 0 || r.Peer.After == 0 {
		t.Fatalf("%+v, %+v", r.Attempts, r.Peer)
	}
	if text := r.Text(TextOptions{}); !strings.Contains(text, "was sent an empty datagram\n             said 0 bytes after ") {
		t.Error(text)
	}
}

func TestUDPSilent(t *testing.T) {
	port := answerUDP(t, func([]byte) []byte { return nil })
	r := run(t, Options{Address: udpAt("127.0.0.1", port), BannerWait: 1})
	if got := ids(r.Findings); !slices.Equal(got, []string{"note no_answer 0"}) || r.Attempts[0].Result != Silent || r.Worst() != nil {
		t.Fatalf("%v, %+v", got, r.Attempts)
	}
}

func TestUDPSeveralAddresses(t *testing.T) {
	port := answerUDP(t, func([]byte) []byte { return []byte("hello") })
	r := run(t, Options{Address: udpAt("many.test", port), Resolver: answering(t, "127.0.0.1", "127.0.0.2"), BannerWait: 300e6})
	used := slices.IndexFunc(r.Attempts, func(a Attempt) bool { return a.Used })
	if len(r.Attempts) != 2 || used < 0 || r.Attempts[used].Address != "127.0.0.1:"+port || r.Connection.Remote != r.Attempts[used].Address {
		t.Fatalf("%+v", r.Attempts)
	}
}

func TestUDPChoice(t *testing.T) {
	tests := []struct {
		results []string
		want    int
	}{
		{[]string{Refused, Silent, Answered}, 2}, {[]string{Refused, Silent, Silent}, 1}, {[]string{Refused, Failed}, -1}, {nil, -1},
	}
	for _, test := range tests {
		probes := make([]probe, len(test.results))
		for i, r := range test.results {
			probes[i].attempt.Result = r
		}
		if got := choose(probes); got != test.want {
			t.Errorf("%v: %d, want %d", test.results, got, test.want)
		}
	}
}

func TestUDPUnknownInterface(t *testing.T) {
	a := udpAt("127.0.0.1", "9")
	a.Interface = "nosuch0"
	r, err := Run(within(t), Options{Address: a})
	var operation *tcp.Error
	if !errors.As(err, &operation) || r.Attempts[0].Result != Failed || !strings.HasPrefix(err.Error(), "inspect udp://127.0.0.1:9?iface=nosuch0: ") {
		t.Fatal(err)
	}
}

func TestRefusalIsWorded(t *testing.T) {
	var p probe
	p.ended(t.Context(), &net.OpError{Op: "read", Err: syscall.ECONNREFUSED})
	if p.attempt.Result != Refused || !strings.Contains(p.attempt.Error, "nobody is bound to this port") || !errors.Is(p.attempt.err, syscall.ECONNREFUSED) {
		t.Fatalf("%+v", p.attempt)
	}
}
