"""What a curious learner hands in: looks for texts in the memory and the files of its process.

The functions are pasted into a cell. The texts themselves must not be in it.
"""

START = 12  # characters that are told


def search(told):
    """The digests of the texts that lie in this process's memory; a text is told by its beginning,
    its length and its digest."""
    import ctypes
    import hashlib

    found = set()
    with open("/proc/self/maps") as file:
        lines = file.readlines()
    for line in lines:
        where, access, *_, name = line.split(maxsplit=5)
        if not access.startswith("r") or name.startswith(("/", "[v")):
            continue
        low, high = (int(part, 16) for part in where.split("-"))
        data = ctypes.string_at(low, high - low)
        for start, length, digest in told:
            for width, codec in ((1, "ascii"), (2, "utf-16-le")):  # as Python keeps text
                at = data.find(start.encode(codec))
                while at >= 0:
                    text = data[at : at + length * width : width]
                    if hashlib.sha1(text).hexdigest()[:12] == digest:
                        found.add(digest)
                    at = data.find(start.encode(codec), at + 1)
    return sorted(found)


def readable(files):
    """Of these files, and of every labkit beside a package, those that can be opened."""
    import os
    import sys

    folders = [*sys.path, *(f"{path}/site-packages" for path in sys.path)]
    files = [*files, *(f"{folder}/labkit/__init__.py" for folder in folders)]
    files += [f"{folder}/labkit/_course/solutions/05_temperature.py" for folder in folders]
    return [path for path in files if os.path.exists(path)]
