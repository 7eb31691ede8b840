"""Every hand-in is its learner's, and every learner comes out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.classroom.intake import gathering
from labkit.classroom.intake.learners import owners_of
from labkit.classroom.intake.names import readable_name
from tests.classroom.intake.hand_ins import (
    LESSONS,
    found_in,
    lay,
    learners,
    notebook_bytes,
    read_all,
    zipped,
)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["alice/05_temperature.ipynb"], ["alice"]),
        (["alice/work/bob/05_temperature.ipynb"], ["alice"]),
        (["alice/bob_05_temperature.ipynb"], ["alice"]),
        (["class/alice/05_temperature.ipynb", "class/bob/a.ipynb"], ["alice", "bob"]),
        (["class/alice_05_temperature.ipynb", "class/05_temperature-bob.ipynb"], ["alice", "bob"]),
        (["05_temperature/alice/a.ipynb", "06_tokens/alice/a.ipynb"], ["alice", "alice"]),
        (["submitted/alice/ps1/a.ipynb", "submitted/bob/ps1/a.ipynb"], ["alice", "bob"]),
        (["alice_05_temperature.ipynb", "bob.05_temperature.ipynb"], ["alice", "bob"]),
        (["alice.ipynb", "bob (2).ipynb"], ["alice", "bob (2)"]),
        (["05_temperature.ipynb", "05_temperature-Copy1.ipynb"], ["ROOT", "ROOT"]),
        (["05_temperature (1).ipynb", "05_temperature.new-2026-11-20.ipynb"], ["ROOT", "ROOT"]),
        (
            [
                "Jane Doe_123_assignsubmission_file_/05_temperature.ipynb",
                "Jane Doe_124_assignsubmission_file_/Bob_9_assignsubmission_file_.ipynb",
                "O'Neil, J._125_assignsubmission_file_05_temperature.ipynb",
            ],
            ["Jane Doe (123)", "Jane Doe (124)", "O'Neil, J. (125)"],
        ),
        (
            ["doejane_LATE_123_456_05_temperature-1.ipynb", "roejo_124_457_x.ipynb"],
            ["doejane (123)", "roejo (124)"],
        ),
        (["Lab 5_jdoe_attempt_2026-11-20-10-00-00_05_temperature.ipynb"], ["jdoe"]),
    ],
)
def test_the_learner_comes_from_the_folder_first(paths, expected):
    owners = owners_of([tuple(path.split("/")) for path in paths], "ROOT", LESSONS)
    assert [owner.name for owner in owners] == expected


@settings(deadline=None)
@given(st.text())
def test_a_name_can_always_be_shown(name):
    shown = readable_name(name)
    assert shown and len(shown) <= 80 and shown.isprintable() and shown.encode()


NB = notebook_bytes("a = 1")
LESSON = "05_temperature.ipynb"


def hand_in(root, *paths, folders=()):
    """Equal notebooks at these places, and empty folders."""
    for folder in folders:
        (root / folder).mkdir(parents=True)
    return lay(root, **dict.fromkeys(paths, NB))


def whose(*paths):
    """(learner, whether that is no guess) of everything found, without the file's place."""
    return [(found.learner, bool(found.home)) for found in found_in(*paths)]


def surely(*names):
    return [(name, True) for name in names]


