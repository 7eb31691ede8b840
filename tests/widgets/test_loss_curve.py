"""What the loss curve pushes and when, what it refuses, and how it reads without a browser."""

from __future__ import annotations

import struct

import pytest

from labkit.widgets import LossCurve, loss_curve


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loss_curve.time, "monotonic", clock.monotonic)
    return clock


def pushed(curve: LossCurve) -> tuple[float, ...]:
    return struct.unpack(f"<{len(curve.losses) // 4}f", curve.losses)


def test_a_few_pushes_a_second_and_one_at_the_end(clock: Clock) -> None:
    curve, pushes = LossCurve(steps=100), []
    curve.observe(lambda change: pushes.append(len(change["new"]) // 4), "losses")
    for i in range(100):
        clock.now += 0.01
        curve.add(float(i))
    assert 7 <= len(pushes) <= loss_curve.PUSHES_A_SECOND + 2
    assert pushes[0] == 1 and pushes[-1] == 100
    assert pushed(curve) == tuple(map(float, range(100)))
    assert curve.seconds > 0


def test_more_steps_than_it_was_made_for_are_refused(clock: Clock) -> None:
    curve = LossCurve(steps=1)
    curve.add(0.5)
    with pytest.raises(ValueError, match="its 1 steps already"):
        curve.add(0.4)
    with pytest.raises(ValueError, match="at least one"):
        LossCurve(steps=0)


def test_it_reads_as_a_table() -> None:
    curve = LossCurve(steps=40, name="Loss & more")
    assert "0 of 40 steps" in repr(curve)
    for i in range(20):
        curve.add(2.0 if i < 10 else 1.0)
    assert curve.rows()[-1] == (20, 1.0)
    assert "20 of 40 steps" in repr(curve) and "step    20  1.0000" in repr(curve)
    shown = curve.as_html()
    assert "Loss &amp; more, 20 of 40 steps" in shown
    assert '<th scope="row">20</th><td>1.0000</td>' in shown


def test_fewer_steps_than_rows() -> None:
    curve = LossCurve(steps=3)
    for loss in (3.0, 2.0, 1.0):
        curve.add(loss)
    assert [step for step, _ in curve.rows()] == [1, 2, 3]
