// Package app is a text that many write at once. The server has a copy like
// everybody else ([Text]); it judges each change, and passes it on.
//
// Events of a client, each acknowledged, with {"error": "…"} where it is refused:
//
//	open {name}   answers {state}, the whole text; what others change comes from now on
//	edit op       a change, see [Op]; to all others
//	cursor id     the character before the cursor, or null; to all others
//
// Events of the server: edit op, cursor {who, at}, people [{who, name, at}, …].
package app

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/guard"
	"github.com/sockkit/sockkit/socketio"
)

//go:embed page.html page.js text.js style.css
var files embed.FS

// What is kept, and what is let in.
const (
	maxName    = 20     // characters
	maxText    = 500    // characters that come in by one change, or go
	maxVisible = 10_000 // characters of the text
	maxChars   = 30_000 // those that are gone counted, too
	maxPeople  = 100
	maxAhead   = 10_000 // how far a clock may be ahead of the server's
)

// App is the document: an http.Handler for its page and its sockets.
type App struct {
	io   *socketio.Server
	site http.Handler

	mu     sync.Mutex
	text   Text
	people map[string]*person // by the id of the socket
}

type person struct {
	Who  string `json:"who"`
	Name string `json:"name"`
	At   ID     `json:"at"`
}

// New makes the document on a server that has no handlers yet.
func New(io *socketio.Server) *App {
	a := &App{io: io, site: browser.Site(files, io), people: map[string]*person{}}
	a.text.Insert(0, "Shopping list\n\n- bread\n- coffee\n", "server")
	io.OnConnection(a.connected)
	return a
}

// ServeHTTP implements [http.Handler].
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.site.ServeHTTP(w, r) }

// Close has nothing to stop.
func (a *App) Close() {}

// opened is the room of those who have opened the document.
const opened = "opened"

func (a *App) connected(s *socketio.Socket) {
	edits := &guard.Rate{PerSecond: 30, AtOnce: 100}
	cursors := &guard.Rate{PerSecond: 10, AtOnce: 20}
	s.On("open", edits.Answer(func(v any) (any, error) { return a.open(s, v) }))
	s.On("edit", edits.Answer(func(v any) (any, error) { return a.edit(s, v) }))
	s.On("cursor", cursors.Answer(func(v any) (any, error) { return a.cursor(s, v) }))
	s.OnDisconnect(func(string) { a.left(s.ID()) })
}

func (a *App) open(s *socketio.Socket, v any) (any, error) {
	wish, err := guard.Object("what to open with", v)
	if err != nil {
		return nil, err
	}
	name, err := guard.Text("the name", wish["name"], maxName)
	if err != nil {
		return nil, err
	}
	state, err := a.add(s, name)
	if err != nil {
		return nil, err
	}
	a.tellPeople()
	return map[string]any{"state": state}, nil
}

// add joins under the lock: an edit is in the state, or it comes behind it.
func (a *App) add(s *socketio.Socket, name string) (state [][3]any, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.people) >= maxPeople && a.people[s.ID()] == nil {
		return nil, fmt.Errorf("%d people have opened it; no more can", maxPeople)
	}
	a.people[s.ID()] = &person{Who: s.ID(), Name: name}
	return a.text.State(), s.Join(opened)
}

// left takes leave of somebody. With the last copy the tombstones go, too.
func (a *App) left(id string) {
	a.mu.Lock()
	delete(a.people, id)
	if len(a.people) == 0 {
		a.text.compact()
	}
	a.mu.Unlock()
	a.tellPeople()
}

var errNotOpen = errors.New("open the document first")

// edit applies a change and passes it on under the lock: all get all changes in
// one order, so that none speaks of what its reader does not have yet.
func (a *App) edit(s *socketio.Socket, v any) (any, error) {
	op, err := readOp(v)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.people[s.ID()] == nil {
		return nil, errNotOpen
	}
	if err := a.judge(op); err != nil {
		return nil, err
	}
	if err := a.text.Apply(op); err != nil {
		return nil, err
	}
	return map[string]any{}, s.Broadcast().To(opened).Emit("edit", op)
}

// readOp reads a change, and holds against the bounds what can be seen of it alone.
func readOp(v any) (op Op, err error) {
	data, err := json.Marshal(v)
	if err != nil {
		return op, err
	}
	if err := json.Unmarshal(data, &op); err != nil {
		return op, errors.New("a change is {id, after, text} or {delete}, and something else came")
	}
	n := utf8.RuneCountInString(op.Text)
	switch {
	case (n > 0) == (len(op.Delete) > 0):
		return op, errors.New("a change has either a text or something to delete")
	case n > maxText || len(op.Delete) > maxText:
		return op, fmt.Errorf("a change is of at most %d characters", maxText)
	case n > 0 && !site().MatchString(op.ID.Site):
		return op, errors.New("the site of a change is 4 to 20 letters and digits")
	}
	return op, nil
}

var site = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]{4,20}$`) })

// judge reports what would break the text of somebody, or outgrow the server.
func (a *App) judge(op Op) error {
	n := utf8.RuneCountInString(op.Text)
	switch {
	case n == 0:
		return nil
	case op.ID.Clock <= op.After.Clock || op.ID.Clock > a.text.clock+maxAhead:
		return fmt.Errorf("the clock %d of a change has to be above that of what it stands behind, and near %d", op.ID.Clock, a.text.clock)
	case a.text.find(op.ID) >= 0:
		return nil // sent again, since its answer was lost
	case utf8.RuneCountInString(a.text.String())+n > maxVisible:
		return fmt.Errorf("the text has at most %d characters", maxVisible)
	case len(a.text.chars)+n > maxChars:
		return errors.New("too much was deleted and written again; that is kept until all have left")
	}
	last := op.ID.Clock + n - 1
	if slices.ContainsFunc(a.text.chars, func(c char) bool {
		return c.id.Site == op.ID.Site && c.id.Clock >= op.ID.Clock && c.id.Clock <= last
	}) {
		return errors.New("a change names characters as others are named already")
	}
	return nil
}

// cursor is not volatile: there may be no next one, and the last one counts.
func (a *App) cursor(s *socketio.Socket, v any) (any, error) {
	var at ID
	if data, err := json.Marshal(v); err != nil || json.Unmarshal(data, &at) != nil || len(at.Site) > maxName {
		return nil, errors.New("a cursor is the [clock, site] of a character, or null")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.people[s.ID()]
	if p == nil {
		return nil, errNotOpen
	}
	p.At = at
	return map[string]any{}, s.Broadcast().To(opened).Emit("cursor", map[string]any{"who": p.Who, "at": at})
}

func (a *App) tellPeople() {
	a.mu.Lock()
	defer a.mu.Unlock()
	people := []*person{}
	for _, p := range a.people {
		people = append(people, p)
	}
	slices.SortFunc(people, func(x, y *person) int { return strings.Compare(x.Name+x.Who, y.Name+y.Who) })
	_ = a.io.To(opened).Emit("people", people)
}
