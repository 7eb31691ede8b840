// What temperature, top-k, top-p and min-p do to the logits of the next token, in the order and with the
// rounding (32-bit floats) of transformers' logits processors. Pure functions: tests run this file alone.

const CUT_BY = ["", "top-k", "top-p", "min-p"];
const OPEN = { temperature: 1, topK: 0, topP: 1, minP: 0 };

/** Token ids by falling logit; of equal ones the later first, as a stable torch.sort leaves them. */
function rank(logits) {
  return Uint32Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || b - a);
}

/** Dividing can make neighbours equal: put those back into id order. Costs one pass when there are none. */
function rerank(scores, ranked) {
  const order = ranked.slice();
  for (let i = 1; i < order.length; i++)
    for (let j = i; j > 0 && scores[order[j]] === scores[order[j - 1]] && order[j] > order[j - 1]; j--)
      [order[j], order[j - 1]] = [order[j - 1], order[j]];
  return order;
}

function argmax(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

// Plain loops below: a slider redraws through them, and .map with a closure takes several times as long.
function softmax(scores) {
  const largest = scores[argmax(scores)];
  const probabilities = new Float32Array(scores.length);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] === -Infinity) continue;
    probabilities[i] = Math.exp(Math.fround(scores[i] - largest));
    sum += probabilities[i];
  }
  sum = Math.fround(sum);
  for (let i = 0; i < scores.length; i++) probabilities[i] /= sum;
  return probabilities;
}

/**
 * The distribution that a token is drawn from, and why each other token is not in it.
 * cut[i] is 0 for a kept token, else the index in CUT_BY of what cut it first.
 */
function distributionOf(logits, ranked, settings) {
  const { temperature, topK, topP, minP } = { ...OPEN, ...settings };
  if (temperature === 0) return greedy(logits, ranked);
  const scores = new Float32Array(logits.length);
  for (let i = 0; i < logits.length; i++) scores[i] = logits[i] / temperature;
  const order = rerank(scores, ranked);
  const cut = new Uint8Array(logits.length);
  const remove = (id, reason) => {
    if (scores[id] === -Infinity) return;
    cut[id] = reason;
    scores[id] = -Infinity;
  };
  if (topK > 0) cutTopK(scores, order, topK, remove);
  if (topP < 1) cutTopP(scores, order, topP, remove);
  if (minP > 0) cutMinP(scores, minP, remove);
  return { cut, order, ...measure(softmax(scores), scores) };
}

/** Temperature 0, the limit: the largest logit (the first of equal ones) takes all. */
function greedy(logits, ranked) {
  const scores = new Float32Array(logits.length).fill(-Infinity);
  scores[argmax(logits)] = 0;
  return { cut: new Uint8Array(logits.length), order: ranked, ...measure(softmax(scores), scores) };
}

/** Keep the k largest, and all that equal the k-th. */
function cutTopK(scores, order, k, remove) {
  const least = scores[order[Math.min(k, order.length) - 1]];
  for (const id of order) if (scores[id] < least) remove(id, 1);
}

/** From the rear, remove while the mass removed stays within 1 - p: the token that crosses p is kept. */
function cutTopP(scores, order, p, remove) {
  const probabilities = softmax(scores);
  const spare = Math.fround(1 - p);
  let mass = 0;
  for (let i = order.length - 1; i > 0; i--) {
    mass += probabilities[order[i]];
    if (Math.fround(mass) > spare) return;
    remove(order[i], 2);
  }
}

/** Keep what is at least min_p times as probable as the most probable token. */
function cutMinP(scores, minP, remove) {
  const probabilities = softmax(scores);
  const least = Math.fround(Math.fround(minP) * probabilities[argmax(probabilities)]);
  for (let id = 0; id < scores.length; id++) if (probabilities[id] < least) remove(id, 3);
}

/** Entropy in nats, the effective vocabulary exp(H), and how many tokens are left to draw from. */
function measure(probabilities, scores) {
  let entropy = 0;
  let kept = 0;
  for (let id = 0; id < scores.length; id++) {
    const p = probabilities[id];
    if (p > 0) entropy -= p * Math.log(p);
    if (scores[id] > -Infinity) kept += 1;
  }
  entropy = Math.max(0, entropy); // rounding: -0.0 or a hair below
  return { probabilities, entropy, effective: Math.exp(entropy), kept };
}

/** A small seeded generator (mulberry32): the same seed draws the same tokens on every machine. */
function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Draw one token id: walk down the ranking until the chance is used up. */
function draw({ probabilities, order }, random) {
  let chance = random();
  for (const id of order) {
    chance -= probabilities[id];
    if (chance < 0) return id;
  }
  return order[0];
}

export { CUT_BY, distributionOf, draw, rank, seededRandom };
