package trace_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestLevelString(t *testing.T) {
	for level, want := range map[trace.Level]string{
		trace.Off: "off", trace.Connection: "connection", trace.Message: "message",
		trace.Frame: "frame", trace.Byte: "byte", 9: "level(9)",
	} {
		if got := level.String(); got != want {
			t.Errorf("level %d is %q, want %q", uint8(level), got, want)
		}
	}
}

func TestDirText(t *testing.T) {
	for dir, want := range map[trace.Dir]string{trace.None: `""`, trace.In: `"in"`, trace.Out: `"out"`} {
		text, err := json.Marshal(dir)
		if err != nil || string(text) != want {
			t.Errorf("%d is %s in JSON (%v), want %s", dir, text, err, want)
		}
		back := trace.Dir(77)
		if err := json.Unmarshal(text, &back); err != nil || back != dir {
			t.Errorf("%s is read as %d (%v), want %d", text, back, err, dir)
		}
	}
	var dir trace.Dir
	if err := json.Unmarshal([]byte(`"up"`), &dir); err == nil {
		t.Errorf("\"up\" is read as %v", dir)
	}
}

func TestNilTracer(t *testing.T) {
	var tracer *trace.Tracer
	tracer.Emit(1, trace.Note{Text: "nobody listens"})
	switch {
	case tracer.On(trace.Connection):
		t.Error("a nil tracer is on")
	case tracer.NewID() != 0:
		t.Error("a nil tracer gives numbers")
	case tracer.View(&trace.Recorder{}, trace.Byte) != nil:
		t.Error("a nil tracer has a view")
	}
}

func TestTracerLevel(t *testing.T) {
	for level := trace.Off; level <= trace.Byte; level++ {
		var r trace.Recorder
		tracer := trace.New(&r, level)
		want := 0
		for _, e := range trace.AllEvents() {
			tracer.Emit(1, e)
			if e.Level() <= level {
				want++
			}
			if tracer.On(e.Level()) != (e.Level() <= level) {
				t.Errorf("at level %v, On(%v) is wrong", level, e.Level())
			}
		}
		if got := len(r.Records()); got != want {
			t.Errorf("level %v: %d records, want %d", level, got, want)
		}
	}
}

func TestTracerEmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r trace.Recorder
		now := time.Now()
		trace.New(&r, trace.Byte).Emit(5, trace.Note{Text: "n"})
		got := r.Records()[0]
		if !got.Time.Equal(now) || got.Conn != 5 || got.Event != (trace.Note{Text: "n"}) {
			t.Errorf("recorded %+v", got)
		}
	})
}

func TestViewSharesNumbers(t *testing.T) {
	var a, b trace.Recorder
	tracer := trace.New(&a, trace.Connection)
	view := tracer.View(&b, trace.Byte)
	deeper := view.View(&b, trace.Byte)
	got := []trace.ID{tracer.NewID(), view.NewID(), deeper.NewID(), tracer.NewID()}
	if !slices.Equal(got, []trace.ID{1, 2, 3, 4}) {
		t.Errorf("numbers %d, want 1 to 4", got)
	}
	view.Emit(1, trace.Bytes{})
	if len(a.Records()) != 0 || len(b.Records()) != 1 {
		t.Error("a view's record did not go to its own sink")
	}
}

func TestTee(t *testing.T) {
	var low, high trace.Recorder
	tee := trace.Tee{{Sink: &low, Level: trace.Connection}, {Sink: &high, Level: trace.Byte}}
	if got := tee.Level(); got != trace.Byte {
		t.Errorf("level %v, want byte", got)
	}
	tracer := trace.New(tee, tee.Level())
	tracer.Emit(1, trace.Open{})
	tracer.Emit(1, trace.Bytes{})
	if len(low.Records()) != 1 || len(high.Records()) != 2 {
		t.Errorf("%d and %d records, want 1 and 2", len(low.Records()), len(high.Records()))
	}
	if got := (trace.Tee{}).Level(); got != trace.Off {
		t.Errorf("an empty tee wants level %v", got)
	}
}

// report is how every package reports a message.
func report(t *trace.Tracer, p []byte) {
	if t.On(trace.Message) {
		t.Emit(1, trace.Data{Dir: trace.Out, Size: len(p), Payload: p})
	}
}

// discard is a sink that keeps nothing.
type discard struct{}

func (discard) Record(trace.Record) {}

// unwanted are the tracers under which a message must cost nothing.
func unwanted() map[string]*trace.Tracer {
	return map[string]*trace.Tracer{
		"nil":        nil,
		"off":        trace.New(discard{}, trace.Off),
		"connection": trace.New(discard{}, trace.Connection),
	}
}

// TestNoTracerNoAllocation holds the promise that no trace costs no allocation.
func TestNoTracerNoAllocation(t *testing.T) {
	payload := make([]byte, 64)
	for name, tracer := range unwanted() {
		if n := testing.AllocsPerRun(1000, func() { report(tracer, payload) }); n != 0 {
			t.Errorf("%s: %v allocations a message, want 0", name, n)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	payload := make([]byte, 64)
	tracers := unwanted()
	tracers["message"] = trace.New(discard{}, trace.Message)
	for name, tracer := range tracers {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				report(tracer, payload)
			}
		})
	}
}

func ExampleTracer() {
	var r trace.Recorder
	tracer := trace.New(&r, trace.Message)
	id := tracer.NewID()
	tracer.Emit(id, trace.Open{Side: trace.Client, Network: "tcp"})
	if tracer.On(trace.Byte) { // not built, for nobody wants it
		tracer.Emit(id, trace.Bytes{Dir: trace.Out, Payload: []byte("hello")})
	}
	for _, rec := range r.Records() {
		fmt.Println(rec.Conn, rec.Event.Name(), rec.Event.Level())
	}
	// Output: 1 open connection
}
