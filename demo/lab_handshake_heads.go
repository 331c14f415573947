package demo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// mostHead bounds what is written into one box, in bytes.
const mostHead = 16 << 10

// typedBytes are the bytes that a box of the page stands for: its own line
// breaks are nothing, and \r, \n, \t, \0, \\ and \xHH are one byte each.
func typedBytes(text string) ([]byte, error) {
	text = strings.NewReplacer("\r", "", "\n", "").Replace(text)
	if len(text) > mostHead {
		return nil, fmt.Errorf("%s characters are too many: %s are allowed", grouped(len(text)), grouped(mostHead))
	}
	var b []byte
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			b = append(b, text[i])
			i++
			continue
		}
		c, n, err := escapedByte(text[i:])
		if err != nil {
			return nil, err
		}
		b = append(b, c)
		i += n
	}
	return b, nil
}

// escapes are those of one letter.
var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '0': 0, '\\': '\\'}

// escapedByte is the byte that an escape at the beginning of s stands for, and how
// long the escape is.
func escapedByte(s string) (c byte, n int, err error) {
	if len(s) >= 2 {
		if c, ok := escapes[s[1]]; ok {
			return c, 2, nil
		}
		if s[1] == 'x' && len(s) >= 4 {
			if b, err := hex.DecodeString(s[2:4]); err == nil {
				return b[0], 4, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("%.4s stands for no byte: \\r, \\n, \\t, \\0, \\\\ and \\xHH do", s)
}

// boxText is bytes as they stand in a box: a line for each that ends in LF.
func boxText(b []byte) string {
	var text strings.Builder
	for _, c := range b {
		switch {
		case c == '\n':
			text.WriteString("\\n\n")
		case c == '\r':
			text.WriteString(`\r`)
		case c == '\\':
			text.WriteString(`\\`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&text, `\x%02x`, c)
		default:
			text.WriteByte(c)
		}
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// typedHead reads a head at the beginning of b, however wrong it is, and returns
// what stands behind it.
func typedHead(b []byte, response bool) (h *handshake.Head, rest []byte) {
	h = &handshake.Head{}
	r := &handshake.Reader{Source: bytes.NewReader(b)}
	if response {
		_ = r.ReadResponse(h) // what is wrong with it, a rule says
	} else {
		_ = r.ReadRequest(h)
	}
	return h, r.Rest()
}

// wholeRequest is the request of a box, which has to be complete: a client waits
// for its answer.
func wholeRequest(text string) (*handshake.Head, error) {
	raw, err := typedBytes(text)
	if err != nil {
		return nil, err
	}
	h := &handshake.Head{}
	if _, err := h.ParseRequest(raw, nil); errors.Is(err, handshake.ErrNeedMore) {
		return nil, errors.New(`the request is not complete: it ends with an empty line, \r\n\r\n`)
	}
	return h, nil
}

// headMistake is one that the page offers to make.
type headMistake struct {
	request  handshake.Bend
	response func(key string) handshake.Bend
	bytes    func(request []byte) []byte
	serves   bool // it is the response's
}

// headMistakes are those by their names in the page.
var headMistakes = map[string]headMistake{
	"right":      {},
	"no-key":     {request: handshake.Bend{Omit: []string{"Sec-WebSocket-Key"}}},
	"version-8":  {request: handshake.Bend{Set: []handshake.Field{handshake.F("Sec-WebSocket-Version", "8")}}},
	"http-1.0":   {request: handshake.Bend{Proto: "HTTP/1.0"}},
	"keep-alive": {request: handshake.Bend{Set: []handshake.Field{handshake.F("Connection", "keep-alive")}}},
	"two-keys":   {request: handshake.Bend{Add: []handshake.Field{handshake.F("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")}}},
	"folded":     {bytes: folded},
	"bare-lf":    {request: handshake.Bend{LineEnd: "\n"}},
	"hex": {serves: true, response: func(key string) handshake.Bend {
		return handshake.Bend{Set: []handshake.Field{handshake.F("Sec-WebSocket-Accept", inHex(key))}}
	}},
	"200": {serves: true, response: func(string) handshake.Bend { return handshake.Bend{Status: 200} }},
	"protocol": {serves: true, response: func(string) handshake.Bend {
		return handshake.Bend{Add: []handshake.Field{handshake.F("Sec-WebSocket-Protocol", "mqtt")}}
	}},
}

// folded goes on with a header in the next line, as was once allowed.
func folded(request []byte) []byte {
	return bytes.Replace(request, []byte("Upgrade: websocket"), []byte("Upgrade:\r\n websocket"), 1)
}

// presetName names a preset.
type presetName struct {
	Name string `json:"name"`
}

// preset fills both boxes: the right request and its answer, with one mistake.
// Whoever the mistake concerns is asked at once, unless nothing is wrong.
func (b *upgradeBench) preset(ctx context.Context, a presetName) (any, error) {
	m, ok := headMistakes[a.Name]
	if !ok {
		return nil, fmt.Errorf("%.20q is no mistake of this list", a.Name)
	}
	heads, err := b.heads(m)
	if err != nil {
		return nil, err
	}
	b.stage.Push("heads", heads)
	switch {
	case a.Name == "right":
		return nil, nil
	case m.serves:
		return b.serve(ctx, heads)
	}
	return b.send(ctx, heads)
}

// begin fills both boxes for the first tab of a visit; another one is shown what
// stands in them.
func (b *upgradeBench) begin(ctx context.Context) (err error) {
	b.filled.Do(func() { _, err = b.preset(ctx, presetName{"right"}) })
	return err
}

// heads are a right request and its answer, but for the mistake.
func (b *upgradeBench) heads(m headMistake) (t typedHeads, err error) {
	request, err := (&handshake.Request{URL: "ws://" + b.server + chatPath}).Head()
	if err != nil {
		return t, err
	}
	var answer handshake.Answer
	if err := (&handshake.Acceptor{}).Accept(request, &answer); err != nil {
		return t, err
	}
	response := answer.Head()
	if m.response != nil {
		bend := m.response(request.Get("Sec-WebSocket-Key"))
		bend.Apply(response)
	}
	m.request.Apply(request)
	raw := request.AppendTo(nil)
	if m.bytes != nil {
		raw = m.bytes(raw)
	}
	return typedHeads{boxText(raw), boxText(response.AppendTo(nil))}, nil
}

// judged is what the rules say of both boxes.
type judged struct {
	Request  judgedHead          `json:"request"`
	Response judgedHead          `json:"response"`
	Asked    int                 `json:"asked"` // the rules that apply
	Findings []handshake.Finding `json:"findings"`
	Key      string              `json:"key"`
	Steps    []handshake.Step    `json:"steps"` // from the key to the accept value
}

// judgedHead is what there is to say of one box.
type judgedHead struct {
	Bytes   int    `json:"bytes"`
	Problem string `json:"problem,omitempty"` // what is written stands for no bytes
}

// check holds both boxes against the table of rules.
func (b *upgradeBench) check(_ context.Context, a typedHeads) (any, error) {
	j, x := judged{Findings: []handshake.Finding{}, Steps: []handshake.Step{}}, handshake.Exchange{}
	x.Request, x.Early = j.Request.head(a.Request, false)
	x.Response, x.Body = j.Response.head(a.Response, true)
	if found := handshake.Check(&x); found != nil {
		j.Findings = found
	}
	j.Asked = len(handshake.Judge(&x))
	if x.Request != nil && x.Request.Has("Sec-WebSocket-Key") {
		j.Key = x.Request.Get("Sec-WebSocket-Key")
		j.Steps = handshake.ExplainKey(j.Key)
	}
	return j, nil
}

// head reads what stands in a box; nil where there is nothing to be read.
func (j *judgedHead) head(text string, response bool) (*handshake.Head, []byte) {
	raw, err := typedBytes(text)
	if err != nil {
		j.Problem = err.Error()
	}
	j.Bytes = len(raw)
	if len(raw) == 0 {
		return nil, nil
	}
	return typedHead(raw, response)
}

// isHexSHA1 reports whether a value is a SHA-1 in hexadecimal digits.
func isHexSHA1(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 20
}
