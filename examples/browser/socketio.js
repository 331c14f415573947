// A client for Socket.IO 4 in a browser, made to be read.
//
//   import { io } from "./socketio.js";
//   const socket = io();
//   socket.on("message", (text) => show(text));
//   socket.emit("message", "hello", (answer) => show(answer));
//
// engineio.js has the session below: the transports, the heartbeat, the upgrade.
// Here are events, acknowledgements, the namespace, and the way back when the
// session is lost. Each socket has a session of its own; the official client puts
// several namespaces on one, and has more options. Names and words are its own.

import { Engine, failure } from "./engineio.js";

const isBinary = (v) => v instanceof ArrayBuffer || ArrayBuffer.isView(v);
const asBytes = (v) => (v instanceof ArrayBuffer ? new Uint8Array(v) : new Uint8Array(v.buffer, v.byteOffset, v.byteLength));

// A packet of Socket.IO, in a message of Engine.IO:
//   TYPE [ATTACHMENTS -] [/NAMESPACE ,] [ACKNOWLEDGEMENT ID] [JSON]
// An event is ["name", argument, …]. Bytes are taken out of the JSON, a
// placeholder in their stead, and follow as binary messages.

const CONNECT = 0, DISCONNECT = 1, EVENT = 2, ACK = 3, CONNECT_ERROR = 4, BINARY = 3; // BINARY makes 2 and 3 to 5 and 6

function encode(type, namespace, id, data) {
  const bytes = [];
  const json = JSON.stringify(data ?? undefined, (_, v) => (isBinary(v) ? { _placeholder: true, num: bytes.push(asBytes(v)) - 1 } : v));
  const head = bytes.length > 0 ? `${type + BINARY}${bytes.length}-` : `${type}`;
  return ["4" + head + (namespace === "/" ? "" : namespace + ",") + (id ?? "") + (json ?? ""), ...bytes];
}

function decode(text) {
  const m = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*)(?:,|$))?(\d*)(.*)$/s.exec(text);
  if (!m) throw failure("unknown packet");
  const binary = m[1] > 4;
  const due = binary ? Number(m[2]) : 0;
  if (binary && !(due >= 1 && due <= 10)) throw failure("illegal attachments");
  return { type: m[1] - (binary ? BINARY : 0), due, bytes: [], namespace: m[3] ?? "/", id: m[4] && Number(m[4]), json: m[5] };
}

function dataOf({ json, bytes, due }) {
  return json && JSON.parse(json, (_, v) => {
    if (due === 0 || v?._placeholder !== true) return v;
    if (typeof v.num !== "number" || !(v.num in bytes)) throw failure("illegal attachments");
    return bytes[v.num];
  });
}

class Emitter {
  #listeners = new Map();

  on(name, f) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), f]);
    return this;
  }

  once(name, f) {
    const once = (...args) => { this.off(name, once); f(...args); };
    once.of = f;
    return this.on(name, once);
  }

  off(name, f) {
    if (name === undefined) this.#listeners.clear();
    else this.#listeners.set(name, f ? (this.#listeners.get(name) ?? []).filter((g) => g !== f && g.of !== f) : []);
    return this;
  }

  // fire calls the listeners. An error of theirs goes to the console, and must not
  // end the session.
  fire(name, ...args) {
    for (const f of this.#listeners.get(name) ?? []) {
      try { f(...args); } catch (e) { reportError(e); }
    }
  }
}

const reserved = new Set(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]);
const any = Symbol("any event");

class Socket extends Emitter {
  connected = false;
  recovered = false;
  active = false; // connected, or about to connect again by itself
  id; auth;
  io = new Emitter(); // reconnect_attempt(n), reconnect(n), reconnect_failed(), upgrade(transport)
  #options; #engine; #waiting; #packet; #pid; #offset; #retry;
  #buffer = []; // packets that wait for the connection
  #early = []; // events that came before the CONNECT
  #acks = new Map();
  #nextAck = 0;
  #attempts = 0;

  constructor(options) {
    super();
    this.#options = options;
    this.auth = options.auth;
    if (options.autoConnect) this.connect();
  }

