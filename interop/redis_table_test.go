package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// clusterTable keeps how the checks of servers in one cluster have ended, for
// docs/cluster.md, which is theirs: make cluster-table writes it.
var clusterTable = outcomes{of: map[string]string{}}

var updateCluster = os.Getenv("SOCKKIT_CLUSTER_TABLE") != ""

type outcomes struct {
	mu sync.Mutex
	of map[string]string
}

// run runs a check of one sender.
func (o *outcomes) run(t *testing.T, adapter, from, check string, f func(*testing.T)) {
	t.Run("from "+from+"/"+check, func(t *testing.T) {
		o.watch(t, adapter+"|"+from+"|"+check)
		f(t)
	})
}

// move runs a client's move.
func (o *outcomes) move(t *testing.T, m redisMove, f func(*testing.T)) {
	t.Run(m.String(), func(t *testing.T) {
		o.watch(t, m.String())
		f(t)
	})
}

func (o *outcomes) watch(t *testing.T, key string) {
	t.Cleanup(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.of[key] = "yes"
		if t.Failed() {
			o.of[key] = "no"
		}
	})
}

// all is how several checks have ended, as one.
func (o *outcomes) all(keys ...string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range keys {
		if o.of[key] != "yes" {
			return orNotRun(o.of[key])
		}
	}
	return "yes"
}

func orNotRun(outcome string) string {
	if outcome == "" {
		return "not run"
	}
	return outcome
}

var clusterPage = filepath.Join("..", "docs", "cluster.md")

// write writes the page by what has happened.
func (o *outcomes) write() error {
	page, err := clusterDocs(o.all)
	if err != nil {
		return err
	}
	return os.WriteFile(clusterPage, page, 0o644)
}

// TestRedisTable holds the page against the checks that there are: each is in it,
// and has passed when it was written.
func TestRedisTable(t *testing.T) {
	want, err := clusterDocs(func(...string) string { return "yes" })
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(clusterPage)
	if err != nil || !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Errorf("docs/cluster.md is not what the checks say (%v): make cluster-table", err)
	}
}

const clusterIntro = `# Go and Node in one cluster: what is tested

The tests of interop/ write this page, ` + "`make cluster-table`" + `; each row names its test (` + "`go test -run`" + ` in interop/, with … for the names of the adapters). In every cluster are two Go servers and a Node server, each with two clients, at a Redis of the test's own. "Yes" is that the clients and servers of all three got what is due, all of it, once, and nothing else.

The official packages: %s.

## Servers

| from | to | check |%s test |
|---|---|---|%s---|
`

// clusterDocs is the page, by how checks have ended.
func clusterDocs(outcome func(keys ...string) string) ([]byte, error) {
	packages, err := officialPackages()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	heads := ""
	for _, k := range redisKinds {
		heads += " " + k.name + " |"
	}
	fmt.Fprintf(&b, clusterIntro, packages, heads, strings.Repeat("---|", len(redisKinds)))
	for _, way := range []struct {
		from, to, test string
		names          []string
	}{{"Go", "Node, Go", "from_go_[12]", []string{"go 1", "go 2"}}, {"Node", "Go", "from_node", []string{"node"}}} {
		for _, check := range redisChecks {
			fmt.Fprintf(&b, "| %s | %s | %s |", way.from, way.to, check.name)
			for _, k := range redisKinds {
				var keys []string
				for _, name := range way.names {
					keys = append(keys, k.name+"|"+name+"|"+check.name)
				}
				fmt.Fprintf(&b, " %s |", outcome(keys...))
			}
			fmt.Fprintf(&b, " `TestRedisMatrix/…/%s/%s` |\n", way.test, underscored(check.name))
		}
	}
	emitterDocs(&b, outcome)
	moveDocs(&b, outcome)
	return b.Bytes(), nil
}

func emitterDocs(b *bytes.Buffer, outcome func(...string) string) {
	b.WriteString("\n## Emitters\n\nThey speak to the classic adapter: the official one knows no other.\n\n| from | to | check | classic | test |\n|---|---|---|---|---|\n")
	for _, from := range []string{"our emitter", "the official emitter"} {
		for _, check := range emitterChecks {
			key := "classic|" + from + "|" + check.name
			fmt.Fprintf(b, "| %s | Go, Node | %s | %s | `TestRedisEmitter/from_%s/%s` |\n", from, check.name, outcome(key), underscored(from), underscored(check.name))
		}
	}
}

func moveDocs(b *bytes.Buffer, outcome func(...string) string) {
	b.WriteString("\n## Clients that move, by streams\n\nAn official client goes from one server to another, perhaps while Redis is away: it is the same client there (`recovered`), and gets what was said meanwhile, once and in order. " +
		"`TestRedisDrain` restarts all Go servers in turn under load, `make soak` does so for an hour, with outages and cuts.\n\n| from | to | without Redis | streams | test |\n|---|---|---|---|---|\n")
	title := map[string]string{"go 1": "Go", "go 2": "Go", "node": "Node"}
	for _, m := range redisMoves {
		away := "no"
		if m.outage {
			away = "yes"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | `TestRedisMove/%s` |\n", title[m.from], title[m.to], away, outcome(m.String()), underscored(m.String()))
	}
}

func underscored(name string) string { return strings.ReplaceAll(name, " ", "_") }

// officialPackages are those that the servers in Node stand on.
func officialPackages() (string, error) {
	text, err := os.ReadFile("package.json")
	if err != nil {
		return "", err
	}
	var p struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &p); err != nil {
		return "", err
	}
	var list []string
	for _, name := range []string{"socket.io", "@socket.io/redis-adapter", "@socket.io/redis-streams-adapter", "@socket.io/redis-emitter", "redis"} {
		list = append(list, name+" "+p.Dependencies[name])
	}
	return strings.Join(list, ", "), nil
}
