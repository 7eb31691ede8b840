// Sliders over the distribution of the next token. Everything is computed here from logits sent once.

const SHOWN = 15;
const SLIDERS = [
  { name: "temperature", label: "Temperature", steps: [0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 1, 1.2, 1.5, 2, 3, 5], neutral: 1,
    words: (v) => (v === 0 ? "0, always the likeliest" : `${v}`) },
  { name: "topK", label: "Top-k", steps: [0, 50, 20, 10, 5, 3, 2, 1], neutral: 0, words: (v) => (v === 0 ? "off" : `${v}`) },
  { name: "topP", label: "Top-p", steps: [1, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.1, 0.05], neutral: 1, words: (v) => (v === 1 ? "off" : `${v}`) },
  { name: "minP", label: "Min-p", steps: [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5], neutral: 0, words: (v) => (v === 0 ? "off" : `${v}`) },
];
const AXES = [0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1];
const ROW = 24;
const TOP = 26;

const percent = (p) => (p === 0 ? "0 %" : p < 0.0005 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`);
const grouped = (n) => n.toLocaleString("en-US");
const visible = (token) =>
  token === "" ? "(empty)" : token.replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length));

function svg(tag, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A token's text with its spaces, drawn as dots, in a quieter tone. */
function writeToken(element, label) {
  const parts = label.split(/(·+)/).filter(Boolean);
  element.replaceChildren(...parts.map((part) => svg("tspan", part.startsWith("·") ? { class: "labkit-space" } : {}, part)));
}

/** The examples as the browser wants them: 32-bit logits, ranked once, and the untouched distribution. */
function unpack(model) {
  const bytes = model.get("logits");
  const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const vocabularies = model.get("vocabularies");
  let from = 0;
  return model.get("prompts").map(({ prompt, vocabulary }) => {
    const tokens = vocabularies[vocabulary];
    const logits = floats.slice(from, (from += tokens.length));
    const ranked = rank(logits);
    return { prompt, tokens, logits, ranked, before: distributionOf(logits, ranked, OPEN) };
  });
}

/* Controls */

function makeSlider({ name, label, steps, neutral, words }, moved) {
  const at = steps.indexOf(neutral);
  const id = freshId(name);
  const shown = h("span", { class: "labkit-value", "aria-hidden": "true" });
  const input = h("input", { type: "range", id, min: 0, max: steps.length - 1, step: 1, value: at, "data-control": name,
    oninput: () => { refresh(); moved(); } });
  const refresh = () => {
    const setting = words(steps[input.value]);
    shown.textContent = setting;
    input.setAttribute("aria-valuetext", setting);
    input.style.setProperty("--at", input.value / (steps.length - 1));
    row.toggleAttribute("data-moved", Number(input.value) !== at);
  };
  const row = h("div", { class: "labkit-slider" }, h("label", { for: id }, label), shown, input);
  input.style.setProperty("--neutral", at / (steps.length - 1));
  refresh();
  return {
    row,
    name,
    value: () => steps[input.value],
    reset: () => { input.value = at; refresh(); },
  };
}

/** One number with its name, and what it was before anything was turned. */
function makeFigure(label) {
  const value = h("dd", { class: "labkit-number" });
  const note = h("dd", { class: "labkit-beside" });
  return {
    element: h("div", { class: "labkit-figure" }, h("dt", {}, label), value, note),
    show: (number, unit, beside) => {
      value.replaceChildren(number, unit ? h("small", {}, ` ${unit}`) : "");
      note.textContent = beside;
    },
  };
}

/* The chart: rows are made once, a redraw only moves them */

function makeChart(rows) {
  const hatch = freshId("hatch");
  const picture = svg("svg", { role: "img", class: "labkit-chart", height: TOP + rows * ROW + 4 });
  const defs = svg("defs");
  const pattern = svg("pattern", { id: hatch, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  pattern.append(svg("line", { x1: 0, y1: 0, x2: 0, y2: 5, class: "labkit-hatch" }));
  defs.append(pattern);
  const grid = svg("g", { class: "labkit-grid" });
  picture.append(defs, grid);
  const bars = Array.from({ length: rows }, (_, i) => {
    const y = TOP + i * ROW;
    const bar = {
      token: svg("text", { y: y + 16, class: "labkit-token", "text-anchor": "end" }),
      ghost: svg("rect", { y: y + 3.5, height: ROW - 7, rx: 2, class: "labkit-ghost" }),
      now: svg("rect", { y: y + 7, height: ROW - 14, rx: 1, class: "labkit-now" }),
      seen: svg("circle", { cy: y + ROW / 2, r: 3.5, class: "labkit-seen" }),
      words: svg("text", { y: y + 16, class: "labkit-share", "text-anchor": "end" }),
    };
    picture.append(...Object.values(bar));
    return bar;
  });

  let full = 480; // measured when the width changes: asking for it makes the browser lay out the page
  let drawnGrid = "";

  function drawGrid(left, width, axis) {
    if (drawnGrid === `${left} ${width} ${axis}`) return;
    drawnGrid = `${left} ${width} ${axis}`;
    grid.replaceChildren();
    for (let i = 0; i <= 4; i++) {
      const x = Math.round(left + (width * i) / 4) + 0.5;
      const label = `${+((100 * axis * i) / 4).toFixed(1)}${i === 4 ? " %" : ""}`;
      grid.append(svg("line", { x1: x, x2: x, y1: TOP - 4, y2: TOP + rows * ROW }));
      if (width > 130 || i % 4 === 0) grid.append(svg("text", { x, y: 14, "text-anchor": "middle" }, label));
    }
  }

  return {
    picture,
    resize: (width) => (full = width),
    draw({ example, now, draws, drawn }) {
      const shown = example.ranked.subarray(0, rows);
      const left = Math.min(118, Math.round(full * 0.3));
      const right = 84;
      const width = Math.max(60, full - left - right - 12);
      const most = Math.max(...Array.from(shown, (id) => Math.max(example.before.probabilities[id], now.probabilities[id])));
      const axis = AXES.find((end) => end >= most * 0.999) ?? 1;
      const length = (p) => Math.min(width, (width * p) / axis);
      drawGrid(left + 8, width, axis);
      shown.forEach((id, i) => {
        const bar = bars[i];
        const [p, was, cut] = [now.probabilities[id], example.before.probabilities[id], CUT_BY[now.cut[id]]];
        const label = visible(example.tokens[id]);
        const fits = Math.floor(left / 7.4);
        writeToken(bar.token, label.length > fits ? `${label.slice(0, fits - 1)}…` : label);
        bar.token.setAttribute("x", left);
        bar.token.classList.toggle("labkit-out", cut !== "");
        bar.ghost.setAttribute("x", left + 8.5);
        bar.ghost.setAttribute("width", Math.max(0.5, length(was)));
        bar.ghost.setAttribute("fill", cut ? `url(#${hatch})` : "none");
        bar.now.setAttribute("x", left + 8);
        bar.now.setAttribute("width", p > 0 ? Math.max(1, length(p)) : 0);
        bar.words.textContent = cut ? `cut: ${cut}` : percent(p);
        bar.words.setAttribute("x", full - 4);
        bar.words.classList.toggle("labkit-out", cut !== "");
        bar.seen.setAttribute("cx", left + 8 + length((draws.get(id) ?? 0) / Math.max(1, drawn)));
        bar.seen.style.display = draws.get(id) ? "" : "none";
      });
      picture.setAttribute("aria-label", `Bars of the ${rows} likeliest next tokens; the numbers are in the table below.`);
    },
  };
}

