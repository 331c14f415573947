package tcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestInfo(t *testing.T) {
	client, server := joined(t)
	io.WriteString(client, "hello")
	if _, err := io.ReadFull(server, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	arrived(t, client)
	tracer, _ := tracing(trace.Connection)
	info, err := Info(Trace(client, tracer, trace.Client, 0))
	if err != nil {
		t.Fatal(err)
	}
	if info.State != "established" || info.RTT <= 0 || info.RTT > time.Minute || info.RTO <= 0 || info.SendMSS < 500 ||
		info.PathMTU < info.SendMSS || info.Window < 1 || info.WindowBytes != info.Window*info.SendMSS ||
		info.CongestionControl == "" || info.CongestionState != "open" || info.NotSent != 0 || info.Unacked != 0 {
		t.Errorf("%+v", info)
	}
	if info.BytesAcked != 6 || info.BytesSent != 5 || info.BytesReceived != 0 { // the SYN is acknowledged too
		t.Errorf("%+v", info)
	}
	if !info.Options.SACK || !info.Options.WindowScale || info.Options.SendScale < 1 || info.Options.SendScale > 14 ||
		info.Options.ReceiveScale < 1 || info.Options.ReceiveScale > 14 {
		t.Errorf("%+v", info.Options)
	}
	peer, err := Info(server)
	if err != nil {
		t.Fatal(err)
	}
	if peer.BytesReceived != 5 || peer.Options.SendScale != info.Options.ReceiveScale || peer.Options.ReceiveScale != info.Options.SendScale {
		t.Errorf("%+v", peer)
	}
}

// The halves of the byte with the window scales are told apart.
func TestInfoWindowScales(t *testing.T) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error {
			return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) // no scale is needed
		})
	}}
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := Info(client)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Info(server)
	if err != nil {
		t.Fatal(err)
	}
	if c.Options.SendScale != 0 || c.Options.ReceiveScale == 0 || s.Options.SendScale == 0 || s.Options.ReceiveScale != 0 {
		t.Errorf("client %+v, server %+v", c.Options, s.Options)
	}
}

