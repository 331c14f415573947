package interop

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The tests of this file are facts that programs of this kind get wrong.

// A server that waits for the end of input, thinks, and replies: the reply is
// printed whole, and the status is 0.
func TestReplyAfterTheEndOfInput(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			it, at := serve(t, network, func(at place) program {
				return program{args: []string{"socat", "-t", "60", socatListen[network](at),
					"SYSTEM:'read line; cat >/dev/null; sleep 0.7; echo you said $line; sleep 0.7; echo bye'"}}
			})
			us := fed(t, strings.NewReader("hello\n"), "dial", at.String())
			us.want(0)
			if got, want := us.out.String(), "you said hello\nbye\n"; got != want {
				t.Errorf("got %q; want %q", got, want)
			}
			it.want(0)
		})
	}
}

// A peer that closes first ends dial though its input is open, and idle.
func TestPeerClosesFirst(t *testing.T) {
	t.Parallel()
	for name, peer := range map[string]string{"nc": "nc", "socat": "socat"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, at := serve(t, "tcp4", func(at place) program {
				return program{args: listenPeer[peer](at), in: strings.NewReader("bye\n")}
			})
			us := held(t, "dial", at.String())
			us.want(0)
			if got := us.out.String(); got != "bye\n" {
				t.Errorf("got %q; want what the peer said", got)
			}
		})
	}
}

// What is readable goes on being sent though the other half has ended: listen
// has no input, so its FIN comes at once.
func TestBigFileIntoAListenerWithoutInput(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			file := newBlob(256 * mib)
			server := sockkit(t, "listen", newPlace(t, network).any())
			client := fed(t, file.reader(), "dial", server.address())
			client.want(0)
			server.want(0)
			server.out.want(t, "listen", file)
		})
	}
	t.Run("a file, not a pipe", func(t *testing.T) {
		file := newBlob(64 * mib)
		path := filepath.Join(tempDir(t), "file")
		if err := os.WriteFile(path, file.bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		server := sockkit(t, "listen", "127.0.0.1:0")
		client := fed(t, f, "dial", server.address())
		client.want(0)
		server.want(0)
		server.out.want(t, "listen", file)
	})
}

// -w bounds the wait for a first client, which nc and ncat do not.
func TestTimeoutBoundsListen(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"127.0.0.1:0"}, {"-u", "127.0.0.1:0"}, {"unix:" + tempDir(t) + "/s"}, {"-k", "127.0.0.1:0"},
		{"tls://127.0.0.1:0", "--self-signed"}, {"-k", "--echo", "127.0.0.1:0"}, {"-k", "--exec", "cat", "127.0.0.1:0"},
		{"-k", "-u", "127.0.0.1:0"}, {"--echo", "-u", "127.0.0.1:0"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, append([]string{"listen", "-w", "0.2"}, args...)...)
			us.wantSays(124, `^sockkit: .*no connection came: timed out after 200ms \(-w\)$`)
		})
	}
}

// A refused connection says so without -v, with status 6.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			at := newPlace(t, network)
			if network == "unix" {
				leaveStaleSocket(t, at.path)
			}
			us := sockkit(t, "dial", at.String())
			us.wantSays(6, `^sockkit: dial .*: connection refused$`)
			wantOneError(t, us)
		})
	}
	t.Run("udp", func(t *testing.T) {
		t.Parallel()
		us := fed(t, strings.NewReader("anybody?\n"), "dial", newPlace(t, "udp4").String())
		us.wantSays(6, `^sockkit: dial udp://.*connection refused$`)
		wantOneError(t, us)
	})
}

// leaveStaleSocket leaves a Unix socket's file that nobody listens on.
func leaveStaleSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// wantOneError demands one line that says what is wrong, and at most one hint.
func wantOneError(t *testing.T, p *proc) {
	t.Helper()
	errors := 0
	for line := range strings.Lines(p.err.String()) {
		switch {
		case strings.HasPrefix(line, "sockkit: "):
			errors++
		case strings.HasPrefix(line, "hint: "), strings.HasPrefix(line, "listening on "), strings.HasPrefix(line, "certificate "):
		default:
			t.Errorf("%s: an odd line on standard error: %q", p, line)
		}
	}
	if errors != 1 {
		t.Errorf("%s: %d lines say what is wrong; want 1:\n%s", p, errors, p.err)
	}
	if p.out.size() > 0 {
		t.Errorf("%s: standard output has %q", p, p.out)
	}
}

// An unknown name is status 5.
func TestUnknownName(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"nosuch.invalid", "80"}, {"tls://nosuch.invalid:443"}, {"udp://nosuch.invalid:53"}, {"-z", "nosuch.invalid", "80"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, append([]string{"dial"}, args...)...)
			us.wantSays(5, `^sockkit: dial .*nosuch\.invalid`)
			wantOneError(t, us)
		})
	}
}

