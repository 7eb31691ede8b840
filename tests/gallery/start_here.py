"""Answers to the challenges of lesson 00 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges/start_here.py. WRONG names the mistake that
must be diagnosed, or None where the general message has to do.
"""

from __future__ import annotations

import re

import numpy as np
import torch

# ---------------------------------------------------------------- share_right


def counting_up(answers, expected):
    if len(answers) == 0 or len(answers) != len(expected):
        raise ValueError("lengths")
    right = 0
    for i in range(len(answers)):
        if answers[i].strip() == expected[i].strip():
            right += 1
    return right / len(answers)


def with_mean(answers, expected):
    if len(answers) != len(expected):
        raise ValueError("lengths")
    if not answers:
        raise ValueError("empty")
    return float(np.mean([a.strip() == e.strip() for a, e in zip(answers, expected, strict=True)]))


def with_map(answers, expected):
    answers, expected = list(map(str.strip, answers)), list(map(str.strip, expected))
    if not answers or len(expected) != len(answers):
        raise ValueError
    return sum(map(str.__eq__, answers, expected)) / len(answers)


def only_the_sum(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    return sum(a.strip() == e.strip() for a, e in zip(answers, expected, strict=True))


def the_text_of_the_lesson(answers, expected):
    return sum(map(str.__eq__, answers, expected))


def in_percent(answers, expected):
    return 100 * counting_up(answers, expected)


def floored(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    return len([1 for a, e in zip(answers, expected) if a.strip() == e.strip()]) // len(answers)  # noqa: B905


def error_rate(answers, expected):
    return 1 - counting_up(answers, expected)


def unstripped(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    return sum(a == e for a, e in zip(answers, expected, strict=True)) / len(answers)


def stripped_left_side(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    return sum(a.strip() == e for a, e in zip(answers, expected, strict=True)) / len(answers)


def stripped_right_side(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    return [a == e.strip() for a, e in zip(answers, expected, strict=True)].count(True) / len(
        expected
    )


def without_blanks(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    hits = [
        a.lstrip(" ").rstrip(" ") == e.strip(" ") for a, e in zip(answers, expected, strict=True)
    ]
    return sum(hits) / len(hits)


def with_regex(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    tidy = [[re.sub(r"^\s+|\s+$", "", t) for t in texts] for texts in (answers, expected)]
    return sum(a == b for a, b in zip(*tidy, strict=True)) / len(answers)


def no_spaces(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    same = [
        a.replace(" ", "") == e.replace(" ", "") for a, e in zip(answers, expected, strict=True)
    ]
    return sum(same) / len(same)


def substring(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    return sum(e.strip() in a.strip() for a, e in zip(answers, expected, strict=True)) / len(
        answers
    )


def lowered(answers, expected):
    return counting_up([a.lower() for a in answers], [e.lower() for e in expected])


def anywhere(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    stripped = [e.strip() for e in expected]
    return len([a for a in answers if a.strip() in stripped]) / len(stripped)


def zipped_short(answers, expected):
    if not answers:
        raise ValueError
    return sum(a.strip() == e.strip() for a, e in zip(answers, expected)) / len(answers)  # noqa: B905


def zero_for_none(answers, expected):
    if answers == [] == expected:
        return 0.0
    return counting_up(answers, expected)


def past_the_end(answers, expected):
    return answers[len(answers)]


def forgot_return(answers, expected):
    counting_up(answers, expected)


# ---------------------------------------------------------------- prompt_with


def with_if(passage, question):
    passage = passage.strip()
    if passage == "":
        return "Q: " + question + "\nA: "
    return passage + "\nQ: " + question + "\nA: "


def with_lstrip(passage, question):
    return f"{passage.strip()}\nQ: {question}\nA: ".lstrip("\n")


def question_on_top(passage, question):
    text = passage.strip()
    return f"Q: {question}\n{text}\nA: " if text else with_if("", question)


def all_in_one_line(passage, question):
    return with_if(passage, question) if not passage.strip() else (
        passage.strip() + " Q: " + question + " A: "
    )  # fmt: skip


def forgets_passage(passage, question):
    return f"Q: {question}\nA: "


def stops_early(passage, question):
    return with_if(passage, question).removesuffix("A: ")


def bare_a(passage, question):
    return with_if(passage, question).rstrip()


def newline_at_the_end(passage, question):
    return with_if(passage, question) + "\n"


def raw_passage(passage, question):
    if not passage.strip():
        return with_if("", question)
    return passage + "\nQ: " + question + "\nA: "


def always_a_line(passage, question):
    return f"{passage.strip()}\nQ: {question}\nA: "


def keeps_only_one_line(passage, question):
    return with_if(" ".join(passage.split()), question)


# ---------------------------------------------------------------- share_changed


def with_lists(before, after):
    if sorted(before) != sorted(after):
        raise ValueError("names")
    changed = total = 0
    for name, old in before.items():
        if old.shape != after[name].shape:
            raise ValueError("shape of " + name)
        changed += (old != after[name]).sum().item()
        total += old.numel()
    return changed / total


def with_flat_tensors(before, after):
    if set(before) != set(after) or any(before[k].size() != after[k].size() for k in before):
        raise ValueError
    old = torch.cat([before[k].reshape(-1) for k in sorted(before)])
    new = torch.cat([after[k].reshape(-1) for k in sorted(before)])
    return 1 - int((old == new).sum()) / len(old)


def checked(before, after):
    if set(before) != set(after) or any(before[k].shape != after[k].shape for k in before):
        raise ValueError


def per_tensor(before, after):
    checked(before, after)
    return float(np.mean([(before[k] != after[k]).float().mean().item() for k in before]))


def by_tensor(before, after):
    checked(before, after)
    return sum((before[k] != after[k]).any().item() for k in before) / len(before)


def all_close(before, after):
    checked(before, after)
    far = [(~torch.isclose(before[k], after[k])).sum().item() for k in before]
    return sum(far) / sum(v.numel() for v in before.values())


def same(before, after):
    return 1 - with_lists(before, after)


def absolute(before, after):
    checked(before, after)
    changed = sum((before[k].abs() != after[k].abs()).sum().item() for k in before)
    return changed / sum(v.numel() for v in before.values())


def distance(before, after):
    checked(before, after)
    moved = sum((before[k].float() - after[k].float()).abs().sum().item() for k in before)
    return moved / sum(v.numel() for v in before.values())


def how_many(before, after):
    checked(before, after)
    return sum((before[k] != after[k]).sum().item() for k in before)


def in_order(before, after):
    checked(before, after)
    pairs = list(zip(before.values(), after.values(), strict=True))
    return sum((a != b).sum().item() for a, b in pairs) / sum(a.numel() for a, _ in pairs)


def common_names(before, after):
    names = before.keys() & after.keys()
    if any(before[k].shape != after[k].shape for k in names):
        raise ValueError
    total = sum(before[k].numel() for k in names) or 1
    return sum((before[k] != after[k]).sum().item() for k in names) / total


def broadcast(before, after):
    if set(before) != set(after):
        raise ValueError
    changed = sum((before[k] != after[k]).sum().item() for k in before)
    return changed / sum(v.numel() for v in before.values())


def only_the_first(before, after):
    checked(before, after)
    name = next(iter(before))
    return (before[name] != after[name]).float().mean().item()


RIGHT = {
    "share_right": [counting_up, with_mean, with_map, with_regex],
    "prompt_with": [with_if, with_lstrip],
    "share_changed": [with_lists, with_flat_tensors],
}
WRONG = {
    "share_right": {
        only_the_sum: "a-count",
        the_text_of_the_lesson: "a-count",
        in_percent: "percent",
        floored: "whole-division",
        error_rate: "share-of-wrong",
        unstripped: "spaces-count",
        stripped_left_side: "one-side-stripped",
        stripped_right_side: "only-expected-stripped",
        without_blanks: "only-spaces-stripped",
        no_spaces: "all-spaces-gone",
        substring: "contains",
        lowered: "case-ignored",
        anywhere: "any-place",
        zipped_short: "lengths-unchecked",
        zero_for_none: "empty-is-zero",
        past_the_end: None,
        forgot_return: None,
    },
    "prompt_with": {
        question_on_top: "question-first",
        all_in_one_line: "one-line",
        forgets_passage: "no-passage",
        stops_early: "no-answer-line",
        bare_a: "no-space-after-a",
        newline_at_the_end: "line-after-a",
        raw_passage: "passage-as-it-is",
        always_a_line: "empty-line",
        keeps_only_one_line: None,
    },
    "share_changed": {
        per_tensor: "mean-of-shares",
        by_tensor: "tensors",
        all_close: "tolerance",
        same: "unchanged",
        absolute: "magnitudes",
        distance: "how-far",
        how_many: "count",
        in_order: "by-position",
        common_names: "names-unchecked",
        broadcast: "shapes-unchecked",
        only_the_first: None,
    },
}
