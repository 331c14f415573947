// What the pages of the applications share. Texts of others become text, never
// markup: there is no innerHTML anywhere.

export const $ = (id) => document.getElementById(id);

// node makes an element: node("li", { className: "own" }, "some text", anotherNode)
export function node(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// preset is what the page's address says: ?name=Ann
export function preset(name, otherwise = "") {
  return (new URLSearchParams(location.search).get(name) ?? otherwise).slice(0, 40);
}

// ask sends an event and waits for the answer; a refusal is an error.
export async function ask(socket, event, value) {
  const answer = await socket.timeout(5000).emitWithAck(event, value);
  if (answer?.error) throw new Error(answer.error);
  return answer;
}

// showState keeps a line about the connection up to date. Screen readers hear of
// it when it comes and goes, and not of each attempt.
export function showState(socket, element) {
  const show = (state, text) => {
    element.dataset.state = state;
    if (element.textContent !== text) element.textContent = text;
  };
  element.setAttribute("role", "status");
  show("away", "connecting");
  const connected = () => show("connected", `connected, ${socket.transport}`);
  socket.on("connect", connected);
  socket.io.on("upgrade", () => { if (socket.connected) connected(); });
  socket.on("disconnect", (reason) => show("away", `not connected: ${reason}`));
  socket.on("connect_error", (e) => show("away", `not connected: ${e.message}`));
}

// clock is a time of the server's as this place writes it.
export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
