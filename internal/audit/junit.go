package audit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// The elements of JUnit's report, as build servers read it.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Time      string      `xml:"time,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report for a build server: a suite for each group, and
// a case for each probe. A finding that is new is a failure.
func (r *Report) WriteJUnit(w io.Writer) error {
	var all junitSuites
	for _, g := range []Group{Conformance, Safety} {
		if s := r.suite(g); s.Tests > 0 {
			all.Suites = append(all.Suites, s)
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Report) suite(g Group) junitSuite {
	s := junitSuite{Name: fmt.Sprintf("%s %s %s", r.Kind, r.Target, g), Timestamp: r.Began.UTC().Format(time.RFC3339), Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
	for i := range r.Probes {
		row := &r.Probes[i]
		if row.Group != g {
			continue
		}
		c := row.junit()
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

func (r *Row) junit() junitCase {
	c := junitCase{Name: clean(fmt.Sprintf("%s: %s", r.ID, r.Sent)), Class: clean(r.Clause)}
	switch {
	case r.Verdict == Finding && !r.Known:
		c.Failure = &junitMessage{Message: clean(r.Says()), Text: clean(fmt.Sprintf("sent: %s\ndue: %s\ncame: %s\nwhy: %s\nmend: %s\n", r.Sent, r.Due, r.Says(), r.Why, r.Mend))}
	case r.Verdict == Flaky || r.Verdict == Undecided || r.Verdict == Skipped:
		c.Skipped = &junitMessage{Message: clean(fmt.Sprintf("%s: %s", r.Verdict, r.Text))}
	case r.Verdict != Pass:
		c.Out = clean(r.Says())
	}
	return c
}

// clean leaves out what XML cannot hold.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c == utf8.RuneError || c == 0xfffe || c == 0xffff {
			return '?'
		}
		return c
	}, s)
}
