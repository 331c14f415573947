package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

func (t *tcpStory) listen(s *Stage) error {
	l, err := s.listen("server")
	if err != nil {
		return err
	}
	t.listener = l
	second, err := (&tcp.ListenConfig{}).Listen(s.ctx, "tcp", l.Addr().String())
	if err == nil {
		return errors.Join(fmt.Errorf("%v was bound twice", l.Addr()), second.Close())
	}
	s.Note("somebody", "%v", err)
	s.Show()
	s.Tell(`
The kernel chose port %s. As long as this listener is open the port is the server's, and whoever else asks for it is told
"address already in use". Nothing has been sent yet: a listener only waits.`, port(l.Addr()))
	return nil
}

func port(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

func (t *tcpStory) connect(s *Stage) (err error) {
	if t.client, err = s.dial("client", t.listener.Addr()); err != nil {
		return err
	}
	info, err := s.kernel("client", t.client, func(i *tcp.ConnInfo) string {
		return fmt.Sprintf("%s; %d segments out, %d in; round trip %d µs", i.State, i.SegmentsOut, i.SegmentsIn, i.RTT.Microseconds())
	})
	if err != nil {
		return err
	}
	if t.server, err = s.accept("server", t.listener); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The client's kernel chose a port for it, too: %s. Two addresses and two ports name a connection, so thousands of
connections can share the one port of a server.`, port(t.client.LocalAddr()))
	if info != nil && info.SegmentsOut == 2 && info.SegmentsIn == 1 {
		s.Tell(`
TCP_INFO is what the kernel tells of a connection. Two segments out and one in: that was the handshake.`)
	}
	s.Tell(`
Look at the order: the client was connected before the server accepted. The kernels do the handshake by themselves, and
the server's program hears of it later.`)
	return nil
}

func (t *tcpStory) borders(s *Stage) error {
	for _, text := range []string{"good mor", "ning\n"} {
		if err := write(t.client, text); err != nil {
			return err
		}
	}
	if err := s.arrived(t.client); err != nil {
		return err
	}
	if err := readAll(t.server, len("good morning\n")); err != nil {
		return err
	}
	const answer = "good morning to you too\n"
	if err := write(t.server, answer); err != nil {
		return err
	}
	if err := s.arrived(t.server); err != nil {
		return err
	}
	for left := len(answer); left > 0; {
		n, err := read(t.client, 10)
		if err != nil {
			return err
		}
		left -= n
	}
	s.Show()
	list := s.entries()
	s.Tell(`
Here %s came as %s, and %s as %s. A read gives what is there, up to the room that it has; how the bytes were written is
forgotten. A program that takes one read for one message works on its author's machine, and fails under load.`,
		count(len(sent(list, "client")), "write"), count(len(received(list, "server")), "read"),
		count(len(sent(list, "server")), "write"), count(len(received(list, "client")), "read"))
	s.Tell(`
So every protocol on top of TCP has a rule for where a message ends: a newline, a length in front of it, or the end of
the stream.`)
	return nil
}

// count words a small number of things.
func count(n int, thing string) string {
	words := [...]string{"no", "one", "two", "three", "four", "five", "six"}
	text := grouped(n)
	if n < len(words) {
		text = words[n]
	}
	if n != 1 {
		thing += "s"
	}
	return text + " " + thing
}

func (t *tcpStory) halfClose(s *Stage) error {
	state := func(i *tcp.ConnInfo) string { return "state " + i.State }
	if err := errors.Join(write(t.client, "what is 6 times 7?\n"), tcp.CloseWrite(t.client)); err != nil {
		return err
	}
	if err := readAll(t.server, -1); err != nil {
		return err
	}
	if err := write(t.server, "42\n"); err != nil {
		return err
	}
	if err := readAll(t.client, len("42\n")); err != nil {
		return err
	}
	info, err := s.kernel("client", t.client, state)
	if err != nil {
		return err
	}
	other, err := s.kernel("server", t.server, state)
	if err != nil {
		return err
	}
	if err := errors.Join(t.server.Close(), readAll(t.client, -1), t.client.Close()); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The end of the client's half told the server that the question was complete. The other half stayed open, so the late
answer came through. Then the server closed, its FIN told the client that nothing more would come, and both were done.`)
	if info != nil && other != nil {
		s.Tell(`
The kernels' states say the same. The client's was %s: my end is confirmed, yours is still to come. The server's was %s:
your end has come, mine is still to be sent.`, info.State, other.State)
	}
	s.Tell(`
A tool that closes the whole socket at the end of its input, or leaves soon after it, loses such an answer.`)
	return nil
}

func (t *tcpStory) reset(s *Stage) error {
	first, firstEnd, err := s.pair("client 1", "server", t.listener)
	if err != nil {
		return err
	}
	second, secondEnd, err := s.pair("client 2", "server", t.listener)
	if err != nil {
		return err
	}
	s.begin() // connecting is known by now
	if err := errors.Join(firstEnd.Close(), readAll(first, -1), first.Close()); err != nil {
		return err
	}
	if err := tcp.Unwrap(secondEnd).(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	s.Note("server", "SO_LINGER is 0 on the second connection")
	if err := secondEnd.Close(); err != nil {
		return err
	}
	failure := readAll(second, -1)
	if failure == nil || errors.Is(failure, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the second client's read did not end with a reset (%v)", failure)
	}
	s.Note("client 2", "the read failed: %s", tcp.Reason(failure))
	if err := second.Close(); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
For client 1 the end is nothing bad: its read gives no bytes and no error, which is called {end of file}. It knows that
it has got all that the server wrote.`)
	s.Tell(`
Client 2's kernel got a segment called {RST}, a {reset}: "this connection is no more". Its read is an error. It cannot
know whether it has got everything, nor what the server has seen of its own bytes. A reset also comes when a program dies
with bytes unread in its socket, and when a segment reaches a machine that knows nothing of its connection.`)
	return nil
}

