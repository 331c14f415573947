// A Socket.IO server that is told what to do, by lines of JSON on standard
// input, and tells what it sees, by lines of JSON on standard output. Its one
// argument says what it is: sio_peer_test.go has the words.
'use strict'
const http = require('http')
const readline = require('readline')
const sioValues = require('./sio-values.cjs')

const words = JSON.parse(process.argv[2])
const { Server } = words.package === 'socket.io-2' ? { Server: require('socket.io-2') } : require('socket.io')
const say = (saw, more) => process.stdout.write(JSON.stringify({ saw, ...more }) + '\n')
const values = sioValues((text) => Buffer.from(text, 'base64'), (b) => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('base64'), ArrayBuffer.isView)
const plain = (list) => list.map(values.write)

const options = { ...words.options }
if (words.parser) options.parser = require('socket.io-msgpack-parser')
const server = http.createServer((request, response) => response.writeHead(404).end('nothing here'))
const io = new Server(server, options)

// Each event that asks for it is acknowledged with its own arguments, but for
// hold, which never is; echo is sent back; join joins.
function received(socket, list) {
  const ack = typeof list[list.length - 1] === 'function' ? list.pop() : null
  const [name, ...rest] = list
  say('event', { of: socket.id, event: name, args: plain(rest) })
  if (name === 'join') socket.join(rest)
  if (name === 'echo' && !ack) socket.emit('echo', ...rest)
  if (name === 'broadcast') socket.broadcast.emit('broadcast', ...rest)
  if (ack && name !== 'hold') ack(...rest)
}

function connected(socket) {
  const auth = socket.handshake.auth
  say('connection', { of: 'server', id: socket.id, namespace: socket.nsp.name, recovered: !!socket.recovered, data: auth, rooms: [...(socket.rooms instanceof Set ? socket.rooms : [])] })
  if (words.welcome) socket.emit('welcome', words.welcome)
  socket.use((list, next) => (list[0] === 'refused' ? next(new Error('no such event')) : next()))
  socket.use((list, next) => { received(socket, list.slice()); next() })
  socket.on('error', (e) => say('error', { of: socket.id, message: e.message }))
  socket.on('disconnecting', () => say('disconnecting', { of: socket.id, rooms: [...(socket.rooms instanceof Set ? socket.rooms : [])] }))
  socket.on('disconnect', (reason) => say('disconnect', { of: socket.id, reason }))
}

function authenticated(socket, next) {
  const { token } = socket.handshake.auth || {}
  if (token === 'abc') return next()
  const e = new Error('not authorized')
  e.data = { code: 4711, token: token || null, list: ['a', { b: null }] }
  next(e)
}

io.on('connection', connected)
io.of('/chat').on('connection', connected)
io.of('/auth').use(authenticated).on('connection', connected)
if (words.package !== 'socket.io-2') io.of(/^\/dynamic-\d+$/).on('connection', connected)

// target is whom an act is for.
function target(act) {
  let to = act.id ? io.of(act.namespace || '/').sockets.get(act.id) : io.of(act.namespace || '/')
  if (act.broadcast) to = to.broadcast
  if (act.to) to = to.to(act.to)
  if (act.except) to = to.except(act.except)
  if (act.volatile) to = to.volatile
  if (act.timeout) to = to.timeout(act.timeout)
  return to
}

const acts = {
  emit(act) {
    const list = (act.args || []).map(values.read)
    if (act.ack) list.push((e, ...more) => answered(act, e, more))
    target(act).emit(act.event, ...list)
  },
  join(act) { target(act).join(act.rooms); say('done', { of: 'server' }) },
  leave(act) { act.rooms.forEach((room) => target(act).leave(room)); say('done', { of: 'server' }) },
  disconnect(act) { target(act).disconnect(!!act.close) },
  abort(act) { target(act).conn.transport.socket ? target(act).conn.transport.socket.terminate() : target(act).conn.close(true) },
  rooms(act) { say('rooms', { of: 'server', rooms: [...target(act).rooms].sort() }) },
  count() { say('count', { of: 'server', size: io.engine.clientsCount }) },
  close() { io.close(() => say('closed', { of: 'server' })) },
}

function answered(act, e, more) {
  const failed = act.timeout ? e : null
  const list = act.timeout ? more : [e, ...more]
  say('ack', { of: act.id || 'server', event: act.event, args: plain(list), error: failed ? failed.message : '' })
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const act = JSON.parse(line); acts[act.do](act) })
  .on('close', () => process.exit(0))
process.on('uncaughtException', (e) => say('error', { of: 'error', message: e.stack }))
server.listen(words.port || 0, '127.0.0.1', () => say('listening', { of: 'server', size: server.address().port }))
