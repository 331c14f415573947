package interop

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// python runs a peer of a few lines. It prints its port, where it listens.
func python(t *testing.T, script string, args ...string) *proc {
	t.Helper()
	return start(t, program{args: append([]string{"python3", fileOf(t, []byte(prelude+script+"\n"))}, args...), hold: true})
}

const prelude = `
import os, socket, struct, sys
def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    print(s.getsockname()[1], flush=True)
    return s.accept()[0]
def dial():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
`

// resets are peers that reset in the middle: what was received before is kept,
// the reset is said, and the status is 6.
var resets = map[string]string{
	"after a word":                      "c.sendall(b'x' * 1000); c.recv(5); reset(c)",
	"at once":                           "c.recv(5); reset(c)",
	"after our end":                     "c.sendall(b'x' * 1000)\nwhile c.recv(9999): pass\nreset(c)",
	"by leaving what it has not read":   "c.sendall(b'x' * 1000); c.recv(1); c.close()",
	"while data is on its way":          "c.sendall(b'x' * 1000); c.recv(5000000, socket.MSG_WAITALL); reset(c)",
	"after its own half, in the middle": "c.sendall(b'x' * 1000); c.shutdown(1); c.recv(5000000, socket.MSG_WAITALL); reset(c)",
}

func TestReset(t *testing.T) {
	t.Parallel()
	for name, script := range resets {
		for _, out := range []string{"a pipe", "a file", "-v"} {
			t.Run("dial/"+name+"/into "+out, func(t *testing.T) {
				t.Parallel()
				it := python(t, "c = listen()\n"+script)
				wantReset(t, name, out, []string{"dial", "127.0.0.1", firstLine(t, it.out)}, nil)
			})
			t.Run("listen/"+name+"/into "+out, func(t *testing.T) {
				t.Parallel()
				wantReset(t, name, out, []string{"listen", "127.0.0.1:0"}, func(us *proc) {
					python(t, "c = dial()\n"+script, us.port())
				})
			})
		}
	}
}

// wantReset runs sockkit with enough input, and holds it to the status and the
// words.
func wantReset(t *testing.T, name, out string, args []string, then func(us *proc)) {
	t.Helper()
	run := sockkitProgram(args...)
	run.in = newBlob(100_000_000).reader()
	switch {
	case name == "after our end":
		run.in = strings.NewReader("hello\n")
	case out == "a file":
		f, err := os.Create(tempDir(t) + "/out")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		run.out = f
	}
	if out == "-v" {
		run.args = append(run.args, "-v")
	}
	us := start(t, run)
	if then != nil {
		then(us)
	}
	us.wantSays(6, `^sockkit: (dial|listen) tcp://127\.0\.0\.1:\d+: .*(connection reset by peer|broken pipe|the peer)`)
	if out != "-v" && us.out.size() == 0 {
		wantOneError(t, us)
	}
}

// A peer that resets disturbs nobody else, and leaves no child.
func TestResetDisturbsNobody(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"echo": {"--echo"}, "exec": {"--exec", "cat"}, "sh": {"--sh", "cat"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, append([]string{"listen", "-k", "127.0.0.1:0"}, flags...)...)
			at := placeOf("tcp4", us.address())
			it := start(t, program{args: dialPeer["nc"](at), hold: true})
			it.write("before\n")
			it.out.awaitText(t, "before\n")
			for range 3 {
				rude := python(t, "c = dial(); c.sendall(b'x' * 1000000); c.recv(1); reset(c)", at.port)
				rude.want(0)
			}
			it.write("after\n")
			it.in.Close()
			it.want(0)
			if it.out.String() != "before\nafter\n" {
				t.Errorf("got %q", it.out)
			}
			noChildren(t, us)
		})
	}
}

