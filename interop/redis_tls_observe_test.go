package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/internal/inspect"
)

// secureRedis is one with a port for TLS beside the other one.
type secureRedis struct {
	*redisServer
	secure string // its URL
}

// secureRedises are those that tap and inspect are held against.
type secureRedises struct {
	ca, other                         *authority
	ours, alone                       pair
	here, named, expired, own, mutual secureRedis
}

func startSecureRedises(t *testing.T) *secureRedises {
	t.Helper()
	s := &secureRedises{ca: newAuthority(t, "redis"), other: newAuthority(t, "other"), alone: selfSigned(t)}
	s.ours = s.ca.issue(t, leaf{name: "us", client: true})
	begin := func(own pair, clients string) secureRedis {
		r, port := startSecureRedis(t, s.ca, own, "--tls-auth-clients", clients)
		return secureRedis{r, fmt.Sprintf("rediss://127.0.0.1:%d", port)}
	}
	cert := s.ca.issue(t, here)
	s.here, s.mutual = begin(cert, "no"), begin(cert, "yes")
	s.named = begin(s.ca.issue(t, leaf{name: "named", hosts: []string{"redis.example"}}), "no")
	s.expired = begin(s.ca.issue(t, leaf{name: "old", hosts: here.hosts, expired: true}), "no")
	s.own = begin(s.alone, "no")
	s.own.secure = strings.Replace(s.own.secure, "127.0.0.1", "localhost", 1) // as its certificate has it
	return s
}

// TestRedisObserveUntrusted has tap and inspect look at a Redis whose TLS is wrong in
// every way: both say what, and what helps.
func TestRedisObserveUntrusted(t *testing.T) {
	t.Parallel()
	s := startSecureRedises(t)
	ca := []string{"--ca", s.ca.pem}
	for _, row := range []struct {
		name, url string
		args      []string
		status    int
		says      []string
	}{
		{"no authority", s.here.secure, nil, 7, []string{"signed by an unknown authority: CN=redis", "hint: --ca FILE trusts an authority"}},
		{"another authority", s.here.secure, []string{"--ca", s.other.pem}, 7, []string{"signed by an unknown authority: CN=redis"}},
		{"a certificate for a name", s.named.secure, ca, 7, []string{`is not for "127.0.0.1": it is for redis.example`, "hint: --server-name"}},
		{"an expired one", s.expired.secure, ca, 7, []string{"expired on ", "hint: -k connects"}},
		{"a self-signed one", s.own.secure, ca, 7, []string{"is self-signed, and not one that is trusted", "--pin sha256:"}},
		{"no certificate of ours", s.mutual.secure, ca, 7, []string{"the server demands a client certificate", "hint: --cert FILE and --key FILE"}},
		{"another pin", s.here.secure, []string{"--pin", "sha256:" + strings.Repeat("00", 32)}, 7, []string{"is not the pinned one"}},
		{"a port without TLS", strings.Replace(s.here.url(), "redis:", "rediss:", 1), []string{"-w", "1s"}, 124, []string{"the server said nothing", "hint: "}},
		{"no TLS", strings.Replace(s.here.secure, "rediss:", "redis:", 1), nil, 6, []string{"it ended the connection without an answer", "hint: perhaps it wants TLS: write rediss://"}},
	} {
		for _, verb := range []string{"tap", "inspect"} {
			p := sockkit(t, append([]string{verb, row.url}, row.args...)...)
			p.want(row.status)
			for _, text := range row.says {
				if !strings.Contains(p.err.String(), text) {
					t.Errorf("%s: %s says %q; want %q", row.name, verb, p.err.String(), text)
				}
			}
			if strings.Count(p.err.String(), "\n") > 2 {
				t.Errorf("%s: %s has more than an error and its hint: %s", row.name, verb, p.err.String())
			}
		}
	}
}

