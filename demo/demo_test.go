package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// told is a lesson that was told.
type told struct {
	text    string
	entries []entry
}

// plainly are the lessons told once without options, for tests that only look.
var plainly sync.Map

// look returns a lesson as it was told to the first test that asked.
func look(t *testing.T, name string) told {
	t.Helper()
	if l, ok := plainly.Load(name); ok {
		return l.(told)
	}
	l := tellLesson(t, name, Options{})
	plainly.Store(name, l)
	return l
}

func tellLesson(t *testing.T, name string, o Options) told {
	t.Helper()
	lesson, ok := Find(name)
	if !ok {
		t.Fatalf("there is no lesson %q", name)
	}
	var b bytes.Buffer
	stage, err := lesson.tell(t.Context(), &b, o)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, b.String())
	}
	return told{b.String(), stage.cast.entries()}
}

// flat is the text as one line, so that what is looked for is found however it
// is wrapped.
func (l told) flat() string { return strings.Join(strings.Fields(l.text), " ") }

// numbers returns the numbers that pattern finds in the text.
func (l told) numbers(t *testing.T, pattern string) []int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(l.flat())
	if found == nil {
		t.Fatalf("%q is not in:\n%s", pattern, l.text)
	}
	var list []int
	for _, s := range found[1:] {
		n, err := strconv.Atoi(strings.ReplaceAll(s, ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// is reports whether an entry is an event of type E, and who's.
func is[E trace.Event](who string) func(entry) bool {
	return func(e entry) bool {
		_, ok := e.Event.(E)
		return ok && e.who == who
	}
}

// TestEveryLessonTwice tells each lesson two times in one process, and looks
// for what is left behind.
func TestEveryLessonTwice(t *testing.T) {
	for range 2 {
		for _, l := range Lessons() {
			got := tellLesson(t, l.Name, Options{})
			noGoroutines(t)
			portsGivenBack(t, got.entries)
		}
	}
}

// noGoroutines waits until no goroutine of sockkit's is left but the tests'.
func noGoroutines(t *testing.T) {
	t.Helper()
	own := regexp.MustCompile(`sockkit/(demo|tcp|udp|trace)\.`)
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(60 * time.Second); ; runtime.Gosched() {
		var left []string
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if own.MatchString(g) && !strings.Contains(g, "testing.tRunner") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	}
}

// portsGivenBack binds each port again that the lesson had bound.
func portsGivenBack(t *testing.T, list []entry) {
	t.Helper()
	bound := events[trace.Listening](list, "server")
	if len(bound) == 0 {
		t.Fatal("no port was bound")
	}
	for _, l := range bound {
		network, address, _ := strings.Cut(l.Address, "://")
		var c io.Closer
		var err error
		if network == "tcp" {
			c, err = net.Listen(network, address)
		} else {
			c, err = net.ListenPacket(network, address)
		}
		if err != nil {
			t.Errorf("%s was not given back: %v", l.Address, err)
			continue
		}
		c.Close()
	}
}

// TestEverySideIsNamed holds that no record is shown without its side.
func TestEverySideIsNamed(t *testing.T) {
	for _, l := range Lessons() {
		for _, e := range look(t, l.Name).entries {
			if e.who == "" {
				t.Errorf("%s: a record of nobody's: %v", l.Name, e.Event)
			}
		}
	}
}

func TestTCPFacts(t *testing.T) {
	got := look(t, "tcp")
	list := got.entries
	clientOpens := slices.IndexFunc(list, is[trace.Open]("client"))
	serverOpens := slices.IndexFunc(list, is[trace.Open]("server"))
	if clientOpens < 0 || clientOpens > serverOpens {
		t.Errorf("the client is connected at %d, and the server accepts at %d", clientOpens, serverOpens)
	}
	third := slices.IndexFunc(list, is[trace.Open]("client 3"))
	after := slices.IndexFunc(list[third:], is[trace.Open]("server"))
	before := slices.IndexFunc(list[slices.IndexFunc(list, is[trace.AttemptFailed]("client")):third], is[trace.Open]("server"))
	if after < 0 || before >= 0 {
		t.Errorf("the server accepts at %d before, and at %d after the third client has connected", before, after)
	}
	resets := 0
	for _, e := range list {
		if c, ok := e.Event.(trace.Close); ok && c.Reset {
			resets++
			if e.who != "client 2" {
				t.Errorf("%s was reset", e.who)
			}
		}
	}
	if resets != 1 {
		t.Errorf("%d connections were reset, want 1", resets)
	}
	if failed := events[trace.AttemptFailed](list, "client"); len(failed) != 1 {
		t.Errorf("%d attempts failed, want 1: %v", len(failed), failed)
	}
}

// TestBackPressureFacts holds the figures of the step on back-pressure against
// the records.
func TestBackPressureFacts(t *testing.T) {
	got := look(t, "tcp")
	wrote := got.numbers(t, `could write ([\d,]+) bytes before`)[0]
	taken := got.numbers(t, `stuck: (\d+) of the last (\d+) bytes`)
	var out, in int64
	for _, c := range events[trace.Close](got.entries, "client") {
		out = max(out, c.Out)
	}
	for _, c := range events[trace.Close](got.entries, "server") {
		in = max(in, c.In)
	}
	if out != int64(wrote+len(goingOn)) || in != out || taken[0] != wrote%taken[1] {
		t.Errorf("%d bytes were written, %d of the last block; the client's end counts %d, the server's %d", wrote, taken[0], out, in)
	}
	if asked := got.numbers(t, `got stuck, ([\d,]+) of its bytes`)[0]; asked != wrote {
		t.Errorf("the question speaks of %d bytes; %d were written", asked, wrote)
	}
	stuckAt := slices.IndexFunc(got.entries, func(e entry) bool {
		note, ok := e.Event.(trace.Note)
		return ok && strings.HasPrefix(note.Text, "stuck")
	})
	opened := stuckAt
	for !is[trace.Open]("server")(got.entries[opened]) {
		opened--
	}
	if read := total(received(got.entries[opened:stuckAt], "server")); read != 0 {
		t.Errorf("the server had read %d bytes by then", read)
	}
}

func TestUDPFacts(t *testing.T) {
	got := look(t, "udp")
	counts := got.numbers(t, `100 were sent and ([\d,]+) arrived`)
	lost := got.numbers(t, `(\d+) of the hundred datagrams were lost`)[0]
	came := numbers(datagrams(got.entries, "server", trace.In))
	if len(came) != counts[0] || len(came)+lost != burstSize {
		t.Errorf("%d came; the words are %d arrived, %d lost", len(came), counts[0], lost)
	}
	sentNumbers := numbers(datagrams(got.entries, "client", trace.Out))
	if len(sentNumbers) != burstSize {
		t.Errorf("%d numbered datagrams were sent, want %d", len(sentNumbers), burstSize)
	}
	if runtime.GOOS == "linux" {
		if dropped := got.numbers(t, `the kernel dropped (\d+) datagrams`)[0]; dropped != lost {
			t.Errorf("the kernel counts %d, and %d did not come", dropped, lost)
		}
	}
	largest, cut := 0, 0
	for _, d := range datagrams(got.entries, "server", trace.In) {
		largest = max(largest, d.Size)
	}
	for _, d := range datagrams(got.entries, "client", trace.In) {
		if d.Truncated {
			cut++
		}
	}
	if runtime.GOOS == "linux" && largest != udp.MaxPayload {
		t.Errorf("the largest datagram had %d bytes, want %d", largest, udp.MaxPayload)
	}
	if cut != 2 {
		t.Errorf("%d datagrams were truncated, want 2", cut)
	}
}

// TestBurstOverTCP holds that all of the burst came by TCP, in order.
func TestBurstOverTCP(t *testing.T) {
	got := look(t, "udp")
	var stream bytes.Buffer
	for _, d := range received(got.entries, "server") {
		stream.Write(d.Payload)
	}
	var want strings.Builder
	for i := range burstSize {
		want.WriteString(numbered(i + 1))
	}
	if stream.String() != want.String() {
		t.Errorf("%d bytes came, want the %d that were sent", stream.Len(), want.Len())
	}
	if n := got.numbers(t, `([\d,]+) bytes were sent and ([\d,]+) were received, in order`); n[0] != want.Len() || n[1] != stream.Len() {
		t.Errorf("the words are %v bytes", n)
	}
}

// TestLeave has the reader leave at every pause, and looks for what is left.
func TestLeave(t *testing.T) {
	look(t, "tcp") // what the runtime opens once is open now
	for _, l := range Lessons() {
		for at := 0; ; at++ {
			before := sockets(t)
			left, err := leaveAt(t, l.Name, at)
			eventually(t, fmt.Sprintf("%s, pause %d: as many sockets after as before", l.Name, at), func() bool { return sockets(t) <= before })
			if err != nil {
				t.Fatalf("%s, pause %d: %v", l.Name, at, err)
			}
			noGoroutines(t)
			if !left {
				if want := len(l.Steps) + 1; at != want {
					t.Errorf("%s has %d pauses, want %d: one before each step, and one to think", l.Name, at, want)
				}
				break
			}
		}
	}
}

// leaveAt tells a lesson to a reader who leaves at pause n, if it comes to it.
func leaveAt(t *testing.T, name string, n int) (left bool, err error) {
	lesson, _ := Find(name)
	pauses := 0
	err = lesson.Tell(t.Context(), io.Discard, Options{Wait: func(context.Context, string) error {
		pauses++
		if pauses > n {
			left = true
			return ErrLeave
		}
		return nil
	}})
	return left, err
}

func TestEndOfContext(t *testing.T) {
	cause := errors.New("that is enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	pauses := 0
	err := tcpLesson().Tell(ctx, io.Discard, Options{Wait: func(context.Context, string) error {
		if pauses++; pauses == 3 {
			cancel(cause)
		}
		return nil
	}})
	if !errors.Is(err, cause) {
		t.Errorf("error %v, want the context's cause", err)
	}
	noGoroutines(t)
}

// brokenWriter takes so many bytes and then fails.
type brokenWriter struct {
	room int
	err  error
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, w.err
	}
	return len(p), nil
}

func TestReaderOfTheOutputLeaves(t *testing.T) {
	gone := errors.New("nobody reads")
	for _, room := range []int{0, 1000, 4000} {
		if err := tcpLesson().Tell(t.Context(), &brokenWriter{room, gone}, Options{}); !errors.Is(err, gone) {
			t.Errorf("with room for %d bytes: error %v, want the writer's", room, err)
		}
	}
}

func TestStepThatFails(t *testing.T) {
	broken := errors.New("broken")
	var closed []string
	name := func(s string) io.Closer {
		return closerFunc(func() error { closed = append(closed, s); return nil })
	}
	lesson := Lesson{Name: "x", Title: "y", Steps: []Step{
		{"fine", "text", func(s *Stage) error { s.Keep(name("a")); s.Keep(name("b")); return nil }},
		{"not fine", "text", func(s *Stage) error { s.Note("somebody", "a last word"); return broken }},
		{"never", "text", func(*Stage) error { t.Error("the lesson went on"); return nil }},
	}, Try: []Exercise{{"nothing", nil}}}
	var b strings.Builder
	err := lesson.Tell(t.Context(), &b, Options{})
	if want := "step 2 (not fine): broken"; !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	if fmt.Sprint(closed) != "[b a]" {
		t.Errorf("closed %v, want the latest first", closed)
	}
	if text := b.String(); !strings.Contains(text, "somebody * a last word\n") || strings.Contains(text, "Try it yourself") {
		t.Errorf("it was told:\n%s", text)
	}
}

func TestAwaitNamesWhatDidNotCome(t *testing.T) {
	s := newStage(t.Context(), newPage(io.Discard, Options{}), nil)
	err := s.awaitFor(time.Nanosecond, "a miracle", func([]entry) bool { return false })
	if err == nil || err.Error() != "a miracle: it did not come within 1ns" {
		t.Errorf("error %v", err)
	}
}

func TestFind(t *testing.T) {
	if _, ok := Find("nosuch"); ok {
		t.Error("a lesson was found that there is not")
	}
	for _, l := range Lessons() {
		found, ok := Find(l.Name)
		if !ok || found.Title != l.Title {
			t.Errorf("Find(%q) gives %q, %v", l.Name, found.Title, ok)
		}
	}
}
