// The loss of a running tuning. Numbers come a few times a second; a frame draws what there is then.

const HEIGHT = 210;
const MARGIN = { left: 46, right: 10, top: 10, bottom: 30 };
const NEAR = 10; // steps in the mean
const SPEAK_EVERY = 0.25; // of the whole, to a screen reader

function svg(tag, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The mean of the last NEAR losses at every step. */
function means(losses) {
  const found = new Float64Array(losses.length);
  let sum = 0;
  losses.forEach((loss, i) => {
    sum += loss - (i >= NEAR ? losses[i - NEAR] : 0);
    found[i] = sum / Math.min(i + 1, NEAR);
  });
  return found;
}

const shownLoss = (loss) => (loss >= 1 ? loss.toFixed(2) : loss >= 0.01 ? loss.toFixed(3) : loss >= 1e-5 ? loss.toFixed(5) : loss.toExponential(1));

function render({ model, el, signal }) {
  const { root, cleanUp } = frame(model, el, signal);
  const picture = svg("svg", { role: "img", class: "labkit-chart labkit-losses", height: HEIGHT });
  const grid = svg("g", { class: "labkit-grid" });
  const raw = svg("path", { class: "labkit-raw" });
  const mean = svg("path", { class: "labkit-mean" });
  picture.append(grid, raw, mean);
  const figures = ["Step", "Loss", "First loss"].map((label) => {
    const value = h("dd", { class: "labkit-number" }, "-");
    return { element: h("div", { class: "labkit-figure" }, h("dt", {}, label), value), value };
  });
  const table = h("tbody");
  const details = h("details", { ontoggle: fillTable }, h("summary", {}, "The numbers as a table"),
    h("div", { class: "labkit-scroll", tabindex: 0, role: "region", "aria-label": "The numbers as a table" },
      h("table", {}, h("thead", {}, h("tr", {}, ...["step", "loss", `mean of ${NEAR}`].map((name) => h("th", { scope: "col" }, name)))), table)));
  const status = h("div", { class: "labkit-hidden", role: "status", "aria-live": "polite" });
  root.append(
    h("div", { class: "labkit-head" }, h("h4", {}, model.get("name")),
      h("span", { class: "labkit-key labkit-key-mean" }, `mean of ${NEAR} steps`),
      h("span", { class: "labkit-key labkit-key-raw" }, "each step")),
    h("figure", { class: "labkit-plot" }, picture),
    h("dl", { class: "labkit-figures" }, ...figures.map(({ element }) => element)),
    details, status,
  );

  let losses = new Float32Array();
  let waiting = 0; // the frame that will draw; 0 when none is asked for
  let pushes = 0;
  let drawings = 0;
  let spoken = 0;
  let width = 560;

  function take() {
    const bytes = model.get("losses");
    losses = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    pushes += 1;
    soon();
  }

  function soon() {
    waiting ||= requestAnimationFrame(draw);
  }

  function draw() {
    waiting = 0;
    drawings += 1;
    const steps = model.get("steps");
    const smooth = means(losses);
    const finite = [...losses].filter((loss) => loss > 0 && Number.isFinite(loss));
    const top = Math.ceil(Math.log10(Math.max(1, ...finite)));
    const bottom = Math.max(-5, Math.min(top - 1, Math.floor(Math.log10(Math.min(1, ...finite)))));
    const x = (i) => MARGIN.left + ((width - MARGIN.left - MARGIN.right) * i) / Math.max(1, steps - 1);
    const share = (loss) => (top - Math.log10(Math.max(loss, 10 ** bottom))) / (top - bottom);
    const y = (loss) => MARGIN.top + (HEIGHT - MARGIN.top - MARGIN.bottom) * share(loss);
    const path = (values) => [...values].map((v, i) => (Number.isFinite(v) ? `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}` : "")).join("").replace(/^L/, "M");
    raw.setAttribute("d", path(losses));
    mean.setAttribute("d", path(smooth));
    drawGrid(top, bottom, steps, x, y);
    const now = smooth[smooth.length - 1];
    figures[0].value.replaceChildren(`${losses.length}`, h("small", {}, ` of ${steps}`));
    figures[1].value.replaceChildren(losses.length ? shownLoss(now) : "-", h("small", {}, " nats"));
    figures[2].value.replaceChildren(losses.length ? shownLoss(losses[0]) : "-", h("small", {}, " nats"));
    const words = losses.length ? `Step ${losses.length} of ${steps}, loss ${shownLoss(now)}.` : "Nothing yet.";
    picture.setAttribute("aria-label", `${model.get("name")} against the step, on a logarithmic scale. ${words}`);
    speak(words, losses.length / steps);
    Object.assign(root.dataset, { points: losses.length, pushes, drawings });
    if (details.open) fillTable();
  }

  function drawGrid(top, bottom, steps, x, y) {
    const end = HEIGHT - MARGIN.bottom;
    grid.replaceChildren();
    for (let power = bottom; power <= top; power++) {
      const at = Math.round(y(10 ** power)) + 0.5;
      grid.append(svg("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }));
      grid.append(svg("text", { x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" }, `${+(10 ** power).toPrecision(1)}`));
    }
    for (const part of [0, 0.5, 1]) {
      const step = Math.max(1, Math.round(part * steps));
      const anchor = part === 1 ? "end" : part === 0 ? "start" : "middle";
      grid.append(svg("text", { x: x(step - 1), y: end + 18, "text-anchor": anchor }, part ? `${step}` : "step 1"));
    }
  }

  function speak(words, part) {
    if (part < 1 && part - spoken < SPEAK_EVERY) return;
    spoken = part;
    status.textContent = words;
  }

  function fillTable() {
    if (!details.open) return;
    const smooth = means(losses);
    const every = Math.max(1, Math.ceil(losses.length / 20));
    const shown = [...losses.keys()].filter((i) => (i + 1) % every === 0 || i === losses.length - 1 || i === 0);
    table.replaceChildren(...shown.map((i) =>
      h("tr", {}, h("th", { scope: "row" }, `${i + 1}`), ...[losses[i], smooth[i]].map((loss) => h("td", {}, shownLoss(loss))))));
  }

  const watcher = new ResizeObserver(([entry]) => {
    width = Math.max(220, Math.floor(entry.contentRect.width));
    picture.setAttribute("width", width);
    soon();
  });
  watcher.observe(picture.parentElement);
  model.on("change:losses", take);
  cleanUp.push(() => {
    watcher.disconnect();
    cancelAnimationFrame(waiting);
    model.off("change:losses", take);
  });
  take();
}

export default { render };
