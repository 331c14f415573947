package trace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// payloadOf returns the payload of an event, if it has one.
func payloadOf(e trace.Event) ([]byte, bool) {
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("json") == "base64" {
			return v.Field(i).Bytes(), true
		}
	}
	return nil, false
}

// filled returns e with a value in each field, made from seed.
func filled(e trace.Event, seed int) trace.Event {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	fill(v, &seed)
	return v.Interface().(trace.Event)
}

// fill sets v, and all within it, to values that differ.
func fill(v reflect.Value, seed *int) {
	*seed++
	switch v.Interface().(type) {
	case trace.Dir:
		v.Set(reflect.ValueOf(trace.Out))
		return
	case time.Time:
		v.Set(reflect.ValueOf(start.Add(time.Duration(*seed) * time.Hour)))
		return
	case []byte:
		v.SetBytes([]byte{byte(*seed), 0xff, 0})
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Repeat("é<&\u2028\"\n", *seed))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*seed) << 40)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), seed)
		fill(v.Index(1), seed)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), seed)
		}
	default:
		panic("no value for a field of type " + v.Type().String())
	}
}

// jsonLines returns what a sink writes of records.
func jsonLines(t *testing.T, records ...trace.Record) string {
	t.Helper()
	var out bytes.Buffer
	j := trace.NewJSON(&out)
	j.Secrets = true
	for _, r := range records {
		j.Record(r)
	}
	if err := j.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// readAll returns the records of JSON lines, and fails the test on an error.
func readAll(t *testing.T, lines string) []trace.Record {
	t.Helper()
	var records []trace.Record
	for r, err := range trace.ReadJSON(strings.NewReader(lines)) {
		if err != nil {
			t.Fatalf("%v\n%s", err, lines)
		}
		records = append(records, r)
	}
	return records
}

func TestJSONRoundTrip(t *testing.T) {
	var want []trace.Record
	for i, e := range trace.AllEvents() {
		want = append(want, trace.Record{Time: start, Conn: trace.ID(i), Event: filled(e, i)})
	}
	want = append(want, trace.Record{Time: start, Event: trace.Unknown{EventName: "x\"y", EventLevel: trace.Frame, Raw: []byte(`{"a":[1e400,null],"text":"<"}`)}})
	got := readAll(t, jsonLines(t, want...))
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("read\n%+v, written\n%+v", got[i], want[i])
		}
	}
}

// TestJSONZeroEvents reads back events without any value.
func TestJSONZeroEvents(t *testing.T) {
	for _, e := range trace.AllEvents() {
		got := readAll(t, jsonLines(t, trace.Record{Time: start, Event: e}))
		payload, carries := payloadOf(got[0].Event)
		if carries && payload == nil {
			t.Errorf("%s: an empty payload came back as nil", e.Name())
		}
		if !carries && !reflect.DeepEqual(got[0].Event, e) {
			t.Errorf("read %+v, written %+v", got[0].Event, e)
		}
	}
}

