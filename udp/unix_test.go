//go:build unix

package udp

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestUnixgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	tracer, records := recorder(trace.Message)
	s := listen(t, "unixgram", path)
	c := dialBy(t, &Dialer{Tracer: tracer}, "unixgram", path)
	sizes := []int{0, 1, 2000, 9000, 20_000}
	if runtime.GOOS == "linux" {
		sizes[3], sizes[4] = MaxPayload+1, 100_000
	}
	for _, size := range sizes {
		send(t, c, pattern(size))
		info := receiveFrom(t, s, pattern(size))
		if info.Path == "" || info.From() != c.LocalAddr().String() || info.Remote.IsValid() {
			t.Errorf("from %+v, want %v", info, c.LocalAddr())
		}
		must[int](t)(s.WriteTo([]byte(pattern(size)), &net.UnixAddr{Name: info.Path, Net: "unixgram"}))
		n, _, err := c.ReadDatagram(soon(t), make([]byte, unixReceiveSize))
		if n != size || err != nil {
			t.Errorf("%d bytes back, %v, want %d", n, err, size)
		}
	}
	if d := trace.Events[trace.Datagram](records.Records()); len(d) != 10 || d[2].Network != "unixgram" || d[2].Remote != path || d[3].Dir != trace.In {
		t.Errorf("records %+v", d)
	}
	_, err := c.Write(make([]byte, 64<<20))
	wantError(t, err, ErrTooLarge, "67,108,864")
	check(t, s.Close())
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	_, err = c.Write([]byte("late"))
	wantError(t, err, syscall.ECONNREFUSED)
}

func TestUnixClientNames(t *testing.T) {
	dir := t.TempDir()
	s := listen(t, "unixgram", filepath.Join(dir, "s"))
	own := filepath.Join(dir, "c")
	c := dialBy(t, &Dialer{LocalAddr: own}, "unixgram", s.LocalAddr().String())
	send(t, c, "hi")
	if info := receiveFrom(t, s, "hi"); info.Path != own {
		t.Errorf("from %q, want %q", info.Path, own)
	}
	check(t, c.Close())
	if _, err := os.Lstat(own); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the client's file is still there: %v", err)
	}
	if runtime.GOOS == "linux" {
		c = dialTo(t, s.LocalAddr())
		if name := c.LocalAddr().String(); !strings.HasPrefix(name, "@sockkit-") {
			t.Errorf("the client's own name is %q", name)
		}
	}
}

// TestOwnPath is the form of systems that have no abstract names.
func TestOwnPath(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	name, dir, err := ownPath()
	check(t, err)
	s := listen(t, "unixgram", filepath.Join(t.TempDir(), "s"))
	conn, file, err := bindUnix(soon(t), name, 0o666)
	check(t, err)
	file.dir = dir
	check(t, connectUnix(conn, s.LocalAddr().String()))
	must[int](t)(conn.Write([]byte("hi")))
	if info := receiveFrom(t, s, "hi"); info.Path != name {
		t.Errorf("from %q, want %q", info.Path, name)
	}
	check(t, errors.Join(file.remove(), conn.Close()))
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// TestFailedUnixDialLeavesNothing holds that also what was bound is removed.
func TestFailedUnixDialLeavesNothing(t *testing.T) {
	own := filepath.Join(t.TempDir(), "c")
	_, err := (&Dialer{LocalAddr: own}).DialContext(soon(t), "unixgram", filepath.Join(t.TempDir(), "nobody"))
	wantError(t, err, os.ErrNotExist, "dial unixgram:")
	if _, err := os.Lstat(own); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the client's file is still there: %v", err)
	}
}

func TestAbstract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has abstract names")
	}
	s := listen(t, "unixgram", "@sockkit-test-"+filepath.Base(t.TempDir())+time.Now().Format("150405.000000000"))
	c := dialTo(t, s.LocalAddr())
	send(t, c, "hi")
	receiveFrom(t, s, "hi")
	_, err := Listen(soon(t), "unixgram", s.LocalAddr().String())
	wantError(t, err, syscall.EADDRINUSE)
}

// staleSocket returns the path of a socket whose process is gone.
func staleSocket(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stale")
	conn := must[*net.UnixConn](t)(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}))
	check(t, conn.Close()) // package net leaves the file
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := staleSocket(t)
	s := listen(t, "unixgram", path)
	send(t, dialTo(t, s.LocalAddr()), "hi")
	receiveFrom(t, s, "hi")
}

