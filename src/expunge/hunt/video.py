"""Finds copies of films in other films, and of snapshots and frames in pictures: encoded anew, resized, cropped, cut, drawn upon.

Films are recognised by where and when something moves (``video_motion``), pictures by what stands before the background (``pictures``):
neither faces nor people are kept or compared as such. A film in which nothing moves has no print but its stills.
Measured: bench/hunt_media.py, docs/bench-hunt-media.md. Not seen: mirrored or turned copies, more than a quarter cropped off a side,
another speed, less than 0.6 s of film.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from expunge.hunt import pictures
from expunge.hunt.media_forms import HEAD, PICTURES, SOUND, Unplayable, decoder, demuxer
from expunge.hunt.pictures import Gallery, Still
from expunge.hunt.pieces import Media, Piece, Place, Unread, Why
from expunge.hunt.prints import Kind, Role, Sighting, Tier, Trace
from expunge.hunt.video_match import Index, Match
from expunge.hunt.video_motion import Shot, beyond, changes, chunks, halved, packed
from expunge.hunt.video_prints import SEGMENT, Segment, pages, shelf
from expunge.hunt.video_register import Fit

CHUNK = 60
"""Seconds of film that are looked at in one go; with the overlap of one segment about 60 MB of working memory."""

FEW = 6
"""Pictures in a film up to which each is looked at as a still: thumbnails as GIF, WebP or a film of one frame."""

FOUND, REVIEW = 0.80, 0.72
"""Agreement of motion for each tier, over long stretches; short ones need more."""

CHANCE, CHANCE_CUT, CHANCE_STILL = 0.3, 0.6, 2.0
"""What agreement falls by per step (0.2 s), of the whole picture and of a part (which is laid over in many ways), and per moved cell. Of
some 550 fits of different clips of one door, each at its best, the surest reached 0.72; of whole copies the least sure 0.81."""

MOVING = 15
"""Cells that must have moved in both."""

_LEAST = 15
"""Cells that must move in a segment that is kept."""


class VideoMatcher:
    """Looks at films and pictures (``Media``). ``unread`` tells what could not be looked at; callers drain it."""

    def __init__(self, every: Iterable[bytes]) -> None:
        """Make the index of all pages.

        Raises:
            MissingExtra: PyAV is not installed.
        """
        self.unread: list[Unread] = []
        self._media = decoder()
        held = shelf(every)
        self._index, self._gallery = Index(held), Gallery(held.stills)

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """What a film or picture holds of what is sought: per print, where it is best. Other pieces give nothing."""
        if not isinstance(piece, Media):
            return
        best: dict[int, Sighting] = {}
        try:
            for one in self._see(piece):
                if one.print not in best or _rank(best[one.print]) < _rank(one):
                    best[one.print] = one
        except Unplayable as trouble:
            self.unread.append(Unread(piece.place, trouble.why, piece.size, trouble.note))
        for _, one in sorted(best.items()):
            yield one

    def close(self, place: Place) -> Iterator[Sighting]:
        """Nothing: a film is one piece."""
        del place
        yield from ()

    def _see(self, piece: Media) -> Iterator[Sighting]:
        with piece.open() as file:
            name = demuxer(file.read(HEAD))
        if name is None:
            raise Unplayable(Why.UNSUPPORTED)
        if name in SOUND:
            return
        with piece.open() as file:
            _, films = self._media.tracks(file, name)
        for track in range(films):
            with piece.open() as file:
                shots = self._media.pictures(file, name, track, pictures.WIDTH, pictures.HEIGHT)
                for chunk, start in chunks(shots, CHUNK, SEGMENT):
                    if len(chunk) <= FEW:
                        yield from self._stills(piece.place, chunk)
                    else:
                        yield from (
                            self._film(piece.place, one, start)
                            for one in self._index.scan(halved(changes(chunk)))
                            if _certainty(one.fit) >= REVIEW
                        )

    def _film(self, place: Place, match: Match, start: float) -> Sighting:
        fit, second = match.fit, start + match.at
        sure = _certainty(fit) >= FOUND
        form = f"film, {fit.steps / 5:.1f} s from {int(second) // 60}:{second % 60:04.1f}{', cropped' if fit.cut else ''}"
        held = self._index.shelf
        subject, number = int(held.subjects[match.segment]), int(held.prints[match.segment])
        return Sighting(place, Kind.VIDEO, Tier.FOUND if sure else Tier.REVIEW, subject, number, min(1.0, fit.agreement), form)

    def _stills(self, place: Place, shots: list[Shot]) -> Iterator[Sighting]:
        stills = self._gallery.stills
        for _, grey in shots:
            for one in self._gallery.like(np.asarray(grey, np.uint8)):
                subject, number = int(stills.subjects[one.still]), int(stills.prints[one.still])
                tier = Tier.FOUND if one.sure else Tier.REVIEW
                yield Sighting(place, Kind.VIDEO, tier, subject, number, min(1.0, one.strength), "still")


class Video:
    """The family of films and pictures. ``unprinted`` says, after ``take``, how many traces gave no print, and why."""

    kind = Kind.VIDEO

    def __init__(self) -> None:
        """Nothing taken yet."""
        self.unprinted: dict[str, int] = {}

    def take(self, traces: Iterable[Trace]) -> Iterator[bytes]:
        """Prints of all traces that hold pictures, in any container; a clip's number is its place among the traces given.

        Raises:
            MissingExtra: PyAV is not installed, and there is a film or picture.
        """
        return pages(self._prints(traces))

    def matcher(self, pages: Iterable[bytes]) -> VideoMatcher:
        """A matcher for these pages.

        Raises:
            MissingExtra: PyAV is not installed.
        """
        return VideoMatcher(pages)

    def _prints(self, traces: Iterable[Trace]) -> Iterator[Segment | Still]:
        for number, trace in enumerate(traces):
            if trace.role is Role.BODY and isinstance(trace.value, bytes):
                yield from self._of_clip(trace.value, trace.subject, number)

    def _of_clip(self, body: bytes, subject: int, number: int) -> Iterator[Segment | Still]:
        name = demuxer(body[:HEAD])
        if name is None or name in SOUND:
            return
        media, some, films = decoder(), False, 0
        try:
            _, films = media.tracks(io.BytesIO(body), name)
            for track in range(films):
                shots = media.pictures(io.BytesIO(body), name, track, pictures.WIDTH, pictures.HEIGHT)
                for chunk, _ in chunks(shots, SEGMENT, 1.0):
                    for one in _of_chunk(chunk, subject, number):
                        some = True
                        yield one
        except Unplayable as trouble:
            self._note(trouble.why.value)
        if films and not some:
            self._note("a still picture of little contrast" if name in PICTURES else "nothing moves")

    def _note(self, why: str) -> None:
        self.unprinted[why] = self.unprinted.get(why, 0) + 1


def _of_chunk(chunk: list[Shot], subject: int, number: int) -> Iterator[Segment | Still]:
    """A segment, if something moves in it, and stills."""
    grey: list[npt.NDArray[np.uint8]] = [np.asarray(picture, np.uint8) for _, picture in chunk]
    if len(chunk) <= FEW:
        yield from (Still(subject, number, one) for one in grey if one.std() >= pictures.CONTRAST)
        return
    change = changes(chunk)
    if (beyond(halved(change[::2])) != 0).sum() >= _LEAST:
        yield Segment(subject, number, packed(change))
    seconds = max(chunk[-1][0] - chunk[0][0], 0.1)
    yield from pictures.of_clip(grey, round(len(chunk) / seconds / 4), subject, number)


def _certainty(fit: Fit) -> float:
    """Agreement less what chance gives to so short a stretch and so little motion."""
    if fit.moving < MOVING:
        return 0.0
    return fit.agreement - (CHANCE_CUT if fit.cut else CHANCE) / fit.steps - CHANCE_STILL / fit.moving


def _rank(one: Sighting) -> tuple[bool, float]:
    return one.tier is Tier.FOUND, one.strength
