package trace_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// experts are the packets that tshark's experts find something wrong with: in
// sequence numbers, by a warning, or by a note other than the one on a FIN.
const experts = "tcp.analysis.flags or _ws.expert.severity >= 0x00600000" +
	" or (_ws.expert.severity >= 0x00400000 and not tcp.flags.fin == 1)"

// tshark runs tshark over a capture and returns what it prints.
func tshark(t *testing.T, file string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is not installed; run `make test`, which installs it: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-n", "-r", file,
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
	}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // nobody's preferences
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, complaints.String())
	}
	return string(out)
}

// fields returns fields of the packets that match a filter, one line each.
func fields(t *testing.T, file, filter string, names ...string) []string {
	t.Helper()
	args := []string{"-Y", filter, "-T", "fields", "-E", "separator= ", "-E", "occurrence=a"}
	for _, name := range names {
		args = append(args, "-e", name)
	}
	out := strings.TrimRight(tshark(t, file, args...), "\n")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// follow returns what both ends of a stream sent: of TCP, the end that opened it
// first. For TLS the order is tshark's.
func follow(t *testing.T, file, protocol, stream string) (opener, other []byte) {
	t.Helper()
	out := tshark(t, file, "-q", "-z", "follow,"+protocol+",raw,"+stream)
	_, body, found := strings.Cut(out, "Node 1: ")
	if !found {
		t.Fatalf("no stream %s of %s:\n%s", stream, protocol, out)
	}
	for _, line := range strings.Split(body, "\n")[1:] {
		piece, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil { // the line at the end
			break
		}
		if strings.HasPrefix(line, "\t") {
			other = append(other, piece...)
		} else {
			opener = append(opener, piece...)
		}
	}
	return opener, other
}

// capture returns a capture file of what record adds, and checks its form.
func capture(t *testing.T, record func(*recorded)) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs tshark")
	}
	p, file, r := newCapture(t)
	record(r)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, file.Bytes())
	name := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// wantClean fails the test where tshark's experts found something, or a
// checksum that is not right.
func wantClean(t *testing.T, file string) {
	t.Helper()
	if found := fields(t, file, experts, "frame.number", "_ws.expert.message"); found != nil {
		t.Errorf("tshark's experts: %q", found)
	}
	const wrong = "(ip and ip.checksum.status != 1) or (tcp and tcp.checksum.status != 1) or (udp and udp.checksum.status != 1) or _ws.malformed"
	if found := fields(t, file, wrong, "frame.number"); found != nil {
		t.Errorf("checksums are wrong in frames %q", found)
	}
}

// pattern returns n bytes that differ from each other by position.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func TestTsharkTCP(t *testing.T) {
	big := pattern(5 << 18) // more segments than go unacknowledged
	for _, test := range []struct{ name, side, local, remote string }{
		{"IPv4 client", trace.Client, "192.0.2.1:40001", "198.51.100.2:7"},
		{"IPv4 server", trace.Server, "192.0.2.1:7", "198.51.100.2:40001"},
		{"IPv6 client", trace.Client, "[2001:db8::1]:40001", "[2001:db8::2]:7"},
		{"IPv6 zone", trace.Server, "[fe80::1%eth0]:7", "[fe80::2%eth0]:40001"},
		{"IPv4 in IPv6", trace.Server, "[::ffff:192.0.2.1]:7", "198.51.100.2:40001"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := capture(t, func(r *recorded) {
				r.add(1, trace.Open{Side: test.side, Network: "tcp", Local: test.local, Remote: test.remote},
					sent("hello"), received("hi there"), trace.Bytes{Dir: trace.Out, Payload: big},
					trace.Bytes{Dir: trace.In, Payload: big[:100_000]}, trace.HalfClose{Dir: trace.In},
					sent("bye"), trace.Close{})
			})
			wantClean(t, file)
			out := append(append([]byte("hello"), big...), "bye"...)
			in := append([]byte("hi there"), big[:100_000]...)
			opener, other := follow(t, file, "tcp", "0")
			if test.side == trace.Server {
				opener, other = other, opener
			}
			if !bytes.Equal(opener, out) || !bytes.Equal(other, in) {
				t.Errorf("followed %d and %d bytes, want %d and %d, or they differ", len(opener), len(other), len(out), len(in))
			}
			wantEnds(t, file)
		})
	}
}

// wantEnds checks that the stream is complete: SYN, SYN-ACK, ACK, data and
// both FINs, which tshark gives as 31.
func wantEnds(t *testing.T, file string) {
	t.Helper()
	got := tshark(t, file, "-2", "-T", "fields", "-e", "tcp.completeness")
	for _, line := range strings.Fields(got) {
		if line != "31" {
			t.Fatalf("completeness %s, want 31", line)
		}
	}
}

