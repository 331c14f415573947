// Clients of Socket.IO that are told what to do, by lines of JSON on standard
// input, and tell what they see, by lines of JSON on standard output. The one
// argument names the package: sio_peer_test.go has the words.
'use strict'
const readline = require('readline')
const io = require(process.argv[2])
const sioClient = require('./sio-client-core.cjs')
const sioValues = require('./sio-values.cjs')

const say = (saw, more) => process.stdout.write(JSON.stringify({ saw, ...more }) + '\n')
const values = sioValues((text) => Buffer.from(text, 'base64'), (b) => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('base64'), ArrayBuffer.isView)
const act = sioClient(io, say, values, { msgpack: require('socket.io-msgpack-parser') })

readline.createInterface({ input: process.stdin })
  .on('line', (line) => act(JSON.parse(line)))
  .on('close', () => process.exit(0))
process.on('uncaughtException', (e) => say('error', { of: 'error', message: e.stack }))
