package inspect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// long is a wait that the peer ends.
const long = 60 * time.Second

// run inspects an address and wants it to be reached.
func run(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	// A machine that stalls may send again even over loopback.
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.ID == Retransmitted })
	return r
}

func TestBanner(t *testing.T) {
	const said = "220 mail.test \x1b[31mhello\r\n"
	port := serve(t, func(conn net.Conn) { fmt.Fprint(conn, said) })
	r := run(t, Options{Address: tcpAt("127.0.0.1", port), BannerWait: long})
	p := r.Peer
	if p == nil || string(p.Banner) != said || p.Text != said || p.Size != len(said) || p.More || p.After == 0 || p.End != EndClosed {
		t.Fatalf("%+v", p)
	}
	text := r.Text(TextOptions{})
	if !strings.Contains(text, `"220 mail.test \x1b[31mhello\r\n"`) || strings.Contains(text, "\x1b") {
		t.Errorf("not escaped:\n%s", text)
	}
	if r.Reached != ReachedConnection || len(r.Findings) != 0 || r.Name != nil {
		t.Errorf("reached %q, findings %v, name %v", r.Reached, r.Findings, r.Name)
	}
	if a := r.Attempts; len(a) != 1 || a[0].Result != Connected || !a[0].Used || a[0].Address != "127.0.0.1:"+port {
		t.Errorf("%+v", a)
	}
}

func TestSilentPeer(t *testing.T) {
	r := run(t, Options{Address: tcpAt("127.0.0.1", serve(t, stay)), BannerWait: 1})
	if p := r.Peer; p.Size != 0 || p.End != EndOpen || p.Waited == 0 || len(r.Findings) != 0 {
		t.Fatalf("%+v, %+v", p, r.Findings)
	}
}

func TestLongBannerIsCutAndClosed(t *testing.T) {
	said := strings.Repeat("0123456789abcde\n", 2*bannerSize/16)
	port := serve(t, func(conn net.Conn) { fmt.Fprint(conn, said) })
	p := run(t, Options{Address: tcpAt("127.0.0.1", port), BannerWait: long}).Peer
	if string(p.Banner) != said[:bannerSize] || !p.More || p.Size != len(said) || p.End != EndClosed || p.EndAfter == 0 {
		t.Fatalf("%d bytes of %d, more %t, end %q", len(p.Banner), p.Size, p.More, p.End)
	}
}

func TestBannerKeepsWholeCharacters(t *testing.T) {
	p := &Peer{}
	p.came([]byte("x"+strings.Repeat("é", bannerSize/2)), time.Now())
	if len(p.Banner) != bannerSize || p.Text != "x"+strings.Repeat("é", bannerSize/2-1) {
		t.Errorf("%d bytes, text of %d", len(p.Banner), len(p.Text))
	}
	p.came([]byte{0xff}, time.Now())
	if p.Text == "" || p.Size != bannerSize+2 {
		t.Errorf("size %d, text of %d", p.Size, len(p.Text))
	}
	q := &Peer{}
	if q.came([]byte("a\xffb"), time.Now()); q.Text != "" || string(q.Banner) != "a\xffb" {
		t.Errorf("%+v", q)
	}
}

func TestClosedAtOnce(t *testing.T) {
	port := serve(t, func(net.Conn) {})
	r := run(t, Options{Address: tcpAt("127.0.0.1", port), BannerWait: long})
	if got := ids(r.Findings); !slices.Equal(got, []string{"note closed_at_once 0"}) || r.Peer.End != EndClosed {
		t.Fatalf("%v, end %q", got, r.Peer.End)
	}
	if r.Worst() != nil {
		t.Error("a note counts")
	}
}

func TestReset(t *testing.T) {
	port := serve(t, func(conn net.Conn) {
		stay(conn) // until the connection is open on both sides
		conn.(*net.TCPConn).SetLinger(0)
	})
	r := run(t, Options{Address: tcpAt("127.0.0.1", port), BannerWait: long, Send: []byte("x")})
	if got := ids(r.Findings); !slices.Equal(got, []string{"warning reset 0"}) || r.Peer.End != EndReset {
		t.Fatalf("%v, %+v", got, r.Peer)
	}
	if r.Worst() == nil || !strings.Contains(r.Worst().What, "reset the connection") {
		t.Error(r.Worst())
	}
}

