package demo

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sockkit/sockkit/trace"
)

func TestWrap(t *testing.T) {
	tests := []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"unbreakable word", 4, []string{"unbreakable", "word"}},
		{"a {bold term} here", 11, []string{"a {bold term}", "here"}},
		{"µµµ µµµ µµ", 7, []string{"µµµ µµµ", "µµ"}},
	}
	for _, test := range tests {
		if got := wrap(test.text, test.width); !slices.Equal(got, test.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

func TestFold(t *testing.T) {
	tests := []struct {
		text  string
		width int
		want  []string
	}{
		{"", 5, []string{""}},
		{"12345", 5, []string{"12345"}},
		{"12 45 78", 5, []string{"12 45", "78"}},
		{"1234567", 5, []string{"12345", "67"}},
		{"µµµµµµµ", 5, []string{"µµµµµ", "µµ"}},
		{"a  b", 3, []string{"a ", "b"}},
	}
	for _, test := range tests {
		if got := fold(test.text, test.width); !slices.Equal(got, test.want) {
			t.Errorf("fold(%q, %d) = %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

func shown(o Options, list ...entry) string {
	var b strings.Builder
	newPage(&b, o).records(list)
	return b.String()
}

func piece(who string, dir trace.Dir, text string) entry {
	return entry{who: who, Record: trace.Record{Event: trace.Data{Dir: dir, Size: len(text), Payload: []byte(text)}}}
}

func TestRecordsInLine(t *testing.T) {
	got := shown(Options{},
		piece("a", trace.Out, "hi\n"), piece("longer", trace.In, strings.Repeat("x", 48)), piece("a", trace.In, strings.Repeat("x", 49)))
	want := `  a      > 3 bytes "hi\n"
  longer < 48 bytes "` + strings.Repeat("x", 48) + `"
  a      < 49 bytes "xxxxxxxxxx"…

`
	if got != want {
		t.Errorf("shown:\n%swant:\n%s", got, want)
	}
}

// TestLongRowsAreCounted holds that a long row is shown by its first and its
// last line, and that every byte of it is counted.
func TestLongRowsAreCounted(t *testing.T) {
	row := func(n int) (list []entry) {
		for i := range n {
			list = append(list, piece("a", trace.Out, fmt.Sprintf("%03d", i)))
		}
		return list
	}
	if got := strings.Count(shown(Options{}, row(mostAlike)...), "\n"); got != mostAlike+1 {
		t.Errorf("a row of %d has %d lines", mostAlike, got)
	}
	got := shown(Options{}, append(row(20), piece("b", trace.Out, "other"))...)
	want := `  a > 3 bytes "000"
  a > … 18 more of these lines, 54 bytes …
  a > 3 bytes "019"
  b > 5 bytes "other"

`
	if got != want {
		t.Errorf("shown:\n%swant:\n%s", got, want)
	}
}

func TestAttemptsThatSucceedAreLeftOut(t *testing.T) {
	attempt := entry{who: "a", Record: trace.Record{Event: trace.Attempt{Network: "tcp", Address: "127.0.0.1:1"}}}
	open := trace.Open{Side: trace.Client, Network: "tcp", Local: "127.0.0.1:2", Remote: "127.0.0.1:1"}
	if got := shown(Options{}, attempt, entry{who: "a", Record: trace.Record{Event: open}}); strings.Contains(got, "trying") {
		t.Errorf("shown:\n%s", got)
	}
	if got := shown(Options{}, attempt, entry{who: "b", Record: trace.Record{Event: open}}); !strings.Contains(got, "a * trying") {
		t.Errorf("shown:\n%s", got)
	}
}

// TestNothingOfAPeerHarmsTheTerminal holds that what is shown of a payload is
// escaped.
func TestNothingOfAPeerHarmsTheTerminal(t *testing.T) {
	if got := shown(Options{}, piece("a", trace.In, "\x1b[31m\a")); strings.ContainsAny(got, "\x1b\a") {
		t.Errorf("shown %q", got)
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9]+m")

// TestColorChangesNothingElse takes the colors out again. The words of a run
// differ from those of another by what was measured.
func TestColorChangesNothingElse(t *testing.T) {
	for _, l := range Lessons() {
		plain := tellLesson(t, l.Name, Options{normal: newNormal()}).text
		colored := tellLesson(t, l.Name, Options{normal: newNormal(), Color: true}).text
		if strings.Contains(plain, "\x1b") {
			t.Errorf("%s: plain text has escapes", l.Name)
		}
		if !strings.Contains(colored, bold) || !strings.Contains(colored, "\x1b[36m") {
			t.Errorf("%s: there is no color", l.Name)
		}
		if got := escape.ReplaceAllString(colored, ""); got != plain {
			t.Errorf("%s: without its colors it is\n%s\nwant\n%s", l.Name, got, plain)
		}
	}
}

// TestLinesFit holds that no line but a command is longer than the page.
func TestLinesFit(t *testing.T) {
	for width, columns := range map[int]int{300: 80, 60: 60, 10: 40} {
		for _, l := range Lessons() {
			text, _, _ := strings.Cut(tellLesson(t, l.Name, Options{Width: width}).text, " Try it yourself ")
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				if n := utf8.RuneCountInString(line); n > columns {
					t.Errorf("%s, %d columns: a line of %d: %s", l.Name, columns, n, line)
				}
			}
		}
	}
}

// TestNothingScrollsAwayUnread holds that no more than a screen comes between
// two pauses, and that a tall screen asks for none but the lesson's own.
func TestNothingScrollsAwayUnread(t *testing.T) {
	for _, l := range Lessons() {
		own := len(l.Steps) + 1
		if most, pauses := screens(t, l, 24); most >= 24 || pauses <= own {
			t.Errorf("%s: %d lines between two of %d pauses", l.Name, most, pauses)
		}
		l, _ = Find(l.Name)
		if _, pauses := screens(t, l, 200); pauses != own {
			t.Errorf("%s: %d pauses on a tall screen, want %d", l.Name, pauses, own)
		}
	}
}

// screens tells a lesson on a screen, and returns the most lines between two
// pauses and how many these are.
func screens(t *testing.T, l Lesson, height int) (most, pauses int) {
	t.Helper()
	var b strings.Builder
	look := func() {
		most = max(most, strings.Count(b.String(), "\n"))
		b.Reset()
	}
	err := l.Tell(t.Context(), &b, Options{Height: height, Wait: func(context.Context, string) error {
		look()
		pauses++
		return nil
	}})
	if look(); err != nil {
		t.Fatal(err)
	}
	return most, pauses
}

// TestLeaveAtAFullScreen has the reader leave where the screen was full, in the
// middle of a step.
func TestLeaveAtAFullScreen(t *testing.T) {
	var b strings.Builder
	err := tcpLesson().Tell(t.Context(), &b, Options{Height: 16, Wait: func(_ context.Context, next string) error {
		if next == "go on" {
			return ErrLeave
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
	if n := strings.Count(b.String(), "\n"); strings.Contains(b.String(), "2 of 9") || n < 10 {
		t.Errorf("%d lines were told:\n%s", n, b.String())
	}
	noGoroutines(t)
}

// TestBracesAreTaken looks for braces around words; those of JSON stay.
func TestBracesAreTaken(t *testing.T) {
	term := regexp.MustCompile(`\{[^"{}]*\}`)
	for _, l := range Lessons() {
		if left := term.FindString(look(t, l.Name).text); left != "" {
			t.Errorf("%s has the braces %s", l.Name, left)
		}
	}
}

func TestRanges(t *testing.T) {
	tests := []struct {
		list []int
		want string
	}{
		{[]int{1}, "number 1"},
		{[]int{1, 2, 3, 7, 9, 10}, "number 1 to 3, 7, 9 to 10"},
		{[]int{2, 1}, "number 2, 1"},
	}
	for _, test := range tests {
		if got := ranges(test.list); got != test.want {
			t.Errorf("ranges(%v) = %q, want %q", test.list, got, test.want)
		}
	}
}

func TestGroupedAndCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 65507: "65,507", 4196352: "4,196,352"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "no reads", 1: "one read", 6: "six reads", 7: "7 reads"} {
		if got := count(n, "read"); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}
