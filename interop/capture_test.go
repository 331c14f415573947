package interop

import (
	"encoding/hex"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// tshark reads a capture with every check on.
func tshark(t *testing.T, capture string, flags ...string) string {
	t.Helper()
	args := append([]string{"-r", capture, "-n", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"}, flags...)
	cmd := exec.Command("tshark", args...)
	cmd.Env = environment()
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark %s: %v: %s", strings.Join(args, " "), err, said.String())
	}
	return string(out)
}

// wantSound demands that tshark's experts have nothing to warn of: sequence
// numbers, acknowledgements, checksums, lengths.
func wantSound(t *testing.T, capture string) {
	t.Helper()
	if said := tshark(t, capture, "-q", "-z", "expert,warn"); strings.Contains(said, "Warns (") || strings.Contains(said, "Errors (") {
		t.Errorf("tshark's experts warn:\n%s", said)
	}
	if bad := tshark(t, capture, "-Y", "_ws.malformed || tcp.analysis.flags || tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0"); bad != "" {
		t.Errorf("tshark does not like these:\n%s", bad)
	}
}

// followed is the payload of a TCP stream, from the end that dialled and from
// the other.
func followed(t *testing.T, capture, stream string) (dialled, accepted []byte) {
	t.Helper()
	for line := range strings.Lines(tshark(t, capture, "-q", "-z", "follow,tcp,raw,"+stream)) {
		line = strings.TrimSuffix(line, "\n")
		to := &dialled
		if strings.HasPrefix(line, "\t") {
			to, line = &accepted, line[1:]
		}
		if payload, err := hex.DecodeString(line); err == nil {
			*to = append(*to, payload...)
		}
	}
	return dialled, accepted
}

// wantStream demands a stream's payload.
func wantStream(t *testing.T, capture, stream string, dialled, accepted blob) {
	t.Helper()
	fromDialler, fromOther := followed(t, capture, stream)
	if string(fromDialler) != string(dialled.bytes()) {
		t.Errorf("stream %s: %d bytes of the end that dialled are not the %d that it sent", stream, len(fromDialler), dialled.size)
	}
	if string(fromOther) != string(accepted.bytes()) {
		t.Errorf("stream %s: %d bytes of the other end are not the %d that it sent", stream, len(fromOther), accepted.size)
	}
}

// TestCaptureOfStreams traces a conversation with socat and reads it by tshark.
func TestCaptureOfStreams(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		for _, o := range []order{weFirst, itFirst, atOnce} {
			t.Run("dial/"+network+"/"+string(o), func(t *testing.T) {
				t.Parallel()
				capture := tempDir(t) + "/x.pcapng"
				ours, its := newBlob(200_001), newBlob(70_003)
				it, at := serve(t, network, func(at place) program { return program{args: listenPeer["socat"](at), hold: true} })
				exchange(t, held(t, "dial", "-q", "60", "--trace", capture, at.String()), it, o, ours, its)
				wantSound(t, capture)
				wantStream(t, capture, "0", ours, its)
			})
			t.Run("listen/"+network+"/"+string(o), func(t *testing.T) {
				t.Parallel()
				capture := tempDir(t) + "/x.pcapng"
				ours, its := newBlob(200_001), newBlob(70_003)
				us := held(t, "listen", "-q", "60", "--trace", capture, newPlace(t, network).any())
				it := start(t, program{args: dialPeer["socat"](placeOf(network, us.address())), hold: true})
				exchange(t, us, it, o, ours, its)
				wantSound(t, capture)
				wantStream(t, capture, "0", its, ours)
			})
		}
	}
}

// The addresses and ports of a capture are those of the sockets.
func TestCaptureHasTheRightAddresses(t *testing.T) {
	t.Parallel()
	capture := tempDir(t) + "/x.pcapng"
	us := sockkit(t, "listen", "-k", "--echo", "--trace", capture, "127.0.0.1:0")
	at := placeOf("tcp4", us.address())
	from := freePort(t)
	it := start(t, program{args: []string{"nc.openbsd", "-N", "-n", "-s", "127.0.0.3", "-p", from, at.host, at.port}, in: strings.NewReader("hello\n")})
	it.want(0)
	us.signal(syscall.SIGTERM)
	us.want(143)
	wantSound(t, capture)
	got := tshark(t, capture, "-Y", "tcp.len > 0", "-T", "fields", "-e", "ip.src", "-e", "tcp.srcport", "-e", "ip.dst", "-e", "tcp.dstport", "-e", "tcp.payload")
	payload := hex.EncodeToString([]byte("hello\n"))
	want := strings.Join([]string{"127.0.0.3", from, at.host, at.port, payload}, "\t") + "\n" +
		strings.Join([]string{at.host, at.port, "127.0.0.3", from, payload}, "\t") + "\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestCaptureOfManyConnections traces several clients of one listener.
func TestCaptureOfManyConnections(t *testing.T) {
	t.Parallel()
	capture := tempDir(t) + "/x.pcapng"
	us := sockkit(t, "listen", "-k", "--echo", "--trace", capture, "127.0.0.1:0")
	at := placeOf("tcp4", us.address())
	sent := map[string]blob{}
	for _, stream := range []string{"0", "1", "2"} {
		b := newBlob(50_000)
		it := start(t, program{args: dialPeer["nc"](at), in: b.reader()})
		it.want(0)
		it.out.want(t, "nc", b)
		sent[stream] = b
	}
	us.signal(syscall.SIGTERM)
	us.want(143)
	wantSound(t, capture)
	for stream, b := range sent {
		wantStream(t, capture, stream, b, b)
	}
}

// TestCaptureOfUDP traces datagrams, an empty and a large one among them.
func TestCaptureOfUDP(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp4", "udp6"} {
		t.Run("dial/"+network, func(t *testing.T) {
			t.Parallel()
			capture := tempDir(t) + "/x.pcapng"
			it, at := serve(t, network, func(at place) program { return program{args: udpListen["socat"](at), hold: true} })
			us := held(t, "dial", "--linger", "0.2", "--trace", capture, at.String())
			talkByTurns(t, us, it)
			us.in.Close()
			us.want(0)
			wantSound(t, capture)
			wantDatagrams(t, capture, us, it)
		})
		t.Run("listen/"+network, func(t *testing.T) {
			t.Parallel()
			capture := tempDir(t) + "/x.pcapng"
			us := held(t, "listen", "-k", "--trace", capture, newPlace(t, network).any())
			it := start(t, program{args: udpDial["socat"](placeOf(network, us.address())), hold: true})
			talkByTurns(t, it, us)
			us.signal(syscall.SIGTERM)
			us.want(143)
			wantSound(t, capture)
			wantDatagrams(t, capture, it, us)
		})
	}
	t.Run("the largest", func(t *testing.T) {
		t.Parallel()
		capture := tempDir(t) + "/x.pcapng"
		b := newBlob(largest)
		us := sockkit(t, "listen", "udp://127.0.0.1:0", "--count", "1", "--trace", capture)
		start(t, program{args: []string{"socat", "-u", "-b", "70000", "OPEN:" + fileOf(t, b.bytes()), socatDial["udp4"](placeOf("udp4", us.address()))}})
		us.want(0)
		wantSound(t, capture)
		if got := tshark(t, capture, "-T", "fields", "-e", "udp.payload"); got != hex.EncodeToString(b.bytes())+"\n" {
			t.Errorf("%d characters are not the datagram", len(got))
		}
	})
}

// wantDatagrams demands the lines of talkByTurns, in their order.
func wantDatagrams(t *testing.T, capture string, first, second *proc) {
	t.Helper()
	firsts, seconds := strings.SplitAfter(second.out.String(), "\n"), strings.SplitAfter(first.out.String(), "\n")
	want := ""
	for i := range len(firsts) - 1 {
		want += hex.EncodeToString([]byte(firsts[i])) + "\n" + hex.EncodeToString([]byte(seconds[i])) + "\n"
	}
	if got := tshark(t, capture, "-T", "fields", "-e", "udp.payload"); got != want || want == "" {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestCaptureOfTap stands between nc and socat.
func TestCaptureOfTap(t *testing.T) {
	t.Parallel()
	capture := tempDir(t) + "/x.pcapng"
	ours, its := newBlob(200_001), newBlob(70_003)
	server, at := serve(t, "tcp4", func(at place) program { return program{args: listenPeer["socat"](at), hold: true} })
	us := sockkit(t, "tap", "--trace", capture, "127.0.0.1:0", at.String())
	client := start(t, program{args: dialPeer["nc"](placeOf("tcp4", us.address())), hold: true})
	exchange(t, client, server, weFirst, ours, its)
	us.signal(syscall.SIGTERM)
	us.want(143)
	wantSound(t, capture)
	for _, stream := range []string{"0", "1"} {
		wantStream(t, capture, stream, ours, its)
	}
}
