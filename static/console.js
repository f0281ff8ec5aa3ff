/* The console page: a ticket, a WebSocket that it opens once, and noVNC on top. The ticket travels
   as a subprotocol, which no log writes down. A page that cannot ask for one has it behind the # of
   its address, and is good once. */

const page = document.getElementById("console");
const stage = page.querySelector("[data-screen]");
const sheet = page.querySelector("dialog");
const button = (name) => page.querySelector(`[data-do="${name}"]`);
const { default: RFB } = await import(page.dataset.novnc);

const PAUSES = [1, 1, 2, 4, 8, 15];  // seconds before another try, the last for ever
const KEY_PAUSE = 25;  // milliseconds; a guest's keyboard forgets what comes faster
const ENTER = 0xff0d, TAB = 0xff09, SHIFT = 0xffe1;

const once = !page.dataset.ticket;
const ONCE = "An address like this is good once, and for two minutes. Ask for a new one.";
let bearer = location.hash.slice(1);
if (once) history.replaceState(null, "", location.pathname);

let rfb = null;
let tries = 0;
let timer;
let waiting = false;  // for a moment to try again

/* States: connecting, connected, waiting, ended. */
function show(state, reason = "") {
  for (const each of page.querySelectorAll("[data-state]")) {
    each.hidden = each.dataset.state !== state;
  }
  page.querySelector("[data-reason]").textContent = reason;
  button("reconnect").hidden = once || state === "connecting" || state === "connected";
  for (const name of ["reset", "type"]) button(name).disabled = state !== "connected";
}

async function connect() {
  clearTimeout(timer);
  waiting = false;
  rfb?.disconnect();
  rfb = null;
  show("connecting");
  if (once) return spend();
  const answer = await fetch(page.dataset.ticket, {
    method: "POST",
    headers: { "X-CSRFToken": page.dataset.token, "HX-Request": "true" },
    redirect: "manual",
  }).catch(() => null);
  if (!answer) return again("The portal does not answer.");
  if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
  const said = await answer.text();
  if (answer.ok) return open(said);
  if (answer.status === 429 || answer.status >= 500) {
    return again(answer.status === 500 ? "The portal has a problem." : said,
      Number(answer.headers.get("Retry-After")));
  }
  show("ended", answer.status === 400 ? "This page is too old: load it again." : said);
}

function spend() {
  if (!bearer) return show("ended", ONCE);
  open(bearer);
  bearer = "";
}

function open(ticket) {
  const url = new URL(page.dataset.socket, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url, ["binary", `ticket.${ticket}`]);
  const mine = new RFB(stage, socket, { shared: true });
  rfb = mine;
  rfb.background = "#000";
  fit();
  mine.addEventListener("connect", () => {
    tries = 0;
    show("connected");
    const canvas = stage.querySelector("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("aria-label", `Screen of ${page.dataset.name}`);
    if ([document.body, document.querySelector("main")].includes(document.activeElement)) {
      mine.focus({ preventScroll: true });
    }
  });
  socket.addEventListener("close", ({ reason }) => {
    if (rfb !== mine) return;
    rfb = null;
    again(reason);
  });
}

/* Whether it can be opened at all is said by the next ticket; so a reboot needs no more than
   patience, and a guest that is off needs a person. */
function again(reason, seconds = 0) {
  if (once) return show("ended", [reason, ONCE].filter(Boolean).join(" "));
  const pause = seconds || PAUSES[Math.min(tries, PAUSES.length - 1)];
  tries += 1;
  show("waiting", reason);
  waiting = true;
  if (!document.hidden) timer = setTimeout(connect, 1000 * pause);
}

/* A page that nobody looks at does not try for ever. */
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && waiting) connect();
});

function fit() {
  const wanted = button("fit").getAttribute("aria-pressed") === "true";
  if (!rfb) return;
  rfb.scaleViewport = wanted;
  rfb.clipViewport = rfb.dragViewport = !wanted;
}

/* The keyboard goes back to the page, and no key stays down in the guest: noVNC lets go of all
   keys when it may only watch. */
function release() {
  if (!rfb) return;
  rfb.viewOnly = true;
  rfb.viewOnly = false;
  if (document.fullscreenElement) document.exitFullscreen();
  button("full").focus();
}

stage.addEventListener("keydown", (event) => {
  if (!event.ctrlKey || !event.altKey || event.code !== "KeyG") return;
  event.preventDefault();
  event.stopPropagation();
  release();
}, true);

/* What an American keyboard has on its keys, plain and with Shift. */
const KEYS = new Map([["\n", ["Enter", false, ENTER]], ["\t", ["Tab", false, TAB]]]);
for (const [codes, plain, shifted] of [
  ["Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal",
    "`1234567890-=", "~!@#$%^&*()_+"],
  ["KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Backslash",
    "qwertyuiop[]\\", "QWERTYUIOP{}|"],
  ["KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote", "asdfghjkl;'", "ASDFGHJKL:\""],
  ["KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash", "zxcvbnm,./", "ZXCVBNM<>?"],
  ["Space", " ", ""],
]) {
  codes.split(" ").forEach((code, at) => {
    KEYS.set(plain[at], [code, false, plain.charCodeAt(at)]);
    if (shifted[at]) KEYS.set(shifted[at], [code, true, shifted.charCodeAt(at)]);
  });
}

async function type(text) {
  for (const character of text) {
    if (!rfb) return;
    const [code, shift, symbol] = KEYS.get(character);
    if (shift) rfb.sendKey(SHIFT, "ShiftLeft", true);
    rfb.sendKey(symbol, code);
    if (shift) rfb.sendKey(SHIFT, "ShiftLeft", false);
    await new Promise((done) => { setTimeout(done, KEY_PAUSE); });
  }
}

sheet.querySelector("form").addEventListener("submit", (event) => {
  if (!event.submitter?.value) return;
  const field = sheet.querySelector("textarea");
  const text = field.value.replaceAll("\r\n", "\n");
  const strange = [...text].find((character) => !KEYS.has(character));
  sheet.querySelector("[data-wrong]").textContent =
    strange ? `“${strange}” is on no American keyboard.` : "";
  if (strange) return event.preventDefault();
  field.value = "";
  type(text);
});
sheet.addEventListener("close", () => rfb?.focus());

page.addEventListener("click", async ({ target }) => {
  const name = target.closest("[data-do]")?.dataset.do;
  if (name === "reconnect") {
    tries = 0;
    connect();
  } else if (name === "reset") {
    rfb.sendCtrlAltDel();
    rfb.focus();
  } else if (name === "type") {
    sheet.showModal();
  } else if (name === "fit") {
    const pressed = button("fit").getAttribute("aria-pressed") === "true";
    button("fit").setAttribute("aria-pressed", String(!pressed));
    fit();
  } else if (name === "full") {
    await stage.requestFullscreen();
    await navigator.keyboard?.lock?.(["Escape"]);  // else Escape would not reach the guest
    rfb?.focus();
  }
});

connect();