// TestRedisObserveTLS has both look at a Redis with TLS whose servers speak, by all
// that can say what is trusted: flags, and the URL.
func TestRedisObserveTLS(t *testing.T) {
	t.Parallel()
	s := startSecureRedises(t)
	in := "?ca_file=" + s.ca.pem
	for _, row := range []struct {
		name string
		at   secureRedis
		in   string // the URL's parameters
		args []string
	}{
		{"the authority", s.here, "", []string{"--ca", s.ca.pem}},
		{"the authority in the URL", s.here, in, nil},
		{"the name", s.named, "", []string{"--ca", s.ca.pem, "--server-name", "redis.example"}},
		{"the name in the URL", s.named, in + "&server_name=redis.example", nil},
		{"a self-signed one that is trusted", s.own, "", []string{"--ca", s.alone.cert}},
		{"our certificate", s.mutual, "", []string{"--ca", s.ca.pem, "--cert", s.ours.cert, "--key", s.ours.key}},
		{"our certificate in the URL", s.mutual, in + "&cert_file=" + s.ours.cert + "&key_file=" + s.ours.key, nil},
		{"no check", s.expired, "", []string{"-k"}},
		{"no check in the URL", s.expired, "?skip_verify=true", nil},
	} {
		report := inspected(t, 3, append([]string{row.at.secure + row.in}, row.args...)...)
		for _, f := range report.Findings {
			if f.ID != inspect.NoServers && f.Severity != inspect.Note || report.TLS == nil {
				t.Errorf("%s: %s: %s", row.name, f.ID, f.What)
			}
		}
		tap := sockkit(t, append([]string{"tap", "--json", "--count", "1", row.at.secure + row.in}, row.args...)...)
		await(t, "tap to observe", tap.errOrEnd, func() bool { return strings.Contains(tap.err.String(), "observing "+row.at.secure) })
		goEmitter(t, row.at.redisServer).call(t, clusterAct{Do: "emit", Event: "x", Args: []any{row.name}, To: []string{"one"}}, nil)
		tap.want(0)
		all := observedBy(tap)
		if i := slices.IndexFunc(all, func(o observed) bool { return o.Name == "x" }); i < 0 || !strings.Contains(all[i].Text, row.name) || all[i].Server != "emitter" {
			t.Errorf("%s: tap shows %s", row.name, tap.out.String())
		}
	}
}

// TestRedisObserveTLSCluster has tap, by TLS, look at servers of which one is ours, by
// TLS too, and have Redis go and come back.
func TestRedisObserveTLSCluster(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "redis")
	r, port := startSecureRedis(t, ca, ca.issue(t, here), "--tls-auth-clients", "no")
	secure := fmt.Sprintf("rediss://127.0.0.1:%d?ca_file=%s", port, ca.pem)
	g := &redisCluster{t: t, settled: func(string) {}}
	g.join(startGoMember(t, memberWords{Name: "go", Kind: "sharded", Redis: []string{secure}}, nil, nil))
	for _, name := range []string{"node 1", "node 2"} {
		g.join(startNodeMember(t, memberWords{Name: name, Kind: "sharded", Redis: []string{r.url()}}))
	}
	g.counted(3)
	tap := sockkit(t, "tap", "--json", secure, "--request-timeout", "1m")
	await(t, "tap to observe", tap.errOrEnd, func() bool { return strings.Contains(tap.err.String(), "observing rediss://") })
	g.observeFrom(tap, g.members[0], "sharded")
	g.observeFrom(tap, g.members[1], "sharded")
	p := sockkit(t, "inspect", "--json", strings.Replace(g.members[0].url(), "http:", "sio:", 1), "--redis", fmt.Sprintf("rediss://127.0.0.1:%d", port))
	p.want(3)
	for _, text := range []string{"signed by an unknown authority", "?ca_file=PEM"} {
		if !strings.Contains(p.out.String(), text) {
			t.Errorf("inspect says %s; want %q", p.out.String(), text)
		}
	}
	report := inspected(t, 0, strings.Replace(g.members[0].url(), "http:", "sio:", 1), "--redis", secure)
	if len(report.Cluster.Groups) != 1 || report.Cluster.Groups[0].Servers != 3 {
		t.Errorf("%+v", report.Cluster)
	}
	g.observeReturn(tap, r)
}
