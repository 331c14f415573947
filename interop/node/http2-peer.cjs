// A peer that speaks WebSocket over HTTP/2 (RFC 8441): the streams are those of
// Node's http2, the frames those of the library ws.
'use strict'
const fs = require('fs')
const http2 = require('http2')
const { WebSocket } = require('ws')
const { options, say, watch, run } = require('./ws-core.cjs')

// speak makes a WebSocket of a stream whose opening handshake is over.
function speak(stream, server, subprotocol) {
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30000 })
  socket._isServer = server
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 100 * 1024 * 1024, skipUTF8Validation: false })
  watch(socket)
  say('open', { subprotocol, extensions: '' })
}

function serve() {
  const settings = { enableConnectProtocol: !options.noConnect }
  const server = options.cert
    ? http2.createSecureServer({ settings, cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) })
    : http2.createServer({ settings })
  server.on('stream', (stream, headers) => {
    stream.on('error', (err) => say('error', { reason: err.message }))
    if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket' || headers['sec-websocket-version'] !== '13') {
      stream.respond({ ':status': 404 })
      stream.end('This is no WebSocket.')
      return
    }
    const offered = (headers['sec-websocket-protocol'] || '').split(',').map((name) => name.trim())
    const subprotocol = offered.find((name) => (options.subprotocols || []).includes(name))
    const answer = { ':status': 200 }
    if (subprotocol) answer['sec-websocket-protocol'] = subprotocol
    stream.respond(answer)
    speak(stream, true, subprotocol || '')
  })
  server.on('session', (session) => session.on('goaway', (code) => say('pong', { data: `goaway ${code}` })))
  server.listen(Number(options.port || 0), '127.0.0.1', () => say('listening', { size: server.address().port }))
}

function dial() {
  const url = new URL(options.url.replace(/^ws/, 'http'))
  const session = http2.connect(url.origin, { rejectUnauthorized: false })
  session.on('error', (err) => say('error', { reason: err.message }))
  session.on('remoteSettings', (settings) => {
    if (!settings.enableConnectProtocol) return say('error', { reason: 'no ENABLE_CONNECT_PROTOCOL' })
    const request = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': url.protocol.slice(0, -1), ':path': url.pathname, ':authority': url.host, 'sec-websocket-version': '13' }
    if (options.subprotocols) request['sec-websocket-protocol'] = options.subprotocols.join(', ')
    const stream = session.request(request)
    stream.on('error', (err) => say('error', { reason: err.message }))
    stream.on('response', (headers) => {
      if (headers[':status'] !== 200) return say('error', { code: headers[':status'], reason: 'refused' })
      speak(stream, false, headers['sec-websocket-protocol'] || '')
    })
    stream.on('close', () => session.close())
  })
}

run({ dial, serve })
