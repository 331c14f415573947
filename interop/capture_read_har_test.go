package interop

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/sockkit/sockkit/socketio"
)

// harFile puts a HAR export together from what Chromium tells its developer
// tools, as these do it.
type harFile struct {
	mu     sync.Mutex
	order  []*harItem
	byID   map[network.RequestID]*harItem
	offset float64 // of the clock on the wall to the browser's own
}

type harItem struct {
	id       network.RequestID
	kind     string
	url      string
	method   string
	posted   string
	asked    network.Headers
	status   int64
	reason   string
	answered network.Headers
	began    float64
	ended    float64
	messages []map[string]any
	body     map[string]any
}

func (h *harFile) item(id network.RequestID) *harItem {
	i := h.byID[id]
	if i == nil {
		i = &harItem{id: id, method: "GET"}
		h.byID[id] = i
		h.order = append(h.order, i)
	}
	return i
}

// watch takes an event.
func (h *harFile) watch(event any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		i := h.item(e.RequestID)
		i.kind, i.url, i.method, i.asked = strings.ToLower(string(e.Type)), e.Request.URL, e.Request.Method, e.Request.Headers
		for _, part := range e.Request.PostDataEntries {
			i.posted += string(part.Bytes)
		}
		i.began, h.offset = float64(e.Timestamp), float64(e.WallTime)-float64(e.Timestamp)
	case *network.EventResponseReceived:
		i := h.item(e.RequestID)
		i.status, i.reason, i.answered = e.Response.Status, e.Response.StatusText, e.Response.Headers
	case *network.EventLoadingFinished:
		h.item(e.RequestID).ended = float64(e.Timestamp)
	case *network.EventWebSocketCreated:
		i := h.item(e.RequestID)
		i.kind, i.url = "websocket", e.URL
	case *network.EventWebSocketWillSendHandshakeRequest:
		i := h.item(e.RequestID)
		i.asked, i.began = e.Request.Headers, float64(e.Timestamp)
	case *network.EventWebSocketHandshakeResponseReceived:
		i := h.item(e.RequestID)
		i.status, i.reason, i.answered, i.ended = e.Response.Status, e.Response.StatusText, e.Response.Headers, float64(e.Timestamp)
		if len(e.Response.RequestHeaders) > 0 {
			i.asked = e.Response.RequestHeaders
		}
	case *network.EventWebSocketFrameSent:
		h.message(e.RequestID, "send", float64(e.Timestamp), e.Response)
	case *network.EventWebSocketFrameReceived:
		h.message(e.RequestID, "receive", float64(e.Timestamp), e.Response)
	}
}

func (h *harFile) message(id network.RequestID, kind string, at float64, f *network.WebSocketFrame) {
	data := string(f.PayloadData)
	if f.Opcode != 1 {
		data = base64.StdEncoding.EncodeToString(f.PayloadData)
	}
	i := h.item(id)
	i.messages = append(i.messages, map[string]any{"type": kind, "time": at + h.offset, "opcode": f.Opcode, "data": data})
}

// bodies asks the browser for those that it has.
func (h *harFile) bodies(ctx context.Context) {
	for _, i := range h.order {
		if i.kind == "websocket" || i.ended == 0 {
			continue
		}
		got, err := chromedp.Call(ctx, network.GetResponseBody, network.GetResponseBodyParams{RequestID: i.id})
		switch {
		case err != nil:
		case utf8.Valid(got.Body):
			i.body = map[string]any{"text": string(got.Body)}
		default:
			i.body = map[string]any{"text": base64.StdEncoding.EncodeToString(got.Body), "encoding": "base64"}
		}
	}
}

func harHeaders(h network.Headers) (list []map[string]string) {
	list = []map[string]string{}
	for name, value := range h {
		for line := range strings.SplitSeq(fmt.Sprint(value), "\n") {
			list = append(list, map[string]string{"name": name, "value": line})
		}
	}
	return list
}

