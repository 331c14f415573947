package tcp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Clients that say nothing hold up nobody, but for the places that they take.
func TestServerSlowHandshake(t *testing.T) {
	everywhere(t, func(r *rig) {
		turned := make(refused, 20)
		rec := &trace.Recorder{}
		s := r.start(&Server{
			OnData: echo, HandshakeTimeout: time.Hour, OnRefused: turned.hook, MaxConns: 11,
			Tracer: trace.New(rec, trace.Connection),
		})
		var silent []net.Conn
		for range 10 {
			conn, err := net.Dial(r.addr.Network(), r.addr.String())
			if err != nil {
				r.Fatal(err)
			}
			defer conn.Close()
			silent = append(silent, conn)
		}
		r.ask(r.dial(), "in", "in")
		r.turnedAway("internal error")
		if got := within(r, turned); got.Rule != "max-conns" {
			r.Errorf("turned away by %+v", got)
		}
		for _, conn := range silent {
			conn.Close()
			if got := within(r, turned); got.Rule != "tls" || !strings.Contains(got.Reason, "closed the connection") {
				r.Errorf("turned away by %+v", got)
			}
		}
		if failed := trace.Events[trace.TLSFailed](rec.Records()); len(failed) != 10 || s.Stats().Refused["tls"] != 10 {
			r.Errorf("records %v, stats %+v", failed, s.Stats())
		}
	}, "tls", "other-tls")
}

// A handshake that fails says why to the hook and, by an alert, to the client;
// OnOpen and OnClose are not called.
func TestServerHandshakeFails(t *testing.T) {
	cert, err := testCertificate()
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name         string
		server       *tls.Config
		client       *tls.Config
		reason, told string
	}{
		{"version", &tls.Config{MinVersion: tls.VersionTLS13}, &tls.Config{MaxVersion: tls.VersionTLS12}, "TLS 1.2", "protocol version"},
		{"client certificate", &tls.Config{ClientAuth: tls.RequireAnyClientCert}, &tls.Config{}, "no certificate", "certificate required"},
		{"alpn", &tls.Config{NextProtos: []string{"a"}}, &tls.Config{NextProtos: []string{"b"}}, "ALPN", "no application protocol"},
		{"panic", &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("oops") }}, &tls.Config{}, "panic in tls.Config: oops", "EOF"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(r *rig) {
				c.server.Certificates, c.client.InsecureSkipVerify = []tls.Certificate{cert}, true
				turned := make(refused, 1)
				s := r.start(&Server{
					TLS: c.server, OnRefused: turned.hook,
					OnOpen:  func(*Peer) { r.Error("OnOpen was called") },
					OnClose: func(*Peer, error) { r.Error("OnClose was called") },
				})
				raw, err := net.Dial(r.addr.Network(), r.addr.String())
				if err != nil {
					r.Fatal(err)
				}
				defer raw.Close()
				conn := tls.Client(raw, c.client)
				if err = conn.Handshake(); err == nil { // TLS 1.3 tells of the client's certificate after it
					_, err = io.ReadAll(conn)
				}
				if err == nil || !strings.Contains(err.Error(), c.told) {
					r.Errorf("the client was told %v, want %q", err, c.told)
				}
				raw.Close()
				if got := within(r, turned); got.Rule != "tls" || !strings.Contains(got.Reason, c.reason) {
					r.Errorf("the hook was told %+v, want %q", got, c.reason)
				}
				r.must("shutdown", s.Shutdown(r.soon()), nil)
			}, "tls", "other-tls")
		})
	}
}

// Shutdown breaks off handshakes, and the hook hears nothing of it.
func TestServerShutdownInHandshake(t *testing.T) {
	everywhere(t, func(r *rig) {
		hello := make(chan struct{}, 1)
		cert, err := testCertificate()
		if err != nil {
			r.Fatal(err)
		}
		s := r.start(&Server{
			OnRefused: func(_ net.Addr, rule, reason string) { r.Errorf("%s: %s", rule, reason) },
			TLS: &tls.Config{Certificates: []tls.Certificate{cert}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				hello <- struct{}{}
				return nil, nil
			}},
		})
		conn, err := net.Dial(r.addr.Network(), r.addr.String())
		if err != nil {
			r.Fatal(err)
		}
		defer conn.Close()
		stuck := tls.Client(stopping{conn}, &tls.Config{InsecureSkipVerify: true})
		if err := stuck.Handshake(); !errors.Is(err, errStopped) {
			r.Fatal(err)
		}
		within(r, hello)
		if st := s.Stats(); st.Handshaking != 1 || st.Open != 0 {
			r.Errorf("stats %+v", st)
		}
		r.must("shutdown", s.Shutdown(r.soon()), nil)
	}, "tls", "other-tls")
}