func TestSend(t *testing.T) {
	port := serve(t, func(conn net.Conn) {
		b := make([]byte, 64)
		n, _ := conn.Read(b)
		fmt.Fprintf(conn, "you said %s", b[:n])
	})
	p := run(t, Options{Address: tcpAt("127.0.0.1", port), BannerWait: long, Send: []byte("ping")}).Peer
	if p.Sent != 4 || p.Text != "you said ping" {
		t.Fatalf("%+v", p)
	}
}

func TestNoBannerWait(t *testing.T) {
	port := serve(t, stay)
	r := run(t, Options{Address: tcpAt("127.0.0.1", port), BannerWait: -1})
	if r.Peer != nil || r.Reached != ReachedConnection {
		t.Fatalf("%+v", r.Peer)
	}
}

func TestTCPInfoOrWhyNot(t *testing.T) {
	port := serve(t, stay)
	r := run(t, Options{Address: tcpAt("127.0.0.1", port), BannerWait: -1})
	if (r.TCP == nil) == (r.Connection.NotTold == "") {
		t.Fatalf("TCP_INFO %v, not told %q", r.TCP, r.Connection.NotTold)
	}
	if r.TCP != nil && (r.TCP.State != "established" || r.TCP.SendMSS == 0 || r.TCP.Socket.SendBuffer == 0) {
		t.Errorf("%+v", r.TCP)
	}
}

func TestRefused(t *testing.T) {
	port := closedPort(t)
	r, err := Run(within(t), Options{Address: tcpAt("127.0.0.1", port)})
	var operation *tcp.Error
	if !errors.As(err, &operation) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("%v", err)
	}
	if want := "inspect tcp://127.0.0.1:" + port + ": connection refused"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if r.Reached != ReachedNothing || r.Attempts[0].Result != Refused || r.Error != "connection refused" {
		t.Errorf("%+v", r)
	}
}

func TestUnknownName(t *testing.T) {
	r, err := Run(within(t), Options{Address: tcpAt("nosuch.test", "80"), Resolver: answering(t)})
	var dns *net.DNSError
	if !errors.As(err, &dns) || r.Reached != ReachedNothing || r.Name == nil || !strings.Contains(r.Name.Error, "no such host") {
		t.Fatalf("%v, %+v", err, r.Name)
	}
	if !strings.Contains(r.Text(TextOptions{}), "not resolved") {
		t.Error(r.Text(TextOptions{}))
	}
}

func TestNoLookup(t *testing.T) {
	r, err := Run(within(t), Options{Address: tcpAt("localhost", "80"), NoLookup: true})
	if err == nil || !strings.Contains(r.Error, "not looked up with -n") {
		t.Fatal(err)
	}
}

func TestHosts(t *testing.T) {
	port := serve(t, stay)
	r := run(t, Options{Address: tcpAt("app.test", port), Hosts: map[string]string{"app.test:" + port: "127.0.0.1"}, BannerWait: -1})
	if r.Name == nil || r.Name.Source != SourceFlag || !slices.Equal(r.Name.Addresses, []string{"127.0.0.1"}) {
		t.Fatalf("%+v", r.Name)
	}
}

// Every address of a name is tried, and those that fail are findings.
func TestEveryAddressIsTried(t *testing.T) {
	port := serve(t, stay) // on 127.0.0.1, and on none of the others
	r := run(t, Options{Address: tcpAt("many.test", port), Resolver: answering(t, "127.0.0.1", "127.0.0.2", "::1"), BannerWait: -1})
	if len(r.Name.Addresses) != 3 || len(r.Attempts) != 3 || r.Connection.Remote != "127.0.0.1:"+port {
		t.Fatalf("%+v, %+v", r.Name, r.Attempts)
	}
	if len(r.Findings) != 2 {
		t.Errorf("%+v", r.Findings)
	}
	for _, a := range r.Attempts {
		if isThere := a.Address == "127.0.0.1:"+port; isThere != a.Used || isThere != (a.Result == Connected) || isThere == (a.Error != "") {
			t.Errorf("%+v", a)
		}
	}
	for _, f := range r.Findings {
		if f.ID != AddressFailed {
			t.Errorf("%+v", f)
		}
	}
}

func TestNoAddressConnects(t *testing.T) {
	port := closedPort(t)
	r, err := Run(within(t), Options{Address: tcpAt("many.test", port), Resolver: answering(t, "127.0.0.1", "127.0.0.2")})
	if !errors.Is(err, syscall.ECONNREFUSED) || len(r.Attempts) != 2 || r.Reached != ReachedName || len(r.Findings) != 0 {
		t.Fatalf("%v, %+v", err, r)
	}
	for _, a := range r.Attempts {
		if !strings.Contains(err.Error(), a.Address) {
			t.Errorf("%q does not name %s", err, a.Address)
		}
	}
}

