// A lesson: its story, its lab and its timeline.
import { Timeline } from "/live/timeline.js";
import { Visit } from "/site/visit.js";
import { forms, values } from "/site/lab.js";
import { story } from "/site/story.js";

const page = document.documentElement.dataset;
const join = new URLSearchParams(location.search).get("join");
const visit = new Visit(page.of, join);
const problem = document.getElementById("problem");
const root = document.getElementById("lab");

visit.addEventListener("lost", (event) => { problem.textContent = event.detail; });
visit.addEventListener("visit", async (event) => {
  const { id, error } = event.detail;
  if (join && id !== join) problem.textContent = "That visit is over; this is a new one.";
  if (error) problem.textContent = error;
  const base = `/visit/${id}/`;
  const timeline = new Timeline(document.getElementById("timeline"), base + "trace/", Number(root?.querySelector("[data-level]")?.dataset.level ?? 2));
  story(visit, timeline);
  if (!root) return;
  const lab = { root, acts: {}, visit, timeline, base, id, call: (name, args) => visit.call(name, args), on: (name, f) => visit.on(name, f) };
  forms(lab);
  values(lab);
  if (page.module) {
    const module = await import(`/site/lessons/${page.module}.js`);
    await module.default(lab);
  }
  root.dataset.ready = "true";
}, { once: true });
