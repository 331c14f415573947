// A WebSocket peer by the library ws. ws-core.cjs has what it is told and says.
'use strict'
const fs = require('fs')
const http = require('http')
const https = require('https')
const { WebSocket, WebSocketServer } = require('ws')
const { options, say, watch, run } = require('./ws-core.cjs')

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
  watch(socket)
  socket.on('open', () => opened(socket))
}

run({ dial, serve })
