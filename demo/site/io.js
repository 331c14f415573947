// What the labs on Socket.IO share: a client in this page, what it tells the
// timeline, and the list of what it has heard.
import { element } from "/live/timeline.js";
import { io } from "/site/socketio.js";

/**
 * client makes a socket that reaches the lab's server, not connected yet. What
 * becomes of it is shown in the element state, and noted in the timeline as who's;
 * tell gets it, too.
 */
export function client(lab, { namespace = "/", who = "browser", state, tell, ...options } = {}) {
  const socket = io(namespace, { path: lab.base + "socket.io/", autoConnect: false, ...options });
  const note = (text) => {
    tell?.(text);
    lab.call("note", { who, text: text.slice(0, 250) }).catch(() => {}); // the visit may be over
  };
  const show = (text) => { if (state && state.textContent !== text) state.textContent = text; };
  const connected = () => show(`connected by ${socket.transport}, as ${socket.id}`);
  let since = performance.now();
  const leave = () => socket.disconnect();
  addEventListener("pagehide", leave);
  lab.visit.addEventListener("lost", leave);
  socket.on("connect", () => {
    note(`connect: it is ${socket.id}, by ${socket.transport}${socket.recovered ? ", recovered" : ""}`);
    connected();
  });
  socket.io.on("upgrade", (transport) => {
    note(`upgrade: by ${transport} from here on`);
    if (socket.connected) connected();
  });
  socket.on("disconnect", (reason) => {
    since = performance.now();
    note(`disconnect: ${reason}`);
    show(`not connected: ${reason}`);
  });
  socket.on("connect_error", (error) => {
    since = performance.now();
    note(`connect_error: ${failed(error)}`);
    show(`not connected: ${failed(error)}`);
  });
  socket.io.on("reconnect_attempt", (n) => note(`waited ${Math.round(performance.now() - since)} ms; attempt ${n} to connect again`));
  return socket;
}

/** failed words an error of a client: its message, and what came with it. */
export function failed(error) {
  const more = error.data ?? (error.context ? `${error.description} ${error.context}` : error.description);
  return more === undefined ? error.message : `${error.message}, ${typeof more === "object" ? JSON.stringify(more) : more}`;
}

const mostHeard = 40;

/** heard returns what adds a line to a list of what this page has heard. */
export function heard(list) {
  return (text) => {
    list.append(element("p", { textContent: text }));
    while (list.childElementCount > mostHeard) list.firstElementChild.remove();
    list.scrollTop = list.scrollHeight;
  };
}

/** written is arguments as they are written: JSON, and bytes in hexadecimal. */
export function written(args) {
  return args.filter((a) => typeof a !== "function").map((a) => JSON.stringify(a, (_, v) => (v instanceof Uint8Array ? `${v.length} bytes: ${hex(v)}` : v))).join(", ");
}

const hex = (bytes) => Array.from(bytes.slice(0, 16), (b) => b.toString(16).padStart(2, "0")).join(" ") + (bytes.length > 16 ? " …" : "");