func TestFirst(t *testing.T) {
	var accepted atomic.Int32
	port := serve(t, func(conn net.Conn) { accepted.Add(1); stay(conn) })
	r := run(t, Options{Address: tcpAt("many.test", port), Resolver: answering(t, "127.0.0.1", "127.0.0.2", "127.0.0.3"), First: true, BannerWait: -1})
	used := slices.IndexFunc(r.Attempts, func(a Attempt) bool { return a.Used })
	if used < 0 || len(r.Attempts) != 3 {
		t.Fatalf("%+v", r.Attempts)
	}
	for _, a := range r.Attempts[used+1:] {
		if a.Result != NotTried {
			t.Errorf("%+v", a)
		}
	}
}

func TestFamily(t *testing.T) {
	_, err := Run(within(t), Options{Address: tcpAt("four.test", "80"), Resolver: answering(t, "127.0.0.1"), Family: 6})
	var dns *net.DNSError
	if !errors.As(err, &dns) || !strings.Contains(err.Error(), "no IPv6 address") {
		t.Fatal(err)
	}
}

func TestServiceName(t *testing.T) {
	_, err := Run(within(t), Options{Address: tcpAt("127.0.0.1", "nosuchservice")})
	if err == nil || !strings.Contains(err.Error(), "is unknown here; a port may be a number") {
		t.Fatal(err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(within(t))
	why := errors.New("enough")
	port := serve(t, func(conn net.Conn) {
		cancel(why) // the peer is being listened to
		stay(conn)
	})
	in, err := Open(ctx, Options{Address: tcpAt("127.0.0.1", port), BannerWait: long})
	defer in.Close()
	if !errors.Is(err, why) {
		t.Fatal(err)
	}
}

func TestNoSocket(t *testing.T) {
	_, err := Run(within(t), Options{Address: endpoint.Address{Scheme: endpoint.Exec, Path: "cat"}})
	if err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Fatal(err)
	}
}

func TestTraced(t *testing.T) {
	port := serve(t, func(conn net.Conn) { fmt.Fprint(conn, "hello") })
	var seen trace.Recorder
	run(t, Options{Address: tcpAt("many.test", port), Resolver: answering(t, "127.0.0.1"), BannerWait: long, Tracer: trace.New(&seen, trace.Message)})
	records := seen.Records()
	if len(trace.Events[trace.Resolve](records)) != 1 || len(trace.Events[trace.Attempt](records)) != 1 ||
		len(trace.Events[trace.Open](records)) != 1 || len(trace.Events[trace.Close](records)) != 1 {
		t.Errorf("%+v", records)
	}
	if data := trace.Events[trace.Data](records); len(data) != 1 || string(data[0].Payload) != "hello" {
		t.Errorf("%+v", data)
	}
}

func TestAttemptResults(t *testing.T) {
	tests := []struct {
		err    error
		result string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, Refused},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, Unreachable},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, Unreachable},
		{os.NewSyscallError("connect", syscall.ECONNRESET), Reset},
		{&tcp.TimeoutError{After: 1e9}, TimedOut},
		{errors.New("bad luck"), Failed},
	}
	for _, test := range tests {
		var a Attempt
		if a.failed(test.err); a.Result != test.result || a.Error != tcp.Reason(test.err) {
			t.Errorf("%v: %+v", test.err, a)
		}
	}
}

// That this machine has no way to an address says nothing of the server.
func TestNoRouteIsANote(t *testing.T) {
	in := &Inspection{Report: &Report{Attempts: []Attempt{{Address: "127.0.0.1:80", Used: true}, {Address: "[2001:db8::1]:80"}}}}
	in.Report.Attempts[1].failed(os.NewSyscallError("connect", syscall.ENETUNREACH))
	in.addressFindings()
	if got := ids(in.Report.Findings); !slices.Equal(got, []string{"note address_failed 0"}) {
		t.Fatal(got)
	}
}

// answering is a resolver to which every name has the addresses, and to which
// no name exists where there are none.
func answering(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := answer(b[:n], addresses); reply != nil {
				_, _ = pc.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func answer(query []byte, addresses []string) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Additionals = true, nil
	if len(addresses) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	q := m.Questions[0]
	for _, s := range addresses {
		ip := netip.MustParseAddr(s)
		head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
		switch {
		case ip.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: ip.As4()}})
		case ip.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}
