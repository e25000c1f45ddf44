"""How tables in text and JSON are recognised; imports nothing that may be missing."""

from __future__ import annotations

import re
from typing import NamedTuple

_LOOKED = 16 << 10
_SEPARATORS = (b"\t", b",", b";", b"|", b"\x01", b"\x1f")
"""The last two are Hive's, and the one that ASCII has for it."""
_LINES = 24
"""Lines by which a separator is chosen."""

_FEWEST = 3
"""Lines that must agree on their number of cells, where the name does not say what it is."""

_NAMES = (".csv", ".tsv", ".tab", ".psv")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{][\s\[{]*(?:\"|-?\d|[\]}])")
_QUOTED = re.compile(rb'"(?:[^"]|"")*"')
_BOM = b"\xef\xbb\xbf"


class Layout(NamedTuple):
    """How a table in text is laid out: its separator, its first lines' cells, and whether the first of them names the columns."""

    separator: str
    names: tuple[str, ...]
    header: bool


def is_json(head: bytes, name: str) -> bool:
    """Whether a stream is JSON: one document, or one a line."""
    if _JSON.match(head) is None:
        return False
    return name.endswith((".json", ".jsonl", ".ndjson", ".geojson")) or b'":' in head[:_LOOKED] or b'" :' in head[:_LOOKED]


def is_table(head: bytes, name: str) -> bool:
    """Whether a stream is lines of cells."""
    return b"\0" not in head and layout(head, named=name.endswith(_NAMES)) is not None


def layout(head: bytes, *, named: bool = False) -> Layout | None:
    """The layout of a table from its beginning, or ``None`` if its lines don't agree on one.

    ``named``: its name says that it is one, so that two lines are enough.
    """
    clear = head.removeprefix(_BOM)[:_LOOKED]
    first, _, _ = clear.partition(b"\n")
    candidates = [separator for separator in _SEPARATORS if separator in first]
    if not candidates:
        return None
    if b'"' in clear:
        clear = _QUOTED.sub(b'""', clear)
    lines = clear.split(b"\n", _LINES)
    whole = [line for line in (lines[:-1] if len(head) >= _LOOKED or len(lines) > _LINES else lines) if line]
    if len(whole) < (2 if named else _FEWEST):
        return None
    best = max(candidates, key=lambda separator: _agreed(whole, separator))
    if not _agreed(whole, best):
        return None
    first_cells = _cells(first.rstrip(b"\r"), best.decode())
    header = not any(_is_number(cell) for cell in first_cells) and len(set(first_cells)) == len(first_cells) and all(first_cells)
    return Layout(best.decode(), tuple(first_cells) if header else tuple(f"column{at}" for at in range(1, len(first_cells) + 1)), header)


def _agreed(lines: list[bytes], separator: bytes) -> int:
    """How many separators each line has, if nine in ten have as many as the first; else 0."""
    count = lines[0].count(separator)
    return count if sum(line.count(separator) == count for line in lines) >= len(lines) * 0.9 else 0


def _cells(line: bytes, separator: str) -> list[str]:
    """The cells of a line without quoted separators: a header's, as a rule."""
    parts = re.findall(rf'(?:^|{re.escape(separator)})\s*("(?:[^"]|"")*"|[^{re.escape(separator)}]*)', line.decode("utf-8", "replace"))
    return [part.strip().strip('"').replace('""', '"') for part in parts]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
