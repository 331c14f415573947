// A Socket.IO server of a cluster, by an official adapter: it does what lines of
// JSON on standard input say, and answers each with a line. Its one argument says
// what it is: redis_peer_test.go has the words.
'use strict'
const http = require('http')
const readline = require('readline')
const { Server } = require('socket.io')
const redis = require('redis')
const sioValues = require('./sio-values.cjs')

const words = JSON.parse(process.argv[2])
const values = sioValues((text) => Buffer.from(text, 'base64'), (b) => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('base64'), ArrayBuffer.isView)
const write = (o) => process.stdout.write(JSON.stringify(o) + '\n')

// What the official sharded adapter does not catch when Redis goes ends no server
// here.
process.on('unhandledRejection', () => {})

async function client() {
  const url = (u) => ({ url: u })
  const c = words.cluster ? redis.createCluster({ rootNodes: words.redis.map(url) }) : redis.createClient({ url: words.redis[0] })
  c.on('error', () => {})
  await c.connect()
  return c
}

let pub
async function adapter() {
  pub = await client()
  if (words.kind === 'streams') return require('@socket.io/redis-streams-adapter').createAdapter(pub, words.adapter)
  const sub = await client()
  const package_ = require('@socket.io/redis-adapter')
  return (words.kind === 'sharded' ? package_.createShardedAdapter : package_.createAdapter)(pub, sub, words.adapter)
}

// Each event of a server is kept, and acknowledged with its own first argument
// and the server's name.
const heard = []
function hears(io) {
  io.on('hello', (...list) => {
    const ack = typeof list[list.length - 1] === 'function' ? list.pop() : null
    heard.push(list.map(values.write))
    if (ack) ack(words.name + ':' + list[0])
  })
  io.on('blob', (b, ack) => ack(b))
}

function target(io, act) {
  let to = act.local ? io.local : io
  if (act.to) to = to.to(act.to)
  if (act.except) to = to.except(act.except)
  if (act.timeout) to = to.timeout(act.timeout)
  if (act.volatile) to = to.volatile
  return to
}

const read = (list) => (list || []).map(values.read)
const acts = {
  emit: async (io, act) => { target(io, act).emit(act.event, ...read(act.args)) },
  ack: (io, act) => new Promise((give) => target(io, act).emit(act.event, ...read(act.args), (e, answers) => give({ error: e ? e.message : '', answers: (answers || []).map(values.write) }))),
  join: async (io, act) => { target(io, act).socketsJoin(act.rooms) },
  leave: async (io, act) => { target(io, act).socketsLeave(act.rooms) },
  disconnect: async (io, act) => { target(io, act).disconnectSockets(!!act.close) },
  fetch: async (io, act) => (await target(io, act).fetchSockets()).map((s) => ({ id: s.id, rooms: [...s.rooms].sort(), data: values.write(s.data), query: s.handshake.query.EIO })),
  serverEmit: async (io, act) => { io.serverSideEmit(act.event, ...read(act.args)) },
  serverAck: (io, act) => new Promise((give) => io.serverSideEmit(act.event, ...read(act.args), (e, answers) => give({ error: e ? e.message : '', answers: (answers || []).map(values.write) }))),
  heard: async () => heard.splice(0),
  rooms: async (io, act) => { const s = io.of('/').sockets.get(act.id); return s ? [...s.rooms].sort() : null },
  ready: async () => pub.isReady,
  // close sends all clients away, and waits until Redis has their sessions: it takes
  // commands in order.
  close: async (io) => { await io.close(); await pub.ping() },
  count: async (io) => io.of('/').adapter.serverCount(),
  // script does what only JavaScript can say: it is a function of the server.
  script: async (io, act) => { (0, eval)(act.event)(io) },
}

async function begin() {
  const server = http.createServer()
  const io = new Server(server, { adapter: await adapter(), ...words.options })
  hears(io)
  io.on('connection', (socket) => {
    socket.data = { name: socket.handshake.auth.name, server: words.name }
    socket.on('join', (room, ack) => { socket.join(room); ack() })
  })
  readline.createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const act = JSON.parse(line)
      try { write({ n: act.n, result: await acts[act.do](io, act) }) } catch (e) { write({ n: act.n, error: e.message || String(e) }) }
    })
    .on('close', () => process.exit(0))
  server.listen(0, '127.0.0.1', () => write({ n: 0, result: server.address().port }))
}
begin()
