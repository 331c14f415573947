package interop

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// deflateCase is what a peer wants of permessage-deflate (RFC 7692).
type deflateCase struct {
	lib     string
	options wsOptions
	agreed  []string // what has to stand in the extensions agreed
}

// windowed is a text that compresses by looking back just over 256, 512, … and
// 16384 bytes: whoever compresses it with a larger window than was agreed
// cannot be understood.
func windowed() string {
	var s strings.Builder
	for size := int64(300); size <= 20000; size *= 2 {
		part := base64.StdEncoding.EncodeToString(newBlob(size * 3 / 4).bytes())
		s.WriteString(part + part + strings.Repeat(part[:64], 8))
	}
	return s.String()
}

// deflateServers are servers to dial with --compress.
func deflateServers() (all []deflateCase) {
	for bits := 9; bits <= 15; bits++ {
		all = append(all,
			deflateCase{"node ws", wsOptions{Compress: true, Takeover: true, ServerBits: bits}, []string{fmt.Sprint("server_max_window_bits=", bits)}},
			deflateCase{"websockets", wsOptions{Compress: true, ServerBits: bits}, []string{fmt.Sprint("server_max_window_bits=", bits)}},
		)
	}
	return append(all,
		deflateCase{"node ws", wsOptions{Compress: true, Takeover: true}, nil},
		deflateCase{"node ws", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"websockets", wsOptions{Compress: true, Takeover: true}, nil},
		deflateCase{"websockets", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"gorilla", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"coder", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"coder", wsOptions{Compress: true, Takeover: true}, nil},
		deflateCase{"gws", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"gws", wsOptions{Compress: true, Takeover: true}, nil},
		deflateCase{"gws", wsOptions{Compress: true, Takeover: true, ServerBits: 10, ClientBits: 10}, nil},
	)
}

// deflateClients are clients of listen --compress: what they offer that can be
// honoured has to be accepted, and kept.
func deflateClients() (all []deflateCase) {
	for bits := 9; bits <= 15; bits++ {
		all = append(all,
			deflateCase{"node ws", wsOptions{Compress: true, Takeover: true, ServerBits: bits}, []string{fmt.Sprint("server_max_window_bits=", bits)}},
			deflateCase{"node ws", wsOptions{Compress: true, Takeover: true, ClientBits: bits}, nil},
			deflateCase{"websockets", wsOptions{Compress: true, Takeover: true, ServerBits: bits, ClientBits: bits}, []string{fmt.Sprint("server_max_window_bits=", bits)}},
		)
	}
	return append(all,
		deflateCase{"node ws", wsOptions{Compress: true, Takeover: true}, nil},
		deflateCase{"node ws", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"websockets", wsOptions{Compress: true}, []string{"server_no_context_takeover"}},
		deflateCase{"gorilla", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"coder", wsOptions{Compress: true}, []string{"server_no_context_takeover", "client_no_context_takeover"}},
		deflateCase{"coder", wsOptions{Compress: true, Takeover: true}, nil},
		deflateCase{"gws", wsOptions{Compress: true}, []string{"server_no_context_takeover"}},
		deflateCase{"gws", wsOptions{Compress: true, Takeover: true}, nil},
	)
}

func (c deflateCase) String() string {
	return fmt.Sprintf("%s, takeover %v, bits %d and %d", c.lib, c.options.Takeover, c.options.ServerBits, c.options.ClientBits)
}

func TestWSDialDeflate(t *testing.T) {
	t.Parallel()
	for _, c := range deflateServers() {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			c.options.Echo = true
			p := wsServer(t, wsLibraries[c.lib], c.options)
			file := tempDir(t) + "/trace.jsonl"
			us := held(t, "dial", "--compress", "--linger", "0", "--trace", file, p.url)
			p.next("open")
			printed := ""
			for _, text := range deflated() {
				us.write(text + "\n")
				p.nextText(text)
				printed += text + "\n"
				us.awaitOutput(int64(len(printed)))
			}
			us.in.Close()
			us.want(0)
			if us.out.hex() != sumOf([]byte(printed)) {
				t.Errorf("what was printed is not what came: %d bytes of %d", us.out.size(), len(printed))
			}
			c.wantAgreed(t, tracedRecords(t, file), "in", "out")
		})
	}
}

func TestWSListenDeflate(t *testing.T) {
	t.Parallel()
	for _, c := range deflateClients() {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			file := tempDir(t) + "/trace.jsonl"
			us, url := wsListen(t, "--echo", "--compress", "--trace", file)
			p, _ := wsClient(t, wsLibraries[c.lib], url, c.options)
			for _, text := range deflated() {
				p.do(wsAct{Do: "text", Data: text})
				p.nextText(text)
			}
			if c.lib != "gws" { // whose fragments look like its messages
				p.do(wsAct{Do: "parts", Parts: manyParts})
				p.nextText(strings.Join(manyParts, ""))
			}
			p.do(wsAct{Do: "close", Code: 1000})
			p.next("close")
			endListener(us)
			c.wantAgreed(t, tracedRecords(t, file), "in", "out")
		})
	}
}

// deflated are messages that tell whether contexts and windows are kept right:
// the second and the fourth are best told by what came before them.
func deflated() []string {
	w := windowed()
	return []string{"hello hello hello", "hello hello hello", w, w, "", "hello"}
}

// wantAgreed demands that the extension was agreed on, and used both ways.
func (c deflateCase) wantAgreed(t *testing.T, all []record, dirs ...string) {
	t.Helper()
	upgrade := find(all, event("upgrade", fields{"extensions": "permessage-deflate"}))
	if upgrade == nil {
		t.Fatalf("no compression was agreed on: %v", find(all, event("upgrade")))
	}
	for _, want := range c.agreed {
		if !upgrade.has(fields{"extensions": want}) {
			t.Errorf("what was agreed is %v; want %s in it", upgrade["extensions"], want)
		}
	}
	for _, dir := range dirs {
		if find(all, event("ws_message", fields{"dir": dir, "compressed": true})) == nil {
			t.Errorf("no message was compressed that went %s", dir)
		}
	}
	if r := find(all, event("finding")); r != nil {
		t.Errorf("a finding: %v", r)
	}
}

// Compression is off where it is not asked for: no offer goes out, and none is
// accepted.
func TestWSDeflateIsOffByDefault(t *testing.T) {
	t.Parallel()
	p := wsServer(t, wsLibraries["node ws"], wsOptions{Compress: true, Takeover: true})
	us := held(t, "dial", "--linger", "0", p.url)
	if got := p.next("open").Extensions; got != "" {
		t.Errorf("the server agreed on %q", got)
	}
	us.in.Close()
	us.want(0)
	_, url := wsListen(t, "--echo")
	if _, opened := wsClient(t, wsLibraries["node ws"], url, wsOptions{Compress: true}); opened.Extensions != "" {
		t.Errorf("the client agreed on %q", opened.Extensions)
	}
}
