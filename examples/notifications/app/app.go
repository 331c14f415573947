// Package app is live notifications: each topic is a room, and who subscribes to
// it is in that room.
//
// Events of a client, each acknowledged, with {"error": "…"} where it is refused:
//
//	subscribe {topics, after}   answers {topics, missed}: what came since after
//	publish {topic, text, from} to all who subscribe to the topic
//
// The one event of the server is notice {id, topic, text, from, time}.
//
// A connection that was cut comes back in one of two ways. Where the server has
// recovery (socketio.Recovery) the rooms are kept, and what was missed comes by
// itself. Elsewhere, and after too long a time, the page subscribes anew and says
// which notice it saw last.
package app

import (
	"embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/guard"
	"github.com/sockkit/sockkit/socketio"
)

//go:embed page.html page.js style.css
var files embed.FS

// Topics are what one can subscribe to.
var Topics = []string{"builds", "incidents", "lunch"}

// What is kept, and what is let in.
const (
	maxName    = 20  // characters
	maxText    = 200 // characters
	maxNotices = 100 // that are kept for who was away
)

type notice struct {
	ID    int    `json:"id"`
	Topic string `json:"topic"`
	Text  string `json:"text"`
	From  string `json:"from"`
	Time  int64  `json:"time"` // milliseconds since 1970
}

// App is the notifications: an http.Handler for its page and its sockets.
type App struct {
	io   *socketio.Server
	site http.Handler

	mu      sync.Mutex
	notices []notice // the last ones
	last    int
}

// New makes the notifications on a server that has no handlers yet.
func New(io *socketio.Server) *App {
	a := &App{io: io, site: browser.Site(files, io)}
	io.OnConnection(func(s *socketio.Socket) {
		rate := &guard.Rate{PerSecond: 1, AtOnce: 10}
		s.On("subscribe", rate.Answer(func(v any) (any, error) { return a.subscribe(s, v) }))
		s.On("publish", rate.Answer(a.publish))
	})
	return a
}

// ServeHTTP implements [http.Handler].
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.site.ServeHTTP(w, r) }

// Close has nothing to stop.
func (a *App) Close() {}

// room keeps topics apart from other rooms.
func room(topic string) string { return "topic:" + topic }

// subscribe puts a socket into the rooms of these topics, and of no others.
func (a *App) subscribe(s *socketio.Socket, v any) (any, error) {
	wish, err := guard.Object("what to subscribe to", v)
	if err != nil {
		return nil, err
	}
	topics, err := known(wish["topics"])
	if err != nil {
		return nil, err
	}
	after := 0
	if wish["after"] != nil {
		if after, err = guard.Whole("after", wish["after"], 0, 1<<50); err != nil {
			return nil, err
		}
	}
	for _, topic := range Topics {
		if !slices.Contains(topics, topic) {
			s.Leave(room(topic))
		} else if err := s.Join(room(topic)); err != nil {
			return nil, err
		}
	}
	// It has joined before it looks: what comes in between comes twice, with one id.
	return map[string]any{"topics": topics, "missed": a.since(after, topics)}, nil
}

func known(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok || len(list) > len(Topics) {
		return nil, fmt.Errorf("topics has to be a list of at most %d", len(Topics))
	}
	topics := []string{}
	for _, v := range list {
		topic, err := knownTopic(v)
		if err != nil {
			return nil, err
		}
		topics = append(topics, topic)
	}
	return topics, nil
}

func knownTopic(v any) (string, error) {
	topic, err := guard.Text("the topic", v, maxName)
	if err == nil && !slices.Contains(Topics, topic) {
		err = fmt.Errorf("there is no topic %q; there are %s", topic, strings.Join(Topics, ", "))
	}
	return topic, err
}

func (a *App) publish(v any) (any, error) {
	n, err := read(v)
	if err != nil {
		return nil, err
	}
	a.keep(&n)
	return map[string]any{"id": n.ID}, a.io.To(room(n.Topic)).Emit("notice", n)
}

func read(v any) (n notice, err error) {
	wish, err := guard.Object("the notice", v)
	if err != nil {
		return n, err
	}
	if n.Topic, err = knownTopic(wish["topic"]); err != nil {
		return n, err
	}
	if n.Text, err = guard.Text("the notice", wish["text"], maxText); err != nil {
		return n, err
	}
	n.From, err = guard.Text("the name", wish["from"], maxName)
	return n, err
}

func (a *App) keep(n *notice) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	n.ID, n.Time = a.last, time.Now().UnixMilli()
	a.notices = append(a.notices, *n)
	a.notices = a.notices[max(0, len(a.notices)-maxNotices):]
}

// since are the notices of these topics behind that one.
func (a *App) since(after int, topics []string) []notice {
	a.mu.Lock()
	defer a.mu.Unlock()
	missed := []notice{}
	for _, n := range a.notices {
		if n.ID > after && slices.Contains(topics, n.Topic) {
			missed = append(missed, n)
		}
	}
	return missed
}
