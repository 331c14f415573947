// The live timeline: records of a trace, as they come, between two lanes. A row
// opens to its bytes, and each byte belongs to a field.
//
// All that a peer has sent is set as text, never as HTML.

const shownRows = 1500; // in the page at once; older ones leave it
const keptRows = 20000; // for replay
const paces = { live: 0, slow: 400, slower: 1500 }; // milliseconds for a row

/** element makes one, with properties, attributes and children. */
export function element(name, properties = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in e && key !== "list" && key !== "role") e[key] = value;
    else e.setAttribute(key, value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

export class Timeline {
  #root; #base; #list; #count; #pauseButton;
  #rows = []; // all that came, for replay
  #waiting = []; // not shown yet
  #marks = new Set(); // the numbers of rows that are marked
  #paused = false;
  #timer = 0;
  #next = 0; // the number to ask from
  #first = 0; // when the first row was made
  #socket = null;
  #failures = 0;
  #over = false;

  /**
   * Timeline fills root. base is the path of its server's handler, with a slash
   * at its end; level is how much is shown at first, 1 to 4.
   */
  constructor(root, base, level = 2) {
    this.#root = root;
    this.#base = base;
    this.#build(level);
    this.#connect();
  }

  #build(level) {
    const option = (value, text) => element("option", { value, textContent: text, selected: value === String(level) });
    this.#pauseButton = element("button", { type: "button", textContent: "Pause", onclick: () => this.pause(!this.#paused) });
    this.speed = element("select", { onchange: () => this.#play() },
      option("live", "live"), option("slow", "slow"), option("slower", "very slow"));
    this.level = element("select", { onchange: () => this.#filter() },
      option("1", "connections"), option("2", "messages"), option("3", "frames and packets"), option("4", "every byte"));
    this.#count = element("span", { className: "count" });
    const bar = element("div", { className: "timeline-bar", role: "group", "aria-label": "Timeline" },
      this.#pauseButton,
      element("button", { type: "button", textContent: "Step", title: "Show one more record", onclick: () => this.step() }),
      element("button", { type: "button", textContent: "Replay", title: "Show all of it again, in its rhythm", onclick: () => this.replay() }),
      element("button", { type: "button", textContent: "Clear", onclick: () => this.clear() }),
      element("label", {}, "Speed ", this.speed),
      element("label", {}, "Show ", this.level),
      element("span", { className: "downloads" }, "Save ",
        element("a", { href: this.#base + "trace.jsonl", download: "trace.jsonl", textContent: "JSON lines" }), " ",
        element("a", { href: this.#base + "trace.pcapng", download: "trace.pcapng", textContent: "pcapng" })),
      this.#count);
    const lanes = element("div", { className: "lanes", "aria-hidden": "true" }, element("span", {}, "client"), element("span", {}, "server"));
    this.#list = element("ol", { className: "rows", tabIndex: 0, "aria-label": "Records, oldest first", onkeydown: (e) => this.#key(e) });
    this.#root.replaceChildren(bar, lanes, this.#list);
    this.#filter();
    this.#tell();
  }

  /** stop ends the connection to the server. */
  stop() {
    this.#over = true;
    this.#socket?.close();
  }

  #connect() {
    const url = new URL(this.#base + "rows?from=" + this.#next, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(url));
    socket.onmessage = (message) => {
      this.#failures = 0;
      this.#take(JSON.parse(message.data));
    };
    socket.onclose = () => this.#again();
  }

  // A connection that is lost is opened again, from where it was.
  #again() {
    if (this.#over) return;
    if (++this.#failures > 5) {
      this.#count.textContent = "The server is gone: reload the page.";
      return;
    }
    setTimeout(() => this.#over || this.#connect(), 250 * this.#failures);
  }

  #take(batch) {
    this.#next = batch.next;
    for (const row of batch.rows) {
      this.#rows.push(row);
      this.#waiting.push(row);
    }
    if (this.#rows.length > keptRows) this.#rows.splice(0, this.#rows.length - keptRows);
    this.#play();
  }

  /** pause holds what comes back, or lets it go on. */
  pause(on) {
    this.#paused = on;
    this.#pauseButton.textContent = on ? "Go on" : "Pause";
    this.#pauseButton.setAttribute("aria-pressed", String(on));
    this.#play();
  }

  /** step shows the next record, and pauses behind it. */
  step() {
    this.pause(true);
    while (this.#waiting.length > 0 && !this.#isShown(this.#waiting[0])) this.#show([this.#waiting.shift()]);
    if (this.#waiting.length > 0) this.#show([this.#waiting.shift()]);
    this.#tell();
  }

  /** replay shows all of it again, with the pauses that were between them, up to a second. */
  replay() {
    this.clear();
    this.#first = 0;
    this.#waiting = this.#rows.map((row, i) => {
      const gap = i + 1 < this.#rows.length ? (this.#rows[i + 1].at - row.at) / 1e6 : 0;
      return { ...row, wait: Math.max(this.#isShown(row) ? 30 : 0, Math.min(gap, 1000)) };
    });
    this.pause(false);
  }

  /** clear empties the view; the server keeps its records. */
  clear() {
    this.#list.replaceChildren();
    this.#waiting = [];
    this.#tell();
  }

  // What is shown depends on the pace: all at once, or one after the other.
  #play() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (!this.#paused && this.#waiting.length > 0) {
      const pace = paces[this.speed.value];
      if (pace === 0 && this.#waiting[0].wait === undefined) {
        this.#show(this.#waiting.splice(0));
      } else {
        const row = this.#waiting.shift();
        this.#show([row]);
        const wait = pace === 0 ? row.wait : this.#isShown(row) ? pace : 0;
        this.#timer = setTimeout(() => this.#play(), wait);
      }
    }
    this.#tell();
  }

  #tell() {
    const behind = this.#waiting.length > 0 ? `, ${this.#waiting.length} to come` : "";
    this.#count.textContent = `${this.#list.childElementCount} records${behind}`;
  }

  #isShown(row) { return row.level <= Number(this.level.value); }

  #filter() { this.#list.dataset.level = this.level.value; }

  #show(rows) {
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    const batch = document.createDocumentFragment();
    for (const row of rows.slice(-shownRows)) batch.append(this.#row(row));
    list.append(batch);
    while (list.childElementCount > shownRows) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
    this.#root.dispatchEvent(new CustomEvent("rows", { detail: rows }));
  }

  #row(row) {
    this.#first ||= row.at;
    const where = row.way === "right" ? "to the server" : row.way === "left" ? "to the client" : "";
    const who = row.who || (row.conn ? `connection ${row.conn}` : row.side || "");
    const button = element("button", { type: "button", className: "record", "aria-expanded": "false", onclick: () => this.#toggle(item, row) },
      element("span", { className: "at", textContent: since(row.at - this.#first) }),
      element("span", { className: "who", textContent: who }),
      element("span", { className: "spoken", textContent: where ? ` ${where}: ` : ": " }),
      element("span", { className: "text" }, ...row.lines.flatMap((line, i) => (i === 0 ? [line] : [element("br"), line]))));
    const item = element("li", {
      className: `row ${row.way ? "way-" + row.way : "note"} side-${row.side || "none"} event-${row.event}${this.#marks.has(row.n) ? " marked" : ""}`,
      "data-n": String(row.n), "data-level": String(row.level),
    }, button);
    return item;
  }

  // The arrow keys walk along the rows.
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target.closest("select, .detail")) return;
    const buttons = [...this.#list.querySelectorAll("button.record")].filter((b) => b.offsetParent !== null);
    const at = buttons.indexOf(event.target);
    const next = buttons[at < 0 ? (step > 0 ? 0 : buttons.length - 1) : at + step];
    if (next) {
      next.focus();
      event.preventDefault();
    }
  }

  async #toggle(item, row) {
    const open = item.querySelector(".detail");
    item.querySelector(".record").setAttribute("aria-expanded", String(!open));
    if (open) {
      open.remove();
      return;
    }
    const box = element("div", { className: "detail" }, "…");
    item.append(box);
    try {
      const answer = await fetch(this.#base + "record?n=" + row.n);
      if (!answer.ok) throw new Error((await answer.text()).trim());
      box.replaceChildren(...detail(await answer.json()));
    } catch (error) {
      box.replaceChildren(String(error.message || error));
    }
  }

  /**
   * mark shows the rows of these numbers, those too that are still to come, and
   * scrolls the list to the first; the page as well, where go says so. Rows of
   * which none would be seen have their level shown.
   */
  mark(numbers, go = false) {
    this.#marks = new Set(numbers);
    for (const item of this.#list.children) item.classList.toggle("marked", this.#marks.has(Number(item.dataset.n)));
    const first = this.#marked();
    if (!first) return;
    const [row, list] = [first.getBoundingClientRect(), this.#list.getBoundingClientRect()];
    if (row.top < list.top || row.bottom > list.bottom) this.#list.scrollTop += row.top - list.top - 8;
    if (go) first.scrollIntoView({ block: "nearest" });
  }

  // The first row that is marked and shown.
  #marked() {
    const all = [...this.#list.querySelectorAll(".marked")];
    const shown = () => all.find((item) => item.offsetParent !== null);
    if (all.length > 0 && !shown()) {
      this.level.value = String(Math.min(...all.map((item) => Number(item.dataset.level))));
      this.#filter();
    }
    return shown();
  }
}

function since(nanoseconds) {
  const ms = nanoseconds / 1e6;
  return ms < 10000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

// ---- the details of a record ----

function detail(d) {
  const bytes = d.bytes ? Uint8Array.from(atob(d.bytes), (c) => c.charCodeAt(0)) : new Uint8Array(0);
  const parts = [];
  if (bytes.length > 0) parts.push(...dissection(bytes, d.fields || []));
  if (d.note) parts.push(element("p", { className: "aside", textContent: d.note }));
  if (d.command) parts.push(copied(d.command));
  parts.push(element("details", { className: "json" },
    element("summary", { textContent: "The record, as JSON" }),
    element("pre", { tabIndex: 0, textContent: JSON.stringify(d.record, null, 2) })));
  return parts;
}

function copied(command) {
  const button = element("button", { type: "button", textContent: "Copy", onclick: async () => {
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
  } });
  const code = element("code", { textContent: command });
  return element("p", { className: "command" }, code, " ", button);
}

const mostBytes = 512; // shown at once

/** dissection shows bytes and their fields, each of which points to the other. */
export function dissection(bytes, fields) {
  const flat = [];
  const hex = element("div", { className: "hex", role: "group", tabIndex: 0, "aria-label": `${bytes.length} bytes in hexadecimal; the list of fields says what they are` });
  const info = element("ul", { className: "fields" });
  const choose = (chosen) => {
    for (const f of flat) {
      const on = f === chosen;
      f.button.setAttribute("aria-pressed", String(on));
      f.more.hidden = !on;
    }
    const [from, to] = chosen ? span(chosen.field) : [0, 0];
    for (const cell of hex.querySelectorAll(".byte")) cell.classList.toggle("on", cell.dataset.i >= from && cell.dataset.i < to);
  };
  const list = (of, into) => {
    for (const field of of) {
      const entry = fieldEntry(field, bytes, choose);
      flat.push(entry);
      into.append(entry.item);
      if (field.fields?.length) {
        const inner = element("ul");
        list(field.fields, inner);
        entry.item.append(inner);
      }
    }
  };
  list(fields, info);
  hex.onclick = (event) => {
    const cell = event.target.closest(".byte");
    if (cell) choose(smallest(flat, Number(cell.dataset.i)));
  };
  fill(hex, bytes, Math.min(bytes.length, mostBytes), flat);
  const parts = [hex];
  if (bytes.length > mostBytes) {
    parts.push(element("button", { type: "button", textContent: `Show all ${bytes.length} bytes`, onclick: (e) => {
      e.target.remove();
      fill(hex, bytes, bytes.length, flat);
    } }));
  }
  if (flat.length > 0) parts.push(info);
  return parts;
}

// span is the bytes that a field has a part of.
function span(field) { return [Math.floor(field.bit / 8), Math.ceil((field.bit + field.bits) / 8)]; }

// smallest is the field of a byte that says most about it.
function smallest(flat, i) {
  let best = null;
  for (const f of flat) {
    const [from, to] = span(f.field);
    if (i >= from && i < to && (!best || f.field.bits <= best.field.bits)) best = f;
  }
  return best;
}

function fieldEntry(field, bytes, choose) {
  const entry = { field };
  entry.button = element("button", { type: "button", className: "field", "aria-pressed": "false", onclick: () => choose(entry.more.hidden ? entry : null) },
    element("span", { className: "name", textContent: field.name }), " ", element("code", { textContent: field.value ?? "" }));
  entry.more = element("div", { className: "meaning", hidden: true });
  const bits = bitsOf(field, bytes);
  if (bits) entry.more.append(element("code", { className: "bits", textContent: bits }), " ");
  entry.more.append(field.meaning || "");
  if (field.clause) {
    entry.more.append(" ", field.link
      ? element("a", { href: field.link, target: "_blank", rel: "noopener noreferrer", textContent: field.clause })
      : field.clause);
  }
  entry.item = element("li", {}, entry.button, entry.more);
  return entry;
}

// bitsOf draws a field that is less than whole bytes: 1... ....
function bitsOf(field, bytes) {
  if (field.bits === 0 || field.bits > 16 || (field.bit % 8 === 0 && field.bits % 8 === 0)) return "";
  const [from, to] = span(field);
  let text = "";
  for (let i = from * 8; i < to * 8; i++) {
    const inside = i >= field.bit && i < field.bit + field.bits;
    text += inside ? (bytes[i >> 3] >> (7 - (i % 8))) & 1 : ".";
    if (i % 8 === 3) text += " ";
  }
  return text;
}

const perLine = 16;

function fill(hex, bytes, count, flat) {
  const lines = document.createDocumentFragment();
  for (let at = 0; at < count; at += perLine) {
    const cells = element("span", { className: "cells" });
    const text = element("span", { className: "chars" });
    for (let i = at; i < Math.min(at + perLine, count); i++) {
      const title = smallest(flat, i)?.field.name ?? "";
      cells.append(element("span", { className: "byte", "data-i": String(i), title, textContent: bytes[i].toString(16).padStart(2, "0") }), " ");
      text.append(element("span", { className: "byte", "data-i": String(i), title, textContent: bytes[i] >= 32 && bytes[i] < 127 ? String.fromCharCode(bytes[i]) : "." }));
    }
    lines.append(element("div", {}, element("span", { className: "offset", textContent: at.toString(16).padStart(4, "0") }), cells, text));
  }
  hex.replaceChildren(lines);
}
