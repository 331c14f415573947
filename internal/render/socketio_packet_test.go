package render

import (
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

func TestSocketIOPacket(t *testing.T) {
	for _, c := range []struct {
		e    trace.Event
		want string
	}{
		{
			trace.SIOPacket{Dir: trace.In, Namespace: "/", Type: "EVENT", EventName: "chat", AckID: "7", Size: 13, Payload: []byte(`["chat","hi"]`)},
			"< Socket.IO EVENT \"chat\", acknowledgement 7, 13 bytes \"[\\\"chat\\\",\\\"hi\\\"]\"\n",
		},
		{
			trace.SIOPacket{Dir: trace.Out, Namespace: "/admin", Type: "ACK", AckID: "7", Attachments: 1, Size: 2, Payload: []byte(`[]`)},
			"> Socket.IO ACK in /admin, acknowledgement 7, 1 attachment, 2 bytes \"[]\"\n",
		},
		{
			trace.SIOPacket{Dir: trace.In, Namespace: "/", Type: "CONNECT", Size: 15, Payload: []byte(`{"token":"abc"}`)},
			"< Socket.IO CONNECT, 15 bytes \"{\\\"token\\\":\\\"***\\\"}\"\n",
		},
		{
			trace.EIOPacket{Dir: trace.In, Transport: "polling", Type: "message", Size: 15, Payload: []byte(`0/a,{"token":"abc"}`)},
			"< Engine.IO message, 15 bytes by polling \"0/a,{\\\"token\\\":\\\"***\\\"}\"\n",
		},
	} {
		var b strings.Builder
		(&Text{W: &b}).Record(trace.Record{Event: c.e})
		if b.String() != c.want {
			t.Errorf("%#v:\n%swant\n%s", c.e, b.String(), c.want)
		}
	}
}

func TestMaskConnect(t *testing.T) {
	for in, want := range map[string]string{
		`40{"token":"secret"}`:          `40{"token":"***"}`,
		`40/admin,{"token":"a","b":1}`:  `40/admin,{"b":"***","token":"***"}`,
		`40{"sid":"x","pid":"secret"}`:  `40{"pid":"***","sid":"x"}`,
		`40{broken`:                     `40***`,
		`42["event",{"token":"shown"}]`: `42["event",{"token":"shown"}]`,
		`40`:                            `40`,
	} {
		e := maskEvent(trace.WSMessage{Type: "text", Payload: []byte(in)}).(trace.WSMessage)
		if string(e.Payload) != want {
			t.Errorf("%s is shown as %s, want %s", in, e.Payload, want)
		}
	}
}
