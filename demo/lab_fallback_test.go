package demo

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/netutil"

	"github.com/sockkit/sockkit/socketio"
)

// labClient connects a client of ours to the server of a lab.
func labClient(t *testing.T, d *ioDoor, namespace string, o socketio.ClientOptions) *socketio.Client {
	t.Helper()
	c := labSocket(t, d, namespace, o)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// labSocket is labClient, not connected yet.
func labSocket(t *testing.T, d *ioDoor, namespace string, o socketio.ClientOptions) *socketio.Client {
	t.Helper()
	s := httptest.NewUnstartedServer(http.Handler(d))
	s.Listener = netutil.LimitListener(s.Listener, 100) // as the command does: its connections are not TCP's own
	s.Start()
	c := socketio.NewClient(s.URL+namespace, &o)
	t.Cleanup(func() {
		_ = c.Close()
		s.CloseClientConnections()
		s.Close()
	})
	return c
}

// labStage is a stage without a page.
func labStage(t *testing.T) *Stage {
	t.Helper()
	s := newStage(t.Context(), silent{}, nil)
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("the stage's close: %v", err)
		}
	})
	return s
}

// labAnswer plays a question, and holds what is said of the answer.
func labAnswer[A any](t *testing.T, question func(context.Context, A) (any, error), answer A, right bool) Verdict {
	t.Helper()
	v, err := question(t.Context(), answer)
	if err != nil {
		t.Fatal(err)
	}
	if v := v.(Verdict); v.Right != right || len(v.Rows) == 0 {
		t.Errorf("%+v: %+v", answer, v)
	}
	return v.(Verdict)
}

func TestFallbackLab(t *testing.T) {
	s := labStage(t)
	b := newFallbackBench(s)
	if _, err := b.question(t.Context(), lastAnswer{"noop"}); err == nil || !strings.Contains(err.Error(), "connect by polling first") {
		t.Errorf("nothing has happened yet: %v", err)
	}
	moved := make(chan error, 4)
	c := labSocket(t, b.ioDoor, "/", socketio.ClientOptions{NoReconnection: true})
	c.Manager().OnUpgrade(func(_ string, err error) { moved <- err })
	heard := make(chan string, 4)
	c.On("message", func(text string) { heard <- text })
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	if err := c.Emit("message", "hi"); err != nil {
		t.Fatal(err)
	}
	if text := <-heard; text != "you said: hi" {
		t.Errorf("heard %q", text)
	}
	right := 0
	for _, last := range []string{"ping", "message", "noop", "close"} {
		v, err := b.question(t.Context(), lastAnswer{last})
		if err == nil && v.(Verdict).Right {
			right++
		}
	}
	if right != 1 {
		t.Errorf("%d answers are right", right)
	}
	for _, way := range []string{"deaf", "refuses"} {
		if _, err := b.proxy(t.Context(), proxyWay{way}); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = labSocket(t, b.ioDoor, "/", socketio.ClientOptions{NoReconnection: true})
		c.Manager().OnUpgrade(func(_ string, err error) { moved <- err })
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-moved; err == nil || c.Engine().Transport() != "polling" {
			t.Errorf("%s: it has moved to %s", way, c.Engine().Transport())
		}
	}
}
