package inspect

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// diagnosed inspects with the doctor, and returns the report.
func diagnosed(t *testing.T, o Options) *Report {
	t.Helper()
	if o.Doctor.When == "" {
		o.Doctor.When = DoctorAuto
	}
	if o.BannerWait == 0 {
		o.BannerWait = 1
	}
	r, _ := Run(within(t), o)
	return r
}

// verdictIDs lists what the doctor said, with where.
func verdictIDs(r *Report) (list []string) {
	if r.Doctor == nil {
		return []string{"no doctor"}
	}
	for _, v := range r.Doctor.Verdicts {
		list = append(list, v.Where+" "+v.ID)
	}
	return list
}

// wantVerdict demands one verdict and no other, and that it says what to change
// and what proves it.
func wantVerdict(t *testing.T, r *Report, want string) {
	t.Helper()
	if got := verdictIDs(r); !slices.Equal(got, []string{want}) {
		t.Fatalf("verdicts %q, want %q\n%s", got, want, r.Text(TextOptions{}))
	}
	if v := r.Doctor.Verdicts[0]; v.What == "" || v.Change == "" || len(v.Because) == 0 {
		t.Errorf("something is left out: %+v", v)
	}
	if text := r.Text(TextOptions{}); !strings.Contains(text, "verdict      1. ") || strings.Contains(text, "\x1b") {
		t.Error(text)
	}
}

// httpAt serves HTTP with a handler, and returns the address of a WebSocket there.
func httpAt(t *testing.T, h http.HandlerFunc) endpoint.Address {
	t.Helper()
	a := sioAt(t, h)
	a.Scheme, a.Target = endpoint.WS, "/chat"
	return a
}

var echoing = &ws.Server{Handler: func(ctx context.Context, c *ws.Conn) error {
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
	}
}, Permit: func(*ws.Request) error { return nil }}

// unless serves a WebSocket, unless the request is one that refuse has refused.
func unless(refuse func(http.ResponseWriter, *http.Request) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !refuse(w, r) {
			echoing.ServeHTTP(w, r)
		}
	}
}

// refusing refuses with a status where is holds.
func refusing(status int, is func(*http.Request) bool) http.HandlerFunc {
	return unless(func(w http.ResponseWriter, r *http.Request) bool {
		if !is(r) {
			return false
		}
		http.Error(w, "no", status)
		return true
	})
}

func always(*http.Request) bool { return true }

func header(name, value string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get(name) == value }
}

