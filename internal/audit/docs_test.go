package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
)

const docsIntro = `# The audit of the handshake

<!-- Made from the tables in internal/audit and the results in interop/testdata/audit: make audit-table -->

` + "`sockkit handshake audit URL`" + ` asks a server right and wrong opening handshakes, and sends frames behind them, one question on each connection.
` + "`sockkit handshake audit --client ADDRESS`" + ` is a server that answers the successive attempts of a client rightly and wrongly. Both say, rule by rule,
what was sent, what was due, what came, why it matters and what to change.

    sockkit handshake audit ws://localhost:9000/chat
    sockkit handshake audit ws://localhost:9000/chat --only safety --only 4.2.1
    sockkit handshake audit ws://localhost:9000/chat --only origin-foreign --dry-run -v
    sockkit handshake audit ws://localhost:9000/chat --write-baseline known.json
    sockkit handshake audit ws://localhost:9000/chat --baseline known.json --junit report.xml
    sockkit handshake audit --client 9000

Ask only servers that are yours to ask: among the questions are a header of 4 MiB and requests that never end.

## How to read it

The first request of all is a right one, made as ` + "`-H`, `-s`, `--origin` and `--basic-auth`" + ` say. It has to be upgraded; every other request bends it in one
place. What came is one of five things, which are never taken for each other: an **upgrade** (101), a **refusal** (any other status), the **end** of the
connection, a **reset**, and **silence** for as long as ` + "`-w`" + ` says (3 seconds). A connection that was not made says nothing about a server.

| verdict | means | status of the program |
|---|---|---|
| passed | what came is what was due | 0 |
| finding | a rule is broken, three times in a row | 3 where it is a MUST, or is about safety |
| note | stricter than it needs to be, or lenient where that is allowed | 0 |
| flaky | asked again, the answer was another one; all of them are named | 0 |
| not decided | it cannot be told from what came: the application left, nothing answers pings, the server is busy (429, 503) | 0 |
| not asked | it makes no sense here: the server does not compress, every origin is let in | 0 |

*Conformance* is what a specification demands; *safety* is what an attacker would try. The binding is the specification's: MUST or SHOULD. *Practice* is
what no specification demands of this side and experience does.

Whether a server goes on after a wrong frame is not guessed: a ping follows it. A pong shows that the server goes on; a close frame or the end of the
connection, that it does not. A client is asked likewise: a ping comes last, and who answers it took the connection for an open one.

Every finding can be repeated by hand: ` + "`--only ID --dry-run -v`" + ` prints the request, byte for byte, and ` + "`--json`" + ` holds all bytes that were sent and the
head of what came. A server behind a proxy is audited together with the proxy: compare with the server alone.

How long a request that never ends is put up with is nobody's rule: what is still open after ` + "`--slow`" + ` (15 seconds) is a note, and a finding from 90 seconds on.

`

// TestDocs holds docs/audit.md against the tables, and the results of the last
// make audit-table.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "audit.md")
	want := docs(t)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Fatalf("docs/audit.md is not what the tables say (%v): go test ./internal/audit -run Docs -update", err)
	}
}

// audited is one server or client, as the tests of interop write it.
type audited struct {
	Name, Version, What string
	Asked               int
	Findings            []Row
	Notes               []string
}

