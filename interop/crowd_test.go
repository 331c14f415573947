package interop

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

const crowd = 2000

// 2,000 connections at once are served; the next is turned away with the reason
// in the log; none of the others notices.
func TestCrowd(t *testing.T) {
	us := sockkit(t, "listen", "-k", "--echo", "--max-conns", fmt.Sprint(crowd), "127.0.0.1:0")
	at := placeOf("tcp4", us.address())
	conns := make([]*echoed, crowd)
	for i := range conns {
		conns[i] = dialEcho(t, at)
	}
	all := func(word string) {
		t.Helper()
		each(t, conns, func(i int, c *echoed) error { return c.echo(fmt.Sprintf("%s %d", word, i)) })
	}
	all("first")

	late := start(t, program{args: dialPeer["nc"](at), hold: true})
	us.err.awaitText(t, "turned away 127.0.0.1:")
	us.err.awaitText(t, "(--max-conns)\n")
	late.in.Close()
	late.wait()
	if late.out.size() > 0 {
		t.Errorf("whoever was turned away was told %q; want nothing on a raw connection", late.out)
	}
	all("second")

	conns[0].Close()
	poll(t, "room for one more", func() bool { return dialEcho(t, at).echo("again") == nil })
	conns = conns[1:]
	all("third")
}

// echoed is a connection to an echo server.
type echoed struct {
	net.Conn
	in *bufio.Reader
}

func dialEcho(t *testing.T, at place) *echoed {
	t.Helper()
	c, err := net.DialTimeout("tcp", at.hostPort(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &echoed{c, bufio.NewReader(c)}
}

func (c *echoed) echo(word string) error {
	if _, err := fmt.Fprintln(c, word); err != nil {
		return err
	}
	got, err := c.in.ReadString('\n')
	if err == nil && got != word+"\n" {
		err = fmt.Errorf("%q came back for %q", got, word)
	}
	return err
}

// each calls f for all connections at once.
func each(t *testing.T, conns []*echoed, f func(int, *echoed) error) {
	t.Helper()
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() {
			if err := f(i, c); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	all.Wait()
}
