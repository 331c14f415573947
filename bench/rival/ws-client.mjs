// Keeps one message under way on each of many connections to a server that echoes,
// with Node's ws, and compares it.
//
//	node ws-client.mjs HOST:PORT CONNS COUNT SIZE
import WebSocket from 'ws';

const [address, conns, count, size] = process.argv.slice(2);
const text = 'abcdefgh'.repeat(size / 8 + 1).slice(0, size);
let left = Number(count);

for (let i = 0; i < conns; i++) {
  const socket = new WebSocket('ws://' + address, { perMessageDeflate: false });
  const next = () => (left-- > 0 ? socket.send(text) : socket.close());
  socket.on('open', next);
  socket.on('message', (data) => {
    if (String(data) !== text) throw new Error('another answer: ' + data);
    next();
  });
}
