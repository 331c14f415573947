package interop

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// flags are sockkit's for a way to go.
func (w sioWay) flags() []string {
	if w.transports == nil {
		return nil
	}
	return []string{"--transports", strings.Join(w.transports, ",")}
}

// sioDial starts sockkit dial, whose input stays open.
func sioDial(t testing.TB, way sioWay, url string, args ...string) *proc {
	t.Helper()
	return held(t, append(append([]string{"dial", sioAddress(url)}, way.flags()...), args...)...)
}

// A line is an event with its arguments, both ways.
func TestSIODial(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		s := sioOfficial(t, sioWords{Welcome: "hello ☃"})
		us := sioDial(t, way, s.url, "--linger", "0")
		us.out.awaitText(t, "welcome \"hello ☃\"\n")
		id := s.next(t, "server", "connection").ID
		printed := "welcome \"hello ☃\"\n"
		for _, row := range [][3]string{
			{`echo`, `[]`, `echo`},
			{`echo 1 2.5 true null "two words" {"a":[1,{"b":"c d"}]} [] bare`, `[1,2.5,true,null,"two words",{"a":[1,{"b":"c d"}]},[],"bare"]`, `echo 1 2.5 true null "two words" {"a":[1,{"b":"c d"}]} [] "bare"`},
			{`echo {"_base64":"AAEC"} [{"_base64":"/w=="}]`, `[{"_base64":"AAEC"},[{"_base64":"/w=="}]]`, `echo {"_base64":"AAEC"} [{"_base64":"/w=="}]`},
			{`echo "☃"`, `["☃"]`, `echo "☃"`},
		} {
			us.write(row[0] + "\n")
			sioWant(t, s.next(t, id, "event"), "echo", row[1])
			printed += row[2] + "\n"
			us.awaitOutput(int64(len(printed)))
		}
		us.in.Close()
		us.want(0)
		if us.out.String() != printed {
			t.Errorf("got %q; want %q", us.out, printed)
		}
		if got := s.next(t, id, "disconnecting"); len(got.Rooms) != 1 {
			t.Errorf("the server saw %v", got)
		}
		if got := s.next(t, id, "disconnect"); got.Reason != "client namespace disconnect" {
			t.Errorf("the server saw %v", got)
		}
	})
}

// What is printed is input: a second dial sends what the first one got.
func TestSIODialOutputIsInput(t *testing.T) {
	t.Parallel()
	s := sioOfficial(t, sioWords{})
	var lines strings.Builder
	for _, args := range sioArguments[:17] {
		r := &sioOurRun{s, sioWays[1]}
		us := sioDial(t, r.way, s.url, "--count", "1")
		id := s.next(t, "server", "connection").ID
		s.do(t, sioAct{Do: "emit", ID: id, Event: "echo", Args: sioList(t, args)})
		us.want(0)
		lines.WriteString(us.out.String())
	}
	again := fed(t, strings.NewReader(lines.String()), "dial", sioAddress(s.url), "--count", fmt.Sprint(17))
	id := s.next(t, "server", "connection").ID
	for _, args := range sioArguments[:17] {
		sioWant(t, s.skipTo(t, id, "event"), "echo", args)
	}
	again.want(0)
	if again.out.String() != lines.String() {
		t.Errorf("got\n%s; want\n%s", again.out, lines.String())
	}
}

// --ack waits for each acknowledgement and prints it, --event sends lines as
// they are, -x takes the place of input.
func TestSIODialAcks(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		s := sioOfficial(t, sioWords{})
		us := sioDial(t, way, s.url, "--ack", "-x", `ask 1 "two"`, "-x", `ask {"_base64":"AQ=="}`, "--linger", "0")
		us.want(0)
		if want := "ack 1 \"two\"\nack {\"_base64\":\"AQ==\"}\n"; us.out.String() != want {
			t.Errorf("got %q; want %q", us.out, want)
		}
		late := sioDial(t, way, s.url, "--ack", "-x", `hold 1`, "-w", "3s")
		late.wantSays(124, `^sockkit: dial sio://.*no acknowledgement of "hold"`)
		event := sioDial(t, way, s.url, "--event", "message", "-x", `a line "as it is" 1`, "--linger", "0")
		event.want(0)
		s.next(t, "server", "connection")
		s.next(t, "server", "connection")
		id := s.next(t, "server", "connection").ID
		sioWant(t, s.next(t, id, "event"), "message", `["a line \"as it is\" 1"]`)
	})
}

