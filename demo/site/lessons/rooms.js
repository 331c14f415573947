// This tab as a client among several, in one namespace or two.
import { element } from "/live/timeline.js";
import { client, failed, heard } from "/site/io.js";

export default async function (lab) {
  const find = (selector) => lab.root.querySelector(selector);
  const name = await lab.call("arrive");
  find("#name").textContent = name;
  find("#another").href = `/lesson/rooms?join=${lab.id}`;
  const hears = heard(find("#heard"));

  const enter = (namespace, state) => {
    const who = namespace === "/" ? name : `${name} in ${namespace}`;
    const socket = client(lab, { namespace, who, state, transports: ["websocket"], query: { name } });
    socket.on("said", ({ from, text }) => hears(`${from}${namespace === "/" ? "" : ` in ${namespace}`}: ${text}`));
    socket.on("connect", shown); // it knows its id now
    return socket.connect();
  };
  let list = [];
  const sockets = {};
  const shown = () => show(find("#present"), list, sockets);
  lab.on("present", (now) => {
    list = now;
    shown();
  });
  sockets["/"] = enter("/", find("#state"));

  // ask has the server do something, and says what it did.
  const ask = async (namespace, event, value) => {
    const socket = sockets[namespace];
    if (!socket?.connected) throw new Error(`this tab is not connected to ${namespace}`);
    try {
      return await socket.timeout(5000).emitWithAck(event, value);
    } catch (error) {
      throw new Error(failed(error));
    }
  };
  lab.acts.join = ({ room, what }) => ask("/", what, room);
  lab.acts.say = ({ namespace, ...wish }) => ask(namespace, "say", wish);
  lab.acts.sneak = ({ room, check }) => ask("/", "say", { to: "room", room, text: "boo", check: check !== "" });
  lab.acts.news = ({ what }) => {
    sockets["/news"]?.disconnect();
    sockets["/news"] = what === "join" ? enter("/news") : undefined;
  };
}

// show lists who is where; this tab's own lines are marked.
function show(body, list, sockets) {
  body.replaceChildren(...list.map((one) => {
    const own = Object.values(sockets).some((s) => s?.id === one.id);
    return element("tr", { className: own ? "own" : "" },
      element("th", { scope: "row", textContent: own ? `${one.name} (this tab)` : one.name }),
      element("td", { textContent: one.namespace }),
      element("td", { textContent: one.rooms.join(", ") || "none" }),
      element("td", {}, element("code", { textContent: one.id })));
  }));
}
