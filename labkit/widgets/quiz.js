// The card of one question. It knows no key: it sends the answer and draws what comes back.

const LEADS = { pass: "Right.", fail: "Not yet.", error: "I could not read that.", committed: "Committed." };
const TONES = { pass: "good", fail: "bad", error: "note", committed: "kept" };

/* Inputs, one maker per type: { element, read() → answer or null, write(answer), parts: id → node, first } */

function choiceInput(question, changed) {
  const kind = question.type === "multiple" ? "checkbox" : "radio";
  const name = freshId("choice");
  const parts = {};
  const inputs = question.options.map((option) => {
    const told = freshId("told");
    const input = h("input", { type: kind, name, value: option.id, "aria-describedby": told, onchange: changed });
    const feedback = h("div", { class: "labkit-feedback", id: told });
    const label = h("label", { class: "labkit-option" }, input, h("span", { html: option.html }));
    parts[option.id] = { feedback, row: h("div", { class: "labkit-row" }, label, feedback) };
    return input;
  });
  const chosen = () => inputs.filter((input) => input.checked).map((input) => input.value);
  return {
    element: h("div", { class: "labkit-options" }, ...Object.values(parts).map((part) => part.row)),
    parts,
    first: inputs[0],
    missing: kind === "radio" ? "Choose an answer first." : "Choose at least one answer first.",
    read: () => (chosen().length === 0 ? null : kind === "radio" ? chosen()[0] : chosen()),
    write: (answer) => inputs.forEach((input) => (input.checked = [answer].flat().includes(input.value))),
    chosen,
  };
}

function typedInput(question, changed) {
  const numeric = ["number", "predict"].includes(question.type);
  const id = freshId("typed");
  const common = { id, oninput: changed, autocomplete: "off", spellcheck: "false" };
  const input =
    question.type === "code-output"
      ? h("textarea", { ...common, rows: 2, class: "labkit-code" })
      : h("input", { ...common, type: "text", inputmode: numeric ? "decimal" : undefined });
  const unitId = freshId("unit");
  const bounds = [question.minimum, question.maximum].every((bound) => bound !== undefined && bound !== null);
  const range = bounds ? `between ${question.minimum} and ${question.maximum}` : "";
  const unit = [question.unit, range].filter(Boolean).join(", ");
  if (unit) input.setAttribute("aria-describedby", unitId);
  return {
    element: h("div", { class: numeric ? "labkit-typed labkit-numeric" : "labkit-typed" },
      h("label", { for: id }, question.type === "predict" ? "Your prediction" : "Your answer"), input,
      unit ? h("span", { class: "labkit-unit", id: unitId }, unit) : null),
    parts: {},
    first: input,
    missing: numeric ? "Type a number first." : "Type an answer first.",
    read: () => (input.value.trim() === "" ? null : input.value),
    write: (answer) => (input.value = answer ?? ""),
    lock: () => (input.readOnly = true),
  };
}

function orderInput(question, changed, tell) {
  const list = h("ol", { class: "labkit-order" });
  const parts = {};
  const rows = () => [...list.children];
  const place = (row, to) => {
    const others = rows().filter((other) => other !== row);
    list.insertBefore(row, others[to] ?? null);
    refresh();
  };
  const refresh = () =>
    rows().forEach((row, at, all) => {
      row.querySelector("[data-move=up]").setAttribute("aria-disabled", at === 0);
      row.querySelector("[data-move=down]").setAttribute("aria-disabled", at === all.length - 1);
    });
  const step = (row, by, button) => {
    const to = rows().indexOf(row) + by;
    if (to < 0 || to >= rows().length) return;
    place(row, to);
    button.focus(); // moving a node in the page takes its focus away
    changed();
    tell(`${row.dataset.text} is now ${to + 1} of ${rows().length}`);
  };
  for (const item of question.items) {
    const words = h("span", { class: "labkit-item", html: item.html });
    const handle = h("span", { class: "labkit-handle", "aria-hidden": "true" }, "⠿");
    const mover = (name, by, sign) => {
      const button = h("button", { type: "button", "data-move": name, "aria-label": `Move ${name}: ${words.textContent}` }, sign);
      button.addEventListener("click", () => step(row, by, button));
      return button;
    };
    const feedback = h("div", { class: "labkit-feedback" });
    const row = h("li", { "data-id": item.id }, handle, words);
    row.append(mover("up", -1, "↑"), mover("down", 1, "↓"), feedback);
    row.dataset.text = words.textContent;
    dragRow(row, handle, rows, place, changed);
    parts[item.id] = { feedback, row };
    list.append(row);
  }
  refresh();
  return {
    element: list,
    parts,
    placed: true,
    first: list.querySelector("[data-move=down]"),
    missing: "",
    read: () => rows().map((row) => row.dataset.id),
    write: (answer) => (answer ?? []).forEach((id, to) => parts[id] && place(parts[id].row, to)),
  };
}

