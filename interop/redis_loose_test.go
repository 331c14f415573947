package interop

import "testing"

// looseScripts are what programs do in JavaScript that TypeScript would not let them,
// each with an event x, and whom it reaches by the official servers: the first, or the
// second client of each server.
var looseScripts = []struct {
	script string
	which  []int
}{
	{"(io) => io.except(undefined).emit('x', 1)", []int{0, 1}},
	{"(io) => io.to([null, 'two', { id: 7 }]).emit('x', 1)", []int{1}},
	{"(io) => io.to(undefined).emit('x', 1)", nil},
	{"(io) => io.to('one').except([true, 'two', NaN]).emit('x', 1)", []int{0}},
	{"(io) => io.compress(0).timeout('5000').emit('x', 1)", []int{0, 1}},
	{"(io) => io.compress('no').to(['one', 5]).emit('x', 1, Buffer.from([1]))", []int{0, 1}},
}

// TestRedisLoose has a program in Node say and keep things that are of another type
// than they should be: official servers take them, and so do ours.
func TestRedisLoose(t *testing.T) {
	t.Parallel()
	for _, k := range redisKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			w := memberWords{Name: "go 1", Kind: k.kind, Redis: []string{r.url()}, Adapter: k.adapter}
			g := &redisCluster{t: t, settled: func(string) {}}
			one := startGoMember(t, w, nil, nil)
			g.join(one)
			w.Name = "node"
			node := startNodeMember(t, w)
			g.join(node)
			w.Name = "go 2"
			g.join(startGoMember(t, w, nil, nil))
			for _, row := range looseScripts {
				node.call(t, clusterAct{Do: "script", Event: row.script}, nil)
				g.reached(node, row.script, g.names(row.which...), "")
			}
			for _, c := range g.clients {
				c.On("7", func(args ...any) { c.got <- clusterEvent{"7", sioLine(args)} })
			}
			node.call(t, clusterAct{Do: "script", Event: "(io) => io.emit(7, 'a')"}, nil)
			g.reached(node, "an event that is a number", g.names(0, 1), "")
			node.call(t, clusterAct{Do: "script", Event: "(io) => { for (const s of io.of('/').sockets.values()) { s.join([7, null]); s.handshake.auth = 'token'; s.handshake.issued = 'then'; s.data.key = Buffer.from([1]) } }"}, nil)
			g.checkFetch(one)
			node.call(t, clusterAct{Do: "script", Event: "(io) => { for (const s of io.of('/').sockets.values()) s.leave(7); io.socketsJoin([undefined, 'three']) }"}, nil)
			g.inRoom("three", g.names(0, 1), true)
			if s := one.conn.Stats(); s.Garbage > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
