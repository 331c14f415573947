import { io } from "./socketio.js";
import { $, ask, node, preset, showState } from "./kit.js";
import { Text } from "./text.js";

const socket = io();
showState(socket, $("state"));
const field = $("text");
$("name").value = preset("name", "somebody");

// This copy's name: no two may be the same, and nobody need hand them out.
const site = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => (b % 36).toString(36)).join("");

let text = new Text(site);
let shown = ""; // what is in the field, as this page last knew it
let pending = []; // our changes that the server has not acknowledged
let early = []; // changes of others that have to wait
let opening = 0;
let composing = false; // by an input method
let people = [];
const perChange = 500; // characters, as the server wants it

// ---------------------------------------------------------- what we have typed

field.addEventListener("input", () => { if (!composing) typed(); });
field.addEventListener("compositionstart", () => { composing = true; });
field.addEventListener("compositionend", () => {
  composing = false;
  typed();
  catchUp();
});

// typed finds out what has changed, between what has not at the beginning and at
// the end.
function typed() {
  const [before, after] = [[...shown], [...field.value.toWellFormed()]];
  let start = 0;
  while (start < before.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  for (let n = before.length - end - start; n > 0; n -= perChange) send(text.delete(start, Math.min(n, perChange)));
  for (let i = start; i < after.length - end; i += perChange) send(text.insert(i, after.slice(i, Math.min(i + perChange, after.length - end)).join("")));
  shown = text.toString();
  draw();
  tellSoon();
}

function send(op) {
  pending.push(op);
  if (socket.connected) deliver(op);
  count();
}

// Without an answer the change stays, and is sent again over the next connection:
// the server knows it by its name, should it have come through.
async function deliver(op) {
  const { error } = await socket.emitWithAck("edit", op).catch(() => ({ error: "" }));
  if (error === "" || !pending.includes(op)) return;
  pending = error ? [] : pending.filter((p) => p !== op);
  count();
  if (!error) return;
  $("error").textContent = `A change was refused, and taken back: ${error}`;
  open();
}

function count() {
  $("pending").textContent = socket.connected || pending.length === 0 ? "" : `${pending.length} ${pending.length === 1 ? "change waits" : "changes wait"} for the connection.`;
}

// ------------------------------------------------------------ what others typed

// open gets the whole text, and does again to it what we did meanwhile. What
// others do until it has come waits; some of it may be in it.
async function open() {
  opening++;
  try {
    const { state } = await ask(socket, "open", { name: $("name").value.trim() || "somebody" });
    const place = text.idBefore(placeOf(field.selectionStart));
    text = new Text(site, state);
    const again = pending;
    pending = [];
    for (const op of again) if (text.apply(op)) send(op);
    const at = offsetOf(text.toString(), text.place(place));
    write(at, at);
    field.disabled = false;
    last = ""; // the server has forgotten it
    tellCursor();
  } catch (e) {
    $("error").textContent = e.message;
  }
  opening--;
  catchUp();
}

function catchUp() {
  if (opening === 0 && !composing) early.splice(0).forEach(apply);
}
socket.on("connect", open);
socket.on("disconnect", count);
$("name").addEventListener("change", open);

socket.on("edit", (op) => {
  early.push(op);
  catchUp();
});

// apply changes the text around our cursor, which stays where it is in the text.
function apply(op) {
  let [start, end] = [placeOf(field.selectionStart), placeOf(field.selectionEnd)];
  const changes = text.apply(op);
  if (!changes) return open(); // it speaks of what we do not have: begin anew
  const moved = (place, { at, removed, inserted }) => (at < place ? place - removed + inserted : place);
  for (const change of changes) [start, end] = [moved(start, change), moved(end, change)];
  const now = text.toString();
  write(offsetOf(now, start), offsetOf(now, end));
}

function write(start, end) {
  shown = text.toString();
  const top = field.scrollTop;
  field.value = shown;
  field.setSelectionRange(start, end);
  field.scrollTop = top;
  draw();
}

// A field counts UTF-16 units, and the text counts characters.
const placeOf = (offset) => [...field.value.slice(0, offset)].length;
const offsetOf = (string, place) => [...string].slice(0, place).join("").length;

// ------------------------------------------------------------------- cursors

let told;
let last = "";
const tellSoon = () => { told ??= setTimeout(tellCursor, 150); };
for (const event of ["selectionchange", "select", "keyup", "pointerup"]) document.addEventListener(event, tellSoon);

function tellCursor() {
  clearTimeout(told);
  told = undefined;
  const at = text.idBefore(placeOf(field.selectionEnd));
  if (!socket.connected || JSON.stringify(at) === last) return;
  last = JSON.stringify(at);
  socket.emit("cursor", at);
}

socket.on("people", (all) => { people = all; draw(); });
socket.on("cursor", ({ who, at }) => {
  for (const p of people) if (p.who === who) p.at = at;
  draw();
});

// draw shows who is here and where, in words, and as marks below the text.
function draw() {
  const chars = [...shown];
  const all = people.map((p, i) => ({ ...p, place: text.place(p.at), by: `by${i % 5}`, own: p.who === socket.id }));
  $("people").replaceChildren(...all.map(({ name, place, by, own }) => {
    const lines = chars.slice(0, place).join("").split("\n");
    return node("li", { className: by }, own ? `${name} (you)` : `${name}, line ${lines.length}, column ${[...lines.at(-1)].length + 1}`);
  }));
  const parts = [];
  let from = 0;
  for (const { name, place, by } of all.filter((p) => !p.own).sort((a, b) => a.place - b.place)) {
    const mark = node("span", { className: by });
    mark.dataset.name = name;
    parts.push(chars.slice(from, place).join(""), mark);
    from = place;
  }
  $("shadow").replaceChildren(...parts, chars.slice(from).join("") + "\n");
  $("shadow").scrollTop = field.scrollTop;
}
field.addEventListener("scroll", () => { $("shadow").scrollTop = field.scrollTop; });
