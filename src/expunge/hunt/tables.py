"""Builds what ``sweep`` asks from the pages' hashes: sorted keys with buckets, bitmaps, and the choice of which grams stand for a needle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from expunge.hunt.compiled import compiled
from expunge.hunt.fields import context_words
from expunge.hunt.needles import PASSAGE, Arrays, _hash_words, read_page
from expunge.hunt.sweep import CONTEXT, RAW_STRIDE, STRIDE, Filter, Index, Tables, join

GROUP = 384 << 20
"""Bytes of tables that are asked in one sweep: some 1.2 million needles. More needles are asked in several sweeps of the same window."""

GRAMS = 8
"""Grams that stand for a passage, the rarest ones: any of them brings it to comparison."""

POSTINGS = 48
"""Passages that may share a gram; of a gram that more have, these are kept, and the others are known by their other grams."""

BITS_EACH = 16
"""Bits of a bitmap for each key: with two bits set by each, one random key in 70 passes."""
SMALLEST, LARGEST = 13, 19
"""Words of a bitmap, as powers of two: 64 KiB to 4 MiB. Beyond the second-level cache a larger one costs more than it saves."""

ALWAYS = 1_000
"""Passages from which on words that are common among them are also taken for common ones."""


@dataclass(frozen=True, slots=True, repr=False)
class Group:
    """The tables for some needles, and what their hits stand for. Numbers of prints are those of all pages together."""

    tables: Tables
    whole_print: npt.NDArray[np.int32]  # by place in tables.whole
    whole_form: npt.NDArray[np.uint8]
    form_print: npt.NDArray[np.int32]
    form_form: npt.NDArray[np.uint8]
    passage_sharers: npt.NDArray[np.int32]  # prints of passage p: passage_prints[sharers[p]:sharers[p + 1]]
    passage_prints: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int64]  # sorted
    number_print: npt.NDArray[np.int32]

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in _arrays(self.tables)) + self.whole_print.nbytes + self.whole_form.nbytes


@dataclass(frozen=True, slots=True, repr=False)
class Prints:
    """What is known of each print, by its number; ``labels[label]`` is a field's type and its collection, with a tab between."""

    labels: list[str]
    subject: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    bits: npt.NDArray[np.float32]
    name: npt.NDArray[np.bool_]
    text: npt.NDArray[np.bool_]


def _arrays(tables: Tables) -> Iterator[npt.NDArray[Any]]:
    for one in tables:
        if isinstance(one, np.ndarray):
            yield one
        else:
            yield one[0]


def build(pages: Iterable[bytes]) -> tuple[list[Group], Prints]:
    """Groups of tables for all pages, and their prints.

    Raises:
        ValueError: a page is not one of this family's.
    """
    labels: dict[str, int] = {}
    metas: list[Arrays] = []
    groups: list[Group] = []
    held: list[Arrays] = []
    begun = size = 0
    for page in pages:
        names, arrays = read_page(page)
        numbers = np.array([labels.setdefault(name, len(labels)) for name in names], np.int32)
        metas.append({name: arrays.pop(name) for name in ("subject", "label", "bits", "name", "text")})
        metas[-1]["label"] = numbers[metas[-1]["label"]]
        for name in [name for name in arrays if name.endswith("_print")]:
            arrays[name] = arrays[name] + np.int32(begun)
        begun += len(metas[-1]["subject"])
        held.append(arrays)
        size += sum(array.nbytes for array in arrays.values())
        if size > GROUP:
            groups.append(_group(_merged(held), list(labels)))
            held, size = [], 0
    if held:
        groups.append(_group(_merged(held), list(labels)))
    meta = {name: np.concatenate([one[name] for one in metas]) for name in metas[0]} if metas else _no_meta()
    return groups, Prints(list(labels), meta["subject"], meta["label"], meta["bits"], meta["name"], meta["text"])


