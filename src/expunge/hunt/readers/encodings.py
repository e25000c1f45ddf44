"""What is encoded inside plain bytes: base64, hex, escapes of JSON, URLs, HTML and mail, UTF-16 amid other bytes.

Every plain byte of a hunt passes here, so the first look (``encodings_kernel.survey``) is all that most of them get. What is found becomes
a stream of its own beside the plain bytes: a long run (``base64@OFFSET``) is opened as a file would be; short runs and decoded escapes are
gathered as the lines of a *view* (``base64``, ``hex``, ``escapes``, ``quoted-printable``, ``utf-16``), which is looked at in the same way,
so that JSON in base64 in JSON is read. A view tells no offsets of the bytes that it was made of.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import OVERLAP, Blob, Place
from expunge.hunt.readers import encodings_kernel as kernel
from expunge.hunt.readers import escapes_kernel as escapes
from expunge.hunt.readers.dumps_kernel import undump
from expunge.hunt.readers.runs import Run, decoded
from expunge.hunt.readers.runs_kernel import shorts
from expunge.hunt.readers.signs import HEAD, PAIRS, known_binary
from expunge.hunt.reading import Nested
from expunge.hunt.spool import Meter
from expunge.hunt.windows import Window

VIEWS = 3
"""Views of views of a stream: URL-escaped JSON in base64 is 3."""

_BACK = 512
"""Bytes before a window's new ones that are looked at again, so that what an edge cuts is seen whole: more than any escape or line."""

_FLUSH = 1 << 18
"""Bytes of a view that are gathered before they go to the matchers: calls cost nothing then."""

_SHORT = 4096
"""Runs up to here are decoded as lines of a view, unless they begin as a known format does: a stream of its own costs about 0.1 ms."""

_SMALL = _SHORT * 3 // 4

_FOUND = 4096

