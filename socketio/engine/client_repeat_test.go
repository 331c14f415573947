package engine

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// A poll whose connection breaks is not made again behind the session's back: the
// server may have answered it, and what it said then would be lost.
func TestPollIsNotRepeated(t *testing.T) {
	var polls atomic.Int32
	var chunked atomic.Bool
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sid") == "" {
			fmt.Fprint(w, `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
			return
		}
		if len(r.TransferEncoding) > 0 || r.ContentLength != 0 {
			chunked.Store(true)
		}
		polls.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer h.Close()
	in := newInbox()
	if _, err := (&Dialer{Transports: []string{"polling"}}).Dial(t.Context(), h.URL, in.events()); err != nil {
		t.Fatal(err)
	}
	in.await(t, "the end", func() bool { return in.closed != "" })
	if polls.Load() != 1 || chunked.Load() {
		t.Errorf("%d polls, with a body: %v", polls.Load(), chunked.Load())
	}
}
