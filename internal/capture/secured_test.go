package capture

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// tapped remembers what both ends of a pipe sent, in its order.
type tapped struct {
	net.Conn
	from ws.Role
	log  *said
}

type said struct {
	mu   sync.Mutex
	list []utterance
}

type utterance struct {
	from ws.Role
	data []byte
}

func (t tapped) Write(p []byte) (int, error) {
	t.log.mu.Lock()
	t.log.list = append(t.log.list, utterance{t.from, bytes.Clone(p)})
	t.log.mu.Unlock()
	return t.Conn.Write(p)
}

// conversation has a client and a server talk over TLS, and returns what passed
// and the secrets.
func conversation(t *testing.T, adjust func(client, server *tls.Config), talks int) (*said, string) {
	t.Helper()
	server, err := (&tcp.TLSOptions{SelfSigned: true, ALPN: []string{"http/1.1"}}).Server()
	if err != nil {
		t.Fatal(err)
	}
	var keys bytes.Buffer
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "chat.test", NextProtos: []string{"http/1.1"}, KeyLogWriter: &keys}
	adjust(client, server)
	log := &said{}
	for range talks {
		a, b := net.Pipe()
		done := make(chan error, 1)
		go func() {
			s := tls.Server(tapped{b, ws.ServerRole, log}, server)
			_, err := io.ReadFull(s, make([]byte, len(askWS)))
			if err == nil {
				_, err = io.WriteString(s, answerWS+helloIn)
			}
			done <- err
		}()
		c := tls.Client(tapped{a, ws.ClientRole, log}, client)
		if _, err := io.WriteString(c, askWS); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len(answerWS)+len(helloIn))); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		a.Close()
		b.Close()
	}
	return log, keys.String()
}

func (s *said) file() []byte {
	c := newSession()
	for _, u := range s.list {
		from := 0
		if u.from == ws.ServerRole {
			from = 1
		}
		c.say(from, string(u.data))
	}
	return c.file()
}

var wantInside = []string{"out GET /chat HTTP/1.1", "in HTTP/1.1 101 Switching Protocols", "upgrade /chat", `in text "Hello"`}

// TestDecrypts opens what crypto/tls has sealed, by every suite of TLS 1.2 that
// is known here and what TLS 1.3 chooses.
func TestDecrypts(t *testing.T) {
	type try struct {
		version uint16
		suite   uint16
	}
	tries := []try{{tls.VersionTLS13, 0}}
	for _, s := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} {
		tries = append(tries, try{tls.VersionTLS12, s})
	}
	for _, how := range tries {
		t.Run(fmt.Sprintf("%s %s", tls.VersionName(how.version), tls.CipherSuiteName(how.suite)), func(t *testing.T) {
			log, keys := conversation(t, func(client, _ *tls.Config) {
				client.MaxVersion = how.version
				if how.suite != 0 {
					client.CipherSuites = []uint16{how.suite}
				}
			}, 1)
			r, rec, err := readAll(t, bytes.NewReader(log.file()), Options{KeyLog: strings.NewReader(keys)})
			if err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(story(rec), func(s string) bool { return s == "open" || s == "half_close" })
			if !slices.Equal(got, wantInside) {
				t.Errorf("%q", got)
			}
			s := r.Connections[0].TLS
			if !s.Decrypted || s.Version != tls.VersionName(how.version) || s.ServerName != "chat.test" || s.ALPN != "http/1.1" || len(s.Certificates) != 1 || how.suite != 0 && s.Cipher != tls.CipherSuiteName(how.suite) {
				t.Errorf("%+v", s)
			}
			if n := len(trace.Events[trace.TLSStart](rec.Records())); n != 1 {
				t.Errorf("%d beginnings of TLS", n)
			}
		})
	}
}

