"""What is kept of a body: its size and digest, and *spans*, stretches of content that hang on an anchor.

A span is known by the anchor's hash (to find it) and a digest of its bytes (to be sure). Spans of a large body are its content-defined
chunks: 512 bytes on average, because 1,024 lost a tenth of the copies in SQLite pages and tars (measured). A small body is one span by
itself, hung on up to ``SMALL_ANCHORS`` anchors, and finer chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from types import ModuleType

import numpy as np
import numpy.typing as npt

from expunge.hunt import chunks_pages as pages
from expunge.hunt.prints import Role, Trace

COARSE, FINE = 9, 6
"""Upper bits of the hash that are zero at an anchor: one in 512 bytes for large bodies, one in 64 for small ones."""

SMALL = 3_072
"""A body of at most so many bytes is also one span by itself. It must fit into the overlap of two windows with its anchor before it."""

SHORT = 16_384
"""Bodies of at most so many bytes have fine chunks: with one in 512 bytes, a clip of 4 kB may have only one, and stand on it alone."""

SMALL_ANCHORS = 4
LEAST, MOST = 96, 2_048
"""Bytes of a chunk: shorter ones say too little, of longer ones only the end is taken, so that it lies within one window."""

LEAST_BODY = 32
"""Bytes: shorter bodies are not content (a flag, a counter), and the identifiers' family knows them if they are keys."""

PLAIN = 24
"""Different sequences of four bytes that an anchor's 64 bytes must at least show, and a span in every ``PLAIN_SHARE`` of its bytes: digital
silence, padding and patterns show fewer; the noise of one bit in a quiet recording shows more, and is nobody else's."""

PLAIN_SHARE = 6

KEPT = 128
"""Chunks kept of a body, spread evenly, and one in 32 beyond: one second of a ten-second clip still holds a dozen."""

MOST_KEPT = 8_192


_JPEG_START, _JPEG_SCAN = b"\xff\xd8", b"\xff\xda"


def mask(bits: int) -> np.uint64:
    """The hash's uppermost ``bits``, which depend on all 64 bytes."""
    return np.uint64(((1 << bits) - 1) << (64 - bits))


def digest(content: bytes | memoryview) -> int:
    """64 bits of BLAKE2b (RFC 7693): a false match needs the anchor's 64 bits to agree as well."""
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


def content_start(body: bytes) -> int:
    """Where a body's own content begins: a JPEG's tables, colour profile and preview are the camera's, and alike in others' pictures.

    Markers are those of ITU-T T.81, B.1.1; a JPEG without a scan, and anything else, begins at 0.
    """
    at = len(_JPEG_START)
    while body.startswith(_JPEG_START) and body[at : at + 1] == b"\xff" and at + 4 <= len(body):
        if body[at : at + 2] == _JPEG_SCAN:
            return at
        at += 2 + int.from_bytes(body[at + 2 : at + 4], "big")
    return 0


@dataclass(slots=True)
class Drawn:
    """Prints under way to a page: bodies, and spans of bodies (numbered from the page's first)."""

    subject: list[int] = field(default_factory=list[int])
    size: list[int] = field(default_factory=list[int])
    whole: list[int] = field(default_factory=list[int])
    edge: list[int] = field(default_factory=list[int])
    plain: list[bool] = field(default_factory=list[bool])
    body: list[int] = field(default_factory=list[int])
    key: list[int] = field(default_factory=list[int])
    back: list[int] = field(default_factory=list[int])
    length: list[int] = field(default_factory=list[int])
    start: list[int] = field(default_factory=list[int])
    check: list[int] = field(default_factory=list[int])

    def page(self) -> bytes:
        """Everything so far, as a page."""
        whole = {"subject": np.uint32, "size": np.uint64, "whole": np.uint64, "edge": np.uint64, "plain": np.bool_}
        spans = {"body": np.uint32, "key": np.uint64, "back": np.uint32, "length": np.uint32, "start": np.uint64, "check": np.uint64}
        return pages.pack({name: np.array(getattr(self, name), dtype) for name, dtype in (whole | spans).items()})

    def full(self) -> bool:
        """Whether it is time for a page: a span takes 36 bytes, a body 29."""
        return 36 * len(self.key) + 29 * len(self.size) >= pages.PAGE


def draw(traces: Iterable[Trace], kernel: ModuleType) -> Iterator[bytes]:
    """Pages of the prints of all bodies among the traces. Bodies that say nothing (empty, or a few bytes) have none."""
    drawn = Drawn()
    for trace in traces:
        if trace.role is not Role.BODY or not isinstance(trace.value, bytes) or len(trace.value) < LEAST_BODY:
            continue
        _add(drawn, trace.subject, trace.value, kernel)
        if drawn.full():
            yield drawn.page()
            drawn = Drawn()
    if drawn.size:
        yield drawn.page()


def _add(drawn: Drawn, subject: int, body: bytes, kernel: ModuleType) -> None:
    content = np.frombuffer(body, np.uint8)
    number = len(drawn.size)
    drawn.subject.append(subject)
    drawn.size.append(content.size)
    drawn.whole.append(digest(body))
    drawn.edge.append(int(kernel.edges(content, np.array([0]), np.array([content.size]))[0]))
    drawn.plain.append(kernel.novelty(content) < PLAIN)
    for end, key, back, length in _spans(content, content_start(body), kernel):
        drawn.body.append(number)
        drawn.key.append(key)
        drawn.back.append(back)
        drawn.length.append(length)
        drawn.start.append(end - back)
        drawn.check.append(digest(body[end - back : end - back + length]))


def _spans(content: npt.NDArray[np.uint8], first: int, kernel: ModuleType) -> Iterator[tuple[int, int, int, int]]:
    """Anchor's end and hash, bytes from the span's start to that end, and the span's length."""
    small = content.size <= SMALL
    ends, keys = kernel.anchors(content, mask(FINE if content.size <= SHORT else COARSE), np.full(8, 255, np.uint8), np.uint64(58))
    order = np.argsort(ends)
    found = [
        (end, key)
        for end, key in zip(ends[order].tolist(), keys[order].tolist(), strict=True)
        if end >= first + kernel.REACH and kernel.novelty(content[end - kernel.REACH : end]) >= PLAIN
    ]
    if small:
        for end, key in found[:: max(1, len(found) // SMALL_ANCHORS)][:SMALL_ANCHORS]:
            yield end, key, end, content.size
    yield from _chunks(content, found, first, kernel)


def _chunks(
    content: npt.NDArray[np.uint8], found: Sequence[tuple[int, int]], first: int, kernel: ModuleType
) -> Iterator[tuple[int, int, int, int]]:
    chunks = []
    before = first
    for end, key in found:
        length = min(end - before, MOST)
        if length >= LEAST:
            chunks.append((end, key, length, length))
            before = end
    kept = min(MOST_KEPT, KEPT + len(chunks) // 32)
    step = max(1.0, len(chunks) / kept)
    for index in np.arange(0, len(chunks), step).astype(np.int64):
        end, _, length, _ = chunk = chunks[index]
        if kernel.novelty(content[end - length : end]) >= max(PLAIN, length // PLAIN_SHARE):
            yield chunk
