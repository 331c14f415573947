package interop

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestExecEchoIsWhole has each client send, end its half, and read what cat
// says: all of it, though the FIN came long before.
func TestExecEchoIsWhole(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, "listen", "-k", "--exec", "cat", newPlace(t, network).any())
			at := placeOf(network, us.address())
			for _, peer := range []string{"nc", "ncat", "socat"} {
				b := newBlob(3*mib + 1)
				it := start(t, program{args: dialPeer[peer](at), in: b.reader()})
				it.want(0)
				it.out.want(t, peer, b)
			}
			noChildren(t, us)
		})
	}
	t.Run("tls", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "listen", "-k", "--exec", "cat", "--self-signed", "tls://127.0.0.1:0")
		b := newBlob(3*mib + 1)
		it := start(t, program{args: []string{"socat", "-t", "60", "-", "OPENSSL:" + placeOf("tcp4", us.address()).hostPort() + ",verify=0"}, in: b.reader()})
		it.want(0)
		it.out.want(t, "socat", b)
		noChildren(t, us)
	})
}

// A command that thinks after the end of its input still gets its say.
func TestExecRepliesLate(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "listen", "-k", "--sh", "cat >/dev/null; sleep 0.7; echo late", "127.0.0.1:0")
	at := placeOf("tcp4", us.address())
	for _, peer := range []string{"nc", "ncat", "socat"} {
		it := start(t, program{args: dialPeer[peer](at), in: strings.NewReader("hello\n")})
		it.want(0)
		if it.out.String() != "late\n" {
			t.Errorf("%s got %q", peer, it.out)
		}
	}
	noChildren(t, us)
}

// Clients are served at once, each by a child of its own, and know nothing of
// each other. A client that leaves without a word leaves no child behind.
func TestExecManyAtOnce(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "listen", "-k", "--sh", "while read line; do echo $$ $line; done", "127.0.0.1:0")
	at := placeOf("tcp4", us.address())
	clients := make([]*proc, 10)
	pids := map[string]bool{}
	for i := range clients {
		clients[i] = start(t, program{args: dialPeer["nc"](at), hold: true})
		clients[i].write(fmt.Sprintf("client %d\n", i))
	}
	for i, c := range clients {
		pid, rest, _ := strings.Cut(firstLine(t, c.out), " ")
		pids[pid] = true
		if rest != fmt.Sprintf("client %d", i) {
			t.Errorf("client %d got %q", i, rest)
		}
	}
	if len(pids) != len(clients) {
		t.Errorf("%d children for %d clients", len(pids), len(clients))
	}
	for i, c := range clients {
		if i%2 == 0 {
			c.in.Close()
			c.want(0)
		} else {
			_ = c.cmd.Process.Kill()
		}
	}
	for pid := range pids {
		poll(t, "child "+pid+" to go", noProcess(pid))
	}
	noChildren(t, us)
}

// noChildren waits until the process has no child.
func noChildren(t *testing.T, p *proc) {
	t.Helper()
	poll(t, "the children of "+p.String()+" to go", func() bool { return len(children(p.pid())) == 0 })
}

// children are the processes whose parent is pid, zombies too.
func children(pid int) (found []string) {
	for _, fields := range stats() {
		if fields[1] == strconv.Itoa(pid) {
			found = append(found, strings.Join(fields, " "))
		}
	}
	return found
}

// The output of a command goes to its client only, and its standard error to
// ours.
func TestExecStreams(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "listen", "-k", "--sh", "echo to the client; echo to the log >&2", "127.0.0.1:0")
	it := start(t, program{args: dialPeer["nc"](placeOf("tcp4", us.address()))})
	it.want(0)
	if it.out.String() != "to the client\n" {
		t.Errorf("the client got %q", it.out)
	}
	us.err.awaitText(t, "to the log\n")
	if us.out.size() > 0 {
		t.Errorf("standard output has %q", us.out)
	}
}

// dial exec: connects us to a command as to a socket.
func TestDialExec(t *testing.T) {
	t.Parallel()
	b := newBlob(5 * mib)
	us := fed(t, b.reader(), "dial", "exec:cat")
	us.want(0)
	us.out.want(t, "dial", b)
}
