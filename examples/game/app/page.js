import { io } from "./socketio.js";
import { $, ask, node, preset, showState } from "./kit.js";

const socket = io();
showState(socket, $("state"));
$("name").value = preset("name");
let wanted = ""; // our name, once we play
let dot = "";

async function join(name) {
  try {
    await ask(socket, "join", { name });
    wanted = name;
    $("error").textContent = "";
  } catch (e) {
    $("error").textContent = e.message;
  }
}

// The server knows a new connection by nobody's name.
socket.on("connect", () => {
  const name = wanted || $("name").value;
  if (name) join(name);
});
$("join").addEventListener("submit", (e) => {
  e.preventDefault();
  join($("name").value).then(() => $("board").focus());
});

// ---------------------------------------------------------------- what we say

// We say where we turn. Where we are comes back with the next tick.
const turn = (way) => socket.emit("turn", way);

const keys = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", w: "up", s: "down", a: "left", d: "right", " ": "stop" };
$("board").addEventListener("keydown", (e) => {
  const way = keys[e.key] ?? keys[e.key.toLowerCase()];
  if (!way || e.ctrlKey || e.metaKey || e.altKey) return;
  e.preventDefault();
  if (!e.repeat) turn(way);
});

for (const button of document.querySelectorAll("[data-way]")) button.addEventListener("click", () => turn(button.dataset.way));

// A swipe turns, and a tap stops.
let from;
$("board").addEventListener("pointerdown", (e) => { from = [e.clientX, e.clientY]; });
$("board").addEventListener("pointerup", (e) => {
  if (!from) return;
  const [x, y] = [e.clientX - from[0], e.clientY - from[1]];
  from = undefined;
  if (Math.max(Math.abs(x), Math.abs(y)) < 12) turn("stop");
  else if (Math.abs(x) > Math.abs(y)) turn(x > 0 ? "right" : "left");
  else turn(y > 0 ? "down" : "up");
});

// ----------------------------------------------------------- what is said to us

const shapes = new Map(); // by the id of the player
const element = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);

function shape({ id, name }, i) {
  const g = element("g");
  const rect = element("rect");
  for (const [k, v] of Object.entries({ x: 0.05, y: 0.05, width: 0.9, height: 0.9 })) rect.setAttribute(k, v);
  const letter = element("text");
  letter.setAttribute("x", 0.5);
  letter.setAttribute("y", 0.74);
  letter.textContent = [...name][0].toUpperCase();
  g.append(rect, letter);
  g.setAttribute("class", `by${i % 5}${id === socket.id ? " own" : ""}`);
  $("picture").append(g);
  return g;
}

socket.on("tick", (now) => {
  $("dot").setAttribute("cx", now.dot.x + 0.5);
  $("dot").setAttribute("cy", now.dot.y + 0.5);
  const gone = new Set(shapes.keys());
  now.players.forEach((p, i) => {
    gone.delete(p.id);
    if (!shapes.has(p.id)) shapes.set(p.id, shape(p, i));
    shapes.get(p.id).style.transform = `translate(${p.x}px, ${p.y}px)`;
  });
  for (const id of gone) {
    shapes.get(id).remove();
    shapes.delete(id);
  }
  $("players").replaceChildren(...now.players.map((p) => node("tr", {},
    node("td", {}, p.id === socket.id ? `${p.name} (you)` : p.name), ...[p.score, p.x + 1, p.y + 1].map((n) => node("td", { className: "number" }, String(n))))));
  guide(now);
});

// guide says where the dot is, seen from us, whenever it is somewhere else.
function guide({ dot: { x, y }, players }) {
  const us = players.find((p) => p.id === socket.id);
  const at = `${x} ${y}`;
  if (!us || at === dot) return;
  dot = at;
  const side = [x > us.x && `${x - us.x} right`, x < us.x && `${us.x - x} left`, y > us.y && `${y - us.y} down`, y < us.y && `${us.y - y} up`];
  $("where").textContent = `The dot is ${side.filter(Boolean).join(", ")} of you.`;
}

socket.on("scored", ({ name, score }) => { $("news").textContent = `${name} has ${score}.`; });
socket.on("won", ({ name }) => { $("news").textContent = `${name} has won. A new round begins.`; });
