import { io } from "./socketio.js";
import { $, ask, clock, node, preset, showState } from "./kit.js";

// Longer than usual, so that there is time to miss something.
const socket = io({ reconnectionDelay: 5000, randomizationFactor: 0 });
showState(socket, $("state"));
$("name").value = preset("name", "somebody");

const seen = new Set();
let last = 0; // the highest id that was seen: what came behind it was missed
let unread = 0;
let before = false; // we were connected before

const boxes = [...document.querySelectorAll("[name=topic]")];
const wanted = preset("topics");
if (wanted) for (const box of boxes) box.checked = wanted.split(",").includes(box.value);
const topics = () => boxes.filter((b) => b.checked).map((b) => b.value);

async function subscribe(after) {
  try {
    const { missed } = await ask(socket, "subscribe", { topics: topics(), after });
    missed.forEach(show);
    $("error").textContent = "";
    return missed.length;
  } catch (e) {
    $("error").textContent = e.message;
  }
}

// A recovered connection has its rooms still, and what was missed has come before
// this event. Any other one is new to the server: we ask.
socket.on("connect", async () => {
  if (socket.recovered) $("back").textContent = "Back, as it was before: the server has kept the rooms, and sent what was missed.";
  else {
    const after = last;
    const missed = await subscribe(after);
    if (before) $("back").textContent = `Back, as a new connection: it asked for what came after notice ${after}, and got ${missed ?? 0}.`;
  }
  before = true;
});

socket.on("notice", show);

function show(notice) {
  if (seen.has(notice.id)) return;
  seen.add(notice.id);
  last = Math.max(last, notice.id);
  const { topic, text, from, time } = notice;
  $("notices").prepend(node("li", { className: "unread" }, text, " ", node("span", { className: "quiet small" }, `${topic}, ${from}, ${clock(time)}`)));
  while ($("notices").children.length > 100) $("notices").lastChild.remove();
  $("heard").textContent = `${topic}: ${text}`;
  count(unread + 1);
}

function count(n) {
  unread = n;
  $("unread").textContent = n;
  $("read").disabled = n === 0;
  document.title = n > 0 ? `(${n}) Notifications` : "Notifications";
}

for (const box of boxes) box.addEventListener("change", () => subscribe(last));

$("read").addEventListener("click", () => {
  for (const item of document.querySelectorAll(".unread")) item.classList.remove("unread");
  count(0);
});

$("publish").addEventListener("submit", async (e) => {
  e.preventDefault();
  try {
    await ask(socket, "publish", { topic: $("topic").value, text: $("text").value, from: $("name").value });
    $("text").value = "";
    $("error").textContent = "";
  } catch (error) {
    $("error").textContent = error.message;
  }
});

$("cut").addEventListener("click", () => {
  $("back").textContent = "Away.";
  socket.drop();
});
