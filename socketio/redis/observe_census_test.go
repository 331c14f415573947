package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// TestCensusChannels tells adapters apart by the names of channels.
func TestCensusChannels(t *testing.T) {
	c := &taking{Census: &Census{}, groups: map[groupKey]*ServerGroup{}}
	for _, name := range []string{
		"socket.io-request#/#", "socket.io-response#/#", "socket.io-response#/#abc123#", "socket.io-response#/#_-9xYz#",
		"app-request#/chat#", "live#/#", "live#/#a3f1c2d4e5b60718#", "live#/#room#", "news", "x#y#",
	} {
		c.channel(name)
	}
	c.shardChannel("shop#/#b3f1c2d4e5b60718#")
	c.shardChannel("shop#/#c3f1c2d4e5b60718#")
	c.shardChannel("shop#/#room#")
	want := map[groupKey]string{
		{"pubsub", "socket.io", "/", false}: "abc123 _-9xYz", {"pubsub", "app", "/chat", false}: "",
		{"streams", "live", "/", false}: "a3f1c2d4e5b60718", {"sharded", "shop", "/", true}: "b3f1c2d4e5b60718 c3f1c2d4e5b60718",
	}
	for key, ids := range want {
		if g := c.groups[key]; g == nil || strings.Join(g.IDs, " ") != ids {
			t.Errorf("%v: %+v, want %q", key, g, ids)
		}
	}
	if c.some(make([]string, mostChannels+7)); c.Left != 7 {
		t.Errorf("%d channels were left out", c.Left)
	}
}

func TestCensusReads(t *testing.T) {
	if b := bufferOf("normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"); b == nil || *b != (SubscriberBuffer{32 << 20, 8 << 20, time.Minute}) {
		t.Errorf("%+v", b)
	}
	for _, text := range []string{"", "pubsub", "pubsub 1 2", "pubsub 1 x 3"} {
		if bufferOf(text) != nil {
			t.Errorf("%q is a setting", text)
		}
	}
	if s := subscriberOf("id=3 addr=127.0.0.1:5000 name=web omem=2097152 cmd=subscribe"); s != (SlowSubscriber{"127.0.0.1:5000", "web", 2 << 20}) {
		t.Errorf("%+v", s)
	}
	if got := infoField("# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\n", "redis_mode"); got != "cluster" {
		t.Errorf("%q", got)
	}
}

// TestTrouble words what a Redis may say.
func TestTrouble(t *testing.T) {
	c := &Conn{address: "redis://h:1"}
	for _, row := range []struct {
		err  error
		kind TroubleKind
		text string
	}{
		{errors.New("NOAUTH Authentication required."), Refused, "it wants a password (NOAUTH Authentication required.)"},
		{errors.New("WRONGPASS invalid username-password pair or user is disabled."), Refused, "the name or the password is wrong"},
		{errors.New("NOPERM User x has no permissions to run the 'ping' command"), Refused, "the user may not do this (NOPERM User x"},
		{errors.New("LOADING Redis is loading the dataset in memory"), NotReady, "it is loading its data"},
		{errors.New("CLUSTERDOWN The cluster is down"), NotReady, "its cluster is down"},
		{refusal("ERR unknown command 'PING'"), Refused, "it answers ERR unknown command 'PING'"},
		{&lostError{"h:1", "it ended the connection", "", io.EOF}, Unreachable, "it ended the connection"},
		{unsentError{&lostError{"g:2", "connection refused", "", io.EOF}}, Unreachable, "g:2: connection refused"},
		{framingError(`"HTTP/1.1" came where an answer of Redis is due`), NoRedis, `what is there is no Redis ("HTTP/1.1" came`},
		{&strconv.NumError{Func: "ParseInt", Num: "x", Err: strconv.ErrSyntax}, NoRedis, `what is there is no Redis ("x" came where a number is due)`},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), Unreachable, "no answer in time"},
		{errors.New(`redis: can't parse reply-type "HTTP/1.1 400"`), NoRedis, "what is there is no Redis"},
		{&tcp.TLSError{Remote: "h:2", Reason: "the server's certificate expired", Err: errors.New("x509")}, Untrusted, "TLS with h:2: the server's certificate expired"},
		{&tcp.TLSError{Reason: "the handshake timed out", Err: context.DeadlineExceeded}, Unreachable, "TLS: the handshake timed out"},
		{unsentError{errors.Join(&lostError{"g:2", "connection refused", "", io.EOF}, errors.New("one more"))}, Unreachable, "g:2: connection refused; one more"},
		{errors.Join(errors.New("one sentinel"), errors.New("another")), Unreachable, "one sentinel; another"},
	} {
		trouble := c.trouble(row.err)
		if trouble.Kind != row.kind || !strings.HasPrefix(trouble.Text, row.text) || !errors.Is(trouble, row.err) || !strings.HasPrefix(trouble.Error(), "redis: redis://h:1: ") {
			t.Errorf("%v: %+v", row.err, trouble)
		}
	}
}