# ---- learners' folders, and those around them ----------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        # Parts of a class, by their names and by what they hold.
        (["section1/bob/x", "section1/al/x", "section2/carol/x"], ["al", "bob", "carol"]),
        (["section1/bob/x", "section2/bob/x"], ["bob (section1)", "bob (section2)"]),
        (["Mon/bob/x", "Mon/al/x", "Tue/bob/x"], ["al", "bob (Mon)", "bob (Tue)"]),
        (["W/group a/bob/x", "W/group b/bob/x"], ["bob (group a)", "bob (group b)"]),
        (["Mon/doe_1_2_x", "Mon/roe_3_4_x", "Tue/poe_5_6_x"], ["doe (1)", "poe (5)", "roe (3)"]),
        (["section1/bob/x", "bob/x"], ["bob", "bob (section1)"]),
        # One person in two weeks.
        (["week 1/al/x", "week 1/bo/x", "week 2/al/06_tokens.ipynb"], ["al", "al", "bo"]),
        # A folder around the class, with one learner in it twice.
        (["Lab/doe_1_2_x", "Lab/doe_1_3_x", "Lab/roe_4_5_x"], ["doe (1)", "doe (1)", "roe (4)"]),
        (["Lab/al_05_temperature.ipynb", "Lab/al_06_tokens.ipynb", "Lab/bo_x"], ["al", "al", "bo"]),
        (["W/al/x", "W/al/again/x", "W/bob/x"], ["al", "al", "bob"]),
        # A learner's own folders, whatever they are called.
        (["al/x", "mallory/x", "mallory/bo/x", "mallory/cy/x"], ["al", *["mallory"] * 3]),
        (["al/x", "mallory/submitted/al/p/x", "mallory/submitted/bo/x"], ["al", *["mallory"] * 2]),
        (["al/old/x", "al/new/x", "bo/final/x"], ["al", "al", "bo"]),
        (["al/temperature/x", "al/tokens/06_tokens.ipynb", "bo/tokens/x"], ["al", "al", "bo"]),
        (["al/stuff/x", "bo/one/x", "eve/al/x", "eve/bo/x"], ["al", "bo", "eve", "eve"]),
        # nbgrader.
        (["submitted/al/p/x", "submitted/al/q/x", "source/x", "submitted/b/x"], ["al", "al", "b"]),
    ],
)  # fmt: skip
def test_the_learners_of_a_class(tmp_path, paths, expected):
    files = [path.removesuffix("x") + LESSON if path.endswith("x") else path for path in paths]
    hand_in(tmp_path / "in", *files)

    assert whose(tmp_path / "in") == surely(*expected)


def test_a_moodle_folder_around_one_learner(tmp_path):
    jane = "Lab/Jane Doe_12_assignsubmission_file_"
    hand_in(tmp_path / "one", f"{jane}/{LESSON}")
    hand_in(tmp_path / "two", f"{jane}/a/{LESSON}", f"{jane}/a/06_tokens.ipynb")
    nested = f"{jane}/Bob_3_assignsubmission_file_/submitted/Al (4)/{LESSON}"
    hand_in(tmp_path / "nested", nested)

    for name in ("one", "two", "nested"):
        assert set(learners(tmp_path / name)) == {"Jane Doe (12)"}


def test_what_moodle_makes_of_one_learner_in_two_folders(tmp_path):
    hand_in(tmp_path / "in", *(f"{name}_{kind}_/{file}" for name, kind, file in [
        ("Al_1", "assignsubmission_file", LESSON),
        ("Al_1", "assignsubmission_onlinetext", "onlinetext.html"),
        ("Bo_2", "assignsubmission_onlinetext", "onlinetext.html"),
    ]))  # fmt: skip

    assert [(one.learner, one.missing) for one in found_in(tmp_path)] == [
        ("Al (1)", False),
        ("Bo (2)", True),
    ]


@pytest.mark.parametrize(
    ("around", "stray"),
    [
        ("", ""),
        ("week1/", ""),
        ("Lab/", ""),
        ("W/", ""),
        ("", "Lab/"),
        ("Lab/", "Lab/"),
        ("W/", "W/"),
    ],
)
def test_a_stray_template_hides_no_learner(tmp_path, around, stray):
    hand_in(tmp_path / "in", stray + LESSON, *(f"{around}{name}/{LESSON}" for name in ("al", "bo")))

    (_, certain), *rest = sorted(whose(tmp_path / "in"), key=lambda one: one[1])

    assert not certain and rest == surely("al", "bo")


def test_submitted_in_the_only_learners_folder(tmp_path):
    hand_in(tmp_path / "in", f"one/submitted/al/x/{LESSON}", f"one/submitted/bo/x/{LESSON}")

    assert set(learners(tmp_path / "in")) == {"one"}


