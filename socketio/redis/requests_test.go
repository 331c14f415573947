package redis

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// asksNobody holds that requests to other servers, of which nobody has ever said how
// many there are, end at once, and say so.
func asksNobody(t *testing.T, io *socketio.Server) {
	t.Helper()
	server := httptest.NewServer(io)
	defer server.Close()
	client := socketio.NewClient(server.URL, &socketio.ClientOptions{Transports: []string{"websocket"}})
	client.On("question", func(ack func(string)) { ack("here") })
	if err := client.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answers, err := io.EmitWithAck(t.Context(), "question")
	asked := isAway(t, "broadcast with acknowledgements", err)
	if len(answers) != 1 {
		t.Errorf("%d clients of this server have answered: %v", len(answers), asked)
	}
	if _, err := io.Local().EmitWithAck(t.Context(), "question"); err != nil {
		t.Errorf("this server's clients alone: %v", err)
	}
	sockets, err := io.FetchSockets(t.Context())
	if isAway(t, "fetchSockets", err); len(sockets) != 1 {
		t.Errorf("%d sockets of this server", len(sockets))
	}
	_, err = io.ServerSideEmitWithAck(t.Context(), "hello")
	isAway(t, "serverSideEmit", err)
	if err := io.ServerSideEmit("hello"); err != nil {
		t.Errorf("without an answer: %v", err)
	}
}

func isAway(t *testing.T, operation string, err error) *TimeoutError {
	t.Helper()
	var e *TimeoutError
	if !errors.As(err, &e) || e.Away == nil || e.Operation != operation || !errors.Is(err, socketio.ErrTimeout) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v", operation, err)
	}
	return e
}

// told is a wire by which nothing goes.
type told struct {
	count func() (int, error)
	who   func() []string
	hook  func(error)
}

func (w *told) send(*message) error                       { return nil }
func (w *told) servers(context.Context) (int, error)      { return w.count() }
func (w *told) members(context.Context) ([]string, error) { return w.who(), nil }

// told makes an adapter whose Redis says so.
func (w *told) adapter(t *testing.T) *adapter {
	t.Helper()
	conn, err := Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var a *adapter
	io := socketio.NewServer(&socketio.ServerOptions{Adapter: func(n *socketio.Namespace) socketio.Adapter {
		a = newAdapter(n, conn, "us", 0)
		a.wire = w
		return a
	}, OnAdapterError: func(_ *socketio.Namespace, err error) {
		if w.hook != nil {
			w.hook(err)
		}
	}})
	t.Cleanup(func() { io.Close(context.Background()) })
	return a
}

// TestUncounted has Redis refuse to be asked how many servers there are, though
// nothing is known to be wrong with it.
func TestUncounted(t *testing.T) {
	refused := refusal("NOPERM this user has no permissions to run the 'pubsub|numsub' command")
	a := (&told{count: func() (int, error) { return 0, refused }}).adapter(t)
	_, err := a.FetchSockets(t.Context(), socketio.Selection{}, socketio.Flags{})
	if e := isAway(t, "fetchSockets", err); e != nil && !errors.Is(e.Away, refused) {
		t.Error(e.Away)
	}
}

// TestUncountedSince has Redis go away from a server that was alone, when it was
// counted: others may have come.
func TestUncountedSince(t *testing.T) {
	var gone error
	a := (&told{count: func() (int, error) { return 1, gone }}).adapter(t)
	if _, err := a.FetchSockets(t.Context(), socketio.Selection{}, socketio.Flags{}); err != nil {
		t.Error(err)
	}
	gone = refusal("CLUSTERDOWN The cluster is down")
	_, err := a.FetchSockets(t.Context(), socketio.Selection{}, socketio.Flags{})
	isAway(t, "fetchSockets", err)
}

// TestSilence has a late answer come while it is asked who has not answered: neither
// waits for the other.
func TestSilence(t *testing.T) {
	q := &question{from: map[string]bool{}}
	q.first("quick")
	a := (&told{who: func() []string {
		q.first("late")
		return []string{"us", "quick", "late", "never"}
	}}).adapter(t)
	if e := a.silence("x", q, 3); !slices.Equal(e.Missing, []string{"late", "never"}) || e.Answered != 1 || e.Among {
		t.Errorf("%+v", e)
	}
	if text := a.silence("x", q, 5).Error(); !strings.HasSuffix(text, "2 responses received out of 5; silent: never; 2 have gone since, or are no servers") {
		t.Error(text)
	}
}

