// A client that comes back by itself.
import { client, heard, written } from "/site/io.js";

export default async function (lab) {
  const find = (selector) => lab.root.querySelector(selector);
  const hears = heard(find("#heard"));
  let socket;
  let waiting = 0;

  lab.acts.connect = ({ transports }) => {
    socket?.disconnect();
    socket = client(lab, { transports: [transports], reconnectionDelay: 500, reconnectionDelayMax: 4000, state: find("#state"), tell: hears });
    socket.on("connect", () => {
      find("#recovered").textContent = String(socket.recovered);
      waits(0);
    });
    socket.on("welcome", (text) => hears(`heard ${written(["welcome", text])}`));
    socket.on("news", (text) => hears(`heard ${written(["news", text])}`));
    socket.connect();
  };
  const waits = (n) => { find("#waiting").textContent = String((waiting = n)); };
  lab.acts.say = ({ text, volatile }) => {
    if (volatile) {
      socket.volatile.emit("message", text);
      return socket.connected ? "Emitted." : "Dropped: it is of no use later.";
    }
    socket.emit("message", text);
    if (socket.connected) return "Emitted.";
    waits(waiting + 1);
    return "It waits.";
  };
  lab.acts.connect({ transports: "websocket" });
}
