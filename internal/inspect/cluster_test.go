package inspect

import (
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	broker "github.com/sockkit/sockkit/socketio/redis"
)

func clusterOf(change func(*broker.Census)) *Inspection {
	c := broker.Census{Mode: "standalone", Version: "7.0.15", Nodes: 1, Policy: "noeviction", Buffer: &broker.SubscriberBuffer{Hard: 32 << 20, Soft: 8 << 20, SoftFor: time.Minute},
		Groups: []broker.ServerGroup{{Adapter: "pubsub", Prefix: "socket.io", Namespace: "/", Servers: 2, IDs: []string{"a", "b"}}}}
	change(&c)
	in := &Inspection{Report: &Report{Cluster: &Cluster{"redis://h:1", c}}}
	in.clusterFindings()
	return in
}

// TestClusterFindings says what is wrong with clusters, and nothing of those that
// are right.
func TestClusterFindings(t *testing.T) {
	group := func(adapter, prefix, namespace string) broker.ServerGroup {
		return broker.ServerGroup{Adapter: adapter, Prefix: prefix, Namespace: namespace, Servers: 1}
	}
	for _, row := range []struct {
		name   string
		change func(*broker.Census)
		want   string // identifiers
	}{
		{"right", func(*broker.Census) {}, ""},
		{"another namespace", func(c *broker.Census) { c.Groups = append(c.Groups, group("streams", "socket.io", "/x")) }, ""},
		{"nobody", func(c *broker.Census) { c.Groups = nil }, "no_servers"},
		{"two adapters", func(c *broker.Census) { c.Groups = append(c.Groups, group("sharded", "socket.io", "/")) }, "mixed_adapters"},
		{"two prefixes", func(c *broker.Census) { c.Groups = append(c.Groups, group("pubsub", "app", "/")) }, "mixed_prefixes"},
		{"many of both", func(c *broker.Census) {
			c.Groups = append(c.Groups, group("pubsub", "app", "/"), group("streams", "app", "/"), group("sharded", "socket.io", "/"), group("pubsub", "chat", "/"), group("pubsub", "chat", "/x"))
		}, "mixed_adapters mixed_adapters mixed_prefixes"},
		{"pubsub on a cluster", func(c *broker.Census) { c.Mode = "cluster" }, "pubsub_on_cluster"},
		{"a stranger", func(c *broker.Census) { c.Groups[0].Servers = 3 }, "subscriber_count"},
		{"an older version", func(c *broker.Census) { c.Groups[0].IDs = nil }, ""},
		{"silent", func(c *broker.Census) {
			c.Groups[0].Answers = &broker.GroupAnswers{Expected: 2, Came: 1, Silent: []string{"a", "b"}, Among: true}
		}, "silent_servers"},
		{"all answered", func(c *broker.Census) { c.Groups[0].Answers = &broker.GroupAnswers{Expected: 2, Came: 2} }, ""},
		{"too much", func(c *broker.Census) { c.Groups[0].Answers = &broker.GroupAnswers{Expected: 2, Came: 1, LeftOut: 1} }, "answers_left_out"},
		{"not asked", func(c *broker.Census) { c.Groups[0].Answers = &broker.GroupAnswers{Error: "NOPERM"} }, "redis"},
		{"evicts", func(c *broker.Census) {
			c.MaxMemory, c.Policy, c.Streams = 1<<30, "allkeys-lru", []broker.StreamState{{Name: "socket.io"}}
		}, "eviction"},
		{"evicts, and keeps nothing", func(c *broker.Census) { c.MaxMemory, c.Policy = 1<<30, "allkeys-lru" }, ""},
		{"evicts, with a stream to come", func(c *broker.Census) {
			c.MaxMemory, c.Policy, c.Groups = 1<<30, "allkeys-lru", []broker.ServerGroup{group("streams", "socket.io", "/")}
		}, "eviction"},
		{"evicts without a limit", func(c *broker.Census) {
			c.Policy, c.Streams = "allkeys-lru", []broker.StreamState{{Name: "socket.io"}}
		}, ""},
		{"full", func(c *broker.Census) { c.Memory, c.MaxMemory = 95, 100 }, "memory"},
		{"short", func(c *broker.Census) {
			c.Streams = []broker.StreamState{{Name: "socket.io", Length: 10000, Span: 30 * time.Second}}
		}, "short_stream"},
		{"young", func(c *broker.Census) {
			c.Streams = []broker.StreamState{{Name: "socket.io", Length: 10, Span: 30 * time.Second}}
		}, ""},
		{"unread", func(c *broker.Census) { c.Streams = []broker.StreamState{{Name: "socket.io--3", Length: 1}} }, "unread_stream"},
		{"no buffer", func(c *broker.Census) { c.Buffer.Hard, c.Buffer.Soft = 4096, 0 }, "subscriber_buffer"},
		{"any buffer", func(c *broker.Census) { *c.Buffer = broker.SubscriberBuffer{} }, "subscriber_buffer"},
		{"buffer not told", func(c *broker.Census) { c.Buffer = nil }, ""},
		{"old", func(c *broker.Census) { c.Version = "6.2.14" }, "old_redis"},
		{"slow", func(c *broker.Census) { c.Slow = []broker.SlowSubscriber{{Address: "h:1", Waiting: 2 << 20}} }, "slow_subscriber"},
	} {
		in := clusterOf(row.change)
		var ids []string
		for _, f := range in.Report.Findings {
			ids = append(ids, f.ID)
			if f.What == "" || f.Severity != Note && f.Due == "" && f.ID != RedisTrouble {
				t.Errorf("%s: %+v", row.name, f)
			}
		}
		if got := strings.Join(ids, " "); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if text := in.Report.Text(TextOptions{}); !strings.Contains(text, "redis://h:1, version ") {
			t.Errorf("%s:\n%s", row.name, text)
		}
	}
}