// TestSilenceWithoutName has one answer without saying who it is, and one of two
// subscribers is no server: it is not said that the other was silent.
func TestSilenceWithoutName(t *testing.T) {
	q := &question{from: map[string]bool{}}
	q.first("")
	a := (&told{who: func() []string { return []string{"us", "node"} }}).adapter(t)
	if e := a.silence("x", q, 2); !slices.Equal(e.Missing, []string{"node"}) || !e.Among || !strings.HasSuffix(e.Error(), "; silent: perhaps node") {
		t.Errorf("%+v", e)
	}
}

// TestMeet has more servers say something than are remembered, while Redis takes its
// time: one goroutine counts them.
func TestMeet(t *testing.T) {
	asked, answer := make(chan bool, 10*maxMet), make(chan bool)
	a := (&told{count: func() (int, error) {
		asked <- true
		<-answer
		return 2, nil
	}}).adapter(t)
	a.meet("first")
	<-asked
	for i := range 3 * maxMet {
		a.meet(fmt.Sprint(i))
	}
	if len(a.met) > maxMet {
		t.Errorf("%d are remembered", len(a.met))
	}
	if len(asked) > 0 {
		t.Errorf("%d ask Redis at once", len(asked)+1)
	}
	answer <- true
	<-asked // once more, for all those
	close(answer)
	for a.isCounting() {
	}
	if len(asked) > 0 {
		t.Errorf("Redis was asked %d times more", len(asked))
	}
}

func (a *adapter) isCounting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counting
}

// deadline is an adapter that notes how long it may take, and answers at once.
type deadline struct {
	*adapter
	until time.Time
}

func (a *deadline) ServerSideEmit(ctx context.Context, _ socketio.Args, answer func(socketio.Args)) error {
	a.until, _ = ctx.Deadline()
	answer(socketio.Args{})
	return nil
}

// TestRequestTimeout has servers be waited for as long as the adapter's option says,
// where the context does not.
func TestRequestTimeout(t *testing.T) {
	w := &told{count: func() (int, error) { return 2, nil }}
	conn, err := Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var a *deadline
	io := socketio.NewServer(&socketio.ServerOptions{Adapter: func(n *socketio.Namespace) socketio.Adapter {
		a = &deadline{adapter: newAdapter(n, conn, "us", time.Hour)}
		a.wire = w
		return a
	}, OnAdapterError: func(_ *socketio.Namespace, err error) {
		if w.hook != nil {
			w.hook(err)
		}
	}})
	defer io.Close(context.Background())
	if _, err := io.ServerSideEmitWithAck(context.Background(), "hello"); err != nil {
		t.Error(err)
	}
	if d := time.Until(a.until); d < 30*time.Minute {
		t.Errorf("%v are left of an hour", d)
	}
}

// TestExplained has nobody answer: who asked is told who was silent, and the hook where
// nobody asked; who has lost patience is not held up.
func TestExplained(t *testing.T) {
	hook := make(chan error, 10)
	looked := 0
	w := &told{count: func() (int, error) { return 2, nil }, who: func() []string { looked++; return []string{"us", "them"} }, hook: func(err error) { hook <- err }}
	a := w.adapter(t)
	n := a.Namespace()
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	var timeout *TimeoutError
	_, err := n.ServerSideEmitWithAck(soon(), "x")
	if !errors.As(err, &timeout) || !slices.Equal(timeout.Missing, []string{"them"}) || !errors.Is(err, socketio.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	_, err = n.Timeout(10*time.Millisecond).EmitWithAck(t.Context(), "x")
	if want := "redis: timeout reached: broadcast with acknowledgements: only 0 responses received out of 1; silent: them"; fmt.Sprint(err) != want || !errors.Is(err, socketio.ErrTimeout) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = n.EmitWithAck(ctx, "x"); errors.As(err, &timeout) || !errors.Is(err, context.Canceled) || looked != 2 {
		t.Errorf("%v; looked %d times", err, looked)
	}
	if len(hook) > 0 {
		t.Error(<-hook)
	}
	if err := a.ServerSideEmit(soon(), socketio.Args{}, func(socketio.Args) {}); err != nil {
		t.Error(err)
	}
	if err := <-hook; !errors.As(err, &timeout) || timeout.Operation != "serverSideEmit" {
		t.Error(err)
	}
}