func (t *tcpStory) refused(s *Stage) error {
	for range 3 { // should somebody take the port in the moment in which it is free
		s.begin()
		l, err := s.listen("server")
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
		s.Note("server", "the listener is closed")
		conn, err := s.dial("client", l.Addr())
		if isRefused(err) {
			s.Show()
			s.Tell(`
The kernel answered the client's SYN with a reset: the machine is there, but nobody listens at this port. That is a quick
and honest answer. Where a firewall drops the SYN there is no answer at all; the client's kernel sends it again and again,
until the client gives up.`)
			s.Tell(`
So after "connection refused" ask: is the server running, and is the port right? After "timed out" ask: is the address
right, and what stands in between?`)
			return nil
		}
		if err != nil {
			return err
		}
		conn.Close()
	}
	return errors.New("each port that was given back was taken by somebody else at once")
}

// isRefused reports whether err is that of a port without a listener. Windows
// has a number of its own for it, WSAECONNREFUSED.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.Errno(10061))
}

func (t *tcpStory) backlog(s *Stage) error {
	words := []string{"red\n", "green\n", "blue\n"}
	clients := make([]net.Conn, len(words))
	for i, word := range words {
		who := fmt.Sprintf("client %d", i+1)
		conn, err := s.dial(who, t.listener.Addr())
		if err != nil {
			return err
		}
		clients[i] = conn
		if err := errors.Join(write(conn, word), s.arrived(conn)); err != nil {
			return err
		}
	}
	last := len(clients) - 1
	info, err := s.kernel(fmt.Sprintf("client %d", last+1), clients[last], func(i *tcp.ConnInfo) string {
		return fmt.Sprintf("%s; %d bytes of mine confirmed", i.State, confirmed(i))
	})
	if err != nil {
		return err
	}
	for i := range clients {
		conn, err := s.accept("server", t.listener)
		if err != nil {
			return err
		}
		if err := readAll(conn, len(words[i])); err != nil {
			return err
		}
	}
	s.Show()
	s.Tell(`
All three were connected, and had written, before the server accepted the first. Connections wait for their program in
a queue of the kernel's, the {backlog}, and what clients send waits with them. To be connected means that a kernel has
answered, not that a program has seen you.`)
	if info != nil {
		s.Tell(`
Even the bytes were confirmed, and again it was the server's kernel that did so.`)
	}
	s.Tell(`
When the backlog is full, Linux drops further SYNs. The clients' kernels repeat theirs after 1 second, then 2, then 4: a
server that is too busy to accept looks slow from outside, and not closed.`)
	for _, conn := range clients {
		conn.Close()
	}
	return nil
}

