package admin

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
)

func TestOptions(t *testing.T) {
	for want, o := range map[string]*Options{
		"who may log in is not said":                 nil,
		"who may log in is not said: ":               {ReadOnly: true},
		"NoAuth lets everybody in":                   {NoAuth: true, Username: "ada"},
		"either Username or Authenticate decides":    {Username: "ada", PasswordHash: hash, Authenticate: func(*socketio.Socket) error { return nil }},
		"PasswordHash is no hash of bcrypt":          {Username: "ada", PasswordHash: "secret"},
		"PasswordHash is set, and Username is not":   {PasswordHash: hash},
		`the mode is "debug", want "development"`:    {NoAuth: true, Mode: "debug"},
		`Origins has "*"`:                            {NoAuth: true, Origins: []string{"*"}},
		"PasswordHash is no hash of bcrypt, see Has": {Username: "ada"},
	} {
		err := Instrument(socketio.NewServer(nil), o)
		if err == nil || !strings.HasPrefix(err.Error(), "admin: "+want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

func TestHashPassword(t *testing.T) {
	h, err := HashPassword("secret")
	if err != nil || !IsHash(h) || IsHash("secret") {
		t.Fatalf("%q, %v", h, err)
	}
	if _, err := HashPassword(strings.Repeat("x", 73)); err == nil {
		t.Error("73 bytes are hashed")
	}
}

func TestLogin(t *testing.T) {
	r := newRig(t, nil, basic())
	for _, auth := range []map[string]any{
		nil, {"username": "ada"}, {"username": "ada", "password": ""}, {"username": "eve", "password": "secret"}, {"username": "ada", "password": "Secret"},
		{"username": 1, "password": []any{}}, {"sessionId": ""}, {"sessionId": "x"}, {"sessionId": nil}, {"sessionId": map[string]any{}},
		{"username": []any{"ada"}, "password": "secret"}, {"username": "ada", "password": strings.Repeat("x", 100000)},
	} {
		_, err := r.open("/admin", &socketio.ClientOptions{Auth: auth})
		var refused *socketio.Error
		if !errors.As(err, &refused) || refused.Message != "invalid credentials" {
			t.Errorf("%v: %v", auth, err)
		}
	}
	id := r.page().until("session", nil).args[0]
	again := r.mustOpen("/admin", &socketio.ClientOptions{Auth: map[string]any{"sessionId": id}})
	again.until("all_sockets", nil)
	if log := again.log(); strings.Contains(log, "session ") {
		t.Errorf("a page with a session gets another:\n%s", log)
	}
}

func TestAuthenticate(t *testing.T) {
	r := newRig(t, nil, &Options{Authenticate: func(s *socketio.Socket) error {
		if s.Handshake().Auth["username"] != "token" {
			return &socketio.Error{Message: "no token"}
		}
		return nil
	}})
	if _, err := r.open("/admin", nil); err == nil || !strings.HasSuffix(err.Error(), ": no token") {
		t.Errorf("%v", err)
	}
	r.mustOpen("/admin", &socketio.ClientOptions{Auth: map[string]any{"username": "token"}}).until("session", nil)
}

func TestSessionsEnd(t *testing.T) {
	m := &memory{}
	exists := func(id string) bool { ok, _ := m.Exists(t.Context(), id); return ok }
	_ = m.Save(t.Context(), "over", -time.Second)
	_ = m.Save(t.Context(), "first", time.Hour)
	if exists("over") || !exists("first") || exists("other") {
		t.Error("sessions are mistaken")
	}
	for i := range mostSessions + 10 {
		_ = m.Save(t.Context(), fmt.Sprint(i), 2*time.Hour)
	}
	if exists("first") || !exists(fmt.Sprint(mostSessions+9)) || len(m.until) > mostSessions {
		t.Errorf("%d sessions, the oldest first: %v", len(m.until), exists("first"))
	}
}

func TestFeatures(t *testing.T) {
	all := `["EMIT","JOIN","LEAVE","DISCONNECT","MJOIN","MLEAVE","MDISCONNECT","AGGREGATED_EVENTS"`
	for want, o := range map[string]*Options{
		all + `,"ALL_EVENTS"]`:               {NoAuth: true},
		all + `]`:                            {NoAuth: true, Mode: Production},
		`["AGGREGATED_EVENTS","ALL_EVENTS"]`: {NoAuth: true, ReadOnly: true},
		`["AGGREGATED_EVENTS"]}]`:            {NoAuth: true, ReadOnly: true, Mode: Production},
		all + `,"ALL_EVENTS"]}]`:             {NoAuth: true, Namespace: "/watch"},
	} {
		r := newRig(t, nil, o)
		r.mustOpen(orDefault(o.Namespace, "/admin"), nil).has("config", `{"supportedFeatures":`+want)
	}
}

func orDefault(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// TestStory follows a client from its connection to its end.
func TestStory(t *testing.T) {
	r := newRig(t, nil, basic(), func(io *socketio.Server) {
		io.OnConnection(func(s *socketio.Socket) {
			s.SetData(map[string]any{"name": "Bob"})
			s.Emit("welcome", "you")
			s.On("join", func(room string) { s.Join(room) })
			s.On("leave", func(room string) { s.Leave(room) })
		})
	})
	p := r.page()
	p.until("all_sockets", nil)
	c := r.mustOpen("/", &socketio.ClientOptions{
		Auth: map[string]any{"token": "hidden-auth"}, Query: map[string][]string{"q": {"1"}},
		Header: http.Header{"Cookie": {"sid=hidden-cookie"}, "Authorization": {"Bearer hidden-bearer"}, "X-Forwarded-For": {"203.0.113.9"}},
	})
	id := c.ID()
	p.has("room_joined", `["/","`+id+`","`+id+`","20`)
	connected := p.has("socket_connected", `"id":"`+id+`"`)
	view := connected.args[0].(map[string]any)
	handshake := view["handshake"].(map[string]any)
	for name, got := range map[string]any{
		"nsp": view["nsp"], "address": handshake["address"], "cookie": handshake["headers"].(map[string]any)["cookie"],
		"authorization": handshake["headers"].(map[string]any)["authorization"], "q": handshake["query"].(map[string]any)["q"],
		"rooms": fmt.Sprint(view["rooms"]),
	} {
		want := map[string]any{"nsp": "/", "address": "127.0.0.1", "cookie": "***", "authorization": "***", "q": "1", "rooms": "[" + id + "]"}[name]
		if got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if at, err := time.Parse("2006-01-02T15:04:05.000Z", connected.args[1].(string)); err != nil || time.Since(at) > time.Hour {
		t.Errorf("the time is %v", connected.args[1])
	}
	p.has("socket_updated", `{"data":{"name":"Bob"},"id":"`+id+`","nsp":"/"}`)
	p.has("event_sent", `["/","`+id+`",["welcome","you"],"20`)
	p.has("socket_updated", `{"id":"`+id+`","nsp":"/","transport":"websocket"}`)
	c.Emit("join", "one", []byte{1, 2, 3}, map[string]any{"deep": []byte(strings.Repeat("x", 20))}, 9007199254740991)
	p.has("event_received", `["/","`+id+`",["join","one","binary, 3 bytes: 010203",{"deep":"binary, 20 bytes: 78787878787878787878787878787878…"},9007199254740991],"20`)
	p.has("room_joined", `["/","one","`+id+`"`)
	late := r.page()
	late.until("all_sockets", func(args []any) bool {
		return strings.Contains(said{"", args}.text(), `"rooms":["`+id+`","one"],"transport":"websocket"`) ||
			strings.Contains(said{"", args}.text(), `"rooms":["one","`+id+`"],"transport":"websocket"`)
	})
	late.has("all_sockets", `"data":{"name":"Bob"}`)
	c.Emit("leave", "one")
	p.has("room_left", `["/","one","`+id+`"`)
	c.Close()
	p.has("room_left", `["/","`+id+`","`+id+`"`)
	p.has("socket_disconnected", `["/","`+id+`","client namespace disconnect","20`)
	for _, log := range []string{p.log(), late.log()} {
		if strings.Contains(log, "hidden") {
			t.Errorf("a secret is shown:\n%s", log)
		}
	}
}

func TestSecretsAndForwarded(t *testing.T) {
	o := basic()
	o.ShowSecrets, o.TrustForwarded = true, true
	r := newRig(t, nil, o)
	r.mustOpen("/", &socketio.ClientOptions{Header: http.Header{"Cookie": {"sid=1"}, "X-Forwarded-For": {"203.0.113.9, 10.0.0.1"}}})
	p := r.page()
	p.has("all_sockets", `"cookie":"sid=1"`)
	p.has("all_sockets", `"address":"203.0.113.9"`)
}

// TestStrangeData has data and events that are hard to show.
func TestStrangeData(t *testing.T) {
	type loop struct{ Next *loop }
	circle := &loop{}
	circle.Next = circle
	deep := any("x")
	for range 990 {
		deep = []any{deep}
	}
	data := []any{func() {}, make(chan int), math.NaN(), circle, bad{}, []byte{1}, "text", 7, nil, deep, map[string]any{"a": 1}}
	r := newRig(t, nil, basic(), func(io *socketio.Server) {
		io.OnConnection(func(s *socketio.Socket) {
			s.On("set", func(i int, ack func()) {
				s.SetData(data[i])
				_ = s.Emit("deep", deep)
				_ = s.Emit("long", strings.Repeat("y", 1<<20))
				_ = s.Emit("binary", []byte{}, deep)
				ack()
			})
		})
	})
	p := r.page()
	p.until("all_sockets", nil)
	c := r.member("/")
	for i := range data {
		c.do("set", i)
	}
	for _, want := range []string{`{"error":"json: unsupported type: func()"}`, `"json: unsupported type: chan int"`, `"json: unsupported value: NaN"`, `encountered a cycle`,
		`{"error":"bad luck"}`, `{"value":"AQ=="}`, `{"value":"text"}`, `{"value":7}`, `"data":{},`, `{"a":1}`} {
		p.has("socket_updated", want)
	}
	p.has("event_sent", `["long","1048580 bytes, of which 8192 at most are shown (MaxArgs)"]`)
	p.has("event_sent", `["binary","binary, 0 bytes: "`)
	p.has("event_sent", `["deep",`)
	r.page().has("all_sockets", `"data":{"a":1}`)
}

type bad struct{}

func (bad) MarshalJSON() ([]byte, error) { panic("bad luck") }

func TestCommands(t *testing.T) {
	var mu sync.Mutex
	var commands []Command
	o := basic()
	o.OnCommand = func(c *Command) error {
		mu.Lock()
		defer mu.Unlock()
		if c.By == nil || c.Namespace == "/closed" {
			return errors.New("not there")
		}
		commands = append(commands, *c)
		return nil
	}
	r := newRig(t, nil, o, func(io *socketio.Server) { io.Of("/chat"); io.Of("/closed") })
	p := r.page()
	one, two := r.member("/"), r.member("/chat")
	for _, c := range []struct {
		word string
		args []any
		want string
	}{
		{"emit", []any{"/", nil, "news", 1, []byte{7}}, ""},
		{"emit", []any{"/chat", two.ID(), "news", "you"}, ""},
		{"emit", []any{"/", nil, "disconnect"}, "reserved"},
		{"emit", []any{"/nowhere", nil, "news"}, `there is no namespace "/nowhere"`},
		{"emit", []any{"/closed", nil, "news"}, "not there"},
		{"emit", []any{}, "the namespace is <nil>, want a string that is not empty"},
		{"emit", []any{"/", 7, "news"}, "the filter is float64, want a string or nothing"},
		{"emit", []any{"/", nil, []any{}}, "the event is []interface {}, want a string"},
		{"join", []any{"/", "room", one.ID()}, ""},
		{"join", []any{"/", strings.Repeat("r", 2000)}, "MaxName"},
		{"join", []any{"/", nil}, "the room is <nil>"},
		{"leave", []any{"/", "room"}, ""},
		{"_disconnect", []any{"/", "yes"}, "whether to close is string"},
	} {
		if got := p.do(c.word, c.args...); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s %v: %q, want %q", c.word, c.args, got, c.want)
		}
	}
	one.has("news", `[1,"Bw=="]`)
	two.has("news", `["you"]`)
	p.has("room_joined", `["/","room","`+one.ID()+`"`)
	p.has("room_left", `["/","room","`+one.ID()+`"`)
	id := two.ID()
	p.Emit("_disconnect", "/chat", false, id)
	p.has("socket_disconnected", `["/chat","`+id+`","server namespace disconnect"`)
	id = one.ID()
	p.Emit("_disconnect", "/", true, id)
	p.has("socket_disconnected", `["/","`+id+`","`)
	if slices.ContainsFunc(r.io.Namespaces(), func(n *socketio.Namespace) bool { return n.Name() == "/nowhere" }) {
		t.Error("a command makes a namespace")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(commands) < 7 || commands[0].Do != "emit" || commands[0].Event != "news" || commands[0].By == nil {
		t.Errorf("OnCommand was told of %+v", commands)
	}
}

func TestReadOnly(t *testing.T) {
	o := basic()
	o.ReadOnly = true
	r := newRig(t, nil, o)
	p, c := r.page(), r.member("/")
	p.Emit("_disconnect", "/", true)
	p.Emit("emit", "/", nil, "news")
	r.io.Emit("end")
	c.until("end", nil)
	if log := c.log(); strings.Contains(log, "news") {
		t.Error("a page that may only read sends events")
	}
	if len(r.io.Sockets()) != 1 {
		t.Error("a page that may only read disconnects")
	}
}

func TestStats(t *testing.T) {
	o := basic()
	o.Mode, o.StatsInterval, o.ServerID = Production, 20*time.Millisecond, "blue"
	r := newRig(t, &socketio.ServerOptions{CleanupEmptyChildNamespaces: true}, o, func(io *socketio.Server) {
		io.OfPattern(regexp.MustCompile("^/room-"))
	})
	polls := &socketio.ClientOptions{Transports: []string{"polling"}}
	p := r.page()
	c := r.mustOpen("/", polls)
	c.Emit("hello", strings.Repeat("x", 1000))
	room := r.mustOpen("/room-1", polls)
	sum := map[string]float64{}
	stats := func(ok func(stats map[string]any, namespaces string) bool) {
		t.Helper()
		p.until("server_stats", func(args []any) bool {
			s := args[0].(map[string]any)
			for _, e := range s["aggregatedEvents"].([]any) {
				e := e.(map[string]any)
				sum[e["type"].(string)+fmt.Sprint(e["subType"])] += e["count"].(float64)
			}
			return ok(s, fmt.Sprint(s["namespaces"]))
		})
	}
	stats(func(s map[string]any, namespaces string) bool {
		return s["serverId"] == "blue" && s["hostname"] != "" && s["pid"].(float64) > 1 && s["uptime"].(float64) >= 0 && s["clientsCount"] == 3.0 && s["pollingClientsCount"] == 2.0 &&
			namespaces == "[map[name:/ socketsCount:1] map[name:/admin socketsCount:1] map[name:/room-1 socketsCount:1]]" && sum["bytesIn<nil>"] > 1000
	})
	room.Close()
	c.Close()
	clear(sum)
	stats(func(s map[string]any, namespaces string) bool {
		return s["clientsCount"] == 1.0 && s["pollingClientsCount"] == 0.0 && sum["rawDisconnectiontransport close"] >= 2 && sum["rawConnection<nil>"] >= 2 &&
			sum["packetsIn<nil>"] >= 4 && sum["packetsOut<nil>"] >= 4 && sum["bytesOut<nil>"] > 100 &&
			namespaces == "[map[name:/ socketsCount:0] map[name:/admin socketsCount:1] map[name:/room-1 socketsCount:0]]"
	})
	for _, word := range []string{"socket_connected", "all_sockets", "event_received", "room_joined"} {
		if strings.Contains(p.log(), word) {
			t.Errorf("in production a page is told %s", word)
		}
	}
}

// TestCluster has two servers, and a page at each.
func TestCluster(t *testing.T) {
	h := &hub{}
	options := func(id string) *Options {
		o := basic()
		o.ServerID, o.StatsInterval = id, 20*time.Millisecond
		return o
	}
	blue := newRig(t, &socketio.ServerOptions{Adapter: h.adapter}, options("blue"), func(io *socketio.Server) { io.Of("/only-blue") })
	green := newRig(t, &socketio.ServerOptions{Adapter: h.adapter}, options("green"))
	blue.io.Use(func(s *socketio.Socket) error { s.SetData(map[string]int{"n": 1}); return nil })
	c, hidden := blue.member("/"), blue.member("/only-blue")
	p := green.page()
	all := p.has("all_sockets", `"id":"`+c.ID()+`"`).text()
	if !strings.Contains(all, `"data":{"n":1}`) || !strings.Contains(all, `"transport":"websocket"`) && !strings.Contains(all, `"transport":"polling"`) || strings.Contains(all, noteName) {
		t.Errorf("a socket of another server is %s", all)
	}
	sockets, err := green.io.FetchSockets(t.Context())
	if err != nil || len(sockets) != 1 || !regexp.MustCompile(`"_admin":\{"clientId":"[\w-]{12}","transport":"\w+"\}`).Match(sockets[0].Data) {
		t.Errorf("servers tell each other %s, %v", sockets[0].Data, err)
	}
	p.has("server_stats", `"serverId":"blue"`)
	p.has("server_stats", `"serverId":"green"`)
	more := blue.member("/")
	p.has("socket_connected", `"id":"`+more.ID()+`"`)
	blue.io.Emit("news", 1)
	p.has("event_sent", `["/","`+more.ID()+`",["news",1]`)
	if got := p.do("join", "/", "room", c.ID()); got != "" {
		t.Error(got)
	}
	p.has("room_joined", `["/","room","`+c.ID()+`"`)
	if got := p.do("emit", "/only-blue", hidden.ID(), "hello"); got != "" {
		t.Error(got)
	}
	hidden.until("hello", nil)
	// A session counts at the other server, too.
	id := p.until("session", nil).args[0]
	blue.mustOpen("/admin", &socketio.ClientOptions{Auth: map[string]any{"sessionId": id}})
	gone := c.ID()
	p.do("_disconnect", "/", false, gone)
	p.has("socket_disconnected", `["/","`+gone+`","server namespace disconnect"`)
}

func TestOrigins(t *testing.T) {
	ask := func(r *rig, origin string) (status int, allow, credentials string) {
		t.Helper()
		request, _ := http.NewRequest("GET", r.url+"/socket.io/?EIO=4&transport=polling", nil)
		request.Header.Set("Origin", origin)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer http.DefaultClient.CloseIdleConnections()
		answer.Body.Close()
		return answer.StatusCode, answer.Header.Get("Access-Control-Allow-Origin"), answer.Header.Get("Access-Control-Allow-Credentials")
	}
	other := "https://other.example"
	mine := func(origin string, _ *http.Request) bool { return origin == other }
	for name, c := range map[string]struct {
		cors    *engine.CORS
		origins []string
		hosted  string // status, allow, credentials
		other   string
	}{
		"none":            {nil, nil, "403  ", "403  "},
		"alone":           {nil, []string{HostedPage}, "200 " + HostedPage + " true", "403  true"},
		"beside others":   {&engine.CORS{Origins: []string{other}}, []string{HostedPage}, "200 " + HostedPage + " true", "200 " + other + " "},
		"beside a func":   {&engine.CORS{AllowOrigin: mine}, []string{HostedPage}, "200 " + HostedPage + " true", "200 " + other + " "},
		"all the same":    {&engine.CORS{Origins: []string{other}, Credentials: true}, []string{HostedPage}, "200 " + HostedPage + " true", "200 " + other + " true"},
		"none of its own": {&engine.CORS{Origins: []string{other}}, nil, "403  ", "200 " + other + " "},
	} {
		o := basic()
		o.Origins = c.origins
		r := newRig(t, &socketio.ServerOptions{CORS: c.cors}, o)
		status, allow, credentials := ask(r, HostedPage)
		if got := fmt.Sprintf("%d %s %s", status, allow, credentials); got != c.hosted {
			t.Errorf("%s: the hosted page: %q, want %q", name, got, c.hosted)
		}
		status, allow, credentials = ask(r, other)
		if got := fmt.Sprintf("%d %s %s", status, allow, credentials); got != c.other {
			t.Errorf("%s: another: %q, want %q", name, got, c.other)
		}
	}
	o := basic()
	o.Origins = []string{HostedPage}
	err := Instrument(socketio.NewServer(&socketio.ServerOptions{CORS: &engine.CORS{Origins: []string{"*"}}}), o)
	if !errors.Is(err, errAllOrigins) {
		t.Errorf("%v", err)
	}
}

// TestRecovered has a client come back as it was: the page keeps it.
func TestRecovered(t *testing.T) {
	r := newRig(t, &socketio.ServerOptions{Recovery: &socketio.Recovery{}}, basic())
	c := r.member("/")
	r.io.Emit("first")
	c.until("first", nil)
	p := r.page()
	id := c.ID()
	p.has("all_sockets", id)
	again := make(chan struct{}, 1)
	c.OnConnect(func() { again <- struct{}{} })
	r.io.Socket(id).Engine().Close(true)
	<-again
	p.until("socket_disconnected", func(args []any) bool { return args[1] == id })
	p.until("socket_connected", func(args []any) bool { return args[0].(map[string]any)["id"] == id })
	if !c.Recovered() {
		t.Error("it has not come back as it was")
	}
}

func TestOutboxIsBounded(t *testing.T) {
	begun, gate, sent := make(chan struct{}, mostMessages+1), make(chan struct{}), make(chan struct{}, mostMessages+1)
	o := outbox{send: func(message) { begun <- struct{}{}; <-gate; sent <- struct{}{} }}
	o.add(message{event: "first"})
	<-begun
	for range mostMessages + 50 {
		o.add(message{event: "more"})
	}
	if lost := o.takeLost(); lost != 50 || o.takeLost() != 0 {
		t.Errorf("%d are lost", lost)
	}
	close(gate)
	for range mostMessages + 1 {
		<-sent
	}
	o.close()
}
