package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A socket that is alive is never unlinked: a second listener fails with words,
// and the first still works. nc takes it away.
func TestLiveSocketIsNeverUnlinked(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"unix:", "unixgram:"} {
		for _, holder := range []string{"sockkit", "socat"} {
			t.Run(scheme+holder, func(t *testing.T) {
				t.Parallel()
				path := tempDir(t) + "/s"
				first := holdPath(t, holder, scheme, path)
				second := sockkit(t, "listen", scheme+path)
				second.wantSays(6, `^sockkit: listen `+scheme+path+`: .*in use`)
				wantOneError(t, second)
				if scheme == "unix:" {
					it := start(t, program{args: dialPeer["nc"](place{net: "unix", path: path}), in: strings.NewReader("still there\n")})
					it.want(0)
				} else {
					sendUnixgram(t, path, "still there\n")
				}
				first.out.awaitText(t, "still there\n")
			})
		}
	}
}

// holdPath has a program listen at a path, and print what comes.
func holdPath(t *testing.T, holder, scheme, path string) *proc {
	t.Helper()
	if holder == "sockkit" {
		p := sockkit(t, "listen", "-k", scheme+path)
		p.address()
		return p
	}
	args := []string{"socat", "-u", "UNIX-LISTEN:" + path + ",fork", "-"}
	if scheme == "unixgram:" {
		args = []string{"socat", "-u", "UNIX-RECV:" + path, "-"}
	}
	p := start(t, program{args: args})
	awaitFile(t, path)
	if scheme == "unix:" {
		poll(t, "socat to listen", func() bool { return place{net: "unix", path: path}.heldBy(p.pid()) })
	}
	return p
}

func sendUnixgram(t *testing.T, path, text string) {
	t.Helper()
	it := start(t, program{args: []string{"socat", "-u", "-", "UNIX-SENDTO:" + path}, in: strings.NewReader(text)})
	it.want(0)
}

// A socket's file that nobody listens on any more is replaced. What is no
// socket is left alone.
func TestStaleSocketIsReplaced(t *testing.T) {
	t.Parallel()
	t.Run("stale", func(t *testing.T) {
		t.Parallel()
		path := tempDir(t) + "/s"
		killed := sockkit(t, "listen", "-k", "unix:"+path)
		killed.address()
		killed.signal(syscall.SIGKILL)
		killed.wait()
		if noFile(path)() {
			t.Fatal("SIGKILL left no file, so that nothing is shown here")
		}
		us := sockkit(t, "listen", "unix:"+path)
		us.address()
		it := start(t, program{args: dialPeer["socat"](place{net: "unix", path: path}), in: strings.NewReader("hello\n")})
		it.want(0)
		us.want(0)
		if us.out.String() != "hello\n" {
			t.Errorf("got %q", us.out)
		}
	})
	for name, make := range map[string]func(path string) error{
		"a file":      func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link":      func(path string) error { return os.Symlink("/nowhere", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempDir(t) + "/s"
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			us := sockkit(t, "listen", "unix:"+path)
			us.wantSays(6, `^sockkit: listen unix:`+path+`: `)
			wantOneError(t, us)
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was taken away: %v", err)
			}
		})
	}
}

// --mode is the permission of the file; without it only its owner gets in.
func TestModeOfASocket(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]os.FileMode{"": 0o600, "0666": 0o666, "0620": 0o620} {
		for _, scheme := range []string{"unix:", "unixgram:"} {
			t.Run(scheme+flag, func(t *testing.T) {
				t.Parallel()
				path := tempDir(t) + "/s"
				args := []string{"listen", "-k", scheme + path}
				if flag != "" {
					args = append(args, "--mode", flag)
				}
				us := sockkit(t, args...)
				us.address()
				info, err := os.Stat(path)
				if err != nil || info.Mode() != want|os.ModeSocket {
					t.Errorf("%v, %v; want %v", info.Mode(), err, want)
				}
				us.signal(syscall.SIGTERM)
				us.want(143)
				if !noFile(path)() {
					t.Error("SIGTERM left the file")
				}
			})
		}
	}
}