func upgrading(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

func TestDoctorOnRequests(t *testing.T) {
	for name, row := range map[string]struct {
		h    http.HandlerFunc
		o    WebSocketOptions
		want string
	}{
		"another path":          {refusing(404, func(r *http.Request) bool { return r.URL.Path != "/ws" }), WebSocketOptions{}, "client path"},
		"a slash at the end":    {refusing(404, func(r *http.Request) bool { return r.URL.Path != "/chat/" }), WebSocketOptions{}, "client path"},
		"a redirect":            {unless(redirects), WebSocketOptions{}, "client redirect"},
		"a redirect to nowhere": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://127.0.0.1:1/", 302) }, WebSocketOptions{}, "client redirect"},
		"no compression":        {refusing(500, func(r *http.Request) bool { return r.Header.Get("Sec-WebSocket-Extensions") != "" }), WebSocketOptions{}, "server extension"},
		"another subprotocol":   {refusing(400, header("Sec-WebSocket-Protocol", "chat.v9")), WebSocketOptions{Subprotocols: []string{"chat.v9"}}, "client subprotocol_refused"},
		"no such subprotocol":   {echoing.ServeHTTP, WebSocketOptions{Subprotocols: []string{"chat.v9"}}, "client subprotocol_none"},
		"a subprotocol":         {wantsSubprotocol, WebSocketOptions{}, "client subprotocol_due"},
		"another origin":        {refusing(403, header("Origin", "https://app.example")), WebSocketOptions{Origin: "https://app.example"}, "server origin_refused"},
		"an origin":             {refusing(403, header("Origin", "")), WebSocketOptions{}, "client origin_due"},
		"another host":          {refusing(421, func(r *http.Request) bool { return r.Host == "app.example" }), WebSocketOptions{Header: []handshake.Field{handshake.F("Host", "app.example")}}, "client host"},
		"a login":               {refusing(401, header("Authorization", "")), WebSocketOptions{}, "client credentials_due"},
		"another login":         {refusing(401, always), WebSocketOptions{Header: []handshake.Field{handshake.F("Authorization", "Bearer old")}}, "client credentials_refused"},
		"forbidden":             {refusing(403, always), WebSocketOptions{}, "server forbidden"},
		"a proxy's login":       {refusing(407, always), WebSocketOptions{}, "proxy proxy_credentials"},
		"too often":             {refusing(429, always), WebSocketOptions{}, "client too_many"},
		"no backend":            {refusing(502, always), WebSocketOptions{}, "server bad_gateway"},
		"a backend that fails":  {refusing(504, upgrading), WebSocketOptions{}, "server bad_gateway"},
		"full":                  {refusing(503, always), WebSocketOptions{}, "server unavailable"},
		"no Upgrade":            {withoutUpgrade(echoing).ServeHTTP, WebSocketOptions{}, "proxy upgrade_dropped"},
		"an ordinary page":      {refusing(404, always), WebSocketOptions{}, "server upgrade_ignored"},
		"nginx answers":         {nginxPage, WebSocketOptions{}, "proxy path"},
		"teapot":                {refusing(418, upgrading), WebSocketOptions{}, "server refused"},
		"Socket.IO":             {chatServer(nil).ServeHTTP, WebSocketOptions{}, "client socket_io"},
		"closed for its origin": {opensFor(func(r *http.Request) bool { return r.Header.Get("Origin") != "" }), WebSocketOptions{}, "client origin_due"},
		"closed for its path":   {opensFor(func(r *http.Request) bool { return r.URL.Path == "/ws" }), WebSocketOptions{}, "client path"},
		"closed by policy":      {closes(4401), WebSocketOptions{}, "server closed_at_once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{Address: httpAt(t, row.h), WebSocket: row.o}
			if strings.HasPrefix(name, "closed") {
				o.BannerWait = long
			}
			r := diagnosed(t, o)
			wantVerdict(t, r, row.want)
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		})
	}
}

func redirects(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/chat" {
		http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
	}
	return r.URL.Path == "/chat"
}

func wantsSubprotocol(w http.ResponseWriter, r *http.Request) {
	s := &ws.Server{Subprotocols: []string{"mqtt"}, Handler: echoing.Handler, Permit: echoing.Permit}
	if r.Header.Get("Sec-WebSocket-Protocol") == "" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	s.ServeHTTP(w, r)
}

func nginxPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Server", "nginx/1.26")
	w.WriteHeader(http.StatusNotFound)
	io.WriteString(w, "<html><head><title>404 Not Found</title></head><body><center><h1>404 Not Found</h1></center><hr><center>nginx/1.26</center></body></html>")
}

// opensFor closes what it has something against, once it is open.
func opensFor(is func(*http.Request) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if is(r) {
			echoing.ServeHTTP(w, r)
			return
		}
		closes(4403)(w, r)
	}
}

func closes(code ws.StatusCode) http.HandlerFunc {
	s := &ws.Server{Handler: func(_ context.Context, c *ws.Conn) error { return c.Close(code, "log in first") }, Permit: echoing.Permit}
	return s.ServeHTTP
}

