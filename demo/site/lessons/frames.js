// Frames as RFC 6455 5.2 draws them, from the bytes in the trace.
import { element } from "/live/timeline.js";

const mostBytes = 64; // of a frame's payload, drawn

export default async function (lab) {
  const find = (selector) => lab.root.querySelector(selector);
  const choice = find("#frame-choice");

  let chosen; // the last one: an answer may be late
  const choose = async (number) => {
    chosen = number;
    const answer = await fetch(`${lab.base}trace/record?n=${number}`);
    if (!answer.ok) return;
    const record = await answer.json();
    if (number !== chosen) return;
    const frame = { fields: record.fields ?? [], bytes: Uint8Array.from(atob(record.bytes ?? ""), (c) => c.charCodeAt(0)), words: record.lines[0] };
    for (const button of choice.children) button.setAttribute("aria-pressed", String(button.dataset.n === String(number)));
    find("#no-frame").hidden = true;
    draw(find("#bits"), frame);
    mask(find("#xor"), frame);
    lab.timeline.mark([number]);
  };
  lab.on("frames", (numbers) => {
    choice.replaceChildren(...numbers.map((n, i) => element("button", {
      type: "button", "data-n": String(n), "aria-pressed": "false", textContent: numbers.length === 1 ? "The frame" : `Frame ${i + 1}`, onclick: () => choose(n),
    })));
    if (numbers.length > 0) choose(numbers[0]);
  });
  lab.on("packed", (list) => packed(find("#packed"), list));
}

const hex = (byte) => byte.toString(16).padStart(2, "0");
const binary = (byte) => byte.toString(2).padStart(8, "0").replace(/^..../, "$& ");
const printed = (byte) => (byte > 32 && byte < 127 ? String.fromCharCode(byte) : byte === 32 ? "space" : "");

/** draw makes a table of 32 bits a row, with a cell for each field. */
function draw(table, { bytes, fields, words }) {
  const cells = fields.flatMap((field) => (field.name === "payload" ? payload(field, bytes, keyOf(bytes, fields)) : parts(field, bytes)));
  const head = element("tr", {}, element("td"), ...[0, 1, 2, 3].map((i) => element("th", { scope: "col", colSpan: 8, textContent: `+${i}` })));
  const rows = new Map();
  for (const cell of cells) {
    const at = Math.floor(cell.bit / 32);
    if (!rows.has(at)) rows.set(at, element("tr", {}, element("th", { scope: "row", textContent: `byte ${at * 4}` })));
    rows.get(at).append(element("td", { colSpan: cell.bits, className: cell.kind + (cell.bits < 4 ? " thin" : "") },
      element("span", { className: "name", textContent: cell.name }), " ", element("code", { textContent: cell.value })));
  }
  const more = Math.max(0, bytes.length - (cells.at(-1)?.bit ?? 0) / 8 - 1);
  const widths = element("colgroup", {}, element("col", { className: "first" }), element("col", { span: 32 }));
  table.replaceChildren(element("caption", { textContent: words + (more >= 1 ? `; ${Math.floor(more)} more bytes follow` : "") }),
    widths, element("thead", {}, head), element("tbody", {}, ...rows.values()));
  table.hidden = false;
}

// parts are the cells of a field of the head, cut where a row ends.
function parts(field, bytes) {
  const cells = [];
  for (let bit = field.bit, end = field.bit + field.bits; bit < end;) {
    const bits = Math.min(end, (Math.floor(bit / 32) + 1) * 32) - bit;
    cells.push({ bit, bits, kind: field.name === "masking key" ? "key" : "head", name: field.name, value: bits < 8 ? digits(bytes, bit, bits) : spread(bytes, bit, bits) });
    bit += bits;
  }
  return cells;
}

function digits(bytes, bit, bits) {
  let text = "";
  for (let i = bit; i < bit + bits; i++) text += (bytes[i >> 3] >> (7 - (i % 8))) & 1;
  return text;
}

const spread = (bytes, bit, bits) => [...bytes.slice(bit / 8, (bit + bits) / 8)].map(hex).join(" ");

// keyOf is the masking key of a frame, and four zeros where it has none.
function keyOf(bytes, fields) {
  const key = fields.find((f) => f.name === "masking key");
  return key ? bytes.slice(key.bit / 8, key.bit / 8 + 4) : new Uint8Array(4);
}

// payload has a cell for each byte, named by what it is once it is unmasked.
function payload(field, bytes, key) {
  const from = field.bit / 8;
  return [...bytes.slice(from, Math.min(from + field.bits / 8, from + mostBytes))].map((byte, i) =>
    ({ bit: field.bit + i * 8, bits: 8, kind: "payload", name: `payload ${printed(byte ^ key[i % 4])}`, value: hex(byte) }));
}

/** mask shows how each byte of a payload came out of the key. */
function mask(table, { bytes, fields }) {
  const key = fields.find((f) => f.name === "masking key");
  const body = fields.find((f) => f.name === "payload");
  table.hidden = !key || !body || body.bits === 0;
  if (table.hidden) return;
  const keyed = keyOf(bytes, fields);
  const sent = bytes.slice(body.bit / 8, Math.min(body.bit + body.bits, body.bit + mostBytes * 8) / 8);
  const cell = (byte) => element("td", {}, element("code", { textContent: `${hex(byte)}  ${binary(byte)}` }));
  const rows = [...sent].map((byte, i) => element("tr", {}, element("th", { scope: "row", textContent: String(i) }), cell(byte), cell(keyed[i % 4]), cell(byte ^ keyed[i % 4]),
    element("td", { textContent: printed(byte ^ keyed[i % 4]) })));
  const titles = ["byte", "on the wire", "of the key", "XOR of both", "as text"].map((t) => element("th", { scope: "col", textContent: t }));
  table.replaceChildren(element("thead", {}, element("tr", {}, ...titles)), element("tbody", {}, ...rows));
}

function packed(table, list) {
  table.hidden = list.length === 0;
  const titles = ["from", "text", "bytes", "in the frame", "how"].map((t) => element("th", { scope: "col", textContent: t }));
  table.replaceChildren(element("thead", {}, element("tr", {}, ...titles)), element("tbody", {}, ...list.map((m) =>
    element("tr", {}, ...[m.who, m.text, m.size, m.wire, m.how].map((t) => element("td", { textContent: String(t) }))))));
}
