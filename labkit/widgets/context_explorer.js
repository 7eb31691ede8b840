// The window as a strip of coloured tokens. Everything was tried beforehand; here it is only shown.

const HUES = 6;
const shownToken = (text) => text.replace(/\n/g, "⏎").replace(/ /g, " ");
const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

function render({ model, el, signal }) {
  const { root, cleanUp } = frame(model, el, signal);
  const passages = model.get("passages");
  const questions = model.get("questions");
  const budgets = model.get("budgets");
  const packings = model.get("packings");
  const all = passages.reduce((sum, { relevance }) => sum + relevance, 0);
  const price = passages.map(({ tokens }) => tokens.length + 1); // and a line end

  const pick = h("select", { id: freshId("question"), onchange: redraw },
    ...questions.map(({ text }, i) => h("option", { value: i }, text.replace(/^Q: |\s*A:$/g, ""))));
  const way = freshId("way");
  const ways = packings.map(({ name }, i) =>
    h("label", { class: "labkit-way" }, h("input", { type: "radio", name: way, value: i, checked: i === 0, onchange: redraw }), name));
  const budgetId = freshId("budget");
  const shown = h("span", { class: "labkit-value", "aria-hidden": "true" });
  const slider = h("input", { type: "range", id: budgetId, min: 0, max: budgets.length - 1, step: 1,
    value: Math.floor((budgets.length - 1) / 2), oninput: redraw });
  const strip = h("div", { class: "labkit-strip", role: "img" });
  const reply = h("p", { class: "labkit-reply" });
  const figures = ["Passages packed", "Tokens used", "Relevance packed", "Questions right"].map((label) => {
    const value = h("dd", { class: "labkit-number" });
    return { element: h("div", { class: "labkit-figure" }, h("dt", {}, label), value), value };
  });
  const inside = h("ol", { class: "labkit-passages" });
  const outside = h("ul", { class: "labkit-passages labkit-outside" });
  const outsideSummary = h("summary", {}, "");
  const status = h("div", { class: "labkit-hidden", role: "status", "aria-live": "polite" });

  root.append(
    h("div", { class: "labkit-prompt" }, h("label", { for: pick.id }, "Question"), pick),
    h("div", { class: "labkit-settings" },
      h("fieldset", {}, h("legend", {}, "Packed"), ...ways),
      h("div", { class: "labkit-slider", "data-moved": "" }, h("label", { for: budgetId }, "Budget"), shown, slider)),
    strip, reply,
    h("dl", { class: "labkit-figures labkit-four" }, ...figures.map(({ element }) => element)),
    h("h4", {}, "In the window, from the top"), inside,
    h("details", { open: true }, outsideSummary, outside),
    h("details", {}, h("summary", {}, "Right answers at every budget"), overview()),
    status,
  );

  let speaking = 0;
  cleanUp.push(() => clearTimeout(speaking));

  function overview() {
    const cell = (tag, text, scope) => h(tag, { scope }, `${text}`);
    return h("div", { class: "labkit-scroll", tabindex: 0, role: "region", "aria-label": "Right answers at every budget" },
      h("table", {},
        h("thead", {}, h("tr", {}, cell("th", "tokens", "col"), ...packings.map(({ name }) => cell("th", name, "col")))),
        h("tbody", {}, ...budgets.map((budget, i) => h("tr", {}, cell("th", budget, "row"),
          ...packings.map(({ tries }) => cell("td", `${tries[i].right.filter(Boolean).length} of ${questions.length}`)))))));
  }

  function line(i) {
    const { tokens, relevance } = passages[i];
    const source = questions[pick.value].sources.includes(i);
    return h("li", { class: "labkit-passage", "data-hue": i % HUES, "data-source": source },
      h("span", { class: "labkit-worth", title: "relevance and tokens" }, `needed ${relevance} ×, ${price[i]} tokens`),
      source ? h("strong", { class: "labkit-source" }, "holds the answer") : null,
      h("span", { class: "labkit-tokens" }, ...tokens.map((text) => h("span", { class: "labkit-chip" }, shownToken(text)))));
  }

  function drawStrip(chosen, budget, used) {
    const sources = questions[pick.value].sources;
    const cells = chosen.map((i) => h("span", { class: "labkit-piece", "data-hue": i % HUES, "data-source": sources.includes(i), style: `flex-grow: ${price[i]}; --cells: ${price[i]}` }));
    const most = budgets[budgets.length - 1];
    strip.replaceChildren(...cells,
      h("span", { class: "labkit-free", style: `flex-grow: ${budget - used}` }),
      h("span", { class: "labkit-beyond", style: `flex-grow: ${most - budget}` }));
    strip.setAttribute("aria-label", `${plural(chosen.length, "passage")} packed, ${used} of ${budget} tokens; listed below.`);
  }

  function redraw() {
    const at = Number(slider.value);
    const budget = budgets[at];
    const { tries } = packings[root.querySelector(`input[name="${way}"]:checked`)?.value ?? 0];
    const { chosen, replies, right } = tries[at];
    const { answer, sources } = questions[pick.value];
    const used = chosen.reduce((sum, i) => sum + price[i], 0);
    const words = `${budget} tokens`;
    shown.textContent = words;
    slider.setAttribute("aria-valuetext", words);
    slider.style.setProperty("--at", at / Math.max(1, budgets.length - 1));
    drawStrip(chosen, budget, used);

    const good = right[pick.value];
    const there = sources.some((i) => chosen.includes(i));
    const why = good ? "" : there ? " The answer stands in the window, and was not read." : " The answer is not in the window.";
    reply.dataset.right = good;
    reply.replaceChildren("The model says ", h("b", {}, replies[pick.value] || "(nothing)"),
      h("span", { class: "labkit-mark", "aria-hidden": "true" }, good ? " ✓" : " ✗"),
      good ? " - right." : ` - wrong: it is ${answer}.${why}`);

    const packed = chosen.reduce((sum, i) => sum + passages[i].relevance, 0);
    const texts = [`${chosen.length} of ${passages.length}`, `${used} of ${budget}`, all ? `${Math.round((100 * packed) / all)} %` : "-",
      `${right.filter(Boolean).length} of ${questions.length}`];
    figures.forEach(({ value }, i) => (value.textContent = texts[i]));
    root.dataset.budget = budget;
    root.dataset.chosen = chosen.join(" ");

    inside.replaceChildren(...chosen.map((i) => line(i)));
    const out = passages.map((_, i) => i).filter((i) => !chosen.includes(i));
    outsideSummary.textContent = `Fallen out: ${plural(out.length, "passage")}, ${out.reduce((sum, i) => sum + price[i], 0)} tokens`;
    outside.replaceChildren(...out.map((i) => line(i)));
    clearTimeout(speaking);
    speaking = setTimeout(() => (status.textContent = `${words}: ${texts[0]} passages packed. ${reply.textContent}`), 600);
  }

  redraw();
}

export default { render };