def _no_meta() -> Arrays:
    kinds = {"subject": np.int32, "label": np.int32, "bits": np.float32, "name": np.bool_, "text": np.bool_}
    return {name: np.empty(0, kind) for name, kind in kinds.items()}


def _merged(pages: list[Arrays]) -> Arrays:
    merged: Arrays = {}
    for name in list(pages[0]):
        parts = [page.pop(name) for page in pages]
        if name.endswith("_behind"):
            steps = np.cumsum([0, *(int(part[-1]) if len(part) else 0 for part in parts)])
            parts = [part + np.int32(step) for part, step in zip(parts, steps, strict=False)]
        merged[name] = np.concatenate(parts)
    return merged


def _index(keys: npt.NDArray[np.uint64]) -> tuple[Index, npt.NDArray[np.int64]]:
    """An index of these keys, and the order in which it holds them."""
    order = np.argsort(keys, kind="stable")
    held = keys[order]
    power = max(int(np.ceil(np.log2(max(len(keys), 2)))), 4)
    shift = np.uint64(64 - power)
    buckets = np.zeros((1 << power) + 1, np.int32)
    np.cumsum(np.bincount((held >> shift).astype(np.int64), minlength=1 << power), out=buckets[1:])
    return Index(held, buckets, shift), order


def _filter(keys: npt.NDArray[np.uint64], low: int, high: int) -> Filter:
    power = min(max(int(np.ceil(np.log2(max(len(keys) * BITS_EACH / 64, 1)))), SMALLEST), LARGEST)
    words = np.zeros(1 << power, np.uint64)
    _fill(words, keys, np.uint64(64 - power), np.uint64(low), np.uint64(high))
    return Filter(words, np.uint64(64 - power))


@compiled
def _fill(words: Any, keys: Any, shift: Any, low: Any, high: Any) -> None:
    one, six = np.uint64(1), np.uint64(63)
    for key in keys:
        words[key >> shift] |= (one << ((key >> low) & six)) | (one << ((key >> high) & six))


def _group(page: Arrays, labels: list[str]) -> Group:
    span_keys, span_rows, span_steps = _choose_window(page["span_gram"])
    raw_rows = np.repeat(np.arange(len(page["raw_length"])), RAW_STRIDE)
    raw_keys = page["raw_gram"].ravel()
    raw_steps = np.tile(np.arange(RAW_STRIDE), len(page["raw_length"]))
    last = np.maximum(page["span_length"] - (STRIDE + 6), 0)[span_rows]  # the last window's grams begin there
    span_at = np.where(span_steps >= STRIDE, last + span_steps - STRIDE, span_steps)
    spans = _shapes(span_keys, span_at, page["span_length"][span_rows])
    raws = _shapes(raw_keys, raw_steps, page["raw_length"][raw_rows])
    whole, order = _index(np.concatenate([page["span_whole"], page["raw_whole"]]))
    passages = _Passages.of(page)
    forms = _forms(page, labels)
    numbers = np.argsort(page["number_value"], kind="stable")
    word_keys = np.concatenate([passages.keys, forms.anchors.keys])
    tables = Tables(
        known=_known(np.concatenate([passages.words64, forms.anchors.keys])),
        words=_filter(word_keys, 0, 6),
        grams=passages.index,
        gram_passage=passages.gram_passage,
        gram_at=passages.gram_at,
        passage_first=passages.first,
        passage_words=(passages.words64 >> np.uint64(32)).astype(np.uint32),
        passage_bits=passages.bits,
        passage_sum=np.maximum(np.add.reduceat(np.append(passages.bits, np.float32(0)), passages.first[:-1]), 1).astype(np.float32)
        if len(passages.first) > 1
        else np.empty(0, np.float32),
        anchors=forms.anchors,
        anchor_form=forms.anchor_form,
        anchor_at=forms.anchor_at,
        weak=forms.weak,
        weak_form=forms.weak_form,
        form_first=forms.first,
        form_words=forms.words,
        spans=_filter(span_keys, 30, 36),
        span_grams=spans[0],
        span_at=spans[1],
        span_length=spans[2],
        raws=_filter(raw_keys, 30, 36),
        raw_grams=raws[0],
        raw_at=raws[1],
        raw_length=raws[2],
        whole=whole,
    )
    return Group(
        tables=tables,
        whole_print=np.concatenate([page["span_print"], page["raw_print"]])[order],
        whole_form=np.concatenate([page["span_form"], page["raw_form"]])[order],
        form_print=np.concatenate([page["form_print"], page["weak_print"]]),
        form_form=np.concatenate([page["form_form"], page["weak_form"]]),
        passage_sharers=passages.sharers,
        passage_prints=passages.prints,
        numbers=page["number_value"][numbers],
        number_print=page["number_print"][numbers],
    )


