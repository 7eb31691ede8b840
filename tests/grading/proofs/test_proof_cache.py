"""What the cache of proofs takes for the same, and that it never stands in the way."""

from __future__ import annotations

import pytest

from labkit import paths
from labkit.grading import fingerprints
from labkit.grading.proofs import proof_cache
from labkit.grading.proofs.verify import Proof

HELD = Proof("double", "reference", 0, "pass", "pass", "Right.", 0.1)
FAILED = Proof("double", "reference", 0, "pass", "fail", "Wrong.", 0.1)


def test_proofs_come_back_under_the_same_key(tmp_path):
    file = tmp_path / "new" / "05.double.local.json"

    proof_cache.save(file, "key", [HELD])

    assert proof_cache.load(file, "key") == [HELD]
    assert proof_cache.load(file, "another key") is None
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_proofs_that_do_not_hold_are_not_kept(tmp_path):
    proof_cache.save(tmp_path / "file.json", "key", [HELD, FAILED])

    assert proof_cache.load(tmp_path / "file.json", "key") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "key"}', '{"key":"key","proofs":[{}]}'])
def test_a_damaged_file_counts_as_none(tmp_path, text):
    (tmp_path / "file.json").write_text(text)

    assert proof_cache.load(tmp_path / "file.json", "key") is None


def test_a_folder_that_can_not_be_made_is_no_error(tmp_path):
    (tmp_path / "taken").write_text("a file")

    proof_cache.save(tmp_path / "taken" / "file.json", "key", [HELD])

    assert proof_cache.load(tmp_path / "taken" / "file.json", "key") is None


def test_the_key_follows_the_challenge_its_words_and_the_versions(tmp_path, monkeypatch):
    module = tmp_path / "double.py"
    module.write_text("from labkit.grading import Challenge\n")
    key = proof_cache.key_of(module, "source", "5 seeds")

    assert proof_cache.key_of(module, "source", "5 seeds") == key
    assert proof_cache.key_of(module, "source", "4 seeds") != key
    assert proof_cache.key_of(module, "source 5", " seeds") != key
    monkeypatch.setattr(fingerprints, "versions", lambda: iter(["python 4"]))
    assert proof_cache.key_of(module, "source", "5 seeds") != key
    monkeypatch.undo()
    module.write_text("from labkit.grading import Challenge  # changed\n")
    assert proof_cache.key_of(module, "source", "5 seeds") != key


def test_files_are_followed_through_their_imports(tmp_path):
    module = tmp_path / "double.py"
    module.write_text("def check(s):\n    from labkit.models.zoo import load_model\n")
    package = paths.PACKAGE

    files = proof_cache.files_behind([module])

    assert {module, package / "models" / "zoo.py", package / "paths.py"} <= files
    assert package / "models" / "weights" / "base" / "checksums.json" in files
    floors = {file.relative_to(package).parts[0] for file in files - {module}}
    bottom = {"fetched.py", "paths.py", "whole_files.py"}
    assert floors == {"models", *bottom}, "nothing of the floors above"


def test_names_of_no_module_have_no_file():
    assert proof_cache.file_of("torch.nn") is None
    assert proof_cache.file_of("labkit") is None
    assert proof_cache.file_of("labkit.grading.Challenge") is None
    assert proof_cache.file_of("labkit.grading") == paths.PACKAGE / "grading" / "__init__.py"
