package demo

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/ws"
)

//go:embed site
var siteFiles embed.FS

// Site is the page: lessons and applications, each with its live trace beside
// it. It is an [http.Handler]; make one with [NewSite].
type Site struct {
	// MaxVisitors bounds the visits at once; 0 is 100. A tab beyond it is told so,
	// and closed with 1013.
	MaxVisitors int
	// Hosts are names beside the loopback ones that the page goes by.
	Hosts []string

	handler http.Handler
	pages   *template.Template
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu     sync.Mutex
	visits map[string]*visit
	gone   sync.WaitGroup
}

const (
	defaultVisitors = 100
	visitBytes      = 16 << 20 // of payloads that a visit keeps
)

// NewSite returns a page that nobody visits yet. Close it.
func NewSite() (*Site, error) {
	s := &Site{visits: map[string]*visit{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	var err error
	if s.pages, err = template.New("").Funcs(template.FuncMap{"prose": prose}).ParseFS(siteFiles, "site/*.html", "site/lessons/*.html"); err != nil {
		return nil, err
	}
	own, err := fs.Sub(siteFiles, "site")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /lesson/{name}", s.lesson)
	mux.HandleFunc("GET /app/{name}", s.app)
	mux.Handle("GET /site/", http.StripPrefix("/site/", http.FileServerFS(own)))
	mux.Handle("GET /live/", http.StripPrefix("/live/", http.FileServerFS(live.Assets())))
	mux.Handle("GET /site/socketio.js", browser.Handler())
	mux.Handle("GET /site/engineio.js", browser.Handler())
	mux.Handle("GET /visit", &ws.Server{Handler: s.visit, Permit: ws.SameOrigin, Limits: ws.Limits{MaxMessage: maxCall}})
	mux.HandleFunc("/visit/{id}/{path...}", s.served)
	s.handler = mux
	return s, nil
}

// maxCall bounds what a page sends at once, in bytes.
const maxCall = 1 << 20

// ServeHTTP implements [http.Handler].
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	live.Guard(s.handler, s.Hosts).ServeHTTP(w, r)
}

// Close ends all visits, and waits until their sockets are given back.
func (s *Site) Close() error {
	s.cancel(errors.New("the page is closed"))
	s.gone.Wait()
	return nil
}

// visit serves one tab.
func (s *Site) visit(ctx context.Context, c *ws.Conn) error {
	s.gone.Add(1)
	defer s.gone.Done()
	r := ws.RequestOf(ctx).HTTP
	t := &tab{conn: c, out: make(chan []byte, mostWaiting)}
	problem := s.join(t, r.FormValue("join"), r.FormValue("of"))
	if t.visit == nil { // a browser tells a page nothing of a refusal by HTTP, but of a close
		_ = c.Close(ws.StatusTryAgainLater, problem.Error()) // it may have left
		return nil
	}
	defer s.leave(t)
	t.visit.enter(t, problem)
	t.run(ctx)
	return nil
}

// join finds the visit that a tab is to look at, or begins one while there is room.
func (s *Site) join(t *tab, id, of string) error {
	s.mu.Lock()
	if v := s.visits[id]; v != nil && v.of == of {
		t.visit = v
		v.looked++
		s.mu.Unlock()
		<-v.ready
		return v.fault
	}
	if most := cmp.Or(s.MaxVisitors, defaultVisitors); len(s.visits) >= most {
		s.mu.Unlock()
		return fmt.Errorf("there is room for %s (--max-visitors)", counted(most, "visitor"))
	}
	v := s.newVisit(of)
	t.visit = v
	s.mu.Unlock()
	defer close(v.ready)
	v.fault = v.open(s.setUp(of))
	return v.fault
}

func (s *Site) newVisit(of string) *visit {
	v := &visit{id: strings.ToLower(rand.Text()), of: of, looked: 1, ready: make(chan struct{})}
	v.tabs, v.pushed, v.served = map[*tab]struct{}{}, map[string]json.RawMessage{}, map[string]http.Handler{}
	v.cast.MaxBytes = visitBytes
	v.ctx, v.cancel = context.WithCancelCause(s.ctx)
	s.visits[v.id] = v
	return v
}

// setUp is what opens the sockets of a lesson or of an application; nil where
// there are none.
func (s *Site) setUp(of string) func(*Stage) (Actions, error) {
	if name, ok := strings.CutPrefix(of, "app/"); ok {
		if a, ok := findApp(name); ok {
			return a.open
		}
	}
	l, _ := Find(of)
	return l.Lab
}

// leave takes a tab away, and ends its visit with the last.
func (s *Site) leave(t *tab) {
	v := t.visit
	v.mu.Lock()
	delete(v.tabs, t)
	v.mu.Unlock()
	s.mu.Lock()
	v.looked--
	last := v.looked == 0
	if last {
		delete(s.visits, v.id)
	}
	s.mu.Unlock()
	if last {
		v.close()
	}
}

// served hands a request to what a visit's stage serves.
func (s *Site) served(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	v := s.visits[r.PathValue("id")]
	s.mu.Unlock()
	if v == nil {
		http.Error(w, "Nobody is at this place any more. Open the lesson again.", http.StatusNotFound)
		return
	}
	<-v.ready
	v.ServeHTTP(w, r)
}
