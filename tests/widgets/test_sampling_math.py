"""The explorer's JavaScript in node: equal to transformers' logits processors, ties and all."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from labkit.widgets.base import HERE
from tests.widgets.sampling_cases import cases

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node here; Chromium runs the same checks")


def in_node(body: str, given: Any, tmp_path: Path) -> Any:
    """Run a function body on `given`, with the module's exports at hand; give its answer."""
    module = tmp_path / "sampling_math.mjs"
    module.write_text((HERE / "sampling_math.js").read_text("utf-8"), "utf-8")
    main = tmp_path / "main.mjs"
    main.write_text(
        f"import {{ CUT_BY, distributionOf, draw, rank, seededRandom }} from './{module.name}';\n"
        "import { readFileSync } from 'node:fs';\n"
        f"const answer = ((given) => {{ {body} }})(JSON.parse(readFileSync(0, 'utf-8')));\n"
        "console.log(JSON.stringify(answer));\n",
        "utf-8",
    )
    done = subprocess.run(
        [str(NODE), str(main)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


SETTLE_ALL = """return given.map(({ logits, settings }) => {
    const floats = Float32Array.from(logits);
    const found = distributionOf(floats, rank(floats), settings);
    const { probabilities, cut, entropy, effective, kept } = found;
    return { probabilities: [...probabilities], cut: [...cut], entropy, effective, kept };
});"""


def test_equals_transformers_on_random_logits_and_ties(tmp_path: Path) -> None:
    wanted = cases(400)
    answers = in_node(SETTLE_ALL, [case.as_json() for case in wanted], tmp_path)
    for case, answer in zip(wanted, answers, strict=True):
        case.check(answer)


def test_zero_is_the_first_largest_whatever_else_is_set(tmp_path: Path) -> None:
    settings = {"temperature": 0, "topK": 2, "topP": 0.5, "minP": 0.1}
    given = [{"logits": [1.0, 4.0, 4.0, -2.0], "settings": settings}]
    (answer,) = in_node(SETTLE_ALL, given, tmp_path)
    assert answer["probabilities"] == [0, 1, 0, 0]
    assert (answer["entropy"], answer["effective"], answer["kept"]) == (0, 1, 1)
    assert answer["cut"] == [0, 0, 0, 0]  # nothing was cut: temperature left nothing


def test_what_cut_a_token_is_named(tmp_path: Path) -> None:
    logits = [math.log(p) for p in (0.5, 0.3, 0.1, 0.06, 0.04)]
    body = """const floats = Float32Array.from(given.logits), ranked = rank(floats);
        const cuts = given.settings.map(s => [...distributionOf(floats, ranked, s).cut]);
        return cuts.map(cut => cut.map(c => CUT_BY[c]));"""
    settings = [{"topK": 2}, {"topP": 0.75}, {"minP": 0.15}, {"topK": 4, "topP": 0.8}]
    assert in_node(body, {"logits": logits, "settings": settings}, tmp_path) == [
        ["", "", "top-k", "top-k", "top-k"],
        ["", "", "top-p", "top-p", "top-p"],
        ["", "", "", "min-p", "min-p"],
        ["", "", "top-p", "top-p", "top-k"],
    ]


def test_draws_are_seeded_and_follow_the_distribution(tmp_path: Path) -> None:
    probabilities = [0.5, 0.25, 0.125, 0.125]
    body = """const floats = Float32Array.from(given);
        const distribution = distributionOf(floats, rank(floats), {});
        const run = (seed) => { const r = seededRandom(seed);
            return Array.from({ length: 10000 }, () => draw(distribution, r)); };
        return [run(7), run(7), run(8)];"""
    first, again, other = in_node(body, [math.log(p) for p in probabilities], tmp_path)
    assert first == again
    assert first != other
    counts = Counter(first)
    chi_square = sum((counts[i] - 1e4 * p) ** 2 / (1e4 * p) for i, p in enumerate(probabilities))
    assert chi_square < 16.27  # 99.9 % of fair samplers, 3 degrees of freedom


def test_a_cut_token_is_never_drawn(tmp_path: Path) -> None:
    body = """const floats = Float32Array.from(given);
        const distribution = distributionOf(floats, rank(floats), { topK: 2 });
        const random = seededRandom(1);
        const drawn = Array.from({ length: 2000 }, () => draw(distribution, random));
        return [...new Set(drawn)].sort();"""
    assert in_node(body, [1.0, 0.9, 0.8, 0.7], tmp_path) == [0, 1]