  // transport is polling or websocket, or undefined without a session.
  get transport() { return this.#engine?.transport; }
  get disconnected() { return !this.connected; }
  get volatile() { return this.#with({ volatile: true }); }
  timeout(ms) { return this.#with({ timeout: ms }); }
  onAny(f) { return this.on(any, f); }

  connect() {
    if (!this.active) this.#open();
    return this;
  }

  #open() {
    clearTimeout(this.#retry);
    this.active = true;
    const engine = new Engine(this.#options, {
      open: () => this.#join(),
      message: (data) => this.#receive(data),
      upgrade: (name) => this.io.fire("upgrade", name),
      close: (reason, error) => { if (engine === this.#engine) this.#lost(reason, error); },
    });
    this.#engine = engine;
    this.#waiting = true; // for the session to open
  }

  // join asks for the namespace. Who was here before names the session that it
  // was (pid) and the last event that it saw (offset), and may get it all back.
  #join() {
    this.#waiting = false;
    if (this.#attempts > 0) this.io.fire("reconnect", this.#attempts);
    this.#attempts = 0;
    const engine = this.#engine;
    const send = (auth) => {
      const data = this.#pid ? { pid: this.#pid, offset: this.#offset, ...auth } : auth;
      if (engine === this.#engine) this.#write(encode(CONNECT, this.#options.namespace, null, data));
    };
    if (typeof this.auth === "function") this.auth(send);
    else send(this.auth);
  }

  #write(packets) { for (const p of packets) this.#engine?.send(p); }

  #receive(data) {
    const text = typeof data === "string";
    if (text === Boolean(this.#packet)) throw failure(text ? "text came, and attachments were due" : "bytes came, and no attachment was due");
    if (text) this.#packet = decode(data);
    else this.#packet.bytes.push(data);
    const packet = this.#packet;
    if (packet.bytes.length < packet.due) return;
    this.#packet = undefined;
    if (packet.namespace === this.#options.namespace) this.#handle(packet.type, packet.id, dataOf(packet));
  }

  #handle(type, id, data) {
    switch (type) {
      case CONNECT: return this.#joined(data ?? {});
      case DISCONNECT: return this.#leave("io server disconnect");
      case EVENT: return this.#event(id, data);
      case ACK: return this.#acks.get(id)?.(null, data);
      case CONNECT_ERROR: // it is for the program to decide whether to try again
        this.#leave();
        this.fire("connect_error", failure(data.message, { data: data.data }));
    }
  }

  #joined({ sid, pid }) {
    this.id = sid;
    this.recovered = pid !== undefined && pid === this.#pid;
    this.#pid = pid;
    this.connected = true;
    for (const event of this.#early.splice(0)) this.#event(...event);
    for (const { packets } of this.#buffer.splice(0)) this.#write(packets);
    if (this.connected) this.fire("connect"); // a listener may have left
  }

  #event(id, args) {
    if (!this.connected) return void this.#early.push([id, args]); // missed ones come before the CONNECT
    // Where the server can recover, each event ends with its offset.
    if (this.#pid && typeof args.at(-1) === "string") this.#offset = args.at(-1);
    const engine = this.#engine;
    let answered = false;
    const ack = (...answer) => {
      if (answered || engine !== this.#engine) return; // an answer belongs to its session
      answered = true;
      this.#write(encode(ACK, this.#options.namespace, id, answer));
    };
    const all = id === "" ? args : [...args, ack];
    this.fire(any, ...all);
    if (!reserved.has(args[0])) this.fire(...all);
  }

  // emit sends an event; a function as the last argument is called with the
  // answer. Without a connection the event waits for one.
  emit(name, ...args) { return this.#emit({}, name, args); }

  // emitWithAck promises the answer. It fails when the socket disconnects first,
  // or where timeout(ms) was said and has passed.
  emitWithAck(name, ...args) { return this.#promise({}, name, args); }

  #with(flags) {
    return {
      emit: (name, ...args) => this.#emit(flags, name, args),
      emitWithAck: (name, ...args) => this.#promise(flags, name, args),
    };
  }

  #promise(flags, name, args) {
    return new Promise((answer, fail) => this.#emit({ ...flags, errors: true }, name, [...args, (error, v) => (error ? fail(error) : answer(v))]));
  }

  #emit(flags, name, args) {
    if (reserved.has(name)) throw failure(`"${name}" is a reserved event name`);
    const id = typeof args.at(-1) === "function" ? this.#await(flags, args.pop()) : null;
    const packets = encode(EVENT, this.#options.namespace, id, [name, ...args]);
    const ready = this.connected && this.#engine.alive();
    if (flags.volatile && !(ready && this.#engine.writable)) return this; // better never than late
    if (ready) this.#write(packets);
    else this.#buffer.push({ id, packets });
    return this;
  }

  // await keeps who waits for an acknowledgement. With a timeout, and for a
  // promise, an error comes first.
  #await({ timeout = this.#options.ackTimeout, errors = timeout !== undefined }, f) {
    const id = this.#nextAck++;
    const done = (error, data) => {
      clearTimeout(timer);
      this.#acks.delete(id);
      this.#buffer = this.#buffer.filter((b) => b.id !== id);
      try {
        if (errors) f(error, ...(data ?? []));
        else if (!error) f(...(data ?? []));
      } catch (e) { reportError(e); }
    };
    const timer = timeout && setTimeout(done, timeout, failure("operation has timed out"));
    this.#acks.set(id, done);
    return id;
  }

  #lost(reason, error) {
    const before = this.#waiting;
    this.#forget();
    if (before) this.fire("connect_error", error);
    else this.#gone(reason, error);
    this.#again();
  }

  // leave ends the session for good, until connect is called.
  #leave(reason) {
    const engine = this.#engine;
    this.#forget();
    this.active = false;
    engine?.close();
    if (this.connected) this.#gone(reason);
  }

  #forget() {
    this.#engine = this.#packet = undefined;
    this.#early = [];
    this.#waiting = false;
  }

  #gone(reason, details) {
    this.connected = false;
    this.id = undefined;
    this.fire("disconnect", reason, details);
    const buffered = new Set(this.#buffer.map((b) => b.id));
    for (const [id, done] of this.#acks) if (!buffered.has(id)) done(failure("socket has been disconnected"));
  }

  // again waits longer each time, up to a bound, and never as long as the others:
  // a thousand clients must not all knock in the same moment.
  #again() {
    const { reconnection, reconnectionAttempts, reconnectionDelay, reconnectionDelayMax, randomizationFactor } = this.#options;
    if (!this.active || this.#engine) return; // a listener has decided otherwise
    if (!reconnection || this.#attempts >= reconnectionAttempts) {
      this.active = false;
      if (reconnection) this.io.fire("reconnect_failed");
      return;
    }
    const ms = reconnectionDelay * 2 ** this.#attempts++ * (1 + randomizationFactor * (2 * Math.random() - 1));
    this.#retry = setTimeout(() => {
      this.io.fire("reconnect_attempt", this.#attempts);
      if (this.active && !this.#engine) this.#open();
    }, Math.min(ms, reconnectionDelayMax));
  }

  disconnect() {
    clearTimeout(this.#retry);
    this.#attempts = 0;
    if (this.connected) this.#write(encode(DISCONNECT, this.#options.namespace));
    this.#leave("io client disconnect");
    return this;
  }

  close() { return this.disconnect(); }

  // drop ends the session alone, to see what follows: the socket comes back.
  drop() {
    this.#engine?.close();
    if (this.#engine) this.#lost("forced close", failure("forced close"));
  }
}

const defaults = {
  transports: ["polling", "websocket"], path: "socket.io/", autoConnect: true, timeout: 20_000, // milliseconds
  reconnection: true, reconnectionAttempts: Infinity, reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5,
};

// io makes a socket. The path of its URL is the namespace: "/chat", or
// "https://example.com/chat". The server's own path is an option: without an
// origin in the URL it begins at the page.
export function io(url = "/", options = {}) {
  if (typeof url === "object") return io("/", url);
  const all = { ...defaults, ...options };
  const absolute = /^(https?|wss?):/.test(url);
  const where = new URL(url, location.origin);
  const base = absolute ? where.origin.replace(/^ws/, "http") + "/" : document.baseURI;
  all.url = new URL(all.path.replace(/\/?$/, "/"), base);
  all.query = { ...Object.fromEntries(where.searchParams), ...all.query };
  all.namespace = where.pathname;
  return new Socket(all);
}
