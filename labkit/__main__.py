"""`python3 -m labkit ...`: says so when Python is too old, else hands over to the command line.

Standard library only, and no syntax newer than Python 2.7: this file must run where nothing is
installed and where the course itself could not even be parsed.
"""

import os
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)  # the newest one that the pinned packages have files for


def fitting_pythons():  # type: () -> list[str]
    """Commands on PATH that name a Python which the course runs on, the newest first."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    names = ["python3.{}".format(minor) for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    return [n for n in names if any(os.access(os.path.join(f, n), os.X_OK) for f in folders)]


def unfit(version, others):  # type: (tuple[int, ...], list[str]) -> str
    """What to say to somebody whose Python is too old or too new; "" if it is neither."""
    if OLDEST <= version[:2] <= NEWEST:
        return ""
    dotted = [".".join(str(part) for part in v) for v in (OLDEST, NEWEST, version[:3])]
    fault = "old" if version[:2] < OLDEST else "new"
    if others:
        words = " ".join(sys.argv[1:]) or "lab"
        way_on = "This machine has one that fits. Run:  {} -m labkit {}".format(others[0], words)
    else:
        way_on = (
            "Install one of those beside it (from python.org, your package manager or conda) and\n"
            "start again with that one, for example:  python3.13 -m labkit lab"
        )
    return "labkit needs Python {0} to {1}; this is Python {2} ({3}), too {4}.\n{5}".format(
        dotted[0], dotted[1], dotted[2], sys.executable, fault, way_on
    )


def leave_out_unknown_folders():  # type: () -> None
    """Import nothing from the current folder, nor from PYTHONPATH.

    Their files may be anybody's: among hand-ins, a random.py may be a learner's.
    """
    import site

    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    strange = {os.path.abspath(folder) for folder in named if folder}.difference(
        site.getsitepackages(), [site.getusersitepackages()]
    )
    first = 0 if sys.flags.safe_path else 1  # it is that folder, or the one of a script
    sys.path[:] = [path for path in sys.path[first:] if path not in strange]


def find_own_package():  # type: () -> None
    """Where this file is run by its path: import labkit from there and from nowhere else."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import labkit  # noqa: F401

    del sys.path[0]


def main():  # type: () -> int
    """Hand over to the command line; returns its exit code."""
    trouble = unfit(tuple(sys.version_info[:3]), fitting_pythons())
    if trouble:
        sys.exit(trouble)
    leave_out_unknown_folders()
    if not __package__:
        find_own_package()
    from labkit.cli import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
