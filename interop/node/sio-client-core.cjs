// What a Socket.IO client does when it is told to, and tells of what it sees. It
// runs in Node and in a page, and on socket.io-client 2 as on 4.
'use strict'

function sioClient(io, say, values, parsers) {
  const sockets = new Map()
  const args = (list) => (list || []).map(values.read)
  const plain = (list) => list.map(values.write)

  function answered(of, name, error) {
    return (...list) => {
      const failed = error ? list.shift() : null
      say('ack', { of, event: name, args: plain(list), error: failed ? failed.message : '' })
    }
  }

  // Each event that asks for it is acknowledged with its own arguments, but for
  // hold, which never is.
  function received(of, list) {
    const [name, ...rest] = list
    const ack = typeof rest[rest.length - 1] === 'function' ? rest.pop() : null
    say('event', { of, event: String(name), args: plain(rest) })
    if (ack && name !== 'hold') ack(...rest)
  }

  function watchEvents(of, socket) {
    if (socket.onAny) return socket.onAny((...list) => received(of, list))
    const emit = socket.onevent
    socket.onevent = function (packet) {
      const list = packet.data.slice()
      if (packet.id != null) list.push(this.ack(packet.id))
      received(of, list)
      emit.call(this, packet)
    }
  }

  const transportOf = (socket) => (socket.io.engine ? socket.io.engine.transport.name : '')

  function watch(of, socket) {
    socket.on('connect', () => {
      say('connect', { of, id: socket.id, recovered: !!socket.recovered, transport: transportOf(socket) })
    })
    const refused = (error) => {
      const e = typeof error === 'object' ? error : { message: String(error) }
      say('connect_error', { of, message: e.message, data: e.message ? e.data : e, active: !!socket.active, status: typeof e.description === 'number' ? e.description : 0 })
    }
    socket.on('connect_error', refused)
    socket.on('error', refused) // of version 2
    socket.on('disconnect', (reason) => say('disconnect', { of, reason, active: !!socket.active }))
    watchEvents(of, socket)
  }

  // What the manager tells goes under a name of its own: it is in no fixed order
  // with what a socket tells.
  function watchManager(of, manager) {
    const name = of + '/manager'
    const events = ['reconnect', 'reconnect_attempt', 'reconnect_error', 'reconnect_failed']
    events.forEach((event) => manager.on(event, (n) => say(event, { of: name, size: typeof n === 'number' ? n : 0 })))
    const upgrades = () => manager.engine.on('upgrade', (t) => say('upgrade', { of: name, transport: t.name }))
    manager.on('open', upgrades)
    if (manager.engine) upgrades()
  }

  function authOf(act) {
    let calls = 0
    if (act.calls) return (give) => give({ ...act.auth, call: ++calls })
    return act.auth
  }

  const acts = {
    connect(act) {
      const options = { reconnectionDelay: 10, reconnectionDelayMax: 100, ...act.options, auth: authOf(act) }
      if (act.parser) options.parser = parsers[act.parser]
      const socket = io(act.url, options)
      sockets.set(act.of, socket)
      watch(act.of, socket)
      watchManager(act.of, socket.io)
    },
    emit(act, socket) {
      let to = socket
      const list = args(act.args)
      if (act.timeout) to = to.timeout(act.timeout)
      if (act.volatile) to = to.volatile
      if (act.compress) to = to.compress(true)
      if (act.ack) list.push(answered(act.of, act.event, !!act.timeout || !!act.retried))
      to.emit(act.event, ...list)
    },
    async ask(act, socket) {
      try {
        const answer = await socket.timeout(act.timeout).emitWithAck(act.event, ...args(act.args))
        say('ack', { of: act.of, event: act.event, args: plain([answer]), error: '' })
      } catch (e) {
        say('ack', { of: act.of, event: act.event, error: e.message })
      }
    },
    many(act, socket) { for (let i = 0; i < act.size; i++) socket.emit(act.event, i) },
    auth(act, socket) { socket.auth = act.auth },
    open(act, socket) { socket.connect() },
    disconnect(act, socket) { socket.disconnect() },
    drop(act, socket) { socket.io.engine.close() },
    end() { sockets.forEach((socket) => socket.disconnect()); sockets.clear() },
    transport(act, socket) { say('transport', { of: act.of, transport: transportOf(socket) }) },
    crowd(act) { for (let i = 0; i < act.size; i++) one(act, i) },
  }

  // one connects, asks for one acknowledgement, and leaves.
  function one(act, i) {
    const socket = io(act.url, { ...act.options, forceNew: true, reconnection: false })
    const ended = (error) => { say('one', { of: act.of, size: i, error }); socket.disconnect() }
    socket.on('connect_error', (e) => ended(e.message))
    socket.on('connect', () => socket.timeout(act.timeout).emit('echo', i, (e, back) => ended(e ? e.message : back === i ? '' : 'another answer')))
  }

  return (act) => acts[act.do](act, sockets.get(act.of))
}

if (typeof module === 'object') module.exports = sioClient
