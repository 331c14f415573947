package interop

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// secureRing is a Redis Cluster of three that is spoken to by TLS.
type secureRing struct {
	all []*redisServer
	at  map[*redisServer]int // their ports for TLS
	ca  *authority
}

// startSecureRing starts one whose servers have this certificate, by which they know
// one another, too.
func startSecureRing(t *testing.T, ca *authority, own pair) *secureRing {
	t.Helper()
	s := &secureRing{at: map[*redisServer]int{}, ca: ca}
	for range 3 {
		r, port := startSecureRedis(t, ca, own, "--tls-auth-clients", "no", "--tls-cluster", "yes", "--cluster-enabled", "yes", "--cluster-node-timeout", fmt.Sprint(patience.Milliseconds()))
		s.all, s.at[r] = append(s.all, r), port
	}
	joinRedisCluster(t, s.all, func(r *redisServer) string { return fmt.Sprintf("127.0.0.1:%d@%d", s.at[r], r.bus) }, "--tls", "--cacert", ca.pem)
	return s
}

// url is that of all its servers, by a name of this machine.
func (s *secureRing) url(host, more string) string {
	var hosts []string
	for _, r := range s.all {
		hosts = append(hosts, fmt.Sprintf("%s:%d", host, s.at[r]))
	}
	return "rediss://" + strings.Join(hosts, ",") + "?ca_file=" + s.ca.pem + more
}

// owner is the server that a key, or a sharded channel, belongs to.
func (s *secureRing) owner(key string) *redisServer {
	for _, r := range s.all {
		if !strings.Contains(r.do("EXISTS", key), "MOVED") {
			return r
		}
	}
	return nil
}

// TestRedisTLSRing has servers be one cluster by a Redis Cluster with TLS, and again
// when one of its servers was gone; tap and inspect see them.
func TestRedisTLSRing(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "redis")
	s := startSecureRing(t, ca, ca.issue(t, leaf{name: "here", hosts: here.hosts, both: true}))
	for _, kind := range []string{"classic", "sharded", "streams"} {
		g := startRingMembers(t, kind, []string{s.url("127.0.0.1", "")}, recovering(kind), 0)
		g.everywhere("by TLS")
		g.checkFetch(g.one)
		g.checkServerAck(g.one)
		if kind != "sharded" {
			continue
		}
		seed := fmt.Sprintf("rediss://localhost:%d", s.at[s.all[1]])
		tap := sockkit(t, "tap", "--json", seed, "--ca", ca.pem)
		await(t, "tap to observe", tap.errOrEnd, func() bool { return strings.Contains(tap.err.String(), "observing rediss://") })
		g.say(g.one, "observed")
		awaitObserved(t, tap, "what is said", func(o observed) bool { return strings.Contains(o.Text, "observed") })
		if c := inspected(t, 3, "--ask", seed, "--ca", ca.pem).Cluster; c.Mode != "cluster" || c.Nodes != 3 {
			t.Errorf("%+v", c)
		}
		owner := s.owner("socket.io#/#")
		owner.kill()
		g.becomes(false)
		owner.start()
		g.becomes(true)
		for _, m := range g.members {
			counts(t, m, 2)
		}
		g.everywhere("by TLS again")
	}
}

// TestRedisTLSRingNames has the servers of a Redis Cluster have certificates for a
// name: they are asked for what the cluster calls them, or for the name that they are
// said to have.
func TestRedisTLSRingNames(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "redis")
	s := startSecureRing(t, ca, ca.issue(t, leaf{name: "named", hosts: []string{"localhost"}, both: true}))
	seed := fmt.Sprintf("rediss://localhost:%d", s.at[s.all[0]])
	wrong := regexp.MustCompile(`^redis: rediss://localhost:\d+,localhost:\d+,localhost:\d+: TLS with 127\.0\.0\.1:\d+: the server's certificate is not for "127\.0\.0\.1": it is for localhost$`)
	if err := redisPing(t, s.url("localhost", ""), nil); err == nil || !wrong.MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
	for _, verb := range []string{"tap", "inspect"} {
		p := sockkit(t, verb, seed, "--ca", ca.pem)
		p.wantSays(7, `is not for "127\.0\.0\.1": it is for localhost`)
		if text := p.err.String(); !strings.Contains(text, "hint: a cluster's servers are checked for what it calls them") {
			t.Error(text)
		}
	}
	if err := redisPing(t, s.url("127.0.0.1", "&server_name=localhost"), nil); err != nil {
		t.Error(err)
	}
	inspected(t, 3, seed, "--ca", ca.pem, "--server-name", "localhost")
	for _, r := range s.all {
		r.do("CONFIG", "SET", "cluster-announce-hostname", "localhost", "cluster-preferred-endpoint-type", "hostname")
	}
	for _, r := range s.all {
		poll(t, "all to be called by name", func() bool { return strings.Count(r.do("CLUSTER", "NODES"), ",localhost ") == 3 })
	}
	g := startRingMembers(t, "sharded", []string{s.url("localhost", "")}, nil, 0)
	g.everywhere("by name")
	if c := inspected(t, 0, seed, "--ca", ca.pem).Cluster; c.Groups[0].Servers != 2 {
		t.Errorf("%+v", c)
	}
}

// TestRedisTLSSentinel kills a master that is spoken to by TLS, as are its replica and
// the sentinel that watches both.
func TestRedisTLSSentinel(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "redis")
	own := ca.issue(t, here)
	master, port := startSecureRedis(t, ca, own, "--tls-auth-clients", "no", "--tls-replication", "yes")
	replica, _ := startSecureRedis(t, ca, own, "--tls-auth-clients", "no", "--tls-replication", "yes",
		"--replicaof", "127.0.0.1 "+fmt.Sprint(port), "--repl-ping-replica-period", "1")
	poll(t, "the replica", func() bool { return caughtUp(master, replica) })
	var at []string
	var sentinels []*redisServer
	for range 2 {
		secure := portOf(t)
		sentinels = append(sentinels, startSentinel(t, port, "", fmt.Sprintf("tls-port %d", secure), "tls-replication yes", "tls-auth-clients no",
			"tls-cert-file "+own.cert, "tls-key-file "+own.key, "tls-ca-cert-file "+ca.pem))
		at = append(at, fmt.Sprintf("localhost:%d", secure))
	}
	for _, one := range sentinels {
		poll(t, "the sentinel to know the replica", func() bool { return strings.Contains(one.do("SENTINEL", "REPLICAS", "mymaster"), "127.0.0.1") })
		poll(t, "the sentinel to know the other one", func() bool { return strings.Contains(one.do("SENTINEL", "SENTINELS", "mymaster"), "name") })
	}
	url := "rediss-sentinel://" + strings.Join(at, ",")
	err := redisPing(t, url, nil)
	if err == nil || strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), "signed by an unknown authority: CN=redis") != 2 {
		t.Errorf("no authority: %v", err)
	}
	for _, verb := range []string{"tap", "inspect"} {
		sockkit(t, verb, url).wantSays(7, "signed by an unknown authority: CN=redis")
		p := sockkit(t, verb, url, "--ca", ca.pem, "--deadline", "1s")
		<-p.done
		if text := p.err.String(); strings.Contains(text, "certificate") {
			t.Error(text)
		}
	}
	g := startRingMembers(t, "streams", []string{url + "?ca_file=" + ca.pem}, recovering("streams"), quick)
	g.everywhere("at first")
	g.failsOver(master, replica)
	g.heardInOrder()
	g.everywhere("at the replica")
}
