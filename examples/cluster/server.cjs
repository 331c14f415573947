// The server of the cluster that is in Node: the same as main.go's in Go.
//   node server.cjs HOST:PORT REDIS_URL
'use strict'
const http = require('http')
const { createClient } = require('redis')
const { Server } = require('socket.io')
const { createAdapter } = require('@socket.io/redis-streams-adapter')

const [address, url] = process.argv.slice(2)

async function main() {
  const client = createClient({ url })
  client.on('error', (e) => console.error('redis:', e.message))
  await client.connect()
  const server = http.createServer()
  const io = new Server(server, {
    adapter: createAdapter(client),
    connectionStateRecovery: {},
  })
  io.engine.on('initial_headers', (headers) => { headers['set-cookie'] = 'server=node; Path=/; HttpOnly; SameSite=Lax' })
  io.on('connection', (socket) => {
    socket.emit('welcome', 'node')
    socket.on('message', (text) => io.emit('message', text, 'node'))
  })
  const [host, port] = address.split(':')
  server.listen(port, host)
  process.on('SIGINT', () => io.close(() => process.exit(0)))
}
main()
