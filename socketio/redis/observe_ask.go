package redis

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// GroupAnswers are what servers have answered who asked for their sockets and
// rooms.
type GroupAnswers struct {
	Expected int            `json:"expected"` // servers
	Came     int            `json:"came"`
	Servers  []ServerAnswer `json:"servers"`
	Sockets  int            `json:"sockets"`
	Rooms    int            `json:"rooms"` // that are not a socket's own
	Silent   []string       `json:"silent,omitempty"`
	Among    bool           `json:"among,omitempty"`    // some of Silent may have answered, without saying who they are
	LeftOut  int            `json:"left_out,omitempty"` // answers that were too much
	Error    string         `json:"error,omitempty"`    // why nobody could be asked
	Duration time.Duration  `json:"duration_ns"`        // until the last answer, or for which they were waited for
}

// ServerAnswer is that of one server.
type ServerAnswer struct {
	ID      string        `json:"id,omitempty"` // the official adapter pubsub does not say
	Sockets int           `json:"sockets"`
	After   time.Duration `json:"after_ns"`
}

// ask asks each group.
func (t *taking) ask(ctx context.Context) {
	for i := range t.Groups {
		g := &t.Groups[i]
		a := &asking{taking: t, group: g, uid: newUID(16), came: make(chan reply, 1000),
			asked: map[string]messageKind{}, sockets: map[string]bool{}, rooms: map[string]bool{}, from: map[string]bool{}}
		g.Answers = &GroupAnswers{Expected: g.Servers, Servers: []ServerAnswer{}}
		if t.deafens(g) {
			g.Answers.Error = "the question would go to servers by pubsub too, to whom it is garbage, by which an official one ends or hears nothing more"
			continue
		}
		if err := a.run(ctx); err != nil {
			g.Answers.Error = words(err).Error()
		}
	}
}

// deafens reports whether a question to a group would come to servers by pubsub as
// well: these are subscribed to each channel that begins as that of the others. An
// official one throws a TypeError at what is no list, within its Redis client, which
// reads nothing more then.
func (t *taking) deafens(g *ServerGroup) bool {
	return g.Adapter == streamsName && !g.Sharded && slices.ContainsFunc(t.Groups, func(other ServerGroup) bool {
		return other.Adapter == pubsubName && other.Prefix == g.Prefix && other.Namespace == g.Namespace
	})
}

// asking is one group being asked. Its servers answer to a channel that is not
// the one by which they count one another.
type asking struct {
	*taking
	group          *ServerGroup
	uid            string
	came           chan reply
	bytes          int
	asked          map[string]messageKind // by the ids of requests
	sockets, rooms map[string]bool
	from           map[string]bool
}

type reply struct {
	at      time.Time
	channel string
	raw     []byte
}

func (a *asking) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.options.RequestTimeout)
	defer cancel()
	kind, name := a.answerChannel()
	hub := a.conn.hub
	ready := hub.subscribe(a, kind, name, func(channel string, raw []byte) {
		select {
		case a.came <- reply{time.Now(), channel, raw}:
		default:
		}
	})
	defer hub.unsubscribe(a, kind, name)
	select {
	case <-ready:
	case <-ctx.Done():
		return worded{"no subscription in time", ctx.Err()}
	}
	began := time.Now()
	if err := a.requests(ctx); err != nil {
		return err
	}
	a.collect(ctx, began)
	a.finish(began)
	return nil
}

