// Rounding a matrix in groups, and what that does. No page, no labkit: tests run it in node, too.

const SCALE_BITS = 16;
const ZERO_POINT_BITS = 8;
const BINS = 121;

/** Half to even, as torch rounds. */
function roundEven(x) {
  const low = Math.floor(x);
  const over = x - low;
  if (over !== 0.5) return over < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

/** The places of all levels in the range of a group, from -1 to 1. */
function levelsOf({ scheme, bits }, books) {
  if (books[scheme]) return books[scheme];
  const steps = scheme === "zero point" ? 2 ** bits - 1 : 2 ** bits - 2;
  return Array.from({ length: steps + 1 }, (_, i) => (2 * i) / steps - 1);
}

function groupSize(group, rows, columns) {
  if (group === "matrix") return rows * columns;
  return group === "row" ? columns : group;
}

/** What stores a weight, scales included, in bits. */
function bitsPerWeight({ scheme, bits, group }, rows, columns) {
  const groups = Math.ceil((rows * columns) / groupSize(group, rows, columns));
  const extra = SCALE_BITS + (scheme === "zero point" ? ZERO_POINT_BITS : 0);
  return bits + (extra * groups) / (rows * columns);
}

/** Scale and zero point of the weights from `first` to `last`. */
function rangeOf(weights, first, last, { scheme, bits }, books) {
  let [low, high] = [0, 0];
  for (let i = first; i < last; i++) {
    if (weights[i] < low) low = weights[i];
    if (weights[i] > high) high = weights[i];
  }
  if (scheme === "zero point") {
    const scale = (high - low) / (2 ** bits - 1) || 1;
    return { scale, zero: roundEven(-low / scale) };
  }
  const largest = Math.max(-low, high) || 1;
  return { scale: books[scheme] ? largest : largest / (2 ** (bits - 1) - 1), zero: 0 };
}

/** The nearest of ascending levels: how many of the middles between them lie below x. */
function nearest(middles, x) {
  let [from, to] = [0, middles.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (middles[middle] < x) from = middle + 1;
    else to = middle;
  }
  return from;
}

/**
 * Round all weights by a setting {scheme, bits, group}. A row `skip` is rounded with the others, and
 * left out of what is counted. Gives the error (root mean square, relative), how many weights each
 * level has, and the histogram of the weights over the range of their group.
 */
function measure(weights, rows, columns, setting, books, skip = -1) {
  const { scheme, bits, group } = setting;
  const levels = levelsOf(setting, books);
  const book = books[scheme];
  const middles = book ? book.slice(1).map((level, i) => (level + book[i]) / 2) : null;
  const top = scheme === "zero point" ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
  const size = groupSize(group, rows, columns);
  const counts = new Uint32Array(levels.length);
  const histogram = new Uint32Array(BINS);
  let [lost, whole, counted] = [0, 0, 0];
  for (let first = 0; first < weights.length; first += size) {
    const last = Math.min(first + size, weights.length);
    const { scale, zero } = rangeOf(weights, first, last, setting, books);
    for (let i = first; i < last; i++) {
      if (skip >= 0 && Math.floor(i / columns) === skip) continue;
      const steps = weights[i] / scale;
      let [code, back, place] = [0, 0, 0];
      if (book) {
        code = nearest(middles, steps);
        back = book[code] * scale;
        place = steps;
      } else if (scheme === "zero point") {
        code = Math.min(top, Math.max(0, roundEven(steps) + zero));
        back = (code - zero) * scale;
        place = (2 * (steps + zero)) / top - 1;
      } else {
        code = roundEven(steps) + top;
        back = (code - top) * scale;
        place = steps / top;
      }
      counts[code] += 1;
      histogram[Math.min(BINS - 1, Math.max(0, Math.floor(((place + 1) / 2) * BINS)))] += 1;
      lost += (back - weights[i]) ** 2;
      whole += weights[i] ** 2;
      counted += 1;
    }
  }
  return { error: whole ? Math.sqrt(lost / whole) : 0, levels, counts, histogram, counted };
}

/** How many of the fullest levels hold half of the weights. */
function levelsForHalf(counts, counted) {
  let [held, levels] = [0, 0];
  for (const count of Array.from(counts).sort((a, b) => b - a)) {
    if (held >= counted / 2) break;
    held += count;
    levels += 1;
  }
  return levels;
}

export { bitsPerWeight, levelsForHalf, levelsOf, measure, roundEven };