function middleOf(row) {
  return row.getBoundingClientRect().top + row.offsetHeight / 2;
}

/** Drag by pointer: the row goes where the pointer is, between the rows' middles. */
function dragRow(row, handle, rows, place, changed) {
  let from = -1;
  handle.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    from = rows().indexOf(row);
    row.classList.add("labkit-dragged");
    const move = (at) => {
      const others = rows().filter((other) => other !== row);
      const to = others.filter((other) => middleOf(other) < at.clientY).length;
      if (to !== rows().indexOf(row)) place(row, to);
    };
    const drop = () => {
      row.classList.remove("labkit-dragged");
      document.removeEventListener("pointermove", move);
      document.removeEventListener("pointerup", drop);
      document.removeEventListener("pointercancel", drop);
      if (rows().indexOf(row) !== from) changed();
    };
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", drop);
    document.addEventListener("pointercancel", drop);
  });
}

function matchInput(question, changed) {
  const parts = {};
  const selects = question.left.map((left) => {
    const partner = freshId("partner");
    const told = freshId("told");
    const feedback = h("div", { class: "labkit-feedback", id: told });
    // A select's options hold text only: the rendered Markdown gives up its words.
    const words = (item) => h("span", { html: item.html }).textContent;
    const select = h("select", { id: partner, "aria-describedby": told, onchange: changed },
      h("option", { value: "" }, "choose…"), ...question.right.map((item) => h("option", { value: item.id }, words(item))));
    parts[left.id] = { feedback, row: h("div", { class: "labkit-pair" }, h("label", { for: partner, html: left.html }), select, feedback) };
    return [left.id, select];
  });
  return {
    element: h("div", { class: "labkit-pairs" }, ...Object.values(parts).map((part) => part.row)),
    parts,
    placed: true,
    first: selects[0]?.[1],
    missing: "Choose a partner for each first.",
    read: () => (selects.some(([, select]) => !select.value) ? null : Object.fromEntries(selects.map(([id, select]) => [id, select.value]))),
    write: (answer) => selects.forEach(([id, select]) => (select.value = answer?.[id] ?? "")),
  };
}

function makeInput(question, changed, tell) {
  if (question.options) return choiceInput(question, changed);
  if (question.items) return orderInput(question, changed, tell);
  if (question.left) return matchInput(question, changed);
  return typedInput(question, changed);
}

/* The card */

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function hintButton(question, takeHint) {
  const total = Array.isArray(question.hints) ? question.hints.length : Number(question.hints ?? 0);
  if (!total) return { button: null, show: () => {} };
  const button = h("button", { type: "button", onclick: () => button.getAttribute("aria-disabled") !== "true" && takeHint() });
  const show = (left) => {
    button.textContent = left > 0 ? `Hint (${left} left)` : "No hints left";
    button.setAttribute("aria-disabled", left <= 0);
  };
  show(total);
  return { button, show: (state) => show(state.hints_left ?? total - (state.hints?.length ?? 0)) };
}

/** Beside each part, in words and a mark: the author's feedback, or else whether it is in its place. */
function showFeedback(input, state) {
  const right = new Set([state.right ?? []].flat());
  for (const [id, part] of Object.entries(input.parts)) {
    const good = right.has(id) || state.outcome === "pass";
    const text = state.feedback_html?.[id];
    const placed = input.placed && state.outcome === "fail" && right.size > 0;
    part.feedback.replaceChildren();
    part.feedback.hidden = !text && !placed;
    if (part.feedback.hidden) continue;
    part.feedback.dataset.tone = good ? "good" : "bad";
    part.feedback.append(
      h("span", { class: "labkit-mark", "aria-hidden": "true" }, MARKS[good ? "good" : "bad"]),
      h("span", {}, h("strong", {}, good ? "Right" : "No"), ...(text ? [": ", h("span", { html: text })] : [])),
    );
  }
}

