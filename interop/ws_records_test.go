package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// record is a trace record, as --json prints it.
type record map[string]any

// fields are what a record is to have: a number, a text or a truth by its name.
// A text matches where it is part of what is there.
type fields map[string]any

func (r record) has(want fields) bool {
	for name, value := range want {
		text, isText := value.(string)
		got := fmt.Sprint(r[name])
		switch {
		case isText && name != "event" && strings.Contains(got, text):
		case got == fmt.Sprint(value):
		default:
			return false
		}
	}
	return true
}

func event(name string, more ...fields) fields {
	all := fields{"event": name}
	for _, f := range more {
		for k, v := range f {
			all[k] = v
		}
	}
	return all
}

// records are those that sockkit has printed so far. Every line has to be one.
func records(t testing.TB, out string) (all []record) {
	t.Helper()
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(line, "\n") {
			break // it is not whole yet
		}
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("a line that is no record: %q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

func find(all []record, want fields) record {
	for _, r := range all {
		if r.has(want) {
			return r
		}
	}
	return nil
}

// awaitRecord waits until sockkit has printed such a record.
func (p *proc) awaitRecord(want fields) (found record) {
	p.t.Helper()
	ended := false
	await(p.t, fmt.Sprintf("the record %v of %s", want, p), p.outOrEnd, func() bool {
		ended = !p.alive()
		found = find(records(p.t, p.out.String()), want)
		return found != nil || ended
	})
	if found == nil {
		p.t.Fatalf("%s ended without the record %v; it has\n%s", p, want, tail(p.out.String()))
	}
	return found
}

// wantRecord demands a record of what sockkit has printed.
func (p *proc) wantRecord(want fields) {
	p.t.Helper()
	if find(records(p.t, p.out.String()), want) == nil {
		p.t.Errorf("%s: no record has %v:\n%s", p, want, tail(p.out.String()))
	}
}

// noRecord demands that there is none.
func (p *proc) noRecord(bad fields) {
	p.t.Helper()
	if r := find(records(p.t, p.out.String()), bad); r != nil {
		p.t.Errorf("%s: there is the record %v", p, r)
	}
}

// tracedRecords are those of a file that --trace has written.
func tracedRecords(t testing.TB, file string) []record {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return records(t, string(text))
}

// endListener ends a listener, so that all it had to write is written.
func endListener(us *proc) {
	us.t.Helper()
	us.signal(syscall.SIGTERM)
	us.want(143)
}