func TestLiveSocketIsLeftAlone(t *testing.T) {
	s := listen(t, "unixgram", filepath.Join(t.TempDir(), "live"))
	path := s.LocalAddr().String()
	_, err := Listen(soon(t), "unixgram", path)
	wantError(t, err, syscall.EADDRINUSE, "listen unixgram:"+path, "live socket")
	send(t, dialTo(t, s.LocalAddr()), "hi")
	receiveFrom(t, s, "hi")
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	file, folder, link := filepath.Join(dir, "file"), filepath.Join(dir, "folder"), filepath.Join(dir, "link")
	check(t, os.WriteFile(file, []byte("precious"), 0o600))
	check(t, os.Mkdir(folder, 0o700))
	check(t, os.Symlink(staleSocket(t), link))
	stream := filepath.Join(dir, "stream")
	l := must[net.Listener](t)(net.Listen("unix", stream))
	defer l.Close()
	for path, why := range map[string]string{file: "no socket", folder: "is a folder", link: "no socket", stream: "another type"} {
		before := must[os.FileInfo](t)(os.Lstat(path))
		_, err := Listen(soon(t), "unixgram", path)
		wantError(t, err, syscall.EADDRINUSE, path, why)
		after, err := os.Lstat(path)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("%s was not left alone: %v", path, err)
		}
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file holds %q", b)
	}
}

// TestOneOfManyReplacesAStaleSocket holds that of several who find a dead
// socket one gets the path, and the others see that it is alive.
func TestOneOfManyReplacesAStaleSocket(t *testing.T) {
	for range 20 {
		path := staleSocket(t)
		var all sync.WaitGroup
		sockets := make([]*Socket, 4)
		errs := make([]error, len(sockets))
		for i := range sockets {
			all.Go(func() { sockets[i], errs[i] = Listen(context.Background(), "unixgram", path) })
		}
		all.Wait()
		var winner *Socket
		for i, s := range sockets {
			switch {
			case s == nil:
				wantError(t, errs[i], syscall.EADDRINUSE)
			case winner != nil:
				t.Fatal("two are bound to one path")
			default:
				winner = s
			}
		}
		send(t, dialBy(t, &Dialer{}, "unixgram", path), "who?")
		receiveFrom(t, winner, "who?")
		check(t, winner.Close())
	}
}

func TestLockedFolder(t *testing.T) {
	path := staleSocket(t)
	unlock, err := lockFolder(soon(t), filepath.Dir(path))
	check(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = Listen(ctx, "unixgram", path)
	wantError(t, err, context.DeadlineExceeded, "lock")
	unlock()
	listen(t, "unixgram", path)
}

// TestCloseLeavesAnothersFile holds that a path that somebody else has bound
// meanwhile is not removed.
func TestCloseLeavesAnothersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := listen(t, "unixgram", path)
	check(t, os.Remove(path))
	second := listen(t, "unixgram", path)
	check(t, first.Close())
	send(t, dialBy(t, &Dialer{}, "unixgram", path), "hi")
	receiveFrom(t, second, "hi")
}

func TestSocketMode(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o660, 0o666} {
		path := filepath.Join(t.TempDir(), "s")
		listenBy(t, &ListenConfig{Mode: mode}, "unixgram", path)
		if info := must[os.FileInfo](t)(os.Lstat(path)); info.Mode().Perm() != mode {
			t.Errorf("mode %v, want %v", info.Mode().Perm(), mode)
		}
	}
}

func TestUnixPathErrors(t *testing.T) {
	long := "/tmp/" + strings.Repeat("x", 200)
	for path, want := range map[string]string{"": "path is missing", long: "205 bytes"} {
		_, err := Listen(soon(t), "unixgram", path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("listen %q: %v", path, err)
		}
		_, err = (&Dialer{}).DialContext(soon(t), "unixgram", path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dial %q: %v", path, err)
		}
	}
}

func TestUnixServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	gone := make(chan error, 10)
	s := &Server{OnDatagram: echo, OnGone: func(_ *Peer, why error) { gone <- why }}
	serve(t, s, listen(t, "unixgram", path))
	a, b := dialBy(t, &Dialer{}, "unixgram", path), dialBy(t, &Dialer{}, "unixgram", path)
	for _, c := range []*Conn{a, b, a} {
		send(t, c, "hi "+c.LocalAddr().String())
		receive(t, c, "hi "+c.LocalAddr().String())
	}
	if st := s.Stats(); st.Peers != 2 || st.PeersTotal != 2 || st.DatagramsIn != 3 {
		t.Errorf("stats %+v", st)
	}
	check(t, a.Close())
	for p := range s.Peers() {
		_, err := p.Write([]byte("still there?"))
		if p.String() == a.LocalAddr().String() && err == nil {
			t.Error("a peer that has left took a datagram")
		}
	}
	receive(t, b, "still there?")
	wantError(t, eventually(t, "the end of the peer that left", gone), net.ErrClosed)
}

