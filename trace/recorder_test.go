package trace_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sockkit/sockkit/trace"
)

// TestRecorderKeepsCopies checks every event that borrows its payload.
func TestRecorderKeepsCopies(t *testing.T) {
	payload := []byte("abc")
	var r trace.Recorder
	tracer := trace.New(&r, trace.Byte)
	tracer.Emit(1, trace.Data{Payload: payload})
	tracer.Emit(1, trace.Datagram{Payload: payload})
	tracer.Emit(1, trace.Bytes{Payload: payload})
	copy(payload, "xyz")
	records := r.Records()
	kept := []string{
		string(trace.Events[trace.Data](records)[0].Payload),
		string(trace.Events[trace.Datagram](records)[0].Payload),
		string(trace.Events[trace.Bytes](records)[0].Payload),
	}
	for i, got := range kept {
		if got != "abc" {
			t.Errorf("payload %d became %q", i, got)
		}
	}
}

// TestClonersAreAll checks that each event with a payload can be cloned.
func TestClonersAreAll(t *testing.T) {
	for _, e := range trace.AllEvents() {
		_, clones := e.(trace.Cloner)
		if _, borrows := payloadOf(e); borrows != clones {
			t.Errorf("%s: it borrows bytes: %v, it can be cloned: %v", e.Name(), borrows, clones)
		}
	}
}

func TestRecorderRecordsIsCopy(t *testing.T) {
	var r trace.Recorder
	r.Record(trace.Record{Event: trace.Note{Text: "a"}})
	r.Records()[0].Event = nil
	if r.Records()[0].Event == nil {
		t.Error("a caller changed what was recorded")
	}
}

func TestRecorderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r trace.Recorder
		two := func(records []trace.Record) bool { return len(records) >= 2 }
		waited := make(chan bool)
		go func() { waited <- r.Wait(t.Context().Done(), two) }()
		for range 2 {
			synctest.Wait() // it waits now
			select {
			case <-waited:
				t.Fatal("Wait came back too early")
			default:
			}
			r.Record(trace.Record{Event: trace.Note{}})
		}
		if !<-waited {
			t.Error("Wait gave up")
		}
	})
}

func TestRecorderWaitGivesUp(t *testing.T) {
	var r trace.Recorder
	done := make(chan struct{})
	close(done)
	if r.Wait(done, func([]trace.Record) bool { return false }) {
		t.Error("Wait found what is not there")
	}
}

func TestRecorderConcurrent(t *testing.T) {
	var r trace.Recorder
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { r.Record(trace.Record{Event: trace.Note{}}) })
		all.Go(func() {
			r.Wait(t.Context().Done(), func(records []trace.Record) bool { return len(records) == 8 })
		})
	}
	all.Wait()
	if n := len(trace.Events[trace.Note](r.Records())); n != 8 {
		t.Errorf("%d records, want 8", n)
	}
}
