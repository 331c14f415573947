package demo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

func TestEventsLab(t *testing.T) {
	s := labStage(t)
	b := newEventsBench(s)
	if _, err := b.question(t.Context(), piecesAnswer{2}); err == nil || !strings.Contains(err.Error(), "upload some") {
		t.Errorf("nothing has happened yet: %v", err)
	}
	c := labClient(t, b.ioDoor, "/", socketio.ClientOptions{Transports: []string{"websocket"}})
	answer, err := c.EmitWithAck(t.Context(), "add", 2, 3)
	if sum := string(answer.JSON(0)); err != nil || sum != "5" {
		t.Errorf("2 and 3 are %s, %v", sum, err)
	}
	for name, event := range map[string][]any{"wrong": {"add", "two", 3}, "unknown": {"nonsense"}, "silent": {"silent"}} {
		if _, err := c.Timeout(10*time.Millisecond).EmitWithAck(t.Context(), event[0].(string), event[1:]...); !errors.Is(err, socketio.ErrTimeout) {
			t.Errorf("%s: %v", name, err)
		}
	}
	noted(t, s, `the event "add": argument 1`)
	noted(t, s, `nobody listens for "nonsense"`)
	for pieces, bytes := range map[int][]any{2: {"face", []byte{1}}, 3: {"face", []byte{1}, []byte{2}}} {
		if _, err := c.EmitWithAck(t.Context(), "upload", bytes...); err != nil {
			t.Fatal(err)
		}
		labAnswer(t, b.question, piecesAnswer{pieces}, true)
		labAnswer(t, b.question, piecesAnswer{1}, false)
	}
	said, err := b.ask(t.Context(), asked{c.ID(), 0.01})
	if err != nil || !strings.Contains(said.(string), "no answer") {
		t.Errorf("said %v, %v", said, err)
	}
	c.On("what is your name?", func(ack func(string)) { ack("Ann") })
	said, err = b.ask(t.Context(), asked{c.ID(), 10})
	if err != nil || !strings.Contains(said.(string), `["Ann"]`) {
		t.Errorf("said %v, %v", said, err)
	}
}

// noted waits for a note with those words.
func noted(t *testing.T, s *Stage, words string) {
	t.Helper()
	err := s.Await("the note "+words, func(list []entry) bool {
		for _, e := range list {
			if n, ok := e.Event.(trace.Note); ok && strings.Contains(n.Text, words) {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Error(err)
	}
}
