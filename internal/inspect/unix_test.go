//go:build unix

package inspect

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sockkit/sockkit/internal/endpoint"
)

// socketPath is a path that is short enough for a Unix socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "inspect")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// serveUnix listens on path and says hello to everybody.
func serveUnix(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
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
			fmt.Fprint(conn, "hello\n")
			conn.Close()
		}
	}()
	return l
}

func unixAt(path string) endpoint.Address {
	return endpoint.Address{Scheme: endpoint.Unix, Path: path}
}

func TestUnixAlive(t *testing.T) {
	path := socketPath(t)
	serveUnix(t, path)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, Options{Address: unixAt(path), BannerWait: long})
	f := r.File
	if f == nil || f.Kind != KindSocket || f.State != FileAlive || f.Mode != "srw-------" || f.Octal != "0600" || f.UID == nil || *f.UID != os.Getuid() {
		t.Fatalf("%+v", f)
	}
	if r.Peer.Text != "hello\n" || r.Reached != ReachedConnection || len(r.Findings) != 0 {
		t.Errorf("%+v, %+v", r.Peer, r.Findings)
	}
	c := r.Connection.Credentials
	if runtime.GOOS == "linux" && (c == nil || c.PID != os.Getpid() || c.UID != os.Getuid() || c.GID != os.Getgid() || c.Process == "") {
		t.Errorf("%+v", c)
	}
}

func TestUnixOpenToAll(t *testing.T) {
	path := socketPath(t)
	serveUnix(t, path)
	link := path + "-link"
	if err := errors.Join(os.Chmod(path, 0o666), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	r := run(t, Options{Address: unixAt(link), BannerWait: long})
	if got := ids(r.Findings); !slices.Equal(got, []string{"note socket_open_to_all 0"}) || r.File.Target != path {
		t.Fatalf("%v, %+v", got, r.File)
	}
}

func TestUnixFailures(t *testing.T) {
	stale := socketPath(t)
	l := serveUnix(t, stale)
	l.SetUnlinkOnClose(false)
	l.Close()
	file := socketPath(t)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path, kind, state, says string
		is                            error
	}{
		{"stale", stale, KindSocket, FileStale, "nobody is bound to it", syscall.ECONNREFUSED},
		{"missing", stale + "-missing", KindMissing, FileUnknown, "no such file or directory", syscall.ENOENT},
		{"directory", filepath.Dir(stale), KindDirectory, FileUnknown, "this is a directory, and no socket", nil},
		{"file", file, KindFile, FileUnknown, "this is a file, and no socket", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := Run(within(t), Options{Address: unixAt(test.path)})
			if err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			if r.File.Kind != test.kind || r.File.State != test.state || r.Reached != ReachedNothing {
				t.Errorf("%+v, reached %q", r.File, r.Reached)
			}
		})
	}
}

func TestUnixOfAnotherType(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells of which type a socket is")
	}
	stream, datagram := socketPath(t), socketPath(t)
	serveUnix(t, stream)
	pc, err := net.ListenPacket("unixgram", datagram)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	for scheme, path := range map[endpoint.Scheme]string{endpoint.Unix: datagram, endpoint.Unixgram: stream} {
		r, err := Run(within(t), Options{Address: endpoint.Address{Scheme: scheme, Path: path}})
		var hint *endpoint.Hint
		if !errors.Is(err, syscall.EPROTOTYPE) || !errors.As(err, &hint) || !strings.HasPrefix(hint.Text, "write unix") || r.File.State != FileAlive {
			t.Errorf("%s: %v, %+v", scheme, err, r.File)
		}
	}
}

func TestUnixgram(t *testing.T) {
	path := socketPath(t)
	pc, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		b := make([]byte, 64)
		n, from, err := pc.ReadFrom(b)
		if err == nil {
			_, _ = pc.WriteTo(append([]byte("you said "), b[:n]...), from)
		}
	}()
	a := endpoint.Address{Scheme: endpoint.Unixgram, Path: path}
	if r := run(t, Options{Address: a}); r.Peer != nil || r.File.State != FileAlive { // nothing is sent unasked
		t.Fatalf("%+v", r)
	}
	r := run(t, Options{Address: a, Send: []byte("ping"), BannerWait: long})
	if r.Peer.Text != "you said ping" || r.Peer.Sent != 4 {
		t.Fatalf("%+v", r.Peer)
	}
}
