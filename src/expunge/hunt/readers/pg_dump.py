"""Plain dumps of PostgreSQL: the rows of each ``COPY`` by the names of their columns, everything between them as text.

``INSERT`` statements are text; so are dumps that consist of them, which are read as any other text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from expunge.hunt.pieces import OVERLAP
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.readers.pg_copy import BLOCK, LINE, copied, ended
from expunge.hunt.readers.pg_names import COPY, is_dump, named
from expunge.hunt.reading import Format, Nested, Opened, Reading

_STATEMENT = 1 << 16
"""Bytes kept back at the end of a block, in which a ``COPY`` line may have begun; a thousand long column names fit."""


class _Lines:
    """A dump, of which some is held."""

    def __init__(self, opened: Opened) -> None:
        self._file = opened.file
        self.held = b""
        self.offset = 0  # in the stream, of what is held
        self.ended = False

    def more(self) -> bool:
        """Hold another block; whether there was one."""
        block = self._file.read(BLOCK)
        self.held += block
        self.ended = not block
        return bool(block)

    def take(self, count: int) -> bytes:
        """What is held, up to ``count``; it is held no longer."""
        taken, self.held = self.held[:count], self.held[count:]
        self.offset += count
        return taken


@bounded
def _dump(opened: Opened) -> Reading:
    lines = _Lines(opened)
    while lines.held or lines.more():
        statement = COPY.search(lines.held)
        if statement is None:
            yield from _before(opened, lines)
            continue
        table, columns = named(statement)
        yield from _statements(opened, lines, statement.end())
        yield from copied(opened, opened.place.of(table=table), columns, _rows(lines))


def _before(opened: Opened, lines: _Lines) -> Reading:
    """Statements without a ``COPY`` among them: all that is held but its end, or at the end of the dump all."""
    if len(lines.held) >= BLOCK or not lines.more():
        keep = 0 if lines.ended else _STATEMENT
        cut = lines.held.rfind(b"\n", 0, len(lines.held) - keep) + 1
        yield from _statements(opened, lines, cut or len(lines.held) - keep, straddled=not cut)


def _statements(opened: Opened, lines: _Lines, count: int, *, straddled: bool = False) -> Reading:
    """Text between rows; ``straddled`` was cut inside a line, so its end is given again with what follows."""
    place = opened.place.inside(f"statements@{lines.offset}")
    content = lines.held[:count]
    lines.take(max(1, count - OVERLAP) if straddled and not lines.ended else count)
    yield Nested(place, io.BytesIO(content), len(content), seekable=True, plain=True)


def _rows(lines: _Lines) -> Iterator[bytes]:
    r"""Blocks of whole lines up to ``\.``, which is taken too."""
    while True:
        end = ended(lines.held)
        if end is not None and (lines.ended or b"\n" in lines.held[end:]):
            if end:
                yield lines.take(end)
            lines.take(lines.held.find(b"\n") + 1 or len(lines.held))
            return
        if lines.ended:
            if lines.held:
                yield lines.take(len(lines.held))
            return
        cut = 0 if end is not None else lines.held.rfind(b"\n", 0, max(0, len(lines.held) - len(b"\\.\r\n"))) + 1
        if len(lines.held) >= BLOCK and cut:
            yield lines.take(cut)
        elif len(lines.held) > LINE and end is None:
            yield lines.take(len(lines.held))
        else:
            lines.more()


FORMATS: tuple[Format, ...] = (Format("pg-dump", is_dump, _dump),)
"""What this module reads."""
