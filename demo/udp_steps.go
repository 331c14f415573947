package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

func (u *udpStory) borders(s *Stage) error {
	socket, err := s.bind("server", &udp.ListenConfig{}, anyPort)
	if err != nil {
		return err
	}
	u.silent = socket.LocalAddr()
	conn, err := s.open("client", u.silent)
	if err != nil {
		return err
	}
	for _, text := range []string{"good mor", "ning\n"} {
		if err := write(conn, text); err != nil {
			return err
		}
	}
	s.start("server", &udp.Server{}, socket)
	if err := s.came("server", 2); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
Two writes, two datagrams, each as it was written. A datagram comes whole or not at all; it is never joined with another
one, and never split. So a message needs no mark at its end, as it does in a stream of bytes.`)
	s.Tell(`
"Connected" and "accepted" say little here. The client's kernel noted where to send, and nothing was sent for it; the
server met a sender that it had not seen before.`)
	if d := datagrams(s.entries(), "server", trace.In)[0]; d.TTL > 0 && d.Interface != "" {
		s.Tell(`
Of what came in the trace names the interface, here %s for loopback, and the TTL, the number of routers that it could
still have passed.`, d.Interface)
	}
	return nil
}

func (u *udpStory) senders(s *Stage) error {
	addr, err := s.serve("server", &udp.Server{OnDatagram: func(p *udp.Peer, payload []byte, _ udp.Info) {
		_, _ = fmt.Fprintf(p, "hi, %s", payload) // a failure shows as an answer that does not come
	}})
	if err != nil {
		return err
	}
	var open []io.Closer
	for _, who := range []string{"alice", "bob"} {
		conn, err := s.open(who, addr)
		if err != nil {
			return err
		}
		open = append(open, conn)
		if err := write(conn, who); err != nil {
			return err
		}
		if _, err := read(conn, 1000); err != nil {
			return err
		}
	}
	for _, c := range open {
		if err := c.Close(); err != nil {
			return err
		}
	}
	s.Show()
	s.Tell(`
One socket talks with everybody. It tells its senders apart by the address that each datagram carries, and answers to that
address. Nothing was agreed on before, as it is for a connection.`)
	s.Tell(`
Alice and Bob have closed their sockets, and the server has no line about it: nothing is sent at the end, either. A server
can only forget its senders after a silence.`)
	return nil
}

func (u *udpStory) nobody(s *Stage) error {
	told, err := u.refusal(s)
	if err != nil {
		return err
	}
	conn, err := s.open("client", u.silent)
	if err != nil {
		return err
	}
	if err := write(conn, "anybody?"); err != nil {
		return err
	}
	if err := s.came("server", 1); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("an answer came from a socket that gives none (%v)", err)
	}
	s.Note("client", "nothing came within 0.1 seconds")
	s.Show()
	if told {
		s.Tell(`
The first send succeeded, although nobody was there. Afterwards the other kernel sent a complaint back, by the rules
called {ICMP}: "port unreachable". The client's kernel keeps it for the next read or write, which then fails.`)
	} else {
		s.Tell(`
The first send succeeded, although nobody was there, and this system does not tell a program when the other kernel
complains.`)
	}
	s.Tell(`
The second datagram arrived, but the client cannot know that. Its silence might as well be that of a firewall, or of a
datagram or an answer that was lost. With UDP, no answer means that nothing is known.`)
	return nil
}

// refusal sends to a port that nobody has, and reports whether the client was
// told.
func (u *udpStory) refusal(s *Stage) (told bool, err error) {
	socket, err := udp.Listen(s.ctx, "udp", anyPort)
	if err != nil {
		return false, err
	}
	if err := socket.Close(); err != nil { // it was free, and now it is again
		return false, err
	}
	conn, err := s.open("client", socket.LocalAddr())
	if err != nil {
		return false, err
	}
	if err := write(conn, "anybody?"); err != nil {
		return false, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return false, err
	}
	_, err = conn.Read(make([]byte, 100))
	if errors.Is(err, syscall.ECONNREFUSED) {
		return true, conn.Close()
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false, err
	}
	return false, conn.Close()
}

