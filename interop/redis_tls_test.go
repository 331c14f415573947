package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// recovering are the options of a server whose clients may come back, where the
// adapter has that.
func recovering(kind string) *socketio.ServerOptions {
	if kind != "streams" {
		return nil
	}
	return &socketio.ServerOptions{Recovery: &socketio.Recovery{}}
}

// startSecureRedis starts one with a port for TLS beside the other one.
func startSecureRedis(t *testing.T, ca *authority, own pair, args ...string) (r *redisServer, port int) {
	t.Helper()
	port = portOf(t)
	return startRedis(t, append([]string{"--tls-port", fmt.Sprint(port), "--tls-cert-file", own.cert, "--tls-key-file", own.key, "--tls-ca-cert-file", ca.pem}, args...)...), port
}

// ping opens a URL and asks whether Redis is there.
func redisPing(t *testing.T, url string, o *redis.ConnOptions) error {
	t.Helper()
	conn, err := redis.Open(url, o)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Ping(t.Context())
}

// TestRedisTLS opens a Redis with TLS in the right way and in every wrong one: the
// error says which.
func TestRedisTLS(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "redis"), newAuthority(t, "other")
	ours, theirs := ca.issue(t, leaf{name: "us", client: true}), other.issue(t, leaf{name: "us", client: true})
	own, named := ca.issue(t, here), ca.issue(t, leaf{name: "named", hosts: []string{"redis.example"}})
	plain, port := startSecureRedis(t, ca, own, "--tls-auth-clients", "no")
	_, namedPort := startSecureRedis(t, ca, named, "--tls-auth-clients", "no")
	_, mutualPort := startSecureRedis(t, ca, own, "--tls-auth-clients", "yes")
	by := func(port int, more string) string {
		return fmt.Sprintf("rediss://127.0.0.1:%d?ca_file=%s%s", port, ca.pem, more)
	}
	for _, row := range []struct {
		name, url, want string
		timeout         time.Duration
	}{
		{"the right authority", by(port, ""), "", 0},
		{"by name", strings.Replace(by(port, ""), "127.0.0.1", "localhost", 1), "", 0},
		{"no authority", fmt.Sprintf("rediss://127.0.0.1:%d", port), "signed by an unknown authority: CN=redis", 0},
		{"another authority", fmt.Sprintf("rediss://127.0.0.1:%d?ca_file=%s", port, other.pem), "signed by an unknown authority: CN=redis", 0},
		{"no check", fmt.Sprintf("rediss://127.0.0.1:%d?skip_verify=true", port), "", 0},
		{"a certificate for a name", by(namedPort, ""), "127.0.0.1", 0},
		{"that name", by(namedPort, "&server_name=redis.example"), "", 0},
		{"another name", by(namedPort, "&server_name=wrong.example"), "wrong.example", 0},
		{"no certificate of ours", by(mutualPort, ""), "demands a client certificate .*wants cert_file and key_file|wants cert_file and key_file", 0},
		{"our certificate", by(mutualPort, "&cert_file="+ours.cert+"&key_file="+ours.key), "", 0},
		{"one of another authority", by(mutualPort, "&cert_file="+theirs.cert+"&key_file="+theirs.key), "does not know the authority behind it|connection reset", 0},
		{"half a certificate", by(mutualPort, "&cert_file="+ours.cert), "cert_file and key_file belong together", 0},
		{"no file", fmt.Sprintf("rediss://127.0.0.1:%d?ca_file=%s.not", port, ca.pem), "ca_file: open ", 0},
		{"no certificate in it", fmt.Sprintf("rediss://127.0.0.1:%d?ca_file=%s", port, ours.key), "holds no certificate", 0},
		{"a port without TLS", by(plain.port, ""), "a port without TLS wants redis://", quick},
		{"no TLS", fmt.Sprintf("redis://127.0.0.1:%d", port), "a port for TLS wants rediss://", 0},
		{"files and no TLS", plain.url() + "?ca_file=" + ca.pem, "are for rediss://", 0},
	} {
		err := redisPing(t, row.url, &redis.ConnOptions{Timeout: row.timeout})
		if row.want == "" && err != nil || row.want != "" && (err == nil || !regexp.MustCompile(row.want).MatchString(err.Error()) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v; want %q", row.name, err, row.want)
		}
	}
	r, at := startSecureRedis(t, ca, own, "--tls-auth-clients", "yes")
	secureCluster(t, r, by(at, "&cert_file="+ours.cert+"&key_file="+ours.key))
}

