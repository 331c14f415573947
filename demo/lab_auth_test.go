package demo

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

func TestAuthLab(t *testing.T) {
	s := labStage(t)
	b := newAuthBench(s)
	token := func(v string) socketio.ClientOptions {
		return socketio.ClientOptions{Auth: map[string]any{"token": v}, NoReconnection: true}
	}
	refused := func(o socketio.ClientOptions, namespace, want string) {
		t.Helper()
		if err := labSocket(t, b.ioDoor, namespace, o).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %v: %v, want %q", namespace, o.Auth, err, want)
		}
	}
	ann := labClient(t, b.ioDoor, "/", token(annsToken))
	labAsks(t, ann, "who am I?", nil, "Ann")
	if _, err := ann.Timeout(10*time.Millisecond).EmitWithAck(t.Context(), "delete everything"); !errors.Is(err, socketio.ErrTimeout) {
		t.Errorf("Ann deletes everything: %v", err)
	}
	noted(t, s, "an event is dropped")
	if _, err := b.question(t.Context(), refusedAnswer{"both"}); err == nil || !strings.Contains(err.Error(), "no middleware") {
		t.Errorf("nobody was refused: %v", err)
	}
	refused(token("abracadabra"), "/", "Authentication error")
	refused(token(annsToken), "/admin", "not authorized")
	gandalf := labClient(t, b.ioDoor, "/admin", token(gandalfs))
	labAsks(t, gandalf, "delete everything", nil, "all gone")
	if _, err := b.question(t.Context(), refusedAnswer{"both"}); err == nil || !strings.Contains(err.Error(), "allowRequest has refused nobody") {
		t.Errorf("no request was refused: %v", err)
	}
	if _, err := b.tickets(t.Context(), switched{"yes"}); err != nil {
		t.Fatal(err)
	}
	byWebSocket := token(annsToken)
	byWebSocket.Transports = []string{"websocket"}
	refused(byWebSocket, "/", "400")
	came, went := heads(b.records(), "server", trace.In), heads(b.records(), "server", trace.Out)
	request, answer := came[len(came)-1], went[len(went)-1]
	if !strings.Contains(request.Line, "transport=websocket") || !strings.Contains(answer.Line, "400") {
		t.Errorf("of the refused WebSocket the timeline has %q and %q", request.Line, answer.Line)
	}
	labAnswer(t, b.question, refusedAnswer{"middleware"}, true)
	refused(token(annsToken), "/", "no ticket")
	withTicket := token(annsToken)
	withTicket.Query = url.Values{"ticket": {theTicket}}
	labClient(t, b.ioDoor, "/", withTicket)
	labAnswer(t, b.question, refusedAnswer{"middleware"}, true)
	labAnswer(t, b.question, refusedAnswer{"both"}, false)
	if _, err := b.revoke(t.Context(), switched{"yes"}); err != nil {
		t.Fatal(err)
	}
	labAsks(t, ann, "who am I?", nil, "Ann")
	refused(withTicket, "/", "Authentication error")
}
