// A text that many change at once, each on a copy, and whose copies become equal
// once all have applied the same operations: a replicated growable array. text.go
// is the same in Go, and says more.
//
// Each character has a name for good, [clock, site], and stands behind another
// one, not at an index: an index means something else as soon as somebody else
// has typed. Of several behind the same one the youngest comes first, on every
// copy. What is deleted stays as a tombstone, since others may type behind it.
//
// Places count characters, which are code points: use [...string].

const same = (a, b) => a[0] === b[0] && a[1] === b[1];
const above = (a, b) => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);

export class Text {
  #chars = []; // {id, char}; the char of a tombstone is ""
  #clock = 0; // the highest that was seen
  #site;

  // site tells this copy from all others; state is what the server's has.
  constructor(site, state = []) {
    this.#site = site;
    for (const [clock, by, char] of state) {
      this.#chars.push({ id: [clock, by], char });
      this.#clock = Math.max(this.#clock, clock);
    }
  }

  // insert changes the text, and returns what the other copies have to apply.
  insert(at, text) {
    const after = at > 0 ? this.#chars[this.#visible(at - 1)].id : null;
    const op = { id: [this.#clock + 1, this.#site], after, text };
    this.#insert(op);
    return op;
  }

  // delete takes n characters out, and returns what the others have to apply.
  delete(at, n) {
    const op = { delete: [] };
    for (let i = this.#visible(at); op.delete.length < n; i++) {
      if (this.#chars[i].char !== "") op.delete.push(this.#chars[i].id);
      this.#chars[i].char = "";
    }
    return op;
  }

  // apply applies what somebody else did, and returns how the text changed:
  // [{at, removed, inserted}]. It returns null where that speaks of characters
  // that are not here yet. What was applied before changes nothing.
  apply(op) {
    const changes = [];
    for (const id of op.delete ?? []) {
      const i = this.#find(id);
      if (i < 0) return null;
      if (this.#chars[i].char !== "") changes.push({ at: this.#before(i), removed: 1, inserted: 0 });
      this.#chars[i].char = "";
    }
    if (!op.text || this.#find(op.id) >= 0) return changes;
    if (op.after && this.#find(op.after) < 0) return null;
    const [i, n] = this.#insert(op);
    return [...changes, { at: this.#before(i), removed: 0, inserted: n }];
  }

  // The heart of it. Those that are younger than the new one, and stand right
  // behind its place, were put there by who did not know it, or stand behind such
  // a one: they stay in front, here as everywhere.
  #insert({ id: [clock, site], after, text }) {
    let at = after ? this.#find(after) + 1 : 0;
    while (at < this.#chars.length && above(this.#chars[at].id, [clock, site])) at++;
    const chars = [...text].map((char, i) => ({ id: [clock + i, site], char }));
    this.#chars.splice(at, 0, ...chars);
    this.#clock = Math.max(this.#clock, clock + chars.length - 1);
    return [at, chars.length];
  }

  #find(id) { return this.#chars.findIndex((c) => same(c.id, id)); }

  // visible is the place of the n-th character that is not gone.
  #visible(n) { return this.#chars.findIndex((c) => c.char !== "" && n-- === 0); }

  // before counts the characters that are not gone before a place.
  #before(i) { return this.#chars.slice(0, i).filter((c) => c.char !== "").length; }

  // idBefore names the character before a place, and place finds its way back,
  // wherever that character has moved: so a cursor is told.
  idBefore(at) { return at > 0 ? this.#chars[this.#visible(at - 1)]?.id ?? null : null; }
  place(id) { return id ? this.#before(this.#find(id) + 1) : 0; }

  toString() { return this.#chars.map((c) => c.char).join(""); }
}
