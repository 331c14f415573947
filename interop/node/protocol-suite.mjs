// What the official suites of the protocols ask of a server: of Engine.IO 4 and 3,
// and of Socket.IO 5. The one argument is {"suite": NAME, "url": URL}. A line on
// standard output tells of each case. One that fails is tried again: a client that
// awaits one message after another needs them to come apart, and a busy machine may
// keep it from running in between.
import assert from 'node:assert'
import { WebSocket } from 'ws'

const { suite, url } = JSON.parse(process.argv[2])
const tries = 20
const limit = 3000 // ms for a case

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const same = assert.deepStrictEqual
const cases = []
const test = (name, run) => cases.push({ name, run })

// What a case has opened ends with it.
let opened = []
function socket(target) {
  const s = new WebSocket(target)
  s.binaryType = 'arraybuffer'
  s.on('error', () => {})
  opened.push(s)
  return s
}

// next is the next event; who asks too late has missed it.
const next = (s, type = 'message') => new Promise((resolve) => s.addEventListener(type, (e) => resolve(type === 'message' ? e.data : type), { once: true }))

// kept has the events of a WebSocket wait for who asks.
function kept(target) {
  const s = socket(target), came = {}, asked = {}
  for (const type of ['open', 'close', 'message']) {
    came[type] = []
    asked[type] = []
    s.addEventListener(type, (e) => (asked[type].length ? asked[type].shift()(e.data) : came[type].push(e.data)))
  }
  s.take = (type = 'message') => (came[type].length ? Promise.resolve(came[type].shift()) : new Promise((resolve) => asked[type].push(resolve)))
  return s
}

async function answer(target, options) {
  const response = await fetch(target, options)
  return { status: response.status, body: Buffer.from(await response.arrayBuffer()).toString('latin1') }
}

// session is how sessions are begun and spoken to by polling.
function session(path, version, more = '') {
  const base = `${url}${path}?EIO=${version}&transport=polling${more}`
  const ws = `${url.replace('http', 'ws')}${path}?EIO=${version}&transport=websocket`
  const opens = (body) => JSON.parse(body.substring(body.indexOf('{')))
  return {
    base, ws, opens,
    begin: async () => opens((await answer(base)).body).sid,
    get: (sid, tail = '') => answer(`${base}&sid=${sid}${tail}`),
    post: (sid, body) => answer(`${base}&sid=${sid}`, { method: 'POST', body }),
  }
}

