// The story of a lesson, told step by step.
import { element } from "/live/timeline.js";
import { free } from "/site/lab.js";

export function story(visit, timeline) {
  const log = document.getElementById("story");
  const button = document.getElementById("story-next");
  let began = false;
  button.onclick = async () => {
    button.disabled = true;
    try {
      await visit.call(began ? "story-next" : "story-begin");
    } catch (error) {
      log.append(element("p", { className: "wrong", textContent: error.message }));
      free(button);
    }
  };
  visit.addEventListener("story", (event) => {
    const p = event.detail;
    began = true;
    if (p.first) log.replaceChildren();
    const shown = passage(p, timeline);
    if (shown) {
      log.append(shown);
      shown.scrollIntoView({ block: "nearest" });
    }
    if (p.kind === "wait") {
      button.textContent = "Next: " + p.text;
      free(button);
    }
    if (p.kind === "end" || p.kind === "error") {
      button.textContent = "Tell it again";
      free(button);
      began = false;
    }
  });
}

function passage(p, timeline) {
  switch (p.kind) {
    case "title": return element("h3", { textContent: p.text });
    case "text": return element("p", {}, ...terms(p.text));
    case "commands": return element("pre", { className: "commands", tabIndex: 0, textContent: p.lines.join("\n") });
    case "error": return element("p", { className: "wrong", textContent: p.text });
    case "records": {
      const [from, to] = p.rows;
      const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
      return element("p", {}, element("button", { type: "button", className: "see", textContent: "Show it in the timeline", onclick: () => timeline.mark(numbers, true) }));
    }
  }
  return null;
}

// A {word} in braces is a term where it is explained.
function terms(text) {
  return text.split(/\{([^}]*)\}/).map((part, i) => (i % 2 ? element("dfn", { textContent: part }) : part));
}
