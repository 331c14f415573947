package tap

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// echoOf answers every datagram with itself.
func echoOf(t *testing.T, kind string) endpoint.Address {
	t.Helper()
	a := address(t, kind)
	sockets, err := opener(t, nil).ListenDatagram(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	server := &udp.Server{OnDatagram: func(p *udp.Peer, payload []byte, _ udp.Info) { _, _ = p.Write(payload) }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(t.Context(), sockets...) }()
	t.Cleanup(func() { server.Close(); <-served })
	return a.Bound(sockets[0].LocalAddr())
}

func datagram(t *testing.T, conn net.Conn) string {
	t.Helper()
	buf := make([]byte, 1<<18)
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute)) // of a hang only
	n, err := conn.Read(buf)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return string(buf[:n])
}

func TestDatagramsKeepTheirBorders(t *testing.T) {
	for _, kinds := range [][2]string{{"udp", "udp"}, {"udp", "unixgram"}, {"unixgram", "udp"}, {"unixgram", "unixgram"}} {
		for mode, f := range map[string]*faults.Faults{"plain": nil, "late": {Delay: time.Millisecond}} {
			t.Run(kinds[0]+" to "+kinds[1]+" "+mode, func(t *testing.T) {
				r := tapTo(t, kinds[0], echoOf(t, kinds[1]), nil, func(s *Server) { s.Faults = f })
				conn := r.dial(t)
				for _, size := range []int{1, 0, 1400, udp.MaxPayload, 2} {
					want := string(random(1, size))
					say(t, conn, want)
					if got := datagram(t, conn); got != want {
						t.Errorf("%d bytes came back of %d, or others", len(got), size)
					}
				}
			})
		}
	}
}

func TestSendersHaveTargetsOfTheirOwn(t *testing.T) {
	r := tapTo(t, "udp", echoOf(t, "udp"), nil, nil)
	var running sync.WaitGroup
	for i := range 20 {
		conn := r.dial(t)
		running.Go(func() {
			for j := range 20 {
				want := fmt.Sprintf("%d from %d", j, i)
				say(t, conn, want)
				if got := datagram(t, conn); got != want {
					t.Errorf("sender %d got %q", i, got)
				}
			}
		})
	}
	running.Wait()
}

func TestDatagramsToAStreamAndBack(t *testing.T) {
	r := tapTo(t, "udp", address(t, "exec:cat"), nil, nil)
	conn := r.dial(t)
	say(t, conn, "through a stream")
	if got := datagram(t, conn); got != "through a stream" {
		t.Errorf("came %q", got)
	}
}

func TestAStreamToDatagramsAndBack(t *testing.T) {
	r := tapTo(t, "tcp", echoOf(t, "udp"), nil, nil)
	conn := r.dial(t)
	say(t, conn, "one")
	hear(t, conn, "one")
	say(t, conn, "two")
	hear(t, conn, "two")
}

func TestARefusedDatagramEndsItsConnection(t *testing.T) {
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := address(t, "udp").Bound(probe.LocalAddr())
	probe.Close()
	r := tapTo(t, "udp", target, nil, func(s *Server) { s.Once = true })
	say(t, r.dial(t), "anybody?")
	err = <-r.ended
	r.ended <- err
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Serve: %v, want a refusal", err)
	}
}

func TestAnIdleSenderIsForgottenAndBeginsAnew(t *testing.T) {
	var seen trace.Recorder
	r := tapTo(t, "udp", echoOf(t, "udp"), trace.New(&seen, trace.Connection), func(s *Server) {
		s.Idle = 20 * time.Millisecond
	})
	conn := r.dial(t)
	for round := 1; round <= 2; round++ {
		say(t, conn, "x")
		seen.Wait(t.Context().Done(), func(records []trace.Record) bool {
			return len(trace.Events[trace.Limit](records)) == round && len(trace.Events[trace.Close](records)) == 2*round
		})
	}
	if opened := len(trace.Events[trace.Open](seen.Records())); opened != 4 {
		t.Errorf("%d connections were opened, want two pairs", opened)
	}
	select {
	case err := <-r.failed:
		t.Errorf("told %v; silence is no failure", err)
	default:
	}
}

func TestDuplicatesOnTheWay(t *testing.T) {
	r := tapTo(t, "udp", echoOf(t, "udp"), nil, func(s *Server) {
		s.Faults = &faults.Faults{Duplicate: 1, Direction: faults.Up}
	})
	conn := r.dial(t)
	say(t, conn, "twice")
	got := []string{datagram(t, conn), datagram(t, conn)}
	if !slices.Equal(got, []string{"twice", "twice"}) {
		t.Errorf("came %q", got)
	}
}

func TestAQueueThatIsFullDrops(t *testing.T) {
	c := &packetConn{peer: &udp.Peer{}, some: make(chan struct{}, 1), ended: make(chan struct{})}
	big := random(1, 60_000)
	for range 10 {
		c.put(big, udp.Info{Size: len(big)})
	}
	if c.size > packetQueue || len(c.queue) != packetQueue/(60_000+packetCost) {
		t.Errorf("%d datagrams of %d bytes wait", len(c.queue), c.size)
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if n != 100 || !errors.Is(err, udp.ErrTruncated) {
		t.Errorf("read %d, %v; want a truncated one", n, err)
	}
}