// TestClusterAmong says where the server that was inspected is not at the Redis.
func TestClusterAmong(t *testing.T) {
	in := clusterOf(func(*broker.Census) {})
	for address, want := range map[string]int{"sio://h/": 0, "sio://h/chat": 1} {
		a, err := endpoint.Parse([]string{address}, endpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		in.o.Address, in.Report.Findings = a, nil
		if in.amongFinding(); len(in.Report.Findings) != want {
			t.Errorf("%s: %+v", address, in.Report.Findings)
		}
	}
}

// TestClusterText does no harm to a terminal.
func TestClusterText(t *testing.T) {
	in := clusterOf(func(c *broker.Census) {
		g := &c.Groups[0]
		g.Prefix, g.Namespace, g.IDs = "p\x1b", "/\x1b", []string{"i\x1b"}
		g.Answers = &broker.GroupAnswers{Expected: 12, Servers: make([]broker.ServerAnswer, 12), Silent: []string{"\x1b"}}
		c.Streams = []broker.StreamState{{Name: "s\x1b"}}
		c.Slow = []broker.SlowSubscriber{{Address: "\x1b", Name: "\x1b"}}
		c.NotTold = []string{"CONFIG GET"}
	})
	text := in.Report.Text(TextOptions{})
	if strings.Contains(text, "\x1b") || !strings.Contains(text, "and 2 servers more") || !strings.Contains(text, "does not allow CONFIG GET") {
		t.Error(text)
	}
	in.Report.Cluster.NotTold = []string{"INFO"}
	if told := in.Report.Text(TextOptions{}); !strings.Contains(text, " a second, memory ") || strings.Contains(told, " a second, memory ") {
		t.Errorf("figures that Redis has not told are shown as\n%s", told)
	}
}

func TestRedisHostPort(t *testing.T) {
	for url, want := range map[string]string{
		"redis://h": "h:6379", "redis://u:p@h:1/2": "h:1", "rediss://[::1]:7,g:2/0": "[::1]:7", "redis://[::1]": "[::1]:6379", "redis://:a@b@h:3?cluster=true": "h:3",
		"rediss-sentinel://h?master_name=m": "h:26379",
	} {
		if got := RedisHostPort(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
