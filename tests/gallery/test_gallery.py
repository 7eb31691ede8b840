"""Every answer in the gallery gets the verdict that it deserves, wrong ones by their mistake."""

from __future__ import annotations

import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from labkit.challenges import challenges_of, topics
from labkit.grading import Outcome, check


def gallery(topic):
    path = Path(__file__).with_name(f"{topic}.py")
    spec = spec_from_file_location(f"gallery_{topic}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HERE = {path.stem for path in Path(__file__).parent.glob("*.py")}
TOPICS = {topic: gallery(topic) for topic in topics() if topic in HERE}


def right_answers():
    for topic, module in TOPICS.items():
        for challenge, functions in module.gallery.right_answers.items():
            for function in functions:
                yield pytest.param(
                    topic, challenge, function, id=f"{challenge}-{function.__name__}"
                )


def wrong_answers():
    for topic, module in TOPICS.items():
        for challenge, functions in module.gallery.wrong_answers.items():
            for function, mistake in functions.items():
                name = f"{challenge}-{function.__name__}"
                yield pytest.param(topic, challenge, function, mistake, id=name)


def refused_answers():
    """Those that leave the whole task to a library."""
    for topic, module in TOPICS.items():
        for challenge, functions in module.gallery.refused_answers.items():
            for function in functions:
                yield pytest.param(
                    topic, challenge, function, id=f"{challenge}-{function.__name__}"
                )


@pytest.mark.parametrize(("topic", "challenge", "function"), right_answers())
def test_a_right_answer_passes(topic, challenge, function):
    with warnings.catch_warnings(record=True):  # one of them warns, and that costs nothing
        verdict = check(challenges_of(topic)[challenge], function)

    assert verdict.outcome is Outcome.PASS, str(verdict)


@pytest.mark.parametrize(("topic", "challenge", "function", "mistake"), wrong_answers())
def test_a_wrong_answer_is_named(topic, challenge, function, mistake):
    known = challenges_of(topic)[challenge]

    verdict = check(known, function)

    assert verdict.outcome in (Outcome.FAIL, Outcome.ERROR)
    assert verdict.mistake == mistake, str(verdict)
    assert verdict.line.startswith("line "), "the learner's own line is shown"
    if mistake:
        assert verdict.message == known.find_mistake(mistake).message


@pytest.mark.parametrize(("topic", "challenge", "function"), refused_answers())
def test_an_answer_that_a_library_gives_is_refused(topic, challenge, function):
    verdict = check(challenges_of(topic)[challenge], function)

    assert verdict.outcome is Outcome.FAIL
    assert "is to be written by you" in verdict.message


def test_every_topic_has_a_gallery():
    assert set(topics()) <= HERE


def test_the_gallery_holds_an_answer_for_every_known_mistake():
    for topic, module in TOPICS.items():
        for name, challenge in challenges_of(topic).items():
            met = set(module.gallery.wrong_answers[name].values())
            missing = {mistake.name for mistake in challenge.mistakes} - met
            assert not missing, f"{name}: {missing}"
