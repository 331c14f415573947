package interop

import (
	"regexp"
	"strings"
	"testing"
)

// told waits until a lesson has said something for the n-th time, and returns
// what the parentheses of the pattern hold.
func told(t *testing.T, lesson *proc, pattern string, n int) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var found [][]string
	poll(t, pattern, func() bool {
		found = re.FindAllStringSubmatch(lesson.out.String(), n)
		return len(found) == n || !lesson.alive()
	})
	if len(found) < n {
		t.Fatalf("the lesson ended before it said %s:\n%s", pattern, lesson.out)
	}
	return found[n-1][len(found[n-1])-1]
}

// follows starts a command as it stands in a lesson.
func follows(t *testing.T, command string) *proc {
	t.Helper()
	args := strings.Fields(strings.Replace(command, "sockkit ", bin+" ", 1))
	if args[0] == "nc" {
		args[0] = "nc.openbsd"
	}
	return start(t, program{args: args, hold: true})
}

func types(t *testing.T, p *proc, text string) {
	t.Helper()
	if _, err := p.in.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestDemoTCPByHand follows the lesson with nc, as its commands stand there, and
// with what may be used in its place.
func TestDemoTCPByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, dial, listen string }{
		{"nc", `\n  (nc -N 127\.0\.0\.1 \d+)\n`, `\n  (nc -l 127\.0\.0\.1 \d+)\n`},
		{"ncat", `\n  (ncat 127\.0\.0\.1 \d+)\n`, `\n  (ncat -l 127\.0\.0\.1 \d+)\n`},
		{"sockkit", `\n  (sockkit dial 127\.0\.0\.1 \d+)\n`, `\n  (sockkit listen \d+)\n`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lesson := sockkit(t, "demo", "tcp", "--by-hand")
			first := follows(t, told(t, lesson, c.dial, 1))
			told(t, lesson, `(2 of 6)`, 1)
			types(t, first, "hello\n")
			told(t, lesson, `(3 of 6)`, 1)
			first.in.Close()
			first.wait()
			if got, want := first.out.String(), "the server has got six bytes\na late answer\n"; got != want {
				t.Errorf("%s showed %q, want %q", c.name, got, want)
			}
			second := follows(t, told(t, lesson, c.dial, 2))
			types(t, second, "again\n")
			server := follows(t, told(t, lesson, c.listen, 1))
			told(t, lesson, `(client > )`, 1)
			types(t, server, "yes\n")
			if status := lesson.wait(); status != 0 {
				t.Fatalf("status %d:\n%s", status, lesson.out)
			}
			told(t, lesson, `(server < 6 bytes "hello\\n")`, 2) // in the step, and in the answer
			told(t, lesson, `(client < 4 bytes "yes\\n")`, 1)
		})
	}
}

// TestDemoHandshakeByHand follows the lesson with curl.
func TestDemoHandshakeByHand(t *testing.T) {
	t.Parallel()
	lesson := sockkit(t, "demo", "handshake", "--by-hand")
	plain := curls(t, told(t, lesson, `\n  (curl -i http:\S+)\n`, 1))
	if status := plain.wait(); status != 0 || !strings.HasPrefix(plain.out.String(), "HTTP/1.1 426 Upgrade Required\r\n") {
		t.Errorf("curl: status %d, %q", status, plain.out)
	}
	upgrade := curls(t, told(t, lesson, `\n  (curl -i -N .*)\n`, 1))
	told(t, lesson, `(4 of 5)`, 1)
	const frame = "\r\n\r\n\x81\x13Hello from sockkit\n"
	await(t, "the frame in curl", upgrade.out.event, func() bool { return strings.HasSuffix(upgrade.out.String(), frame) })
	upgrade.end()
	if status := lesson.wait(); status != 0 {
		t.Fatalf("status %d:\n%s", status, lesson.out)
	}
	told(t, lesson, `(the connection was lost without a close frame)`, 1)
	told(t, lesson, `(21, which are two bytes more)`, 1)
}

// TestDemoHandshakeByHandDial follows it with sockkit dial, which knows
// WebSocket.
func TestDemoHandshakeByHandDial(t *testing.T) {
	t.Parallel()
	lesson := sockkit(t, "demo", "handshake", "--by-hand")
	curls(t, told(t, lesson, `\n  (curl -i http:\S+)\n`, 1)).wait()
	client := follows(t, told(t, lesson, `\n  (sockkit dial ws:\S+)\n`, 1))
	told(t, lesson, `(4 of 5)`, 1)
	types(t, client, "hi\n")
	told(t, lesson, `(text message, 2 bytes "hi")`, 1)
	if err := client.in.Close(); err != nil {
		t.Fatal(err)
	}
	if status := lesson.wait(); status != 0 {
		t.Fatalf("status %d:\n%s", status, lesson.out)
	}
	told(t, lesson, `(closing handshake)`, 1)
}

// curls runs a command line of curl's as a shell does.
func curls(t *testing.T, command string) *proc {
	t.Helper()
	return start(t, program{args: []string{"sh", "-c", "exec " + command}})
}
