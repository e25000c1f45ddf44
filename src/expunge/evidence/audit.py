"""The whole-log audit: every file is rebuilt from the entries and compared, so that nothing is changed, missing or added.

One pass, one bundle in memory at a time, whatever the log's size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from expunge.errors import BadProof
from expunge.evidence.files import translated
from expunge.evidence.merkle import leaf_hash, perfect_root
from expunge.evidence.tiles import ENTRIES, HEIGHT, WIDTH, Tiles, pack_entries, tile_name

_WHERE = "evidence log"
_NAME = re.compile(r"tile/(entries|\d|[1-5]\d|6[0-3])/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?")


class Audit:
    """One audit of one tree; ``run`` it once."""

    def __init__(self, tiles: Tiles) -> None:
        """List the folder; nothing is compared yet."""
        self._tiles = tiles
        self._found = _listed(tiles.directory)
        self._rows: list[list[bytes]] = []
        self._closed: list[int] = []
        self._files = 0

    def run(self) -> tuple[int, tuple[str, ...]]:
        """How many files were compared, and the names of those beyond the head.

        Raises:
            BadProof: a file is missing, changed, or does not belong to the log.
        """
        for number in range(-(-self._tiles.size // WIDTH)):
            entries = self._tiles.bundle(number)
            self._compare(ENTRIES, number, [pack_entries([one]) for one in entries])
            for one in entries:
                self._push(0, leaf_hash(one))
        for level, row in enumerate(self._rows):
            if row:
                self._compare(level, self._closed[level], row)
        for name in self._found:
            self._check_beyond(name)
        return self._files, tuple(sorted(self._found))

    def _push(self, level: int, value: bytes) -> None:
        if level == len(self._rows):
            self._rows.append([])
            self._closed.append(0)
        row = self._rows[level]
        row.append(value)
        if len(row) == WIDTH:
            self._compare(level, self._closed[level], row)
            self._push(level + 1, perfect_root(row))
            self._closed[level] += 1
            row.clear()

    def _compare(self, level: int | str, number: int, parts: Sequence[bytes]) -> None:
        """Compare the file of this width, which must be there, and every older, narrower one that still is."""
        for width in range(1, len(parts) + 1):
            name = tile_name(level, number, width)
            if name not in self._found:
                if width == len(parts):
                    raise BadProof(f"{name} is missing", where=_WHERE)
                continue
            with translated():
                raw = (self._tiles.directory / name).read_bytes()
            if raw != b"".join(parts[:width]):
                raise BadProof(f"{name} is not what the entries give", where=_WHERE)
            self._found.remove(name)
            self._files += 1

    def _check_beyond(self, name: str) -> None:
        """A file that was not rebuilt may only be what a crashed append left beyond the head."""
        if Path(name).name.startswith("."):
            return
        matched = _NAME.fullmatch(name)
        if matched is None or int(matched[3] or 1) >= WIDTH:
            raise BadProof(f"{name} does not belong to the log", where=_WHERE)
        level = 0 if matched[1] == ENTRIES else int(matched[1])
        number = int(matched[2].replace("x", "").replace("/", ""))
        end = (number * WIDTH + int(matched[3] or WIDTH)) << HEIGHT * level
        if end <= self._tiles.size:
            raise BadProof(f"{name} does not belong to the log", where=_WHERE)


def _listed(directory: Path) -> set[str]:
    with translated():
        return {path.relative_to(directory).as_posix() for path in (directory / "tile").rglob("*") if not path.is_dir()}
