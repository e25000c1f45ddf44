"""The prints of all bodies of a run, as a matcher needs them: sorted, weighed, and behind a filter that fits a cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from expunge.hunt import chunks_pages as pages
from expunge.hunt import chunks_prints as prints
from expunge.hunt.chunks_native import kernel
from expunge.hunt.pieces import Texts

MOST_SPANS = 6_000_000
"""Spans held, 44 bytes each: beyond that a share of every body's is left out, by the hash, so that a hunt stays within its memory."""

COMMON = 4
"""A body that belongs to so many people of one run is not any one's own: a ring tone, a default portrait."""

SAME_KEY = 64
"""Spans tried per anchor. A span that more bodies share weighs less than 1/64 in each."""


class Found(NamedTuple):
    """Spans that content holds, and where they start in it."""

    spans: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class Index:
    """Bodies by number, and spans sorted by their anchor's hash.

    ``twins``: bodies of one content, by the number of the first of them, which alone has spans. ``weight`` is 1 for a span that one body
    has, 1/n for one that n different bodies share.
    """

    bodies: int
    subject: npt.NDArray[np.uint32]
    size: npt.NDArray[np.int64]
    whole_digest: npt.NDArray[np.uint64]
    edge: npt.NDArray[np.uint64]
    common: npt.NDArray[np.bool_]
    twins: dict[int, list[int]]
    key: npt.NDArray[np.uint64]
    body: npt.NDArray[np.uint32]
    back: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    check: npt.NDArray[np.uint64]
    weight: npt.NDArray[np.float32]
    kept: npt.NDArray[np.int64]  # spans per body
    mask: np.uint64
    sieve: npt.NDArray[np.uint8]
    shift: np.uint64
    kernel: ModuleType

    def whole(self, content: bytes | memoryview) -> Iterator[int]:
        """The bodies that this is, byte for byte."""
        same = np.flatnonzero(self.size == len(content))
        if same.size:
            digest = np.uint64(prints.digest(content))
            yield from same[self.whole_digest[same] == digest].tolist()

    def cells(self, column: Texts) -> Iterator[tuple[int, int]]:
        """Rows of a column, and the bodies that they are, byte for byte."""
        lengths = np.diff(column.offsets)
        rows = np.flatnonzero(np.isin(lengths, self.size))
        if not rows.size:
            return
        edges = self.kernel.edges(column.buffer, column.offsets[rows], column.offsets[rows + 1])
        for row in rows[np.isin(edges, self.edge)].tolist():
            cell = column.buffer[column.offsets[row] : column.offsets[row + 1]]
            yield from ((row, body) for body in self.whole(cell.tobytes()))

    def spans(self, content: npt.NDArray[np.uint8], overlap: int) -> Found:
        """The spans that end after the first ``overlap`` bytes of ``content``."""
        none = np.zeros(0, np.int64)
        if not self.key.size or content.size < prints.LEAST_BODY:
            return Found(none, none)
        ends, keys = self.kernel.anchors(content, self.mask, self.sieve, self.shift)
        first = np.searchsorted(self.key, keys, side="left")
        count = np.minimum(np.searchsorted(self.key, keys, side="right") - first, SAME_KEY)
        spans = np.repeat(first, count) + (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count))
        starts = np.repeat(ends, count) - self.back[spans]
        stops = starts + self.length[spans]
        inside = (starts >= 0) & (stops <= content.size) & (stops > overlap)
        spans, starts = spans[inside], starts[inside]
        same = self._checked(content, spans, starts)
        return Found(spans[same], starts[same])

    def _checked(
        self, content: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Which of the proposed spans are there, by their digests."""
        known: dict[tuple[int, int], int] = {}
        same = np.zeros(spans.size, np.bool_)
        proposed = zip(starts.tolist(), self.length[spans].tolist(), self.check[spans].tolist(), strict=True)
        for number, (start, length, check) in enumerate(proposed):
            if (start, length) not in known:
                known[start, length] = prints.digest(content[start : start + length].tobytes())
            same[number] = known[start, length] == check
        return same


def read(sealed: Iterable[bytes]) -> Index:
    """The index of these pages.

    Raises:
        MissingExtra: numba is not installed.
    """
    names = ("subject", "size", "whole", "edge", "plain", "body", "key", "back", "length", "start", "check")
    parts = pages.unpack(sealed, names)
    before = 0
    for part in parts:
        part["body"] = part["body"].astype(np.int64) + before
        before += part["size"].size
    subject, size = pages.joined(parts, "subject", np.uint32), pages.joined(parts, "size", np.int64)
    whole, plain = pages.joined(parts, "whole", np.uint64), pages.joined(parts, "plain", np.bool_)
    twins, first = _twins(whole, size)
    crowd = {number for number, group in twins.items() if len(set(subject[group].tolist())) >= COMMON}
    crowded = np.isin(first, list(crowd))
    chosen = _chosen(parts, first, crowded)
    spans = {name: pages.joined(parts, name, np.int64)[chosen] for name in ("body", "back", "length", "start")}
    key, check = pages.joined(parts, "key", np.uint64)[chosen], pages.joined(parts, "check", np.uint64)[chosen]
    sieve, shift = _sieve(key)
    fine = bool((size[np.unique(spans["body"])] <= prints.SHORT).any())
    return Index(
        bodies=int(size.size), subject=subject, size=size, whole_digest=whole, edge=pages.joined(parts, "edge", np.uint64),
        common=crowded | plain, twins=twins, key=key, body=spans["body"].astype(np.uint32), back=spans["back"], length=spans["length"],
        start=spans["start"], check=check, weight=_weights(check, spans["body"]), kept=np.bincount(spans["body"], minlength=size.size),
        mask=prints.mask(prints.FINE if fine else prints.COARSE), sieve=sieve, shift=shift, kernel=kernel("chunks_kernel"),
    )  # fmt: skip


def _twins(whole: npt.NDArray[np.uint64], size: npt.NDArray[np.int64]) -> tuple[dict[int, list[int]], npt.NDArray[np.int64]]:
    """Bodies of one content by the first of them; and for every body, the first of its content."""
    twins: dict[tuple[int, int], list[int]] = {}
    for number, content in enumerate(zip(whole.tolist(), size.tolist(), strict=True)):
        twins.setdefault(content, []).append(number)
    first = np.zeros(size.size, np.int64)
    for group in twins.values():
        first[group] = group[0]
    return {group[0]: group for group in twins.values()}, first


def _chosen(parts: list[dict[str, pages.Array]], first: npt.NDArray[np.int64], crowded: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The spans to hold, sorted by hash: those of one body of each content that isn't everybody's."""
    body, key = pages.joined(parts, "body", np.int64), pages.joined(parts, "key", np.uint64)
    own = (first[body] == body) & ~crowded[body]
    if own.sum() > MOST_SPANS:
        share = np.uint64(MOST_SPANS / own.sum() * 2**16)
        whole_body = pages.joined(parts, "start", np.int64) == 0
        own &= whole_body | (((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(48)) < share)
    chosen = np.flatnonzero(own)
    return chosen[np.argsort(key[chosen], kind="stable")]


def _weights(check: npt.NDArray[np.uint64], body: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """One divided by the number of bodies that hold the same span."""
    order = np.lexsort((body, check))
    new_check = np.ones(check.size, np.bool_)
    new_check[1:] = check[order][1:] != check[order][:-1]
    new_body = new_check.copy()
    new_body[1:] |= body[order][1:] != body[order][:-1]
    group = np.cumsum(new_check) - 1
    sharing = np.bincount(group, weights=new_body) if check.size else np.zeros(0)
    weight = np.empty(check.size, np.float32)
    weight[order] = 1 / sharing[group]
    return weight


def _sieve(key: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint8], np.uint64]:
    """A filter of one bit a key in at least 16 times as many, up to 16 MiB: 6 % of anchors pass it for nothing."""
    bits = min(27, max(12, int(key.size * 16).bit_length()))
    shift = np.uint64(64 - bits)
    marked = np.zeros(1 << bits, np.bool_)
    marked[(key * np.uint64(0x9E3779B97F4A7C15)) >> shift] = True
    return np.packbits(marked, bitorder="little"), shift
