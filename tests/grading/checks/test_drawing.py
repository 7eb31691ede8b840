"""What checks draw."""

from __future__ import annotations

from labkit.grading.checks.drawing import draw, draw_text
from labkit.grading.checks.submission import Submission
from labkit.grading.transports.transport import InProcess


def test_draws_come_from_the_seed_and_stay_within_their_bounds():
    def drawn(seed):
        s = Submission(InProcess({}), seed=seed)
        return [draw(s, 3) for _ in range(50)], [draw_text(s, "ab", 4) for _ in range(50)]

    numbers, texts = drawn(1)
    assert (numbers, texts) == drawn(1) != drawn(2)
    assert set(numbers) == {0, 1, 2}
    assert {len(text) for text in texts} == {1, 2, 3, 4}
    assert set("".join(texts)) == {"a", "b"}
