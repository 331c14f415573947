import { io } from "./socketio.js";
import { $, ask, clock, node, preset, showState } from "./kit.js";

const socket = io();
showState(socket, $("state"));
let wanted; // {name, room}, once we have joined
let me = "";
let lastId = 0;
const typists = new Map(); // names, and the timers that end them

$("name").value = preset("name");
$("room").value = preset("room", "lobby");

async function join(wish) {
  try {
    const { name, room, messages } = await ask(socket, "join", wish);
    if (wanted?.room !== room) start();
    wanted = wish;
    me = name;
    $("where").textContent = room;
    $("who").textContent = name;
    $("inside").hidden = false;
    $("error").textContent = "";
    messages.forEach(show);
  } catch (e) {
    $("error").textContent = e.message;
  }
}

function start() {
  $("messages").replaceChildren();
  $("typing").textContent = "";
  lastId = 0;
}

// show shows a message, unless it has come before: with the answer to join, or
// before the connection was lost.
function show({ id, name, text, time }) {
  if (id <= lastId) return;
  lastId = id;
  const list = $("messages");
  const atEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 40;
  list.append(node("p", { className: name === me ? "own" : "" }, node("b", {}, name), " ", node("time", { className: "quiet small" }, clock(time)), " ", text));
  while (list.children.length > 200) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
  stopped(name);
}

// The server knows a new connection by nobody's name: say who we are each time.
socket.on("connect", () => {
  if (wanted) join(wanted);
  else if ($("name").value) join({ name: $("name").value, room: $("room").value });
});
socket.on("message", show);
socket.on("people", (names) => { $("people").textContent = names.join(", "); });
socket.on("rooms", (rooms) => {
  $("rooms").replaceChildren(...rooms.map((r) => node("option", { value: r.name }, `${r.people} here`)));
});
socket.on("typing", ({ name, on }) => (on ? started(name) : stopped(name)));

// Who types and then vanishes stops typing after a while.
function started(name) {
  clearTimeout(typists.get(name));
  typists.set(name, setTimeout(stopped, 4000, name));
  showTypists();
}

function stopped(name) {
  clearTimeout(typists.get(name));
  if (typists.delete(name)) showTypists();
}

function showTypists() {
  const names = [...typists.keys()];
  $("typing").textContent = names.length === 0 ? "" : names.join(", ") + (names.length === 1 ? " is typing" : " are typing");
}

$("join").addEventListener("submit", (e) => {
  e.preventDefault();
  join({ name: $("name").value, room: $("room").value }).then(() => { if (wanted) $("text").focus(); });
});

$("say").addEventListener("submit", async (e) => {
  e.preventDefault();
  const text = $("text").value;
  try {
    await ask(socket, "say", text);
    if ($("text").value === text) $("text").value = "";
    $("error").textContent = "";
    typed(false);
  } catch (error) {
    $("error").textContent = error.message;
  }
});

// Typing is told once when it begins, again each 3 seconds, and when it ends.
let told = 0;
$("text").addEventListener("input", () => typed($("text").value !== ""));
function typed(on) {
  if (on && Date.now() - told < 3000 || !on && told === 0) return;
  told = on ? Date.now() : 0;
  socket.volatile.emit("typing", on);
}