// A peer that never reads keeps nobody waiting, and is bounded in memory.
func TestPeerThatNeverReads(t *testing.T) {
	t.Parallel()
	t.Run("dial, by --idle-timeout", func(t *testing.T) {
		t.Parallel()
		it := python(t, "c = listen(); sys.stdin.read()")
		us := fed(t, newBlob(100_000_000).reader(), "dial", "--idle-timeout", "0.5", "127.0.0.1", firstLine(t, it.out))
		us.wantSays(124, `^sockkit: dial tcp://127\.0\.0\.1:\d+: nothing came or went for 500ms \(--idle-timeout\)`)
		wantOneError(t, us)
	})
	t.Run("dial, by --deadline", func(t *testing.T) {
		t.Parallel()
		it := python(t, "c = listen(); sys.stdin.read()")
		us := fed(t, newBlob(100_000_000).reader(), "dial", "--deadline", "0.5", "127.0.0.1", firstLine(t, it.out))
		us.want(124)
		wantOneError(t, us)
	})
	for _, mode := range []string{"--echo", "--broadcast=all"} {
		t.Run("listen -k "+mode, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, "listen", "-k", mode, "127.0.0.1:0")
			at := placeOf("tcp4", us.address())
			deaf := python(t, `
c = dial()
c.setblocking(False)
import select
n = 0
while n < 100000000 and select.select([], [c], [], 1)[1]:
    try: n += c.send(b"x" * 99999 + b"\n")
    except (ConnectionError, BlockingIOError): break
print("full", flush=True)
sys.stdin.read()`, at.port)
			deaf.out.awaitText(t, "full")
			b := newBlob(10 * mib)
			it := start(t, program{args: dialPeer["nc"](at), hold: true})
			it.pour(b)
			it.awaitOutput(b.size - lastLine)
			if peak := us.peak(); peak > 2*maxMemory {
				t.Errorf("%d MiB of memory", peak/mib)
			}
		})
	}
}

// Standard input goes to all, and nothing of it is dropped: one that never reads
// is ended with the reason in the log, and the others get everything.
func TestInputToAllButWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	us := held(t, "listen", "-k", "127.0.0.1:0")
	at := placeOf("tcp4", us.address())
	it := start(t, program{args: dialPeer["nc"](at), hold: true})
	it.write("it\n")
	us.out.awaitText(t, "it\n")
	python(t, "c = dial(); c.sendall(b'deaf\\n'); sys.stdin.read()", at.port)
	us.out.awaitText(t, "deaf\n")
	b := newBlob(20 * mib)
	us.pour(b)
	us.err.awaitText(t, "the peer does not read what is sent to it")
	it.awaitOutput(b.size)
	it.out.want(t, "nc", b)
}

// What a peer sends passes through untouched in a pipe, and in what is shown of
// it nothing commands a terminal.
func TestTerminalEscapes(t *testing.T) {
	t.Parallel()
	const nasty = "\x1b]0;title\x07\x1b[2J\x9b31m\xff\xfe\x00\r\x08\x7f\u202e\n"
	for _, flags := range [][]string{{"-v"}, {"-vv"}, {"-vvv"}, {"-vvvv"}, {"--expect", "nothing like this"}, {"--count", "2"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, append([]string{"listen", "127.0.0.1:0"}, flags...)...)
			it := start(t, program{args: dialPeer["nc"](placeOf("tcp4", us.address())), in: strings.NewReader(nasty)})
			it.want(0)
			us.wait()
			if us.out.String() != nasty {
				t.Errorf("standard output has %q; want what came", us.out)
			}
			for _, c := range us.err.String() {
				if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || c == '\u202e' {
					t.Errorf("standard error has the character %q: %q", c, us.err)
					break
				}
			}
		})
	}
}

