// Engine.IO alone: a server that echoes, where no URL is given, or a client that
// sends a count of messages, text and binary by turns, the second half behind the
// upgrade where there is one, and wants each back in order.
'use strict'
const http = require('http')
const words = JSON.parse(process.argv[2])

function serve() {
  const server = http.createServer()
  const { Server } = require('engine.io')
  const engine = new Server(words.options)
  engine.attach(server)
  engine.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(data))
    socket.on('close', (reason) => process.stdout.write(`closed: ${reason}\n`))
  })
  server.listen(0, '127.0.0.1', () => process.stderr.write(`listening on http://127.0.0.1:${server.address().port}\n`))
}

function dial() {
  const { Socket } = require('engine.io-client')
  const socket = new Socket(words.url, words.options)
  const message = (i) => (i % 2 ? Buffer.from([0, i & 255, 255]) : `message ${i} ä😀`)
  const same = (a, b) => (typeof a === 'string' || typeof b === 'string' ? a === b : Buffer.from(a).equals(Buffer.from(b)))
  let got = 0
  const send = (from, to) => { for (let i = from; i < to; i++) socket.send(message(i)) }
  const half = words.options.transports.length > 1 ? words.count / 2 : words.count
  socket.on('open', () => send(0, half))
  socket.on('upgrade', () => send(half, words.count))
  socket.on('message', (data) => {
    if (!same(data, message(got))) return fail(`message ${got} is ${data}`)
    if (++got === words.count) { process.stdout.write(`all came, by ${socket.transport.name}\n`); socket.close() }
  })
  socket.on('close', (reason) => { process.stdout.write(`closed: ${reason}\n`); process.exitCode = got === words.count ? 0 : 1 })
}

function fail(text) {
  process.stdout.write(text + '\n')
  process.exit(1)
}

if (words.url) dial()
else serve()
