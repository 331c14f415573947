// A client whose transports are chosen.
import { client, heard, written } from "/site/io.js";

export default async function (lab) {
  const find = (selector) => lab.root.querySelector(selector);
  const hears = heard(find("#heard"));
  let socket;
  lab.acts.connect = ({ transports }) => {
    socket?.disconnect();
    socket = client(lab, { transports: transports.split(" "), state: find("#state") });
    socket.onAny((...event) => hears(`${written(event)}, by ${socket.transport}`));
    find("#state").textContent = "about to connect";
    socket.connect();
  };
  lab.acts.leave = () => {
    if (!socket) throw new Error("it is not connected");
    socket.disconnect();
    find("#state").textContent = "not connected";
  };
  lab.acts.say = ({ text }) => {
    if (!socket?.connected) throw new Error("connect first");
    socket.emit("message", text);
  };
}
