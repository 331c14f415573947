package ws

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
)

var update = flag.Bool("update", false, "write docs/frames.md and docs/http2.md anew")

const docsIntro = `# The rules of frames and messages

<!-- Made from the table in package ws: go test ./ws -run Docs -update -->

Behind the opening handshake (docs/handshake.md) a WebSocket connection is frames in both directions (RFC 6455 sections 5 to 8; compressed
messages: RFC 7692). These are the rules that sockkit holds the other end against, as its bytes arrive: ` + "`dial`" + ` and ` + "`listen`" + ` end the connection
by them, ` + "`tap`" + ` and ` + "`inspect`" + ` show what is broken and let it pass.

*Level*: a **MUST** breaks its specification when it is broken; a SHOULD may bite; a limit is this end's own. *Closes with* is the code of the close
frame that this end sends; where there is none the connection goes on, or has ended already.

`

const docsCodes = `
## Close codes

A close frame has no body, or two bytes of code and a reason in UTF-8 of at most 123 bytes (RFC 6455 section 5.5.1). By the WebSocket Close Code
Number Registry of IANA:

| code | name | in a close frame |
|---|---|---|
`

const docsLimits = `
## Limits

| what | default | beyond it |
|---|---|---|
`

// TestDocs holds docs/frames.md against the table.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "docs", "frames.md")
	want := docs()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Fatalf("docs/frames.md is not what the rules say (%v): go test ./ws -run Docs -update", err)
	}
}

func docs() []byte {
	var b bytes.Buffer
	b.WriteString(docsIntro)
	fmt.Fprintf(&b, "There are %d of them.\n\n| rule | clause | level | closes with | what is wrong | what was due | the likely cause | what to do |\n|---|---|---|---|---|---|---|---|\n", len(Rules()))
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.ID, cell(r.Clause), level(r), closesWith(r), cell(r.Summary), cell(r.Due), cell(r.Cause), cell(r.Mend))
	}
	b.WriteString(docsCodes)
	for code := StatusNormal; code <= StatusTLSHandshake; code++ {
		codeRow(&b, fmt.Sprint(int(code)), code)
	}
	codeRow(&b, "1016 to 2999", 2000)
	codeRow(&b, "3000 to 3999", firstRegistered)
	codeRow(&b, "4000 to 4999", firstPrivate)
	b.WriteString(docsLimits)
	var l Limits
	fmt.Fprintf(&b, "| bytes of a message, as its frames carry it and once it is inflated | %d MiB | 1009 |\n", l.message()>>20)
	fmt.Fprintf(&b, "| frames of a message, empty ones counted | %d | 1008 |\n", l.fragments())
	fmt.Fprintf(&b, "| pings, pongs and closes a second | %d | 1008 |\n", l.controls())
	fmt.Fprintf(&b, "| streams of DEFLATE in a message, each ended by a final block | %d | 1007 |\n", mostStreams)
	fmt.Fprintf(&b, "| pings in a row that are not answered, where pings are sent | %d | 1008 |\n", mostMissed)
	fmt.Fprintf(&b, "| the wait for an answer to a close frame | %v | the connection is closed |\n", defaultCloseTimeout)
	return b.Bytes()
}

func codeRow(b *bytes.Buffer, codes string, code StatusCode) {
	may := "never"
	if code.Sendable() {
		may = "yes"
	}
	fmt.Fprintf(b, "| %s | %s | %s |\n", codes, code.Name(), may)
}

func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "<", "&lt;").Replace(s)
}

func level(r Rule) string {
	switch {
	case r.Source == handshake.Practice:
		return "limit"
	case r.Level == handshake.Must:
		return "**MUST**"
	}
	return string(r.Level)
}

func closesWith(r Rule) string {
	if r.Code == 0 {
		return ""
	}
	return fmt.Sprint(int(r.Code))
}

// TestRules: each rule says all that its readers need, and each code may be sent.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		for what, s := range map[string]string{"ID": r.ID, "Clause": r.Clause, "Summary": r.Summary, "Due": r.Due, "Cause": r.Cause, "Mend": r.Mend} {
			if s == "" {
				t.Errorf("%s has no %s", r.ID, what)
			}
		}
		if seen[r.ID] || r.Code != 0 && !r.Code.Sendable() || len(r.Summary) > maxControl-2 {
			t.Errorf("%s: twice, or with a code or a summary that cannot be sent", r.ID)
		}
		seen[r.ID] = true
	}
}
