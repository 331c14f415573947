package quiz

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Outcome is what became of one line that the reader typed.
type Outcome int

// The outcomes.
const (
	Told  Outcome = iota // something was asked for, and no answer tried
	Right                // the answer is right
	Wrong                // it is not
	Over                 // the reader wants to leave
)

// Say takes one line of the reader's and returns what there is to say to it.
func (q *Quiz) Say(line string) (string, Outcome) {
	said := strings.Fields(line)
	if len(said) == 0 {
		return "", Told
	}
	if said[0] == "answer" && len(said) > 1 {
		said = said[1:]
	}
	if n, err := strconv.Atoi(said[0]); err == nil {
		return q.answer(n, said[1:])
	}
	verb, rest := strings.ToLower(said[0]), said[1:]
	if verb == "give" && len(rest) > 0 && rest[0] == "up" {
		rest = rest[1:]
	}
	switch verb {
	case "hint", "give":
		return q.about(verb, rest), Told
	case "list":
		return q.Table(), Told
	case "score":
		return q.scoreText() + "\n", Told
	case "help", "?":
		return helpText, Told
	case "quit", "q", "exit":
		return "", Over
	}
	if len(q.Questions) == 1 {
		return q.answer(q.Questions[0].Number, said)
	}
	return fmt.Sprintf("An answer begins with the number of its server: 3 %s\n", strings.Join(said, " ")), Told
}

const helpText = `  3 response-accept-wrong   an answer: the rule as sockkit prints it,
  3 4.1 item 4              or its clause,
  3 accept                  or a plain word for it
  3                         what is known of it, once more
  hint 3                    where to look
  give up 3                 what it is
  list · score · quit
`

// answer judges an answer.
func (q *Quiz) answer(number int, said []string) (string, Outcome) {
	a := q.asked(number)
	answer := strings.Join(said, " ")
	switch {
	case a == nil:
		return q.unknown(number), Told
	case answer == "":
		return a.line() + "\n", Told
	case a.Right(answer):
		a.state = solved
		return "Right. " + a.Explain() + q.last(), Right
	}
	return a.wrong(answer), Wrong
}

func (q *Quiz) unknown(number int) string {
	return fmt.Sprintf("There is no server %d here. list shows those there are.\n", number)
}

// wrong is said of a wrong answer.
func (a *Asked) wrong(answer string) string {
	s := fmt.Sprintf("Not that. hint %d says where to look.\n", a.Number)
	if m := meant(answer); m != "" {
		return s + wrapped("  That one would be: "+m, 2)
	}
	return s + wrapped("  Nothing is known here by that name. What sockkit prints behind \"rule\" or \"finding\" is an answer, and so is a clause.", 2)
}

// about gives a hint, or the answer.
func (q *Quiz) about(verb string, rest []string) string {
	a := &q.Questions[0]
	if len(rest) > 0 {
		n, _ := strconv.Atoi(rest[0])
		if a = q.asked(n); a == nil {
			return q.unknown(n)
		}
	} else if len(q.Questions) > 1 {
		return "Of which server? hint 3, give up 3.\n"
	}
	if verb == "hint" {
		return wrapped("  "+a.Hint, 2) + "  Begin with  " + a.Shown[0].At(a.Address) + "\n"
	}
	if a.state == open {
		a.state = given
	}
	return "It is this. " + a.Explain()
}

// Explain says what is broken, why that matters, how it is mended, and what
// shows it.
func (a *Asked) Explain() string {
	var b strings.Builder
	b.WriteString(wrapped(a.Broken, 0))
	b.WriteString(wrapped("  rule  "+a.Rule+", "+a.Clause, 8))
	b.WriteString(wrapped("  why   "+a.Why, 8))
	b.WriteString(wrapped("  mend  "+a.Mend, 8))
	for i, l := range a.Shown {
		b.WriteString([]string{"  see   ", "        "}[min(i, 1)] + l.At(a.Address) + "\n")
	}
	return b.String()
}

// last is said when all is found.
func (q *Quiz) last() string {
	if q.Score() < len(q.Questions) {
		return ""
	}
	return "That was the last one.\n"
}

// Table lists the servers: a number, an address, a symptom.
func (q *Quiz) Table() string { return table(q.Questions) }

// List is the same for questions whose servers are not up.
func List(questions []Asked) string { return table(questions) }

func table(questions []Asked) string {
	var b strings.Builder
	grouped := slices.IsSortedFunc(questions, func(a, b Asked) int { return slices.Index(groups, a.Group) - slices.Index(groups, b.Group) })
	group := Group("")
	for i := range questions {
		a := &questions[i]
		if grouped && a.Group != group {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			group = a.Group
			b.WriteString(string(group) + "\n")
		}
		b.WriteString(a.line())
	}
	return b.String()
}

var groups = []Group{Upgrade, Frames, SocketIO}

// line is one server of the table.
func (a *Asked) line() string {
	mark := map[state]string{solved: "  solved", given: "  given up"}[a.state]
	if a.Address == "" {
		return wrapped(fmt.Sprintf("%3d  %s", a.Number, a.Symptom), 5)
	}
	return fmt.Sprintf("%3d  %s%s\n", a.Number, a.Address, mark) + wrapped("     "+a.Symptom, 5)
}

func (q *Quiz) scoreText() string {
	gaveUp := 0
	for i := range q.Questions {
		if q.Questions[i].state == given {
			gaveUp++
		}
	}
	s := fmt.Sprintf("%d of %d found", q.Score(), len(q.Questions))
	if gaveUp > 0 {
		s += fmt.Sprintf(", %d given up", gaveUp)
	}
	return s + "."
}

// Welcome is what a reader is told first.
func (q *Quiz) Welcome() string {
	var b strings.Builder
	b.WriteString(wrapped(welcome, 0) + "\n" + q.Table() + "\n")
	fmt.Fprintf(&b, "Nothing is wrong with %s and %s: compare.\n\n", q.Sound[0], q.Sound[1])
	b.WriteString(tools + helpText)
	return b.String()
}

const welcome = `Each of these servers breaks one rule and is right in all else. What is known is what a colleague says. Look at them from another terminal, and find the rule.`

const tools = `To look with, from another terminal:
  sockkit handshake dial ADDRESS    both heads, and a verdict
  sockkit dial -vvv ADDRESS         frames and packets, as they pass
  sockkit inspect ADDRESS           layer by layer, Socket.IO too
  curl -v, or whatever you know better

To answer, here:
`

// Goodbye is what a reader is told last.
func (q *Quiz) Goodbye() string { return "\n" + q.scoreText() + "\n" }

// wrapped breaks a text at 80 columns; lines behind the first begin with hang
// spaces.
func wrapped(s string, hang int) string {
	const width = 80
	lead := len(s) - len(strings.TrimLeft(s, " "))
	var b strings.Builder
	line := s[:lead]
	for _, word := range strings.SplitAfter(s[lead:], " ") {
		if runes(line)+runes(strings.TrimRight(word, " ")) > width && strings.TrimSpace(line) != "" {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = strings.Repeat(" ", hang)
		}
		line += word
	}
	return b.String() + strings.TrimRight(line, " ") + "\n"
}

func runes(s string) int { return len([]rune(s)) }

// Addresses are those of the servers, a line each, in the order of their
// numbers.
func (q *Quiz) Addresses() string {
	var b strings.Builder
	for i := range q.Questions {
		b.WriteString(q.Questions[i].Address + "\n")
	}
	return b.String()
}