def test_submitted_given_by_itself(tmp_path):
    hand_in(tmp_path / "submitted", f"al/temperature/{LESSON}", "al/tokens/06_tokens.ipynb")

    assert set(learners(tmp_path / "submitted")) == {"al"}


# ---- learners and files that are given one by one ------------------------------------------------


def test_learners_folders_given_by_a_shell(tmp_path):
    files = [f"al/{LESSON}", f"bo/stuff/{LESSON}", "cy/work.py", "eve.zip", LESSON]
    hand_in(
        tmp_path / "in", *files, f"mallory/al/{LESSON}", f"mallory/bo/{LESSON}", folders=["in/dan"]
    )
    given = sorted((tmp_path / "in").iterdir())

    assert dict(whose(*given)) == {"05_temperature": False} | dict(
        surely("al", "bo", "cy", "dan", "eve", "mallory")
    )


def test_classes_given_side_by_side(tmp_path):
    hand_in(tmp_path, f"one/al/{LESSON}", f"one/bo/{LESSON}", "two/al/06_tokens.ipynb")
    hand_in(tmp_path, f"section1/bo/{LESSON}", f"section2/bo/{LESSON}")

    assert learners(tmp_path / "one", tmp_path / "two") == ["al", "al", "bo"]
    assert learners(tmp_path / "section1", tmp_path / "section2") == [
        "bo (section1)",
        "bo (section2)",
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("al/05_temperature.ipynb", "al"),
        ("al/Copy_of_05_temperature.ipynb", "al"),
        ("al/Copy of 05_temperature (2).ipynb", "al"),
        ("al/05_temperature.ipynb.ipynb", "al"),
        ("al/.ipynb_checkpoints/05_temperature-checkpoint.ipynb", "al"),
        ("al/homework 5/final_05_temperature_v2.ipynb", "al"),
        ("al/Temperature.ipynb", "al"),
        ("al/Untitled1.ipynb", "al"),
        ("hand-ins/05_temperature.ipynb", "05_temperature"),
        ("hand-ins/ipynb/05_temperature.ipynb", "05_temperature"),
        ("hand-ins/Copy_of_al_05_temperature.ipynb", "al"),
        ("hand-ins/05_temperature_al-checkpoint.ipynb", "al"),
        ("hand-ins/hw5_05_temperature_al.ipynb", "al"),
        ("hand-ins/12345_05_temperature.ipynb", "12345"),
        ("hand-ins/12345.ipynb", "12345"),
        ("hand-ins/李_05_temperature.ipynb", "李"),
    ],
)
def test_a_single_file_has_a_sensible_name(tmp_path, path, expected):
    hand_in(tmp_path, path)

    assert learners(tmp_path / path) == [expected]


def test_a_glob_is_named_from_the_folder_before_it(tmp_path):
    hand_in(tmp_path, f"in/al/stuff/{LESSON}", f"in/.git/{LESSON}")

    assert learners(f"{tmp_path}/in/**/05_*.ipynb") == ["al"]
    assert learners(f"{tmp_path}/in/*/*/0[45]_*.ipynb") == ["al"]


# ---- names that look alike -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ["a" * 90 + "1", "a" * 90 + "2"],
        ["Al", "al"],
        ["José", "Jose\u0301"],
        ["José", "Jos\udce9"],
        ["Jos\udce9", "Jos\udce8"],
        ["al\x01", "al\x02", "al"],
        ["al ", "al"],
    ],
)
def test_names_that_look_alike_stay_apart(tmp_path, names):
    hand_in(tmp_path, *(f"{name}/{LESSON}" for name in names))

    found = found_in(tmp_path)

    assert len({one.learner for one in found}) == len({one.home for one in found}) == len(names)
    assert all(one.learner.isprintable() and len(one.learner) <= 80 for one in found)


def test_bytes_that_are_no_utf_8_are_read_as_windows_writes_them():
    assert readable_name("Jos\udce9 \udc80") == "José €"


# ---- no notebook ---------------------------------------------------------------------------------


