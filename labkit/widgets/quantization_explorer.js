// Bits, groups and levels of a real weight matrix by slider. The weights were sent once.

const GROUPS = ["matrix", "row", 256, 128, 64, 32, 16];
const PLANTED_ROW = 7;
const PLANTED_FACTOR = 32;
const FREE_SCHEMES = ["absmax", "zero point"];
const PLOT = { height: 230, top: 12, bottom: 34, side: 14 };

const grouped = (n) => Math.round(n).toLocaleString("en-US");
const percent = (x) => `${(100 * x).toFixed(x < 0.0995 ? 2 : 1)} %`;
const groupWords = (group) => (group === "matrix" ? "whole matrix" : group === "row" ? "each row" : `${group} weights`);

function svg(tag, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The matrices as the browser wants them, each with a copy that has a large row. */
function unpackMatrices(model) {
  const bytes = model.get("weights");
  const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  let from = 0;
  return model.get("matrices").map(({ name, rows, columns }) => {
    const weights = floats.slice(from, (from += rows * columns));
    const row = Math.min(PLANTED_ROW, rows - 1);
    const planted = weights.slice();
    for (let i = row * columns; i < (row + 1) * columns; i++) planted[i] *= PLANTED_FACTOR;
    return { name, rows, columns, row, weights, planted };
  });
}

function makeSlider(name, label, steps, start, words, moved) {
  const id = freshId(name);
  const shown = h("span", { class: "labkit-value", "aria-hidden": "true" });
  const input = h("input", { type: "range", id, min: 0, max: steps.length - 1, step: 1, value: steps.indexOf(start),
    "data-control": name, oninput: moved });
  return {
    row: h("div", { class: "labkit-slider" }, h("label", { for: id }, label), shown, input),
    input,
    value: () => steps[input.value],
    show(text = words(steps[input.value])) {
      shown.textContent = text;
      input.setAttribute("aria-valuetext", text);
      input.style.setProperty("--at", input.value / (steps.length - 1));
    },
  };
}

function makeFigure(label) {
  const value = h("dd", { class: "labkit-number" });
  const note = h("dd", { class: "labkit-beside" });
  return {
    element: h("div", { class: "labkit-figure" }, h("dt", {}, label), value, note),
    show: (number, beside) => { value.textContent = number; note.textContent = beside; },
  };
}

/** Two paths, the weights and the levels, each as high as its fullest; a redraw only sets them anew. */
function makeHistogram() {
  const weights = svg("path", { class: "labkit-weights" });
  const levels = svg("path", { class: "labkit-levels" });
  const axis = svg("g", { class: "labkit-grid" });
  const picture = svg("svg", { role: "img", class: "labkit-chart labkit-histogram", height: PLOT.height });
  picture.append(weights, levels, axis);
  let full = 480;

  function drawAxis() {
    const base = PLOT.height - PLOT.bottom;
    const x = (place) => PLOT.side + ((place + 1) / 2) * (full - 2 * PLOT.side);
    axis.replaceChildren(svg("line", { x1: x(-1), x2: x(1), y1: base + 0.5, y2: base + 0.5 }),
      ...[-1, -0.5, 0, 0.5, 1].map((place) => svg("text", { x: x(place), y: base + 16, "text-anchor": "middle" }, `${place}`)));
  }

  return {
    picture,
    resize(width) { full = width; drawAxis(); },
    draw(found) {
      const base = PLOT.height - PLOT.bottom;
      const tall = base - PLOT.top;
      const span = full - 2 * PLOT.side;
      const most = Math.max(1, ...found.histogram);
      const wide = span / found.histogram.length;
      let outline = `M${PLOT.side} ${base}`;
      found.histogram.forEach((count, i) => (outline += `V${(base - (tall * count) / most).toFixed(1)}H${(PLOT.side + (i + 1) * wide).toFixed(1)}`));
      weights.setAttribute("d", `${outline}V${base}Z`);
      const fullest = Math.max(1, ...found.counts);
      const half = Math.min(4, Math.max(0.6, (0.32 * span) / found.levels.length));
      let bars = "";
      found.levels.forEach((level, i) => {
        const x = PLOT.side + ((level + 1) / 2) * span;
        const up = found.counts[i] ? Math.max(2, (tall * found.counts[i]) / fullest) : 0;
        bars += `M${(x - half).toFixed(1)} ${base + 5}V${(base - up).toFixed(1)}H${(x + half).toFixed(1)}V${base + 5}Z`;
      });
      levels.setAttribute("d", bars);
    },
  };
}

function render({ model, el, signal }) {
  const { root, cleanUp } = frame(model, el, signal);
  const matrices = unpackMatrices(model);
  const books = Object.fromEntries(model.get("code_books").map(({ name, levels }) => [name, levels]));
  let found = null;

  const pick = h("select", { id: freshId("matrix"), onchange: moved },
    ...matrices.map(({ name }, i) => h("option", { value: i }, name)));
  const way = h("select", { id: freshId("scheme"), onchange: moved },
    ...[...FREE_SCHEMES, ...Object.keys(books)].map((name) => h("option", { value: name }, name)));
  const bits = makeSlider("bits", "Bits", [2, 3, 4, 5, 6, 7, 8], 4, (n) => `${n}, ${2 ** n} codes`, moved);
  const group = makeSlider("group", "One scale for", GROUPS, "matrix", groupWords, moved);
  const outlier = h("input", { type: "checkbox", id: freshId("outlier"), onchange: moved });
  const chart = makeHistogram();
  const figures = ["Error", "Bits a weight", "Bytes", "Levels used"].map(makeFigure);
  const table = h("tbody");
  const details = h("details", { ontoggle: fillTable }, h("summary", {}, "The levels as a table"),
    h("div", { class: "labkit-scroll", tabindex: 0, role: "region", "aria-label": "The levels as a table" },
      h("table", {}, h("thead", {}, h("tr", {}, ...["level", "weights", "share"].map((name) => h("th", { scope: "col" }, name)))), table)));
  const status = h("div", { class: "labkit-hidden", role: "status", "aria-live": "polite" });

  root.append(
    h("div", { class: "labkit-prompt" }, h("label", { for: pick.id }, "Matrix"), pick),
    h("div", { class: "labkit-desk labkit-rounding" },
      h("fieldset", { class: "labkit-controls" }, h("legend", {}, "How it is stored"),
        h("div", { class: "labkit-choice" }, h("label", { for: way.id }, "Levels"), way),
        bits.row, group.row,
        h("div", { class: "labkit-plant" }, outlier, h("label", { for: outlier.id }, `Outlier: row ${PLANTED_ROW} is ${PLANTED_FACTOR} times as large`))),
      h("figure", { class: "labkit-plot" },
        h("figcaption", {},
          h("span", { class: "labkit-key labkit-key-weights" }, "weights over the range of their group"),
          h("span", { class: "labkit-key labkit-key-levels" }, "weights on each level")),
        chart.picture,
        h("p", { class: "labkit-others" }, "Both are drawn as high as their fullest. With an outlier row, only the other rows are counted."))),
    h("dl", { class: "labkit-figures labkit-four-figures" }, ...figures.map(({ element }) => element)),
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

  function setting() {
    const scheme = way.value;
    return { scheme, bits: books[scheme] ? 4 : bits.value(), group: group.value() };
  }

  function redraw() {
    const now = setting();
    const { rows, columns, row, weights, planted } = matrices[pick.value];
    bits.input.disabled = Boolean(books[now.scheme]);
    bits.show(books[now.scheme] ? `4, ${books[now.scheme].length} levels` : undefined);
    group.show();
    found = measure(outlier.checked ? planted : weights, rows, columns, now, books, outlier.checked ? row : -1);
    chart.draw(found);
    showFigures(now, rows, columns);
    if (details.open) fillTable();
    clearTimeout(speaking);
    speaking = setTimeout(speak, 600); // a screen reader hears where a slider came to rest
  }

  function showFigures(now, rows, columns) {
    const cost = bitsPerWeight(now, rows, columns);
    const used = found.counts.reduce((sum, count) => sum + (count > 0), 0);
    const half = levelsForHalf(found.counts, found.counted);
    const bytes = (rows * columns * cost) / 8;
    const [error, per, size, levels] = figures;
    error.show(percent(found.error), "root mean square, of the weights' own");
    per.show(cost.toFixed(3), `${now.bits} and its share of the scales`);
    size.show(grouped(bytes), `of ${grouped(2 * rows * columns)} in 16 bits`);
    levels.show(`${used} of ${found.levels.length}`, `half of the weights on ${half}`);
    Object.assign(root.dataset, { error: found.error, bits: cost, bytes: Math.round(bytes), used, half });
    chart.picture.setAttribute("aria-label", `The weights and the ${found.levels.length} levels; the numbers are below and in the table.`);
  }

  function fillTable() {
    if (!details.open) return;
    table.replaceChildren(...Array.from(found.levels, (level, i) => h("tr", {}, h("th", { scope: "row" }, level.toFixed(4)),
      h("td", {}, grouped(found.counts[i])), h("td", {}, percent(found.counts[i] / found.counted)))));
  }

  function speak() {
    const { error, bits: per, used } = root.dataset;
    status.textContent = `Error ${percent(Number(error))}, ${Number(per).toFixed(3)} bits a weight, ${used} of ${found.levels.length} levels used.`;
  }

  // Width is only known once the card is on the page, and changes with it.
  const watcher = new ResizeObserver(([{ contentRect }]) => {
    chart.resize(contentRect.width || 480);
    if (found) chart.draw(found);
  });
  watcher.observe(chart.picture);
  cleanUp.push(() => watcher.disconnect(), () => clearTimeout(speaking), () => cancelAnimationFrame(nextFrame));
  redraw();
}

export default { render };
