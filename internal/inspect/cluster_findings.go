package inspect

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/render"
	broker "github.com/sockkit/sockkit/socketio/redis"
	"github.com/sockkit/sockkit/trace"
)

// recoveryTime is that of connection-state recovery where a server does not say
// another.
const recoveryTime = 2 * time.Minute

// clusterFindings say what is wrong with a cluster.
func (in *Inspection) clusterFindings() {
	c := in.Report.Cluster
	if len(c.Groups) == 0 {
		in.Report.add(Finding{ID: NoServers, Severity: Warning, What: "no server is connected by an adapter of Socket.IO",
			Due: "a server whose adapter is subscribed at this Redis", Hint: "look at the address that the servers have, and whether they have an adapter at all: io.adapter(createAdapter(…)); in sockkit --redis"})
	}
	if major, _, _ := strings.Cut(c.Version, "."); len(major) == 1 && major < "7" {
		in.Report.add(Finding{ID: OldRedis, Severity: Note, What: "Redis " + c.Version + " has no sharded channels", Hint: "createShardedAdapter (in sockkit --redis-adapter sharded) wants Redis 7"})
	}
	in.mixedFindings()
	for _, g := range c.Groups {
		in.groupFindings(g)
	}
	in.memoryFindings()
	in.bufferFindings()
	for _, s := range c.Streams {
		in.streamFindings(s)
	}
	sortFindings(in.Report.Findings)
}

// mixedFindings say which servers do not hear one another.
func (in *Inspection) mixedFindings() {
	within := map[string][]broker.ServerGroup{}
	for _, g := range in.Report.Cluster.Groups {
		within[g.Namespace] = append(within[g.Namespace], g)
	}
	for _, name := range slices.Sorted(maps.Keys(within)) {
		of := map[string][]broker.ServerGroup{}
		for _, g := range within[name] {
			of[g.Prefix] = append(of[g.Prefix], g)
		}
		for _, prefix := range slices.Sorted(maps.Keys(of)) {
			if len(of[prefix]) > 1 {
				in.Report.add(Finding{ID: MixedAdapters, Severity: Error, What: apartText(name, of[prefix]), Due: "one adapter for all servers of a cluster",
					Hint: "have all use the same one (in sockkit --redis-adapter); two clusters at one Redis need prefixes of their own (--redis-prefix), as databases do not part channels"})
			}
		}
		if len(of) > 1 {
			in.Report.add(Finding{ID: MixedPrefixes, Severity: Warning, What: apartText(name, within[name]), Due: "one prefix for all servers of a cluster",
				Hint: "where they are to be one cluster give them the same key (pubsub) or channelPrefix (in sockkit --redis-prefix); clusters of their own may stay as they are"})
		}
	}
}

// apartText names groups of which none hears another.
func apartText(namespace string, groups []broker.ServerGroup) string {
	var all []string
	for _, g := range groups[:min(len(groups), namesShown)] {
		all = append(all, groupText(g))
	}
	if more := len(groups) - namesShown; more > 0 {
		all = append(all, plural(more, "group")+" more")
	}
	last := len(all) - 1
	return fmt.Sprintf("in namespace %s %s and %s do not hear one another", namespace, strings.Join(all[:last], ", "), all[last])
}

func groupText(g broker.ServerGroup) string {
	return fmt.Sprintf("%s by %s with the prefix %s", plural(g.Servers, "server"), g.Adapter, g.Prefix)
}

// groupFindings are about servers that hear one another.
func (in *Inspection) groupFindings(g broker.ServerGroup) {
	c := in.Report.Cluster
	if c.Mode == "cluster" && g.Adapter == "pubsub" {
		in.Report.add(Finding{ID: ClassicSpread, Severity: Warning, What: "by pubsub each message of " + g.Namespace + " goes to every server of the Redis Cluster",
			Due: "sharded channels, each of which is one server's", Hint: "createShardedAdapter (in sockkit --redis-adapter sharded), for all servers at once"})
	}
	if n := len(g.IDs); n > 0 && g.Servers > n {
		in.Report.add(Finding{ID: StrangeCount, Severity: Warning,
			What: fmt.Sprintf("%d are subscribed to the channel by which servers of %s count one another, and %s channels of their own", g.Servers, g.Namespace, haveText(n)),
			Due:  "as many subscribers as servers", Hint: "fetchSockets and serverSideEmit wait for each subscriber until their time is over: find what else subscribes (a monitor, a worker), or a server of an older version; sockkit tap subscribes so that it is not counted"})
	}
	a := g.Answers
	if a == nil {
		return
	}
	switch {
	case a.Error != "":
		in.Report.add(Finding{ID: RedisTrouble, Severity: Error, What: fmt.Sprintf("the servers of %s could not be asked: %s", g.Namespace, a.Error)})
	case a.LeftOut > 0:
		in.Report.add(Finding{ID: TooMuch, Severity: Note, What: fmt.Sprintf("%d answers of servers of %s were too much to be read", a.LeftOut, g.Namespace), Hint: "--max-message SIZE lets more in"})
	case a.Came < a.Expected:
		in.Report.add(silentFinding(g))
	}
}

func haveText(n int) string {
	if n == 1 {
		return "1 server has"
	}
	return fmt.Sprintf("%d servers have", n)
}

