// One text, cut by several tokenizers. Prepared examples came with the card; what is typed the kernel cuts.

const PAUSE_MS = 250;
const MESSAGES = 1000;
const COLOURS = 4;

const inWords = (n, digits = 0) => n.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const money = (dollars) => `${inWords(dollars, dollars < 10 ? 3 : 2)} $`;
const counted = (n, thing) => `${inWords(n)} ${thing}${n === 1 ? "" : "s"}`;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as text with what can't be seen made visible; half letters in hexadecimal. */
function readable(bytes) {
  if (!bytes.length) return "∅";
  try {
    return strict.decode(bytes).replace(/ /g, "·").replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/\r/g, "␍");
  } catch {
    return `‹${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}›`;
  }
}

/** Tokens of one tokenizer with where they begin and end in the text's bytes. */
function place(bytes, { ids, lengths }) {
  let from = 0;
  return ids.map((id, i) => {
    const token = { id, from, to: from + lengths[i], text: readable(bytes.subarray(from, from + lengths[i])) };
    from = token.to;
    return token;
  });
}

/** What of another tokenizer lies over the same bytes. A token without bytes has no counterpart. */
function overlapping(tokens, { from, to }) {
  return from === to ? [] : tokens.filter((other) => other.from < to && other.to > from);
}

/* One tokenizer: name, numbers, a bar, and its tokens as a list in which one is chosen */

