// Two boxes that hold an opening handshake, and what the rules say of them.
import { element } from "/live/timeline.js";

export default async function (lab) {
  const find = (selector) => lab.root.querySelector(selector);
  const boxes = { request: find("#request"), response: find("#response") };
  const heads = () => ({ request: boxes.request.value, response: boxes.response.value });
  const check = latest(async () => {
    for (const [name, text] of Object.entries(heads())) {
      for (const field of lab.root.querySelectorAll(`input[name="${name}"]`)) field.value = text;
    }
    show(lab.root, await lab.call("check", heads()));
  });
  for (const box of Object.values(boxes)) box.addEventListener("input", check);
  lab.on("heads", (pushed) => {
    for (const [name, text] of Object.entries(pushed)) boxes[name].value = text;
    check();
  });
  find("#right").onclick = () => lab.call("preset", { name: "right" });
  await lab.call("begin");
  await check();
}

// latest is f that runs once at a time, and once more when it was called
// meanwhile.
function latest(f) {
  let running = null;
  let again = false;
  return () => {
    if (running) again = true;
    else running = (async () => {
      do {
        again = false;
        await f();
      } while (again);
    })().finally(() => { running = null; });
    return running;
  };
}

function show(root, judged) {
  for (const part of ["request", "response"]) {
    const { bytes, problem } = judged[part];
    const place = root.querySelector(`#${part}-said`);
    const broken = judged.findings.filter((f) => (f.part === "request") === (part === "request"));
    place.className = problem || broken.some((f) => f.level === "MUST") ? "wrong" : "aside";
    place.textContent = problem ?? [`${bytes} bytes.`, ...broken.map((f) => f.summary)].join(" ");
  }
  const broken = judged.findings.length;
  root.querySelector("#verdict").textContent = broken === 0
    ? `All ${judged.asked} rules that apply hold.`
    : `${broken} of the ${judged.asked} rules that apply ${broken === 1 ? "does" : "do"} not hold.`;
  root.querySelector("#findings").replaceChildren(...judged.findings.map(finding));
  root.querySelector("#no-key").hidden = judged.steps.length > 0;
  root.querySelector("#steps").replaceChildren(...judged.steps.map((step) => element("li", {},
    step.what, " ", element("code", { textContent: step.value }), step.note ? element("span", { className: "aside", textContent: " " + step.note }) : null)));
}

// finding is a rule that is broken: what is wrong, by whom, what came, what was
// due, and how to mend it.
function finding(f) {
  const terms = element("dl");
  for (const [name, text] of [["came", f.came], ["due", f.due], ["likely", f.cause], ["mend", f.mend]]) {
    if (text) terms.append(element("dt", { textContent: name }), element("dd", { textContent: text }));
  }
  return element("li", { className: f.level === "MUST" ? "must" : "" },
    element("strong", { textContent: f.level }), " ", f.summary, " ",
    element("span", { className: "aside", textContent: `${f.clause}, the ${f.fault}'s fault` }), terms);
}