function render({ model, el, signal }) {
  const question = model.get("question");
  const { root, status, cleanUp } = frame(model, el, signal);
  const ask = connect(model, cleanUp);
  const predicting = question.type === "predict";
  const points = h("span", { class: "labkit-points" });
  const hints = h("ol", { class: "labkit-hints", "aria-live": "polite" });
  const moved = h("span", { class: "labkit-hidden", role: "status" });
  const submit = h("button", { type: "submit", class: "labkit-first" }, predicting ? "Commit prediction" : "Check answer");
  const input = makeInput(question, changed, (text) => (moved.textContent = text));
  const hint = hintButton(question, takeHint);
  let asking = false;
  let shown = null;

  const actions = h("div", { class: "labkit-actions" }, submit, hint.button);
  const form = h(
    "form",
    { autocomplete: "off", novalidate: true },
    h("div", { class: "labkit-head" }, h("span", {}, question.how), points),
    h("fieldset", {},
      h("legend", { html: question.legend_html }),
      question.rest_html ? h("div", { class: "labkit-rest", html: question.rest_html }) : null,
      question.code ? h("pre", { tabindex: 0, "aria-label": "Code", role: "region" }, h("code", {}, question.code)) : null,
      input.element),
    actions,
    moved,
    hints,
    status,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  root.dataset.type = question.type;
  root.append(form);

  function changed() {
    if (asking) return;
    say(status); // what the status said was about another answer
    if (input.placed) showFeedback(input, {});
  }

  function showHints(state) {
    hint.show(state);
    hints.replaceChildren(...(state.hints ?? []).map((each) => h("li", { html: each.html })));
    hints.hidden = !hints.childElementCount;
  }

  function showResult(state) {
    const total = question.points ?? 1;
    points.textContent = state.points > 0 ? `${state.points} of ${plural(total, "point")}` : plural(total, "point");
    if (state.answer !== undefined && state.answer !== null) input.write(state.answer);
    showFeedback(input, state);
    if (state.compared) {
      input.lock?.();
      actions.hidden = true;
      say(status, "kept", h("span", { html: state.compared_html }), `You predicted ${state.answer}.`);
    } else if (state.outcome) {
      const message = state.message_html ? h("div", { html: state.message_html }) : "";
      say(status, TONES[state.outcome] ?? "note", message, LEADS[state.outcome] ?? "");
    }
    root.dataset.outcome = state.outcome ?? "";
  }

  /** A hint must not undo what is being entered: the result is drawn only where there is a new one. */
  function show(state, isNew = false) {
    showHints(state);
    const { hints: _hints, hints_left: _left, ...result } = state;
    const now = JSON.stringify(result);
    if (isNew || now !== shown) showResult(state);
    shown = now;
  }

  function wait(on) {
    asking = on;
    submit.setAttribute("aria-disabled", on);
    root.toggleAttribute("aria-busy", on);
  }

  async function check() {
    if (asking) return;
    const answer = input.read();
    if (answer === null) {
      say(status, "note", input.missing);
      input.first?.focus();
      return;
    }
    wait(true);
    say(status, "wait", "Checking…");
    // Not connected is not the end of it: the answer can be sent again, and a late reply still lands.
    const heard = await ask("answer", { answer }, (text, tone) => {
      say(status, tone, text);
      if (tone === "bad") wait(false);
    });
    wait(false);
    if (heard.trouble) say(status, "bad", heard.trouble);
    else show(heard.reply.state, true);
  }

  async function takeHint() {
    let waited = false;
    const heard = await ask("hint", {}, (text, tone) => {
      waited = true;
      say(status, tone, text);
    });
    if (waited) say(status);
    if (heard.trouble) say(status, "bad", heard.trouble);
    else show(heard.reply.state);
  }

  const fromKernel = () => !asking && show(model.get("state"));
  model.on("change:state", fromKernel);
  cleanUp.push(() => model.off("change:state", fromKernel));
  watchKernel(model, cleanUp, () => say(status, "bad", NOT_CONNECTED));
  show(model.get("state"));
  // A card that came back with the file may have no kernel behind it: ask, and say so.
  ask("hello", {}, (text, tone) => tone === "bad" && say(status, tone, text));
}

export default { render };