function wantOpen(open, upgrades) {
  same(Object.keys(open).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades'])
  same([typeof open.sid, open.upgrades, open.pingInterval, open.pingTimeout, open.maxPayload], ['string', upgrades, 300, 200, 1000000])
}

const ok = async (promise, body) => same(await promise, { status: 200, body })
const refused = async (promise) => same((await promise).status, 400)

// begins is the half that is the same in all: how sessions begin.
function begins(s, path, queries) {
  const ws = url.replace('http', 'ws')
  test('opens by polling', async () => {
    const got = await answer(s.base)
    same(got.status, 200)
    wantOpen(s.opens(got.body), ['websocket'])
  })
  test('refuses a query', async () => { for (const q of queries.filter((q) => !q.includes('=websocket'))) await refused(answer(url + path + q)) })
  test('refuses a method', async () => { for (const method of ['POST', 'PUT']) await refused(answer(s.base, { method })) })
  test('opens by WebSocket', async () => wantOpen(s.opens(await next(socket(s.ws))), []))
  test('refuses a WebSocket', async () => { for (const q of queries.filter((q) => !q.includes('=polling'))) await next(socket(ws + path + q), 'close') })
  test('closes a WebSocket that does not answer', () => next(socket(s.ws), 'close'))
  test('closes a WebSocket that says so', async () => {
    const c = socket(s.ws)
    await next(c)
    c.send('1')
    await next(c, 'close')
  })
}

// upgrades is the move to a WebSocket. Echo is that the server answers.
function upgrades(s, noop, echo) {
  const alive = async (c) => {
    if (!echo) return
    c.send('4hello')
    same(await next(c), '4hello')
  }
  const move = async () => {
    const sid = await s.begin(), c = socket(`${s.ws}&sid=${sid}`)
    await next(c, 'open')
    c.send('2probe')
    same(await next(c), '3probe')
    return [sid, c]
  }
  test('moves to a WebSocket', async () => {
    const [sid, c] = await move()
    await ok(s.get(sid), noop)
    c.send('5')
    await alive(c)
  })
  test('takes no poll behind the move', async () => {
    const [sid, c] = await move()
    c.send('5')
    await refused(s.get(sid))
    await alive(c)
  })
  test('takes no other WebSocket behind the move', async () => {
    const [sid, c] = await move()
    c.send('5')
    await next(socket(`${s.ws}&sid=${sid}`), 'close')
    await alive(c)
  })
}

// beats is the heartbeat of version 4, and the end of a session that polls.
function beats(s) {
  test('pings a client that polls', async () => {
    const sid = await s.begin()
    for (let i = 0; i < 3; i++) {
      await ok(s.get(sid), '2')
      await ok(s.post(sid, '3'), 'ok')
    }
  })
  test('ends a client that does not poll', async () => {
    const sid = await s.begin()
    await sleep(600)
    await refused(s.get(sid))
  })
  test('pings a WebSocket', async () => {
    const c = socket(s.ws)
    await next(c)
    for (let i = 0; i < 3; i++) {
      same(await next(c), '2')
      c.send('3')
    }
  })
  test('closes a client that polls and says so', async () => {
    const sid = await s.begin(), poll = s.get(sid)
    await s.post(sid, '1')
    await ok(poll, '6')
    await refused(s.get(sid))
  })
}

function engine4() {
  const s = session('/engine.io/', 4)
  begins(s, '/engine.io/', ['?transport=polling', '?EIO=abc&transport=polling', '?transport=websocket', '?EIO=abc&transport=websocket', '?EIO=4', '?EIO=4&transport=abc'])
  beats(s)
  for (const body of ['4hello', '4test1\x1e4test2\x1e4test3', '4hello\x1ebAQIDBA==']) test('echoes ' + JSON.stringify(body), async () => {
    const sid = await s.begin()
    await ok(s.post(sid, body), 'ok')
    await ok(s.get(sid), body)
  })
  test('ends a session by a packet that is none', async () => {
    const sid = await s.begin()
    await s.post(sid, 'abc') // the official server says ok
    await refused(s.get(sid))
  })
  test('ends a session by a second poll', async () => {
    const sid = await s.begin(), first = s.get(sid)
    await sleep(20)
    assert.ok([400, 500].includes((await s.get(sid, '&t=burst')).status))
    await ok(first, '1')
    await refused(s.get(sid))
  })
  test('ends a session by a poll that is given up', async () => {
    const sid = await s.begin(), stop = new AbortController()
    fetch(`${s.base}&sid=${sid}`, { signal: stop.signal }).catch(() => {})
    await sleep(20)
    stop.abort()
    await sleep(20)
    await refused(s.get(sid))
  })
  test('echoes text', async () => {
    const c = kept(s.ws)
    await c.take('open')
    await c.take()
    c.send('4hello')
    same(await c.take(), '4hello')
  })
  test('echoes bytes', async () => {
    const c = kept(s.ws)
    await c.take()
    c.send(Uint8Array.from([1, 2, 3, 4]))
    same(await c.take(), Uint8Array.from([1, 2, 3, 4]).buffer)
  })
  test('closes by a packet that is none', async () => {
    const c = kept(s.ws)
    await c.take()
    c.send('abc')
    await c.take('close')
  })
  upgrades(s, '6', true)
}

function engine3() {
  const s = session('/engine.io/', 3, '&b64=1'), binary = session('/engine.io/', 3)
  begins(s, '/engine.io/', ['?EIO=3', '?EIO=3&transport=abc'])
  for (const body of ['6:4hello', '6:4test16:4test26:4test3', '6:4hello10:b4AQIDBA==']) test('echoes ' + body, async () => {
    const sid = await s.begin()
    await ok(s.post(sid, body), 'ok')
    await ok(s.get(sid), body)
  })
  test('echoes bytes by polling', async () => {
    const sid = await binary.begin()
    await ok(binary.post(sid, '6:4hello10:b4AQIDBA=='), 'ok')
    await ok(binary.get(sid), '\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04')
  })
  test('ends a session by a packet that is none', async () => {
    const sid = await s.begin()
    await s.post(sid, 'abc') // the official server says ok
    await refused(s.get(sid))
  })
  test('echoes text', async () => {
    const c = socket(s.ws)
    await next(c, 'open')
    await next(c)
    c.send('4hello')
    same(await next(c), '4hello')
  })
  test('echoes bytes', async () => {
    const c = socket(s.ws)
    await next(c)
    c.send(Uint8Array.from([4, 1, 2, 3, 4]))
    same(await next(c), Uint8Array.from([4, 1, 2, 3, 4]).buffer)
  })
  test('closes by a packet that is none', async () => {
    const c = socket(s.ws)
    await next(c)
    c.send('abc')
    await next(c, 'close')
  })
  test('answers pings of a client that polls', async () => {
    const sid = await s.begin()
    for (let i = 0; i < 3; i++) {
      await ok(s.post(sid, '1:2'), 'ok')
      await ok(s.get(sid), '1:3')
    }
  })
  test('ends a client that sends no pings', async () => {
    const sid = await s.begin()
    await sleep(600)
    await refused(s.post(sid, '1:2'))
  })
  test('answers pings', async () => {
    const c = socket(s.ws)
    await next(c)
    for (let i = 0; i < 3; i++) {
      c.send('2')
      same(await next(c), '3')
    }
  })
  test('closes a client that polls and says so', async () => {
    const sid = await s.begin(), poll = s.get(sid)
    await s.post(sid, '1:1')
    await ok(poll, '1:6')
    await refused(s.get(sid))
  })
  upgrades(s, '1:6', true)
}

function socketio5() {
  const s = session('/socket.io/', 4)
  begins(s, '/socket.io/', ['?transport=polling', '?EIO=abc&transport=polling', '?transport=websocket', '?EIO=abc&transport=websocket', '?EIO=4', '?EIO=4&transport=abc'])
  beats(s)
  upgrades(s, '6', false)
  const open = async (...says) => {
    const c = socket(s.ws)
    await next(c)
    says.forEach((text) => c.send(text))
    return c
  }
  const joined = async () => {
    const c = await open('40')
    await next(c)
    same(await next(c), '42["auth",{}]')
    return c
  }
  for (const [connect, auth] of [['40', '42["auth",{}]'], ['40{"token":"123"}', '42["auth",{"token":"123"}]'], ['40/custom,', '42/custom,["auth",{}]'], ['40/custom,{"token":"abc"}', '42/custom,["auth",{"token":"abc"}]']]) test('lets in by ' + connect, async () => {
    const c = await open(connect)
    const first = await next(c)
    same(Object.keys(s.opens(first)), ['sid'])
    same(await next(c), auth)
  })
  test('knows no other namespace', async () => same(await next(await open('40/random')), '44/random,{"message":"Invalid namespace"}'))
  test('closes who joins by no packet', async () => next(await open('4abc'), 'close'))
  test('closes who does not join', () => next(socket(s.ws), 'close'))
  test('lets leave', async () => {
    const c = await joined()
    c.send('41')
    same(await next(c), '2')
  })
  test('lets leave a namespace', async () => {
    const c = await joined()
    await next(c) // a ping
    c.send('40/custom')
    await next(c)
    await next(c)
    c.send('41/custom')
    c.send('42["message","message to main namespace"]')
    same(await next(c), '42["message-back","message to main namespace"]')
  })
  test('takes an event', async () => {
    const c = await joined()
    c.send('42["message",1,"2",{"3":[true]}]')
    same(await next(c), '42["message-back",1,"2",{"3":[true]}]')
  })
  test('acknowledges an event', async () => {
    const c = await joined()
    c.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    same(await next(c), '43456[1,"2",{"3":[false]}]')
  })
  const two = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
  for (const [sent, back] of [['452-["message",' + two, '452-["message-back",' + two], ['452-789["message-with-ack",' + two, '462-789[' + two]]) test('takes bytes in ' + sent.substring(0, 12), async () => {
    const c = await joined(), got = []
    c.addEventListener('message', (e) => e.data === '2' || got.push(e.data))
    c.send(sent)
    c.send(Uint8Array.from([1, 2, 3]))
    c.send(Uint8Array.from([4, 5, 6]))
    while (got.length < 3) await next(c)
    same(got, [back, Uint8Array.from([1, 2, 3]).buffer, Uint8Array.from([4, 5, 6]).buffer])
  })
  for (const wrong of ['4abc', '42{}', '42abc["message-with-ack",1,"2",{"3":[false]}]']) test('closes by ' + wrong, async () => {
    const c = await joined()
    c.send(wrong)
    await next(c, 'close')
  })
}

async function tried(run) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('nothing more came')), limit) })
  try {
    await Promise.race([run(), late])
    return null
  } catch (e) {
    return e
  } finally {
    clearTimeout(timer)
    opened.forEach((s) => s.terminate())
    opened = []
  }
}

({ engine4, engine3, socketio5 })[suite]()
for (const { name, run } of cases) {
  let error = await tried(run), n = 1
  while (error && n < tries) {
    error = await tried(run)
    n++
  }
  console.log(JSON.stringify({ saw: error ? 'failed' : 'passed', name, tries: n, error: error ? String(error.message) : undefined }))
}
console.log(JSON.stringify({ saw: 'end' }))
process.exit(0)
