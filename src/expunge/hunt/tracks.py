"""Recognises tracks whose names were stripped: rounded, projected, thinned, turned, cut, and in whatever form they are written.

Times are not needed, and so may be shifted or missing. Points are gathered per place and plane; when the place ends, ``tracks_score``
decides whether they are a copy or somebody else on the same road.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from expunge.hunt import tracks_points
from expunge.hunt import tracks_prints as prints
from expunge.hunt.pieces import Blob, Piece, Place, Rows
from expunge.hunt.prints import Kind, Matcher, Sighting, Tier, Trace
from expunge.hunt.tracks_points import Points
from expunge.hunt.tracks_prints import Index
from expunge.hunt.tracks_score import FEWEST_HITS, Verdict, judge

HELD = 1 << 16
"""Points of one place and plane that are judged together; a longer track is judged in stretches."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The family of tracks. Traces other than TRACK are passed over, and so are tracks of fewer than eight different fixes."""

    @property
    def kind(self) -> Kind:
        """``track``."""
        return Kind.TRACK

    def take(self, traces: Iterable[Trace]) -> Iterator[bytes]:
        """Prints of the tracks, in pages of about a MiB."""
        return prints.draw(traces)

    def matcher(self, pages: Iterable[bytes]) -> Matcher:
        """A matcher of these pages.

        Raises:
            MissingExtra: numba is not installed.
        """
        return TrackMatcher(prints.read(pages))


@dataclass(slots=True, repr=False)
class _Gathered:
    """Points of one form in one place, batch by batch; ``keys`` are rows' names where points stand in rows."""

    batches: list[Points] = field(default_factory=list[Points])
    keys: dict[int, str] = field(default_factory=dict[int, str])
    count: int = 0


@dataclass(slots=True, repr=False)
class TrackMatcher:
    """Looks at plain bytes and at columns; tells what they amount to when a place is closed."""

    index: Index
    _held: dict[Place, dict[tuple[str, str], _Gathered]] = field(default_factory=dict[Place, dict[tuple[str, str], "_Gathered"]])

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """What this piece shows; nothing, mostly, until its place is closed."""
        if not self.index.tracks:
            return
        if isinstance(piece, Blob) and not piece.opaque:
            content = np.frombuffer(piece.data, np.uint8)
            for points in (*tracks_points.in_text(self.index, content), *tracks_points.in_bytes(self.index, content)):
                fresh = points.at > piece.overlap
                yield from self._gather(piece.place, "", points.of(fresh), piece.offset, None)
        elif isinstance(piece, Rows):
            for name, points in tracks_points.in_columns(self.index, piece.columns, piece.rows):
                yield from self._gather(piece.place, name, points, piece.first, piece)

    def close(self, place: Place) -> Iterator[Sighting]:
        """The tracks of which the place holds copies: of each, what is most certain."""
        best: dict[int, Sighting] = {}
        for (name, form), gathered in self._held.pop(place, {}).items():
            for one in self._judged(place, name, form, gathered):
                known = best.get(one.print)
                if known is None or (one.tier is Tier.FOUND, one.strength) > (known.tier is Tier.FOUND, known.strength):
                    best[one.print] = one
        yield from best.values()

    def _gather(self, place: Place, name: str, points: Points, before: int, rows: Rows | None) -> Iterator[Sighting]:
        if not points.at.size:
            return
        gathered = self._held.setdefault(place, {}).setdefault((name, points.form), _Gathered())
        if rows is not None:
            gathered.keys |= {before + row: rows.key(row) for row in points.at.tolist()}
        gathered.batches.append(points._replace(at=points.at + before))
        gathered.count += points.at.size
        if gathered.count > HELD:
            del self._held[place][name, points.form]
            yield from self._judged(place, name, points.form, gathered)

    def _judged(self, place: Place, name: str, form: str, gathered: _Gathered) -> Iterator[Sighting]:
        if gathered.count < FEWEST_HITS:
            return
        latitude, longitude, at = (np.concatenate([batch[axis] for batch in gathered.batches]) for axis in range(3))
        best: dict[int, tuple[Verdict, Sighting]] = {}
        for part, mine in self.index.parts(latitude, longitude, FEWEST_HITS):
            verdict = judge(self.index, part, latitude[mine], longitude[mine])
            if verdict is None:
                continue
            sighting = self._sighting(place, name, form, verdict, part, at[mine].tolist(), gathered)
            known = best.get(sighting.print)
            if known is None or (verdict.tier is Tier.FOUND, verdict.surprise) > (known[0].tier is Tier.FOUND, known[0].surprise):
                best[sighting.print] = verdict, sighting
        yield from (sighting for _, sighting in best.values())

    def _sighting(self, place: Place, name: str, form: str, verdict: Verdict, part: int, at: list[int], gathered: _Gathered) -> Sighting:
        track = int(self.index.track[part])
        subject = int(self.index.subject[track])
        form = f"{verdict.hits} fixes within {verdict.precision:.3g} m, {form}"
        first, last = at[verdict.first], at[verdict.last]
        if name:
            return Sighting(place.of(column=name), Kind.TRACK, verdict.tier, subject, track, verdict.share, form, row=gathered.keys[first])
        return Sighting(place, Kind.TRACK, verdict.tier, subject, track, verdict.share, form, min(first, last), abs(last - first))
