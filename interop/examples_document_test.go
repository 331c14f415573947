package interop

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"testing"

	document "github.com/sockkit/sockkit/examples/document/app"
)

// documentRun is what several have typed at once, in an order in which it can be
// applied, and what they all read in the end.
type documentRun struct {
	Ops  []document.Op `json:"ops"`
	Text string        `json:"text"`
}

// The document's two copies of its algorithm, in Go and in JavaScript, come to
// the same text, whoever typed, and in whichever order it arrives.
func TestDocumentConverges(t *testing.T) {
	t.Parallel()
	var theirs struct {
		Wrong []json.RawMessage `json:"wrong"`
		Runs  []documentRun     `json:"runs"`
	}
	var ours []documentRun
	for seed := range uint64(50) {
		ours = append(ours, documentTyped(t, rand.New(rand.NewPCG(seed, 7))))
	}
	in, err := json.Marshal(map[string]any{"runs": ours})
	must(t, err)
	node := exec.CommandContext(bounded(t), "node", "node/document.mjs", "../examples/document/app/text.js")
	node.Stdin = bytes.NewReader(in)
	out, err := node.Output()
	must(t, err)
	must(t, json.Unmarshal(out, &theirs))
	for _, w := range theirs.Wrong {
		t.Errorf("JavaScript: %s", w)
	}
	for _, run := range theirs.Runs {
		text := &document.Text{}
		for _, op := range run.Ops {
			must(t, text.Apply(op))
		}
		if text.String() != run.Text {
			t.Errorf("Go reads %q, JavaScript %q", text, run.Text)
		}
	}
	if len(theirs.Runs) != 50 {
		t.Errorf("%d runs came back", len(theirs.Runs))
	}
}

// documentTyped has three type at once; each gets what the others type some time
// later.
func documentTyped(t *testing.T, r *rand.Rand) (run documentRun) {
	texts := [3]document.Text{}
	seen := [3]int{}
	by := []int{}
	catchUp := func(who, to int) {
		for ; seen[who] < to; seen[who]++ {
			if by[seen[who]] != who {
				must(t, texts[who].Apply(run.Ops[seen[who]]))
			}
		}
	}
	for range 150 {
		who := r.IntN(3)
		catchUp(who, seen[who]+r.IntN(len(run.Ops)-seen[who]+1))
		run.Ops = append(run.Ops, documentTypes(r, &texts[who], []string{"ann0", "bob0", "cat0"}[who]))
		by = append(by, who)
	}
	for who := range texts {
		catchUp(who, len(run.Ops))
	}
	run.Text = texts[0].String()
	return run
}

func documentTypes(r *rand.Rand, text *document.Text, site string) document.Op {
	length := len([]rune(text.String()))
	if at := r.IntN(length + 1); at < length && r.IntN(3) == 0 {
		return text.Delete(at, 1+r.IntN(min(3, length-at)))
	}
	return text.Insert(r.IntN(length+1), []string{"a", "xyz", "🎉", "\n"}[r.IntN(4)], site)
}