// stopping is a client's connection that never hears an answer.
type stopping struct{ net.Conn }

var errStopped = errors.New("stopped")

func (stopping) Read([]byte) (int, error) { return 0, errStopped }

func (stopping) Close() error { return nil }

// A TLS connection that ends without close_notify is answered all the same, and
// OnClose says that something may be missing.
func TestServerTruncated(t *testing.T) {
	everywhere(t, func(r *rig) {
		closes := make(chan error, 1)
		r.start(&Server{
			OnEnd:   func(p *Peer) { _, _ = p.Write([]byte("answer")); p.CloseWrite() },
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		conn := r.dial()
		if _, err := conn.Write([]byte("question")); err != nil {
			r.Fatal(err)
		}
		r.must("FIN", CloseWrite(Unwrap(conn)), nil)
		r.hear(conn, "answer")
		r.must("close", within(r, closes), ErrTruncated)
	}, "tls", "other-tls")
}

// What a handler can ask a peer.
func TestServerPeer(t *testing.T) {
	everywhere(t, func(r *rig) {
		peers := make(chan *Peer, 1)
		r.start(&Server{OnOpen: func(p *Peer) { peers <- p }, OnData: echo})
		conn := r.dial()
		r.ask(conn, "x", "x")
		p := within(r, peers)
		if p.ID() != 1 || p.LocalAddr().String() != conn.RemoteAddr().String() || p.RemoteAddr().Network() != r.addr.Network() ||
			p.NetConn().RemoteAddr().String() != p.RemoteAddr().String() || p.Value() != nil {
			r.Errorf("peer %d of %v at %v, value %v", p.ID(), p.RemoteAddr(), p.LocalAddr(), p.Value())
		}
		state := p.TLS()
		if (state != nil) != r.tls || state != nil && (!state.HandshakeComplete || state.Version != tls.VersionTLS13) {
			r.Errorf("state %+v", state)
		}
	})
}

// The trace of a connection has every record once and in order, in the clear
// and as it passed.
func TestServerTrace(t *testing.T) {
	everywhere(t, func(r *rig) {
		rec, closes := &trace.Recorder{}, make(chan error, 1)
		r.start(&Server{
			OnData: echo, Tracer: trace.New(rec, trace.Byte),
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		conn := r.dial()
		r.ask(conn, "ping", "ping")
		r.must("half-close", CloseWrite(conn), nil)
		r.hearEnd(conn)
		within(r, closes)
		var names []string
		var in, out int
		secrets := 0
		for _, record := range rec.Records() {
			switch e := record.Event.(type) {
			case trace.Bytes:
				if e.Dir == trace.In {
					in += e.Size
				} else {
					out += e.Size
				}
				continue
			case trace.TLSRecord:
				continue
			case trace.Secret:
				secrets++
				continue
			case trace.Data:
				if string(e.Payload) != "ping" {
					r.Errorf("data %q", e.Payload)
				}
			case trace.Open:
				if e.Side != trace.Server || e.Local == "" || e.Network != r.addr.Network() {
					r.Errorf("%+v", e)
				}
			case trace.Close:
				if e.In != 4 || e.Out != 4 || e.Reset || e.Error != "" {
					r.Errorf("%+v", e)
				}
			}
			if record.Conn != 1 {
				r.Errorf("%s of connection %d", record.Event.Name(), record.Conn)
			}
			names = append(names, record.Event.Name())
		}
		want := []string{"open", "data", "data", "half_close", "half_close", "close"}
		if r.tls {
			want = slices.Insert(want, 1, "tls_start", "tls")
		}
		if !slices.Equal(names, want) {
			r.Errorf("records %v, want %v", names, want)
		}
		if plain := in == 4 && out == 4; plain == r.tls || (secrets > 0) != r.tls {
			r.Errorf("%d bytes in and %d out on the wire, %d secrets", in, out, secrets)
		}
	})
}

func serverConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}
