// Which experts take which token. Everything for every k came with the text; here it is only shown.

const PAUSE_MS = 300;
const TOP = 8; // hues
const visible = (text) => text.replace(/ /g, "·").replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/\r/g, "␍") || "∅";
const percent = (share) => `${Math.round(100 * share)} %`;
const some = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

/** The k experts with the largest shares, largest first, each with its weight; the weights sum to 1. */
function chosenOf(parts, k) {
  const best = parts.map((_, expert) => expert).sort((a, b) => parts[b] - parts[a] || a - b).slice(0, k);
  const whole = best.reduce((sum, expert) => sum + parts[expert], 0) || 1;
  return best.map((expert) => ({ expert, weight: parts[expert] / whole }));
}

/* One layer: how many tokens each expert takes, and the tokens with the first expert's number and hue */

function makeLayer(number, experts, choose, hold) {
  const loads = h("div", { class: "labkit-loads", role: "group", "aria-label": `Experts of layer ${number}` });
  const list = h("div", { class: "labkit-routed", role: "listbox", tabindex: 0, "aria-label": `Tokens in layer ${number}` });
  const uneven = h("span", { class: "labkit-beside" });
  const bars = [];
  const buttons = Array.from({ length: experts }, (_, expert) => {
    const bar = h("span", { class: "labkit-load", "aria-hidden": "true" }, h("span", { "data-hue": expert % TOP }));
    const count = h("span", { class: "labkit-taken" });
    bars.push({ bar: bar.firstChild, count });
    return h("button", { class: "labkit-expert", "aria-pressed": "false", onclick: () => hold(layer, expert) }, h("b", {}, `${expert}`), bar, count);
  });
  loads.append(...buttons);
  let chips = [];
  let chosen = [];
  let at = -1;

  const pick = (i, by) => {
    if (i < 0 || i >= chips.length) return;
    choose(i, layer);
    if (by === "keys") chips[i].scrollIntoView({ block: "nearest" });
  };
  const under = (event) => chips.indexOf(event.target.closest?.(".labkit-chip"));
  list.addEventListener("pointermove", (event) => pick(under(event), "pointer"));
  list.addEventListener("click", (event) => pick(under(event), "pointer"));
  list.addEventListener("focus", () => { if (list.matches(":focus-visible")) pick(Math.max(0, at), "keys"); });
  list.addEventListener("keydown", (event) => {
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: chips.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    pick(Math.max(0, Math.min(chips.length - 1, to)), "keys");
  });

  const layer = {
    number,
    element: h("section", { class: "labkit-layer" }, h("div", { class: "labkit-layer-head" }, h("strong", {}, `Layer ${number}`), uneven), loads, list),
    chosen: () => chosen,
    write(tokens) {
      const prefix = freshId("routed");
      at = -1;
      list.removeAttribute("aria-activedescendant");
      chips = tokens.map((text, i) => h("span", { class: `labkit-chip${text.endsWith("\n") ? " labkit-ends" : ""}`, role: "option", id: `${prefix}-${i}`, "aria-selected": "false" },
        visible(text), h("sub", {}, "")));
      list.replaceChildren(...chips);
    },
    show(found, k, held) {
      chosen = found;
      const taken = Array(experts).fill(0);
      found.forEach((best) => best.forEach(({ expert }) => (taken[expert] += 1)));
      chips.forEach((chip, i) => {
        const first = `${chosen[i][0].expert}`;
        if (chip.lastChild.textContent !== first) { // writing what stands there already costs a layout
          chip.dataset.hue = first % TOP;
          chip.lastChild.textContent = first;
        }
        chip.toggleAttribute("data-faded", held !== null && !chosen[i].some(({ expert }) => expert === held));
      });
      const most = Math.max(1, ...taken);
      bars.forEach(({ bar, count }, expert) => {
        bar.style.height = `${(100 * taken[expert]) / most}%`;
        count.textContent = taken[expert];
        buttons[expert].setAttribute("aria-pressed", String(held === expert));
        buttons[expert].setAttribute("aria-label", `Expert ${expert} takes ${some(taken[expert], "token")} of ${chips.length}`);
      });
      uneven.textContent = `${some(taken.filter(Boolean).length, "expert")} of ${experts} have work; an even share would be ${((chips.length * k) / experts).toFixed(1)} tokens each`;
      return taken;
    },
    mark(i, own) {
      chips.forEach((chip, j) => {
        chip.classList.toggle("labkit-linked", j === i);
        chip.setAttribute("aria-selected", String(own && j === i));
      });
      at = i;
      if (own && chips[i]) list.setAttribute("aria-activedescendant", chips[i].id);
      else list.removeAttribute("aria-activedescendant");
    },
  };
  return layer;
}

