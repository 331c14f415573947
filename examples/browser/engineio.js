// Engine.IO 4 in a browser: one session at a server, which is reached by HTTP
// long-polling, by a WebSocket, or by the first and then the other. What the
// messages mean is not its business: socketio.js stands on it.
//
// A packet of Engine.IO is a string whose first character is its type, or the
// bytes of a binary message, which need no type:
//   0 open   1 close   2 ping   3 pong   4 message   5 upgrade   6 noop

const textOf = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
export const failure = (message, more) => Object.assign(new Error(message), more);

// Polling always has one GET waiting, which the server answers once it has
// something to say. What the client says goes by POST, one at a time.
class Polling {
  name = "polling";
  #engine;
  #left = new AbortController();
  #paused = false;
  #polled; // ends with the loop of GETs
  #posted; // ends with the POST under way

  constructor(engine) {
    this.#engine = engine;
    this.start();
  }

  start() {
    this.#paused = false;
    this.#polled = this.#poll();
  }

  async #poll() {
    while (!this.#paused && !this.#left.signal.aborted) {
      const body = await this.#request("xhr poll error", { method: "GET" });
      // Several packets stand in one answer, with U+001E between them. HTTP's text
      // has no room for bytes: a binary message is "b" and base64.
      for (const p of body?.split("\x1e") ?? []) this.#engine.receive(this, p[0] === "b" ? bytesOf(p.slice(1)) : p);
    }
  }

  // send takes from the queue what fits into one POST: the server has said in its
  // open packet how much that is (maxPayload).
  send(queue) {
    const packets = [];
    let room = this.#engine.maxPayload;
    while (queue.length > 0) {
      const packet = typeof queue[0] === "string" ? queue[0] : "b" + textOf(queue[0]);
      room -= new TextEncoder().encode(packet).length + 1;
      if (room < 0 && packets.length > 0) break;
      packets.push(packet);
      queue.shift();
    }
    return (this.#posted = this.#request("xhr post error", { method: "POST", body: packets.join("\x1e") }));
  }

  async #request(name, how) {
    try {
      const answer = await fetch(this.#engine.url("polling"), { ...how, cache: "no-store", signal: this.#left.signal });
      const body = await answer.text();
      if (answer.ok) return body;
      this.close();
      this.#engine.fail(this, failure(name, { description: answer.status, context: body }));
    } catch (cause) { // no answer, or close has cut it off
      if (!this.#left.signal.aborted) this.#engine.fail(this, failure(name, { cause }));
      this.close();
    }
  }

  // pause ends polling without losing an answer: the server ends the GET that
  // waits with a noop.
  pause() {
    this.#paused = true;
    return Promise.all([this.#polled, this.#posted]);
  }

  writable() { return true; } // the engine waits for each POST
  close() { this.#left.abort(); }
}

// Over a WebSocket each packet is a message, and bytes are a binary one.
class WebSockets {
  name = "websocket";
  #socket;

  constructor(engine) {
    this.#socket = new WebSocket(engine.url("websocket"));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => engine.opened(this);
    this.#socket.onmessage = ({ data }) => engine.receive(this, typeof data === "string" ? data : new Uint8Array(data));
    this.#socket.onerror = () => engine.fail(this, failure("websocket error"));
    this.#socket.onclose = ({ code }) => engine.lost(this, failure("websocket error", { description: code }));
  }

  // send throws away what comes while the WebSocket closes, as a browser would, which
  // complains of it: the session is about to end.
  send(queue) { for (const packet of queue.splice(0)) if (this.isOpen()) this.#socket.send(packet); }
  isOpen() { return this.#socket.readyState === WebSocket.OPEN; }
  writable() { return this.#socket.bufferedAmount === 0; }
  close() { this.#socket.close(); }
}

// Engine is one session at the server. It calls on.open(), on.message(data),
// on.upgrade(name), and last on.close(reason, error).
export class Engine {
  maxPayload = 1_000_000;
  #options; #on; #transport; #probe; #sid; #silence; #alarm; #deadline = Infinity;
  #queue = [];
  #sending = false;
  #sent; // ends with the sending under way
  #upgrading = false;
  #closed = false;

  constructor(options, on) {
    this.#options = options;
    this.#on = on;
    this.#transport = options.transports[0] === "websocket" ? new WebSockets(this) : new Polling(this);
    this.#alarm = setTimeout(() => this.#end("timeout", failure("timeout")), options.timeout);
  }

  get transport() { return this.#transport.name; }
  get writable() { return !this.#sending && this.#queue.length === 0 && this.#transport.writable(); }

  // url is where a transport speaks. With a session's id in it the request
  // belongs to that session.
  url(transport) {
    const url = new URL(this.#options.url);
    if (transport === "websocket") url.protocol = url.protocol.replace("http", "ws");
    for (const [name, value] of Object.entries(this.#options.query ?? {})) url.searchParams.set(name, value);
    url.searchParams.set("EIO", "4");
    url.searchParams.set("transport", transport);
    if (this.#sid) url.searchParams.set("sid", this.#sid);
    return url;
  }

  receive(transport, packet) {
    if (this.#closed) return;
    if (transport === this.#probe) return void this.#probed(packet);
    try {
      this.#take(packet);
    } catch (error) {
      this.#end("parse error", error);
    }
  }

  #take(packet) {
    if (typeof packet !== "string") return this.#on.message(packet);
    const data = packet.slice(1);
    switch (packet[0]) {
      case "0": return this.#open(JSON.parse(data));
      case "1": return this.#end("transport close", failure("server error"));
      case "2": this.#heard(); return this.send("3" + data);
      case "4": return this.#on.message(data);
      case "6": return;
      default: throw failure("server error");
    }
  }

  #open({ sid, upgrades, pingInterval, pingTimeout, maxPayload }) {
    this.#sid = sid;
    this.maxPayload = maxPayload ?? this.maxPayload;
    this.#silence = pingInterval + pingTimeout;
    this.#heard();
    this.#on.open();
    // The session began with what always works. Now it tries for what is better.
    const better = upgrades.includes("websocket") && this.#options.transports.includes("websocket");
    if (better && this.transport === "polling" && !this.#closed) this.#probe = new WebSockets(this);
  }

  // The server pings, and the client answers. A ping that stays out is how either
  // side learns of a peer that vanished without a word.
  #heard() {
    clearTimeout(this.#alarm);
    this.#deadline = Date.now() + this.#silence;
    this.#alarm = setTimeout(() => this.#end("ping timeout"), this.#silence);
  }

  // alive looks at the clock, too: timers stand still while a laptop sleeps.
  alive() {
    if (Date.now() > this.#deadline) this.#end("ping timeout");
    return !this.#closed;
  }

  // The upgrade: "2probe" over the new WebSocket, "3probe" back. Then polling has
  // to come to rest, for nothing may overtake; "5" asks the server to move.
  opened(transport) {
    if (this.#closed) transport.close();
    else if (transport === this.#probe) transport.send(["2probe"]);
  }

  async #probed(packet) {
    const probe = this.#probe;
    const polling = this.#transport;
    if (packet !== "3probe") return probe.close();
    this.#upgrading = true; // what is sent from now on waits
    await polling.pause();
    if (this.#closed) return;
    this.#upgrading = false;
    if (this.#probe !== probe || !probe.isOpen()) return polling.start(), this.#flush();
    this.#probe = undefined;
    this.#transport = probe;
    probe.send(["5"]);
    this.#on.upgrade(probe.name);
    this.#flush();
  }

  send(packet) {
    this.#queue.push(packet);
    this.#flush();
  }

  #flush() {
    if (!this.#sending && !this.#upgrading && this.#sid) this.#sent = this.#sendAll();
    return this.#sent;
  }

  async #sendAll() {
    this.#sending = true;
    while (this.#queue.length > 0 && !this.#upgrading) {
      const sent = this.#transport.send(this.#queue);
      if (sent) await sent;
    }
    this.#sending = false;
  }

  // fail and lost are how a transport ends. Where it was the probe, polling goes
  // on: that is the fallback.
  fail(transport, error) { this.#without(transport, "transport error", error); }
  lost(transport, error) { this.#without(transport, "transport close", error); }

  #without(transport, reason, error) {
    if (transport === this.#transport) this.#end(reason, error);
    if (transport === this.#probe) this.#probe = undefined;
  }

  #end(reason, error) {
    if (this.#closed) return;
    this.#stop();
    this.#transport.close();
    this.#on.close(reason, error);
  }

  #stop() {
    this.#closed = true;
    clearTimeout(this.#alarm);
    if (this.#probe?.isOpen()) this.#probe.close(); // else once it is
  }

  // close says what is still to be said, and leaves.
  async close() {
    if (this.#closed) return;
    this.#stop();
    this.#upgrading = false; // no "5" was sent: the server is still polling
    if (this.#sid && this.transport === "polling") {
      this.#transport.pause();
      this.#queue.push("1");
    }
    await this.#flush();
    this.#transport.close();
  }
}
