"""Finds copies of recordings in other recordings: encoded anew, resampled, louder, noisy, cut, in the middle of something else.

It recognises *recordings*, not people: the same person who says the same words once more is another recording, and nothing about a voice
as such is kept or compared. Prints (``audio_spectrum``) can't be played and hold 1.4 kB per second of sound.

A sighting's strength is the agreement of phases (1 is the same file; 8 kbit/s Opus reaches 0.6-0.8), weighed by how much of it was heard.
Measured: bench/hunt_media.py, docs/bench-hunt-media.md. Not seen: speech from text made anew, tempo changed while pitch is kept, another
microphone's recording of the same moment; less than 0.12 s of sound. Headerless samples are for the family that knows bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np

from expunge.hunt.audio_match import FOUND, REVIEW, Index, Match
from expunge.hunt.audio_prints import SEGMENT, Segment, pages, segments, shelf
from expunge.hunt.audio_spectrum import RATE, Sound
from expunge.hunt.audio_speed import at_speeds
from expunge.hunt.media_forms import HEAD, PICTURES, Unplayable, decoder, demuxer
from expunge.hunt.pieces import Media, Piece, Place, Unread, Why
from expunge.hunt.prints import Kind, Role, Sighting, Tier, Trace

CHUNK = 60
"""Seconds of sound that are looked at in one go; with the overlap of one segment about 70 MB of working memory."""

APART = 0.1
"""Share of the energy in the difference of two channels above which each is listened to by itself: two sides of a call."""

CLEAR = 0.15
"""By how much a stretch must agree better than its neighbourhood: hum and tones agree with themselves at many delays."""


class AudioMatcher:
    """Looks at recordings (``Media``), and at the sound of films. ``unread`` tells what could not be listened to; callers drain it."""

    def __init__(self, every: Iterable[bytes]) -> None:
        """Make the index of all pages.

        Raises:
            MissingExtra: PyAV is not installed.
        """
        self.unread: list[Unread] = []
        self._media = decoder()
        self._index = Index(shelf(every))

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """What a recording holds of what is sought: per print, where it is best. Other pieces give nothing."""
        if not isinstance(piece, Media):
            return
        best: dict[int, tuple[Match, float]] = {}
        try:
            for chunk, start in self._chunks(piece):
                for match in self._hear(chunk):
                    number = int(self._index.shelf.prints[match.segment])
                    if number not in best or best[number][0].certainty < match.certainty:
                        best[number] = match, start + match.at
        except Unplayable as trouble:
            self.unread.append(Unread(piece.place, trouble.why, piece.size, trouble.note))
        for number, (match, second) in sorted(best.items()):
            yield self._sighting(piece.place, number, match, second)

    def close(self, place: Place) -> Iterator[Sighting]:
        """Nothing: a recording is one piece."""
        del place
        yield from ()

    def _chunks(self, piece: Media) -> Iterator[tuple[Sound, float]]:
        """Chunks of (channels, samples) with the second at which they begin, each overlapping the next by a segment."""
        with piece.open() as file:
            name = demuxer(file.read(HEAD))
        if name is None:
            raise Unplayable(Why.UNSUPPORTED)
        if name in PICTURES:
            return
        with piece.open() as file:
            sounds, _ = self._media.tracks(file, name)
        for track in range(sounds):
            with piece.open() as file:
                yield from _overlapping(self._media.sound(file, name, track))

    def _hear(self, chunk: Sound) -> Iterator[Match]:
        for voice in _voices(chunk):
            matches, strong = self._index.scan(voice)
            yield from (one for one in matches if one.certainty >= REVIEW)
            for row in zip(strong.segment.tolist(), strong.delay.tolist(), strong.middle.tolist(), strict=True):
                match = at_speeds(self._index, *row, voice)
                if match is not None and match.certainty >= REVIEW:
                    yield match

    def _sighting(self, place: Place, number: int, match: Match, second: float) -> Sighting:
        sure = match.certainty >= FOUND and match.agreement - match.rival >= CLEAR
        speed = "" if match.speed == 1 else f", {match.speed - 1:+.1%} in speed"
        form = f"recording, {match.heard:.1f} s of sound from {int(second) // 60}:{second % 60:04.1f}{speed}"
        subject = int(self._index.shelf.subjects[match.segment])
        return Sighting(place, Kind.AUDIO, Tier.FOUND if sure else Tier.REVIEW, subject, number, min(1.0, match.agreement), form)


class Audio:
    """The family of recordings. ``unprinted`` says, after ``take``, how many traces gave no print, and why; texts and pictures aside."""

    kind = Kind.AUDIO

    def __init__(self) -> None:
        """Nothing taken yet."""
        self.unprinted: dict[str, int] = {}

    def take(self, traces: Iterable[Trace]) -> Iterator[bytes]:
        """Prints of all traces that hold sound, in any container; a clip's number is its place among the traces given.

        Raises:
            MissingExtra: PyAV is not installed, and there is a recording.
        """
        return pages(self._segments(traces))

    def matcher(self, pages: Iterable[bytes]) -> AudioMatcher:
        """A matcher for these pages.

        Raises:
            MissingExtra: PyAV is not installed.
        """
        return AudioMatcher(pages)

    def _segments(self, traces: Iterable[Trace]) -> Iterator[Segment]:
        for number, trace in enumerate(traces):
            if trace.role is Role.BODY and isinstance(trace.value, bytes):
                yield from self._of_clip(trace.value, trace.subject, number)

    def _of_clip(self, body: bytes, subject: int, number: int) -> Iterator[Segment]:
        name = demuxer(body[:HEAD])
        if name is None or name in PICTURES:
            return
        media, some, sounds = decoder(), False, 0
        try:
            sounds, _ = media.tracks(io.BytesIO(body), name)
            for track in range(sounds):
                for chunk, _ in _overlapping(media.sound(io.BytesIO(body), name, track), overlap=0):
                    for voice in _voices(chunk):
                        for one in segments(voice, subject, number):
                            some = True
                            yield one
        except Unplayable as trouble:
            self._note(trouble.why.value)
        if sounds and not some:
            self._note("too little sound")

    def _note(self, why: str) -> None:
        self.unprinted[why] = self.unprinted.get(why, 0) + 1


def _overlapping(blocks: Iterable[Sound], overlap: int = SEGMENT) -> Iterator[tuple[Sound, float]]:
    """Blocks gathered into chunks of ``CHUNK`` seconds and ``overlap`` of the next, with the second at which each begins."""
    held: list[Sound] = []
    size, start = 0, 0
    trouble: Unplayable | None = None
    try:
        for block in blocks:
            held.append(block)
            size += block.shape[1]
            if size >= (CHUNK + overlap) * RATE:
                whole = np.concatenate(held, axis=1)
                yield whole[:, : (CHUNK + overlap) * RATE], start / RATE
                held = [whole[:, CHUNK * RATE :]]
                size, start = held[0].shape[1], start + CHUNK * RATE
    except Unplayable as broken:
        trouble = broken  # what came before is looked at first
    if size:
        yield np.concatenate(held, axis=1), start / RATE
    if trouble is not None:
        raise trouble


def _voices(chunk: Sound) -> list[Sound]:
    """What to listen to: the mean of the channels, and each by itself if they are not much the same."""
    if len(chunk) == 1:
        return [chunk[0]]
    left, right = chunk
    mean = (left + right) / 2
    apart = float(((left - right) ** 2).sum()) > APART * float((left**2).sum() + (right**2).sum())
    return [mean, left, right] if apart else [mean]
