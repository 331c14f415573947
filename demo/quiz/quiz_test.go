package quiz

import (
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// TestQuestions holds that each question has all that it takes, and that there
// are enough of each group.
func TestQuestions(t *testing.T) {
	count := map[Group]int{}
	for _, q := range Questions() {
		count[q.Group]++
		for _, text := range []string{q.Symptom, q.Hint, q.Rule, q.Clause, q.Broken, q.Why, q.Mend} {
			if text == "" {
				t.Errorf("%s: a text is missing: %+v", q.Rule, q)
			}
		}
		if strings.Contains(q.Symptom+q.Hint, q.Rule) || len(q.Words) == 0 || len(q.Shown) == 0 {
			t.Errorf("%s: it is told, or has no words, or nothing shows it", q.Rule)
		}
		for _, l := range q.Shown {
			if _, err := regexp.Compile(l.Prints); err != nil || !strings.Contains(l.Command, "{}") {
				t.Errorf("%s: %+v, %v", q.Rule, l, err)
			}
		}
	}
	if count[Upgrade] < 10 || count[Frames] < 5 || count[SocketIO] < 5 {
		t.Errorf("%v", count)
	}
}

// TestRight holds that each question takes its rule, its clause and its words,
// and no other rule.
func TestRight(t *testing.T) {
	var rules []string
	for _, r := range handshake.Rules() {
		rules = append(rules, r.ID)
	}
	for _, r := range ws.Rules() {
		rules = append(rules, r.ID)
	}
	for _, q := range Questions() {
		for _, answer := range slices.Concat(q.Words, []string{q.Rule, strings.ToUpper(q.Rule), q.Clause, "The " + q.Words[0] + ", I think."}) {
			if !q.Right(answer) {
				t.Errorf("%s: %q is wrong", q.Rule, answer)
			}
		}
		for _, answer := range append(rules, "", " ", "no", "rfc", "RFC 6455", "section 99", "tls", "the", "item", "4.1", "everything is fine") {
			if answer != q.Rule && q.Right(answer) {
				t.Errorf("%s: %q is right", q.Rule, answer)
			}
		}
	}
}

func TestClauses(t *testing.T) {
	q := Question{Rule: "response-accept-wrong", Clause: "RFC 6455 4.1 (response) item 4"}
	for answer, right := range map[string]bool{
		"RFC 6455 4.1 (response) item 4": true, "4.1 item 4": true, "rfc6455": false, "6455 4.1 item 4": true, "section 4.1, item 4": true, "4.1 item 3": false, "item 4": false,
	} {
		if q.Right(answer) != right {
			t.Errorf("%q: right is %v", answer, !right)
		}
	}
}

func start(t *testing.T, c Choice) *Quiz {
	t.Helper()
	q, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// TestSay is a conversation.
func TestSay(t *testing.T) {
	q := start(t, Choice{Only: []int{3, 16}})
	for _, step := range []struct {
		line    string
		outcome Outcome
		says    string
	}{
		{"", Told, "^$"},
		{"hint 3", Told, `Does each say .*\n  Begin with  sockkit handshake dial ws://127\.0\.0\.1:\d+/`},
		{"hint", Told, "Of which server"},
		{"hint 4", Told, "There is no server 4 here"},
		{"hint three", Told, "There is no server 0 here"},
		{"3", Told, `^  3  ws://127.*\n     All headers are there`},
		{"3 response-upgrade-missing", Wrong, `^Not that\. hint 3 .*\n  That one would be: The response has no Upgrade header\.`},
		{"3 masked", Wrong, `That one would be: The server masks its frames`},
		{"3 gremlins", Wrong, `Nothing is known here by that name`},
		{"keep-alive", Told, `begins with the number of its server: 3 keep-alive`},
		{"4 keep-alive", Told, "There is no server 4 here"},
		{"answer 3 Keep-Alive", Right, `(?s)^Right\. The 101 says .*rule  response-connection-other, RFC 6455 4\.1 .*why .*mend .*see   sockkit handshake dial ws://`},
		{"list", Told, `3  ws://127\.0\.0\.1:\d+/  solved`},
		{"give up 16", Told, `^It is this\. The server masks`},
		{"score", Told, `^1 of 2 found, 1 given up\.\n$`},
		{"help", Told, `give up 3`},
		{"16 frame-masked", Right, `That was the last one`},
		{"score", Told, `^2 of 2 found\.\n$`},
		{"quit", Over, "^$"},
	} {
		text, outcome := q.Say(step.line)
		if outcome != step.outcome || !regexp.MustCompile(step.says).MatchString(text) {
			t.Errorf("%q: %d, %s", step.line, outcome, text)
		}
	}
}

// TestOne holds that one server alone needs no number.
func TestOne(t *testing.T) {
	q := start(t, Choice{Only: []int{11}})
	if text, outcome := q.Say("hint"); outcome != Told || !strings.Contains(text, "in front of the status") {
		t.Errorf("%d, %s", outcome, text)
	}
	if text, outcome := q.Say("HTTP/1.0"); outcome != Right {
		t.Errorf("%d, %s", outcome, text)
	}
}

func TestChoose(t *testing.T) {
	rules := func(c Choice) (list []string) {
		asked, err := Choose(c)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range asked {
			if c.Only == nil && a.Number != i+1 {
				t.Errorf("%d is number %d", i, a.Number)
			}
			list = append(list, a.Symptom)
		}
		return list
	}
	all, one, again, other := rules(Choice{}), rules(Choice{Seed: 1}), rules(Choice{Seed: 1}), rules(Choice{Seed: 2})
	if slices.Equal(all, one) || !slices.Equal(one, again) || slices.Equal(one, other) {
		t.Error("a seed does not shuffle, or not always alike")
	}
	if list := rules(Choice{Only: []int{2, 1}, Seed: 1}); !slices.Equal(list, []string{one[1], one[0]}) {
		t.Errorf("%q", list)
	}
	for _, n := range []int{0, -1, len(all) + 1} {
		if _, err := Choose(Choice{Only: []int{n}}); err == nil {
			t.Errorf("there is a question %d", n)
		}
	}
}

// TestClose holds that all is given back: no address answers any more, and a
// connection that was open has ended.
func TestClose(t *testing.T) {
	q := start(t, Choice{})
	host := func(address string) string {
		_, rest, _ := strings.Cut(address, "://")
		return strings.TrimSuffix(rest, "/")
	}
	var held []net.Conn
	for _, a := range q.Questions {
		conn, err := net.Dial("tcp", host(a.Address))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held = append(held, conn)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	for i, conn := range held {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s says something", q.Questions[i].Rule)
		}
		if again, err := net.Dial("tcp", host(q.Questions[i].Address)); err == nil {
			again.Close()
			t.Errorf("%s listens still", q.Questions[i].Rule)
		}
	}
	if err := q.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}
