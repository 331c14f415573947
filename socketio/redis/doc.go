// Package redis joins several Socket.IO servers to one cluster by a Redis server
// or a Redis Cluster, in the wire formats of the official adapters, so that
// servers in Go and in Node stand in one cluster.
//
//	conn, err := redis.Open("redis://localhost:6379", nil)
//	io := socketio.NewServer(&socketio.ServerOptions{Adapter: conn.Adapter(nil)})
//
// [Conn.Adapter] is that of @socket.io/redis-adapter (createAdapter),
// [Conn.ShardedAdapter] that of the same package for sharded channels
// (createShardedAdapter), and [Conn.StreamsAdapter] that of
// @socket.io/redis-streams-adapter, by which clients come back on another server
// (connection-state recovery). All servers of a cluster use the same one.
// [Conn.Emitter] sends to the clients of a cluster of the first kind without
// being a server of it.
//
// Without Redis the sockets of a server are reached as before. What is for others
// waits, within bounds, and goes out once Redis is back; see [State].
package redis