// secureCluster has listeners of the command line be one cluster by TLS, and again
// after Redis has been gone.
func secureCluster(t *testing.T, r *redisServer, url string) {
	t.Helper()
	w := memberWords{Name: "go 1", Kind: "classic", Redis: []string{url}}
	g := &redisCluster{t: t}
	states := make(chan redis.State, 1000)
	one := startGoMember(t, w, nil, &redis.ConnOptions{OnState: func(s redis.State) { states <- s }})
	g.join(one)
	w.Name = "go 2"
	g.join(startGoMember(t, w, nil, nil))
	g.everywhere("by TLS")
	r.kill()
	for s := range states {
		if !s.Up {
			break
		}
	}
	r.start()
	for _, m := range g.members {
		poll(t, m.name()+" to have Redis again", func() bool { s := m.(*goMember).conn.Stats(); return s.Losses > 0 && s.Up })
		counts(t, m, 2)
	}
	g.everywhere("by TLS again")
}

// counts waits until a server counts so many.
func counts(t *testing.T, m clusterMember, want int) {
	t.Helper()
	poll(t, fmt.Sprintf("%s to count %d servers", m.name(), want), func() bool {
		var n int
		m.call(t, clusterAct{Do: "count"}, &n)
		return n == want
	})
}

// The least that a user of Redis has to be allowed: docs/scaling.md has these
// lines, and TestRedisACL holds them.
var redisACL = map[string]string{
	"classic": "+ping +publish +subscribe +psubscribe +unsubscribe +punsubscribe +pubsub|numsub +pubsub|channels " +
		"resetchannels &socket.io#/#* &socket.io-request#/# &socket.io-response#/#*",
	"sharded": "+ping +spublish +ssubscribe +sunsubscribe +pubsub|shardnumsub +pubsub|shardchannels resetchannels &socket.io#*",
	"streams": "+ping +publish +subscribe +unsubscribe +pubsub|numsub +pubsub|channels +xadd +xread +xrange +xrevrange +set +get +del " +
		"resetchannels &socket.io#* ~socket.io ~sio:session:*",
	"tap": "resetchannels &socket.io#* &socket.io-request#* &socket.io-response#* ~socket.io* " +
		"+ping +type +pubsub +psubscribe +punsubscribe +xread +xrevrange +info +monitor",
	"emitter": "+ping +publish resetchannels &socket.io#* &socket.io-request#*",
}

// asAdmin gives Redis a command as a user that may do everything.
func (r *redisServer) asAdmin(args ...string) string {
	r.t.Helper()
	return r.do(append([]string{"--no-auth-warning", "--user", "admin", "--pass", "root"}, args...)...)
}

// startGuardedRedis starts one at which everybody needs a password, with a user
// that may do so much.
func startGuardedRedis(t *testing.T, rules string) *redisServer {
	t.Helper()
	r := startRedis(t)
	guard(r, rules)
	return r
}

// TestRedisACL runs clusters by users that may do as little as is needed, and holds
// that nothing they asked for was refused.
func TestRedisACL(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := startGuardedRedis(t, redisACL[kind])
			w := memberWords{Name: "go 1", Kind: kind, Redis: []string{fmt.Sprintf("redis://app:secret@127.0.0.1:%d", r.port)}}
			g := &redisCluster{t: t, settled: func(string) {}}
			one := startGoMember(t, w, recovering(kind), nil)
			g.join(one)
			w.Name = "go 2"
			g.join(startGoMember(t, w, recovering(kind), nil))
			g.everywhere("as a guest")
			g.checkFetch(one)
			g.checkServerAck(one)
			g.checkAck(one)
			if kind == "streams" {
				guestComesBack(t, one)
			}
			if kind == "classic" {
				guestEmits(t, r, g)
			}
			if log := r.asAdmin("ACL", "LOG"); strings.TrimSpace(log) != "" {
				t.Errorf("Redis has refused:\n%s", log)
			}
		})
	}
}

// TestRedisRingACL does the same at a Redis Cluster, of which a client has to know
// who has which slots.
func TestRedisRingACL(t *testing.T) {
	t.Parallel()
	all := startRedisCluster(t)
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			w := memberWords{Name: "go 1", Kind: kind, Cluster: true}
			for _, r := range all {
				r.do(append([]string{"ACL", "SETUSER", kind, "on", ">secret", "+cluster|slots", "+command"}, strings.Fields(redisACL[kind])...)...)
				w.Redis = append(w.Redis, r.url())
			}
			o := &redis.ConnOptions{Username: kind, Password: "secret"}
			g := &redisCluster{t: t, settled: func(string) {}}
			one := startGoMember(t, w, recovering(kind), o)
			g.join(one)
			w.Name = "go 2"
			g.join(startGoMember(t, w, recovering(kind), o))
			counts(t, one, 2)
			g.everywhere("as a guest")
			g.checkFetch(one)
			for _, r := range all {
				if log := r.do("ACL", "LOG"); strings.TrimSpace(log) != "" {
					t.Errorf("Redis has refused:\n%s", log)
				}
			}
		})
	}
}

