// A client that shows its token at the door.
import { client, failed, written } from "/site/io.js";

export default async function (lab) {
  const find = (selector) => lab.root.querySelector(selector);
  let socket;

  // connect resolves once it is known whether the client is in.
  const connect = ({ token, namespace = "/", ticket = "", transports = "polling websocket" }) => {
    socket?.disconnect();
    const auth = token === "" ? undefined : { token };
    const query = ticket === "" ? {} : { ticket };
    socket = client(lab, { namespace, auth, query, transports: transports.split(" "), reconnection: false, state: find("#state") });
    return new Promise((resolve, reject) => {
      socket.once("connect", () => resolve(`Let in, as ${socket.id}.`));
      socket.once("connect_error", (error) => reject(new Error(`Refused: ${failed(error)}`)));
      socket.connect();
    });
  };
  const emit = async ({ event }) => {
    if (!socket?.connected) throw new Error("connect first");
    try {
      return `Acknowledged: ${written([await socket.timeout(1000).emitWithAck(event)])}`;
    } catch (error) {
      throw new Error(`No acknowledgement: ${failed(error)}`);
    }
  };
  lab.acts.connect = connect;
  lab.acts.without = connect;
  lab.acts.emit = emit;
  lab.acts.drop = emit;
  lab.acts.leave = () => {
    socket?.disconnect();
    find("#state").textContent = "not connected";
  };
}