// TestDoctorOnConnections has servers that do not get as far as HTTP.
func TestDoctorOnConnections(t *testing.T) {
	secured := &tls.Config{Certificates: []tls.Certificate{newAuthority(t, "Doctor CA").issue(nil)}}
	demanding := secured.Clone()
	demanding.ClientAuth = tls.RequireAnyClientCert
	for name, row := range map[string]struct {
		serve  func(net.Conn)
		scheme endpoint.Scheme
		want   string
	}{
		"TLS":           {func(c net.Conn) { _ = http.Serve(once(tls.Server(c, secured)), echoing) }, endpoint.WS, "client tls_port"},
		"no TLS":        {func(c net.Conn) { _ = http.Serve(once(c), echoing) }, endpoint.WSS, "client plain_port"},
		"SSH":           {func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); stay(c) }, endpoint.WS, "client other_protocol"},
		"SSH with TLS":  {func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); stay(c) }, endpoint.WSS, "client other_protocol"},
		"Redis":         {redis, endpoint.WS, "client other_protocol"},
		"an echo":       {func(c net.Conn) { _, _ = io.Copy(c, c) }, endpoint.WS, "client other_protocol"},
		"an echo, wss":  {func(c net.Conn) { _, _ = io.Copy(c, c) }, endpoint.WSS, "client other_protocol"},
		"a line before": {linesBefore, endpoint.WS, "server before_response"},
		"a circle":      {rawly("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), endpoint.WS, "server redirect"},
		"only interim":  {rawly(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20)), endpoint.WS, "server refused"},
		"endless head":  {rawly("HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("a", 70000)), endpoint.WS, "server handshake"},
		"HTTP/2":        {http2Only, endpoint.WS, "server http2_only"},
		"nothing said":  {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, endpoint.WS, "server silent"},
		"closed":        {func(c net.Conn) { _, _ = bufio.NewReader(c).ReadString('\n') }, endpoint.WS, "server closes_unanswered"},
		"a certificate": {func(c net.Conn) { _ = http.Serve(once(tls.Server(c, demanding)), echoing) }, endpoint.WSS, "client client_certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := wsAt("127.0.0.1:" + serve(t, row.serve))
			at.Scheme = row.scheme
			r := diagnosed(t, Options{Address: at, Timeout: time.Second, TLS: tcp.TLSOptions{Insecure: true}})
			wantVerdict(t, r, row.want)
		})
	}
}

func redis(c net.Conn) {
	s := bufio.NewScanner(c)
	for s.Scan() {
		if _, err := io.WriteString(c, "-ERR unknown command\r\n"); err != nil {
			return
		}
	}
}

// http2Only answers the preface with SETTINGS, and ends what is none.
func http2Only(c net.Conn) {
	begin := make([]byte, 4)
	if _, err := io.ReadFull(c, begin); err != nil || string(begin) != "PRI " {
		return
	}
	_, _ = c.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0})
	_, _ = io.Copy(io.Discard, c)
}

// once is a listener with one connection.
func once(c net.Conn) net.Listener {
	l := &oneListener{make(chan net.Conn, 1), make(chan struct{})}
	l.conns <- &lastConn{c, l}
	return l
}

type oneListener struct {
	conns chan net.Conn
	over  chan struct{}
}

func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.over:
		return nil, io.EOF
	}
}
func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

type lastConn struct {
	net.Conn
	l *oneListener
}

func (c *lastConn) Close() error {
	select {
	case <-c.l.over:
	default:
		close(c.l.over)
	}
	return c.Conn.Close()
}

func TestDoctorOnAddresses(t *testing.T) {
	port := serve(t, func(c net.Conn) { _ = http.Serve(once(c), echoing) })
	six := wsAt(net.JoinHostPort("::1", port))
	wantVerdict(t, diagnosed(t, Options{Address: six}), "server address_family")
	wantVerdict(t, diagnosed(t, Options{Address: wsAt("127.0.0.1:1")}), "server nothing_listens")
	sio := wsAt("127.0.0.1:1")
	sio.Scheme = endpoint.SIO
	wantVerdict(t, diagnosed(t, Options{Address: sio}), "server nothing_listens")
	sio.Scheme = endpoint.SIOS
	wantVerdict(t, diagnosed(t, Options{Address: sio}), "server nothing_listens")
	failing := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no name server") }}
	wantVerdict(t, diagnosed(t, Options{Address: wsAt("app.invalid:80"), Resolver: failing}), "network name")
}