_TABLE = np.zeros(256, dtype=np.uint8)
_TABLE[np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_", dtype=np.uint8)] = 1

_BEGINS = np.zeros(65536, dtype=np.uint8)
for _pair in PAIRS:
    _BEGINS[_pair[0] | _pair[1] << 8] = 1


class Look:
    """Looks at the windows of one stream, in order."""

    def __init__(self, place: Place, meter: Meter, level: int = 0) -> None:
        """``level`` is 0 for a stream's own bytes, 1 for a view of it, and so on up to ``VIEWS``."""
        self._place = place
        self._meter = meter
        self._level = level
        self._views: dict[str, _View] = {}
        self._open: Run | None = None
        self._done = 0  # up to where, in the stream, runs have been taken

    def at(self, window: Window) -> Iterator[Blob | Nested]:
        """What this window shows."""
        data = np.frombuffer(window.data, dtype=np.uint8)
        yield from self._continue(window, data)
        start = max(0, window.overlap - _BACK) & ~7
        marks, every = _marks(data, start)
        if every & kernel.RUN:
            yield from self._runs(window, data, marks, start)
        if every & kernel.ESCAPED:
            yield from self._region("escapes", escapes.unescape, data, marks, start)
        if every & kernel.QUOTED:
            yield from self._region("quoted-printable", escapes.unquote, data, marks, start)
        if every & kernel.WIDE:
            yield from self._region("utf-16", escapes.narrow, data, marks, start)
        if every & kernel.DUMPED:
            yield from self._region("dump", undump, data, marks, start)

    def end(self) -> Iterator[Blob | Nested]:
        """What only shows when the stream has ended."""
        run, self._open = self._open, None
        if run is not None:
            yield from self._finished(run)
        for view in self._views.values():
            yield from view.end()

    def _continue(self, window: Window, data: kernel.Bytes) -> Iterator[Blob | Nested]:
        run = self._open
        if run is None:
            return
        end, line, more = kernel.follow(data, window.overlap, window.overlap - run.line, _TABLE)
        run.add(bytes(window.data[window.overlap : end]), line=end - line)
        self._done = window.offset + end
        if not more:
            self._open = None
            yield from self._finished(run)

    def _runs(self, window: Window, data: kernel.Bytes, marks: kernel.Bytes, start: int) -> Iterator[Blob | Nested]:
        found: npt.NDArray[np.int64] = np.empty((_FOUND, 4), dtype=np.int64)
        floor = max(0, window.overlap - _BACK, self._done - window.offset)
        while not self._open:
            count = kernel.runs(data, marks, start, floor, _TABLE, found)
            if not count:
                break
            floor = int(found[count - 1, 1])
            self._done = window.offset + floor
            begin, end, line, more = found[count - 1].tolist()
            if more and not window.last:
                self._open = Run(self._meter, window.offset + begin)
                self._open.add(bytes(window.data[begin:end]), line=end - line)
                count -= 1
            yield from self._closed(window, data, found[:count])
            if count < _FOUND:
                break

    def _closed(self, window: Window, data: kernel.Bytes, found: npt.NDArray[np.int64]) -> Iterator[Blob | Nested]:
        """Runs that end in this window: the short ones decoded together, others each by itself."""
        sizes = found[:, 1] - found[:, 0]
        short = found[(sizes >= 2 * kernel.BLOCK) & (sizes <= _SHORT)]
        if len(short):
            into = np.empty(3 * int((short[:, 1] - short[:, 0]).sum()) + 4 * len(short) + 64, dtype=np.uint8)
            ends = np.empty((4 * len(short), 4), dtype=np.int64)
            count = shorts(data, short, _BEGINS, np.empty(_SHORT, dtype=np.uint8), into, ends)
            if count:
                yield from self._lines(window, short, into[: int(ends[count - 1, 1]) + 1], ends[:count])
        for begin, end, _, _ in found[sizes > _SHORT].tolist():
            for name, skipped, content in decoded(data, begin, end, _BEGINS):
                yield self._nested(name, window.offset + begin + skipped, io.BytesIO(content), len(content))

    def _lines(
        self, window: Window, short: npt.NDArray[np.int64], into: kernel.Bytes, ends: npt.NDArray[np.int64]
    ) -> Iterator[Blob | Nested]:
        """Decoded short runs to their views; those that begin like a file are opened as one."""
        for name, kind in (("base64", 0), ("hex", 1)):
            mine = ends[:, 2] & 1 == kind
            if mine.all():
                yield from self._view(name).add(into.tobytes())
            elif mine.any():
                yield from self._view(name).add(b"".join(into[begin : end + 1].tobytes() for begin, end, _, _ in ends[mine].tolist()))
        for begin, end, kind, run in ends[ends[:, 2] >= 2].tolist():  # noqa: PLR2004  # the mark of ``shorts``
            content = into[begin:end].tobytes()
            if known_binary(content):
                yield self._nested("hex" if kind & 1 else "base64", window.offset + int(short[run, 0]), io.BytesIO(content), len(content))

    def _finished(self, run: Run) -> Iterator[Blob | Nested]:
        try:
            file = run.file()
            if run.size > _SMALL or (run.size and known_binary(file.read(HEAD))):
                yield self._nested(run.name, run.offset, file, run.size)
            elif run.size:
                yield from self._view(run.name).add(run.file().read() + b"\n")
        finally:
            run.close()

    def _nested(self, name: str, offset: int, file: io.RawIOBase | io.BytesIO, size: int) -> Nested:
        return Nested(self._place.inside(f"{name}@{offset}"), cast("BinaryIO", file), size, seekable=True, guess=True)

    def _view(self, name: str) -> _View:
        if name not in self._views:
            place = self._place.inside(name)
            self._views[name] = _View(place, Look(place, self._meter, self._level + 1) if self._level < VIEWS else None)
        return self._views[name]

    def _region(
        self, name: str, decode: Callable[..., int], data: kernel.Bytes, marks: kernel.Bytes, start: int
    ) -> Iterator[Blob | Nested]:
        into = np.empty(2 * (data.size - start) + 1024, dtype=np.uint8)
        count = decode(data[start:], marks, 0, into)
        if count:
            yield from self._view(name).add(into[:count].tobytes())


def _marks(data: kernel.Bytes, start: int) -> tuple[kernel.Bytes, int]:
    """The marks of all blocks from ``start`` on, and all of them together; the last block is filled up with blanks."""
    whole = (data.size - start) // kernel.BLOCK
    rest = data[start + whole * kernel.BLOCK :]
    marks = np.empty(whole + (rest.size > 0), dtype=np.uint8)
    every = kernel.survey(_words(data[start : start + whole * kernel.BLOCK]), marks[:whole])
    if rest.size:
        block = np.full(kernel.BLOCK, 0x20, dtype=np.uint8)
        block[: rest.size] = rest
        every |= kernel.survey(block.view(np.uint64), marks[whole:])
    return marks, every


def _words(data: kernel.Bytes) -> npt.NDArray[np.uint64]:
    return (data if data.ctypes.data % 8 == 0 else data.copy()).view(np.uint64)


class _View:
    """What was decoded of a stream, as a stream of its own."""

    def __init__(self, place: Place, look: Look | None) -> None:
        self._place = place
        self._look = look
        self._fresh = bytearray()
        self._tail = b""
        self._offset = 0

    def add(self, decoded: bytes) -> Iterator[Blob | Nested]:
        self._fresh += decoded
        if len(self._fresh) >= _FLUSH:
            yield from self._flush(last=False)

    def end(self) -> Iterator[Blob | Nested]:
        yield from self._flush(last=True)
        if self._look is not None:
            yield from self._look.end()

    def _flush(self, *, last: bool) -> Iterator[Blob | Nested]:
        whole = self._tail + bytes(self._fresh)
        window = Window(self._offset - len(self._tail), memoryview(whole), len(self._tail), last)
        self._offset += len(self._fresh)
        self._fresh = bytearray()
        self._tail = whole[-OVERLAP:]
        yield Blob(self._place, window.offset, window.data, window.overlap, last=last)
        if self._look is not None:
            yield from self._look.at(window)
