// The common base of all cards. It stands before a widget's own file in one ES module.

const ASK_EVERY_MS = 1500;
const ASK_SLOWLY_MS = 5000;
const QUICK_TRIES = 6;
const TRIES_WHEN_IDLE = 3;
const NOT_CONNECTED = "This card is not connected: run its cell first (Shift+Enter).";
const BUSY = "The kernel is busy, your answer is waiting.";
let cardsMade = 0;

/** An element with attributes, listeners (on…) and children; text is never read as HTML. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "html") element.innerHTML = value; // from labkit.widgets.prose only: escaped there
    else element.setAttribute(name, value === true ? "" : value);
  }
  // Lumino, JupyterLab's shortcut engine, asks the focused element itself.
  if (["input", "select", "textarea", "button", "summary"].includes(tag))
    element.dataset.lmSuppressShortcuts = "true";
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A number that is unique on the page, for ids and radio groups. */
function freshId(prefix) {
  cardsMade += 1;
  return `labkit-${prefix}-${cardsMade}-${Math.random().toString(36).slice(2, 8)}`;
}

/** The card's frame: a root that keeps keys from JupyterLab's shortcuts, and a status line. */
function frame(model, el, signal) {
  const status = h("div", { class: "labkit-status", role: "status", "aria-live": "polite" });
  const root = h("section", { class: "labkit-card", "data-qid": model.get("key") });
  root.addEventListener("keydown", (event) => {
    const saving = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
    if (!saving) event.stopPropagation();
  });
  el.replaceChildren(root);
  const cleanUp = [];
  signal?.addEventListener("abort", () => cleanUp.forEach((undo) => undo()));
  return { root, status, cleanUp };
}

const MARKS = { good: "✓", bad: "✗", note: "i", wait: "…", kept: "◆" };

/** Say something in a status line: an icon and words, never colour alone. */
function say(status, tone, content, lead = "") {
  if (!content && !lead) {
    delete status.dataset.tone;
    status.replaceChildren();
    return;
  }
  status.dataset.tone = tone;
  const words = h("div", { class: "labkit-words" });
  if (lead) words.append(h("strong", {}, lead), " ");
  if (content) words.append(content);
  status.replaceChildren(h("span", { class: "labkit-mark", "aria-hidden": "true" }, MARKS[tone]), words);
}

/** The kernel as JupyterLab's widget manager knows it; null where the front end has no such thing. */
function kernelOf(model) {
  try {
    return model.widget_manager?.kernel ?? null;
  } catch {
    return null;
  }
}

/**
 * Questions to the kernel that are always answered: each carries an id, is asked again until it is
 * acknowledged, and says meanwhile why it waits (`onWait(text, tone)`). A late reply still counts.
 */
function connect(model, cleanUp) {
  const waiting = new Map();
  const hear = (message) => {
    const question = waiting.get(message?.id);
    if (!question) return;
    clearTimeout(question.timer);
    waiting.delete(message.id);
    question.resolve(message);
  };
  model.on("msg:custom", hear);
  cleanUp.push(() => {
    model.off("msg:custom", hear);
    for (const question of waiting.values()) clearTimeout(question.timer);
    waiting.clear();
  });

  function tryOnce(id) {
    const question = waiting.get(id);
    question.tries += 1;
    const kernel = kernelOf(model);
    try {
      if (kernel && ["dead", "terminating"].includes(kernel.status)) throw new Error("the kernel is gone");
      model.send(question.body);
    } catch {
      question.onWait(NOT_CONNECTED, "bad"); // a dead kernel makes send throw; it may yet come back
      question.lost = true;
    }
    question.timer = setTimeout(() => again(id), question.tries < QUICK_TRIES ? ASK_EVERY_MS : ASK_SLOWLY_MS);
  }

  function again(id) {
    const question = waiting.get(id);
    const status = kernelOf(model)?.status;
    if (status === "busy") question.onWait(BUSY, "wait");
    else if (question.tries >= (status === "idle" ? TRIES_WHEN_IDLE : QUICK_TRIES) || question.lost)
      question.onWait(NOT_CONNECTED, "bad");
    else question.onWait("Waiting for the kernel…", "wait");
    // Nothing answers: stop asking, keep listening. A busy kernel is asked until it has time.
    if (question.tries < QUICK_TRIES || status === "busy") tryOnce(id);
  }

  return function ask(what, body = {}, onWait = () => {}) {
    const id = freshId("ask");
    return new Promise((resolve) => {
      waiting.set(id, { body: { id, ask: what, ...body }, tries: 0, lost: false, onWait, resolve });
      tryOnce(id);
    });
  };
}

/** Tell at once when the kernel dies or starts anew: what is on the page is then not connected. */
function watchKernel(model, cleanUp, onGone) {
  const kernel = kernelOf(model);
  if (!kernel?.statusChanged?.connect) return;
  const look = (_sender, status) => {
    if (["dead", "terminating", "restarting", "autorestarting"].includes(status)) onGone();
  };
  kernel.statusChanged.connect(look);
  cleanUp.push(() => kernel.statusChanged.disconnect(look));
}
