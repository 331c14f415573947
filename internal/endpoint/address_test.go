package endpoint

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		words string
		o     Options
		want  string
	}{
		{"tcp://localhost:80", Options{}, "tcp://localhost:80"},
		{"TCP://localhost:80", Options{}, "tcp://localhost:80"},
		{"localhost:80", Options{}, "tcp://localhost:80"},
		{":80", Options{}, "tcp://:80"},
		{"80", Options{}, "tcp://:80"},
		{"localhost 80", Options{}, "tcp://localhost:80"},
		{"localhost http", Options{}, "tcp://localhost:http"},
		{"::1 80", Options{}, "tcp://[::1]:80"},
		{"[::1]:80", Options{}, "tcp://[::1]:80"},
		{"tcp://[fe80::1%eth0]:80", Options{}, "tcp://[fe80::1%eth0]:80"},
		{"*:9000", Options{}, "tcp://*:9000"},
		{"tls://example.com:443/", Options{}, "tls://example.com:443"},
		{"53", Options{UDP: true}, "udp://:53"},
		{"udp://239.1.2.3:5000?iface=lo", Options{}, "udp://239.1.2.3:5000?iface=lo"},
		{"unix:/run/a.sock", Options{}, "unix:/run/a.sock"},
		{"unix:@name", Options{}, "unix:@name"},
		{"unix://run/a.sock", Options{}, "unix:run/a.sock"},
		{"unix:///run/a.sock", Options{}, "unix:/run/a.sock"},
		{"/run/a.sock", Options{Unix: true}, "unix:/run/a.sock"},
		{"/run/a.sock", Options{Unix: true, UDP: true}, "unixgram:/run/a.sock"},
		{"unixgram:/run/b.sock", Options{}, "unixgram:/run/b.sock"},
		{"exec:cat", Options{}, "exec:cat"},
		{"-", Options{}, "-"},
		{"20-25", Options{}, "tcp://:20-25"},
		{"localhost 20-25", Options{}, "tcp://localhost:20-25"},
		{"ws://localhost", Options{}, "ws://localhost:80/"},
		{"WSS://example.com/chat?room=1", Options{}, "wss://example.com:443/chat?room=1"},
		{"ws://[::1]/x", Options{}, "ws://[::1]:80/x"},
		{"ws://[::1]:9000", Options{}, "ws://[::1]:9000/"},
		{"ws://:9000", Options{}, "ws://:9000/"},
		{"ws://9000", Options{}, "ws://:9000/"},
		{"ws://localhost:9000?a=b", Options{}, "ws://localhost:9000/?a=b"},
		{"ws://me:se%40cret@localhost:9000/x", Options{}, "ws://me:se%40cret@localhost:9000/x"},
		{"sio://localhost:3000/chat?token=1", Options{}, "sio://localhost:3000/chat?token=1"},
		{"sios://example.com", Options{}, "sios://example.com:443/"},
		{"ws+unix:/tmp/a.sock", Options{}, "ws+unix:/tmp/a.sock:/"},
		{"ws+unix:/tmp/a.sock:/chat?x=1", Options{}, "ws+unix:/tmp/a.sock:/chat?x=1"},
		{"ws+unix:///tmp/a.sock:/chat", Options{}, "ws+unix:/tmp/a.sock:/chat"},
	}
	for _, test := range tests {
		a, err := Parse(strings.Split(test.words, " "), test.o)
		if err != nil || a.String() != test.want {
			t.Errorf("%q: %v, %v; want %s", test.words, a, err, test.want)
			continue
		}
		again, err := Parse([]string{a.String()}, Options{})
		if err != nil || again != a {
			t.Errorf("%q reads back as %v, %v", a, again, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ words, want, hint string }{
		{"", "empty", ""},
		{"localhost", "has no port", "write localhost:80"},
		{"::1", "has no port", "write [::1]:80"},
		{"::1:9000", "has no port", "write [::1]:9000, if 9000 is the port"},
		{"ws:/localhost:80", "no slashes", "write ws://localhost:80"},
		{"1:2:3", "is no address", "brackets"},
		{"localhost:", "port is missing", ""},
		{"localhost:65536", "out of range", ""},
		{"localhost:-1", "no port", ""},
		{"localhost:8o8o8o8o8o8o8o8o8", "no port", ""},
		{"tpc://localhost:80", "unknown", "did you mean tcp://localhost:80?"},
		{"http://localhost:80/chat", "unknown", "ws://localhost:80/chat is a WebSocket there"},
		{"https://localhost/chat", "unknown", "wss://localhost/chat is a WebSocket there"},
		{"ssl://localhost:443", "unknown", "did you mean tls://localhost:443?"},
		{"gopher-plus://x", "unknown", "known: tcp"},
		{"tcp://localhost:80/path", "has a path", ""},
		{"tcp://me@localhost:80", "names a user", ""},
		{"udp://h:1?ifcae=lo", "unknown", ""},
		{"tcp://h:1?iface=lo", "unknown", ""},
		{"sio:localhost:80", "no slashes", "write sio://localhost:80"},
		{"ws://localhost/#top", "fragment", "%23"},
		{"ws://localhost/ü", "no request line may hold", "percent-encode"},
		{"ws:localhost:80", "no slashes", "write ws://localhost:80"},
		{"ws+unix:", "wants a path", ""},
		{"unix:", "wants a path", ""},
		{"unix:@", "wants a path", ""},
		{"exec: ", "wants a command", ""},
		{"tcp:localhost:80", "no slashes", "write tcp://localhost:80"},
		{"ho st:80", "neither a host", ""},
		{"a b c", "3 words", ""},
	}
	for _, test := range tests {
		words := []string{test.words}
		if test.words == "a b c" {
			words = strings.Split(test.words, " ")
		}
		_, err := Parse(words, Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v; want one with %q", test.words, err, test.want)
			continue
		}
		if hint, ok := err.(*Hint); test.hint != "" && (!ok || !strings.Contains(hint.Text, test.hint)) {
			t.Errorf("%q: %#v; want the hint %q", test.words, err, test.hint)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"tcp://[::1]:80", "udp://239.1.1.1:1?iface=lo", "unix:@x", "exec:a 'b'", ":0", "*:1-2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse([]string{s}, Options{})
		if err != nil {
			return
		}
		again, err := Parse([]string{a.String()}, Options{})
		if err != nil || again != a {
			t.Fatalf("%q became %q, which reads as %q, %v", s, a, again, err)
		}
	})
}

func TestSplit(t *testing.T) {
	tests := []struct {
		line string
		want []string // nil: an error
	}{
		{"cat", []string{"cat"}},
		{" grep  -i 'a b' ", []string{"grep", "-i", "a b"}},
		{`sh -c "echo \"$HOME\" \\ \n"`, []string{"sh", "-c", `echo "$HOME" \ \n`}},
		{`a\ b ''`, []string{"a b", ""}},
		{`x'y'"z"`, []string{"xyz"}},
		{"printf é", []string{"printf", "é"}},
		{"a|b", []string{"a|b"}},
		{"cat | wc", nil},
		{"cat >f", nil},
		{"'open", nil},
		{`"open`, nil},
		{`end\`, nil},
		{"", nil},
		{"  ", nil},
	}
	for _, test := range tests {
		got, err := Split(test.line)
		if (err == nil) != (test.want != nil) || strings.Join(got, "\x00") != strings.Join(test.want, "\x00") {
			t.Errorf("%q: %q, %v; want %q", test.line, got, err, test.want)
		}
	}
}
