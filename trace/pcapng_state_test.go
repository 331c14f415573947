package trace

import (
	"io"
	"testing"
	"time"
)

// TestSinksKeepLittle checks that neither sink keeps anything of connections
// that are closed, nor a buffer as large as the largest record.
func TestSinksKeepLittle(t *testing.T) {
	p, err := NewPCAPNG(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	j := NewJSON(io.Discard)
	tracer := New(Tee{{p, Byte}, {j, Byte}}, Byte)
	for _, network := range []string{"tcp", "udp", "unix", "unixgram"} {
		id := tracer.NewID()
		tracer.Emit(id, Open{Side: Client, Network: network, Local: "127.0.0.1:1", Remote: "127.0.0.1:2"})
		tracer.Emit(id, TLSStart{})
		tracer.Emit(id, Bytes{Dir: Out, Payload: make([]byte, 8<<20)})
		tracer.Emit(id, Datagram{Dir: Out, Network: network, Payload: []byte("x")})
		tracer.Emit(id, Close{Duration: time.Second})
		tracer.Emit(id, Bytes{Dir: Out, Payload: []byte("too late")})
	}
	if len(p.conns) != 0 || len(p.streams) != 0 || len(p.held) != 0 || p.heldLen != 0 {
		t.Errorf("kept: %d connections, %d streams, %d packets of %d bytes", len(p.conns), len(p.streams), len(p.held), p.heldLen)
	}
	if cap(p.out) > keepBuffer || j.line.Cap() > keepBuffer {
		t.Errorf("buffers of %d and %d bytes are kept", cap(p.out), j.line.Cap())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
