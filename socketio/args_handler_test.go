package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type ctxKey struct{}

func TestHandlers(t *testing.T) {
	var log []string
	note := func(args ...any) { log = append(log, fmt.Sprintf("%v", args)) }
	cases := []struct {
		fn    any
		args  string
		want  string
		acked string
	}{
		{func() { note() }, `["extra"]`, `[]`, ``},
		{func(s string) { note(s) }, `["a","b"]`, `[a]`, ``},
		{func(s string) { note(s) }, `[]`, `[]`, ``},
		{func(s string) { note(s) }, `[null]`, `[]`, ``},
		{func(b []byte) { note(b) }, `[` + place("0") + `]`, `[[1 2]]`, ``},
		{func(b []byte) { note(b == nil) }, `[]`, `[true]`, ``},
		{func(v any) { note(v) }, `[{"a":` + place("0") + `}]`, `[map[a:[1 2]]]`, ``},
		{func(v any) { note(v) }, `[]`, `[<nil>]`, ``},
		{func(r json.RawMessage) { note(string(r)) }, `[ {"a": 1} ]`, `[{"a": 1}]`, ``},
		{func(s string, ack func(string)) { note(s); ack("ok"); ack("again") }, `["a"]`, `[a]`, `["ok"]`},
		{func(v any, ack func(any)) { ack(v) }, `[[1]]`, ``, `[[1]]`},
		{func(r json.RawMessage, ack func(json.RawMessage)) { ack(r) }, `[[1]]`, ``, `[[1]]`},
		{func(v ...any) { note(v...) }, `[1,"a",` + place("0") + `]`, `[1 a [1 2]]`, ``},
		{func(v ...json.RawMessage) { note(len(v), string(v[1])) }, `[1,"a"]`, `[2 "a"]`, ``},
		{func(a int, v ...string) { note(a, v) }, `[1,"a","b"]`, `[1 [a b]]`, ``},
		{func(a int, ack func(...any), v ...string) { note(a, v); ack(1, "x") }, `[1,"a","b"]`, `[1 [a b]]`, `[1,"x"]`},
		{func(ack func(...any), v ...any) { ack(v...) }, `[1,null]`, ``, `[1,null]`},
		{func(ctx context.Context) { note(ctx.Value(ctxKey{})) }, `[]`, `[value]`, ``},
		{func(ctx context.Context, a []int, ack func(int, []byte)) {
			note(ctx.Value(ctxKey{}))
			ack(len(a), []byte{9})
		}, `[[1,2]]`, `[value]`, `[2,` + place("0") + `]`},
		{func(a *inner, b map[string]any) { note(a.B, b) }, `[{"B":5},{"x":1}]`, `[5 map[x:1]]`, ``},
		{func(a *inner) { note(a == nil) }, `[]`, `[true]`, ``},
		{func(ack func(string, ...int)) { ack("a", 1, 2) }, `[]`, ``, `["a",1,2]`},
		{func(ack func()) { ack(); ack() }, `["dropped"]`, ``, `[]`},
		{func(n json.Number, r ring) { note(n, r.Next != nil) }, `[1e2,{"Next":{}}]`, `[1e2 true]`, ``},
	}
	ctx := context.WithValue(context.Background(), ctxKey{}, "value")
	for _, c := range cases {
		h, err := newHandler(c.fn)
		if err != nil {
			t.Errorf("%T: %v", c.fn, err)
			continue
		}
		log = nil
		var acked []string
		ack := func(args ...any) error {
			data, _, err := encodeArgs(args...)
			acked = append(acked, string(data))
			return err
		}
		if err := h.call(ctx, splitArray(nil, []byte(c.args)), [][]byte{{1, 2}}, newAcknowledgement(ack)); err != nil {
			t.Errorf("%T: %v", c.fn, err)
		}
		if got := strings.Join(log, " "); got != c.want {
			t.Errorf("%T with %s: got %s, want %s", c.fn, c.args, got, c.want)
		}
		if got := strings.Join(acked, " "); got != c.acked {
			t.Errorf("%T with %s: acknowledged %s, want %s", c.fn, c.args, got, c.acked)
		}
		// Nobody asked: the function may acknowledge all the same.
		if err := h.call(ctx, splitArray(nil, []byte(c.args)), [][]byte{{1, 2}}, nil); err != nil {
			t.Errorf("%T without an acknowledgement: %v", c.fn, err)
		}
	}
}

func TestHandlerWrongType(t *testing.T) {
	never := func() { t.Error("called with a wrong argument") }
	cases := []struct {
		fn   any
		args string
		want string
	}{
		{func(string) { never() }, `[1]`, "argument 1: got number, want string"},
		{func([]byte) { never() }, `["x"]`, "argument 1: got string, want binary"},
		{func(string, func(string)) { never() }, `[{}]`, "argument 1: got object, want string"},
		{func(string, int) { never() }, `["x","y"]`, "argument 2: got string, want int"},
		{func(string, ...int) { never() }, `["x",1,2,"y"]`, "argument 4: got string, want int"},
		{func(any) { never() }, `[` + place("5") + `]`, "illegal attachments"},
		{func(...any) { never() }, `[` + place("5") + `]`, "illegal attachments"},
	}
	for _, c := range cases {
		h, err := newHandler(c.fn)
		if err != nil {
			t.Fatal(err)
		}
		err = h.call(context.Background(), splitArray(nil, []byte(c.args)), [][]byte{{1}}, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%T with %s: got %v, want %s", c.fn, c.args, err, c.want)
		}
	}
}

func TestHandlerRefused(t *testing.T) {
	var none func(string)
	for _, fn := range []any{
		nil, 1, none, func() error { return nil }, func(error) {}, func(chan int) {}, func(string, func() int) {},
		func(func(), string) {}, func(string, context.Context) {}, func(...func()) {}, func(*complex128) {}, func(fmt.Stringer) {},
	} {
		if _, err := newHandler(fn); err == nil {
			t.Errorf("%T was accepted", fn)
		}
	}
}

func TestHandlerAckError(t *testing.T) {
	h, err := newHandler(func(ack func(any)) { ack(make(chan int)); ack("late") })
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	err = h.call(context.Background(), nil, nil, newAcknowledgement(func(...any) error { calls++; return errors.New("no") }))
	if err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestHandlerAllocs holds that the common handlers are called without reflection.
func TestHandlerAllocs(t *testing.T) {
	args := splitArray(nil, []byte(`["hello",2]`))
	binary := splitArray(nil, []byte(`[`+place("0")+`]`))
	attachments := [][]byte{{1}}
	ack := newAcknowledgement(func(...any) error { return nil })
	cases := []struct {
		fn   any
		args []json.RawMessage
		want float64
	}{
		{func() {}, args, 0},
		{func(json.RawMessage) {}, args, 0},
		{func(string) {}, args, 1},
		{func([]byte) {}, binary, 0},
		{func(any) {}, args, 2},
		{func(string, func(string)) {}, args, 4},
		{func(string, int) {}, args, 8},
	}
	for _, c := range cases {
		h, err := newHandler(c.fn)
		if err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(200, func() {
			ack.sent.Store(false)
			if err := h.call(context.Background(), c.args, attachments, ack); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%v: %v allocations", reflect.TypeOf(c.fn), n)
		if n > c.want {
			t.Errorf("%v: %v allocations, want at most %v", reflect.TypeOf(c.fn), n, c.want)
		}
	}
}
