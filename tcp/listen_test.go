//go:build unix

package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

func listenOn(t *testing.T, network, address string) *Listener {
	t.Helper()
	l, err := (&ListenConfig{}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// An address without a host is bound on the loopback addresses, on one port.
func TestListenLoopback(t *testing.T) {
	for _, host := range []string{"", "localhost"} {
		l := listenOn(t, "tcp", host+":0")
		port := l.Addr().(*net.TCPAddr).Port
		for _, s := range l.Sockets() {
			addr := s.Addr().(*net.TCPAddr)
			if !addr.IP.IsLoopback() || addr.Port != port {
				t.Errorf("%q is bound on %v; want port %d of a loopback address", host, addr, port)
			}
		}
		for _, s := range l.Sockets() {
			go func() {
				conn, err := net.Dial("tcp", s.Addr().String())
				if err == nil {
					_, _ = io.WriteString(conn, s.Addr().String())
					conn.Close()
				}
			}()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != s.Addr().String() {
				t.Errorf("%q, %v", got, err)
			}
			conn.Close()
		}
		l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
	}
}

func TestListenFamilies(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:0": "0.0.0.0", "*:0": "::", "127.0.0.1:0": "127.0.0.1"} {
		l := listenOn(t, "tcp", address)
		if got := l.Addr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("%s is bound on %s; want %s", address, got, want)
		}
	}
	if l := listenOn(t, "tcp4", ":0"); len(l.Sockets()) != 1 || l.Addr().(*net.TCPAddr).IP.To4() == nil {
		t.Errorf("tcp4 is bound on %v", l.Addr())
	}
}

// The error for a port in use names the address that is.
func TestListenInUse(t *testing.T) {
	first := listenOn(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(first.Addr().String())
	_, err := (&ListenConfig{}).Listen(t.Context(), "tcp", ":"+port)
	var op *Error
	if !errors.As(err, &op) || !errors.Is(err, syscall.EADDRINUSE) || op.Address != "tcp://"+first.Addr().String() {
		t.Fatalf("error %v", err)
	}
}

func TestListenUnix(t *testing.T) {
	dir, err := os.MkdirTemp("", "sk") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l := listenOn(t, "unix", path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
	if _, err := (&ListenConfig{}).Listen(t.Context(), "unix", path); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "somebody listens") {
		t.Errorf("a live socket: %v", err)
	}
	l.Sockets()[0].(*unixListener).UnixListener.Close() // as if its process had died
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	listenOn(t, "unix", path).Close() // what was stale is replaced
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	theirs := filepath.Join(dir, "theirs")
	ours := listenOn(t, "unix", theirs)
	if err := os.Remove(theirs); err != nil { // as nc does
		t.Fatal(err)
	}
	listenOn(t, "unix", theirs)
	ours.Close()
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("a live socket of somebody else was removed: %v", err)
	}
	for name, make := range map[string]func(string) error{
		"file": func(p string) error { return os.WriteFile(p, []byte("precious"), 0o600) },
		"dir":  func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		p := filepath.Join(dir, name)
		if err := make(p); err != nil {
			t.Fatal(err)
		}
		if _, err := (&ListenConfig{}).Listen(t.Context(), "unix", p); err == nil {
			t.Errorf("a %s was replaced", name)
		}
		if _, err := os.Stat(p); err != nil {
			t.Errorf("the %s is gone: %v", name, err)
		}
	}
	if _, err := (&ListenConfig{}).Listen(t.Context(), "unix", strings.Repeat("x", 200)); err == nil || !strings.Contains(err.Error(), "200 bytes") {
		t.Errorf("a long path: %v", err)
	}
}

// Every attempt is in the trace, and the first connection wins.
func TestDialRace(t *testing.T) {
	l := listenOn(t, "tcp4", ":0")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	rec := &trace.Recorder{}
	d := &Dialer{Tracer: trace.New(rec, trace.Connection)}
	conn, err := d.DialContext(t.Context(), "tcp", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	records := rec.Records()
	if n := len(trace.Events[trace.Resolve](records)); n != 1 {
		t.Errorf("%d look-ups", n)
	}
	if len(trace.Events[trace.Attempt](records)) == 0 || len(trace.Events[trace.Open](records)) != 1 || len(trace.Events[trace.Close](records)) != 1 {
		t.Errorf("%v", records)
	}
}

func TestDialErrors(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := dead.Addr().String()
	dead.Close()
	_, port, _ := net.SplitHostPort(refused)
	tests := []struct {
		name, network, address, want string
		d                            Dialer
		is                           error
	}{
		{name: "refused", network: "tcp", address: refused, want: "dial tcp://" + refused + ": connection refused", is: syscall.ECONNREFUSED},
		{name: "no look-up", network: "tcp", address: "localhost:1", want: "names are not looked up", d: Dialer{NoLookup: true}},
		{name: "port 0", network: "tcp", address: "127.0.0.1:0", want: "port 0 is not within"},
		{name: "family", network: "tcp6", address: refused, want: "no address for tcp6"},
		{name: "network", network: "ipx", address: refused, want: `network "ipx"`},
		{name: "both loopbacks", network: "tcp", address: "both.test:" + port, want: "connection refused", is: syscall.ECONNREFUSED,
			d: Dialer{Hosts: map[string]string{"both.test:" + port: "127.0.0.1"}}},
		{name: "unix", network: "unix", address: "/nonexistent/s", want: "dial unix:/nonexistent/s: no such file", is: os.ErrNotExist},
		{name: "unix directory", network: "unix", address: "/", want: "the path is a directory"},
		{name: "unix too long", network: "unix", address: "/" + strings.Repeat("x", 199), want: "200 bytes"},
		{name: "foreign source", network: "tcp", address: refused, want: "from 192.0.2.9: cannot assign", d: Dialer{LocalAddr: "192.0.2.9"}},
		{name: "source", network: "tcp", address: refused, want: "source address", d: Dialer{LocalAddr: "nosuch.invalid"}},
	}
	for _, test := range tests {
		_, err := test.d.DialContext(t.Context(), test.network, test.address)
		if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v; want %q", test.name, err, test.want)
		}
	}
}

func TestDialCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want context.Canceled", err)
	}
}