// through is a server behind a switchboard.
type through struct {
	clusterMember
	board *switchboard
}

func (m through) url() string { return m.board.url() }

// guestComesBack has a client be cut off: its session is kept, and taken again.
func guestComesBack(t *testing.T, m *goMember) {
	t.Helper()
	board := newSwitchboard(t, m)
	c := clusterDial(t, through{m, board}, "z")
	m.call(t, clusterAct{Do: "emit", Event: "x", Args: []any{"before"}}, nil)
	c.hears(t, "before")
	board.turn(m)
	if e := c.next(t); e.event != "disconnect" {
		t.Errorf("the client got %v", e)
	}
	poll(t, "the client to be back", func() bool { return c.Connected() })
	if !c.Recovered() {
		t.Error("it is another client")
	}
}

// guestEmits has an emitter send as a user of its own.
func guestEmits(t *testing.T, r *redisServer, g *redisCluster) {
	t.Helper()
	r.asAdmin(append([]string{"ACL", "SETUSER", "guest", "on", ">own"}, strings.Fields(redisACL["emitter"])...)...)
	conn, err := redis.Open(r.url(), &redis.ConnOptions{Username: "guest", Password: "own"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Emitter(nil).To("two").Emit("x", "from an emitter"); err != nil {
		t.Fatal(err)
	}
	g.clients[1].hears(t, "from an emitter")
	g.clients[3].hears(t, "from an emitter")
}

// TestRedisRefused has Redis refuse what an adapter needs: the state says what, the
// clients of this server go on, and all is well once it may.
func TestRedisRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ kind, less, want string }{
		{"classic", "-psubscribe", "NOPERM"}, {"sharded", "-ssubscribe", "NOPERM"}, {"streams", "-xread", "NOPERM"},
	} {
		t.Run(row.kind, func(t *testing.T) {
			t.Parallel()
			r := startGuardedRedis(t, redisACL[row.kind]+" "+row.less)
			states := make(chan redis.State, 1000)
			w := memberWords{Name: "go 1", Kind: row.kind, Redis: []string{fmt.Sprintf("redis://app:secret@127.0.0.1:%d", r.port)}}
			g := &troubled{redisCluster: &redisCluster{t: t}, r: r, states: states}
			g.one = startGoMember(t, w, nil, &redis.ConnOptions{Timeout: quick, OnState: func(s redis.State) { states <- s }})
			g.join(g.one)
			if s := g.becomes(false); !strings.Contains(s.Err.Error(), row.want) || !strings.Contains(s.Err.Error(), strings.TrimPrefix(row.less, "-")) {
				t.Errorf("the reason is %v", s.Err)
			}
			g.say(g.one, "alone")
			g.clients[0].hears(t, "alone")
			r.asAdmin("ACL", "SETUSER", "app", "+"+strings.TrimPrefix(row.less, "-"))
			g.becomes(true)
			counts(t, g.one, 1)
		})
	}
}

// guard leaves it to an admin, and to a user with these rights.
func guard(r *redisServer, rules string) {
	r.t.Helper()
	r.do("ACL", "SETUSER", "admin", "on", ">root", "~*", "&*", "+@all")
	r.do(append([]string{"ACL", "SETUSER", "app", "on", ">secret"}, strings.Fields(rules)...)...)
	r.asAdmin("ACL", "SETUSER", "default", "off")
}

// TestRedisPassword changes the password of a cluster that runs, once it has been
// refused by it, and then the file that it stands in.
func TestRedisPassword(t *testing.T) {
	t.Parallel()
	r := startGuardedRedis(t, redisACL["streams"])
	passwordChanges(t, r, fmt.Sprintf("redis://%%s127.0.0.1:%d?password_file=", r.port))
}

// TestRedisPasswordTLS does so over TLS, whose socket go-redis does not look at.
func TestRedisPasswordTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "redis")
	r, port := startSecureRedis(t, ca, ca.issue(t, here), "--tls-auth-clients", "no")
	guard(r, redisACL["streams"])
	passwordChanges(t, r, fmt.Sprintf("rediss://%%s127.0.0.1:%d?ca_file=%s&password_file=", port, ca.pem))
}

