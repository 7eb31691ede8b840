"""What a curious learner hands in: looks for texts in the memory and the files of its process.

The functions are pasted into a cell. The texts themselves must not be in it.
"""

START = 12  # characters that are told


def search(told):
    """The digests of the texts that lie in this process's memory; a text is told by its beginning,
    its length and its digest. One pass for all of them: eight bytes at a time, by a table."""
    import ctypes
    import hashlib

    import numpy as np

    def slot(words):
        return (words * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)

    known, wanted = {}, np.zeros(2**24, bool)
    for width, codec in ((1, "ascii"), (2, "utf-16-le")):  # as Python keeps text
        for start, length, digest in told:
            key = np.frombuffer(start.encode(codec)[:8], np.uint64)
            wanted[slot(key)] = True
            known.setdefault(int(key[0]), []).append((width, length, digest))
    found = set()
    with open("/proc/self/maps") as file:
        lines = file.readlines()
    for line in lines:
        where, access, *_, name = line.split(maxsplit=5)
        if not access.startswith("r") or name.startswith(("/", "[v")):
            continue
        low, high = (int(part, 16) for part in where.split("-"))
        for first in range(low, high, 2**24):
            size = min(2**24 + 2**10, high - first)  # each piece a little into the next
            data = ctypes.string_at(first, size)
            for offset in range(8):
                words = np.frombuffer(data, np.uint64, (size - offset) // 8, offset)
                for place in np.flatnonzero(wanted[slot(words)]):
                    for width, length, digest in known.get(int(words[place]), ()):
                        at = offset + 8 * int(place)
                        text = data[at : at + length * width : width]
                        if hashlib.sha1(text).hexdigest()[:12] == digest:
                            found.add(digest)
    return sorted(found)


def readable(files):
    """Of these files, and of every labkit beside a package, those that can be opened."""
    import os
    import sys

    folders = [*sys.path, *(f"{path}/site-packages" for path in sys.path)]
    files = [*files, *(f"{folder}/labkit/__init__.py" for folder in folders)]
    files += [f"{folder}/labkit/_course/solutions/05_temperature.py" for folder in folders]
    return [path for path in files if os.path.exists(path)]