// Without secrets, or with those of another connection, what can be read is
// said, and why no more.
func TestNotDecrypted(t *testing.T) {
	log, keys := conversation(t, func(*tls.Config, *tls.Config) {}, 1)
	lines := strings.Split(keys, "\n")
	wrong := strings.Replace(keys, " ", " 0", 1)
	for i, line := range lines {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == "SERVER_TRAFFIC_SECRET_0" {
			lines[i] = words[0] + " " + words[1] + " " + strings.Repeat("00", len(words[2])/2)
		}
	}
	for name, k := range map[string]struct{ keys, why string }{
		"none":    {"", "its secrets are not given; --keylog names a file that has them"},
		"broken":  {wrong[:40], "its secrets are not given; --keylog names a file that has them"},
		"missing": {lines[0], "the secrets that are given lack "},
		"wrong":   {strings.Join(lines, "\n"), "a record of the server cannot be opened by the secrets that are given"},
	} {
		t.Run(name, func(t *testing.T) {
			r, rec, err := readAll(t, bytes.NewReader(log.file()), Options{KeyLog: strings.NewReader(k.keys)})
			if err != nil {
				t.Fatal(err)
			}
			s := r.Connections[0].TLS
			if s.Decrypted || !strings.Contains(s.Why, k.why) || s.Version != "TLS 1.3" || s.ServerName != "chat.test" {
				t.Errorf("%+v", s)
			}
			if slices.Contains(story(rec), `in text "Hello"`) {
				t.Error("it was decrypted")
			}
		})
	}
}

// A session that is taken up again has no certificate, and is decrypted too. Of
// TLS 1.2 crypto/tls logs no secret then.
func TestResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS13} {
		log, keys := conversation(t, func(client, _ *tls.Config) {
			client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		}, 2)
		second := slices.IndexFunc(log.list[2:], func(u utterance) bool {
			return u.from == ws.ClientRole && u.data[0] == recordHandshake && u.data[5] == helloClient
		})
		log.list = log.list[2+second:]
		r, rec, err := readAll(t, bytes.NewReader(log.file()), Options{KeyLog: strings.NewReader(keys)})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(story(rec), `in text "Hello"`) || len(r.Connections[0].TLS.Certificates) != 0 {
			t.Errorf("%s: %+v %q", tls.VersionName(version), r.Connections[0].TLS, story(rec))
		}
	}
}

// FuzzTLS feeds records that are bent, with the right secrets at hand.
func FuzzTLS(f *testing.F) {
	t := &testing.T{}
	log, keys := conversation(t, func(*tls.Config, *tls.Config) {}, 1)
	for i := range log.list {
		f.Add(i, 3, byte(0xff), true)
	}
	f.Fuzz(func(t *testing.T, which, at int, with byte, cut bool) {
		bent := &said{list: slices.Clone(log.list)}
		which = int(uint(which) % uint(len(bent.list)))
		data := bytes.Clone(bent.list[which].data)
		at = int(uint(at) % uint(len(data)))
		if data[at] ^= with; cut {
			data = data[:at]
		}
		bent.list[which].data = data
		_, rec, err := readAll(t, bytes.NewReader(bent.file()), Options{KeyLog: strings.NewReader(keys)})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range trace.Events[trace.WSMessage](rec.Records()) {
			if string(m.Payload) != "Hello" { // sealed data cannot be changed unseen
				t.Fatalf("%q was decrypted", m.Payload)
			}
		}
	})
}

// A server that speaks something else is shown to do so.
func TestNoTLSAnswer(t *testing.T) {
	log, _ := conversation(t, func(*tls.Config, *tls.Config) {}, 1)
	s := newSession()
	s.say(0, string(log.list[0].data))
	s.say(1, "HTTP/1.1 400 Bad Request\r\n\r\n")
	s.end()
	_, rec := readBytes(t, s.file())
	wantStory(t, rec, "open", "note the server does not answer by TLS, but by what looks like HTTP", `in data "HTTP/1.1 400 Bad Request\r\n\r\n"`, "half_close", "half_close", "close")
}
