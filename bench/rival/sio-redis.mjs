// Two servers of Socket.IO, the second in a process of its own, joined by the
// official adapter for Redis: every socket is in one room, and all of it are sent
// the argument of the event "go" as "news".
//
//	node sio-redis.mjs HOST:PORT HOST:PORT URL
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const [address, second, url] = process.argv.slice(2);
if (second) fork(process.argv[1], [second, '', url]);

const pub = createClient({ url });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);
const http = createServer();
const io = new Server(http, { adapter: createAdapter(pub, sub) });

io.on('connection', (socket) => {
  socket.join('room');
  socket.on('go', (text) => io.to('room').emit('news', text));
});

await sub.ping(); // behind the subscriptions
const [host, port] = address.split(':');
http.listen({ host, port: Number(port), backlog: 4096 });
