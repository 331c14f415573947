// The page of sockkit tap --ui: a timeline, and nothing else.
import { Timeline } from "/live/timeline.js";

new Timeline(document.getElementById("timeline"), "/trace/", 2);
