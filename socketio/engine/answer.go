package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Values of headers that are the same in all answers, which nobody changes.
var (
	textPlain   = []string{"text/plain; charset=UTF-8"}
	textHTML    = []string{"text/html"}
	octetStream = []string{"application/octet-stream"}
	noStore     = []string{"no-store"}
	lengthOfOK  = []string{"2"}
)

// answer writes packets as the body of a poll's answer.
func (p *polling) answer(w http.ResponseWriter, r *http.Request, q query, packets []Packet) error {
	h := w.Header()
	h["Content-Type"] = textPlain
	room := scratch.Get().(*[]byte)
	body := (*room)[:0]
	script := q.has("j")
	if p.session.protocol == 3 && p.binary && !script && anyBinary(packets) {
		h["Content-Type"] = octetStream
		body = appendBinaryPayload3(body, packets)
	} else {
		body = appendPayload(body, p.session.protocol, packets)
	}
	defer putScratch(room, body)
	p.headers(h, r)
	if script {
		h.Set("Content-Type", "text/javascript; charset=UTF-8")
		body = jsonp(q.get("j"), body)
	}
	srv := p.session.srv
	body = srv.compressed(h, r, packets, body)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	return writeBounded(w, body, srv.pingInterval()+srv.pingTimeout())
}

// fitsBuffers is a size that the system's buffers take, whoever reads.
const fitsBuffers = 16 << 10

// writeBounded writes a body, and waits no longer for a client that does not
// read it than a session may be silent.
func writeBounded(w http.ResponseWriter, body []byte, limit time.Duration) error {
	if len(body) <= fitsBuffers {
		_, err := w.Write(body)
		return err
	}
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(limit)) // not every writer has one
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := c.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_ = c.SetWriteDeadline(time.Time{})
	return nil
}

// headers are those of every answer that takes or gives packets.
func (p *polling) headers(h http.Header, r *http.Request) {
	h["Cache-Control"] = noStore
	if agent := r.UserAgent(); strings.Contains(agent, ";MSIE") || strings.Contains(agent, "Trident/") {
		h.Set("X-XSS-Protection", "0") // its filter takes a payload for an attack
	}
}

// compressor is a writer that is used again.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// The compressors of HTTP's content codings (RFC 9110 section 8.4.1); deflate
// is the zlib format.
var compressors = map[string]*sync.Pool{
	"gzip":    {New: func() any { return gzip.NewWriter(nil) }},
	"deflate": {New: func() any { return zlib.NewWriter(nil) }},
}

// compressed is the body compressed, where the client takes that and it pays.
func (s *Server) compressed(h http.Header, r *http.Request, packets []Packet, body []byte) []byte {
	if s.HTTPCompression < 0 || len(body) < s.compressFrom() || !mayCompress(packets) {
		return body
	}
	coding := acceptedCoding(r.Header.Values("Accept-Encoding"))
	if coding == "" {
		return body
	}
	h.Set("Content-Encoding", coding)
	pool := compressors[coding]
	w := pool.Get().(compressor)
	defer pool.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

// acceptedCoding is gzip or deflate, whichever a client likes better (RFC 9110
// section 12.5.3); "" where it takes neither.
func acceptedCoding(lines []string) string {
	likes := map[string]float64{}
	for item := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		name, parameter, _ := strings.Cut(item, ";")
		weight := 1.0
		if _, q, ok := strings.Cut(parameter, "="); ok {
			weight, _ = strconv.ParseFloat(strings.TrimSpace(q), 64)
		}
		likes[strings.ToLower(strings.TrimSpace(name))] = weight
	}
	best, most := "", 0.0
	for _, coding := range []string{"gzip", "deflate"} {
		weight, named := likes[coding]
		if !named {
			weight = likes["*"]
		}
		if weight > most {
			best, most = coding, weight
		}
	}
	return best
}

func mayCompress(packets []Packet) bool {
	for i := range packets {
		if !packets[i].NoCompress {
			return true
		}
	}
	return false
}

// jsonp wraps a body for a script of the page (the j parameter). JSON's escapes
// are JavaScript's.
func jsonp(j string, body []byte) []byte {
	number := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, j)
	text, _ := json.Marshal(string(body))
	return fmt.Appendf(nil, "___eio[%s](%s);", number, text)
}

var formLines = strings.NewReplacer(`\\n`, `\n`, `\n`, "\n")

// formData is the field d of a form, with the line ends that a browser's form
// would change put back. It reports false where there is not one.
func formData(body []byte) (data []byte, ok bool) {
	for pair := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(pair, "=")
		if formText(name) != "d" {
			continue
		}
		if ok { // the official server takes neither of two
			return nil, false
		}
		data, ok = []byte(formLines.Replace(formText(value))), true
	}
	return data, ok
}

// formText decodes a part of a form. What is no escape stands as it is.
func formText(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		return text
	}
	var b strings.Builder
	for len(s) > 0 {
		n := 1
		if s[0] == '%' && len(s) >= 3 {
			n = 3
		}
		text, err := url.QueryUnescape(s[:n])
		if err != nil {
			n, text = 1, s[:1]
		}
		b.WriteString(text)
		s = s[n:]
	}
	return b.String()
}
