// A tab's way to its stage: calls and their replies, what the stage pushes, and
// the story, all on one WebSocket.

export class Visit extends EventTarget {
  #socket; #calls = new Map(); #last = 0;
  #pushed = new Map(); // the last value of each name

  constructor(of, join) {
    super();
    const url = new URL("/visit", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("of", of);
    if (join) url.searchParams.set("join", join);
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = (m) => this.#take(JSON.parse(m.data));
    this.#socket.onclose = (event) => this.#lost(event);
    // A page that is left may be kept by the browser, frozen, with its sockets open.
    addEventListener("pagehide", () => this.#socket.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  #take(said) {
    if (said.reply) {
      const call = this.#calls.get(said.reply.id);
      this.#calls.delete(said.reply.id);
      if (said.reply.error) call?.reject(new Error(said.reply.error));
      else call?.resolve(said.reply.value);
    }
    if (said.push) this.#pushed.set(said.push.name, said.push.value);
    for (const kind of ["visit", "story", "push"]) {
      if (said[kind]) this.dispatchEvent(new CustomEvent(kind, { detail: said[kind] }));
    }
  }

  #lost({ code, reason }) {
    for (const call of this.#calls.values()) call.reject(new Error("the connection to the demo is over"));
    this.#calls.clear();
    const detail = code === 1013 ? `The page is full: ${reason}. Reload it later.` : "The demo has ended: reload the page once it runs again.";
    this.dispatchEvent(new CustomEvent("lost", { detail }));
  }

  /** call has the stage do something, and resolves with what it answers. */
  call(name, args = {}) {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new Error("the connection to the demo is over: reload the page"));
        return;
      }
      this.#calls.set(++this.#last, { resolve, reject });
      this.#socket.send(JSON.stringify({ call: name, id: this.#last, args }));
    });
  }

  /** on calls f with each value that the stage pushes under that name, and with the last one at once. */
  on(name, f) {
    if (this.#pushed.has(name)) f(this.#pushed.get(name));
    this.addEventListener("push", (e) => { if (e.detail.name === name) f(e.detail.value); });
  }
}
