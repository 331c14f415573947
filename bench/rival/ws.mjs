// Echoes with Node's ws, as its own benchmark does, compressing where asked to; with
// "room" it sends all what one says, as its documentation has it.
//
//	node ws.mjs HOST:PORT [deflate|room]
import WebSocket, { WebSocketServer } from 'ws';

const [address, work] = process.argv.slice(2);
const [host, port] = address.split(':');
const server = new WebSocketServer({
  host,
  port: Number(port),
  backlog: 4096,
  clientTracking: work === 'room',
  maxPayload: 600 * 1024 * 1024,
  perMessageDeflate: work === 'deflate',
});

server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, binary) => {
    if (work !== 'room') return socket.send(data, { binary });
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary });
    }
  });
});
