"""Answers to the challenges of lesson 00 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import re

import numpy as np
import torch

from tests.gallery.answers import Gallery

gallery = Gallery()

# ---------------------------------------------------------------- share_right


@gallery.right("share_right")
def counting_up(answers, expected):
    if len(answers) == 0 or len(answers) != len(expected):
        raise ValueError("lengths")
    right = 0
    for i in range(len(answers)):
        if answers[i].strip() == expected[i].strip():
            right += 1
    return right / len(answers)


@gallery.right("share_right")
def with_mean(answers, expected):
    if len(answers) != len(expected):
        raise ValueError("lengths")
    if not answers:
        raise ValueError("empty")
    return float(np.mean([a.strip() == e.strip() for a, e in zip(answers, expected, strict=True)]))


@gallery.right("share_right")
def with_map(answers, expected):
    answers, expected = list(map(str.strip, answers)), list(map(str.strip, expected))
    if not answers or len(expected) != len(answers):
        raise ValueError
    return sum(map(str.__eq__, answers, expected)) / len(answers)


@gallery.right("share_right")
def with_regex(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    tidy = [[re.sub(r"^\s+|\s+$", "", t) for t in texts] for texts in (answers, expected)]
    return sum(a == b for a, b in zip(*tidy, strict=True)) / len(answers)


def paired(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    return list(zip(answers, expected, strict=True))


@gallery.wrong("share_right", "a-count")
def only_the_sum(answers, expected):
    return sum(a.strip() == e.strip() for a, e in paired(answers, expected))


@gallery.wrong("share_right", "a-count")
def the_text_of_the_lesson(answers, expected):
    return sum(map(str.__eq__, answers, expected))


@gallery.wrong("share_right", "percent")
def in_percent(answers, expected):
    return 100 * counting_up(answers, expected)


@gallery.wrong("share_right", "whole-division")
def floored(answers, expected):
    return len([1 for a, e in paired(answers, expected) if a.strip() == e.strip()]) // len(answers)


@gallery.wrong("share_right", "share-of-wrong")
def error_rate(answers, expected):
    return 1 - counting_up(answers, expected)


@gallery.wrong("share_right", "spaces-count")
def unstripped(answers, expected):
    return sum(a == e for a, e in paired(answers, expected)) / len(answers)


@gallery.wrong("share_right", "one-side-stripped")
def stripped_left_side(answers, expected):
    return sum(a.strip() == e for a, e in paired(answers, expected)) / len(answers)


@gallery.wrong("share_right", "only-expected-stripped")
def stripped_right_side(answers, expected):
    hits = [a == e.strip() for a, e in paired(answers, expected)]
    return hits.count(True) / len(expected)


@gallery.wrong("share_right", "only-spaces-stripped")
def without_blanks(answers, expected):
    hits = [a.lstrip(" ").rstrip(" ") == e.strip(" ") for a, e in paired(answers, expected)]
    return sum(hits) / len(hits)


@gallery.wrong("share_right", "all-spaces-gone")
def no_spaces(answers, expected):
    same = [a.replace(" ", "") == e.replace(" ", "") for a, e in paired(answers, expected)]
    return sum(same) / len(same)


@gallery.wrong("share_right", "contains")
def substring(answers, expected):
    return sum(e.strip() in a.strip() for a, e in paired(answers, expected)) / len(answers)


@gallery.wrong("share_right", "case-ignored")
def lowered(answers, expected):
    return counting_up([a.lower() for a in answers], [e.lower() for e in expected])


@gallery.wrong("share_right", "any-place")
def anywhere(answers, expected):
    if not answers or len(answers) != len(expected):
        raise ValueError
    stripped = [e.strip() for e in expected]
    return len([a for a in answers if a.strip() in stripped]) / len(stripped)


@gallery.wrong("share_right", "lengths-unchecked")
def zipped_short(answers, expected):
    if not answers:
        raise ValueError
    return sum(a.strip() == e.strip() for a, e in zip(answers, expected)) / len(answers)  # noqa: B905


@gallery.wrong("share_right", "empty-is-zero")
def zero_for_none(answers, expected):
    if answers == [] == expected:
        return 0.0
    return counting_up(answers, expected)


@gallery.wrong("share_right")
def past_the_end(answers, expected):
    return answers[len(answers)]


@gallery.wrong("share_right")
def forgot_return(answers, expected):
    counting_up(answers, expected)


# ---------------------------------------------------------------- prompt_with


@gallery.right("prompt_with")
def with_if(passage, question):
    passage = passage.strip()
    if passage == "":
        return "Q: " + question + "\nA: "
    return passage + "\nQ: " + question + "\nA: "


@gallery.right("prompt_with")
def with_lstrip(passage, question):
    return f"{passage.strip()}\nQ: {question}\nA: ".lstrip("\n")


@gallery.wrong("prompt_with", "question-first")
def question_on_top(passage, question):
    text = passage.strip()
    return f"Q: {question}\n{text}\nA: " if text else with_if("", question)


@gallery.wrong("prompt_with", "one-line")
def all_in_one_line(passage, question):
    if not passage.strip():
        return with_if(passage, question)
    return passage.strip() + " Q: " + question + " A: "


@gallery.wrong("prompt_with", "no-passage")
def forgets_passage(passage, question):
    return f"Q: {question}\nA: "


@gallery.wrong("prompt_with", "no-answer-line")
def stops_early(passage, question):
    return with_if(passage, question).removesuffix("A: ")


@gallery.wrong("prompt_with", "no-space-after-a")
def bare_a(passage, question):
    return with_if(passage, question).rstrip()


@gallery.wrong("prompt_with", "line-after-a")
def newline_at_the_end(passage, question):
    return with_if(passage, question) + "\n"


@gallery.wrong("prompt_with", "passage-as-it-is")
def raw_passage(passage, question):
    if not passage.strip():
        return with_if("", question)
    return passage + "\nQ: " + question + "\nA: "


@gallery.wrong("prompt_with", "empty-line")
def always_a_line(passage, question):
    return f"{passage.strip()}\nQ: {question}\nA: "


@gallery.wrong("prompt_with")
def keeps_only_one_line(passage, question):
    return with_if(" ".join(passage.split()), question)


# ---------------------------------------------------------------- share_changed


@gallery.right("share_changed")
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


@gallery.right("share_changed")
def with_flat_tensors(before, after):
    if set(before) != set(after) or any(before[k].size() != after[k].size() for k in before):
        raise ValueError
    old = torch.cat([before[k].reshape(-1) for k in sorted(before)])
    new = torch.cat([after[k].reshape(-1) for k in sorted(before)])
    return 1 - int((old == new).sum()) / len(old)


def checked(before, after):
    if set(before) != set(after) or any(before[k].shape != after[k].shape for k in before):
        raise ValueError


@gallery.wrong("share_changed", "mean-of-shares")
def per_tensor(before, after):
    checked(before, after)
    return float(np.mean([(before[k] != after[k]).float().mean().item() for k in before]))


@gallery.wrong("share_changed", "tensors")
def by_tensor(before, after):
    checked(before, after)
    return sum((before[k] != after[k]).any().item() for k in before) / len(before)


@gallery.wrong("share_changed", "tolerance")
def all_close(before, after):
    checked(before, after)
    far = [(~torch.isclose(before[k], after[k])).sum().item() for k in before]
    return sum(far) / sum(v.numel() for v in before.values())


@gallery.wrong("share_changed", "unchanged")
def same(before, after):
    return 1 - with_lists(before, after)


@gallery.wrong("share_changed", "magnitudes")
def absolute(before, after):
    checked(before, after)
    changed = sum((before[k].abs() != after[k].abs()).sum().item() for k in before)
    return changed / sum(v.numel() for v in before.values())


@gallery.wrong("share_changed", "how-far")
def distance(before, after):
    checked(before, after)
    moved = sum((before[k].float() - after[k].float()).abs().sum().item() for k in before)
    return moved / sum(v.numel() for v in before.values())


@gallery.wrong("share_changed", "count")
def how_many(before, after):
    checked(before, after)
    return sum((before[k] != after[k]).sum().item() for k in before)


@gallery.wrong("share_changed", "by-position")
def in_order(before, after):
    checked(before, after)
    pairs = list(zip(before.values(), after.values(), strict=True))
    return sum((a != b).sum().item() for a, b in pairs) / sum(a.numel() for a, _ in pairs)


@gallery.wrong("share_changed", "names-unchecked")
def common_names(before, after):
    names = before.keys() & after.keys()
    if any(before[k].shape != after[k].shape for k in names):
        raise ValueError
    total = sum(before[k].numel() for k in names) or 1
    return sum((before[k] != after[k]).sum().item() for k in names) / total


@gallery.wrong("share_changed", "shapes-unchecked")
def broadcast(before, after):
    if set(before) != set(after):
        raise ValueError
    changed = sum((before[k] != after[k]).sum().item() for k in before)
    return changed / sum(v.numel() for v in before.values())


@gallery.wrong("share_changed")
def only_the_first(before, after):
    checked(before, after)
    name = next(iter(before))
    return (before[name] != after[name]).float().mean().item()