func TestTsharkAddresses(t *testing.T) {
	file := capture(t, func(r *recorded) {
		r.add(1, trace.Open{Side: trace.Server, Network: "tcp", Local: "192.0.2.1:7", Remote: "198.51.100.2:40001"},
			sent("out"), received("in"))
	})
	got := fields(t, file, "tcp.len > 0", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.payload", "frame.time_relative")
	want := []string{
		"192.0.2.1 7 198.51.100.2 40001 6f7574 0.001000000",
		"198.51.100.2 40001 192.0.2.1 7 696e 0.002000000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("packets %q, want %q", got, want)
	}
	for filter, want := range map[string]string{"frame.packet_flags_direction == 2": "out", "frame.packet_flags_direction == 1": "in"} {
		payload := fields(t, file, "tcp.len > 0 and "+filter, "tcp.payload")
		if !slices.Equal(payload, []string{hex.EncodeToString([]byte(want))}) {
			t.Errorf("%s: payloads %q, want %q alone", filter, payload, want)
		}
	}
}

// TestTsharkPortAgain uses one pair of ports twice, which must not look like a
// retransmission.
func TestTsharkPortAgain(t *testing.T) {
	file := capture(t, func(r *recorded) {
		for id := range trace.ID(3) {
			r.add(id+1, tcpOpen(1), sent("x"), trace.Close{})
		}
	})
	if got := fields(t, file, "("+experts+") and not tcp.analysis.reused_ports", "_ws.expert.message"); got != nil {
		t.Errorf("tshark's experts: %q", got)
	}
	if got := fields(t, file, "tcp.flags.syn == 1 and tcp.flags.ack == 0", "tcp.stream"); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("streams %q, want three", got)
	}
}

func TestTsharkReset(t *testing.T) {
	file := capture(t, func(r *recorded) {
		r.add(1, tcpOpen(1), sent("x"), trace.Note{Text: "the peer goes away"}, trace.Close{Reset: true, Error: "connection reset by peer"})
	})
	got := fields(t, file, "tcp.flags.reset == 1", "ip.src", "tcp.srcport", "frame.comment")
	want := []string{"198.51.100.2 443 the peer goes away,closed: connection reset by peer"}
	if !slices.Equal(got, want) {
		t.Errorf("resets %q, want %q", got, want)
	}
	if got := fields(t, file, experts, "_ws.expert.message"); len(got) != 1 || !strings.Contains(got[0], "RST") {
		t.Errorf("tshark's experts: %q, want the reset alone", got)
	}
}

func TestTsharkUDP(t *testing.T) {
	dgram := func(dir trace.Dir, local, remote string, payload []byte) trace.Datagram {
		return trace.Datagram{Dir: dir, Network: "udp", Local: local, Remote: remote, Size: len(payload), Payload: payload, TTL: 7}
	}
	file := capture(t, func(r *recorded) {
		r.add(1, dgram(trace.Out, "192.0.2.1:50001", "198.51.100.2:9", []byte("out")),
			dgram(trace.In, "[::]:50002", "[2001:db8::2]:50003", []byte("in6")),
			dgram(trace.In, "[::]:50002", "198.51.100.2:9", []byte("in4")),
			dgram(trace.Out, "192.0.2.1:50001", "198.51.100.2:9", pattern(65507)),
			dgram(trace.Out, "[2001:db8::1]:50001", "[2001:db8::2]:9", pattern(65527)),
			dgram(trace.In, "192.0.2.1:50001", "198.51.100.2:9", nil))
	})
	wantClean(t, file)
	got := fields(t, file, "udp", "ip.src", "ipv6.src", "udp.srcport", "ip.dst", "ipv6.dst", "udp.dstport", "udp.length", "ip.ttl", "ipv6.hlim")
	want := []string{
		"192.0.2.1  50001 198.51.100.2  9 11 7 ",
		" 2001:db8::2 50003  :: 50002 11  7",
		"198.51.100.2  9 0.0.0.0  50002 11 7 ",
		"192.0.2.1  50001 198.51.100.2  9 65515 7 ",
		" 2001:db8::1 50001  2001:db8::2 9 65535  7",
		"198.51.100.2  9 192.0.2.1  50001 8 7 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("datagrams\n%q, want\n%q", got, want)
	}
}

// TestTsharkTruncated shows datagrams of which not all is known, or for which
// IP has no room.
func TestTsharkTruncated(t *testing.T) {
	file := capture(t, func(r *recorded) {
		r.add(1, trace.Datagram{Dir: trace.In, Network: "udp", Local: "192.0.2.1:50001", Remote: "198.51.100.2:9",
			Size: 2000, Truncated: true, Payload: pattern(1000)},
			trace.Datagram{Dir: trace.Out, Network: "udp", Local: "[2001:db8::1]:50001", Remote: "[2001:db8::2]:9",
				Size: 2000, Truncated: true, Payload: pattern(1000)})
		r.add(2, trace.Datagram{Dir: trace.Out, Network: "unixgram", Local: "/a", Remote: "/b",
			Size: 200_000, Payload: pattern(200_000)})
	})
	got := fields(t, file, "udp", "frame.cap_len", "frame.len", "udp.length")
	want := []string{"1028 2028 2008", "1048 2048 2008", "65535 200028 65515"}
	if !slices.Equal(got, want) {
		t.Errorf("lengths %q, want %q", got, want)
	}
	if got := fields(t, file, experts, "frame.number", "_ws.expert.message"); got != nil {
		t.Errorf("tshark's experts: %q", got)
	}
	comments := fields(t, file, "frame.comment", "frame.comment")
	if len(comments) != 1 || !strings.Contains(comments[0], "200000 bytes, of which IP has room for 65507") {
		t.Errorf("comments %q", comments)
	}
}