// A bound port names the address and who holds it.
func TestBoundPortNamesItsHolder(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "udp4"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			holder, at := serve(t, network, func(at place) program {
				return program{args: listenPeer["socat"](at), hold: true}
			})
			us := sockkit(t, "listen", at.String())
			us.wantSays(6, "^sockkit: listen "+regexp.QuoteMeta(at.String())+": address already in use$", holder.nameAndPID())
			wantOneError(t, us)
			bare := sockkit(t, "listen", at.net[:3]+"://:"+at.port)
			bare.wantSays(6, `^sockkit: listen `+at.net[:3]+`://.*:`+at.port+`: .*address already in use$`, holder.nameAndPID())
			wantOneError(t, bare)
		})
	}
}

// The reader of our output leaves: that is the end, and quietly.
func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{"the peer goes on": "yes", "the peer is silent then": "echo y; cat"} {
		for _, command := range []string{"dial", "listen", "listen -k"} {
			t.Run(command+"/"+name, func(t *testing.T) {
				t.Parallel()
				us, head := readByHead(t, command, says)
				head.want(0)
				us.want(0)
				if us.err.String() != "" && !strings.HasPrefix(us.err.String(), "listening on ") || strings.Count(us.err.String(), "\n") > 1 {
					t.Errorf("it was not quiet: %s", us.err)
				}
				if got := head.out.String(); got != "y\n" {
					t.Errorf("head printed %q", got)
				}
			})
		}
	}
}

// readByHead runs sockkit | head -1 with a peer that runs a command of shell.
func readByHead(t *testing.T, command, says string) (us, head *proc) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	head = start(t, program{args: []string{"head", "-1"}, in: r})
	r.Close()
	defer w.Close()
	run := sockkitProgram(strings.Fields(command)...)
	run.out, run.hold = w, true
	if command == "dial" {
		_, at := serve(t, "tcp4", func(at place) program {
			return program{args: []string{"socat", socatListen["tcp4"](at), "SYSTEM:" + says}}
		})
		run.args = append(run.args, at.String())
		return start(t, run), head
	}
	run.args = append(run.args, "127.0.0.1:0")
	us = start(t, run)
	start(t, program{args: []string{"socat", socatDial["tcp4"](placeOf("tcp4", us.address())), "SYSTEM:" + says}})
	return us, head
}

// Bytes that could not be delivered are never status 0.
func TestUndeliveredIsNeverZero(t *testing.T) {
	t.Parallel()
	_, at := serve(t, "tcp4", func(at place) program {
		return program{args: []string{"socat", "-u", socatListen["tcp4"](at) + ",rcvbuf=4096", "EXEC:head -c 1000"}}
	})
	us := fed(t, newBlob(64*mib).reader(), "dial", at.String())
	us.wantSays(6, `^sockkit: dial tcp://.*bytes of input were not delivered`)
	wantOneError(t, us)
}

// nameAndPID is how a holder of a port is named.
func (p *proc) nameAndPID() string {
	comm, _ := os.ReadFile("/proc/" + strconv.Itoa(p.pid()) + "/comm")
	return `hint: ` + strings.TrimSpace(string(comm)) + ` \(process ` + strconv.Itoa(p.pid()) + `\)`
}

// A script need not guess where we listen: --addr-file says it, whole, and the
// line on standard error says the same.
func TestAddrFile(t *testing.T) {
	t.Parallel()
	name := tempDir(t) + "/addr"
	us := sockkit(t, "listen", "0", "--quiet", "--addr-file", name)
	awaitFile(t, name)
	address, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	it := start(t, program{args: dialPeer["nc"](placeOf("tcp4", strings.TrimSpace(string(address)))), in: strings.NewReader("hello\n")})
	it.want(0)
	us.want(0)
	if us.out.String() != "hello\n" || us.err.size() > 0 {
		t.Errorf("got %q, and on standard error %q", us.out, us.err)
	}
	if !noFile(name)() {
		t.Error("the file is left")
	}
}

// A bare port is the same one on both loopback addresses, and on no other.
func TestBarePortIsLoopbackOnly(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "listen", "-k", "--echo", "0")
	port := us.port()
	for _, host := range []string{"127.0.0.1", "::1"} {
		it := start(t, program{args: dialPeer["nc"](place{host: host, port: port}), in: strings.NewReader("hello\n")})
		it.want(0)
		if it.out.String() != "hello\n" {
			t.Errorf("%s: the echo was %q", host, it.out)
		}
	}
	elsewhere := start(t, program{args: dialPeer["nc"](place{host: "127.0.0.2", port: port})})
	if elsewhere.wait() == 0 {
		t.Error("127.0.0.2 is served too")
	}
}

// nc's letters work, in a bundle.
func TestLettersOfNC(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	us := sockkit(t, "-lvnp", port)
	us.address()
	it := start(t, program{args: []string{bin, "-vN", "127.0.0.1", port}, in: strings.NewReader("hello\n")})
	it.want(0)
	us.want(0)
	if us.out.String() != "hello\n" {
		t.Errorf("got %q", us.out)
	}
}