func TestJSONLines(t *testing.T) {
	const head = `{"time":"2024-05-06T07:08:09.123456789Z",`
	zone := time.FixedZone("", 2*60*60)
	for name, test := range map[string]struct {
		record trace.Record
		want   string
	}{
		"connection": {
			trace.Record{Time: start, Conn: 7, Event: trace.Note{Text: "a<b>&c"}},
			head + `"conn":7,"event":"note","level":"connection","text":"a<b>&c"}`,
		},
		"no connection, other zone": {
			trace.Record{Time: start.In(zone), Event: trace.HalfClose{Dir: trace.In}},
			head + `"event":"half_close","level":"connection","dir":"in"}`,
		},
		"whole second": {
			trace.Record{Time: start.Truncate(time.Second), Event: trace.HalfClose{}},
			`{"time":"2024-05-06T07:08:09.000000000Z","event":"half_close","level":"connection","dir":""}`,
		},
		"text": {
			trace.Record{Time: start, Event: trace.Bytes{Dir: trace.Out, Size: 3, Payload: []byte("é\n")}},
			head + `"event":"bytes","level":"byte","dir":"out","size":3,"base64":"w6kK","text":"é\n"}`,
		},
		"no text": {
			trace.Record{Time: start, Event: trace.Bytes{Dir: trace.Out, Size: 1, Payload: []byte{0xff}}},
			head + `"event":"bytes","level":"byte","dir":"out","size":1,"base64":"/w=="}`,
		},
		"empty payload": {
			trace.Record{Time: start, Event: trace.Data{Dir: trace.Out, Payload: []byte{}}},
			head + `"event":"data","level":"message","dir":"out","size":0,"base64":"","text":""}`,
		},
		"nil payload": {
			trace.Record{Time: start, Event: trace.Data{Dir: trace.Out}},
			head + `"event":"data","level":"message","dir":"out","size":0,"base64":"","text":""}`,
		},
		"pointer": {
			trace.Record{Time: start, Event: &trace.Data{Dir: trace.Out}},
			head + `"event":"data","level":"message","dir":"out","size":0,"base64":"","text":""}`,
		},
		"nanoseconds": {
			trace.Record{Time: start, Event: trace.Close{In: 1, Out: 2, Duration: 1500 * time.Millisecond}},
			head + `"event":"close","level":"connection","in":1,"out":2,"duration_ns":1500000000}`,
		},
		"invalid UTF-8": {
			trace.Record{Time: start, Event: trace.Note{Text: "a\xffb\x1b\x00"}},
			head + `"event":"note","level":"connection","text":"a\ufffdb\u001b\u0000"}`,
		},
		"no fields": {
			trace.Record{Time: start, Event: trace.Unknown{EventName: "new"}},
			head + `"event":"new","level":"off"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := jsonLines(t, test.record); got != test.want+"\n" {
				t.Errorf("line\n%swant\n%s", got, test.want)
			}
		})
	}
}

func TestJSONSecrets(t *testing.T) {
	var out bytes.Buffer
	j := trace.NewJSON(&out)
	for _, e := range []trace.Event{trace.Secret{Line: "hidden"}, &trace.Secret{Line: "hidden"}} {
		j.Record(trace.Record{Time: start, Event: e})
	}
	if out.Len() != 0 {
		t.Errorf("a secret was written: %s", out.String())
	}
	if got := jsonLines(t, trace.Record{Time: start, Event: trace.Secret{Line: "shown"}}); !strings.Contains(got, `"line":"shown"`) {
		t.Errorf("with Secrets: %s", got)
	}
}

// counted counts writes and keeps each.
type counted struct {
	writes []string
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

// TestJSONConcurrent checks that each record is one write of one line. The
// writer has no lock: the race detector would tell.
func TestJSONConcurrent(t *testing.T) {
	var out counted
	j := trace.NewJSON(&out)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			j.Record(trace.Record{Time: start, Conn: trace.ID(i), Event: trace.Data{Payload: bytes.Repeat([]byte("x"), i*1000)}})
		})
	}
	all.Wait()
	if len(out.writes) != 50 {
		t.Errorf("%d writes, want 50", len(out.writes))
	}
	for _, line := range out.writes {
		readAll(t, line)
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("a write is not a line: %.80q", line)
		}
	}
}

// unfit is an event without a proper JSON form.
type unfit struct{ trace.Note }

func (unfit) Name() string                 { return "unfit" }
func (unfit) MarshalJSON() ([]byte, error) { return []byte(`"text"`), nil }

func TestJSONErrors(t *testing.T) {
	w := &failing{n: 1}
	j := trace.NewJSON(w)
	j.Record(trace.Record{})
	j.Record(trace.Record{Time: start, Event: unfit{}})
	first := j.Err()
	if first == nil || !strings.Contains(first.Error(), `"unfit"`) {
		t.Errorf("an event that is no object: %v", first)
	}
	j = trace.NewJSON(w)
	for range 3 {
		j.Record(trace.Record{Time: start, Event: trace.Note{}})
	}
	if !errors.Is(j.Err(), errDisk) {
		t.Errorf("Err: %v", j.Err())
	}
	if w.writes != 2 {
		t.Errorf("%d writes, want none after the failed one", w.writes)
	}
}

// custom is an event of another package.
type custom struct {
	Opcode  string `json:"opcode"`
	Payload []byte `json:"base64"`
}

func (custom) Name() string       { return "ws_message" }
func (custom) Level() trace.Level { return trace.Message }

func TestJSONOtherPackages(t *testing.T) {
	want := custom{"text", []byte("hi")}
	line := jsonLines(t, trace.Record{Time: start, Event: want})
	if !strings.HasSuffix(line, `"opcode":"text","base64":"aGk=","text":"hi"}`+"\n") {
		t.Errorf("line %s", line)
	}
	if got := readAll(t, line)[0].Event; got.Name() != "ws_message" || got.Level() != trace.Message {
		t.Errorf("read as %#v", got)
	}
	reader := trace.JSONReader{Events: []trace.Event{custom{}}}
	for r, err := range reader.Read(strings.NewReader(line)) {
		if err != nil || !reflect.DeepEqual(r.Event, want) {
			t.Errorf("read as %#v, %v", r.Event, err)
		}
	}
}

func TestReadJSONErrors(t *testing.T) {
	const good = `{"time":"2024-05-06T07:08:09Z","event":"note","text":"good"}`
	for _, test := range []struct{ line, want string }{
		{"nonsense", "not a JSON object"},
		{`["time"]`, "not a JSON object"},
		{`{}`, `no "event"`},
		{`{"event":"note"}`, `no "time"`},
		{`{"time":"yesterday","event":"note"}`, `"time": `},
		{`{"time":"0000-01-01T00:00:00+01:00","event":"note"}`, "the year -1"},
		{`{"time":"2024-05-06T07:08:09Z","event":7}`, `"event": `},
		{`{"time":"2024-05-06T07:08:09Z","event":"note","conn":-1}`, `"conn": `},
		{`{"time":"2024-05-06T07:08:09Z","event":"note","text":7}`, `event "note": `},
		{`{"time":"2024-05-06T07:08:09Z","event":"bytes","base64":"%"}`, "illegal base64"},
		{`{"time":"2024-05-06T07:08:09Z","event":"bytes","dir":"up"}`, `direction "up"`},
		{good + "{}", "something follows"},
		{good[:len(good)-1], "unexpected E"},
		{good[:len(good)-8], "unexpected E"},
		{`{"time":"2024-05-06T07:08:09Z","event":"note",7:8}`, "invalid character"},
		{`{"time":"2024-05-06T07:08:09Z","event":"note","x":` + strings.Repeat("[", 20000) + `}`, "exceeded max depth"},
	} {
		var errs []error
		var found int
		for r, err := range trace.ReadJSON(strings.NewReader("\n" + test.line + "\r\n \n" + good)) {
			if err != nil {
				errs = append(errs, err)
			} else if r.Event == (trace.Note{Text: "good"}) {
				found++
			}
		}
		var bad *trace.LineError
		if len(errs) != 1 || found != 1 || !errors.As(errs[0], &bad) || bad.Line != 2 || !strings.Contains(bad.Error(), test.want) {
			t.Errorf("%.80s: errors %q and %d records, want one %q in line 2, and the next line", test.line, errs, found, test.want)
		}
	}
}

func TestReadJSONLongLines(t *testing.T) {
	note := func(n int) string {
		return `{"time":"2024-05-06T07:08:09Z","event":"note","text":"` + strings.Repeat("x", n) + `"}`
	}
	most := len(note(100))
	for _, end := range []string{"", "\n"} {
		reader := trace.JSONReader{MaxLine: most}
		var got []string
		for r, err := range reader.Read(strings.NewReader(note(100) + "\n" + note(101) + "\n" + note(1<<20) + "\n" + note(1) + end)) {
			switch {
			case errors.Is(err, trace.ErrLineTooLong):
				got = append(got, "long")
			case err != nil:
				t.Error(err)
			default:
				got = append(got, r.Event.Name())
			}
		}
		if want := "note long long note"; strings.Join(got, " ") != want {
			t.Errorf("lines %q, want %q", got, want)
		}
	}
}

func TestReadJSONReaderFails(t *testing.T) {
	line := jsonLines(t, trace.Record{Time: start, Event: trace.Note{}})
	var errs []error
	for _, err := range trace.ReadJSON(io.MultiReader(strings.NewReader(line), iotest.ErrReader(errDisk))) {
		errs = append(errs, err)
	}
	if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], errDisk) {
		t.Errorf("errors %v, want a record and the reader's error", errs)
	}
}

// TestReadJSONStops leaves early: the language panics where an iterator goes on.
func TestReadJSONStops(t *testing.T) {
	line := jsonLines(t, trace.Record{Time: start, Event: trace.Note{}})
	for range trace.ReadJSON(strings.NewReader(line + line)) {
		break
	}
}

// FuzzReadJSON checks that whatever is read is written and read again as the
// same, and that every line yields one record or one error.
func FuzzReadJSON(f *testing.F) {
	for i, e := range trace.AllEvents() {
		f.Add([]byte(`{"time":"2024-05-06T07:08:09.1+02:00","conn":3,"event":"` + e.Name() + `","level":"byte"}`))
		line, err := json.Marshal(filled(e, i))
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"time":"2024-05-06T07:08:09Z","event":"` + e.Name() + `",` + string(line[1:])))
	}
	f.Add([]byte(`{"time":"2024-05-06T07:08:09Z","event":"new","level":"frame","Time":1,"a b":[{"x":1.0}],"a b":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var records []trace.Record
		yielded := 0
		for r, err := range trace.ReadJSON(bytes.NewReader(data)) {
			yielded++
			if err == nil {
				records = append(records, r)
			}
		}
		if lines := bytes.Count(data, []byte("\n")) + 1; yielded > lines {
			t.Fatalf("%d records and errors in %d lines", yielded, lines)
		}
		once := jsonLines(t, records...)
		again := readAll(t, once)
		if twice := jsonLines(t, again...); twice != once {
			t.Errorf("written\n%sand then\n%s", once, twice)
		}
	})
}
