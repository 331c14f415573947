package handshake

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/handshake.md anew")

const docsIntro = `# The rules of the opening handshake

<!-- Made from the table in package handshake: go test ./handshake -run Docs -update -->

A WebSocket connection begins with one HTTP request and one HTTP response (RFC 6455 section 4). These are the rules that sockkit holds them
against: all of them in ` + "`handshake check`" + `, ` + "`handshake listen`" + ` and ` + "`handshake dial`" + `, those that end a handshake whenever it accepts or dials.

*Level*: a **MUST** breaks its specification when it is broken; a SHOULD may bite; a note is worth knowing. Where a rule comes from browsers (WHATWG)
or from experience (practice) and not from an RFC, that is said beside its clause. *Fault* is whose program has to change; a check names another
where it sees that a proxy stands in between. *Then* is what sockkit does about it: a status is what its servers refuse with, *gives up* what its
clients do, and nothing means that the handshake goes on.

`

// TestDocs holds docs/handshake.md against the table.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "docs", "handshake.md")
	want := docs()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Fatalf("docs/handshake.md is not what the rules say (%v): go test ./handshake -run Docs -update", err)
	}
	for _, r := range Rules() {
		if !bytes.Contains(got, []byte("`"+r.ID+"`")) || !bytes.Contains(got, []byte(cell(r.Clause))) {
			t.Errorf("%s (%s) is missing", r.ID, r.Clause)
		}
	}
}

func docs() []byte {
	var b bytes.Buffer
	b.WriteString(docsIntro)
	fmt.Fprintf(&b, "There are %d of them.\n", len(Rules()))
	for _, part := range []struct {
		part  Part
		title string
	}{
		{InRequest, "The request"}, {InResponse, "The response"}, {InRefusal, "A refusal: any status other than 101"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| rule | clause | level | fault | then | what is wrong | what was due | what to do |\n|---|---|---|---|---|---|---|---|\n", part.title)
		for _, r := range Rules() {
			if r.Part == part.part {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.ID, origin(r), level(r), r.Fault, then(r), cell(r.Summary), cell(r.Due), cell(r.Mend))
			}
		}
	}
	return b.Bytes()
}

func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "<", "&lt;").Replace(s)
}

func origin(r Rule) string {
	if r.Source == Practice || r.Source == WHATWG && !strings.HasPrefix(r.Clause, "WHATWG") {
		return cell(r.Clause) + " (" + string(r.Source) + ")"
	}
	return cell(r.Clause)
}

func level(r Rule) string {
	s := string(r.Level)
	if r.Level == Must {
		s = "**MUST**"
	}
	if r.Duty == Recipient {
		s += " of the recipient"
	}
	return s
}

func then(r Rule) string {
	switch {
	case r.Status != 0:
		return fmt.Sprint(r.Status)
	case r.Fails:
		return "gives up"
	}
	return ""
}
