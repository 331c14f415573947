package live

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"sync"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

//go:embed site
var site embed.FS

// Assets are timeline.js, which draws a timeline into a page, and its style.
func Assets() fs.FS {
	sub, err := fs.Sub(site, "site")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

//go:embed page.html
var pageText string

// page is read once it is asked for: no start of any program waits for it.
var page = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

// Page serves a page that holds the timeline and nothing else.
func (t *Timeline) Page(title string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/trace/", http.StripPrefix("/trace", t.Handler()))
	mux.Handle("GET /live/", http.StripPrefix("/live/", http.FileServerFS(Assets())))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page().Execute(w, title) // the browser may have left
	})
	return mux
}

// Handler serves a timeline to timeline.js, below the path at which it is
// mounted: rows, a WebSocket on which the records come; record, one of them with
// all its details; and trace.jsonl and trace.pcapng, all of them to take away.
func (t *Timeline) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /rows", &ws.Server{Handler: t.rows, Limits: ws.Limits{MaxMessage: maxRequest}})
	mux.HandleFunc("GET /record", t.record)
	mux.HandleFunc("GET /trace.jsonl", t.jsonLines)
	mux.HandleFunc("GET /trace.pcapng", t.capture)
	return mux
}

// maxRequest bounds what a browser says: it has nothing to say here.
const maxRequest = 1 << 10

// rows sends the records from number ?from= on, until the browser leaves.
func (t *Timeline) rows(ctx context.Context, c *ws.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
		}
	}()
	n := 0
	if r := ws.RequestOf(ctx); r.HTTP != nil {
		n, _ = strconv.Atoi(r.HTTP.FormValue("from")) // nonsense is the beginning
	}
	return t.send(ctx, c, max(n, 0))
}

func (t *Timeline) send(ctx context.Context, c *ws.Conn, n int) error {
	for first := true; ; first = false {
		b, more := t.batch(n)
		if b.Next == n && b.Skipped == 0 && !first {
			select {
			case <-more:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		n = b.Next
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		if c.Write(ctx, ws.Text, text) != nil {
			return nil // the browser has left
		}
	}
}

func (t *Timeline) record(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil {
		http.Error(w, fmt.Sprintf("n=%.20q is no number of a record", r.FormValue("n")), http.StatusBadRequest)
		return
	}
	d, ok := t.Detail(n)
	if !ok {
		http.Error(w, fmt.Sprintf("record %d is not kept", n), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(d) // the browser may have left
}

func (t *Timeline) jsonLines(w http.ResponseWriter, _ *http.Request) {
	download(w, "application/jsonl", "trace.jsonl")
	sink := trace.NewJSON(w)
	for _, e := range t.Since(0) {
		sink.Record(e.Record)
	}
}

func (t *Timeline) capture(w http.ResponseWriter, _ *http.Request) {
	download(w, "application/x-pcapng", "trace.pcapng")
	sink, err := trace.NewPCAPNG(w)
	if err != nil {
		return // the browser has left
	}
	for _, e := range t.Since(0) {
		sink.Record(e.Record)
	}
	_ = sink.Close()
}

func download(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}