/* The whole */

function effectiveTokens({ effective }) {
  return effective < 100 ? effective.toFixed(1) : grouped(Math.round(effective));
}

function render({ model, el, signal }) {
  const { root, cleanUp } = frame(model, el, signal);
  const examples = unpack(model);
  const rows = Math.min(SHOWN, ...examples.map((example) => example.tokens.length));
  let example = examples[0];
  let now = example.before;
  let random = seededRandom(model.get("seed"));
  let draws = new Map();
  let drawn = 0;

  const status = h("div", { class: "labkit-hidden", role: "status", "aria-live": "polite" });
  const gap = h("span", { class: "labkit-gap" });
  const sentence = h("p", { class: "labkit-sentence" });
  const pick = h("select", { id: freshId("prompt"), onchange: choose },
    ...examples.map((each, i) => h("option", { value: i }, each.prompt)));
  const sliders = SLIDERS.map((each) => makeSlider(each, moved));
  const chart = makeChart(rows);
  const figures = { entropy: makeFigure("Entropy"), effective: makeFigure("Effective vocabulary"), kept: makeFigure("Tokens kept") };
  const others = h("p", { class: "labkit-others" });
  const tally = h("p", { class: "labkit-tally" });
  const table = h("tbody");
  const details = h("details", { ontoggle: fillTable }, h("summary", {}, "The numbers as a table"),
    h("div", { class: "labkit-scroll", tabindex: 0, role: "region", "aria-label": "The numbers as a table" },
      h("table", {}, h("thead", {}, h("tr", {}, ...["token", "logit", "before", "now", "drawn"].map((name) => h("th", { scope: "col" }, name)))), table)));

  root.append(
    h("div", { class: "labkit-prompt" }, h("label", { for: pick.id }, "Prompt"), pick),
    sentence,
    h("div", { class: "labkit-desk" },
      h("fieldset", { class: "labkit-controls" },
        h("legend", {}, "Applied from top to bottom"),
        ...sliders.map((slider) => slider.row),
        h("button", { type: "button", onclick: reset }, "Reset")),
      h("figure", { class: "labkit-plot" },
        h("figcaption", {},
          h("span", { class: "labkit-key labkit-key-now" }, "now"),
          h("span", { class: "labkit-key labkit-key-ghost" }, "before: T = 1, nothing cut"),
          h("span", { class: "labkit-key labkit-key-cut" }, "cut"),
          h("span", { class: "labkit-key labkit-key-seen" }, "share of your draws")),
        chart.picture, others)),
    h("dl", { class: "labkit-figures" }, ...Object.values(figures).map((figure) => figure.element)),
    h("div", { class: "labkit-draws" },
      ...[1, 20, 500].map((n) => h("button", { type: "button", "data-draw": n, onclick: () => drawTokens(n) }, `Draw ${n}`)),
      tally),
    details, status,
  );

  let nextFrame = 0;
  let late = false;
  let speaking = 0;

  /** The first move in a frame is drawn at once, all others of that frame together in the next. */
  function moved() {
    late = nextFrame !== 0;
    if (late) return;
    redraw();
    nextFrame = requestAnimationFrame(() => {
      nextFrame = 0;
      if (late) moved();
    });
  }

  function choose() {
    example = examples[pick.value];
    moved();
  }

  function reset() {
    sliders.forEach((slider) => slider.reset());
    random = seededRandom(model.get("seed")); // the same draws come again
    moved();
  }

  function redraw() {
    now = distributionOf(example.logits, example.ranked, Object.fromEntries(sliders.map((slider) => [slider.name, slider.value()])));
    draws = new Map(); // draws belong to one distribution
    drawn = 0;
    gap.textContent = "";
    sentence.replaceChildren(example.prompt.trimEnd(), " ", gap);
    showAll();
    clearTimeout(speaking);
    speaking = setTimeout(speak, 600); // a screen reader hears where a slider came to rest
  }

  function showAll() {
    chart.draw({ example, now, draws, drawn });
    showFigures();
    showTally();
    if (details.open) fillTable();
  }

  function showFigures() {
    const { before } = example;
    const size = example.tokens.length;
    const same = Math.abs(now.entropy - before.entropy) < 1e-9;
    const beside = (words, was) => (same ? words : `${words} · before ${was}`);
    figures.entropy.show(now.entropy.toFixed(2), "nats", beside(`${(now.entropy / Math.LN2).toFixed(2)} bits`, `${before.entropy.toFixed(2)} nats`));
    figures.effective.show(effectiveTokens(now), now.effective < 1.05 ? "token" : "tokens", beside("e to the entropy", effectiveTokens(before)));
    figures.kept.show(grouped(now.kept), "", `of ${grouped(size)}`);
    const rest = (distribution) => percent(Math.max(0, 1 - example.ranked.subarray(0, rows).reduce((sum, id) => sum + distribution.probabilities[id], 0)));
    others.textContent = size > rows ? `The other ${grouped(size - rows)} tokens share ${beside(rest(now), rest(before)).replace(" ·", ",")}.` : "";
    root.dataset.kept = now.kept;
    root.dataset.entropy = now.entropy;
  }

  function drawTokens(n) {
    let id = 0;
    for (let i = 0; i < n; i++) {
      id = draw(now, random);
      draws.set(id, (draws.get(id) ?? 0) + 1);
    }
    drawn += n;
    gap.textContent = visible(example.tokens[id]).replace(/^·/, "");
    showAll();
    status.textContent = `Drawn: ${tally.textContent}`;
  }

  function showTally() {
    if (!drawn) {
      tally.replaceChildren("Draw from the distribution and see what comes.");
      return;
    }
    const seen = [...draws].sort((a, b) => b[1] - a[1]);
    const named = seen.slice(0, 8).map(([id, count]) => h("span", { class: "labkit-drawn" }, h("b", {}, visible(example.tokens[id])), ` × ${count}`));
    const more = seen.length > 8 ? `and ${seen.length - 8} more` : "";
    tally.replaceChildren(`${drawn}: `, ...named.flatMap((each) => [each, " "]), more);
  }

  function fillTable() {
    table.replaceChildren(...Array.from(example.ranked.subarray(0, rows), (id) => {
      const cut = CUT_BY[now.cut[id]];
      return h("tr", {}, h("th", { scope: "row" }, visible(example.tokens[id])),
        ...[example.logits[id].toFixed(2), percent(example.before.probabilities[id]), cut ? `cut by ${cut}` : percent(now.probabilities[id]), `${draws.get(id) ?? 0}`]
          .map((cell) => h("td", {}, cell)));
    }));
  }

  function speak() {
    status.textContent = `${grouped(now.kept)} of ${grouped(example.tokens.length)} tokens kept. Effective vocabulary ${effectiveTokens(now)}, before ${effectiveTokens(example.before)}.`;
  }

  // Width is only known once the card is on the page, and changes with it.
  const watcher = new ResizeObserver(([{ contentRect }]) => {
    chart.resize(contentRect.width || 480);
    chart.draw({ example, now, draws, drawn });
  });
  watcher.observe(chart.picture);
  cleanUp.push(() => watcher.disconnect(), () => clearTimeout(speaking), () => cancelAnimationFrame(nextFrame));
  sentence.replaceChildren(example.prompt.trimEnd(), " ", gap);
  showAll();
}

export default { render };
