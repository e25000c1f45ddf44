"""The matcher of identifiers and text: brings pieces before the sweep, and what it hits before the judge.

A window is copied into a *pad* in slices, swept, and what it escapes or encodes is decoded into a second pad and swept too, then once more,
for what was encoded twice. Hits come back in the pad's positions and are told in the piece's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Blob, Numbers, Piece, Place, Rows, Texts
from expunge.hunt.prints import Kind, Sighting, Tier
from expunge.hunt.strings_compile import LANES
from expunge.hunt.strings_decode import GROWTH, decode
from expunge.hunt.strings_judge import Judge, Seen, View
from expunge.hunt.strings_layout import CHUNK, FOUND, LISTED_MOST, PAD, RAW, REACH, RECENT, STRIDE, TAIL, TEXT, Hit, Hits, Work
from expunge.hunt.strings_sweep import join_cells, sweep_all
from expunge.hunt.strings_tables import Group, Prints, build

SLICE = 2 << 20
"""Bytes that are swept at once: half a window. A tenth faster than 1 MiB, for fewer calls and more decoded in each; 4 MiB is slower."""

OVERLAP = 4096
"""Bytes that a slice begins with again: longer than any needle."""

DEPTH = 2
"""How often what was decoded is decoded again: base64 of JSON with escapes is 2."""

SHARED = 8
"""Persons that one string may stand for before it stands for nobody: of a needle of more, the first ones are told, for review."""

AROUND = 80
"""Bytes of context on each side of a sighting."""

NEAR = 512
"""Bytes within which another trace of the same person corroborates a name."""

Bytes: TypeAlias = npt.NDArray[np.uint8]


class _Pad:
    """A buffer to sweep, for ``room`` bytes, with the arrays that this needs; what is never touched costs nothing."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.bytes = np.zeros(room + PAD + TAIL, np.uint8)
        self.bytes[:PAD] = 10
        self.source = np.zeros(room + 64, np.int32)
        words = CHUNK // 2 + 4 * REACH
        self.work = Work(
            ends=np.zeros(words, np.int32),
            hashes=np.zeros(words, np.uint64),
            found=np.zeros(FOUND, np.uint64),
            asked=np.zeros(words + 96, np.int32),
            shapes=np.zeros(CHUNK // STRIDE + 96, np.int32),
            chosen=np.zeros(2 * words + 96, np.int32),
            flags=np.zeros(room // 64 + 2, np.uint8),
            names=np.zeros(words + 8, np.int32),
            places=np.zeros(LISTED_MOST, np.int32),
            passages=np.zeros(LISTED_MOST, np.uint32),
            seen=np.zeros(2 * RECENT, np.int32),
        )

    def end(self, size: int) -> None:
        """Line feeds behind the last byte, whatever lay there."""
        self.bytes[PAD + size : PAD + size + TAIL] = 10


def _hits(room: int) -> Hits:
    ints = [np.zeros(room, np.int32) for _ in range(4)]
    floats = [np.zeros(room, np.float32) for _ in range(2)]
    return Hits(np.zeros(room, np.uint8), ints[0], ints[1], ints[2], floats[0], floats[1], ints[3])


class Search:
    """Sees the needles of some pages. Not to be used by two threads at once."""

    def __init__(self, pages: Iterable[bytes]) -> None:
        """Build the tables.

        Raises:
            ValueError: a page is not one of this family's.
        """
        self.groups, self.prints = build(pages)
        self.judge = Judge(self.prints, len(self.prints.subject))
        self._pads = [_Pad(SLICE + OVERLAP)]
        self._hits = _hits(4096)
        self._named: set[str] = set()

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """Identifiers and texts in a window of bytes, in the cells of rows, and in the names of what holds them."""
        if not self.groups:
            return
        found: list[Sighting] = []
        if isinstance(piece, Blob | Rows):
            found += self._look_names(piece)
        if isinstance(piece, Blob) and not piece.opaque:
            found += self._look_blob(piece)
        elif isinstance(piece, Rows):
            found += self._look_rows(piece)
        yield from _corroborated(found, self.prints)

    def close(self, place: Place) -> Iterator[Sighting]:
        """Forget the place; nothing shows only at its end."""
        self._named.discard(place.text)
        return iter(())

    def _look_names(self, piece: Blob | Rows) -> list[Sighting]:
        text = piece.place.text
        if text in self._named:
            return []
        self._named.add(text)
        names = [text, *(piece.columns if isinstance(piece, Rows) else ())]
        content = np.frombuffer("\n".join(names).encode("utf-8", "replace"), np.uint8)
        view = View(content)
        return [self._sighting(seen, piece.place, view, None, " in a name") for seen in self._seen(content, view, 0, last=True)]

    def _look_blob(self, piece: Blob) -> list[Sighting]:
        content = np.frombuffer(piece.data, np.uint8)
        view = View(content)
        seen = self._seen(content, view, piece.overlap, last=piece.last)
        return [self._sighting(one, piece.place, view, piece.offset, "") for one in seen]

    def _look_rows(self, piece: Rows) -> list[Sighting]:
        found: list[Sighting] = []
        for name, column in piece.columns.items():
            place = piece.place.of(column=name)
            if isinstance(column, Texts):
                found += self._look_texts(piece, place, name, column)
            elif isinstance(column, Numbers):
                found += self._look_numbers(piece, place, name, column)
        return found

    def _look_texts(self, piece: Rows, place: Place, name: str, column: Texts) -> list[Sighting]:
        content, starts = _joined(column)
        view = View(content, column=name)
        found = []
        for seen in self._seen(content, view, 0, last=True, starts=starts):
            row = int(np.searchsorted(starts, seen.start, side="right")) - 1
            found.append(self._sighting(seen, place, view, None, "", piece.key(row)))
        return found

    def _look_numbers(self, piece: Rows, place: Place, name: str, column: Numbers) -> list[Sighting]:
        found = []
        for group in self.groups:
            for row, number in _numbers(column, group):
                told = self.judge.number(number, name)
                if told is not None:
                    tier, strength, form = told
                    subject = int(self.prints.subject[number])
                    found.append(Sighting(place, Kind.IDENTIFIER, tier, subject, number, strength, form, row=piece.key(row)))
        return found

    def _sighting(self, seen: Seen, place: Place, view: View, base: int | None, where: str, row: str | None = None) -> Sighting:
        context = view.content[max(seen.start - AROUND, 0) : seen.end + AROUND].tobytes()
        kind = Kind.TEXT if self.prints.text[seen.print] else Kind.IDENTIFIER
        offset = None if base is None else base + seen.start
        subject = int(self.prints.subject[seen.print])
        length = seen.end - seen.start
        return Sighting(place, kind, seen.tier, subject, seen.print, seen.strength, seen.form + where, offset, length, row, context)

    def _seen(self, content: Bytes, view: View, overlap: int, *, last: bool, starts: npt.NDArray[np.int64] | None = None) -> list[Seen]:
        """What all slices show, each thing once, the surest first."""
        found: list[Seen] = []
        begin, done = 0, overlap
        while True:
            size = min(SLICE + OVERLAP, len(content) - begin)
            final = begin + size == len(content)
            found += self._slice(content[begin : begin + size], view, begin, done - begin, last=final and last)
            if final:
                break
            done = begin + size
            begin = done - OVERLAP
        if starts is not None:
            found = [one for one in found if _in_one_row(one, starts)]
        return _distinct(found)

    def _slice(self, content: Bytes, view: View, base: int, overlap: int, *, last: bool) -> list[Seen]:
        pad = self._pads[0]
        size = len(content)
        pad.bytes[PAD : PAD + size] = content
        pad.end(size)
        found = self._sweep(pad, size, view, base, None, (overlap, size, last))
        source: npt.NDArray[np.int32] | None = None
        for depth in range(1, DEPTH + 1):
            if not pad.work.flags[: (size + 63) >> 6].any():
                break
            inner = self._pad(depth, size * GROWTH + 1024)
            wrote = decode(pad.bytes, size, pad.work.flags, inner.bytes, inner.source)
            if wrote == 0:
                break
            inner.end(wrote)
            at = inner.source[:wrote] - PAD
            # What parts two runs stands for the byte behind the first, which may be the end of everything.
            source = at if source is None else source[np.minimum(at, size - 1)]
            pad, size = inner, wrote
            found += self._sweep(pad, size, view, base, source, (overlap, len(content), last))
        return found

    def _pad(self, depth: int, least: int) -> _Pad:
        room = 1 << least.bit_length()
        while len(self._pads) <= depth:
            self._pads.append(_Pad(room))
        if self._pads[depth].room < least:
            self._pads[depth] = _Pad(room)
        return self._pads[depth]

    def _sweep(
        self, pad: _Pad, size: int, view: View, base: int, source: npt.NDArray[np.int32] | None, edge: tuple[int, int, bool]
    ) -> list[Seen]:
        """One sweep for each group. ``edge``: what was told before ends here, the slice ends here, and nothing comes after."""
        overlap, length, last = edge
        found: list[Seen] = []
        weak = self.judge.weak_column(view.column)
        for group in self.groups:
            count = self._run(pad, size, group, weak=weak)
            for hit, sharers in zip(self._hits.first(count), _sharers(group, self._hits, count), strict=True):
                start, end, needed = hit.start - PAD, hit.end - PAD, hit.needed - PAD
                if source is not None:
                    needed = int(source[needed - 1]) + 1 if needed <= size else length + (needed - size) * (int(source[-1]) + 1 >= length)
                if (needed > length and not last) or min(needed, length) <= overlap:
                    continue
                local = view if source is None else View(pad.bytes[PAD : PAD + size], column=view.column, encoded=True)
                at = (start, end) if source is not None else (base + start, base + end)
                told = self._judged(hit, sharers, local, at)
                found += told if source is None else [seen.moved(base, source) for seen in told]
        return found

    def _run(self, pad: _Pad, size: int, group: Group, *, weak: bool) -> int:
        while True:
            count = sweep_all(pad.bytes, size, group.tables, pad.work, self._hits, weak, group is not self.groups[0])
            if count <= len(self._hits.kind):
                return int(count)
            self._hits = _hits(2 * count)

    def _judged(self, hit: Hit, sharers: list[tuple[int, int]], view: View, at: tuple[int, int]) -> Iterator[Seen]:
        text = self.judge.text(hit.share, hit.bits) if hit.kind == TEXT else None
        if hit.kind == TEXT and text is None:
            return
        many = len(sharers) > SHARED and len({int(self.prints.subject[number]) for number, _ in sharers}) > SHARED
        for number, form in sharers:
            told = text or self.judge.identifier(number, form, hit.kind, view, at)
            if told is not None:
                tier, strength, words = told
                yield Seen(at[0], at[1], number, Tier.REVIEW if many else tier, strength, words + (", encoded" if view.encoded else ""))


def _sharers(group: Group, hits: Hits, count: int) -> Iterator[list[tuple[int, int]]]:
    """Prints that each hit may be of, and their forms: some more than ``SHARED`` at most. Looked up for all hits at once."""
    if not count:
        return
    kinds, refs = hits.kind[:count], hits.ref[:count]
    first = refs.astype(np.int64)
    behind = first + 1
    texts, wholes = kinds == TEXT, kinds <= RAW
    passages = group.passage_first.searchsorted(refs[texts])
    first[texts], behind[texts] = group.passage_sharers[passages], group.passage_sharers[passages + 1]
    first[wholes], behind[wholes] = group.whole_sharers[refs[wholes]], group.whole_sharers[refs[wholes] + 1]
    for kind, begin, end in zip(kinds.tolist(), first.tolist(), np.minimum(behind, first + SHARED + 1).tolist(), strict=True):
        if kind == TEXT:
            yield [(one, 0) for one in group.passage_print[begin:end].tolist()]
        else:
            prints, forms = (group.whole_print, group.whole_form) if kind <= RAW else (group.form_print, group.form_form)
            yield list(zip(prints[begin:end].tolist(), forms[begin:end].tolist(), strict=True))


def _joined(column: Texts) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """The cells behind one another, a line feed after each; where each begins."""
    starts = column.offsets - column.offsets[0] + np.arange(len(column.offsets))
    content = np.empty(int(starts[-1]) + LANES, np.uint8)
    join_cells(np.ascontiguousarray(column.buffer), column.offsets, content)
    return content[: int(starts[-1])], starts


def _in_one_row(seen: Seen, starts: npt.NDArray[np.int64]) -> bool:
    row = int(np.searchsorted(starts, seen.start, side="right")) - 1
    return seen.end < int(starts[row + 1])


def _numbers(column: Numbers, group: Group) -> Iterator[tuple[int, int]]:
    """Rows and prints of integers that are needles."""
    values = column.values
    if not len(group.numbers) or values.dtype.kind not in "iuf" or not len(values):
        return
    real = values.astype(np.float64) if values.dtype.kind == "f" else None
    if real is not None:
        whole = np.isfinite(real) & (np.abs(real) < 2.0**53)
        whole &= np.where(whole, real, 0) == np.floor(np.where(whole, real, 0))
        integers = np.where(whole, real, 0).astype(np.int64)
    else:
        integers = values.astype(np.int64)
        whole = integers >= 0 if values.dtype.kind == "u" else np.ones(len(values), np.bool_)  # beyond int64 there are no keys
    if column.missing is not None:
        whole &= ~column.missing
    places = np.searchsorted(group.numbers, integers)
    places[places == len(group.numbers)] = 0
    for row in np.nonzero(whole & (group.numbers[places] == integers))[0]:
        place = int(places[row])
        while place < len(group.numbers) and group.numbers[place] == integers[row]:
            yield int(row), int(group.number_print[place])
            place += 1


def _distinct(found: list[Seen]) -> list[Seen]:
    """Of overlapping ones of one print the surest: a thing may be seen by its words, its bytes and once more decoded."""
    of_print: dict[int, list[Seen]] = {}
    for one in found:
        of_print.setdefault(one.print, []).append(one)
    kept = [one for several in of_print.values() for one in (_surest(several) if len(several) > 1 else several)]
    return sorted(kept, key=attrgetter("start"))


def _surest(several: list[Seen]) -> list[Seen]:
    kept: list[Seen] = []
    for one in sorted(several, key=lambda seen: (seen.tier is not Tier.FOUND, -seen.strength, seen.start)):
        if not any(one.start < other.end and other.start < one.end for other in kept[-64:]):
            kept.append(one)
    return kept


def _corroborated(found: list[Sighting], prints: Prints) -> Iterator[Sighting]:
    """All but names of persons that stand alone: no other trace of the same person in the same row, or near."""
    if not prints.name[[one.print for one in found]].any():
        yield from found
        return
    others = {(one.subject, one.row) for one in found if not prints.name[one.print]}
    for one in found:
        if not prints.name[one.print]:
            yield one
        elif one.row is not None:
            if (one.subject, one.row) in others:
                yield one
        elif any(
            other.subject == one.subject and not prints.name[other.print] and abs((other.offset or 0) - (one.offset or 0)) < NEAR
            for other in found
            if other.row is None
        ):
            yield one
