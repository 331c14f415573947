// The official emitter: it does what its one argument, a list of acts, says. The
// words are those of redis_emitter_test.go.
'use strict'
const redis = require('redis')
const { Emitter } = require('@socket.io/redis-emitter')
const sioValues = require('./sio-values.cjs')

const words = JSON.parse(process.argv[2])
const values = sioValues((text) => Buffer.from(text, 'base64'), (b) => b.toString('base64'), ArrayBuffer.isView)

const acts = {
  emit: (to, act) => to.emit(act.event, ...(act.args || []).map(values.read)),
  join: (to, act) => to.socketsJoin(act.rooms),
  leave: (to, act) => to.socketsLeave(act.rooms),
  disconnect: (to, act) => to.disconnectSockets(!!act.close),
}

async function run() {
  const client = redis.createClient({ url: words.redis })
  await client.connect()
  const emitter = new Emitter(client)
  for (const act of words.acts) {
    if (act.do === 'serverEmit') { emitter.serverSideEmit(act.event, ...act.args); continue }
    let to = emitter
    if (act.to) to = to.to(act.to)
    if (act.except) to = to.except(act.except)
    acts[act.do](to, act)
  }
  await client.quit()
}
run()