def test_whoever_hands_in_the_wrong_kind_has_a_row(tmp_path):
    files = {
        "alice/05_temperature.ipynb": NB,
        "bob/05_temperature.ipynb.txt": NB,
        "carol/05_temperature.json": NB,
        "dave/05_temperature.py": b"x = 1",
        "erin/05_temperature.html": b"<!doctype html>",
        "grace/05_temperature": NB,
        "heidi/.05_temperature.ipynb": NB,
        "judy/.ipynb_checkpoints/05_temperature-checkpoint.ipynb": NB,
        "ivan.zip": zipped({"05_temperature.py": b"", "a/data.csv": b""}),
        "ken.zip": zipped({}),
        "lou.zip": zipped({"05_temperature.ipynb.txt": NB}),
        "mia/a.py": b"", "mia/b.py": b"", "mia/c.py": b"", "mia/d/e.py": b"",
        "grades.csv": b"", ".DS_Store": b"", "data/words.csv": b"",
    }  # fmt: skip
    hand_in(tmp_path / "in", folders=["frank/inner"])
    lay(tmp_path / "in", **files)
    lay(tmp_path, **{"class.zip": zipped({"nell/": b"", **files})})

    in_folder, in_zip = dict(read_all(tmp_path / "in")), dict(read_all(tmp_path / "class.zip"))

    assert [name for name in in_folder if name != "frank"] == [
        name for name in in_zip if name != "nell"
    ]
    for one in (in_folder, in_zip):
        assert one.pop("alice") == "a = 1"
        for name in ("bob", "carol", "grace", "heidi", "lou"):
            assert "rename it to 05_temperature.ipynb, or have it handed in again" in one[name]
        assert "in the folder, only 05_temperature.py. Ask for the notebook" in one["dave"]
        assert "only 05_temperature.html." in one["erin"]
        assert "only hidden .ipynb_checkpoints" in one["judy"]
        assert "in the zip, only 05_temperature.py, data.csv." in one["ivan"]
        assert "The zip is empty." in one["ken"]
        assert "only a.py, b.py, c.py and 1 more." in one["mia"]
    assert "The folder is empty." in in_folder["frank"] and "empty" in in_zip["nell"]


def test_a_flat_class_has_a_row_for_each_wrong_file(tmp_path):
    lay(
        tmp_path / "in",
        **{"alice.ipynb": NB, "bob.ipynb.txt": NB, "carol.json": b"", "dave.py": b""},
    )
    lay(tmp_path / "in", **{"README.md": b"", "marks.csv": b"", "notes.txt": b""})
    lay(tmp_path / "lms", **{f"doe_1_2_{LESSON}": NB, "roe_3_4_essay.pdf": b"", "x.pdf": b""})

    assert learners(tmp_path / "in") == ["alice", "bob", "carol", "dave"]
    assert learners(tmp_path / "lms") == ["doe (1)", "roe (3)"]


def test_archives_beside_a_notebook_are_no_rows(tmp_path):
    data = zipped({"data.csv": b"", "more.zip": zipped({})})
    lay(
        tmp_path,
        **{"al/x.ipynb": NB, "al/data.zip": data, "al/words.tar.gz": b"", "al/bad.zip": b"x"},
    )
    lay(
        tmp_path,
        **{"bo.zip": zipped({"x.ipynb": NB, "data.zip": data}), "cy/x.7z": b"", "cy/y": b""},
    )

    al, bo, cy = found_in(tmp_path)

    assert (al.problem, bo.problem, bo.aside) == ("", "", ())
    assert [text.split(": ")[0] for text in al.aside] == ["al/bad.zip", "al/words.tar.gz"]
    assert cy.problem.startswith("A .7z archive is not read")


def test_more_notebooks_than_anybody_hands_in_are_one_row(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_NOTEBOOKS", 3)
    hand_in(tmp_path / "in", *(f"al/{n}.ipynb" for n in range(5)), f"bo/{LESSON}")
    hand_in(tmp_path / "flat", *(f"05_temperature ({n}).ipynb" for n in range(5)))

    al, bo = found_in(tmp_path / "in")

    assert "There are 5 notebooks and archives; 3 is the most." in al.problem and not bo.problem
    assert len(found_in(tmp_path / "flat")) == 5, "who knows whose those are"