// requests sends what is asked for: at the first adapter names alone, of sockets
// and of rooms.
func (a *asking) requests(ctx context.Context) error {
	kinds := []messageKind{kindFetch}
	if a.group.Adapter == pubsubName {
		kinds = []messageKind{kindListSockets, kindListRooms}
	}
	for _, k := range kinds {
		m := &message{kind: k, uid: a.uid, request: `"` + newUID(16) + `"`}
		a.asked[m.request] = k
		if err := a.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// collect takes the answers of all servers, or those that come in time.
func (a *asking) collect(ctx context.Context, began time.Time) {
	for due := a.group.Servers * len(a.asked); due > 0; {
		select {
		case r := <-a.came:
			if a.take(r, began) {
				due--
			}
		case <-ctx.Done():
			return
		}
	}
}

// answerChannel is where answers come. At the first adapter that is for all, and
// a subscriber to its pattern is not counted.
func (a *asking) answerChannel() (kind, string) {
	g := a.group
	switch {
	case g.Adapter == pubsubName:
		return toPattern, escapePattern(g.Prefix+"-response#"+g.Namespace+"#") + "*"
	case g.Sharded:
		return toShard, g.Prefix + "#" + g.Namespace + "#" + a.uid + "#"
	}
	return toChannel, g.Prefix + "#" + g.Namespace + "#" + a.uid + "#"
}

// send sends a request as a server does: as MessagePack, which those of both
// adapters with sharded channels read.
func (a *asking) send(ctx context.Context, m *message) error {
	g := a.group
	if g.Adapter == pubsubName {
		out := classicOut{UID: m.uid, RequestID: rawID(m.request), Type: classicSockets}
		if m.kind == kindListRooms {
			out.Type = classicRooms
		}
		body, err := marshal(out)
		if err != nil {
			return err
		}
		return a.conn.client.Publish(ctx, g.Prefix+"-request#"+g.Namespace+"#", body).Err()
	}
	c, err := clusterOf(m, g.Namespace)
	if err != nil {
		return err
	}
	document, err := marshal(c)
	if err != nil {
		return err
	}
	body, err := socketio.EncodeMsgpack(document, nil)
	if err != nil {
		return err
	}
	channel := g.Prefix + "#" + g.Namespace + "#"
	if !g.Sharded {
		return a.conn.client.Publish(ctx, channel, body).Err()
	}
	node, err := a.conn.node(ctx, channel)
	if err != nil {
		return err
	}
	return node.SPublish(ctx, channel, body).Err()
}

// take reads what came; ok is false where it is no answer to what was asked.
func (a *asking) take(r reply, began time.Time) (ok bool) {
	answers := a.group.Answers
	if a.bytes += len(r.raw); a.bytes > a.options.MaxAnswers {
		answers.LeftOut++
		return true
	}
	m, err := a.decode(r.raw)
	if err != nil || m.kind != kindFetched || a.asked[m.request] == 0 {
		return false
	}
	if a.group.Sharded && r.raw[0] != '{' {
		a.group.Adapter = streamsName // which alone writes MessagePack without need
	}
	if a.asked[m.request] == kindListRooms {
		for _, room := range m.rooms {
			a.rooms[room] = true
		}
		return true
	}
	answers.Came++
	one := ServerAnswer{ID: m.uid, Sockets: len(m.rooms) + len(m.sockets), After: r.at.Sub(began)}
	answers.Servers = append(answers.Servers, one)
	answers.Sockets += one.Sockets
	a.from[m.uid] = true
	for _, id := range m.rooms {
		a.sockets[id] = true
	}
	for _, s := range m.sockets {
		a.sockets[s.ID] = true
		for _, room := range s.Rooms {
			a.rooms[room] = true
		}
	}
	return true
}

func (a *asking) decode(raw []byte) (*message, error) {
	if a.group.Adapter == pubsubName {
		return decodeClassicAnswer(raw)
	}
	m, _, err := decodeCluster(raw)
	return m, err
}

// finish says who has not answered.
func (a *asking) finish(began time.Time) {
	answers := a.group.Answers
	answers.Duration = time.Since(began)
	for room := range a.rooms {
		if !a.sockets[room] {
			answers.Rooms++
		}
	}
	if answers.Came >= answers.Expected || answers.LeftOut > 0 {
		return
	}
	for _, id := range a.group.IDs {
		if !a.from[id] {
			answers.Silent = append(answers.Silent, id)
		}
	}
	slices.Sort(answers.Silent)
	answers.Among = len(answers.Silent) > 0 && a.from[""] // whoever that is
}

// Reach opens a Redis that has to be there; where it is a server of a Redis
// Cluster, all of that. Its error is a [*Trouble], or says what is wrong with the
// address.
func Reach(ctx context.Context, address string, options *ConnOptions) (*Conn, error) {
	c, err := Open(address, options)
	if err != nil {
		return nil, err
	}
	if err := c.Check(ctx); err != nil {
		c.Close()
		return nil, err
	}
	if c.cluster != nil || !c.ofCluster(ctx) {
		return c, nil
	}
	c.Close()
	mark := "?"
	if strings.Contains(address, "?") {
		mark = "&"
	}
	return Reach(ctx, address+mark+"cluster=true", options)
}

// ofCluster reports whether a server belongs to a Redis Cluster.
func (c *Conn) ofCluster(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	info, err := c.client.Info(ctx, "cluster").Result()
	return err == nil && infoField(info, "cluster_enabled") == "1"
}
