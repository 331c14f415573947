package capture

import (
	"bytes"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
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

// tapped remembers what both ends of a connection sent, in its order.
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
		a, b := joined(t)
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

// joined are both ends of a connection, neither of which waits for the other to
// read.
func joined(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
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

// TestDecrypts opens what crypto/tls has sealed, by what TLS 1.3 chooses and by
// each kind of suite that it has of those before.
func TestDecrypts(t *testing.T) {
	type try struct {
		version uint16
		suite   uint16
	}
	tries := []try{
		{tls.VersionTLS13, 0},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
		{tls.VersionTLS11, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
		{tls.VersionTLS10, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	}
	for _, how := range tries {
		t.Run(fmt.Sprintf("%s %s", tls.VersionName(how.version), tls.CipherSuiteName(how.suite)), func(t *testing.T) {
			log, keys := conversation(t, func(client, server *tls.Config) {
				client.MaxVersion = how.version
				client.MinVersion, server.MinVersion = tls.VersionTLS10, tls.VersionTLS10
				if how.suite != 0 {
					client.CipherSuites, server.CipherSuites = []uint16{how.suite}, []uint16{how.suite}
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

// A server that asks for another hello of the client (RFC 8446 section 4.1.4)
// says ChangeCipherSpec behind that, which means nothing.
func TestHelloRetry(t *testing.T) {
	log, keys := conversation(t, func(client, server *tls.Config) {
		client.CurvePreferences, server.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}, []tls.CurveID{tls.CurveP384}
	}, 1)
	if !bytes.Contains(log.list[1].data, retryRandom[:]) {
		t.Fatal("the server asked for nothing")
	}
	r, rec, err := readAll(t, bytes.NewReader(log.file()), Options{KeyLog: strings.NewReader(keys)})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(story(rec), `in text "Hello"`) || !r.Connections[0].TLS.Decrypted {
		t.Errorf("%+v %q", r.Connections[0].TLS, story(rec))
	}
}

// Names are those that crypto/tls has, where it has any.
func TestSuiteNames(t *testing.T) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if got := suiteName(int(s.ID)); got != s.Name {
			t.Errorf("%#x is %s, want %s", s.ID, got, s.Name)
		}
		if _, ok := suiteOf(int(s.ID)); !ok && !strings.Contains(s.Name, "RC4") {
			t.Errorf("%s is not decrypted", s.Name)
		}
	}
	if got := suiteName(0xfafa); got != "0xFAFA" {
		t.Error(got)
	}
}

// Sealed by OpenSSL: keys and nonces count up from 0 and 16, texts from a.
func TestCCM(t *testing.T) {
	count := func(from, n int) (b []byte) {
		for i := range n {
			b = append(b, byte(from+i))
		}
		return b
	}
	extra := []byte{0, 0, 0, 0, 0, 0, 0, 1, 23, 3, 3}
	for _, test := range []struct {
		key, tag int
		text     []byte
		sealed   string
	}{
		{16, 16, count(97, 0), "09344ef56aba5cf0b2196b1af6ff8176"},
		{16, 8, count(97, 5), "42d7dac427f08a1234282b78df"},
		{32, 16, count(97, 33), "10d29267032d07080599f6025131df414786d45990724271002f4d045db4108c24e65dabaa95f00b2b059ad9bf28e85c2c"},
		{32, 8, count(97, 16), "10d29267032d07080599f6025131df41a5d9acb5bd2030a4"},
	} {
		a := suite{by: byCCM, tag: test.tag}.aead(count(0, test.key))
		sealed, _ := hex.DecodeString(test.sealed)
		if got, err := a.Open(nil, count(16, 12), sealed, extra); err != nil || !bytes.Equal(got, test.text) {
			t.Errorf("%d and %d: %q %v, want %q", test.key, test.tag, got, err, test.text)
		}
		for i := range sealed {
			sealed[i] ^= 1
			if _, err := a.Open(nil, count(16, 12), sealed, extra); err == nil {
				t.Errorf("%d and %d: byte %d was changed unseen", test.key, test.tag, i)
			}
			sealed[i] ^= 1
		}
		if _, err := a.Open(nil, count(16, 12), sealed[:test.tag-1], extra); err == nil {
			t.Error("what is too short was opened")
		}
	}
}

// Records by CBC that are bent in any byte are not opened, nor are short ones.
func TestCBCBent(t *testing.T) {
	s, _ := suiteOf(0x002f)
	for _, encryptFirst := range []bool{false, true} {
		server := hello{version: tls.VersionTLS12, random: make([]byte, 32), encryptFirst: encryptFirst}
		fresh := func() *opener {
			return s.openers12(make([]byte, 48), hello{random: make([]byte, 32)}, server)[ws.ClientRole]
		}
		record := sealCBC(fresh().cbc, []byte("hello"))
		if _, plain, ok := fresh().open(record); !ok || string(plain) != "hello" {
			t.Fatalf("%v: %q %v", encryptFirst, plain, ok)
		}
		for i := recordHead; i < len(record); i++ {
			record[i] ^= 1
			if _, plain, ok := fresh().open(record); ok {
				t.Errorf("%v: byte %d: %q", encryptFirst, i, plain)
			}
			record[i] ^= 1
			if _, _, ok := fresh().open(record[:i]); ok {
				t.Errorf("%v: cut at %d", encryptFirst, i)
			}
		}
	}
}

// sealCBC makes the first record of a connection, with a vector of zeros and the
// longest padding that there is.
func sealCBC(c *cbc, text []byte) []byte {
	head, size := []byte{recordData, 3, 3, 0, 0}, c.block.BlockSize()
	mac := func(b []byte) []byte {
		c.mac.Reset()
		c.mac.Write(covered(0, head, len(b)))
		c.mac.Write(b)
		return c.mac.Sum(nil)
	}
	if !c.encryptFirst {
		text = append(text, mac(text)...)
	}
	padding := 255 - (len(text)+256)%size
	text = append(text, bytes.Repeat([]byte{byte(padding)}, padding+1)...)
	vector := make([]byte, size)
	cipher.NewCBCEncrypter(c.block, vector).CryptBlocks(text, text)
	body := append(vector, text...)
	if c.encryptFirst {
		body = append(body, mac(body)...)
	}
	binary.BigEndian.PutUint16(head[3:], uint16(len(body)))
	return append(head, body...)
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
