package audit

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// The report keeps to its width, says the same with colors as without, and ends
// no line in a blank.
func TestText(t *testing.T) {
	r := &Report{Target: "ws://localhost:9000/", Peer: "a server", Survived: false, Probes: []Row{
		{ID: "text-utf8", Group: Safety, Clause: "RFC 6455 8.1", Binding: Practice, Verdict: Finding, Weighty: true, Asked: 3, Sent: "a text message that is no UTF-8, and some words more to fill a line", Due: "the end", Came: "a pong", Text: "it goes on", Why: strings.Repeat("why ", 40), Mend: "mend it"},
		{ID: "known", Clause: "RFC 6455 8.1", Verdict: Finding, Known: true, Asked: 3},
		{ID: "flaky", Verdict: Flaky, Text: "once so and once so", Sent: "x"}, {ID: "noted", Verdict: Note, Came: "101", Text: "lenient", Sent: "y"},
		{ID: "open-a", Verdict: Undecided, Text: "no ping is answered"}, {ID: "open-b", Verdict: Undecided, Text: "no ping is answered"},
		{ID: "left-out", Verdict: Skipped, Text: "the server does not compress"}, {ID: "passed", Verdict: Pass, Came: "400", Sent: "z"},
	}}
	r.count()
	for _, width := range []int{0, 40, 62, 100} {
		plain := r.Lines(TextOptions{Width: width, All: true})
		colored := r.Lines(TextOptions{Width: width, All: true, Color: true})
		if len(plain) != len(colored) {
			t.Fatalf("%d lines, and %d with colors", len(plain), len(colored))
		}
		for i, line := range plain {
			if limit := max(width, 40); width > 0 && utf8.RuneCountInString(line) > limit || strings.TrimRight(line, " ") != line || visible(colored[i]) != utf8.RuneCountInString(line) {
				t.Errorf("width %d: %q, %q", width, line, colored[i])
			}
		}
		all := strings.Join(strings.Fields(strings.Join(plain, " ")), " ")
		for _, want := range []string{"1 finding (1 of a MUST or of safety) from 2 probes; 1 passed, 1 with a note, 1 known, 1 flaky, 2 not decided, 1 not asked.",
			"[1] text-utf8 (safety, by practice): RFC 6455 8.1", "came a pong (it goes on)", "no ping is answered: open-a, open-b", "Known by the baseline: known.", "It calls itself a server.", "one of the probes has harmed the server"} {
			if !strings.Contains(all, want) {
				t.Errorf("width %d: nothing says %q:\n%s", width, want, strings.Join(plain, "\n"))
			}
		}
	}
}
