package trace_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func ExampleRecorder() {
	var r trace.Recorder
	tracer := trace.New(&r, trace.Message)
	id := tracer.NewID()
	tracer.Emit(id, trace.Open{Side: trace.Client, Network: "tcp", Remote: "127.0.0.1:9000"})
	tracer.Emit(id, trace.Data{Dir: trace.Out, Size: 5, Payload: []byte("hello")})
	tracer.Emit(id, trace.Close{Out: 5})

	for _, data := range trace.Events[trace.Data](r.Records()) {
		fmt.Printf("%s %d bytes: %s\n", data.Dir, data.Size, data.Payload)
	}
	// Output: out 5 bytes: hello
}

func ExampleJSON() {
	sink := trace.NewJSON(os.Stdout) // usually given to trace.New
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	sink.Record(trace.Record{Time: at, Conn: 1, Event: trace.HalfClose{Dir: trace.Out}})
	sink.Record(trace.Record{Time: at, Conn: 1, Event: trace.Data{Dir: trace.In, Size: 2, Payload: []byte("hi")}})
	// Output:
	// {"time":"2024-05-06T07:08:09.000000000Z","conn":1,"event":"half_close","level":"connection","dir":"out"}
	// {"time":"2024-05-06T07:08:09.000000000Z","conn":1,"event":"data","level":"message","dir":"in","size":2,"base64":"aGk=","text":"hi"}
}

func ExampleReadJSON() {
	file := strings.NewReader(`{"time":"2024-05-06T07:08:09.000000000Z","conn":1,"event":"half_close","level":"connection","dir":"out"}
{"time":"2024-05-06T07:08:09.1Z","conn":1,"event":"of_tomorrow","level":"frame","size":3}
`)
	for rec, err := range trace.ReadJSON(file) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		switch e := rec.Event.(type) {
		case trace.HalfClose:
			fmt.Println(rec.Conn, "ended", e.Dir)
		case trace.Unknown:
			fmt.Println(rec.Conn, e.Name(), string(e.Raw))
		}
	}
	// Output:
	// 1 ended out
	// 1 of_tomorrow {"size":3}
}
