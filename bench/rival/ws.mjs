// Echoes with Node's ws, as its own benchmark does; compressing where asked to.
//
//	node ws.mjs HOST:PORT [deflate]
import { WebSocketServer } from 'ws';

const [address, deflate] = process.argv.slice(2);
const [host, port] = address.split(':');
const server = new WebSocketServer({
  host,
  port: Number(port),
  backlog: 4096,
  clientTracking: false,
  maxPayload: 600 * 1024 * 1024,
  perMessageDeflate: Boolean(deflate),
});

server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
