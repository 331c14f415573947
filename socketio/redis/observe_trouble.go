package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/tcp"
)

// TroubleKind says what kind of trouble there is with a Redis.
type TroubleKind string

// The kinds of trouble.
const (
	Unreachable TroubleKind = "unreachable" // nothing there takes connections, or answers
	Refused     TroubleKind = "refused"     // it does not let us in, or not do this
	Untrusted   TroubleKind = "tls"         // TLS fails
	NotReady    TroubleKind = "not_ready"   // it loads its data, or its cluster is down
	NoRedis     TroubleKind = "no_redis"    // what is there is none
)

// Trouble is why a Redis cannot be used, in plain words.
type Trouble struct {
	Kind    TroubleKind
	Address string // without a password
	Text    string
	Hint    string // what to do; "" where that is plain
	Err     error
}

// Error implements error.
func (t *Trouble) Error() string { return "redis: " + t.Address + ": " + t.Text }

// Unwrap returns the cause.
func (t *Trouble) Unwrap() error { return t.Err }

// Check asks Redis whether it is there and takes our commands. Its error is a
// [*Trouble].
func (c *Conn) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	err := c.client.Ping(ctx).Err()
	if err == nil {
		return nil
	}
	return c.trouble(err)
}

// trouble words what Redis, or the way there, has said.
func (c *Conn) trouble(err error) *Trouble {
	t := &Trouble{Kind: Refused, Address: c.address, Err: err}
	said := words(err).Error()
	for _, row := range replies {
		if strings.HasPrefix(said, row.prefix) {
			t.Kind, t.Text, t.Hint = row.kind, row.text, row.hint
			if row.kind == Refused && !strings.Contains(row.text, said) {
				t.Text += " (" + said + ")"
			}
			return t
		}
	}
	var reply goredis.Error
	if errors.As(err, &reply) {
		t.Text = "it answers " + said
		return t
	}
	t.unanswered()
	var name x509.HostnameError
	if c.cluster != nil && errors.As(err, &name) {
		t.Hint = "a cluster's servers are checked for what it calls them, by address unless each has cluster-announce-hostname and cluster-preferred-endpoint-type hostname; --server-name NAME is for all"
	}
	return t
}

// replies are what Redis says where it does not do what is asked.
var replies = []struct {
	prefix     string
	kind       TroubleKind
	text, hint string
}{
	{"NOAUTH", Refused, "it wants a password", "redis://USER:PASSWORD@HOST:PORT"},
	{"WRONGPASS", Refused, "the name or the password is wrong, or the user is switched off", "ACL LIST shows the users; without a name it is that of the user default"},
	{"ERR invalid password", Refused, "the password is wrong", "requirepass in redis.conf has it"},
	{"ERR AUTH", Refused, "a password was sent, and Redis has none", "leave the password out, or set one (requirepass)"},
	{"ERR Client sent AUTH", Refused, "a password was sent, and Redis has none", "leave the password out, or set one (requirepass)"},
	{"NOPERM", Refused, "the user may not do this", "ACL SETUSER NAME +COMMAND allows it"},
	{"DENIED", Refused, "it is in protected mode: without a password it lets in this machine alone", "set a password (requirepass), or bind it to an address"},
	{"ERR max number of clients", Refused, "it has as many clients as it takes", "maxclients in redis.conf"},
	{"LOADING", NotReady, "it is loading its data", "wait until it has"},
	{"MASTERDOWN", NotReady, "it is a replica, and has lost its master", ""},
	{"CLUSTERDOWN", NotReady, "its cluster is down", "CLUSTER INFO at one of its servers says why"},
	{"MOVED", Refused, "it is a server of a Redis Cluster", "put ?cluster=true behind the address"},
}

// unanswered words trouble on the way.
func (t *Trouble) unanswered() {
	t.Kind, t.Text = Unreachable, at(t.Address, t.Err).Error()
	var secure *tcp.TLSError
	var lost *lostError
	var wrong framingError
	unread := unreadable(t.Err)
	_ = errors.As(t.Err, &lost)
	if errors.As(t.Err, &wrong) {
		unread = string(wrong)
	}
	switch {
	case errors.As(t.Err, &secure):
		t.untrusted(secure)
	case unread != "":
		t.Kind, t.Text = NoRedis, fmt.Sprintf("what is there is no Redis (%s)", unread)
	case lost != nil:
		t.Text = strings.TrimSuffix(t.Text, inBrackets(lost.hint))
	}
	if lost == nil || lost.hint == "" {
		return
	}
	t.Hint = "perhaps it wants TLS: write rediss:// in place of redis://"
	if Secure(t.Address) {
		t.Hint = "perhaps it wants a certificate of clients: --cert FILE --key FILE"
	}
}

// untrusted words trouble with TLS. Its text has the address: of a cluster, or of
// sentinels, it may be any server's.
func (t *Trouble) untrusted(err *tcp.TLSError) {
	t.Kind, t.Text, t.Hint = Untrusted, err.Error(), err.Hint
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		t.Kind, t.Hint = Unreachable, "a port without TLS waits just so: write redis:// in place of rediss://"
	case errors.As(err, &header):
		t.Hint = "write redis:// in place of rediss://"
	}
}