def _choose_window(grams: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Per span the five grams at its beginning or at its end, whichever are rarer among all: ``device-…`` begins alike, ``…@gmail.com`` ends alike."""
    if not len(grams):
        nothing = np.empty(0, np.int64)
        return np.empty(0, np.uint64), nothing, nothing
    _, inverse, counts = np.unique(grams, return_inverse=True, return_counts=True)
    common = counts[inverse.reshape(grams.shape)]
    end = common[:, STRIDE:].max(axis=1) < common[:, :STRIDE].max(axis=1)
    steps = np.arange(STRIDE)[None, :] + np.where(end, STRIDE, 0)[:, None]
    rows = np.repeat(np.arange(len(grams)), STRIDE)
    return grams[rows, steps.ravel()], rows, steps.ravel()


def _shapes(keys: npt.NDArray[np.uint64], at: npt.NDArray[Any], length: npt.NDArray[Any]) -> tuple[Index, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """An index of grams with, for each, the different places and lengths that needles have it at and of."""
    order = np.lexsort((length, at, keys))
    keys, at, length = keys[order], at[order], length[order]
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = (keys[1:] != keys[:-1]) | (at[1:] != at[:-1]) | (length[1:] != length[:-1])
    index, order = _index(keys[fresh])
    return index, at[fresh][order].astype(np.int32), length[fresh][order].astype(np.int32)


def _known(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    bitmap = np.zeros(1 << 17, np.uint8)
    places = (words >> np.uint64(44)).astype(np.int64)
    np.bitwise_or.at(bitmap, places >> 3, (1 << (places & 7)).astype(np.uint8))
    return bitmap


@dataclass(frozen=True, slots=True, repr=False)
class _Forms:
    anchors: Index
    anchor_form: npt.NDArray[np.int32]
    anchor_at: npt.NDArray[np.int32]
    weak: Index
    weak_form: npt.NDArray[np.int32]
    first: npt.NDArray[np.int32]
    words: npt.NDArray[np.uint64]


def _forms(page: Arrays, labels: list[str]) -> _Forms:
    """Identifiers known by their words: strong ones by their rarest word, weak ones by their first."""
    strong = len(page["form_print"])
    words = np.concatenate([page["form_word"], page["weak_word"]])
    behind = np.concatenate([page["form_behind"], page["weak_behind"] + (page["form_behind"][-1] if strong else 0)])
    first = np.concatenate([[0], behind]).astype(np.int32)
    _, inverse, counts = np.unique(page["form_word"], return_inverse=True, return_counts=True)
    rarest = _rarest(first[: strong + 1], counts[inverse] if strong else np.empty(0, np.int64))
    context, _, _ = _hash_words([word.encode() for word in context_words(labels)])
    anchors, order = _index(np.concatenate([words[rarest], context]))
    weak, weak_order = _index(words[first[strong:-1]])
    forms = np.concatenate([np.arange(strong), np.full(len(context), CONTEXT)])
    offsets = np.concatenate([rarest - first[:strong], np.zeros(len(context), np.int64)])
    return _Forms(
        anchors,
        forms[order].astype(np.int32),
        offsets[order].astype(np.int32),
        weak,
        (weak_order + strong).astype(np.int32),
        first,
        words,
    )


def _rarest(first: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of each run of places the one with the lowest count."""
    owner = np.repeat(np.arange(len(first) - 1), np.diff(first))
    order = np.lexsort((np.arange(len(counts)), counts, owner))
    return order[first[:-1]] if len(counts) else np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, repr=False)