// The file is removed at every end, and only if it is still ours.
func TestSocketIsRemovedAtTheEnd(t *testing.T) {
	t.Parallel()
	t.Run("in order", func(t *testing.T) {
		t.Parallel()
		path := tempDir(t) + "/s"
		us := sockkit(t, "listen", "unix:"+path)
		us.address()
		it := start(t, program{args: dialPeer["nc"](place{net: "unix", path: path})})
		it.want(0)
		us.want(0)
		if !noFile(path)() {
			t.Error("the file is left")
		}
	})
	t.Run("not somebody else's", func(t *testing.T) {
		t.Parallel()
		path := tempDir(t) + "/s"
		us := sockkit(t, "listen", "-k", "unix:"+path)
		us.address()
		it := start(t, program{args: []string{"nc.openbsd", "-lU", path}}) // unlinks ours
		poll(t, "nc to listen", func() bool { return place{net: "unix", path: path}.heldBy(it.pid()) })
		us.signal(syscall.SIGTERM)
		us.want(143)
		if noFile(path)() {
			t.Error("nc's file was removed")
		}
	})
}

// TestAbstractNames meets socat on names that are no files.
func TestAbstractNames(t *testing.T) {
	t.Parallel()
	for _, us := range []string{"listen", "dial"} {
		t.Run(us, func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprintf("sockkit-%x", rand.Uint64())
			ours, its := newBlob(mib), newBlob(mib+1)
			if us == "listen" {
				p := held(t, "listen", "-q", "60", "unix:@"+name)
				p.address()
				exchange(t, p, start(t, program{args: []string{"socat", "-t", "60", "-", "ABSTRACT-CONNECT:" + name}, hold: true}), atOnce, ours, its)
				return
			}
			it := start(t, program{args: []string{"socat", "-t", "60", "-", "ABSTRACT-LISTEN:" + name}, hold: true})
			poll(t, "socat to listen", func() bool { return place{net: "unix", path: "@" + name}.heldBy(it.pid()) })
			exchange(t, held(t, "dial", "-q", "60", "unix:@"+name), it, atOnce, ours, its)
		})
	}
}

// TestUnixgram exchanges datagrams with socat.
func TestUnixgram(t *testing.T) {
	t.Parallel()
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		us := held(t, "listen", "unixgram:"+dir+"/us")
		us.address()
		it := start(t, program{args: []string{"socat", "-", "UNIX-SENDTO:" + dir + "/us,bind=" + dir + "/it"}, hold: true})
		talkByTurns(t, it, us)
		us.signal(syscall.SIGTERM)
		us.want(143)
	})
	t.Run("dial", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		it := start(t, program{args: []string{"socat", "-", "UNIX-RECVFROM:" + dir + "/it,fork"}, hold: true})
		awaitFile(t, dir+"/it")
		us := held(t, "dial", "--linger", "0", "unixgram:"+dir+"/it")
		us.write("one\n")
		it.out.awaitText(t, "one\n")
		us.write("two\n")
		it.out.awaitText(t, "two\n")
		us.in.Close()
		us.want(0)
	})
	t.Run("an answer to dial", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		it := start(t, program{args: []string{"socat", "UNIX-RECVFROM:" + dir + "/it", "SYSTEM:read line; echo you said $line"}})
		awaitFile(t, dir+"/it")
		us := fed(t, strings.NewReader("hello\n"), "dial", "--linger", "0.2", "unixgram:"+dir+"/it")
		us.want(0)
		if us.out.String() != "you said hello\n" {
			t.Errorf("got %q", us.out)
		}
		it.want(0)
	})
	t.Run("a large one is whole", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		us := sockkit(t, "listen", "unixgram:"+dir+"/us", "--count", "1")
		us.address()
		b := newBlob(60_000)
		it := start(t, program{args: []string{"socat", "-u", "-b", "70000", "OPEN:" + fileOf(t, b.bytes()), "UNIX-SENDTO:" + dir + "/us"}})
		it.want(0)
		us.want(0)
		us.out.want(t, "listen", b)
	})
}

// curl speaks HTTP to a command behind a Unix socket.
func TestCurlOverAUnixSocket(t *testing.T) {
	t.Parallel()
	path := tempDir(t) + "/s"
	us := sockkit(t, "listen", "-k", "--exec", `printf 'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n'`, "unix:"+path)
	us.address()
	it := start(t, program{args: []string{"curl", "-sS", "--unix-socket", path, "http://localhost/"}})
	it.want(0)
	if it.out.String() != "hi\n" {
		t.Errorf("curl got %q", it.out)
	}
}
