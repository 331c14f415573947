package cmd_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/cmd"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// tap runs sockkit tap for one client and returns where it listens, and what
// waits for its exit status.
func tap(t *testing.T, args ...string) (address string, wait func() int) {
	t.Helper()
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "view"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	said, saying := io.Pipe()
	status := make(chan int, 1)
	go func() {
		status <- cmd.Main(append([]string{"tap", "--once"}, args...), cmd.Streams{In: in, Out: out, Err: saying})
		saying.Close()
	}()
	lines := bufio.NewScanner(said)
	for address == "" && lines.Scan() {
		address, _ = strings.CutPrefix(lines.Text(), "listening on ")
		if address == lines.Text() {
			t.Log(address)
			address = ""
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	return address, func() int { return <-status }
}

// echo is a target that sends everything back.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func TestTapTraceFiles(t *testing.T) {
	dir := t.TempDir()
	lines, capture := filepath.Join(dir, "x.jsonl"), filepath.Join(dir, "x.pcapng")
	address, wait := tap(t, "tls://127.0.0.1:0", echo(t), "--self-signed", "--trace", lines, "--trace", capture)
	client, err := tls.Dial("tcp", strings.TrimPrefix(address, "tls://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sent := strings.Repeat("to be seen on both sides\n", 4000)
	go func() {
		_, _ = io.WriteString(client, sent)
		_ = tcp.CloseWrite(client)
	}()
	if got, err := io.ReadAll(client); err != nil || string(got) != sent {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
	if status := wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	checkLines(t, lines, sent)
	checkCapture(t, capture)
}

// checkLines wants the payload on both sides, and the ends of both.
func checkLines(t *testing.T, name, sent string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	passed := map[trace.ID]map[trace.Dir]string{1: {}, 2: {}}
	var ends []trace.ID
	for r, err := range trace.ReadJSON(f) {
		if err != nil {
			t.Fatal(err)
		}
		switch e := r.Event.(type) {
		case trace.Data:
			passed[r.Conn][e.Dir] += string(e.Payload)
		case trace.Close:
			ends = append(ends, r.Conn)
		case trace.Unknown:
			t.Errorf("an unknown record: %v", e)
		}
	}
	for id, dirs := range passed {
		if dirs[trace.In] != sent || dirs[trace.Out] != sent {
			t.Errorf("connection %d: %d bytes in and %d out, want %d", id, len(dirs[trace.In]), len(dirs[trace.Out]), len(sent))
		}
	}
	if slices.Sort(ends); !slices.Equal(ends, []trace.ID{1, 2}) {
		t.Errorf("the ends of %v", ends)
	}
}

// Blocks of pcapng (draft-ietf-opsawg-pcapng section 11.1).
const (
	blockSection = 0x0A0D0D0A
	blockPacket  = 6
	blockSecrets = 10
)

// checkCapture wants whole blocks, and the secrets of TLS before its packets.
func checkCapture(t *testing.T, name string) {
	t.Helper()
	rest, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(name); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	var kinds []uint32
	for len(rest) > 0 {
		if len(rest) < 12 {
			t.Fatalf("%d bytes behind the last block", len(rest))
		}
		n := binary.LittleEndian.Uint32(rest[4:])
		if n < 12 || n%4 != 0 || int64(n) > int64(len(rest)) || binary.LittleEndian.Uint32(rest[n-4:]) != n {
			t.Fatalf("block %d has a wrong length, %d", len(kinds), n)
		}
		kinds = append(kinds, binary.LittleEndian.Uint32(rest))
		rest = rest[n:]
	}
	packet, secrets := slices.Index(kinds, blockPacket), slices.Index(kinds, blockSecrets)
	if kinds[0] != blockSection || secrets < 0 || packet < 0 {
		t.Fatalf("blocks %v", kinds)
	}
	if handshake := packet + 3; secrets > handshake { // SYN, SYN and ACK, ACK
		t.Errorf("the secrets stand at %d, behind the first TLS packet at %d", secrets, handshake)
	}
}