func silentFinding(g broker.ServerGroup) Finding {
	a := g.Answers
	who := ""
	if n := len(a.Silent); n > 0 {
		who = ": " + trace.SilentAmong(a.Among, n, a.Expected-a.Came) + listed(a.Silent)
	}
	return Finding{ID: SilentServers, Severity: Error,
		What: fmt.Sprintf("%d of %s of %s did not answer within %s%s", a.Expected-a.Came, plural(a.Expected, "server"), g.Namespace, render.Duration(a.Duration), who),
		Due:  "an answer of each", Hint: "a process that hangs, a subscriber that is no server, or a way between it and Redis that is lost; each fetchSockets waits for it, too"}
}

// memoryFindings are about what Redis keeps.
func (in *Inspection) memoryFindings() {
	c := in.Report.Cluster
	keeps := len(c.Streams) > 0 || slices.ContainsFunc(c.Groups, func(g broker.ServerGroup) bool { return g.Adapter == "streams" })
	if keeps && c.MaxMemory > 0 && c.Policy != "" && c.Policy != "noeviction" {
		what := "streams and sessions"
		if strings.HasPrefix(c.Policy, "volatile") {
			what = "the sessions of clients that may come back"
		}
		in.Report.add(Finding{ID: Evicts, Severity: Warning, What: fmt.Sprintf("when its memory is full Redis removes %s (maxmemory-policy %s)", what, c.Policy),
			Due: "maxmemory-policy noeviction", Hint: "CONFIG SET maxmemory-policy noeviction, in redis.conf too; else recovery fails when it is needed"})
	}
	if c.MaxMemory > 0 && c.Memory > c.MaxMemory/10*9 {
		hint := "PUBLISH still works; a larger maxmemory, or fewer keys"
		if keeps {
			hint = "then XADD is refused, and servers by streams reach their own clients alone: a larger maxmemory, or a smaller maxLen"
		}
		in.Report.add(Finding{ID: MemoryFull, Severity: Warning, What: fmt.Sprintf("Redis has filled %s of %s", render.Size(c.Memory), render.Size(c.MaxMemory)), Due: "room for what comes", Hint: hint})
	}
}

// bufferFindings are about subscribers for whom much waits.
func (in *Inspection) bufferFindings() {
	c := in.Report.Cluster
	for _, s := range c.Slow[:min(len(c.Slow), namesShown)] {
		in.Report.add(Finding{ID: SlowSubscribers, Severity: Warning, What: fmt.Sprintf("%s waits for the subscriber %s", render.Size(s.Waiting), sentence(" ", s.Address, s.Name)),
			Due: "a subscriber that reads as fast as it is sent to", Hint: "a server whose process is busy or stopped; Redis cuts it off at client-output-buffer-limit pubsub, and what it was to get is lost (but streams)"})
	}
	b := c.Buffer
	pubsub := slices.ContainsFunc(c.Groups, func(g broker.ServerGroup) bool { return g.Adapter != "streams" })
	switch {
	case b == nil || !pubsub:
	case b.Hard == 0 && b.Soft == 0:
		in.Report.add(Finding{ID: CutOff, Severity: Note, What: "Redis keeps any amount for a subscriber that does not read", Hint: "client-output-buffer-limit pubsub bounds that, before it is all the memory there is"})
	case b.Hard > 0 && b.Hard < 1<<20 || b.Soft > 0 && b.Soft < 1<<20:
		in.Report.add(Finding{ID: CutOff, Severity: Warning, What: "Redis cuts a subscriber off when little waits for it (client-output-buffer-limit pubsub)", Due: "32mb 8mb 60, as is the default",
			Hint: "what a server was to get is lost then: CONFIG SET client-output-buffer-limit 'pubsub 33554432 8388608 60'"})
	}
}

// fullStream is how many entries say that a stream is as long as it gets.
const fullStream = 1000

func (in *Inspection) streamFindings(s broker.StreamState) {
	if s.Length >= fullStream && s.Span < recoveryTime {
		in.Report.add(Finding{ID: ShortStream, Severity: Warning, What: fmt.Sprintf("the stream %s holds the last %s", s.Name, span(s.Span)), Due: "as long as clients may come back, which is 2 minutes where servers do not say another",
			Hint: "who was away for longer is a new client, and has lost what it missed: a larger maxLen for all servers, or fewer broadcasts (or more of them volatile, which still count)"})
	}
	if number := s.Name[strings.LastIndex(s.Name, "-")+1:]; strings.Contains(s.Name, "--") && number != "" {
		in.Report.add(Finding{ID: UnreadStream, Severity: Warning, What: fmt.Sprintf("the stream %s has a negative number: official servers write it, and do not read it", s.Name), Due: "a number from 0 on",
			Hint: "with streamCount some namespaces end there: broadcasts in them reach nobody but the clients of Go servers; use streamCount 1"})
	}
}

// amongFinding says where no server of the namespace is at this Redis.
func (in *Inspection) amongFinding() {
	c := in.Report.Cluster
	name, _ := in.o.Address.Namespace()
	if len(c.Groups) == 0 || slices.ContainsFunc(c.Groups, func(g broker.ServerGroup) bool { return g.Namespace == name }) {
		return
	}
	in.Report.add(Finding{ID: NotAmong, Severity: Warning, What: fmt.Sprintf("no server with the namespace %s is connected to this Redis", name),
		Due: "a group of servers in that namespace", Hint: "the server that was inspected has no adapter, another Redis, or no such namespace of its own"})
}

// RedisHostPort is the first host of an address, with its port.
func RedisHostPort(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	port := "6379"
	if strings.HasSuffix(scheme, "-sentinel") {
		port = "26379"
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndex(rest, "@")+1:]
	rest, _, _ = strings.Cut(rest, ",")
	if _, _, err := net.SplitHostPort(rest); err != nil {
		rest = net.JoinHostPort(strings.Trim(rest, "[]"), port)
	}
	return rest
}
