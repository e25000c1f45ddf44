"""Recognises embeddings: near-equal vectors in vector stores, arrays, BLOBs, raw dumps and printed lists.

Near-equal means copied: scaled, normalised, rounded, converted to another width, but not computed anew from another recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from expunge.hunt import pieces, vectors_forms
from expunge.hunt import vectors_prints as prints
from expunge.hunt.chunks_native import kernel
from expunge.hunt.pieces import Blob, Numbers, Piece, Place, Rows, Texts
from expunge.hunt.prints import Kind, Matcher, Sighting, Tier, Trace
from expunge.hunt.vectors_prints import Group

WRITTEN = 26
"""Bytes that a component takes at most, printed: sign, 17 digits, exponent, separator."""

SAME = 8
"""Bytes within which two readings are of one vector: the widest float."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The family of embeddings. Other traces are passed over, and so are vectors of fewer than 16 numbers, and bytes that are no floats."""

    @property
    def kind(self) -> Kind:
        """``vector``."""
        return Kind.VECTOR

    def take(self, traces: Iterable[Trace]) -> Iterator[bytes]:
        """Prints of the vectors, in pages of about a MiB."""
        return prints.draw(traces)

    def matcher(self, pages: Iterable[bytes]) -> Matcher:
        """A matcher of these pages.

        Raises:
            MissingExtra: numba is not installed.
        """
        return VectorMatcher(prints.read(pages))