func (u *udpStory) size(s *Stage) error {
	conn, err := s.open("client", u.silent)
	if err != nil {
		return err
	}
	s.begin()
	largest := strings.Repeat("very large ", udp.MaxPayload)[:udp.MaxPayload]
	err = write(conn, largest)
	switch {
	case errors.Is(err, udp.ErrTooLarge): // some systems are set to take less
		s.Note("client", "%v", tcp.Reason(err))
	case err != nil:
		return err
	default:
		if err := s.came("server", 1); err != nil {
			return err
		}
	}
	err = write(conn, largest+"!")
	if !errors.Is(err, udp.ErrTooLarge) {
		return fmt.Errorf("a datagram of %d bytes was sent (%v)", len(largest)+1, err)
	}
	s.Note("client", "%v", tcp.Reason(err))
	s.Show()
	s.Tell(`
65,507 bytes are the most that a datagram can hold. {IP}, the rules below UDP, counts with 16 bits, so up to 65,535, and
of these IP takes 20 bytes for itself and UDP takes 8. What is larger is refused, and nothing of it is sent.`)
	s.Tell(`
On loopback such a giant is easy. Most networks carry about 1,500 bytes at a time, so IP has to cut it into fragments,
and when one of them is lost the whole datagram is. Programs that use UDP mostly stay below 1,500 bytes for that reason.`)
	return nil
}

func (u *udpStory) truncated(s *Stage) error {
	addr, err := s.serve("server", &udp.Server{OnDatagram: func(p *udp.Peer, _ []byte, _ udp.Info) {
		for _, answer := range []string{"this is more than ten bytes", "this too, and more"} {
			_, _ = io.WriteString(p, answer)
		}
	}})
	if err != nil {
		return err
	}
	conn, err := s.open("client", addr)
	if err != nil {
		return err
	}
	s.begin()
	if err := write(conn, "say something"); err != nil {
		return err
	}
	for range 2 {
		if _, err := read(conn, 10); err != nil && !errors.Is(err, udp.ErrTruncated) {
			return err
		}
	}
	s.Show()
	s.Tell(`
Each read gives one datagram. What does not fit into the reader's room is {truncated}: cut off, and gone. The second read
did not give the rest of the first datagram but the beginning of the next. So a reader needs room for the largest
datagram that it can expect. sockkit says when one was cut; many programs never notice.`)
	return nil
}

const (
	burstSize  = 100
	burstBytes = 1000
	burstRoom  = 16 << 10 // of the socket that loses
)

// numbered is piece i of the burst.
func numbered(i int) string {
	text := fmt.Sprintf("%d of %d ", i, burstSize)
	return text + strings.Repeat(".", burstBytes-len(text))
}

func (u *udpStory) loss(s *Stage) error {
	socket, err := s.bind("server", &udp.ListenConfig{ReadBuffer: burstRoom}, anyPort)
	if err != nil {
		return err
	}
	conn, err := s.open("client", socket.LocalAddr())
	if err != nil {
		return err
	}
	for i := range burstSize {
		if err := write(conn, numbered(i+1)); err != nil {
			return err
		}
	}
	srv := &udp.Server{}
	s.start("server", srv, socket)
	if err := s.came("server", 1); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil { // it reads what is there first
		return err
	}
	if dropped := srv.Stats().Dropped.ReceiveBuffer; dropped > 0 {
		s.Note("server", "the kernel dropped %d datagrams: the receive buffer was full", dropped)
	}
	u.burst = s.entries()
	s.Show()
	came := numbers(datagrams(u.burst, "server", trace.In))
	u.lost = burstSize - len(came)
	if u.lost == 0 {
		s.Tell(`
All 100 arrived this time. Nobody had promised it.`)
	} else {
		s.Tell(`
100 were sent and %s arrived: %s. The server's kernel keeps what comes in the socket's {receive buffer} until the program
reads. When that is full it drops what comes. The other %s are gone, though each send had succeeded.`,
			grouped(len(came)), ranges(came), grouped(u.lost))
	}
	if slices.IsSorted(came) {
		s.Tell(`
Those that arrived came in order, as they do on loopback. In a network they can overtake each other, or come twice. UDP
promises neither arrival nor order.`)
	} else {
		s.Tell(`
They did not even come in order: UDP promises neither that nor arrival.`)
	}
	return nil
}

