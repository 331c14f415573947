import { io } from "./socketio.js";
import { $, ask, node, showState } from "./kit.js";

const socket = io();
showState(socket, $("state"));
const most = 60;
let samples = [];

const plain = (n) => n.toLocaleString("en", { maximumFractionDigits: 0 });
const figures = [
  { key: "connections", name: "Connections", text: plain },
  { key: "in", name: "Events in, a second", text: plain },
  { key: "out", name: "Events out, a second", text: plain },
  { key: "memory", name: "Memory", text: (n) => `${(n / 2 ** 20).toFixed(1)} MiB` },
  { key: "goroutines", name: "Goroutines", text: plain },
  { key: "trip", name: "Round trip, median", text: (n) => `${n.toFixed(1)} ms` },
  { key: "slowest", name: "Round trip, slowest", text: (n) => `${n.toFixed(1)} ms` },
];
const of = (key) => figures.find((f) => f.key === key);

// The server asks how long a round trip takes: answer at once.
socket.on("trip", (answer) => answer());
socket.on("past", (past) => { samples = past; draw(); });
socket.on("sample", (sample) => {
  samples = [...samples, sample].slice(-most);
  draw();
});

// ------------------------------------------------------------------- drawing

const svg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) element.setAttribute(k, v);
  return element;
};

// Each chart has a value in words, and one curve or two.
const charts = [["connections"], ["in", "out"], ["memory"], ["goroutines"], ["trip", "slowest"]].map((keys) => {
  const value = node("b", {}, "–");
  const names = { in: "Events a second, in and (dashed) out", trip: "Round trip, median and (dashed) slowest" };
  const picture = svg("svg", { viewBox: `0 0 ${most - 1} 20`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const lines = keys.map((key, i) => svg("polyline", { class: i > 0 ? "other" : "" }));
  picture.append(...lines);
  $("charts").append(node("figure", {}, node("figcaption", {}, names[keys[0]] ?? of(keys[0]).name, value), picture));
  return { keys, value, lines };
});

const rows = figures.map((f) => {
  const cells = [0, 1, 2].map(() => node("td", { className: "number" }, "–"));
  const head = node("th", { scope: "row" }, f.name);
  $("table").append(node("tr", {}, head, ...cells));
  return { f, cells };
});

function draw() {
  const now = samples.at(-1);
  if (!now) return;
  for (const { keys, value, lines } of charts) {
    value.textContent = keys.map((key) => of(key).text(now[key])).join(" / ");
    const top = Math.max(1, ...samples.flatMap((s) => keys.map((key) => s[key])));
    lines.forEach((line, i) => line.setAttribute("points", samples.map((s, at) => `${most - samples.length + at},${19 - 18 * s[keys[i]] / top}`).join(" ")));
  }
  for (const { f, cells } of rows) {
    const all = samples.map((s) => s[f.key]);
    [now[f.key], Math.min(...all), Math.max(...all)].forEach((n, i) => { cells[i].textContent = f.text(n); });
  }
}

// --------------------------------------------------------------------- load

const send = (n) => { for (let i = 0; i < n; i++) socket.volatile.emit("noise", i); };
$("send").addEventListener("click", () => { for (let i = 0; i < 100; i++) socket.emit("noise", i); });
$("burst").addEventListener("click", async () => {
  try {
    await ask(socket, "burst", 300);
    $("error").textContent = "";
  } catch (e) {
    $("error").textContent = e.message;
  }
});

let steady;
$("steady").addEventListener("click", () => {
  clearInterval(steady);
  steady = steady ? undefined : setInterval(send, 100, 5);
  $("steady").setAttribute("aria-pressed", String(Boolean(steady)));
});

$("speak").addEventListener("click", () => {
  const now = samples.at(-1);
  $("said").textContent = now ? figures.map((f) => `${f.name}: ${f.text(now[f.key])}`).join("; ") + "." : "Nothing has been measured yet.";
});