func docs(t *testing.T) []byte {
	var b bytes.Buffer
	b.WriteString(docsIntro)
	b.WriteString("## Servers\n\nAs their documentation shows them, with an echo and compression added and nothing else: it is the defaults that are audited. Each finding that takes less than 4 KiB was sent again, byte for byte, by a plain socket. The connection that gws v1.8.9 ends for `frame-length-top` it ends by a panic (slice bounds out of range), which net/http recovers.\n\n")
	results(t, &b, "servers.json")
	b.WriteString("## Clients\n\nwscat and the client of Socket.IO for Node stand on ws. Debian's curl 7.88 is built without ws:// and cannot be asked; as a client of HTTP it never sends a frame.\n\n")
	results(t, &b, "clients.json")
	fmt.Fprintf(&b, "## What servers are asked\n\nThere are %d probes.\n\n", len(Probes()))
	b.WriteString("| probe | group | clause | binding | sent | due | why | what to do |\n|---|---|---|---|---|---|---|---|\n")
	for _, p := range Probes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", p.ID, p.Group, cell(p.Clause), binding(p.Binding), cell(p.Sends), cell(p.Due), cell(p.Why), cell(p.Mend))
	}
	fmt.Fprintf(&b, "\n## What clients are answered\n\nThere are %d answers; four more rows are about all requests together.\n\n", len(Replies()))
	b.WriteString("| answer | group | clause | binding | answered | due | why | what to do |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range aboutRequests([]*Attempt{{Request: &handshake.Head{}}}) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.ID, r.Group, cell(r.Clause), binding(r.Binding), cell(r.Sent), cell(r.Due), cell(r.Why), cell(r.Mend))
	}
	for _, r := range Replies() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.ID, r.Group, cell(r.Clause), binding(r.Binding), cell(r.Sends), cell(r.Due), cell(r.Why), cell(r.Mend))
	}
	return b.Bytes()
}

// results are the tables of one file: who was audited, and who has which
// finding.
func results(t *testing.T, b *bytes.Buffer, name string) {
	text, err := os.ReadFile(filepath.Join("..", "..", "interop", "testdata", "audit", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []audited
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	b.WriteString("| | name | version | set up as | asked | findings | of a MUST or safety | notes |\n|---|---|---|---|---|---|---|---|\n")
	for i, a := range all {
		weighty := 0
		for _, row := range a.Findings {
			if row.Binding == handshake.Must || row.Group == Safety {
				weighty++
			}
		}
		fmt.Fprintf(b, "| %c | %s | %s | %s | %d | %d | %d | %d |\n", 'A'+i, a.Name, cell(a.Version), a.What, a.Asked, len(a.Findings), weighty, len(a.Notes))
	}
	b.WriteString("\nWhat was found, and about whom (a dot: nothing):\n\n| | clause |")
	for i := range all {
		fmt.Fprintf(b, " %c |", 'A'+i)
	}
	b.WriteString(" sent |\n|---|---|" + strings.Repeat("---|", len(all)+1) + "\n")
	matrix(b, all)
	b.WriteString("\n")
}

// matrix writes a line for each probe that found something.
func matrix(b *bytes.Buffer, all []audited) {
	var order []string
	for _, r := range aboutRequests([]*Attempt{{Request: &handshake.Head{}}}) {
		order = append(order, r.ID)
	}
	for _, p := range Probes() {
		order = append(order, p.ID)
	}
	for _, r := range Replies() {
		order = append(order, r.ID)
	}
	done := map[string]bool{}
	for _, id := range order {
		line, row := "", (*Row)(nil)
		for _, a := range all {
			mark := "."
			if i := slices.IndexFunc(a.Findings, func(r Row) bool { return r.ID == id }); i >= 0 {
				row, mark = &a.Findings[i], inAWord(&a.Findings[i])
			}
			line += " " + mark + " |"
		}
		if row != nil && !done[id] {
			fmt.Fprintf(b, "| `%s` | %s |%s %s |\n", id, cell(row.Clause), line, cell(row.Sent))
		}
		done[id] = true
	}
}

// inAWord is what came, in a word.
func inAWord(r *Row) string {
	switch {
	case r.Status != 0:
		return fmt.Sprint(r.Status)
	case r.Outcome == "":
		return "broken"
	}
	return string(r.Outcome)
}

func binding(l handshake.Level) string {
	if l == handshake.Must {
		return "**MUST**"
	}
	return string(l)
}

func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "<", "&lt;").Replace(s)
}
