"""`python3 -m labkit ...`: says so when Python is too old, else hands over to the command line.

Standard library only, and no syntax newer than Python 2.7: this file must run where nothing is
installed and where the course itself could not even be parsed.
"""

import os
import sys

NEEDED = (3, 11)
NEWEST = (3, 14)  # the newest one that the pinned packages have files for


def newer_pythons():  # type: () -> list[str]
    """Commands on PATH that name a Python which is new enough, the newest first."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    names = ["python3.{}".format(minor) for minor in range(NEWEST[1], NEEDED[1] - 1, -1)]
    return [n for n in names if any(os.access(os.path.join(f, n), os.X_OK) for f in folders)]


def too_old(version, others):  # type: (tuple[int, ...], list[str]) -> str
    """What to say to somebody whose Python is older than the course needs."""
    found = ".".join(str(part) for part in version[:3])
    needed = ".".join(str(part) for part in NEEDED)
    if others:
        arguments = " ".join(sys.argv[1:]) or "lab"
        way_on = "This machine has a newer one. Run:  {} -m labkit {}".format(others[0], arguments)
    else:
        way_on = (
            "Install a newer Python beside it (python.org, your package manager, or conda),\n"
            "then start again with that one, for example:  python3.13 -m labkit lab"
        )
    return "labkit needs Python {} or newer; this one is Python {} ({}).\n{}".format(
        needed, found, sys.executable, way_on
    )


if __name__ == "__main__":
    if sys.version_info < NEEDED:
        sys.exit(too_old(tuple(sys.version_info[:3]), newer_pythons()))
    from labkit.cli import main

    sys.exit(main())
