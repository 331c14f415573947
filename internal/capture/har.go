package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of what is kept of a HAR export, whose entries have to be sorted by
// time: a poll begins long before it is answered.
const (
	mostEntry = 64 << 20  // bytes of one entry in the file
	mostHAR   = 256 << 20 // bytes that are kept of all
)

// harEntry is what is read of an entry (HAR 1.2, and what browsers add).
type harEntry struct {
	Started  string  `json:"startedDateTime"`
	Time     float64 `json:"time"` // milliseconds
	ServerIP string  `json:"serverIPAddress"`
	Kind     string  `json:"_resourceType"`
	Request  struct {
		Method, URL, HTTPVersion string
		Headers                  []harHeader
		PostData                 *struct{ Text string }
	}
	Response struct {
		Status      int
		StatusText  string
		HTTPVersion string
		Headers     []harHeader
		Content     struct{ Text, Encoding string }
		Error       string `json:"_error"`
	}
	Messages []harMessage `json:"_webSocketMessages"`
}

type harHeader struct{ Name, Value string }

// harMessage is one message of a WebSocket, as Chromium writes it: its time in
// seconds, its data in base64 where it is not text.
type harMessage struct {
	Type   string // send, receive, error
	Time   float64
	Opcode int
	Data   string
}

// har reads a HAR export.
type har struct {
	*reader
	offset  func() int64
	events  []harEvent
	kept    int
	dropped int
}

// harEvent is something that happened in an entry.
type harEvent struct {
	at time.Time
	do func()
}

// isHAR knows an export by its first object.
func isHAR(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	rest, ok := bytes.CutPrefix(b, []byte("{"))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"log"`))
}

func (r *reader) har(s source) error {
	r.report.Format = "har"
	if mark, _ := s.r.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_ = s.skip(3)
	}
	limited := &entryLimit{from: s.r}
	d := json.NewDecoder(limited)
	h := &har{reader: r, offset: func() int64 { return s.at + d.InputOffset() }}
	err := h.read(d, limited)
	r.report.Size = limited.size
	h.play()
	return err
}

// entryLimit bounds how much is read for one entry.
type entryLimit struct {
	from io.Reader
	size int64
	left int64
}

var errEntry = errors.New("an entry is too long")

// Read implements [io.Reader].
func (l *entryLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errEntry
	}
	n, err := l.from.Read(p[:min(int64(len(p)), l.left)])
	l.size, l.left = l.size+int64(n), l.left-int64(n)
	return n, err
}

// read goes to log.entries and takes each.
func (h *har) read(d *json.Decoder, limit *entryLimit) error {
	limit.left = mostEntry
	err := h.object(d, func(name string) (bool, error) {
		if name != "log" {
			return false, nil
		}
		return true, h.object(d, func(name string) (bool, error) {
			if name != "entries" {
				return false, nil
			}
			return true, h.entries(d, limit)
		})
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errEntry):
		return wrong(h.offset(), "an entry of more than %d MiB", mostEntry>>20)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return wrong(h.offset(), "the file ends within the export")
	}
	var format *FormatError
	if errors.As(err, &format) {
		return err
	}
	return wrong(h.offset(), "no HAR: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// object reads an object. each is called with the name of each member, and
// reports whether it has read its value.
func (h *har) object(d *json.Decoder, each func(name string) (bool, error)) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string)
		read, err := each(text)
		if err != nil {
			return err
		}
		if !read {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return err
			}
		}
	}
	_, err := d.Token()
	return err
}

func delim(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("%v came where %v is due", t, want)
	}
	return nil
}

func (h *har) entries(d *json.Decoder, limit *entryLimit) error {
	if err := delim(d, '['); err != nil {
		return err
	}
	for d.More() {
		var e harEntry
		limit.left = mostEntry
		if err := d.Decode(&e); err != nil {
			return err
		}
		limit.left = mostEntry
		h.entry(&e)
	}
	_, err := d.Token()
	return err
}

// entry makes events of an entry.
func (h *har) entry(e *harEntry) {
	x := &harExchange{h: h, entry: e}
	x.target = requestTarget(e.Request.URL)
	x.socket = e.Kind == "websocket" || len(e.Messages) > 0 || strings.HasPrefix(e.Request.URL, "ws")
	if !x.socket && !strings.Contains(x.target, "EIO=") { // its bodies are of no use
		e.Request.PostData, e.Response.Content.Text = nil, ""
	}
	size := len(e.Response.Content.Text) + 1024
	if e.Request.PostData != nil {
		size += len(e.Request.PostData.Text)
	}
	for _, m := range e.Messages {
		size += len(m.Data) + 256
	}
	if h.kept += size; h.kept > mostHAR {
		h.kept -= size
		h.dropped++
		return
	}
	start, _ := time.Parse(time.RFC3339Nano, e.Started)
	start = start.UTC()
	h.at(start, x.begin)
	answered := start.Add(time.Duration(e.Time * float64(time.Millisecond)))
	if x.socket && len(e.Messages) > 0 { // its time is that of the whole connection
		answered = earliest(e.Messages)
	}
	h.at(later(start, answered), x.answer)
	for _, m := range e.Messages {
		h.at(later(start, m.at()), func() { x.message(m) })
	}
}

// later keeps what is in an entry from standing before its beginning: a browser
// takes the times from two clocks, and a file may say anything.
func later(start, t time.Time) time.Time {
	if t.Before(start) {
		return start
	}
	return t
}

// earliest is when the first message passed: by then the handshake was over.
func earliest(list []harMessage) time.Time {
	first := list[0].at()
	for _, m := range list {
		if at := m.at(); at.Before(first) {
			first = at
		}
	}
	return first
}

// at is a message's time: in seconds, unless it is so large that others are
// meant.
func (m *harMessage) at() time.Time {
	seconds := m.Time
	for seconds > 1e11 {
		seconds /= 1000
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC()
}

func (h *har) at(t time.Time, do func()) { h.events = append(h.events, harEvent{t, do}) }

// play makes the records, in the order of time.
func (h *har) play() {
	slices.SortStableFunc(h.events, func(a, b harEvent) int { return a.at.Compare(b.at) })
	for i, e := range h.events {
		if i == 0 {
			h.report.First = e.at
		}
		h.now, h.report.Last = e.at, e.at
		e.do()
	}
	if h.dropped > 0 {
		h.report.note(fmt.Sprintf("%s left out: more than %d MiB would have to be kept", counted(h.dropped, "entry"), mostHAR>>20))
	}
}

func requestTarget(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.RequestURI()
}
