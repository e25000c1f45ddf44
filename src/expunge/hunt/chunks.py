"""Recognises bodies by their bytes: whole, or in part inside whatever holds them uncompressed (a tar, a dump, a BLOB, a disk image).

Bytes are compared, not guessed: an anchor proposes, a digest of the span decides. What can still be wrong is *common* content (a colour
profile, a codec's preamble, a template), so spans that several bodies share weigh less, and few of them are only for review.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from expunge.hunt import chunks_prints as prints
from expunge.hunt.chunks_index import Index, read
from expunge.hunt.chunks_native import kernel
from expunge.hunt.chunks_runs import Hits, runs
from expunge.hunt.pieces import Blob, Piece, Place, Rows, Texts
from expunge.hunt.prints import Kind, Matcher, Sighting, Tier, Trace

HELD = 1 << 20
"""Hits of a place that are held before they are told: 24 MiB. A place with more tells of some bodies twice."""

ROW_MOST = 256 << 20
"""Bytes of a column that are looked through at once."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """The family of bodies. Traces other than BODY are passed over, and so are bodies of fewer than 32 bytes."""

    @property
    def kind(self) -> Kind:
        """``bytes``."""
        return Kind.BYTES

    def take(self, traces: Iterable[Trace]) -> Iterator[bytes]:
        """Prints of the bodies, in pages of about a MiB.

        Raises:
            MissingExtra: numba is not installed.
        """
        return prints.draw(traces, kernel("chunks_kernel"))

    def matcher(self, pages: Iterable[bytes]) -> Matcher:
        """A matcher of these pages.

        Raises:
            MissingExtra: numba is not installed.
        """
        return BytesMatcher(read(pages))


@dataclass(slots=True, repr=False)
class BytesMatcher:
    """Looks at every window, opaque or not, and at every column of texts or binaries."""

    index: Index
    _held: dict[Place, Hits] = field(default_factory=dict[Place, Hits])

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """Whole cells and streams at once; parts when their place is closed (parts of a cell: at once, too)."""
        if not self.index.bodies:
            return
        if isinstance(piece, Blob):
            yield from self._look_blob(piece)
        elif isinstance(piece, Rows):
            for name, column in piece.columns.items():
                if isinstance(column, Texts) and column.buffer.size:
                    yield from self._look_column(piece, name, column)

    def close(self, place: Place) -> Iterator[Sighting]:
        """The bodies, or parts of them, that the place's stream showed."""
        hits = self._held.pop(place, None)
        if hits is not None:
            yield from runs(self.index, hits, place)

    def _look_blob(self, blob: Blob) -> Iterator[Sighting]:
        content = np.frombuffer(blob.data, np.uint8)
        if blob.offset == 0 and blob.last:
            seen = set(self.index.whole(blob.data))
            yield from (self._whole(blob.place, body, offset=0) for body in sorted(seen))
            if seen:
                return
        found = self.index.spans(content, blob.overlap)
        if not found.spans.size:
            return
        hits = self._held.setdefault(blob.place, Hits())
        hits.add(found.spans, found.starts + blob.offset)
        if hits.count > HELD:
            yield from self.close(blob.place)

    def _look_column(self, rows: Rows, name: str, column: Texts) -> Iterator[Sighting]:
        place = rows.place.of(column=name)
        whole: set[tuple[int, int]] = set()
        for row, body in self.index.cells(column):
            whole.add((row, body))
            yield self._whole(place, body, row=rows.key(row))
        found = self.index.spans(column.buffer, 0)
        if not found.spans.size:
            return
        at = np.searchsorted(column.offsets, found.starts, side="right") - 1
        inside = found.starts + self.index.length[found.spans] <= column.offsets[at + 1]
        for row in np.unique(at[inside]).tolist():
            mine = inside & (at == row)
            hits = Hits()
            hits.add(found.spans[mine], found.starts[mine] - column.offsets[row])
            yield from (one for one in runs(self.index, hits, place, rows.key(row)) if (row, one.print) not in whole)

    def _whole(self, place: Place, body: int, offset: int | None = None, row: str | None = None) -> Sighting:
        tier = Tier.REVIEW if self.index.common[body] else Tier.FOUND
        size = int(self.index.size[body])
        subject = int(self.index.subject[body])
        return Sighting(place, Kind.BYTES, tier, subject, body, 1.0, "the whole content", offset, size, row)