// TestUnixPeerWithoutAName holds that somebody who cannot be answered is served
// and disturbs nobody.
func TestUnixPeerWithoutAName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	answered := make(chan error, 1)
	s := &Server{OnDatagram: func(p *Peer, b []byte, _ Info) {
		_, err := p.Write(b)
		answered <- err
	}}
	serve(t, s, listen(t, "unixgram", path))
	mute := must[net.Conn](t)(net.Dial("unixgram", path))
	defer mute.Close()
	must[int](t)(mute.Write([]byte("no reply, please")))
	wantError(t, eventually(t, "the datagram", answered), ErrNoName)
	c := dialBy(t, &Dialer{}, "unixgram", path)
	send(t, c, "hi")
	check(t, eventually(t, "the datagram", answered))
	receive(t, c, "hi")
}

// TestUnixPeerThatDoesNotRead holds that it does not stop the server.
func TestUnixPeerThatDoesNotRead(t *testing.T) {
	if !linux() {
		t.Skip("elsewhere a full queue is an error of another kind, or a wait")
	}
	path := filepath.Join(t.TempDir(), "s")
	const copies = 5000
	heard := make(chan string, 2)
	s := &Server{OnDatagram: func(p *Peer, b []byte, _ Info) {
		heard <- string(b)
		for range copies {
			_, _ = p.Write(b)
		}
	}}
	serve(t, s, listen(t, "unixgram", path))
	idle, c := dialBy(t, &Dialer{}, "unixgram", path), dialBy(t, &Dialer{}, "unixgram", path)
	send(t, idle, "flood me")
	eventually(t, "the first datagram", heard)
	send(t, c, "hi")
	eventually(t, "the second datagram", heard)
	if s.Stats().Dropped.SendFull == 0 {
		t.Error("nothing was dropped")
	}
	check(t, idle.Close())
	send(t, c, "hi")
	receive(t, c, "hi")
}

// TestEmptyDatagramWaits holds that one waits for room like any other.
func TestEmptyDatagramWaits(t *testing.T) {
	a, b, err := unixPair(filepath.Join(t.TempDir(), "s"))
	check(t, err)
	defer b.Close()
	defer a.Close()
	check(t, a.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
	sent := 0
	for err = nil; err == nil; sent++ {
		_, err = a.Write([]byte(pattern(100)))
	}
	wantError(t, err, os.ErrDeadlineExceeded)
	_, err = a.Write(nil)
	wantError(t, err, os.ErrDeadlineExceeded)
	check(t, a.SetWriteDeadline(time.Time{}))
	wrote := make(chan error, 1)
	go func() {
		_, err := a.Write(nil)
		wrote <- err
	}()
	for range sent - 1 {
		receive(t, b, pattern(100))
	}
	receive(t, b, "")
	check(t, eventually(t, "the write", wrote))
}

func TestAcceptUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a, b, err := unixPair(path)
	check(t, err)
	defer a.Close()
	defer b.Close()
	send(t, b, "welcome")
	receive(t, a, "welcome")
	if b.RemoteAddr().String() != a.LocalAddr().String() {
		t.Errorf("the peer is %v, want %v", b.RemoteAddr(), a.LocalAddr())
	}
	s := listen(t, "unixgram", filepath.Join(t.TempDir(), "s"))
	mute := must[net.Conn](t)(net.Dial("unixgram", s.LocalAddr().String()))
	defer mute.Close()
	must[int](t)(mute.Write([]byte("no reply")))
	c := must[*Conn](t)(Accept(soon(t), nil, s))
	receive(t, c, "no reply")
	_, err = c.Write([]byte("but"))
	wantError(t, err, ErrNoName)
}

func TestProbeUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := listen(t, "unixgram", path)
	serve(t, &Server{OnDatagram: echo}, s)
	if got, err := (&Dialer{}).Probe(soon(t), "unixgram", path, 0); err != nil || got != Replied {
		t.Errorf("live: %v, %v", got, err)
	}
	stale := staleSocket(t)
	if got, err := (&Dialer{}).Probe(soon(t), "unixgram", stale, 0); err != nil || got != Refused {
		t.Errorf("stale: %v, %v", got, err)
	}
}
