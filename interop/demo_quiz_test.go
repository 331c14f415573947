package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// quizServers starts the servers of sockkit demo quiz, and returns their
// addresses: that of question 1 is the first.
func quizServers(t *testing.T) []string {
	t.Helper()
	file := filepath.Join(tempDir(t), "addresses")
	sockkit(t, "demo", "quiz", "--serve", "--addr-file", file)
	var lines []string
	poll(t, "the addresses of the quiz", func() bool {
		b, err := os.ReadFile(file)
		lines = strings.Fields(string(b))
		return err == nil
	})
	return lines
}

// TestQuizChromium holds that a browser has the troubles that the quiz speaks
// of, with each of its servers of WebSocket.
func TestQuizChromium(t *testing.T) {
	t.Parallel()
	servers := quizServers(t)
	browser := chromium(t)
	home := "http://" + site(t) + "/"
	for number, want := range quizInChromium() {
		t.Run(strconv.Itoa(number), func(t *testing.T) {
			want.isSeen(t, chromiumDials(t, browser, home, servers[number-1], want.offers...))
		})
	}
}

// quizTrouble is what a browser does with a server of the quiz.
type quizTrouble struct {
	offers []string
	opens  bool
	says   string
	text   string // that comes back
	works  bool   // there is no end
}

func (q quizTrouble) isSeen(t *testing.T, p *wsPeer) {
	if q.opens {
		p.next("open")
	}
	if q.says != "" {
		p.do(wsAct{Do: "text", Data: q.says})
	}
	if q.text != "" {
		p.nextText(q.text)
	}
	if q.works {
		return
	}
	if got := p.next("close"); got.Code != 1006 {
		t.Errorf("the browser saw %+v", got)
	}
}

func quizInChromium() map[int]quizTrouble {
	fails := quizTrouble{}
	hello := quizTrouble{opens: true, says: "hello"}
	works := quizTrouble{opens: true, says: "hello", text: "hello", works: true}
	return map[int]quizTrouble{
		1: fails, 2: fails, 3: fails, 4: fails, 5: fails, 6: fails, 7: fails, 8: fails,
		9:  {offers: []string{"chat", "log"}},
		10: works, // the browser has offered it
		11: works, // it forgives this, which others do not
		12: works,
		13: works,
		14: {opens: true},
		15: fails,
		16: hello,
		17: {opens: true, says: "é"},
		18: {opens: true, says: "hello", text: "hello"},
		19: hello, 20: hello, 21: hello,
	}
}

// quizClient is the official client of Socket.IO, which tells what it sees.
const quizClient = `
const { io } = require('socket.io-client')
const say = (...words) => console.log(words.join(' '))
const s = io(process.argv[1], { reconnection: false, timeout: Number(process.argv[2]) })
s.io.engine.on('upgrade', () => say('upgrade'))
s.io.engine.on('upgradeError', (e) => say('upgradeError', e.message))
s.on('connect', () => {
  say('connect')
  for (const text of ['one', 'two']) s.emit('message', text, (answer) => say('ack', text, answer))
})
s.on('connect_error', (e) => say('connect_error', e.message))
s.on('disconnect', (reason) => say('disconnect', reason))
s.on('message', (text) => say('message', text))
process.stdin.on('end', () => process.exit(0)).resume()
`

// clientTrouble is what the official client sees, and what it has not seen then.
type clientTrouble struct{ sees, never string }

// timeout is how long it waits for an open packet, in milliseconds: long, but
// where none is to come.
func (c clientTrouble) timeout() string {
	if strings.Contains(c.sees, "timeout") && !strings.Contains(c.sees, "ping") {
		return "2000"
	}
	return "60000"
}

// TestQuizSocketIO holds the same of the official client and the servers of
// Socket.IO.
func TestQuizSocketIO(t *testing.T) {
	t.Parallel()
	servers := quizServers(t)
	for number, test := range map[int]clientTrouble{
		22: {`(?s)ack two ok.*upgradeError|upgradeError.*ack two ok`, `upgrade\n`},
		23: {`connect_error|disconnect transport error`, `$^`},
		24: {`ack two ok`, `$^`}, // it is no browser
		25: {`connect_error timeout`, `connect\n`},
		26: {`connect_error`, `connect\n`},
		27: {`disconnect ping timeout`, `$^`},
		28: {`(?s)ack two ok.*disconnect ping timeout`, `$^`},
		29: {`upgradeError probe error`, `upgrade\n`},
		30: {`upgrade\n`, `connect\n`},
		31: {`message two\n`, `ack`},
		32: {`disconnect parse error`, `picture`},
	} {
		t.Run(strconv.Itoa(number), func(t *testing.T) {
			node := start(t, program{args: []string{"node", "-e", quizClient, "http" + strings.TrimPrefix(servers[number-1], "sio"), test.timeout()}, hold: true})
			sees := regexp.MustCompile(test.sees)
			await(t, "the client to see "+test.sees, node.out.event, func() bool { return sees.MatchString(node.out.String()) })
			if got := node.out.String(); regexp.MustCompile(test.never).MatchString(got) {
				t.Errorf("the client saw\n%s", got)
			}
		})
	}
}
