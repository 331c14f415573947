package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// visit is what one reader of the page has going: a stage with its sockets, and
// the tabs that look at it. It ends, and its sockets with it, when the last of
// them leaves.
type visit struct {
	id     string
	of     string // the lesson by its name, or app/NAME
	ctx    context.Context
	cancel context.CancelCauseFunc
	cast   cast
	lab    *Stage
	does   Actions
	looked int           // the tabs, counted by the site
	ready  chan struct{} // closed once the stage is open
	fault  error         // why it is not

	mu     sync.Mutex
	served map[string]http.Handler // what the stage serves, by the first part of the path below /visit/ID/
	tabs   map[*tab]struct{}
	pushed map[string]json.RawMessage // the last value of each name, for a tab that comes later
	story  *telling
	gone   sync.WaitGroup // the calls that are under way, and the story
}

// errLeft is why a visit ends.
var errLeft = errors.New("the reader has left")

// open raises the curtain: the sockets of a lab are opened, or an application.
func (v *visit) open(setUp func(*Stage) (Actions, error)) error {
	v.lab = newStageOf(v.ctx, silent{}, nil, &v.cast)
	v.lab.visit = v
	v.lab.Serve("trace", v.cast.Handler())
	if setUp == nil {
		return nil
	}
	does, err := setUp(v.lab)
	v.does = does
	return err
}

// close ends all that is open, and waits for it.
func (v *visit) close() {
	v.cancel(errLeft)
	v.gone.Wait()
	_ = v.lab.close() // nobody is there to be told
}

// silent is the teller of a lab, whose texts are in the page.
type silent struct{}

func (silent) title(string)      {}
func (silent) text(string)       {}
func (silent) commands([]string) {}
func (silent) records([]entry)   {}
func (silent) rested()           {}
func (silent) failure() error    { return nil }

// Serve has h take the requests below one name of the visit, without what is
// before it, and returns the path at which a browser asks for it.
func (s *Stage) Serve(name string, h http.Handler) string {
	v := s.visit
	if v == nil {
		return ""
	}
	path := "/visit/" + v.id + "/" + name
	v.mu.Lock()
	defer v.mu.Unlock()
	v.served[name] = http.StripPrefix(path, h)
	return path + "/"
}

// ServeHTTP hands a request to what the stage serves.
func (v *visit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(r.PathValue("path"), "/")
	v.mu.Lock()
	h := v.served[name]
	v.mu.Unlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

// tab is one look at a visit.
type tab struct {
	visit *visit
	conn  *ws.Conn
	out   chan []byte
}

// mostWaiting bounds the messages that wait for a tab. A browser that lets them
// pile up has stopped reading, and is closed.
const mostWaiting = 1024

// said is a message to the page: one of its fields is set.
type said struct {
	Visit *welcome `json:"visit,omitempty"`
	Story *passage `json:"story,omitempty"`
	Push  *value   `json:"push,omitempty"`
	Reply *reply   `json:"reply,omitempty"`
}

// welcome is what a tab is told first.
type welcome struct {
	ID    string `json:"id"`
	Tabs  int    `json:"tabs"`
	Error string `json:"error,omitempty"` // why there is no lab
}

// value is one that a stage shows.
type value struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// call is what a page has done.
type call struct {
	Call string          `json:"call"`
	ID   int             `json:"id"`
	Args json.RawMessage `json:"args"`
}

// reply answers a call.
type reply struct {
	ID    int    `json:"id"`
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

// push tells all tabs a value.
func (v *visit) push(name string, what any) {
	raw, err := json.Marshal(what)
	if err != nil {
		raw, _ = json.Marshal(err.Error())
	}
	v.mu.Lock()
	v.pushed[name] = raw
	v.mu.Unlock()
	v.tell(said{Push: &value{name, raw}})
}

// tell sends a message to all tabs.
func (v *visit) tell(m said) {
	text := m.encode()
	v.mu.Lock()
	defer v.mu.Unlock()
	for t := range v.tabs {
		t.post(text)
	}
}

func (m said) encode() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		text, _ = json.Marshal(said{Reply: &reply{Error: err.Error()}})
	}
	return text
}

func (t *tab) post(text []byte) {
	select {
	case t.out <- text:
	default:
		_ = t.conn.CloseNow()
	}
}

// enter adds a tab, and tells it what there is.
func (v *visit) enter(t *tab, problem error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tabs[t] = struct{}{}
	w := &welcome{ID: v.id, Tabs: len(v.tabs)}
	if problem != nil {
		w.Error = problem.Error()
	}
	t.post(said{Visit: w}.encode())
	for name, raw := range v.pushed {
		t.post(said{Push: &value{name, raw}}.encode())
	}
	if v.story != nil {
		v.story.again(t)
	}
}

// run serves a tab until it leaves.
func (t *tab) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(t.visit.ctx, func() { _ = t.conn.CloseNow() })
	defer stop()
	go t.write(ctx)
	calls := make(chan struct{}, mostCalls)
	for {
		_, text, err := t.conn.Read(ctx)
		if err != nil {
			return
		}
		var c call
		if json.Unmarshal(text, &c) != nil {
			_ = t.conn.Close(ws.StatusPolicyViolation, "a call was due")
			return
		}
		select {
		case calls <- struct{}{}:
		default:
			t.post(said{Reply: &reply{ID: c.ID, Error: fmt.Sprintf("%d things are being done already", mostCalls)}}.encode())
			continue
		}
		t.visit.gone.Go(func() {
			defer func() { <-calls }()
			t.answer(c)
		})
	}
}

const (
	mostCalls = 16               // of one tab, at the same time
	callTime  = 30 * time.Second // for one of them
)

func (t *tab) write(ctx context.Context) {
	for {
		select {
		case text := <-t.out:
			if t.conn.Write(ctx, ws.Text, text) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// answer does what a page asks for.
func (t *tab) answer(c call) {
	v := t.visit
	ctx, cancel := context.WithTimeout(v.ctx, callTime)
	defer cancel()
	r := &reply{ID: c.ID}
	value, err := v.act(ctx, c)
	if r.Value = value; err != nil {
		r.Error = err.Error()
	}
	t.post(said{Reply: r}.encode())
}

func (v *visit) act(ctx context.Context, c call) (any, error) {
	switch c.Call {
	case "story-begin":
		return nil, v.begin()
	case "story-next":
		return nil, v.next()
	}
	if do, ok := v.does[c.Call]; ok {
		return do(ctx, c.Args)
	}
	return nil, fmt.Errorf("nothing here is called %.40q", c.Call)
}

// full is the tracer of a lab's part: everything is recorded, down to each byte.
func (s *Stage) full(who string) *trace.Tracer { return s.at(who, trace.Byte) }
