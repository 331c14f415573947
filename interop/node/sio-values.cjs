// Values on their way between the lines of JSON and a library: binary ones are
// {"_base64":"…"}, and {"_js":"…"} is what JSON has no word for.
'use strict'

// sioValues gives both directions, for Node and for a page.
function sioValues(bytes, base64, binary) {
  const each = (value, f) => {
    if (Array.isArray(value)) return value.map(f)
    const all = {}
    for (const key of Object.keys(value)) Object.defineProperty(all, key, { value: f(value[key]), enumerable: true, configurable: true, writable: true })
    return all
  }
  const read = (value) => {
    if (value === null || typeof value !== 'object') return value
    if (typeof value._base64 === 'string') return bytes(value._base64)
    if (typeof value._js === 'string') return (0, eval)('(' + value._js + ')')
    return each(value, read)
  }
  const write = (value) => {
    if (value instanceof ArrayBuffer) return { _base64: base64(new Uint8Array(value)) }
    if (binary(value)) return { _base64: base64(value) }
    if (value === null || typeof value !== 'object' || value instanceof Date) return value
    return each(value, write)
  }
  return { read, write }
}

if (typeof module === 'object') module.exports = sioValues