// Wrong addresses, flags and files: one clear line, and the right status.
func TestWrongUse(t *testing.T) {
	t.Parallel()
	directory := tempDir(t)
	long := "/" + strings.Repeat("a", 200)
	garbage := fileOf(t, []byte("no certificate"))
	unreadable := directory + "/unreadable"
	for _, row := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"dial", "tcp://\x1b[31mhost:80"}, 2, `"\\x1b\[31mhost:80" is no address`},
		{[]string{"dial", "localhost", "1\x1b[2J"}, 2, `is no port`},
		{[]string{"dial", "localhost", "99999"}, 2, `port 99999 is out of range; ports are 0 to 65535`},
		{[]string{"dial", "tpc://localhost:80"}, 2, `"tpc".*unknown\nhint: did you mean tcp://localhost:80\?`},
		{[]string{"dial", "localhost"}, 2, `has no port`},
		{[]string{"dial", "-4", "-6", "localhost", "80"}, 2, `-4 and -6 exclude each other`},
		{[]string{"listen", "0", "--echo", "--discard"}, 2, `exclude each other`},
		{[]string{"listen", "udp://:0", "--exec", "cat"}, 2, `--exec and --sh want a stream`},
		{[]string{"listen", "-k", "127.0.0.1:0", "--metrics", "foo"}, 2, `--metrics "foo" is no TCP address`},
		{[]string{"dial", "tls://localhost:1", "--pin", "sha256:zz"}, 2, `--pin sha256:zz`},
		{[]string{"dial", "unix:" + directory}, 6, `directory`},
		{[]string{"listen", "unix:" + directory}, 6, `is a directory`},
		{[]string{"dial", "unix:" + long}, 6, `201 bytes`},
		{[]string{"listen", "unix:" + long}, 6, `201 bytes`},
		{[]string{"dial", "unix:/nonexistent/s"}, 6, `no such file or directory`},
		{[]string{"dial", "unix:/tmp/\x1b[31mx"}, 6, `no such file or directory`},
		{[]string{"listen", "127.0.0.1:0", "--exec", "nosuchcommand"}, 1, `"nosuchcommand" cannot be started: executable file not found`},
		{[]string{"dial", "exec:nosuchcommand"}, 1, `"nosuchcommand" cannot be started: executable file not found`},
		{[]string{"dial", "exec:cat | wc"}, 1, `for a shell`},
		{[]string{"listen", "tls://127.0.0.1:0"}, 2, `wants a certificate`},
		{[]string{"listen", "tls://127.0.0.1:0", "--cert", unreadable, "--key", unreadable}, 7, `--cert .*no such file`},
		{[]string{"listen", "tls://127.0.0.1:0", "--cert", garbage, "--key", garbage}, 7, `--cert .*no PEM in it`},
		{[]string{"dial", "tls://localhost:1", "--ca", directory}, 7, `--ca .*directory`},
		{[]string{"listen", "192.0.2.1:0"}, 6, `cannot assign requested address`},
		{[]string{"listen", "127.0.0.1:0", "--trace", "/nonexistent/x.pcapng"}, 1, `--trace.*no such file`},
		{[]string{"listen", "127.0.0.1:0", "--trace", "x.foo"}, 2, `neither \.jsonl nor \.pcapng`},
		{[]string{"listen", "127.0.0.1:0", "--addr-file", "/nonexistent/x"}, 1, `--addr-file.*no such file`},
		{[]string{"dial", "localhost", "1", "--proxy", "ftp://x"}, 2, `none of socks5, http and https`},
		{[]string{"lisen", "9000"}, 2, `"lisen" is unknown\nhint: did you mean sockkit listen`},
	} {
		t.Run(row.args[0]+" "+row.says, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, row.args...)
			us.wantSays(row.status, `^sockkit: .*`+row.says)
			wantOneError(t, us)
			if strings.ContainsRune(us.err.String(), 0x1b) {
				t.Errorf("an escape is passed on: %q", us.err)
			}
		})
	}
}

// A process that is stopped holds nobody up for ever: -w bounds a TLS handshake
// on both sides.
func TestSilentPeerInTheHandshake(t *testing.T) {
	t.Parallel()
	t.Run("dial", func(t *testing.T) {
		t.Parallel()
		it := python(t, "c = listen(); sys.stdin.read()")
		us := sockkit(t, "dial", "-w", "0.3", "-k", "tls://127.0.0.1:"+firstLine(t, it.out))
		us.wantSays(124, `^sockkit: dial tls://127\.0\.0\.1:\d+: .*timed out`)
		wantOneError(t, us)
	})
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "listen", "-w", "0.3", "--self-signed", "tls://127.0.0.1:0")
		python(t, "c = dial(); sys.stdin.read()", us.port())
		us.wantSays(124, `^sockkit: listen tls://127\.0\.0\.1:\d+: .*timed out`)
	})
}

// The figures that are served to a monitor are those of what happened, and a
// page of somebody else's cannot ask for them.
func TestMetricsByCurl(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "listen", "-k", "--echo", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	it := start(t, program{args: dialPeer["nc"](placeOf("tcp4", us.address())), in: strings.NewReader("hello\n")})
	it.want(0)
	us.err.awaitText(t, "/metrics\n")
	_, url, _ := strings.Cut(us.err.String(), "metrics on ")
	url = strings.TrimSpace(url)
	poll(t, "the figures", func() bool {
		page, err := exec.Command("curl", "-sSf", url).Output()
		return err == nil && strings.Contains(string(page), "\nsockkit_received_bytes_total 6\n") &&
			strings.Contains(string(page), "\nsockkit_connections_open 0\n") && strings.Contains(string(page), "\nsockkit_connections_accepted_total 1\n")
	})
	health := start(t, program{args: []string{"curl", "-sSf", strings.Replace(url, "/metrics", "/healthz", 1)}})
	health.want(0)
	foreign := start(t, program{args: []string{"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: attacker.example", url}})
	foreign.want(0)
	if foreign.out.String() != "403" {
		t.Errorf("a foreign Host got %s", foreign.out)
	}
	us.signal(syscall.SIGINT)
	us.want(130)
}