function makeReader({ name, vocabulary }, choose) {
  const count = h("span", { class: "labkit-count" });
  const note = h("span", { class: "labkit-beside" });
  const bar = h("div", { class: "labkit-length", "aria-hidden": "true" }, h("div", {}));
  const list = h("div", { class: "labkit-tokens", role: "listbox", tabindex: 0, "aria-label": `Tokens of ${name}` });
  let tokens = [];
  let chips = [];
  let chosen = -1;

  const pick = (i, by) => {
    if (i < 0 || i >= tokens.length) return;
    choose(reader, tokens[i]);
    if (by === "keys") chips[i].scrollIntoView({ block: "nearest" });
  };
  const under = (event) => chips.indexOf(event.target.closest?.(".labkit-chip"));
  list.addEventListener("pointermove", (event) => pick(under(event), "pointer")); // not pointerover: that comes when a page moves under a resting mouse, too
  list.addEventListener("click", (event) => pick(under(event), "pointer"));
  list.addEventListener("focus", () => { if (chosen < 0 && list.matches(":focus-visible")) pick(0, "keys"); });
  list.addEventListener("keydown", (event) => {
    const to = { ArrowRight: chosen + 1, ArrowDown: chosen + 1, ArrowLeft: chosen - 1, ArrowUp: chosen - 1, Home: 0, End: tokens.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    pick(Math.max(0, Math.min(tokens.length - 1, to)), "keys");
  });

  const reader = {
    name,
    tokens: () => tokens,
    element: h("section", { class: "labkit-reader" },
      h("div", { class: "labkit-reader-head" }, h("strong", {}, name), h("span", { class: "labkit-beside" }, `${inWords(vocabulary)} tokens known`), count, note), bar, list),
    show(found) {
      tokens = found;
      chosen = -1;
      list.removeAttribute("aria-activedescendant");
      const prefix = freshId("token");
      chips = tokens.map((token, i) =>
        h("span", { class: `labkit-chip labkit-chip-${i % COLOURS}${token.text.endsWith("⏎") ? " labkit-ends" : ""}`, role: "option", id: `${prefix}-${i}`, "aria-selected": "false" }, token.text));
      list.replaceChildren(...chips);
    },
    tell(bytes, rate, most) {
      count.textContent = counted(tokens.length, "token");
      const each = tokens.length ? `${inWords(bytes / tokens.length, 1)} bytes a token, ` : "";
      note.textContent = `${each}${money((MESSAGES * tokens.length * rate) / 1e6)} for ${inWords(MESSAGES)} such messages`;
      bar.firstChild.style.width = `${most ? (100 * tokens.length) / most : 0}%`;
    },
    mark(marked, own) {
      chips.forEach((chip, i) => {
        const on = marked.includes(tokens[i]);
        chip.classList.toggle("labkit-linked", on);
        chip.setAttribute("aria-selected", String(on && own));
        if (on && own) { chosen = i; list.setAttribute("aria-activedescendant", chip.id); }
      });
      if (!own) { chosen = -1; list.removeAttribute("aria-activedescendant"); }
    },
  };
  return reader;
}

function render({ model, el, signal }) {
  const { root, status, cleanUp } = frame(model, el, signal);
  const ask = connect(model, cleanUp);
  const examples = model.get("examples");
  const encoder = new TextEncoder();
  let size = 0;
  let asked = 0;
  let pause = 0;
  let told = { text: null };
  cleanUp.push(() => clearTimeout(pause));

  const readers = model.get("tokenizers").map((each) => makeReader(each, choose));
  const [exampleId, textId, rateId] = ["example", "text", "rate"].map(freshId);
  const picker = h("select", { id: exampleId, onchange: () => showExample(Number(picker.value)) },
    ...examples.map(({ label }, i) => h("option", { value: i }, label)), h("option", { value: -1 }, "Your own text"));
  const area = h("textarea", { id: textId, rows: 4, maxlength: model.get("longest"), spellcheck: "false", oninput: typed });
  const rate = h("input", { id: rateId, type: "number", min: 0, step: "any", value: model.get("rate"), oninput: tellAll });
  const placeLine = h("p", { class: "labkit-place", role: "status", "aria-live": "polite" });
  const hint = "Point at a token, or move through a row with the arrow keys: what do the others make of the same place?";

  root.append(
    h("div", { class: "labkit-fields" },
      h("div", {}, h("label", { for: exampleId }, "Text"), picker),
      h("div", {}, h("label", { for: rateId }, "Dollars for a million input tokens"), rate)),
    h("label", { for: textId, class: "labkit-area-label" }, `Edit it, or paste your own (up to ${inWords(model.get("longest"))} characters)`),
    area, status, placeLine, ...readers.map(({ element }) => element));

  function showExample(i) {
    if (i < 0) { area.focus(); return; }
    asked += 1; // an answer that is still on its way is not wanted any more
    clearTimeout(pause);
    area.value = examples[i].text;
    say(status);
    show(examples[i].text, examples[i].cuts);
  }

  function show(text, cuts) {
    const bytes = encoder.encode(text);
    size = bytes.length;
    readers.forEach((reader, i) => reader.show(place(bytes, cuts[i])));
    placeLine.textContent = hint;
    told = { text };
    root.dataset.counts = readers.map((reader) => reader.tokens().length).join(" ");
    tellAll();
  }

  function tellAll() {
    const dollars = Math.max(0, Number(rate.value) || 0);
    const most = Math.max(...readers.map((reader) => reader.tokens().length));
    readers.forEach((reader) => reader.tell(size, dollars, most));
  }

  function typed() {
    picker.value = "-1";
    clearTimeout(pause);
    pause = setTimeout(cut, PAUSE_MS);
  }

  async function cut() {
    const text = area.value;
    const mine = (asked += 1);
    const late = () => mine !== asked;
    const answer = await ask("cut", { text }, (words, tone) => { if (!late()) say(status, tone, words); });
    if (late()) return;
    if (answer.trouble) { say(status, "bad", answer.trouble); return; }
    say(status);
    show(text, answer.reply.cuts);
  }

  function choose(owner, token) {
    if (told.token === token) return;
    told.token = token;
    const others = readers.filter((reader) => reader !== owner);
    owner.mark([token], true);
    const said = others.map((reader) => {
      const same = overlapping(reader.tokens(), token);
      reader.mark(same, false);
      return `${reader.name}: ${same.length ? same.map(({ text }) => text).join(" | ") : "nothing"}`;
    });
    const where = token.from === token.to ? "a mark of its own, no byte of the text" : `${counted(token.to - token.from, "byte")} of the text`;
    placeLine.replaceChildren(h("b", {}, token.text), ` is token ${token.id} of ${owner.name}, ${where}. `, ...said.map((line) => h("span", {}, line)));
  }

  watchKernel(model, cleanUp, () => say(status, "note", "The kernel has stopped: the examples work on, your own text needs it. Run the cell again."));
  showExample(0);
}

export default { render };