// passwordChanges does it, at a URL that lacks a user and a file.
func passwordChanges(t *testing.T, r *redisServer, url string) {
	t.Helper()
	file := filepath.Join(tempDir(t), "password")
	writes := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writes("secret")
	states := make(chan redis.State, 1000)
	g := &troubled{redisCluster: &redisCluster{t: t}, r: r, states: states}
	w := memberWords{Name: "go 1", Kind: "streams", Redis: []string{fmt.Sprintf(url, "app@") + file}}
	g.one = startGoMember(t, w, nil, &redis.ConnOptions{OnState: func(s redis.State) { states <- s }})
	g.join(g.one)
	bare, _, _ := strings.Cut(fmt.Sprintf(url, ""), "password_file=")
	w = memberWords{Name: "go 2", Kind: "streams", Redis: []string{bare}}
	empty := make(chan struct{}, 1000)
	g.join(startGoMember(t, w, nil, &redis.ConnOptions{Credentials: func(context.Context) (string, string, error) {
		raw, err := os.ReadFile(file)
		if len(raw) == 0 {
			empty <- struct{}{}
		}
		return "app", strings.TrimSpace(string(raw)), err
	}}))
	g.everywhere("at first")
	r.asAdmin("ACL", "SETUSER", "app", "resetpass", ">changed")
	r.asAdmin("CLIENT", "KILL", "USER", "app")
	for s := g.becomes(false); !strings.Contains(s.Err.Error(), "WRONGPASS"); {
		err := redisPing(t, w.Redis[0], &redis.ConnOptions{Username: "app", Password: "secret"})
		if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || !strings.Contains(err.Error(), "://127.0.0.1:") {
			t.Errorf("Redis is lost: %v; and asked again: %v", s.Err, err)
		}
		break
	}
	g.say(g.one, "meanwhile")
	if err := os.WriteFile(file, nil, 0o600); err != nil { // as whoever writes it leaves it for a moment
		t.Fatal(err)
	}
	for range 5 { // by all who have a connection
		select {
		case <-empty:
		case <-time.After(patience):
			t.Fatal("nobody asks for the password")
		}
	}
	writes("changed")
	g.becomes(true)
	for _, c := range g.clients {
		c.hears(t, "meanwhile")
	}
	for _, m := range g.members {
		counts(t, m, 2)
	}
	g.everywhere("by the new one")
}

// TestRedisListenRefused starts a listener with a wrong password: it says so, and
// serves its clients.
func TestRedisListenRefused(t *testing.T) {
	t.Parallel()
	r := startGuardedRedis(t, redisACL["streams"])
	for _, row := range []struct{ user, want string }{
		{"app:wrong@", "WRONGPASS invalid username-password pair"}, {"", "NOAUTH Authentication required"},
	} {
		us := sockkit(t, "listen", "-k", "--broadcast=all", "--redis", fmt.Sprintf("redis://%s127.0.0.1:%d", row.user, r.port), "sio://127.0.0.1:0")
		at := us.address()
		await(t, "the refusal to be said", us.errOrEnd, func() bool { return strings.Contains(us.err.String(), row.want) })
		if text := us.err.String(); strings.Contains(text, "wrong@") || strings.Count(text, row.want) != 1 {
			t.Errorf("it said %s", text)
		}
		sockkit(t, "dial", at, "-x", "message alone", "--count", "1").want(0)
	}
}

// TestRedisListenForbidden takes the right to publish from a listener: it says so once,
// and serves its clients.
func TestRedisListenForbidden(t *testing.T) {
	t.Parallel()
	for kind, command := range map[string]string{"classic": "publish", "streams": "xadd"} {
		r := startGuardedRedis(t, redisACL[kind]+" -"+command)
		adapter := map[string]string{"classic": "pubsub", "streams": "streams"}[kind]
		us := sockkit(t, "listen", "-k", "--broadcast=all", "--redis", fmt.Sprintf("redis://app:secret@127.0.0.1:%d", r.port), "--redis-adapter", adapter, "sio://127.0.0.1:0")
		at := us.address()
		for range 3 {
			sockkit(t, "dial", at, "-x", "message alone", "--count", "1").want(0)
		}
		await(t, "the refusal to be said", us.errOrEnd, func() bool { return strings.Contains(us.err.String(), "Redis does not take") })
		if text := us.err.String(); strings.Count(text, "note: Redis does not take what is for other servers in / ("+command+": NOPERM ") != 1 || strings.Count(text, "note:") != 1 {
			t.Errorf("it said %s", text)
		}
	}
}

// TestRedisListenStill restarts a Redis with a password: who has none says why Redis is
// still not there.
func TestRedisListenStill(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	us := sockkit(t, "listen", "-k", "--broadcast=all", "--redis", r.url(), "sio://127.0.0.1:0")
	sockkit(t, "dial", us.address(), "-x", "message alone", "--count", "1").want(0)
	r.do("CONFIG", "SET", "requirepass", "secret")
	for _, kind := range []string{"normal", "pubsub"} {
		r.do("-a", "secret", "CLIENT", "KILL", "TYPE", kind)
	}
	await(t, "the reason to be said", us.errOrEnd, func() bool { return strings.Contains(us.err.String(), "NOAUTH") })
	if text := us.err.String(); strings.Count(text, "NOAUTH") != 1 || strings.Count(text, "note:") > 2 {
		t.Errorf("it said %s", text)
	}
}
