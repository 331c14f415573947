package audit

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

var update = flag.Bool("update", false, "write the golden files and docs/audit.md anew")

// short is the time that servers have that say nothing, and patience that of
// the others: it is no measure of anything.
const (
	short    = 2 * time.Second
	patience = 60 * time.Second
)

// Our own server, by its own listener and mounted on net/http, has no finding.
func TestOursIsClean(t *testing.T) {
	for name, start := range map[string]func(*testing.T) string{"listener": rightServer, "mounted": mountedServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Run(context.Background(), targetAt(t, start(t), 10*time.Second), Probes())
			if err != nil {
				t.Fatal(err)
			}
			if !r.Survived || r.Summary.Findings+r.Summary.Flaky+r.Summary.Undecided > 0 {
				t.Errorf("%s", strings.Join(r.Lines(TextOptions{}), "\n"))
			}
		})
	}
}

// The table has what is promised: names of their own, clauses, words, and
// enough of both groups.
func TestTable(t *testing.T) {
	seen, groups := map[string]bool{}, map[Group]int{}
	for _, p := range Probes() {
		if seen[p.ID] || p.ID == "" || strings.ToLower(p.ID) != p.ID {
			t.Errorf("%q is no name of its own", p.ID)
		}
		seen[p.ID] = true
		groups[p.Group]++
		for what, s := range map[string]string{"clause": p.Clause, "sends": p.Sends, "due": p.Due, "why": p.Why, "mend": p.Mend, "binding": string(p.Binding)} {
			if s == "" || strings.Contains(s, "%!") {
				t.Errorf("%s: its %s is %q", p.ID, what, s)
			}
		}
		if p.judge == nil {
			t.Errorf("%s: nobody judges it", p.ID)
		}
	}
	if len(seen) < 60 || groups[Conformance] < 30 || groups[Safety] < 20 {
		t.Errorf("%d probes, %v", len(seen), groups)
	}
}

// What a probe sends breaks the rule of package handshake that it names, and
// nothing is wrong with what has to be accepted.
func TestSent(t *testing.T) {
	target := targetAt(t, "127.0.0.1:9", time.Second)
	for _, p := range Probes() {
		q := &asking{p: p, t: target, a: &Answer{}}
		q.sent(target.wire(p))
		var ids []string
		for _, f := range handshake.Check(&handshake.Exchange{Request: q.a.Exchange.Request, Early: p.tail}) {
			ids = append(ids, f.ID)
		}
		if p.Rule != "" && !strings.Contains(strings.Join(ids, " "), p.Rule) {
			t.Errorf("%s does not break %s but %q:\n%s", p.ID, p.Rule, ids, target.wire(p))
		}
	}
}

// behaviours are servers that are wrong in as many ways as there are outcomes.
var behaviours = []struct {
	name   string
	answer func(peer) // nil: our own server
}{
	{"right", nil},
	{"yes to all", yes{}.answer},
	{"refuses", saying("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")},
	{"500", saying("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")},
	{"405", saying("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")},
	{"426", saying("HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n")},
	{"closes", saying("")},
	{"resets", resetting},
	{"silent", silent},
	{"garbage", saying("SSH-2.0-OpenSSH_9.9\r\n")},
	{"broken 101", broken101},
	{"wrong proof, masks", yes{wrong: true, masked: true}.answer},
	{"deaf", yes{deaf: true}.answer},
	{"hangs up", yes{hangsUp: true}.answer},
	{"complains", complaining},
	{"503", saying("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")},
}

// allFacts are those under which every probe is asked.
var allFacts = &Facts{Compresses: true, Pongs: true, Subprotocols: []string{"chat"}}

// kindsOf asks a target all the probes, some at once.
func kindsOf(target *Target, probes []*Probe) []Kind {
	kinds := make([]Kind, len(probes))
	jobs := make(chan int)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := range jobs {
				kinds[i] = probes[i].verdict(target.ask(context.Background(), probes[i]), allFacts).Kind
			}
		})
	}
	for i := range probes {
		jobs <- i
	}
	close(jobs)
	workers.Wait()
	return kinds
}

// inMemory is a target in memory, which costs no time to wait for.
func inMemory(t *testing.T, answer func(peer)) *Target {
	target := targetAt(t, "127.0.0.1:9", DefaultWait)
	target.Dial = func(context.Context) (net.Conn, error) {
		ours, theirs := memoryPair()
		go func() {
			defer theirs.Close()
			answer(theirs)
		}()
		return ours, nil
	}
	return target
}

// letters stand for verdicts in the golden file.
var letters = map[Kind]string{Pass: ".", Finding: "F", Note: "n", Undecided: "?", Skipped: "-"}

// TestVerdicts holds each probe's verdict on each of the servers, right and
// wrong, against the golden file. Each has a server that it passes, and one that
// it finds something about.
func TestVerdicts(t *testing.T) {
	probes := Probes()
	columns := make([][]Kind, len(behaviours))
	columns[0] = kindsOf(targetAt(t, rightServer(t), patience), probes)
	synctest.Test(t, func(t *testing.T) {
		for b, is := range behaviours[1:] {
			columns[b+1] = kindsOf(inMemory(t, is.answer), probes)
		}
	})
	var b bytes.Buffer
	for i, is := range behaviours {
		fmt.Fprintf(&b, "# %c %s\n", 'a'+i, is.name)
	}
	fmt.Fprintf(&b, "# . passes, F a finding, n a note, ? undecided, - skipped\n%-24s abcdefghijklmnop\n", "#")
	for i, p := range probes {
		line := ""
		for _, column := range columns {
			line += letters[column[i]]
		}
		fmt.Fprintf(&b, "%-24s %s\n", p.ID, line)
		if line[0] != '.' && p.ID != "host-rebound" { // which is let in, unless a host is named
			t.Errorf("%s: our own server does not pass: %s", p.ID, line)
		}
		if p.Binding == handshake.Must && !strings.Contains(line, "F") || !strings.ContainsAny(line, "Fn") {
			t.Errorf("%s finds nothing at all: %s", p.ID, line)
		}
	}
	golden(t, "verdicts.txt", b.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))
	if bytes.Equal(got, want) {
		return
	}
	is, due := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(is), len(due)) {
		a, b := "", ""
		if i < len(is) {
			a = is[i]
		}
		if i < len(due) {
			b = due[i]
		}
		if a != b {
			t.Errorf("%s:%d: %q; want %q (-update writes it anew)", path, i+1, a, b)
		}
	}
}
