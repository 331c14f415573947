// Two pictures of the same messages, by UDP and by TCP: above when each was
// sent, below when it came. What is drawn is what the trace has.
import { element } from "/live/timeline.js";

const words = { waiting: "", way: "on its way", time: "in time", late: "late", waited: "waited for the one before", overtaken: "overtaken", lost: "lost" };
const height = 120, top = 24, bottom = 96, edge = 10; // of a picture, in pixels

export default async function (lab) {
  const place = (name) => lab.root.querySelector(`[data-track="${name}"]`);
  let last = null;
  const draw = () => {
    if (!last) return;
    const end = Math.max(last.span, ...[...last.udp.list, ...last.tcp.list].map((m) => m.came));
    for (const name of ["udp", "tcp"]) place(name).replaceChildren(picture(last[name], end, place(name).clientWidth));
  };
  lab.on("race", (race) => {
    last = race;
    draw();
    table(lab, race);
    if (race.loss > 0 && race.kernel.out) lab.root.querySelector("#loss-of-tcp").textContent = lossOfTCP(race);
  });
  new ResizeObserver(draw).observe(lab.root.querySelector("#tracks"));
}

function lossOfTCP(race) {
  return race.modelled
    ? "TCP’s loss is modelled here, since this system cannot drop segments: now and then tap waits 200 ms, the least time after which Linux sends again."
    : "TCP’s loss was real here: the kernel dropped segments as they arrived, and the client’s kernel found out and sent them again.";
}

function svg(name, attributes, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// picture is a time axis with a line for each message.
function picture(track, end, width) {
  const x = (ms) => edge + (ms / end) * (width - 2 * edge);
  const lane = (y) => svg("line", { class: "lane", x1: edge, x2: width - edge, y1: y, y2: y });
  const root = svg("svg", { role: "img", "aria-label": track.said, width, height, viewBox: `0 0 ${width} ${height}` }, lane(top), lane(bottom), ...axis(end, x));
  const sent = track.list.filter((m) => m.state !== "waiting");
  let free = -Infinity; // where there is room for the next number
  for (const m of sent) {
    root.append(...message(m, x, end));
    if (x(m.sent) < free) continue;
    root.append(svg("text", { class: "number", x: x(m.sent), y: top - 6 }, String(m.n)));
    free = x(m.sent) + 20;
  }
  return root;
}

// A message that is not there has no second end: its line stops half way.
function message(m, x, end) {
  const there = m.state !== "way" && m.state !== "lost";
  const to = there ? x(m.came) : x(m.sent) + (x(end) - x(0)) / 60;
  const y = there ? bottom : (top + bottom) / 2;
  const line = svg("line", { class: m.state, x1: x(m.sent), y1: top, x2: to, y2: y });
  return m.state === "lost" ? [line, svg("path", { class: "lost", d: `M${to - 4} ${y - 4}l8 8m0-8l-8 8` })] : [line];
}

function axis(end, x) {
  const step = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((s) => end / s <= 6) ?? 10000;
  const marks = [];
  for (let ms = 0; ms <= end; ms += step) {
    if (x(end) - x(ms) < 20) break; // it would be cut off
    marks.push(svg("text", { class: "mark", x: x(ms), y: height - 6, "text-anchor": ms === 0 ? "start" : "middle" }, `${ms} ms`));
  }
  return marks;
}

function table(lab, race) {
  const rows = race.udp.list.map((m, i) => {
    const all = [...(m.rows ?? []), ...(race.tcp.list[i].rows ?? [])];
    const see = element("button", { type: "button", className: "see", textContent: String(m.n), title: "Show it in the timeline", onclick: () => lab.timeline.mark(all) });
    return element("tr", {}, element("th", { scope: "row" }, race.over ? see : String(m.n)), cell(m), cell(race.tcp.list[i]));
  });
  lab.root.querySelector("#messages tbody").replaceChildren(...rows);
}

function cell(m) {
  const there = m.state !== "waiting" && m.state !== "way" && m.state !== "lost";
  return element("td", { className: m.state === "lost" ? "wrong" : "", textContent: there ? `${(m.came - m.sent).toFixed(0)} ms, ${words[m.state]}` : words[m.state] });
}
