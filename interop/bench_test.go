package interop

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// benchReport is what of a report is of interest here.
type benchReport struct {
	Connections struct{ Opened, Alive int }
	Messages    struct{ Sent, Answered int }
	Latency     struct{ Count int }
	Errors      []struct{ Kind, Example string }
}

// bench puts a load on and demands that all went well.
func bench(t *testing.T, address string, flags ...string) (r benchReport) {
	t.Helper()
	p := sockkit(t, append([]string{"bench", address, "--json"}, flags...)...)
	p.want(0)
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("%v: %s", err, p.out)
	}
	if len(r.Errors) > 0 {
		t.Errorf("%+v", r.Errors)
	}
	return r
}

// benchEcho holds that each message came back.
func benchEcho(t *testing.T, address string, flags ...string) {
	t.Helper()
	r := bench(t, address, append([]string{"-c", "5", "--count", "300"}, flags...)...)
	if r.Connections.Opened != 5 || r.Messages.Answered != 300 || r.Latency.Count != 300 {
		t.Errorf("%s: %+v", strings.Join(flags, " "), r)
	}
}

// Every WebSocket server bears each kind of load, and what it sends back is what
// was sent.
func TestBenchWebSocket(t *testing.T) {
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, lib, wsOptions{Echo: true})
			benchEcho(t, p.url, "--in-flight", "4")
			benchEcho(t, p.url, "--size", "70000", "--binary")
			benchEcho(t, p.url, "--rate", "3000")
			if r := bench(t, p.url, "--mode", "connect", "-c", "3", "--count", "20"); r.Connections.Opened != 20 {
				t.Errorf("%+v", r)
			}
			if r := bench(t, p.url, "--mode", "push", "--count", "100"); r.Messages.Sent != 100 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The official Socket.IO server bears it, too, with acknowledgements and without.
func TestBenchSocketIO(t *testing.T) {
	p := sioOfficial(t, sioWords{Welcome: "hello"})
	address := sioAddress(p.url)
	benchEcho(t, address, "--event", "echo")
	benchEcho(t, address, "--event", "echo", "--ack", "--in-flight", "4")
	if r := bench(t, address, "--mode", "connect", "--count", "10"); r.Connections.Opened != 10 {
		t.Errorf("%+v", r)
	}
	if r := bench(t, address, "--mode", "broadcast", "--event", "broadcast", "-c", "5", "--count", "50"); r.Messages.Answered != 50 {
		t.Errorf("%+v", r)
	}
}

// Streams and datagrams are echoed by socat, which gives each client a process.
func TestBenchSocat(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		_, at := serve(t, network, func(at place) program {
			return program{args: []string{"socat", socatListen[network](at) + ",fork", "EXEC:cat"}}
		})
		benchEcho(t, at.String(), "--size", "1k")
	}
	_, at := serve(t, "udp4", func(at place) program {
		return program{args: []string{"socat", fmt.Sprintf("UDP4-RECVFROM:%s,bind=%s,fork", at.port, at.host), "EXEC:cat"}}
	})
	if r := bench(t, at.String(), "--count", "30", "-w", "20s"); r.Messages.Answered != 30 {
		t.Errorf("%+v", r)
	}
}