// The path of the address is the namespace; --auth goes along.
func TestSIODialNamespaces(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		s := sioOfficial(t, sioWords{})
		for _, name := range []string{"/chat", "/dynamic-12"} {
			us := sioDial(t, way, s.url+name, "--ack", "-x", "ask 1", "--linger", "0")
			us.want(0)
			if got := s.next(t, "server", "connection"); got.Namespace != name {
				t.Errorf("the server saw %v; want %s", got, name)
			}
		}
		us := sioDial(t, way, s.url+"/auth", "--auth", `{"token":"abc","more":[1]}`, "-x", "ask", "--linger", "0")
		us.want(0)
		if got := s.next(t, "server", "connection"); fmt.Sprint(got.Data) != "map[more:[1] token:abc]" {
			t.Errorf("the server saw %v", got)
		}
		no := sioDial(t, way, s.url+"/auth", "--auth", `{"token":"wrong"}`)
		no.wantSays(4, `^sockkit: dial sio://\S+/auth: .*not authorized`, `4711`, `^hint: .*--auth`)
		wantOneError(t, no)
		nowhere := sioDial(t, way, s.url+"/nosuch")
		nowhere.wantSays(4, `^sockkit: dial sio://\S+/nosuch: .*Invalid namespace`, `^hint: .*namespace`)
		wantOneError(t, nowhere)
	})
}

// A server that leaves is an end of its own kind, by how it leaves.
func TestSIODialEnds(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		s := sioOfficial(t, sioWords{Welcome: "x"})
		for _, all := range []bool{false, true} {
			us := sioDial(t, way, s.url)
			us.out.awaitText(t, "welcome \"x\"\n")
			s.do(t, sioAct{Do: "disconnect", ID: s.next(t, "server", "connection").ID, Close: all})
			us.want(0)
		}
		for signal, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
			us := sioDial(t, way, s.url)
			us.out.awaitText(t, "welcome \"x\"\n")
			id := s.next(t, "server", "connection").ID
			us.signal(signal)
			us.want(status)
			if got := s.skipTo(t, id, "disconnect"); got.Reason != "client namespace disconnect" {
				t.Errorf("the server saw %v", got)
			}
		}
		us := sioDial(t, way, s.url)
		us.out.awaitText(t, "welcome \"x\"\n")
		s.it.signal(syscall.SIGKILL)
		us.wantSays(8, `^sockkit: dial sio://.*transport`)
		wantNoStack(t, us)
	})
}

// wantNoStack demands that an error is one line.
func wantNoStack(t *testing.T, us *proc) {
	t.Helper()
	if n := strings.Count(us.err.String(), "sockkit: "); n != 1 || strings.Contains(us.err.String(), "goroutine") {
		t.Errorf("%d lines say what is wrong; want 1: %s", n, us.err)
	}
}

// --reconnect comes back to a server that was started again, and input goes on.
func TestSIODialReconnects(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		w := sioWords{Welcome: "x", Port: portOf(t)}
		s := sioOfficial(t, w)
		us := sioDial(t, way, s.url, "--reconnect", "--ack", "-v")
		us.out.awaitText(t, "welcome \"x\"\n")
		us.write("ask 1\n")
		us.out.awaitText(t, "ack 1\n")
		s.it.signal(syscall.SIGKILL)
		<-s.it.done
		s = sioOfficial(t, w)
		us.awaitOutput(int64(len("welcome \"x\"\nack 1\nwelcome \"x\"\n")))
		us.write("ask 2\n")
		us.out.awaitText(t, "ack 2\n")
		us.in.Close()
		us.want(0)
	})
}

func portOf(t testing.TB) (port int) {
	t.Helper()
	_, err := fmt.Sscan(freePort(t), &port)
	must(t, err)
	return port
}
