/* What a browser with scripts gets on top. Nothing here is needed: every link and form works
   without it. Behaviour is asked for by attributes: data-copy, data-close, data-key, data-opens,
   data-upload, data-check. */
"use strict";

const root = document.documentElement;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("close" in button.dataset) button.closest(".notice").remove();
  if ("opens" in button.dataset) openSheet(document.getElementById(button.dataset.opens));
  if ("copy" in button.dataset) copy(button);
});

async function copy(button) {
  const source = button.parentElement.querySelector("pre, span");
  if (!navigator.clipboard) return getSelection().selectAllChildren(source);  // not without TLS
  await navigator.clipboard.writeText(source.textContent);
  const word = button.querySelector("span");
  announce("Copied");
  if (!word) return;
  word.textContent = "Copied";
  setTimeout(() => { word.textContent = "Copy"; }, 2000);
}

/* Says a word to screen readers only. */
function announce(word) {
  const place = document.getElementById("flashes");
  const line = document.createElement("span");
  line.className = "hidden";
  line.textContent = word;
  place.append(line);
  setTimeout(() => line.remove(), 2000);
}

/* A form is sent once, by the browser or by htmx: it sleeps until the answer is there, the page
   comes back from the browser's memory, or ten seconds have passed, since a stopped request tells
   nobody. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.ariaBusy) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  if (form.matches(".themes")) return chooseTheme(event);
  form.ariaBusy = "true";
  if (event.submitter) event.submitter.ariaBusy = "true";
  if ("upload" in form.dataset) upload(event);
  else setTimeout(wake, 10_000, form);
}, true);

function wake(form) {
  for (const each of [form, ...form.elements]) each.ariaBusy = null;
}
addEventListener("pageshow", () => [...document.forms].forEach(wake));
document.addEventListener("htmx:finally:request", (event) => {
  const source = event.detail.ctx?.sourceElement;
  if (source instanceof HTMLFormElement) wake(source);
});

/* The colours change at once; the cookie follows by the same form, in the background. */
function chooseTheme(event) {
  event.preventDefault();
  const { form, value } = event.submitter;
  if (value) root.dataset.theme = value;
  else delete root.dataset.theme;
  for (const each of form.querySelectorAll("button")) each.ariaPressed = each === event.submitter;
  const body = new FormData(form, event.submitter);
  fetch(form.action, { method: "POST", body, redirect: "manual" });
}

/* The answers and the beginning of the file are judged first: a mistake is said before the file is
   sent, and the file stays chosen whatever is said. fetch() cannot tell how much was sent, XMLHttpRequest can. It has followed the
   redirect when it ends, so its answer is the page to show: asking again would lose the message
   on it. */
async function upload(event) {
  event.preventDefault();
  const form = event.target;
  const bar = form.querySelector("progress");
  if (form.dataset.check && !(await sound(form))) return;
  const request = new XMLHttpRequest();
  bar.hidden = false;
  request.upload.onprogress = ({ loaded, total }) => { bar.value = (100 * loaded) / total; };
  request.onload = () => {
    if (request.status < 400) {
      history.replaceState({ htmx: true }, "");
      history.pushState({ htmx: true }, "", request.responseURL);
    }
    turnTo(new DOMParser().parseFromString(request.responseText, "text/html"), form);
  };
  request.onerror = () => { wake(form); bar.hidden = true; announce("The upload failed"); };
  request.open("POST", form.action);
  request.send(new FormData(form, event.submitter));
}

async function sound(form) {
  const file = form.querySelector("input[type=file]");
  const body = new FormData(form);
  body.delete(file.name);
  const chosen = file.files[0];
  body.append("file_bytes", chosen?.size ?? 0);
  if (chosen) body.append("file_head", chosen.slice(0, 65_536));
  const answer = await fetch(form.dataset.check, { method: "POST", body }).catch(() => null);
  if (!answer || answer.ok) return true;
  turnTo(new DOMParser().parseFromString(await answer.text(), "text/html"), form);
  return false;
}

/* Shows a page that came as an answer to a form; where it is that form once more, its file stays. */
function turnTo(page, form) {
  const file = form.querySelector("input[type=file]");
  const empty = page.querySelector("input[type=file]");
  if (empty) {
    file.removeAttribute("aria-invalid");
    for (const { name, value } of empty.attributes) file.setAttribute(name, value);
    empty.replaceWith(file);
  }
  document.title = page.title;
  document.body = page.body;
  htmx.process(document.body);
  if (!faceErrors()) document.getElementById("main")?.focus();
}

/* After a swap the focus is where a person looks: at what went wrong, or at the new page. */
function faceErrors() {
  const errors = document.querySelector("[data-errors]");
  if (errors) errors.focus();
  return Boolean(errors);
}
document.addEventListener("htmx:after:swap", (event) => {
  const { sourceElement, target } = event.detail.ctx ?? {};
  if (sourceElement?.matches("form") && faceErrors()) return;
  if (target === document.body) document.getElementById("main")?.focus({ preventScroll: true });
});

/* Shortcuts: one key, or `g` and a second one within a second and a half. */
const OFF = "shortcuts-off";
let before = "";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
  if (localStorage.getItem(OFF)) return;
  const pressed = before ? `${before} ${event.key}` : event.key;
  before = !before && event.key === "g" ? "g" : "";
  if (before) return setTimeout(() => { before = ""; }, 1500);
  const wanted = document.querySelector(`[data-key="${CSS.escape(pressed)}"]`);
  if (!wanted) return;
  event.preventDefault();
  if (wanted.matches("input")) wanted.focus();
  else wanted.click();
});

function openSheet(sheet) {
  sheet.querySelector("#keys-on").checked = !localStorage.getItem(OFF);
  sheet.showModal();
}
document.addEventListener("change", ({ target }) => {
  if (target.id !== "keys-on") return;
  if (target.checked) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "yes");
});
