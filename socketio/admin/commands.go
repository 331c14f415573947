package admin

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sockkit/sockkit/socketio"
)

// Command is what a page wants done with the sockets of a namespace.
type Command struct {
	// Do is "emit", "join", "leave" or "disconnect".
	Do        string
	Namespace string
	// Filter is a room, or the id of one socket; "" is all sockets.
	Filter string
	Room   string // to join, or to leave
	Event  string // to emit, with Args
	Args   []any
	Close  bool // to disconnect: the connection ends, too
	// By is the page; nil where another server has the page.
	By *socketio.Socket
}

// serverCommand asks other servers to do what concerns a namespace that is not
// here, each for its own sockets.
const serverCommand = "sockkit-admin:command"

// verbs are the page's words.
var verbs = map[string]string{"emit": "emit", "join": "join", "leave": "leave", "_disconnect": "disconnect"}

// command does what a page asks for. Where it asks for an acknowledgement, that is
// an error's text, or nothing.
func (a *admin) command(s *socketio.Socket, e *socketio.Event) {
	if verbs[e.Name] == "" {
		return
	}
	values, err := e.Args.Values()
	if err == nil {
		err = a.obey(s, e.Name, values)
	}
	if err != nil {
		a.note("the page at %s asks to %s: %v", s.Handshake().Address, verbs[e.Name], err)
	}
	switch {
	case e.Ack == nil:
	case err != nil:
		_ = e.Ack(err.Error())
	default:
		_ = e.Ack()
	}
}

func (a *admin) obey(s *socketio.Socket, word string, values []any) error {
	c, err := parse(word, values)
	if err != nil {
		return err
	}
	c.By = s
	if a.OnCommand != nil {
		if err := a.OnCommand(c); err != nil {
			return err
		}
	}
	n, where := a.find(c.Namespace), ""
	if n == nil && a.others.Load() {
		where = " at other servers, those in Go, as the namespace is not here"
	}
	a.note("the page at %s has %s %q (%q) %s%s", s.Handshake().Address, c.Namespace, c.Filter, c.Room+c.Event, c.Do, where)
	switch {
	case n != nil:
		return do(c, n.To(c.rooms()...))
	case a.others.Load():
		return a.namespace.ServerSideEmit(serverCommand, append([]any{word}, values...)...)
	}
	return fmt.Errorf("there is no namespace %q", c.Namespace)
}

// commandElsewhere does what a page of another server asks for.
func (a *admin) commandElsewhere(values ...any) {
	if len(values) == 0 || a.ReadOnly {
		return
	}
	word, _ := values[0].(string)
	c, err := parse(word, values[1:])
	if err == nil && a.OnCommand != nil {
		err = a.OnCommand(c)
	}
	if n := a.find(c.Namespace); err == nil && n != nil {
		err = do(c, n.Local().To(c.rooms()...))
	}
	if err != nil {
		a.note("another server asks to %s: %v", word, err)
	}
}

func (c *Command) rooms() []string {
	if c.Filter == "" {
		return nil
	}
	return []string{c.Filter}
}

// find returns a namespace that there is: none is made.
func (a *admin) find(name string) *socketio.Namespace {
	all := a.io.Namespaces()
	i := slices.IndexFunc(all, func(n *socketio.Namespace) bool { return n.Name() == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

func do(c *Command, to *socketio.BroadcastOperator) error {
	switch c.Do {
	case "emit":
		return to.Emit(c.Event, c.Args...)
	case "join":
		return to.SocketsJoin(c.Room)
	case "leave":
		return to.SocketsLeave(c.Room)
	}
	return to.DisconnectSockets(c.Close)
}

// parse reads a command of the page:
//
//	emit(namespace, filter, event, ...args)
//	join(namespace, room, filter), leave(namespace, room, filter)
//	_disconnect(namespace, close, filter)
func parse(word string, values []any) (*Command, error) {
	c := &Command{Do: verbs[word]}
	r := reader{values: values}
	r.take("the namespace", &c.Namespace)
	switch c.Do {
	case "emit":
		r.optional("the filter", &c.Filter)
		r.take("the event", &c.Event)
		c.Args = r.values
	case "join", "leave":
		r.take("the room", &c.Room)
		r.optional("the filter", &c.Filter)
	case "disconnect":
		r.flag(&c.Close)
		r.optional("the filter", &c.Filter)
	default:
		r.err = errors.New("it is no command")
	}
	return c, r.err
}

// reader takes arguments one after the other, up to the first that is wrong.
type reader struct {
	values []any
	err    error
}

func (r *reader) next() (v any) {
	if len(r.values) > 0 {
		v, r.values = r.values[0], r.values[1:]
	}
	return v
}

// take takes a text, which must not be empty.
func (r *reader) take(what string, text *string) {
	v := r.next()
	*text, _ = v.(string)
	if r.err == nil && *text == "" {
		r.err = fmt.Errorf("%s is %T, want a string that is not empty", what, v)
	}
}

// optional takes a text, or nothing.
func (r *reader) optional(what string, text *string) {
	v, ok := r.next(), true
	if v != nil {
		*text, ok = v.(string)
	}
	if r.err == nil && !ok {
		r.err = fmt.Errorf("%s is %T, want a string or nothing", what, v)
	}
}

// flag takes a truth; nothing is none.
func (r *reader) flag(b *bool) {
	v, ok := r.next(), true
	if v != nil {
		*b, ok = v.(bool)
	}
	if r.err == nil && !ok {
		r.err = fmt.Errorf("whether to close is %T, want true or false", v)
	}
}
