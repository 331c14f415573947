package socketio

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDynamic holds namespaces that clients make.
func TestDynamic(t *testing.T) {
	io := NewServer(&ServerOptions{CleanupEmptyChildNamespaces: true, MaxChildNamespaces: 3})
	log := newNotes()
	io.OnNewNamespace(func(n *Namespace) { log.add("new %s", n.Name()) })
	parent := io.OfPattern(regexp.MustCompile(`^/dynamic-\d+$`))
	parent.Use(func(s *Socket) error {
		if s.Handshake().Auth["refuse"] != nil {
			return errors.New("no")
		}
		return nil
	})
	all := sockets(parent)
	io.OfFunc(func(name string, auth map[string]any) bool { panic("a function that decides") })
	io.OfFunc(func(name string, auth map[string]any) bool { return auth["token"] == "let-me-in" })
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/dynamic-1")
	p.join("/dynamic-2")
	if len(parent.Children()) != 2 || io.Of("/dynamic-1").parent != parent {
		t.Errorf("the children are %v", parent.Children())
	}
	p.send(`40/other,{"token":"let-me-in"}`)
	p.match(`^40/other,`)
	p.send(`40/dynamic-3,`)
	p.want(`44/dynamic-3,{"message":"Invalid namespace"}`) // there are three
	p.send(`41/other,`)
	soon(t, "there is room", func() bool { return len(io.Namespaces()) == 3 })
	p.send(`40/dynamic-3,{"refuse":1}`)
	p.want(`44/dynamic-3,{"message":"no"}`)
	soon(t, "it is dropped", func() bool { return len(io.Namespaces()) == 3 })
	p.send(`40/nowhere,`)
	p.want(`44/nowhere,{"message":"Invalid namespace"}`)
	_ = get(t, all).Join("room")
	_ = get(t, all).Join("room")
	_ = parent.Emit("all")
	got := []string{p.next(), p.next()}
	slices.Sort(got)
	if !slices.Equal(got, []string{`42/dynamic-1,["all"]`, `42/dynamic-2,["all"]`}) {
		t.Errorf("got %q", got)
	}
	_ = parent.To("room").Except("nobody").Emit("some")
	p.match(`some`)
	p.match(`some`)
	if _, err := parent.FetchSockets(context.Background()); err == nil {
		t.Error("FetchSockets of a dynamic namespace")
	}
	if n := io.Of("/dynamic-9"); n.parent != parent {
		t.Error("Of does not know the pattern")
	}
	log.has(t, "new /dynamic-9")
	_ = parent.DisconnectSockets(false)
	p.match(`^41/dynamic-`)
	p.match(`^41/dynamic-`)
	soon(t, "dropped", func() bool { return len(parent.Children()) == 1 })
}

// TestStress has sockets come, go and talk at once.
func TestStress(t *testing.T) {
	io := NewServer(&ServerOptions{CleanupEmptyChildNamespaces: true, Recovery: &Recovery{MaxPackets: 100}})
	n := io.OfPattern(regexp.MustCompile(`^/d\d$`))
	serve := func(s *Socket) {
		s.On("work", func(i int, ack func(int)) {
			room := fmt.Sprint("room", i%5)
			_ = s.Join(room)
			_ = io.To(room).Emit("x", i)
			_ = s.Broadcast().Volatile().Emit("y", []byte{1})
			s.Leave(room)
			_, _ = s.Namespace().To(room).Timeout(time.Millisecond).EmitWithAck(s.Context(), "z")
			_, _ = s.Namespace().FetchSockets(s.Context())
			ack(i)
			if i%7 == 6 {
				s.Disconnect(i%2 == 0)
			}
		})
	}
	io.OnConnection(serve)
	n.OnConnection(serve)
	io.Use(func(s *Socket) error { return s.Join("hall") })
	addr := onListener(t, io)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for round := range 4 {
				dial := dialWebSocket
				if i%4 == 3 {
					dial = dialPolling
				}
				p := dial(t, addr, "")
				name := "/d" + fmt.Sprint(i%3)
				p.send(`40`, `40`+name+`,`)
				for seen := 0; seen < 2; {
					if strings.HasPrefix(p.next(), "40") {
						seen++
					}
				}
				for k := range 10 {
					p.send(fmt.Sprintf(`42%d["work",%d]`, k, k), fmt.Sprintf(`42%s,%d["work",%d]`, name, k, k+round))
				}
				if round%2 == 0 {
					p.send("1")
				}
				p.leave()
			}
		}()
	}
	wg.Wait()
	soon(t, "all have gone", func() bool { return len(io.Sockets()) == 0 && len(n.Children()) == 0 })
	if rooms := io.Of("/").adapter.(*sessionAdapter).Rooms(); len(rooms) > 0 {
		t.Errorf("rooms are left: %q", rooms)
	}
}