// What works at times is told from what never does.
func TestDoctorOnChance(t *testing.T) {
	var n atomic.Int64
	at := httpAt(t, refusing(500, func(*http.Request) bool { return n.Add(1) == 1 }))
	wantVerdict(t, diagnosed(t, Options{Address: at}), "server intermittent")
}

func TestDoctorOnRules(t *testing.T) {
	at := answered(t, func(*handshake.Head) string {
		return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	}, nil)
	wantVerdict(t, diagnosed(t, Options{Address: at}), "server handshake")
}

func TestDoctorOnCertificates(t *testing.T) {
	config, err := (&tcp.TLSOptions{SelfSigned: true}).Server()
	if err != nil {
		t.Fatal(err)
	}
	at := webServer(t, &ws.Server{TCP: &tcp.Server{TLS: config}})
	at.Scheme = endpoint.WSS
	r := diagnosed(t, Options{Address: at})
	wantVerdict(t, r, "server self_signed")
	if len(r.Doctor.Tries) != 0 {
		t.Errorf("what was known already was tried: %+v", r.Doctor.Tries)
	}
}

// Where nothing is wrong the doctor comes only if called, and finds nothing.
func TestDoctorOnTheHealthy(t *testing.T) {
	o := Options{Address: httpAt(t, echoing.ServeHTTP), BannerWait: 1, Doctor: DoctorOptions{When: DoctorAuto}}
	if r := run(t, o); r.Doctor != nil {
		t.Errorf("%+v", r.Doctor)
	}
	var told atomic.Int64
	o.Doctor = DoctorOptions{When: DoctorAlways, Progress: func(string) { told.Add(1) }}
	r := run(t, o)
	if len(r.Doctor.Verdicts) != 0 || len(r.Doctor.Tries) == 0 || told.Load() != int64(len(r.Doctor.Tries)) {
		t.Errorf("%+v, told %d times", r.Doctor, told.Load())
	}
	if text := r.Text(TextOptions{}); !strings.Contains(text, "no fault was found") {
		t.Error(text)
	}
	o.Address, o.Doctor = sioAt(t, chatServer(nil)), DoctorOptions{When: DoctorAlways}
	if r := run(t, o); len(r.Doctor.Verdicts) != 0 {
		t.Errorf("%+v", r.Doctor)
	}
}

// Credentials go to the server that was named, over TLS where that was, and to
// nobody else.
func TestDoctorKeepsSecrets(t *testing.T) {
	var leaked atomic.Int64
	listening := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || strings.Contains(r.URL.RawQuery, "secret") {
			leaked.Add(1)
		}
		http.Error(w, "no", 404)
	}
	elsewhere := httpAt(t, listening)
	there := "http://localhost:" + elsewhere.Port + "/"
	o := Options{Address: httpAt(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, there, 302) })}
	o.Address.Target = "/chat?token=secret"
	o.WebSocket.Header = []handshake.Field{handshake.F("Authorization", "Bearer secret"), handshake.F("Cookie", "id=secret")}
	wantVerdict(t, diagnosed(t, o), "client redirect")
	o.Address = httpAt(t, listening)
	o.Address.Scheme, o.Address.Target = endpoint.WSS, "/chat?token=secret"
	wantVerdict(t, diagnosed(t, o), "client plain_port")
	if leaked.Load() != 0 {
		t.Errorf("%d requests told secrets", leaked.Load())
	}
}

