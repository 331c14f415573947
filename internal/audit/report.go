package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
)

// Version is the version of the report's form. Fields are added, never changed.
const Version = 1

// KindServer and KindClient are what the reports call themselves.
const (
	KindServer = "handshake_audit"
	KindClient = "handshake_audit_client"
)

// Report is what came of an audit: the JSON object of handshake audit --json.
type Report struct {
	Version  int           `json:"version"`
	Kind     string        `json:"kind"`
	Target   string        `json:"target"`         // the URL, or where clients came to
	Peer     string        `json:"peer,omitempty"` // what it calls itself: its Server, or its User-Agent
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took_ns"`
	Survived bool          `json:"survived"` // a right request behind all the others was upgraded
	Summary  Summary       `json:"summary"`
	Probes   []Row         `json:"probes"`
}

// Summary counts the verdicts.
type Summary struct {
	Asked     int `json:"asked"`
	Passed    int `json:"passed"`
	Findings  int `json:"findings"` // new ones
	Known     int `json:"known"`    // that the baseline accepts
	Weighty   int `json:"weighty"`  // of the new findings, those that break a MUST or are about safety
	Notes     int `json:"notes"`
	Flaky     int `json:"flaky"`
	Undecided int `json:"undecided"`
	Skipped   int `json:"skipped"`
}

// Row is one probe, and what came of it.
type Row struct {
	ID      string          `json:"id"`
	Group   Group           `json:"group"`
	Clause  string          `json:"clause"`
	Rule    string          `json:"rule,omitempty"` // the rule of handshake check that what was sent breaks
	Binding handshake.Level `json:"binding"`
	Verdict Kind            `json:"verdict"`
	Known   bool            `json:"known,omitempty"` // accepted by the baseline
	Weighty bool            `json:"weighty,omitempty"`
	Sent    string          `json:"sent"`
	Due     string          `json:"due"`
	Came    string          `json:"came,omitempty"`
	Text    string          `json:"text,omitempty"` // a word about it
	Why     string          `json:"why"`
	Mend    string          `json:"mend"`
	Outcome Outcome         `json:"outcome,omitempty"`
	Status  int             `json:"status,omitempty"`
	Asked   int             `json:"asked"`            // how often
	Bytes   *Bytes          `json:"bytes,omitempty"`  // what was sent, or its beginning
	Frames  *Bytes          `json:"frames,omitempty"` // and what was sent once it was upgraded
	Answer  *Bytes          `json:"answer,omitempty"` // the head of the response, or what came in its place
}

// Bytes are bytes as they passed, and text where they are UTF-8.
type Bytes struct {
	Size    int    `json:"size"`
	Payload []byte `json:"base64"` // the beginning of many
	Text    string `json:"text,omitempty"`
}

func someBytes(b []byte, size int) *Bytes {
	if size == 0 {
		return nil
	}
	b = render.Mask(b[:min(len(b), mostSent)])
	some := &Bytes{Size: size, Payload: b}
	if utf8.Valid(b) {
		some.Text = string(b)
	}
	return some
}

func newReport(t *Target, first *Answer, results []Result, took time.Duration) *Report {
	r := &Report{Version: Version, Kind: KindServer, Target: t.URL, Peer: render.Printable(first.Exchange.Response.Get("Server")), Began: time.Now().Add(-took), Took: took, Survived: true}
	for i := range results {
		if results[i].Probe != nil {
			r.Probes = append(r.Probes, results[i].row())
		}
	}
	r.count()
	return r
}

func (r *Result) row() Row {
	p := r.Probe
	row := Row{
		ID: p.ID, Group: p.Group, Clause: p.Clause, Rule: p.Rule, Binding: p.Binding, Verdict: r.Kind, Weighty: p.Weighty() && r.Kind == Finding,
		Sent: p.Sends, Due: p.Due, Text: render.MaskText(r.Text), Why: p.Why, Mend: p.Mend, Asked: len(r.Answers),
	}
	if a := r.Answer; a != nil {
		row.Came, row.Outcome, row.Status = render.MaskText(render.Printable(a.String())), a.Outcome, a.Status()
		row.Bytes = someBytes(a.Sent, a.Size)
		if a.Exchange.Response != nil {
			row.Answer = someBytes(a.Exchange.Response.Raw, len(a.Exchange.Response.Raw))
		}
	}
	var frames []byte
	for _, f := range p.frames {
		frames = append(frames, f...)
	}
	row.Frames = someBytes(frames, len(frames))
	return row
}

// count counts the verdicts.
func (r *Report) count() {
	r.Summary = Summary{}
	s := &r.Summary
	for i := range r.Probes {
		row := &r.Probes[i]
		if row.Asked > 0 {
			s.Asked++
		}
		switch row.Verdict {
		case Pass:
			s.Passed++
		case Note:
			s.Notes++
		case Flaky:
			s.Flaky++
		case Undecided:
			s.Undecided++
		case Skipped:
			s.Skipped++
		case Finding:
			s.finding(row)
		}
	}
}

func (s *Summary) finding(row *Row) {
	switch {
	case row.Known:
		s.Known++
		return
	case row.Weighty:
		s.Weighty++
	}
	s.Findings++
}

// Findings are the new findings, the weighty ones first.
func (r *Report) Findings() (list []*Row) {
	for _, weighty := range []bool{true, false} {
		for i := range r.Probes {
			if row := &r.Probes[i]; row.Verdict == Finding && !row.Known && row.Weighty == weighty {
				list = append(list, row)
			}
		}
	}
	return list
}

// Answered is how many of the replies a client has had.
func (r *Report) Answered() (n int) {
	for i := range r.Probes {
		if r.Probes[i].Bytes != nil {
			n++
		}
	}
	return n
}

// Accept marks the findings that another report has too as known: those of the
// same probe with the same outcome.
func (r *Report) Accept(known *Report) {
	accepted := map[string]bool{}
	for i := range known.Probes {
		if row := &known.Probes[i]; row.Verdict == Finding {
			accepted[row.key()] = true
		}
	}
	for i := range r.Probes {
		row := &r.Probes[i]
		row.Known = row.Verdict == Finding && accepted[row.key()]
	}
	r.count()
}

// key is what makes two findings the same.
func (r *Row) key() string {
	if r.Verdict == Finding && r.Outcome == Refused {
		return fmt.Sprint(r.ID, " ", r.Outcome, " ", r.Status)
	}
	return r.ID + " " + string(r.Outcome)
}

// ErrReport says that a file is no report of an audit.
var ErrReport = errors.New("no report of handshake audit")

// mostReport bounds a file that is read.
const mostReport = 32 << 20

// ReadReport reads what --json or --write-baseline has written.
func ReadReport(in io.Reader) (*Report, error) {
	d := json.NewDecoder(io.LimitReader(in, mostReport))
	r := &Report{}
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	switch {
	case r.Kind != KindServer && r.Kind != KindClient:
		return nil, fmt.Errorf("%w: its kind is %q (due: %q or %q)", ErrReport, r.Kind, KindServer, KindClient)
	case r.Version > Version:
		return nil, fmt.Errorf("%w of this version: its version is %d (due: at most %d)", ErrReport, r.Version, Version)
	}
	return r, nil
}
