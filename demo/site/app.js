// An application, as two clients see it, and its timeline.
import { Timeline, element } from "/live/timeline.js";
import { Visit } from "/site/visit.js";

const visit = new Visit(document.documentElement.dataset.of, new URLSearchParams(location.search).get("join"));
const problem = document.getElementById("problem");
const names = ["Ann", "Bob"];

visit.addEventListener("lost", (event) => { problem.textContent = event.detail; });
visit.addEventListener("visit", (event) => {
  const { id, error } = event.detail;
  if (error) problem.textContent = error;
  const at = `/visit/${id}/app/`;
  const frames = document.getElementById("frames");
  for (const name of names) {
    frames.append(element("iframe", { src: `${at}?name=${name}`, title: `What ${name} sees` }));
  }
  document.getElementById("another").href = at + "?name=Cleo";
  new Timeline(document.getElementById("timeline"), `/visit/${id}/trace/`, 2);
}, { once: true });