class _Passages:
    index: Index
    keys: npt.NDArray[np.uint64]
    gram_passage: npt.NDArray[np.int32]
    gram_at: npt.NDArray[np.int32]
    first: npt.NDArray[np.int32]
    words64: npt.NDArray[np.uint64]
    bits: npt.NDArray[np.float32]
    sharers: npt.NDArray[np.int32]
    prints: npt.NDArray[np.int32]

    @classmethod
    def of(cls, page: Arrays) -> _Passages:
        """Equal passages as one, with all their prints; then the grams that stand for each."""
        words, behind = page["passage_word"], page["passage_behind"].astype(np.int64)
        begin = np.concatenate([[0], behind[:-1]]) if len(behind) else behind
        identity = _identities(words, begin, behind)
        _, chosen, owner = np.unique(identity, return_index=True, return_inverse=True)
        order = np.argsort(owner, kind="stable")
        sharers = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(chosen)))]).astype(np.int32)
        lengths = (behind - begin)[chosen]
        first = np.concatenate([[0], np.cumsum(lengths)])
        source = np.repeat(begin[chosen] - first[:-1], lengths) + np.arange(first[-1])
        words, bits = words[source], page["passage_bits"][source]
        if len(chosen) >= ALWAYS:
            bits = _commoner(words, bits, len(chosen))
        keys, passage, at = _passage_grams(words, first.astype(np.int64))
        index, places = _index(keys)
        return cls(
            index,
            keys,
            passage[places].astype(np.int32),
            at[places].astype(np.int32),
            first.astype(np.int32),
            words,
            bits.astype(np.float32),
            sharers,
            page["passage_print"][order],
        )


@compiled
def _identify(words: Any, begin: Any, behind: Any, out: Any) -> None:
    for i in range(len(begin)):
        state = np.uint64(behind[i] - begin[i])
        for at in range(begin[i], behind[i]):
            state = (state ^ words[at]) * np.uint64(0x9E3779B97F4A7C15)
            state ^= state >> np.uint64(29)
        out[i] = state


def _identities(words: npt.NDArray[np.uint64], begin: npt.NDArray[np.int64], behind: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    out = np.zeros(len(begin), np.uint64)
    _identify(words, begin, behind, out)
    return out


def _commoner(words: npt.NDArray[np.uint64], bits: npt.NDArray[np.float32], passages: int) -> npt.NDArray[np.float32]:
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


def _passage_grams(words: npt.NDArray[np.uint64], first: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    size = 2 * len(words)
    keys, passage, at = np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.int32)
    count = _join_all(words, first, keys, passage, at)
    keys, passage, at = keys[:count], passage[:count], at[:count]
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    common = counts[inverse] if count else np.empty(0, np.int64)
    order = np.lexsort((common, passage))
    starts = np.searchsorted(passage[order], np.arange(len(first)))
    rank = np.arange(count) - starts[passage[order]]
    limit = GRAMS * np.maximum(1, np.diff(first) // (PASSAGE // 2))
    kept = order[rank < limit[passage[order]]]
    order = np.argsort(inverse[kept], kind="stable") if count else kept
    kept = kept[order]
    begins = np.searchsorted(inverse[kept], np.arange(len(counts))) if count else np.empty(0, np.int64)
    few = (np.arange(len(kept)) - begins[inverse[kept]]) < POSTINGS if count else np.empty(0, np.bool_)
    kept = kept[few]
    return keys[kept], passage[kept], at[kept]