func TestInfoStates(t *testing.T) {
	client, server := joined(t)
	client.(*net.TCPConn).CloseWrite()
	io.ReadAll(server)
	if info, err := Info(server); err != nil || info.State != "close_wait" {
		t.Errorf("%+v, %v", info, err)
	}
	arrived(t, client)
	if info, err := Info(client); err != nil || info.State != "fin_wait2" && info.State != "fin_wait1" {
		t.Errorf("%+v, %v", info, err)
	}
	for n, want := range map[uint8]string{0: "state_0", 2: "syn_sent", 3: "syn_received", 6: "time_wait", 7: "closed", 9: "last_ack", 10: "listen", 11: "closing", 12: "state_12"} {
		if got := stateName(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestSocketOptions(t *testing.T) {
	client, _ := joined(t)
	conn := client.(*net.TCPConn)
	conn.SetNoDelay(false)
	conn.SetLinger(3)
	conn.SetReadBuffer(20000)
	conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 7 * time.Second, Interval: 3 * time.Second, Count: 5})
	got, err := SocketOptions(client)
	if err != nil {
		t.Fatal(err)
	}
	if got.NoDelay || !got.KeepAlive || got.KeepAliveIdle != 7*time.Second || got.KeepAliveInterval != 3*time.Second ||
		got.KeepAliveCount != 5 || got.Linger == nil || *got.Linger != 3 || got.ReceiveBuffer != 40000 || got.SendBuffer < 4096 ||
		got.TTL < 1 || got.CongestionControl == "" || strings.Contains(got.CongestionControl, "\x00") {
		t.Errorf("%+v", got)
	}
	conn.SetNoDelay(true)
	conn.SetLinger(-1)
	conn.SetKeepAlive(false)
	if got, err = SocketOptions(client); err != nil || !got.NoDelay || got.Linger != nil || got.KeepAlive {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSocketOptionsOfIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Skip("no IPv6 here")
	} else if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := SocketOptions(conn); err != nil || got.TTL < 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUnixSocketOptions(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := SocketOptions(conn); err != nil || got.SendBuffer < 4096 || got.TTL != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Info(conn); !errors.Is(err, errors.ErrUnsupported) || err.Error() != "TCP_INFO needs a TCP connection, and this is unix" {
		t.Error(err)
	}
	io.WriteString(conn, "x")
	if n, err := AwaitDelivered(t.Context(), conn); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestInfoJSON(t *testing.T) {
	client, _ := joined(t)
	info, err := Info(client)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"state":"established"`, `"rtt_ns":`, `"congestion_window":`, `"options":{"sack":`, `"socket":{"send_buffer":`, `"no_delay":true`} {
		if !bytes.Contains(data, []byte(name)) {
			t.Errorf("no %s in %s", name, data)
		}
	}
}

// stuffed writes to conn until nothing more goes in, and returns how much did.
func stuffed(t *testing.T, conn net.Conn) int {
	t.Helper()
	total := 0
	for {
		conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := conn.Write(make([]byte, 64<<10))
		total += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			conn.SetWriteDeadline(time.Time{})
			return total
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestUndelivered(t *testing.T) {
	client, server := joined(t)
	if n, err := Undelivered(client); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	total := stuffed(t, client)
	n, err := Undelivered(client)
	if n <= 0 || n >= total || err != nil {
		t.Fatalf("%d of %d, %v", n, total, err)
	}
	if err := CloseWrite(client); err != nil {
		t.Fatal(err)
	}
	if after, err := Undelivered(client); after <= 0 || after > n || err != nil {
		t.Errorf("%d before the FIN, %d after, %v", n, after, err)
	}
	go io.Copy(io.Discard, server)
	arrived(t, client)
}

// What a FIN adds is not counted, whether or not it is acknowledged.
func TestUndeliveredFIN(t *testing.T) {
	client, server := joined(t)
	total := stuffed(t, client)
	CloseWrite(client)
	if info, err := Info(client); err != nil || info.State != "fin_wait1" {
		t.Fatalf("%+v, %v", info, err)
	}
	n, err := Undelivered(client)
	if err != nil {
		t.Fatal(err)
	}
	came := int(received(t, server))
	if n+came > total {
		t.Errorf("%d were written, %d came and %d are said to be on their way", total, came, n)
	}
	go io.Copy(io.Discard, server)
	arrived(t, client)
}

// received returns how many bytes conn's kernel has taken.
func received(t *testing.T, conn net.Conn) uint64 {
	t.Helper()
	info, err := Info(conn)
	if err != nil {
		t.Fatal(err)
	}
	return info.BytesReceived
}

func TestAwaitDeliveredWaits(t *testing.T) {
	client, server := joined(t)
	total := stuffed(t, client)
	CloseWrite(client)
	done := make(chan error, 1)
	go func() {
		n, err := AwaitDelivered(testContext(t), client)
		if n != 0 {
			err = fmt.Errorf("%d left: %w", n, err)
		}
		done <- err
	}()
	if got, err := io.Copy(io.Discard, server); got != int64(total) || err != nil {
		t.Fatal(got, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAwaitDeliveredOutOfTime(t *testing.T) {
	client, _ := joined(t)
	stuffed(t, client)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	n, err := AwaitDelivered(ctx, client)
	if n <= 0 || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fmt.Sprintf("%d bytes not acknowledged by 127.0.0.1:", n)) {
		t.Fatal(n, err)
	}
}

// A peer that resets over unread bytes: what it did not acknowledge is counted,
// before and after our side was told of the reset.
func TestAwaitDeliveredAfterReset(t *testing.T) {
	for _, told := range []bool{false, true} {
		client, server := joined(t)
		stuffed(t, client)
		server.Close()
		if told {
			if _, err := io.ReadAll(client); !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
		}
		n, err := AwaitDelivered(testContext(t), client)
		if n <= 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("told %v: %d, %v", told, n, err)
		}
	}
}

func TestAwaitDeliveredOverTLS(t *testing.T) {
	client, server, _, _ := secured(t, trace.Connection)
	io.WriteString(client, "hello")
	arrived(t, client)
	if _, err := io.ReadFull(server, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
}
