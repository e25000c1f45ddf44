"""Opens what lies in what: one outermost stream becomes the pieces of everything inside it, within limits, and an account.

The engine keeps a stack of streams; each gives pieces, or a stream inside it which then goes on top. A stream is recognised by its first
64 KiB and its name. One that a reader knows is read by it, one that can be played is handed over as a recording, and everything else is
plain bytes, in which encodings (``readers.encodings``) and, in unknown binary streams, whole files (``readers.carving``) are looked for.
Whatever happens, the stream's own bytes go to the matchers too: as *opaque* windows where a reader has opened them, as plain ones
where it has failed. Where the engine stops, the account says why.

A depth is a container in a container. What was found by looking at bytes adds to a second one, so that base64 in a mail in a
zip does not use up the first.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from expunge import errors
from expunge.hunt.formats import FORMATS, Known, possible
from expunge.hunt.pieces import WINDOW, Account, Blob, Media, Piece, Place, Rows, Unread, Why
from expunge.hunt.readers.carving import Carved, Carver
from expunge.hunt.readers.encodings import Look
from expunge.hunt.readers.signs import HEAD, media_kind, name_of, textlike
from expunge.hunt.reading import Format, Limits, Nested, Opened
from expunge.hunt.spool import Exceeded, Joined, Meter, Slice, Spool, size_of, take
from expunge.hunt.windows import Tap, Window

GUESSES = 6
"""How deep encodings and carved files may lie in each other, apart from containers: each takes away at least a quarter of the bytes."""

TOLD = 10_000
"""Unread places of one outermost stream that are told one by one; the others are counted, lest a hostile archive fill the memory."""

_FAULTS: dict[type[errors.StoreError], Why] = {errors.Conflict: Why.GONE, errors.Refused: Why.DENIED}


@dataclass(frozen=True, slots=True)
class Ended:
    """No more pieces of this place will come: matchers that are asked to ``close`` it may tell what only shows over many.

    It comes once for each place that gave windows or rows, after the places inside it.
    """

    place: Place


def unwrap(
    file: BinaryIO, place: Place, *, size: int | None, limits: Limits, account: Account, formats: Sequence[Known] = FORMATS
) -> Iterator[Piece | Ended]:
    """The pieces of a stream and of all that lies in it; what can't be read is told in ``account``.

    ``file`` stands at its beginning; one that can't be sought is read once. The caller closes it. ``size`` is in bytes, ``None`` if it
    isn't known. A recording's ``open`` works until the next piece is asked for; other pieces may be kept.
    """
    return _Opening(file, place, size, limits, account, formats).pieces()


class _Opening:
    """The opening of one outermost stream."""

    def __init__(self, file: BinaryIO, place: Place, size: int | None, limits: Limits, account: Account, formats: Sequence[Known]) -> None:
        self.limits = limits
        self.formats = tuple(formats)
        self.meter = Meter(limits, size)
        self.stack: list[_Stream] = []
        self._account = account
        self._told = len(account.unread)
        self.stack.append(_Stream(self, Nested(place, file, size, seekable=file.seekable()), account))

    def pieces(self) -> Iterator[Piece | Ended]:
        try:
            while self.stack:
                yield from self._step(self.stack[-1])
                self._bound()
        finally:
            while self.stack:
                self.stack.pop().close()

    def _step(self, stream: _Stream) -> Iterator[Piece | Ended]:
        """Ask the innermost stream for one thing, and do what it says."""
        try:
            item = next(stream.items)
        except StopIteration:
            yield from self._leave()
        except Exceeded as limit:
            yield from self._stop(stream, limit)
        except errors.MissingExtra as missing:
            stream.broke(Why.EXTRA, missing.message)
        except errors.StoreError as fault:  # of the outermost stream, whoever was reading
            why = next((why for kind, why in _FAULTS.items() if isinstance(fault, kind)), Why.UNREACHABLE)
            yield from self._stop(self.stack[0], Exceeded(why, ""))
        except Exception:  # noqa: BLE001  # the only one: what a hostile file makes of a reader is nobody's to foresee, and is told
            stream.broke(Why.BROKEN)
        else:
            if not isinstance(item, Nested):
                yield from stream.noted(item)
            elif not stream.has_given(item):
                self.stack.append(stream.inside(item))

    def _leave(self) -> Iterator[Ended]:
        stream = self.stack.pop()
        yield from stream.ended()
        stream.close()

    def _stop(self, stream: _Stream, limit: Exceeded) -> Iterator[Ended]:
        """Leave everything that is inside; what is left of the outermost stream is still looked at as bytes, unless it is too slow."""
        outermost = self.stack[0]
        for place in dict.fromkeys((stream.place, outermost.place)):
            self._account.unread.append(Unread(place, limit.why, stream.size if place == stream.place else outermost.size, limit.note))
        while len(self.stack) > 1:
            yield from self._leave()
        if limit.why is not Why.TOO_LARGE or not outermost.fall_back(looking=False):
            yield from self._leave()

    def _bound(self) -> None:
        """Keep the account small."""
        unread = self._account.unread
        if len(unread) - self._told <= 2 * TOLD:
            return
        kept, more = unread[: self._told + TOLD], unread[self._told + TOLD :]
        outermost = self.stack[0].place if self.stack else more[0].place
        for why in dict.fromkeys(one.why for one in more):
            count = sum(one.why is why for one in more)
            kept.append(Unread(outermost, why, note=f"{count:,} more places inside"))
        unread[:] = kept
        self._told = len(kept) - TOLD


class _Stream:
    """One stream that is being opened."""

    def __init__(
        self, opening: _Opening, nested: Nested, account: Account, *, below: Account | None = None, depth: int = 0, guesses: int = 0
    ) -> None:
        self.place = nested.place
        self.size = nested.size
        self.head = b""
        self.items: Iterator[Piece | Nested] = self._open()
        self._opening = opening
        self._meter = opening.meter
        self._nested = nested
        self._account = account
        self._below = below  # whose a guess's account becomes
        self._depth = depth
        self._guesses = guesses
        self._spool: Spool | None = None
        self._base: BinaryIO | None = None  # the stream from its first byte, where it can be sought
        self._tap: Tap | None = None
        self._failures = 0
        self._opaque = False
        self._looks = True
        self._look: Look | None = None
        self._carver: Carver | None = None
        self._blobs: dict[Place, None] = {}
        self._table: Place | None = None
        self._gave = False

    # What the engine asks.

    def inside(self, nested: Nested) -> _Stream:
        """A stream inside this one. What a guess tells is kept apart until it has shown itself to be something."""
        below = self._account if nested.guess else None
        account = Account() if nested.guess else self._account
        depth, guesses = self._depth + (not nested.guess), self._guesses + nested.guess
        return _Stream(self._opening, nested, account, below=below, depth=depth, guesses=guesses)

    def noticed(self) -> None:
        """Something came out of this stream."""
        self._gave = True

    def has_given(self, nested: Nested) -> bool:
        """Whether what a carved file ends with is only its parent's bytes again."""
        return isinstance(self._nested, Carved) and nested.place == self.place.inside("rest")

    def noted(self, piece: Piece) -> Iterator[Piece | Ended]:
        """The piece, after the end of the table before it if it begins another."""
        if isinstance(piece, Blob):
            self._blobs[piece.place] = None
        else:
            self._gave = True
        if isinstance(piece, Rows):
            self._account.rows += piece.rows
            if self._table is not None and self._table != piece.place and self._table not in self._blobs:
                yield Ended(self._table)
            self._table = piece.place
        yield piece

    def ended(self) -> Iterator[Ended]:
        """The ends of what this stream gave, its own place last."""
        if self._table is not None and self._table not in self._blobs:
            yield Ended(self._table)
        for place in [*(one for one in self._blobs if one != self.place), *(one for one in self._blobs if one == self.place)]:
            yield Ended(place)

    def tell(self, why: Why, note: str = "") -> None:
        """This place was not read, or not whole."""
        self._account.unread.append(Unread(self.place, why, self.size, note))

    def broke(self, why: Why, note: str = "") -> None:
        """The reader, or the stream itself, has failed unforeseen: tell it, and go on with the bytes if possible."""
        self.tell(why, note)
        self.fall_back()

    def fall_back(self, *, looking: bool = True) -> bool:
        """From now on only this stream's own bytes, as plain ones: with what is encoded in them, then without, then not at all."""
        self._failures += 1 if looking and not self._failures else 2
        self._looks = self._failures == 1
        self._opaque = False
        self._look = self._carver = None
        self.items = self._raw() if self._failures <= 3 and self.head else iter(())  # noqa: PLR2004  # 1: look; 2 or 3: don't; more: no
        return self._failures <= 3  # noqa: PLR2004  # the same

    def close(self) -> None:
        """Give everything back, and hand what a guess has told to whom it concerns."""
        if self._tap is not None:
            self._tap.close()
        if self._spool is not None:
            self._spool.close()
        if self._below is not None:
            carved = isinstance(self._nested, Carved)
            hushed = (Why.UNKNOWN, Why.BROKEN) if carved else (Why.UNKNOWN,)
            heard = [one for one in self._account.unread if one.place != self.place or one.why not in hushed]
            self._account.unread = heard if self._gave or not carved else []
            self._below.add(self._account)

    # What it does.

    def _open(self) -> Iterator[Piece | Nested]:
        nested, meter = self._nested, self._meter
        if self._opening.stack[0] is not self:
            meter.member()
        self._account.streams += 1
        if nested.seekable:
            self._base = nested.file
            self.size = size_of(nested.file)
            self.head = take(self._slice(), HEAD)
        else:
            self.head = take(nested.file, HEAD)
        if not self.head:
            return
        for above in self._opening.stack[-2:-1]:
            above.noticed()
        known = None if nested.plain else self._recognised()
        kind = media_kind(self.head, name_of(self.place)) if known is None and self._looks and not nested.plain else ""
        self._count(known.name if known else kind)
        if known is not None and not known.seeks:
            yield from self._streaming(known)
        elif known is not None or kind:
            yield from self._seeking(known, kind)
        yield from self._raw()

    def _recognised(self) -> Format | None:
        """The format that knows this stream and may open it."""
        name = name_of(self.place)
        known = next((one for one in possible(self._opening.formats, self.head[0]) if one.recognises(self.head, name)), None)
        if known is None:
            return None
        above = self._opening.stack[:-1]
        if any(one.head == self.head and (len(self.head) < HEAD or one.size == self.size is not None) for one in above):
            self.tell(Why.LOOP)
        elif self._depth > self._opening.limits.depth or self._guesses > GUESSES:
            self.tell(Why.TOO_DEEP)
        else:
            try:
                return known.load()
            except errors.MissingExtra as missing:
                self.tell(Why.EXTRA, missing.message)
                return None
        self._looks = False
        return None

    def _count(self, name: str) -> None:
        """Count the stream by its format; say so if nothing is known of it."""
        if not name:
            text = self._nested.plain or textlike(self.head)
            name = "text" if text else "bytes"
            if not text and self._looks:
                self.tell(Why.UNKNOWN)
                if self._base is None:
                    self._spooled()  # where there is no room for it, windows are searched one by one
                self._carver = Carver(self.place, self._base, self.size)
        self._account.formats[name] = self._account.formats.get(name, 0) + 1

    def _streaming(self, known: Format) -> Iterator[Piece | Nested]:
        """A reader that reads once, from the buffers of which the windows are made."""
        self._opaque = known.raw == "opaque"
        tap = self._tapped()
        opened = Opened(self.place, cast("BinaryIO", tap), self.size, False, self._opening.limits, self._account)  # noqa: FBT003  # a field
        for item in known.read(opened):
            yield from self._windows(tap.passed())
            yield item

    def _seeking(self, known: Format | None, kind: str) -> Iterator[Piece | Nested]:
        """A reader that seeks, or a recording: both need the whole stream at hand."""
        if self._base is None and not self._spooled():
            self.tell(Why.TOO_LARGE, "no temporary space left")
            return
        size = self.size or 0
        if known is None:
            yield Media(self.place, kind, lambda: io.BufferedReader(cast("io.RawIOBase", self._slice())), size)
            return
        file = io.BufferedReader(cast("io.RawIOBase", self._slice()), HEAD)
        yield from known.read(Opened(self.place, file, size, True, self._opening.limits, self._account))  # noqa: FBT003  # a field
        self._opaque = known.raw == "opaque"

    def _spooled(self) -> bool:
        """Copy the stream to where it can be sought. If it doesn't fit, what was copied and what follows is the stream again."""
        self._spool = Spool(self._meter)
        file = cast("BinaryIO", Joined(self.head, self._nested.file))
        more = self._spool.take_from(file, self._meter.inner if self._depth else self._meter.outer)
        if more:
            self._tap = self._tap_of(Joined(cast("BinaryIO", self._spool.slice()), more, file))
            return False
        self._base, self.size = self._spool.file, self._spool.size
        return True

    def _slice(self) -> BinaryIO:
        return cast("BinaryIO", Slice(cast("BinaryIO", self._base), 0, self.size or 0, self._meter))

    def _tapped(self) -> Tap:
        if self._tap is None:
            source = self._slice() if self._base is not None else Joined(self.head, self._nested.file)
            self._tap = self._tap_of(source)
        return self._tap

    def _tap_of(self, source: BinaryIO | Joined) -> Tap:
        small = len(self.head) < HEAD
        return Tap(cast("BinaryIO", source), self._meter, self._spend, len(self.head) if small else WINDOW)

    def _spend(self, count: int) -> None:
        if self._opening.stack[0] is self:
            self._account.bytes += count
            self._meter.outer(count)
        elif not isinstance(self._nested, Carved):
            self._account.unwrapped += count
            self._meter.inner(count)

    def _raw(self) -> Iterator[Piece | Nested]:
        """The stream's own bytes that have not been given yet. Those of a carved one are its parent's, and have been."""
        if isinstance(self._nested, Carved):
            return
        yield from self._windows(self._tapped().rest())
        if self._look is not None:
            yield from self._look.end()

    def _windows(self, windows: Iterator[Window]) -> Iterator[Piece | Nested]:
        for window in windows:
            if isinstance(self._nested, Carved):
                continue
            yield Blob(self.place, window.offset, window.data, window.overlap, opaque=self._opaque, last=window.last)
            if self._opaque or not self._looks:
                continue
            self._look = self._look or Look(self.place, self._meter)
            yield from self._look.at(window)
            if self._carver is not None:
                yield from self._carver.at(window)
