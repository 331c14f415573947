// Holds examples/document/app/text.js against text.go: it applies what the Go side
// has typed, in several orders, and types itself for the Go side to apply. One
// argument: the module. Standard input and output: JSON.
import { readFileSync } from 'node:fs'

const source = readFileSync(process.argv[2], 'utf8')
const { Text } = await import('data:text/javascript,' + encodeURIComponent(source))
const { runs } = JSON.parse(readFileSync(0, 'utf8'))
const pick = (n) => Math.floor(Math.random() * n)

// inSomeOrder applies what can be, one after the other, at random.
function inSomeOrder(ops) {
  const text = new Text('reader')
  const left = [...ops]
  while (left.length > 0) {
    const i = pick(Math.min(left.length, 8))
    if (text.apply(left[i])) left.splice(i, 1)
  }
  return String(text)
}

const wrong = []
for (const { ops, text } of runs) {
  for (let i = 0; i < 3; i++) {
    const got = inSomeOrder(ops)
    if (got !== text) wrong.push({ got, want: text })
  }
}

// typed has several type at once; each gets what the others type some time later.
function typed() {
  const texts = ['ann0', 'bob0', 'cat0'].map((site) => ({ text: new Text(site), seen: 0, mine: new Set() }))
  const ops = []
  const catchUp = (t, to) => { for (; t.seen < to; t.seen++) if (!t.mine.has(t.seen)) t.text.apply(ops[t.seen]) }
  for (let i = 0; i < 150; i++) {
    const t = texts[pick(3)]
    catchUp(t, t.seen + pick(ops.length - t.seen + 1))
    const length = [...String(t.text)].length
    const at = pick(length + 1)
    const op = length > at && pick(3) === 0 ? t.text.delete(at, 1 + pick(Math.min(3, length - at))) : t.text.insert(at, ['a', 'xyz', '🎉', '\n'][pick(4)])
    t.mine.add(ops.push(op) - 1)
  }
  for (const t of texts) catchUp(t, ops.length)
  const reads = texts.map((t) => String(t.text))
  if (new Set(reads).size > 1) wrong.push({ got: reads })
  const fromState = texts[0].text
  for (let i = 0; i < 20; i++) {
    const at = pick([...String(fromState)].length + 1)
    if (fromState.place(fromState.idBefore(at)) !== at) wrong.push({ got: at })
  }
  return { ops, text: reads[0] }
}

process.stdout.write(JSON.stringify({ wrong, runs: Array.from({ length: 50 }, typed) }))
