// A WebSocket peer that is told what to do, by lines of JSON on its standard
// input, and tells what it sees, by lines of JSON on its standard output. Its
// one argument says what it is: ws_peer_test.go has the words.
'use strict'
const crypto = require('crypto')
const fs = require('fs')
const http = require('http')
const https = require('https')
const readline = require('readline')
const { WebSocket, WebSocketServer } = require('ws')

const options = JSON.parse(process.argv[2])
const say = (saw, more) => process.stdout.write(JSON.stringify({ saw, ...more }) + '\n')
let current = null

function watch(socket, opened) {
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
  if (opened) socket.on('open', opened)
}

function deflate() {
  if (!options.compress) return false
  const takeover = options.takeover ? {} : { serverNoContextTakeover: true, clientNoContextTakeover: true }
  const bits = {}
  if (options.serverBits) bits.serverMaxWindowBits = options.serverBits
  if (options.clientBits) bits.clientMaxWindowBits = options.clientBits
  return { threshold: 0, ...takeover, ...bits }
}

function opened(socket) {
  say('open', { subprotocol: socket.protocol, extensions: socket.extensions })
}

function serve() {
  const plain = (request, response) => response.writeHead(426).end('Upgrade Required') // as the library's own server says it
  const server = options.cert
    ? https.createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) }, plain)
    : http.createServer(plain)
  const wanted = options.subprotocols || []
  const handleProtocols = (offered) => wanted.find((name) => offered.has(name)) || false
  const sockets = new WebSocketServer({ server, perMessageDeflate: deflate(), handleProtocols })
  sockets.on('connection', (socket) => { watch(socket); opened(socket) })
  server.listen(0, '127.0.0.1', () => say('listening', { size: server.address().port }))
}

function dial() {
  const socket = new WebSocket(options.url, options.subprotocols || [], { perMessageDeflate: deflate(), rejectUnauthorized: false })
  watch(socket, () => opened(socket))
}

const acts = {
  text: (act) => current.send((act.data || '').repeat(act.times || 1)),
  binary: (act) => current.send(Buffer.from((act.data || '').repeat(act.times || 1))),
  parts: (act) => act.parts.forEach((part, i) => current.send(part, { fin: i === act.parts.length - 1 })),
  ping: (act) => current.ping(act.data),
  close: (act) => (act.code ? current.close(act.code, act.reason) : current.close()),
  drop: () => current.terminate(),
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const act = JSON.parse(line); acts[act.do](act) })
  .on('close', () => process.exit(0))

if (options.url) dial()
else serve()