// TestTsharkStandIns shows connections that have no IP addresses.
func TestTsharkStandIns(t *testing.T) {
	file := capture(t, func(r *recorded) {
		r.add(258, trace.Open{Side: trace.Client, Network: "unix", Local: "@", Remote: "/run/app.sock"}, sent("unix"), trace.Close{})
		r.add(2, trace.Open{Side: trace.Server, Network: "exec", Local: "exec", Remote: "cat -n"}, sent("exec"), trace.Close{})
		r.add(3, trace.Open{Side: trace.Client, Network: "stdio", Local: "", Remote: "-"}, sent("stdio"), trace.Close{})
		r.add(4, trace.Open{Side: trace.Server, Network: "unixgram", Local: "/a"},
			trace.Datagram{Dir: trace.In, Network: "unixgram", Local: "/a", Remote: "/b", Payload: []byte("1")},
			trace.Datagram{Dir: trace.In, Network: "unixgram", Local: "/a", Remote: "/b", Payload: []byte("2")},
			trace.Datagram{Dir: trace.In, Network: "unixgram", Local: "/a", Remote: "/c", Payload: []byte("3")})
	})
	wantClean(t, file)
	got := fields(t, file, "frame.comment", "ip.src", "ip.dst", "frame.comment")
	want := []string{
		`127.0.0.1 127.128.1.2 unix: 127.0.0.1:50258 stands for "@", 127.128.1.2:60011 for "/run/app.sock"`,
		`127.128.0.2 127.0.0.1 exec: 127.0.0.1:60013 stands for "exec", 127.128.0.2:50002 for "cat -n"`,
		`127.0.0.1 127.128.0.3 stdio: 127.0.0.1:50003 stands for "", 127.128.0.3:60014 for "-"`,
		`127.128.0.4 127.0.0.1 unixgram: 127.0.0.1:60012 stands for "/a", 127.128.0.4:50004 for "/b"`,
		`127.128.0.4 127.0.0.1 unixgram: 127.0.0.1:60012 stands for "/a", 127.128.0.4:50004 for "/c"`,
	}
	if !slices.Equal(unquoted(got), want) {
		t.Errorf("comments\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if opener, _ := follow(t, file, "tcp", "0"); string(opener) != "unix" {
		t.Errorf("followed %q", opener)
	}
}

// unquoted undoes the escapes that some versions of tshark print quotes with.
func unquoted(lines []string) []string {
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, `\"`, `"`)
	}
	return lines
}

// TestTsharkTLS has tshark decrypt two real connections whose handshakes
// overlap, in a single pass.
func TestTsharkTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			address := echoTLS(t, version)
			file := capture(t, func(r *recorded) { talkTLS(t, trace.New(r.sink, trace.Byte), address) })
			wantClean(t, file)
			for _, stream := range []string{"0", "1"} {
				opener, other := follow(t, file, "tls", stream)
				want := said(stream, 0) + said(stream, 1) + said(stream, 2)
				if string(opener) != want || string(other) != want {
					t.Errorf("stream %s: decrypted %q and %q, want %q twice", stream, opener, other, want)
				}
			}
		})
	}
}

// said is the i-th message of a connection.
func said(stream string, i int) string { return fmt.Sprintf("connection %s, message %d\n", stream, i) }

// talkTLS makes two connections at once, each of which says three things and
// waits for the echo.
func talkTLS(t *testing.T, tracer *trace.Tracer, address string) {
	var hello, talks sync.WaitGroup
	hello.Add(2)
	clients := [2]*tls.Conn{}
	for i := range clients {
		clients[i] = dialTLS(t, tracer, address, &hello)
	}
	for i, c := range clients {
		talks.Go(func() {
			if err := c.HandshakeContext(t.Context()); err != nil {
				t.Error(err)
			}
			tracer.Emit(trace.ID(i+1), trace.TLS{Side: trace.Client})
		})
	}
	talks.Wait()
	for n := range 3 {
		for i, c := range clients {
			exchange(t, c, said(fmt.Sprint(i), n))
		}
	}
	for i, c := range clients {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		tracer.Emit(trace.ID(i+1), trace.Close{})
	}
}

// exchange says text and waits for its echo.
func exchange(t *testing.T, c *tls.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, len(text))
	if _, err := io.ReadFull(c, echo); err != nil || string(echo) != text {
		t.Fatalf("echo of %q: %q, %v", text, echo, err)
	}
}
