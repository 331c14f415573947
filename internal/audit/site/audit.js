// Opens one WebSocket after another, until the server has asked everything.
const progress = document.getElementById('progress')
const bar = document.getElementById('bar')

async function state() {
  const response = await fetch('/state')
  return response.json()
}

// attempt waits until a WebSocket has ended, by whom ever.
function attempt(protocols) {
  return new Promise((resolve) => {
    const url = new URL('/attempt', location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(url, protocols)
    socket.onclose = resolve
  })
}

function show(rows) {
  const body = document.getElementById('rows')
  for (const row of rows) {
    const line = body.insertRow()
    line.className = row.verdict
    for (const text of [row.verdict, row.sent, row.due, row.text || row.came || '', row.clause]) line.insertCell().textContent = text
  }
  document.getElementById('table').hidden = false
}

async function run() {
  for (let now = await state(); ; now = await state()) {
    bar.max = now.of
    bar.value = now.of - now.left
    if (now.done) {
      const findings = now.rows.filter((row) => row.verdict === 'finding').length
      progress.textContent = `All ${now.of} answers were given. Findings: ${findings}.`
      show(now.rows)
      return
    }
    progress.textContent = `${now.left} of ${now.of} answers are left.`
    await attempt(now.protocols)
  }
}

run().catch((error) => { progress.textContent = `The server is gone: ${error.message}` })
