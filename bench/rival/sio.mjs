// Serves Socket.IO with the official server and its defaults: the event "echo" is
// acknowledged with its argument. With "room" every socket is in one, and all of
// it are sent the argument of the event "go" as "news".
//
//	node sio.mjs HOST:PORT [room]
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const [address, room] = process.argv.slice(2);
const [host, port] = address.split(':');
const http = createServer();
const io = new Server(http);

io.on('connection', (socket) => {
  if (!room) {
    socket.on('echo', (text, ack) => ack(text));
    return;
  }
  socket.join('room');
  socket.on('go', (text) => io.to('room').emit('news', text));
});

http.listen({ host, port: Number(port), backlog: 4096 });