func TestDoctorOnSocketIO(t *testing.T) {
	at := func(h http.Handler) Options { return Options{Address: sioAt(t, h)} }
	with := func(o Options, change func(*Options)) Options { change(&o); return o }
	refuses := chatServer(nil)
	refuses.Of("/chat").Use(func(*socketio.Socket) error { return errors.New("Authentication error") })
	wrong := socketIOWrong(t)
	for name, row := range map[string]struct {
		o    Options
		want string
	}{
		"a proxy takes the upgrade off": {wrong["a proxy takes the upgrade off"].o, "proxy upgrade_dropped"},
		"a proxy in the server's place": {wrong["a proxy in the server's place"].o, "proxy bad_gateway"},
		"several servers":               {wrong["several servers"].o, "proxy no_sticky_sessions"},
		"no polling":                    {wrong["no polling"].o, "client polling_refused"},
		"slow pings":                    {wrong["slow pings"].o, "server slow_ping"},
		"fast pings":                    {wrong["fast pings"].o, "server fast_ping"},
		"CORS":                          {wrong["CORS"].o, "server cors"},
		"version 2":                     {at(http.HandlerFunc(version2)), "client engine_version_3"},
		"another path":                  {with(at(chatServer(nil)), func(o *Options) { o.SocketIO.Path = "/live" }), "client path"},
		"the path as the namespace":     {with(at(mounted("/chat/")), func(o *Options) {}), "client namespace_is_path"},
		"the usual path, too":           {with(at(chatServer(nil)), func(o *Options) { o.Address.Target = "/socket.io" }), "client namespace_is_path"},
		"another namespace":             {with(at(chatServer(nil)), func(o *Options) { o.Address.Target = "/chat/" }), "client namespace"},
		"a middleware":                  {at(refuses), "client middleware"},
		"a plain WebSocket":             {at(refusing(404, func(r *http.Request) bool { return r.URL.Path != "/" })), "client plain_websocket"},
		"a page":                        {at(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello") })), "client not_socket_io"},
		"a login":                       {at(refusing(401, always)), "client credentials_due"},
		"an origin": {with(at(refusingSIO(403, header("Origin", "https://app.example"))), func(o *Options) { o.WebSocket.Origin = "https://app.example" }),
			"server origin_refused"},
		"no sid": {at(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `0{"upgrades":[]}`) })), "server open_packet"},
		"CONNECT in vain": {with(at(mounted("/socket.io/")), func(o *Options) {
			o.Timeout = 500 * time.Millisecond
			o.SocketIO.Transports = []string{"polling"}
			o.Address = sioAt(t, hushed(chatServer(nil)))
		}), "server connect_unanswered"},
		"polling alone":   {with(at(withoutUpgrade(chatServer(nil))), func(o *Options) { o.SocketIO.Transports = []string{"websocket"} }), "proxy upgrade_dropped"},
		"WebSocket alone": {at(refusingSIO(403, func(r *http.Request) bool { return !upgrading(r) })), "server transport"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantVerdict(t, diagnosed(t, row.o), row.want)
		})
	}
}

// hushed is a server that drops what comes by polling, as one whose middleware
// never goes on.
func hushed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case upgrading(r):
			http.Error(w, "no", http.StatusForbidden)
		case r.Method == http.MethodPost:
			io.WriteString(w, "ok")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// mounted serves Socket.IO at another path.
func mounted(path string) http.Handler {
	return socketio.NewServer(&socketio.ServerOptions{Engine: &engine.Server{Path: path}})
}

func refusingSIO(status int, is func(*http.Request) bool) http.Handler {
	s := chatServer(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if is(r) {
			http.Error(w, "no", status)
			return
		}
		r.Header.Del("Origin")
		s.ServeHTTP(w, r)
	})
}

// The doctor's visit is bounded, and a signal ends it.
func TestDoctorIsBounded(t *testing.T) {
	var n atomic.Int64
	at := httpAt(t, refusing(404, func(*http.Request) bool { n.Add(1); return true }))
	r := diagnosed(t, Options{Address: at})
	if len(r.Doctor.Tries) > mostTries || n.Load() > mostTries+1 {
		t.Errorf("%d tries, %d requests", len(r.Doctor.Tries), n.Load())
	}
	in, _ := Open(within(t), Options{Address: at, Doctor: DoctorOptions{When: DoctorAuto}})
	in.Close()
	in.Diagnose(canceled())
	if in.Report.Doctor != nil {
		t.Errorf("a signal was not heard: %+v", in.Report.Doctor)
	}
}