// write is the export (HAR 1.2).
func (h *harFile) write(t *testing.T, name string) {
	t.Helper()
	entries := []map[string]any{}
	for _, i := range h.order {
		request := map[string]any{"method": i.method, "url": i.url, "httpVersion": "HTTP/1.1", "headers": harHeaders(i.asked)}
		if i.posted != "" {
			request["postData"] = map[string]any{"mimeType": "text/plain", "text": i.posted}
		}
		content := map[string]any{"size": 0}
		if i.body != nil {
			content = i.body
		}
		e := map[string]any{
			"startedDateTime": time.UnixMicro(int64((i.began + h.offset) * 1e6)).UTC().Format("2006-01-02T15:04:05.000Z"), "time": max(0, (i.ended-i.began)*1000),
			"_resourceType": i.kind, "request": request,
			"response": map[string]any{"status": i.status, "statusText": i.reason, "httpVersion": "HTTP/1.1", "headers": harHeaders(i.answered), "content": content},
		}
		if i.kind == "websocket" {
			e["_webSocketMessages"] = i.messages
		}
		entries = append(entries, e)
	}
	text, err := json.MarshalIndent(map[string]any{"log": map[string]any{"version": "1.2", "creator": map[string]any{"name": "WebInspector"}, "pages": []any{}, "entries": entries}}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// harPage serves a page with the official Socket.IO client, and its server.
func harPage(t *testing.T) string {
	t.Helper()
	io := socketio.NewServer(&socketio.ServerOptions{ServeClient: os.DirFS("node_modules/socket.io-client/dist")})
	io.OnConnection(func(s *socketio.Socket) {
		s.Emit("hello", 1)
		s.On("up", func(_ any, ack func(string)) { s.Emit("bin", []byte{1, 2, 3}); ack("ok") })
	})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, `<!doctype html><title>a page</title><link rel="icon" href="data:,"><script src="/socket.io/socket.io.js"></script>`)
	}))
	io.Attach(s.Config)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + "/"
}

const harScript = `(async () => {
  const c = new WebSocket(%q, 'chat');
  await new Promise((r) => c.onopen = r);
  for (const m of ['hello', new Uint8Array([0, 255])]) { const came = new Promise((r) => c.onmessage = r); c.send(m); await came }
  const s = io({ reconnection: false });
  const bin = new Promise((r) => s.once('bin', r));
  await new Promise((r) => s.once('hello', r));
  await new Promise((r) => s.emit('up', 5, r));
  await bin;
  if (s.io.engine.transport.name !== 'websocket') await new Promise((r) => s.io.engine.once('upgrade', r));
  await new Promise((r) => s.emit('up', 6, r));
  document.title = 'done';
})()`

// TestCaptureReadHAR reads what Chromium exports: WebSockets with their messages,
// and Socket.IO by polls and by a WebSocket, in the order of time.
func TestCaptureReadHAR(t *testing.T) {
	t.Parallel()
	page := harPage(t)
	_, url := wsListen(t, "--echo", "-s", "chat")
	h := &harFile{byID: map[network.RequestID]*harItem{}}
	tab, end := chromedp.NewContext(chromium(t), chromedp.WithListener(h.watch))
	t.Cleanup(end)
	if err := chromedp.Do(tab, chromedp.Navigate(page), chromedp.Evaluate[chromedp.Void]("void "+fmt.Sprintf(harScript, url))); err != nil {
		t.Fatal(err)
	}
	poll(t, "the page to be done", func() bool {
		title, err := chromedp.Run(tab, chromedp.Evaluate[string]("document.title"))
		return err == nil && title == "done"
	})
	file := tempDir(t) + "/export.har"
	h.mu.Lock()
	order := slices.Clone(h.order)
	h.mu.Unlock()
	(&harFile{order: order}).bodies(tab)
	h.mu.Lock()
	h.write(t, file)
	h.mu.Unlock()
	r, list := readFile(t, file)
	for _, want := range []string{
		"upgrade /", `out text "hello"`, `in text "hello"`, `out binary "\x00\xff"`, `in binary "\x00\xff"`, "upgrade /socket.io/",
		"out CONNECT  0", "in CONNECT  0", "in EVENT hello 0", "out EVENT up 0", "in EVENT bin 1", "in ACK  0",
	} {
		if !slices.Contains(list, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if r.Format != "har" || r.Findings != 0 || t.Failed() {
		t.Errorf("%+v\n%s", r, strings.Join(list, "\n"))
		text, _ := os.ReadFile(file)
		t.Logf("%s", text)
	}
	check := sockkit(t, "handshake", "check", file)
	check.want(0)
	if n := strings.Count(check.out.String(), "The handshake is right"); n != 2 {
		t.Errorf("%d handshakes are right:\n%s", n, check.out.String())
	}
}
