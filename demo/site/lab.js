// What most labs need and no script of their own: forms that call, and places
// that show what the stage pushes.

/**
 * forms has each <form data-call="name"> call that action with its fields; one in
 * lab.acts is the page's own.
 * What it answers goes to the form's <output>; an answer to a question also
 * marks the records that show it.
 */
export function forms(lab) {
  for (const form of lab.root.querySelectorAll("form[data-call]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit(lab, form, event.submitter);
    });
  }
}

async function submit(lab, form, button) {
  const output = form.querySelector("output");
  if (button) button.disabled = true;
  try {
    const name = form.dataset.call;
    const act = lab.acts[name] ?? ((args) => lab.call(name, args));
    const answer = await act(fields(form, button));
    show(lab, output, answer);
  } catch (error) {
    if (output) {
      output.className = "wrong";
      output.textContent = error.message;
    }
  } finally {
    if (button) free(button);
  }
}

/** free lets a button be pressed again, and gives it back the focus that it lost meanwhile. */
export function free(button) {
  button.disabled = false;
  if (document.activeElement === document.body) button.focus({ preventScroll: true });
}

// fields are those of a form, numbers and ticks as what they are.
function fields(form, button) {
  const args = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.type === "submit") continue;
    if (field.type === "checkbox") args[field.name] = field.checked;
    else if (field.type === "radio") { if (field.checked) args[field.name] = field.value; }
    else if (field.type === "number" || field.type === "range") args[field.name] = field.valueAsNumber;
    else args[field.name] = field.value;
  }
  if (button?.name) args[button.name] = button.value;
  return args;
}

/** show puts what an action has answered into its place. */
export function show(lab, output, answer) {
  if (answer && typeof answer === "object" && Array.isArray(answer.rows)) lab.timeline.mark(answer.rows);
  if (!output) return;
  const judged = answer && typeof answer === "object" && "right" in answer;
  output.className = judged ? (answer.right ? "right" : "wrong") : "";
  const said = answer?.said ?? (answer === undefined || answer === null ? "" : String(answer));
  output.textContent = judged ? `${answer.right ? "Right." : "Not quite."} ${said}` : said;
}

/** values fills each element with data-value="name" or "name.field" as it is pushed. */
export function values(lab) {
  lab.visit.addEventListener("push", (event) => {
    const { name, value } = event.detail;
    for (const place of lab.root.querySelectorAll("[data-value]")) {
      const [first, ...path] = place.dataset.value.split(".");
      if (first !== name) continue;
      const found = path.reduce((v, key) => v?.[key], value);
      if (place instanceof HTMLMeterElement || place instanceof HTMLProgressElement) place.value = Number(found ?? 0);
      else place.textContent = found === undefined || found === null ? "" : String(found);
    }
  });
}
