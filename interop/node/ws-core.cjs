// What the WebSocket peers share: what they say of a socket, and what they are
// told to do. Each is told by lines of JSON on its standard input, and tells what
// it sees by lines of JSON on its standard output. Its one argument says what it
// is: ws_peer_test.go has the words.
'use strict'
const crypto = require('crypto')
const readline = require('readline')

const options = JSON.parse(process.argv[2])
const say = (saw, more) => process.stdout.write(JSON.stringify({ saw, ...more }) + '\n')
let current = null

// watch says what comes on a socket, and has it do what is told from then on.
function watch(socket) {
  current = socket
  socket.on('message', (data, binary) => {
    const kind = binary ? 'binary' : 'text'
    say(kind, { size: data.length, sum: crypto.createHash('sha256').update(data).digest('hex'), data: data.length > 200 ? '' : data.toString() })
    if (options.echo) socket.send(data, { binary })
  })
  socket.on('ping', (data) => say('ping', { data: data.toString() }))
  socket.on('pong', (data) => say('pong', { data: data.toString() }))
  socket.on('close', (code, reason) => say('close', { code, reason: reason.toString() }))
  socket.on('error', (err) => say('error', { reason: err.message }))
}

const acts = {
  text: (act) => current.send((act.data || '').repeat(act.times || 1)),
  binary: (act) => current.send(Buffer.from((act.data || '').repeat(act.times || 1))),
  parts: (act) => act.parts.forEach((part, i) => current.send(part, { fin: i === act.parts.length - 1 })),
  ping: (act) => current.ping(act.data),
  close: (act) => (act.code ? current.close(act.code, act.reason) : current.close()),
  drop: () => current.terminate(),
}

// run begins as a client where there is a URL, else as a server.
function run({ dial, serve }) {
  readline.createInterface({ input: process.stdin })
    .on('line', (line) => { const act = JSON.parse(line); acts[act.do](act) })
    .on('close', () => process.exit(0))
  if (options.url) dial()
  else serve()
}

module.exports = { options, say, watch, run }