@dataclass(slots=True, repr=False)
class VectorMatcher:
    """Looks at vectors, columns and rows of numbers, and at plain bytes and texts."""

    groups: list[Group]
    _tails: dict[Place, bytes] = field(default_factory=dict[Place, bytes])

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """What this piece shows."""
        if not self.groups:
            return
        if isinstance(piece, Blob) and not piece.opaque:
            yield from self._look_blob(piece)
        elif isinstance(piece, Rows):
            yield from self._look_rows(piece)

    def close(self, place: Place) -> Iterator[Sighting]:
        """Nothing is held back; the place's last bytes are forgotten."""
        self._tails.pop(place, None)
        yield from ()

    @property
    def _fewest(self) -> int:
        return min(group.size for group in self.groups)

    def _look_blob(self, blob: Blob) -> Iterator[Sighting]:
        fresh = memoryview(blob.data)[blob.overlap :]
        tail = self._tails.pop(blob.place, b"") or bytes(memoryview(blob.data)[: blob.overlap])
        content = np.frombuffer(b"".join((tail, fresh)), np.uint8)
        if not blob.last:
            self._tails[blob.place] = content[-self.groups[-1].size * WRITTEN :].tobytes()
        before = blob.offset + blob.overlap - len(tail)
        for start, end, sighting in self._best(blob.place, content):
            if end > len(tail) or not tail:
                yield replace(sighting, offset=before + start, length=end - start)

    def _best(self, place: Place, content: npt.NDArray[np.uint8]) -> list[tuple[int, int, Sighting]]:
        """Start, end and sighting of what these bytes hold, each once: 16 bits are two kinds of floats, in two orders, a byte apart."""
        seen: list[tuple[int, int, Sighting]] = []
        for sequence in (*vectors_forms.raw(content, self._fewest), *vectors_forms.printed(content, self._fewest)):
            for start, end, group, needle, cosine in self._in_sequence(sequence):
                seen.append((start, end, self._sighting(place, group, needle, cosine, sequence.form)))
        told: set[tuple[int, int]] = set()
        best = []
        for one in sorted(seen, key=lambda one: -one[2].strength):
            start, number = one[0] // SAME, one[2].print
            if not told & {(start - 1, number), (start, number), (start + 1, number)}:
                told.add((start, number))
                best.append(one)
        return best

    def _in_sequence(self, sequence: vectors_forms.Sequence) -> Iterator[tuple[int, int, Group, int, float]]:
        for group in self.groups:
            if sequence.values.size >= group.size:
                for at, needle, cosine in group.in_sequence(sequence.values):
                    yield int(sequence.offsets[at]), int(sequence.offsets[at + group.size - 1]) + 1, group, needle, cosine

    def _look_rows(self, rows: Rows) -> Iterator[Sighting]:
        for name, column in rows.columns.items():
            place = rows.place.of(column=name)
            if isinstance(column, pieces.Vectors):
                yield from self._of_rows(rows, place, np.ascontiguousarray(column.values, np.float32), "numbers")
            elif isinstance(column, Texts):
                yield from self._of_texts(rows, place, column)
            elif isinstance(column, Numbers) and rows.rows >= self._fewest:
                yield from self._down(rows, place, _numbers(column))
        yield from self._across(rows)

    def _of_rows(
        self,
        rows: Rows,
        place: Place,
        values: npt.NDArray[np.float32],
        form: str,
        at: npt.NDArray[np.int64] | None = None,
        *,
        affine: bool = False,
    ) -> Iterator[Sighting]:
        for group in self.groups:
            if values.ndim > 1 and values.shape[1] == group.size:
                for row, needle, cosine in _told(group, group.in_rows(values, affine=affine)):
                    yield self._sighting(place, group, needle, cosine, form, row=rows.key(row if at is None else int(at[row])))

    def _down(self, rows: Rows, place: Place, values: npt.NDArray[np.float32]) -> Iterator[Sighting]:
        """A vector that lies along a column of numbers."""
        for group in self.groups:
            for start, needle, cosine in group.in_sequence(values):
                yield self._sighting(place, group, needle, cosine, "numbers, one below the other", row=rows.key(start))

    def _across(self, rows: Rows) -> Iterator[Sighting]:
        """A vector whose components are columns of their own, of numbers or of texts."""
        names = [name for name, column in rows.columns.items() if isinstance(column, Numbers | Texts)]
        if len(names) < self._fewest:
            return
        cells = kernel("tracks_numbers_kernel").cells
        columns = []
        for column in rows.columns.values():
            if isinstance(column, Texts):
                columns.append(np.nan_to_num(cells(column.buffer, column.offsets), posinf=0, neginf=0).astype(np.float32))
            elif isinstance(column, Numbers):
                columns.append(_numbers(column))
        table = np.stack(columns, axis=1)
        for group in self.groups:
            for first in range(table.shape[1] - group.size + 1):
                part = np.ascontiguousarray(table[:, first : first + group.size])
                for row, needle, cosine in _told(group, group.in_rows(part)):
                    yield self._sighting(rows.place.of(column=names[first]), group, needle, cosine, "a column each", row=rows.key(row))

    def _of_texts(self, rows: Rows, place: Place, column: Texts) -> Iterator[Sighting]:
        """Vectors in cells: as floats, as a printed list, or as single bytes if that is all that the cell holds."""
        lengths = np.diff(column.offsets)
        for group in self.groups:
            at = np.flatnonzero(lengths == group.size)
            if at.size:
                content = column.buffer[column.offsets[at][:, None] + np.arange(group.size)]
                yield from self._of_rows(rows, place, content.view(np.int8).astype(np.float32), "int8", at)
                yield from self._of_rows(rows, place, content.astype(np.float32), "uint8", at, affine=True)
        if column.buffer.size < 2 * self._fewest or lengths.max() < 2 * self._fewest:
            return
        for start, end, sighting in self._best(place, column.buffer):
            row = int(np.searchsorted(column.offsets, start, side="right")) - 1
            if end <= column.offsets[row + 1]:
                yield replace(sighting, row=rows.key(row))

    def _sighting(self, place: Place, group: Group, needle: int, cosine: float, form: str, row: str | None = None) -> Sighting:
        tier = Tier.FOUND if cosine >= group.found and not group.common[needle] else Tier.REVIEW
        subject, number = int(group.subject[needle]), int(group.number[needle])
        return Sighting(place, Kind.VECTOR, tier, subject, number, min(1.0, cosine), f"{group.size} {form}", row=row)


def _told(group: Group, hits: list[tuple[int, int, float]]) -> Iterator[tuple[int, int, float]]:
    """Of every row, what is found; or, if nothing is, what is most alike: a person's own recordings are all alike."""
    best: dict[int, tuple[int, int, float]] = {}
    for hit in hits:
        row, _, cosine = hit
        if cosine >= group.found:
            yield hit
        if row not in best or cosine > best[row][2]:
            best[row] = hit
    yield from (hit for hit in best.values() if hit[2] < group.found)


def _numbers(column: Numbers) -> npt.NDArray[np.float32]:
    """A column as 32-bit floats; nulls and what is beyond them as 0."""
    with np.errstate(over="ignore"):
        values = column.values.astype(np.float32)
    if column.missing is not None:
        values[column.missing] = 0
    return np.nan_to_num(values, copy=False, posinf=0, neginf=0)
