"""Twenty submissions of the six questions: right, wrong, broken and hostile; what each deserves.

The same twenty that other graders were measured with. DESERVED has, for each, the challenges that
must pass; all others must not.
"""

from __future__ import annotations

from tests.benchmarks.six import IMPORTS, answers, cells
from tests.gallery.hostile import LIAR

RIGHT = answers()
ALL = frozenset(RIGHT)


def with_body(name: str, body: str, before: str = "") -> list[str]:
    """All right, but for one function, which has this body."""
    return [*cells(), f"{before}\ndef {name}(*given):\n    {body}"]


def around(name: str, body: str) -> list[str]:
    """All right; one function does something before it answers."""
    again = f"answer = {name}\ndef {name}(*given):\n    {body}\n    return answer(*given)"
    return [*cells(), again]


def for_all(body: str, before: str = "") -> list[str]:
    """No question is answered: every function has this body."""
    return [IMPORTS, before, *(f"def {name}(*given):\n    {body}" for name in RIGHT)]


FIRST_THREE = {name: f"def {name}(*given):\n    return None" for name in list(RIGHT)[3:]}
NOISE = "import sys, warnings; print('x', file=sys.stderr); warnings.warn('w'); from tqdm import tqdm; list(tqdm(range(9)))"  # noqa: E501
BUSY = "while True: pass"
SWALLOWS = "\n    ".join(
    ["while True:", "    try:", "        while True: pass", "    except BaseException: pass"]
)
HOG = "\n    ".join(["x = []", "while True: x.append(bytearray(1 << 26))"])
TAMPER = "\n    ".join(
    [
        "import glob, os, sys",
        "for path in glob.glob('/**/*six*', recursive=True) + glob.glob('/**/tests/*.py'):",
        "    try: open(path, 'w').write('challenge = None')",
        "    except OSError: pass",
        "return 0",
    ]
)
READ = "\n    ".join(
    [
        "import gc, sys",
        "found = [x for x in gc.get_objects() if type(x).__name__ == 'Challenge']",
        "from labkit.challenges.six import all_six",
        "all_six.softmax.check = lambda s: None",
        "return found",
    ]
)
NETWORK = "\n    ".join(
    [
        "import os, socket, subprocess",
        "try: subprocess.Popen(['sleep', '600'])",
        "except OSError: pass",
        "try: os.fork() or os.setsid() or __import__('time').sleep(600)",
        "except OSError: pass",
        "return socket.create_connection(('127.0.0.1', 22), 1)",
    ]
)
PATCHED = (
    f"{LIAR}\nimport builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = lambda x: True"
)

GALLERY: dict[str, tuple[list[str], frozenset[str]]] = {
    "right": (cells(), ALL),
    "right, in another order, twice": ([*reversed(cells()), *cells()], ALL),
    "right, with magics": (["%matplotlib inline\n!ls", *cells(), "%%bash\nls"], ALL),
    "right, with noise on stderr": (around("softmax", NOISE), ALL),
    "right, with a cell that fails": ([*cells(), "1 / 0"], ALL),
    "nothing": (for_all("return None"), frozenset()),
    "half": (cells(FIRST_THREE), frozenset(list(RIGHT)[:3])),
    "a syntax error": (cells({"top_k": "def top_k(values, k)\n    return"}), ALL - {"top_k"}),
    "one raises": (with_body("top_k", "raise ValueError"), ALL - {"top_k"}),
    "20 MB of output": (around("softmax", "print('x' * 20_000_000)"), ALL),
    "a loop": (with_body("warm_up", BUSY), ALL - {"warm_up"}),
    "a loop between the cells": ([*cells(), BUSY], ALL),
    "a loop that swallows all": (with_body("warm_up", SWALLOWS), ALL - {"warm_up"}),
    "a segfault": (
        with_body("pair_counts", "import ctypes; ctypes.string_at(0)"),
        ALL - {"pair_counts"},
    ),
    "os._exit(0)": (with_body("pair_counts", "import os; os._exit(0)"), ALL - {"pair_counts"}),
    "all memory": (with_body("warm_up", HOG), ALL - {"warm_up"}),
    "equals everything": (for_all("return Yes()", PATCHED), frozenset()),
    "tampers with files": (for_all(TAMPER), frozenset()),
    "reads the checks": (for_all(READ), frozenset()),
    "network, and a process left": (for_all(NETWORK), frozenset()),
}