// numbers are those of the burst's pieces, in the order in which they came.
func numbers(came []trace.Datagram) []int {
	var list []int
	for _, d := range came {
		var i, of int
		if _, err := fmt.Sscanf(string(d.Payload), "%d of %d", &i, &of); err == nil {
			list = append(list, i)
		}
	}
	return list
}

// ranges words a list of numbers: 1 to 14, 20, 22 to 30.
func ranges(list []int) string {
	var parts []string
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n] == list[n-1]+1 {
			n++
		}
		part := fmt.Sprint(list[0])
		if n > 1 {
			part += fmt.Sprintf(" to %d", list[n-1])
		}
		parts = append(parts, part)
		list = list[n:]
	}
	return "number " + strings.Join(parts, ", ")
}

func (u *udpStory) overTCP(s *Stage) error {
	l, err := s.listen("server")
	if err != nil {
		return err
	}
	client, server, err := s.pair("client", "server", l)
	if err != nil {
		return err
	}
	s.begin()
	sending := make(chan error, 1)
	go func() {
		for i := range burstSize {
			if err := write(client, numbered(i+1)); err != nil {
				sending <- err
				return
			}
		}
		sending <- tcp.CloseWrite(client)
	}()
	select { // where the kernels' buffers are small, the client waits for the server
	case err := <-sending:
		sending <- err
	case <-time.After(time.Second):
	}
	if err := errors.Join(readAll(server, -1), <-sending, client.Close(), server.Close()); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
%s bytes were sent and %s were received, in order, and without the borders. With TCP the kernels number the bytes, confirm
what has come, send again what has not, and let a writer wait when the reader's buffer is full.`,
		grouped(total(sent(s.entries(), "client"))), grouped(total(received(s.entries(), "server"))))
	s.Tell(`
UDP does none of this, and that can be just right: in a call a sound that comes late is worth nothing, and a program that
looks up a name just asks again. But whoever sends a file over UDP has to write that part of TCP anew.`)
	return nil
}

const group = "239.255.0.9:0"

func (u *udpStory) multicast(s *Stage) error {
	failed := u.members(s)
	s.Show()
	if failed != nil {
		s.Tell(`
The loopback interface of this machine does not carry multicast: %v. Elsewhere each member would have got a copy of the
one datagram.`, failed)
		return nil
	}
	s.Tell(`
One send, and each member has a copy. The sender does not know who they are, or whether there are any. The TTL is 1, so
no router would pass the datagram on. That is how printers and televisions are found in a home network.`)
	return nil
}

// members has two sockets join a group, and sends them one datagram. They read
// it one after the other.
func (u *udpStory) members(s *Stage) error {
	loopback, err := loopbackName()
	if err != nil {
		return err
	}
	address, names := group, []string{"member 1", "member 2"}
	var sockets []*udp.Socket
	for _, who := range names {
		socket, err := s.bind(who, &udp.ListenConfig{Interface: loopback}, address)
		if err != nil {
			return err
		}
		address = socket.LocalAddr().String() // the second one needs the same port
		sockets = append(sockets, socket)
	}
	d := udp.Dialer{Interface: loopback, Tracer: s.As("sender")}
	conn, err := d.DialContext(s.ctx, "udp", address)
	if err != nil {
		return err
	}
	s.Keep(conn)
	if err := write(conn, "hello, all"); err != nil {
		return err
	}
	for i, who := range names {
		s.start(who, &udp.Server{}, sockets[i])
		if err := s.cameWithin(2*time.Second, who, 1); err != nil {
			return err
		}
	}
	return nil
}

func loopbackName() (string, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return i.Name, nil
		}
	}
	return "", errors.New("there is no loopback interface")
}

func (u *udpStory) question(s *Stage) error {
	question := fmt.Sprintf("%s of the hundred datagrams were lost. Which line of the trace told the client so?", grouped(u.lost))
	if u.lost == 0 {
		question = "Had some of the hundred datagrams been lost, which line of the trace would have told the client so?"
	}
	if err := s.Ask("{" + question + "}"); err != nil {
		return err
	}
	s.Again(slices.DeleteFunc(slices.Clone(u.burst), func(e entry) bool { return e.who != "client" }))
	s.Tell(`
{None.} These are all the client's lines: its sends succeeded, and nothing came back. The kernel that drops a datagram does
not tell the sender. If the client has to know, the server must answer, and the client must send again what was not
answered. With UDP that is the program's work.`)
	return nil
}
