"""What was handed in under a notebook's name and is none: named for what it is, and what to ask
for."""

from __future__ import annotations

import codecs
import json
import re

BLANK = b" \t\r\n\x00"  # zeros are what a copy leaves that was cut off on its way
MARKUP = re.compile(rb"<(!doctype\s+html|html|head|body|title|script|meta)\b", re.IGNORECASE)
POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\s")
SIZE = re.compile(rb"^size (\d+)", re.MULTILINE)
CONFLICT = re.compile(rb"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
BEGUN = re.compile(r"[a-z-]{0,5}")  # a number or a word of JSON, such as tr for true
LOOKED_AT = 2000  # bytes, enough to know a kind
ITSELF = "Ask for the .ipynb file itself (in JupyterLab: File → Download)."
CUT_OFF = f"cut off. {ITSELF}"
# The first bytes of other kinds of file, and what they are.
KINDS = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a zip or a document of an office program",
    b"PK\x05\x06": "an empty zip",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"{\\rtf": "a text of a word processor (RTF)",
    b"\xd0\xcf\x11\xe0": "a document of an office program",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"\x00\x05\x16\x07": "what macOS keeps beside a file (its name begins with ._)",
}


def instead_of_notebook(data: bytes) -> str:
    """What these bytes are in place of a notebook, and what to do; "" where that can't be told."""
    head = data[:LOOKED_AT].removeprefix(codecs.BOM_UTF8).lstrip()
    if not data.removeprefix(codecs.BOM_UTF8).strip(BLANK):
        holds = f"{len(data):,} bytes, all of them blank" if data else "0 bytes"
        return f"It is empty ({holds}): nothing was saved, or a copy was {CUT_OFF}"
    if POINTER.match(head):
        return pointer(head)
    if head.startswith(b"<") and MARKUP.search(head):
        return (
            "It is an HTML page, not a notebook: a page that shows it (or a login page) was saved "
            f"in its place, or it was exported. {ITSELF} On GitHub: Download raw file."
        )
    kind = next((what for start, what in KINDS.items() if data.startswith(start)), "")
    return f"It is {kind}, not a notebook. {ITSELF}" if kind else ""


def pointer(head: bytes) -> str:
    """About a file that stands for another one in a repository."""
    size = SIZE.search(head)
    of = f" of {int(size[1]):,} bytes"[:40] if size else ""
    return (
        f"It is a Git LFS pointer, which stands for the notebook{of}: that was not fetched. Run "
        "`git lfs pull` in the repository that it comes from, or ask for the .ipynb file itself."
    )


def broken_json(data: bytes, text: str, error: ValueError) -> str:
    """What has become of a notebook that is no JSON any more, and what to ask for."""
    if CONFLICT.search(data):
        return (
            "It holds the marks of a git merge that was not finished (<<<<<<< and >>>>>>>), so it "
            "opens nowhere. Ask for the notebook as it is after the merge."
        )
    if isinstance(error, json.JSONDecodeError) and text.lstrip().startswith("{"):
        unfinished = error.msg.startswith("Unterminated string")
        if unfinished or BEGUN.fullmatch(text.rstrip()[error.pos :]):
            return f"It breaks off after {len(data):,} bytes: an upload or a copy was {CUT_OFF}"
    return f"It is not a notebook: no JSON ({str(error)[:100]}). {ITSELF}"
