package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// sioArguments are arguments of every kind, as the lines of JSON have them.
var sioArguments = []string{
	`[]`, `[null]`, `[true,false]`, `[""]`, `["plain"]`, `["grüße ☃ 🎉"]`,
	`["\"quoted\\\\ \u0000\u001e\u001f\n\u2028\u2029<script>&"]`, `["b64"]`, `["2probe"]`, `["]"]`, `["/chat,"]`,
	`[0,1,-1,1.5,-2.25e-7,4294967296,9007199254740991,-9007199254740991,1e21,5e-324,1.7976931348623157e308]`,
	`[[],[[]],[1,[2,[3,["x"]]]],{}]`,
	`[{"a":1,"b":{"c":[null,true]},"":"empty","__proto__":{"x":1},"toString":2}]`,
	`["several",2,{"x":[1]},null,["y"],false]`,
	`[{"_placeholder":true,"num":0}]`,
	`[{"_base64":"AAECAwQFBgcICQoLDA0ODw=="}]`,
	`[{"_base64":""}]`,
	`["text first",{"_base64":"AP8="},2,{"_base64":"Hg=="}]`,
	`[[{"_base64":"AQ=="},[{"_base64":"Ag=="}]],{"deep":{"er":[0,{"x":{"_base64":"Aw=="},"y":"text"}]}}]`,
	`[{"_base64":"AQ=="},{"_base64":"Ag=="},{"_base64":"Aw=="},{"_base64":"BA=="},{"_base64":"BQ=="},` +
		`{"_base64":"Bg=="},{"_base64":"Bw=="},{"_base64":"CA=="},{"_base64":"CQ=="},{"_base64":"Cg=="}]`,
	`["` + strings.Repeat("0123456789abcdef☃", 20000) + `"]`,
	`[{"_base64":"` + strings.Repeat("AAECAwQFBgcICQoLDA0O", 20000) + `"}]`,
	`[` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `]`,
}

// sioOddArguments are what JSON has no word for, and how it arrives.
var sioOddArguments = [][2]string{
	{`[{"_js":"undefined"}]`, `[null]`},
	{`[[{"_js":"undefined"},1],{"a":{"_js":"undefined"},"b":1}]`, `[[null,1],{"b":1}]`},
	{`[{"_js":"NaN"},{"_js":"-0"},{"_js":"Infinity"}]`, `[null,0,null]`},
	{`[{"_js":"new Date(0)"}]`, `["1970-01-01T00:00:00.000Z"]`},
	{`[{"_js":"({toJSON:()=>({a:new Uint8Array([7])})})"}]`, `[{"a":{"_base64":"Bw=="}}]`},
	{`[{"_js":"new Uint8Array([1,2,3,4]).subarray(1,3)"}]`, `[{"_base64":"AgM="}]`},
	{`[{"_js":"new Uint8Array([1,2]).buffer"}]`, `[{"_base64":"AQI="}]`},
	{`[{"_js":"new Float32Array([1])"}]`, `[{"_base64":"AACAPw=="}]`},
	{`[{"_js":"(()=>{const b=new Uint8Array([9]);return {a:b,b:b}})()"}]`, `[{"a":{"_base64":"CQ=="},"b":{"_base64":"CQ=="}}]`},
}

// What a client sends arrives as it was, and comes back as it was.
func (r *sioRun) arguments(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	s := h.joined(t)
	for _, args := range sioArguments {
		c.emit("echo", args)
		sioWant(t, h.next(t, s.ID(), "event"), "echo", args)
		c.nextEvent("echo", args)
	}
	for _, pair := range sioOddArguments {
		c.emit("odd", pair[0])
		sioWant(t, h.next(t, s.ID(), "event"), "odd", pair[1])
	}
	for _, args := range sioArguments {
		if err := s.Emit("values", sioOurs(t, args)...); err != nil {
			t.Fatal(err)
		}
		c.nextEvent("values", args)
	}
}

// sioUser is a type of a handler's.
type sioUser struct {
	Name   string            `json:"name"`
	Age    int               `json:"age,omitempty"`
	Avatar []byte            `json:"avatar"`
	Tags   []string          `json:"tags"`
	Extra  map[string]any    `json:"extra"`
	Blobs  map[string][]byte `json:"blobs"`
}

// Handlers are plain functions: what is missing is a zero value, what is too
// much is dropped, and binary values stand anywhere in their types.
func (r *sioRun) handlers(t *testing.T) {
	h := r.serve(t, &socketio.ServerOptions{OnHandlerError: func(*socketio.Socket, string, error) {}})
	h.OnConnection(func(s *socketio.Socket) {
		s.On("typed", func(name string, n int, data []byte, list []float64) {
			_ = s.Emit("typed", name, n, data, list)
		})
		s.On("user", func(u sioUser, ack func(sioUser)) { u.Age++; ack(u) })
		s.On("rest", func(first string, more ...any) { _ = s.Emit("rest", first, len(more), more) })
		s.OnError(func(err error) { h.report(sioSaw{Saw: "error", Of: "handler", Message: err.Error()}) })
	})
	c := r.dial(t, h, "/", nil)
	s := h.joined(t)
	for args, want := range map[string]string{
		`[]`: `["",0,null,null]`, `["a",1]`: `["a",1,null,null]`,
		`["a",1,{"_base64":"AQ=="},[1,2.5],"more",7]`: `["a",1,{"_base64":"AQ=="},[1,2.5]]`,
	} {
		c.emit("typed", args)
		c.nextEvent("typed", want)
	}
	user := `[{"name":"Ann","age":%d,"avatar":{"_base64":"AQI="},"tags":["x"],"extra":{"k":[1,{"_base64":"Aw=="}]},"blobs":{"b":{"_base64":"BA=="}}}]`
	c.do(sioAct{Do: "emit", Event: "user", Ack: true, Args: sioList(t, fmt.Sprintf(user, 41))})
	c.nextAck("user", fmt.Sprintf(user, 42))
	c.emit("rest", `["a",{"_base64":"AQ=="},[null]]`)
	c.nextEvent("rest", `["a",2,[{"_base64":"AQ=="},[null]]]`)
	c.emit("typed", `["a","not a number"]`)
	if got := h.next(t, "handler", "error"); got.Message != "argument 2: got string, want int" {
		t.Errorf("the handler's error is %q", got.Message)
	}
	if !s.Connected() {
		t.Error("a wrong type has ended the connection")
	}
}

// In a page a Blob is binary, too.
func (r *sioRun) blobs(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	s := h.joined(t)
	for _, js := range []string{`new Blob([new Uint8Array([1,2])])`, `new File([new Uint8Array([1,2])], "name")`} {
		c.do(sioAct{Do: "emit", Event: "blob", Args: []any{"x", map[string]any{"in": map[string]any{"_js": js}}}, Ack: true})
		sioWant(t, h.next(t, s.ID(), "event"), "blob", `["x",{"in":{"_base64":"AQI="}}]`)
		c.nextAck("blob", `["x",{"in":{"_base64":"AQI="}}]`)
	}
}