function render({ model, el, signal }) {
  const { root, status, cleanUp } = frame(model, el, signal);
  const ask = connect(model, cleanUp);
  const examples = model.get("examples");
  const experts = model.get("experts");
  const trained = model.get("trained_with");
  let read = examples[0];
  let asked = 0;
  let pause = 0;
  let place = { i: -1, layer: null };
  let held = { layer: null, expert: null };
  cleanUp.push(() => clearTimeout(pause));

  const [exampleId, textId, kId] = ["example", "text", "k"].map(freshId);
  const picker = h("select", { id: exampleId, onchange: () => showExample(Number(picker.value)) },
    ...examples.map(({ label }, i) => h("option", { value: i }, label)), h("option", { value: -1 }, "Your own text"));
  const area = h("textarea", { id: textId, rows: 3, maxlength: model.get("longest"), spellcheck: "false", oninput: typed });
  const shownK = h("span", { class: "labkit-value", "aria-hidden": "true" });
  const slider = h("input", { type: "range", id: kId, min: 1, max: experts, step: 1, value: trained, oninput: draw });
  const figures = ["Expert weights used", "Loss of this text", "Experts at work"].map((label) => {
    const value = h("dd", { class: "labkit-number" });
    const beside = h("dd", { class: "labkit-beside" });
    return { element: h("div", { class: "labkit-figure" }, h("dt", {}, label), value, beside), value, beside };
  });
  const told = h("p", { class: "labkit-place", role: "status", "aria-live": "polite" });
  const layers = examples[0].ways[0].layers.map((_, number) => makeLayer(number, experts, choose, hold));

  root.append(
    h("div", { class: "labkit-fields" },
      h("div", {}, h("label", { for: exampleId }, "Text"), picker),
      h("div", { class: "labkit-slider", "data-moved": "" }, h("label", { for: kId }, "Experts per token (k)"), shownK, slider)),
    h("label", { for: textId, class: "labkit-area-label" }, `Edit it, or write your own (up to ${model.get("longest")} characters)`),
    area, status,
    h("dl", { class: "labkit-figures" }, ...figures.map(({ element }) => element)),
    told, ...layers.map(({ element }) => element));

  function showExample(i) {
    if (i < 0) { area.focus(); return; }
    asked += 1; // an answer that is still on its way is not wanted any more
    clearTimeout(pause);
    area.value = examples[i].text;
    say(status);
    show(examples[i]);
  }

  function show(found) {
    read = found;
    place = { i: -1, layer: null };
    layers.forEach((layer) => layer.write(read.tokens));
    draw();
  }

  function draw() {
    const k = Number(slider.value);
    const way = read.ways[k - 1];
    way.chosen ??= way.layers.map((parts) => parts.map((row) => chosenOf(row, k))); // sorted once
    const words = k === trained ? `${k}, as trained` : `${k} of ${experts}`;
    shownK.textContent = words;
    slider.setAttribute("aria-valuetext", words);
    slider.style.setProperty("--at", (k - 1) / Math.max(1, experts - 1));
    const taken = layers.map((layer, i) => layer.show(way.chosen[i], k, held.layer === layer ? held.expert : null));
    const working = taken.map((counts) => counts.filter(Boolean).length);
    const home = read.ways[trained - 1].loss;
    const texts = [[percent(k / experts), "of the experts, by each token"], [way.loss.toFixed(2), k === trained ? "nats per token" : `nats per token; ${home.toFixed(2)} with ${trained}`],
      [working.join(" and "), `of ${experts}, by ${some(read.tokens.length, "token")} together`]];
    figures.forEach(({ value, beside }, i) => { value.textContent = texts[i][0]; beside.textContent = texts[i][1]; });
    root.dataset.k = k;
    root.dataset.taken = taken.map((counts) => counts.join(" ")).join(" | ");
    tell();
  }

  function choose(i, layer) {
    if (place.i === i && place.layer === layer) return;
    place = { i, layer };
    layers.forEach((each) => each.mark(i, each === layer));
    tell();
  }

  function hold(layer, expert) {
    held = held.layer === layer && held.expert === expert ? { layer: null, expert: null } : { layer, expert };
    draw();
  }

  function tell() {
    if (place.i < 0) {
      told.replaceChildren("Each token has the number and colour of the expert that counts most for it. Point at a token, or move through a row with the arrow keys, to see all its experts; press an expert to see its tokens.");
      return;
    }
    const lines = layers.map((layer) => h("span", {}, `Layer ${layer.number}: `,
      layer.chosen()[place.i].map(({ expert, weight }) => `expert ${expert} ${percent(weight)}`).join(", ")));
    told.replaceChildren(h("b", {}, visible(read.tokens[place.i])), ` is token ${place.i + 1} of ${read.tokens.length}.`, ...lines);
  }

  function typed() {
    picker.value = "-1";
    clearTimeout(pause);
    pause = setTimeout(route, PAUSE_MS);
  }

  async function route() {
    const text = area.value;
    const mine = (asked += 1);
    const late = () => mine !== asked;
    if (!text.trim()) { say(status, "note", "Write something: there is no token yet."); return; }
    const answer = await ask("route", { text }, (words, tone) => { if (!late()) say(status, tone, words); });
    if (late()) return;
    if (answer.trouble) { say(status, "bad", answer.trouble); return; }
    say(status);
    show(answer.reply);
  }

  watchKernel(model, cleanUp, () => say(status, "note", "The kernel has stopped: the examples work on, your own text needs it. Run the cell again."));
  showExample(0);
}

export default { render };
