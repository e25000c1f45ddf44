"""Texts as passages: which words each has, and which grams bring it to comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from expunge.hunt.strings_compile import compiled
from expunge.hunt.strings_hash import join
from expunge.hunt.strings_keys import Keys
from expunge.hunt.strings_layout import PLACE_BITS, TOLD_BITS
from expunge.hunt.strings_needles import PASSAGE, Arrays

GRAMS, SURE = 10, 2
"""Grams that stand for a passage, the rarest ones, and how many of them even if they aren't rare: any of them brings it to comparison."""

SHARERS, MOST_SHARERS = 6, 32
"""Passages that may share a gram, and may share the rarest two of a passage that has none so rare. A gram of more stands for nothing: it is
a phrase (``set a timer for``), and comparing with all who use it would cost more than the whole sweep."""

ALWAYS = 1_000
"""Passages from which on words that are common among them are also taken for common ones."""


@dataclass(slots=True, repr=False)
class Passages:
    """A group's passages: the keys and values of their grams, all their words, and ``listed`` as ``Tables.passages`` says."""

    keys: Keys
    values: npt.NDArray[np.int64]
    words: Keys
    listed: npt.NDArray[np.uint32]
    first: npt.NDArray[np.int32]  # where each begins in ``listed``; its prints are prints[sharers[p]:sharers[p + 1]]
    sharers: npt.NDArray[np.int32]
    prints: npt.NDArray[np.int32]

    @classmethod
    def of(cls, page: Arrays) -> Passages:
        """Equal passages as one, with all their prints; then the grams that stand for each."""
        words, behind = page.pop("passage_word"), page.pop("passage_behind").astype(np.int64)
        begin = np.concatenate([[0], behind[:-1]]) if len(behind) else behind
        _, chosen, owner = np.unique(_identities(words, begin, behind), return_index=True, return_inverse=True)
        order = np.argsort(owner, kind="stable")
        sharers = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(chosen)))]).astype(np.int32)
        lengths = (behind - begin)[chosen]
        first = np.concatenate([[0], np.cumsum(lengths)])
        source = np.repeat(begin[chosen] - first[:-1], lengths) + np.arange(first[-1])
        words, bits = words[source], page.pop("passage_bits")[source]
        if len(chosen) >= ALWAYS:
            bits = _commoner(words, bits, len(chosen))
        keys, passage, at = _passage_grams(words, bits, first.astype(np.int64))
        starts = first[:-1] + np.arange(len(chosen))  # a header before each
        listed = _listed(words, np.floor(bits * 2).astype(np.int64), first, lengths)
        return cls(keys, starts[passage] << PLACE_BITS | at, words, listed, starts.astype(np.int32), sharers, page["passage_print"][order])


def _listed(words: Keys, told: npt.NDArray[np.int64], first: npt.NDArray[np.int64], lengths: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Per passage its header, and its words, those that tell most first."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-told, owner))
    place = order - first[:-1][owner]
    listed = np.zeros(len(words) + len(lengths), np.uint32)
    hashed = (words[order] >> np.uint64(32 + PLACE_BITS + TOLD_BITS)).astype(np.int64) << PLACE_BITS + TOLD_BITS
    listed[np.arange(len(words)) + owner + 1] = hashed | told[order] << PLACE_BITS | place
    listed[first[:-1] + np.arange(len(lengths))] = np.bincount(owner, told, len(lengths)).astype(np.int64) << 8 | lengths
    return listed


@compiled
def _identify(words: Any, begin: Any, behind: Any, out: Any) -> None:
    for i in range(len(begin)):
        state = np.uint64(behind[i] - begin[i])
        for at in range(begin[i], behind[i]):
            state = (state ^ words[at]) * np.uint64(0x9E3779B97F4A7C15)
            state ^= state >> np.uint64(29)
        out[i] = state


def _identities(words: Keys, begin: npt.NDArray[np.int64], behind: npt.NDArray[np.int64]) -> Keys:
    out = np.zeros(len(begin), np.uint64)
    _identify(words, begin, behind, out)
    return out


def _commoner(words: Keys, bits: npt.NDArray[np.float32], passages: int) -> npt.NDArray[np.float32]:
    """Words that are common in this batch tell no more than their frequency in it does, and four bits for the rest of the world."""
    _, inverse, counts = np.unique(words, return_inverse=True, return_counts=True)
    told = np.log2(passages / counts)[inverse] + 4.0
    return np.minimum(bits, np.maximum(told, 2.0)).astype(np.float32)


@compiled
def _join_all(words: Any, first: Any, keys: Any, passage: Any, at: Any) -> int:
    count = 0
    for i in range(len(first) - 1):
        for place in range(first[i] + 2, first[i + 1]):
            for skip in range(2):
                if place - 2 - skip >= first[i]:
                    keys[count] = join(words[place], words[place - 1], words[place - 2 - skip])
                    passage[count], at[count] = i, place - first[i]
                    count += 1
    return count


def _passage_grams(words: Keys, bits: npt.NDArray[Any], first: npt.NDArray[np.int64]) -> tuple[Keys, npt.NDArray[Any], npt.NDArray[Any]]:
    size = 2 * len(words)
    keys, passage, at = np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.int32)
    count = _join_all(words, first, keys, passage, at)
    keys, passage, at = keys[:count], passage[:count], at[:count]
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    common = counts[inverse] if count else np.empty(0, np.int64)
    told = (
        np.convolve(bits, np.ones(3))[: len(bits)][first[passage] + at] if count else common
    )  # of the gram's last word and the two before
    order = np.lexsort((-told, common > SHARERS, passage))
    starts = np.searchsorted(passage[order], np.arange(len(first)))
    rank = np.arange(count) - starts[passage[order]]
    limit = GRAMS * np.maximum(1, np.diff(first) // (PASSAGE // 2))
    rare = common[order]
    kept = order[(rank < limit[passage[order]]) & ((rare <= SHARERS) | ((rank < SURE) & (rare <= MOST_SHARERS)))]
    return keys[kept], passage[kept], at[kept]
