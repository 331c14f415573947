// A Socket.IO server that the official Admin UI watches, alone or in a cluster:
// its one argument is JSON, and it prints its port.
'use strict'
const http = require('http')
const { Server } = require('socket.io')
const { instrument } = require('@socket.io/admin-ui')
const bcrypt = require('bcryptjs')

const words = JSON.parse(process.argv[2])

async function adapter() {
  const { createClient } = require('redis')
  const pub = createClient({ url: words.redis })
  const sub = pub.duplicate()
  await Promise.all([pub.connect(), sub.connect()])
  return require('@socket.io/redis-adapter').createAdapter(pub, sub)
}

async function main() {
  const server = http.createServer()
  const io = new Server(server, words.redis ? { adapter: await adapter() } : {})
  instrument(io, { auth: { type: 'basic', username: 'ada', password: bcrypt.hashSync('secret', 4) }, mode: 'development', serverId: words.name })
  io.on('connection', (socket) => {
    socket.data.name = socket.handshake.auth.name
    socket.on('join', (room, ack) => { socket.join(room); ack() })
    socket.on('leave', (room, ack) => { socket.leave(room); ack() })
    socket.on('order', (what, ack) => { socket.emit('receipt', what, { n: 1 }, null); ack() })
  })
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
}
main()