// confirmed is how many bytes of the application the peer's kernel has; the SYN
// counts as one for the kernel.
func confirmed(i *tcp.ConnInfo) int { return max(int(i.BytesAcked)-1, 0) }

const (
	chunk     = 64 << 10
	stuck     = 200 * time.Millisecond
	mostWrote = 256 << 20 // where no buffer ever gets full
	goingOn   = "on we go\n"
)

func (t *tcpStory) pressure(s *Stage) error {
	client, server, err := s.pair("client", "server", t.listener)
	if err != nil {
		return err
	}
	s.begin()
	taken, err := t.fill(client)
	if err != nil {
		return err
	}
	s.Note("client", "stuck: %d of the last %d bytes were taken", taken, chunk)
	before := len(s.entries())
	inside, err := t.whereabouts(s, client, server)
	if err != nil {
		return err
	}
	if err := errors.Join(readAll(server, t.wrote), write(client, goingOn), readAll(server, len(goingOn))); err != nil {
		return err
	}
	t.stall = around(s.entries(), before)
	if err := errors.Join(client.Close(), server.Close()); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The client could write %s bytes before it had to wait, though the server had not read one of them.`, grouped(t.wrote))
	if inside != nil {
		got := int(inside.BytesReceived)
		s.Tell(`
%s of them were in the {receive buffer}, the memory that the server's kernel keeps for this connection, and the other %s
in the {send buffer} of the client's kernel.`, grouped(got), grouped(t.wrote-got))
	}
	s.Tell(`
With every segment a kernel says how much room it has left: the {window}. When the window is too small the sender's kernel
keeps the bytes, and when its own buffer is full, too, the writing program has to wait. When the server read, the window
opened and the client could go on. So a fast writer is slowed down to the pace of its reader, and nothing is lost. That
is {back-pressure}.`)
	return nil
}

// fill writes blocks until a write is stuck. It returns how many bytes of the
// last block were taken.
func (t *tcpStory) fill(client net.Conn) (taken int, err error) {
	text := strings.Repeat("never read, ", chunk/12+1)[:chunk]
	for again := false; t.wrote < mostWrote; {
		if err := client.SetWriteDeadline(time.Now().Add(stuck)); err != nil {
			return 0, err
		}
		n, err := io.WriteString(client, text)
		t.wrote += n
		var late net.Error
		switch {
		case err == nil:
		case !errors.As(err, &late) || !late.Timeout():
			return 0, err
		case n > 0 || again:
			return n, nil
		}
		again = err != nil // not a byte: the time may have been over before the write began
	}
	return 0, fmt.Errorf("the kernels took %s bytes, and more", grouped(t.wrote))
}

// whereabouts notes what both kernels say of bytes that nobody reads. It
// returns the server's.
func (t *tcpStory) whereabouts(s *Stage, client, server net.Conn) (*tcp.ConnInfo, error) {
	_, err := s.kernel("client", client, func(i *tcp.ConnInfo) string {
		return fmt.Sprintf("%d bytes not sent yet; the peer's window is %d", i.NotSent, i.SendWindow)
	})
	if err != nil {
		return nil, err
	}
	return s.kernel("server", server, func(i *tcp.ConnInfo) string {
		return fmt.Sprintf("%d bytes received, none of them read", i.BytesReceived)
	})
}

// around picks from the trace what stands on both sides of place i: the last
// write before it, what is noted there, and the first read behind it.
func around(list []entry, i int) []entry {
	first := i - 1
	for first > 0 && len(sent(list[first:first+1], "client")) == 0 {
		first--
	}
	last := i
	for last < len(list)-1 && len(received(list[last:last+1], "server")) == 0 {
		last++
	}
	return list[first : last+1]
}

func (t *tcpStory) question(s *Stage) error {
	err := s.Ask(fmt.Sprintf(`
{When the client got stuck, %s of its bytes had been written. How many of them had the server's program got by then?}`, grouped(t.wrote)))
	if err != nil {
		return err
	}
	s.Again(t.stall)
	s.Tell(`
{None.} The server's first read came after all these writes. That a write succeeds means that your own kernel has
taken the bytes, and TCP's confirmations say that the other kernel has. Whether the other program has got them, and has
done something about them, only that program can say. Only an answer is an answer.`)
	return nil
}
