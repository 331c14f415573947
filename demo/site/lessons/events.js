// A client that emits what its reader likes, and packets by hand.
import { client, failed, heard, written } from "/site/io.js";
import { Engine } from "/site/engineio.js";

export default async function (lab) {
  const find = (selector) => lab.root.querySelector(selector);
  const hears = heard(find("#heard"));
  let socket;
  let named; // the answer to the server's question, or undefined where there is to be none

  lab.acts.connect = ({ transports }) => {
    socket?.disconnect();
    socket = client(lab, { transports: [transports], state: find("#state") });
    socket.onAny((...event) => hears(written(event)));
    socket.on("picture", (_, bytes) => draw(find("#came"), bytes));
    socket.on("what is your name?", (answer) => { if (named !== undefined) answer(named); });
    socket.connect();
  };
  lab.acts.emit = ({ event, args, ack, within }) => emit(event, JSON.parse(`[${args}]`), ack && within);
  lab.acts.ask = ({ name, answers, within }) => {
    named = answers ? name : undefined;
    return lab.call("ask", { id: socket.id ?? "", within });
  };
  lab.acts.upload = ({ hex, mirror }) => {
    const bytes = bytesOf(hex);
    return emit("upload", mirror ? ["arrow", bytes, bytes.map(mirrored)] : ["arrow", bytes], 2);
  };
  lab.acts.wrong = () => emit("add", ["two", 3], 1);
  lab.acts.never = () => emit("silent", [], 1);
  lab.acts.reserved = () => emit("connect", []);
  lab.acts.byhand = ({ packet }) => byHand(lab, packet);

  // emit emits, and with a limit in seconds waits for the answer.
  async function emit(event, args, within) {
    if (!socket.connected) throw new Error("this page is not connected");
    if (!within) {
      socket.emit(event, ...args);
      return "Emitted.";
    }
    try {
      return `Acknowledged: ${written([await socket.timeout(within * 1000).emitWithAck(event, ...args)])}`;
    } catch (error) {
      throw new Error(`No acknowledgement: ${failed(error)}`);
    }
  }

  const shown = () => {
    try { draw(find("#drawn"), bytesOf(find("#hex").value)); } catch { /* it is being typed */ }
  };
  find("#hex").addEventListener("input", shown);
  shown();
  lab.acts.connect({ transports: "websocket" });
}

// byHand sends a packet as it stands, and says what comes of it.
function byHand(lab, packet) {
  return new Promise((resolve) => {
    let joined = false;
    const over = (said) => { clearTimeout(limit); resolve(said); engine.close(); };
    const engine = new Engine({ url: new URL(lab.base + "socket.io/", location.origin), transports: ["websocket"], timeout: 5000 }, {
      open: () => engine.send("40"),
      message: (data) => {
        if (joined) return over(`The server says ${typeof data === "string" ? "4" + data : written([data])}`);
        joined = true;
        engine.send(packet);
      },
      upgrade: () => {},
      close: (reason) => over(`The session is over: ${reason}.`),
    });
    const limit = setTimeout(() => over("Nothing comes back, and the session is still there."), 1500);
  });
}

// bytesOf reads bytes in hexadecimal.
function bytesOf(text) {
  const digits = text.replace(/[\s,]+/g, "");
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new Error("bytes are pairs of the digits 0 to 9 and a to f");
  return Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
}

const mirrored = (byte) => Array.from({ length: 8 }, (_, i) => ((byte >> i) & 1) << (7 - i)).reduce((a, b) => a | b, 0);

// draw shows each byte as a row of eight dots.
function draw(canvas, bytes) {
  const dot = 8;
  const rows = Math.min(bytes.length, 32);
  canvas.height = Math.max(rows, 1) * dot;
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(canvas).color;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < 8; x++) if (bytes[y] & (0x80 >> x)) context.fillRect(x * dot, y * dot, dot, dot);
  }
}
