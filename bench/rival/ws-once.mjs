// One message there and back with Node's ws.
//
//	node ws-once.mjs HOST:PORT
import WebSocket from 'ws';

const socket = new WebSocket('ws://' + process.argv[2]);
socket.on('open', () => socket.send('hello'));
socket.on('message', (data) => {
  console.log(String(data));
  socket.close();
});
