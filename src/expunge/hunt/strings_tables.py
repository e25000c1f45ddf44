"""Builds what the sweep asks from the pages' hashes: tables and bitmaps, and the choice of which grams stand for a needle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.strings_bits import edited_least
from expunge.hunt.strings_compile import compiled
from expunge.hunt.strings_fields import context_words
from expunge.hunt.strings_hash import K2, join
from expunge.hunt.strings_layout import CONTEXT, LISTED, RAW_STRIDE, SHORTEST, STRIDE, Filter, Table, Tables, put_all
from expunge.hunt.strings_needles import PASSAGE, Arrays, hash_all_words, read_page

Keys: TypeAlias = npt.NDArray[np.uint64]

GROUP = 48 << 20
"""Bytes of pages whose tables (2.5 times as many) are asked in one sweep: some 180,000 needles. More take several sweeps."""

MEMORY = 320 << 20
"""Bytes of tables in memory, those of 500,000 needles; more lie in unnamed temporary files. With what building takes, under 1 GB."""

LINE = 64
"""Bytes of a cache line, at which each array begins."""

GRAMS, SURE = 10, 2
"""Grams that stand for a passage, the rarest ones, and how many of them even if they aren't rare: any of them brings it to comparison."""

SHARERS, MOST_SHARERS = 6, 32
"""Passages that may share a gram, and may share the rarest two of a passage that has none so rare. A gram of more stands for nothing: it is
a phrase (``set a timer for``), and comparing with all who use it would cost more than the whole sweep."""

BITS_EACH = 12
"""Bits of a bitmap for each key: with two bits set by each, one random key in 43 passes."""

SMALLEST, LARGEST = 1 << 10, 1 << 19
"""Words of a bitmap: 8 KiB to 4 MiB. Beyond the second-level cache a larger one costs more than it saves."""

FEW = 65_536
"""Places behind a table: in the order of keys a run of full places that reaches its end is never so long."""

ALWAYS = 1_000
"""Passages from which on words that are common among them are also taken for common ones."""


@dataclass(frozen=True, slots=True, repr=False)
class Group:
    """The tables for some needles, and what their hits stand for. Numbers of prints are those of all pages together."""

    tables: Tables
    whole_sharers: npt.NDArray[np.int32]  # whole w stands for whole_print[sharers[w]:sharers[w + 1]]
    whole_print: npt.NDArray[np.int32]
    whole_form: npt.NDArray[np.uint8]
    form_print: npt.NDArray[np.int32]
    form_form: npt.NDArray[np.uint8]
    passage_first: npt.NDArray[np.int32]  # where passage p's words begin
    passage_sharers: npt.NDArray[np.int32]
    passage_print: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int64]  # sorted
    number_print: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, repr=False)
class Prints:
    """What is known of each print, by its number; ``labels[label]`` is a field's type and its collection, with a tab between."""

    labels: list[str]
    subject: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    bits: npt.NDArray[np.float32]
    name: npt.NDArray[np.bool_]
    text: npt.NDArray[np.bool_]


def _arrays(held: object) -> Iterator[npt.NDArray[Any]]:
    if isinstance(held, np.ndarray):
        yield held
    elif isinstance(held, tuple):
        for one in held:
            yield from _arrays(one)
    elif isinstance(held, Group):
        for name in fields(held):
            yield from _arrays(getattr(held, name.name))


def size_of(group: Group) -> int:
    """Bytes of a group's arrays."""
    return sum(array.nbytes for array in _arrays(group))


def _kept(group: Group, others: list[Group]) -> Group:
    """The same with its arrays behind one another: in one block of memory, which the system gives in huge pages (a third less time is lost
    looking up addresses), or, beyond ``MEMORY``, in a file without a name, which it may drop from memory and read again.
    """  # noqa: D205 - one sentence
    arrays = list(_arrays(group))
    ends = np.cumsum([0] + [-(-array.nbytes // LINE) * LINE for array in arrays]).tolist()
    if sum(map(size_of, (*others, group))) <= MEMORY:
        whole = np.empty(ends[-1] + LINE, np.uint8)
    else:
        with tempfile.TemporaryFile() as file:
            file.truncate(ends[-1] + LINE)
            whole = np.asarray(np.memmap(file, np.uint8, mode="r+"))
    for begin, array in zip(ends, arrays, strict=False):
        whole[begin : begin + array.nbytes] = array.view(np.uint8).ravel()
    moved: Group = _moved(group, whole, iter(ends))
    return moved


def _moved(held: Any, whole: npt.NDArray[np.uint8], begun: Iterator[int]) -> Any:
    if isinstance(held, np.ndarray):
        begin = next(begun)  # a multiple of LINE
        return whole[begin : begin + held.nbytes].view(held.dtype)
    if isinstance(held, Group):
        return Group(*(_moved(getattr(held, name.name), whole, begun) for name in fields(held)))
    if isinstance(held, Table | Filter | Tables):
        return type(held)(*(_moved(one, whole, begun) for one in held))
    return held


def build(pages: Iterable[bytes]) -> tuple[list[Group], Prints]:
    """Groups of tables for all pages, and their prints.

    Raises:
        ValueError: a page is not one of this family's.
    """
    labels: dict[str, int] = {}
    metas: list[Arrays] = []
    groups: list[Group] = []
    texts = 0
    held: list[Arrays] = []
    begun = size = 0
    for page in pages:
        names, arrays = read_page(page)
        numbers = np.array([labels.setdefault(name, len(labels)) for name in names], np.int32)
        metas.append({name: arrays.pop(name) for name in ("subject", "label", "bits", "name", "text")})
        metas[-1]["label"] = numbers[metas[-1]["label"]]
        for name in [name for name in arrays if name.endswith("_print")]:
            arrays[name] = arrays[name] + np.int32(begun)
        weak = np.unique(metas[-1]["label"][arrays["weak_print"] - begun])
        arrays["weak_labels"] = np.array([list(labels)[one] for one in weak], np.str_)
        begun += len(metas[-1]["subject"])
        texts += int(metas[-1]["text"].sum())
        held.append(arrays)
        size += sum(array.nbytes for array in arrays.values())
        if size > GROUP:
            groups.append(_kept(_group(_merged(held), edited_least(texts)), groups))
            held, size = [], 0
    if held:
        groups.append(_kept(_group(_merged(held), edited_least(texts)), groups))
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


def _table(keys: Keys, values: npt.NDArray[Any], *, spare: float = 0.5) -> Table:
    """Keys and values with ``spare`` times as many places left free, and room behind for what the last places can't hold.

    Where most questions are for keys that aren't there, twice as many free places as keys make an answer take 1.6 places instead of five.
    """
    room = int(len(keys) * (1 + spare)) + 1
    keys = np.where(keys == 0, np.uint64(1), keys)
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order].astype(np.uint64)
    alike = np.diff(np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]]))).max(initial=0) if len(keys) else 0
    slots = np.zeros(2 * (room + min(len(keys), int(alike) + FEW) + 1), np.uint64)
    put_all(slots, np.uint64(room), keys, values)
    return Table(slots, np.uint64(room))


def _filter(keys: Keys, low: int, high: int) -> Filter:
    words = np.zeros(min(max(len(keys) * BITS_EACH // 64, SMALLEST), LARGEST), np.uint64)
    _fill(words, keys, np.uint64(len(words)), np.uint64(low), np.uint64(high))
    return Filter(words, np.uint64(len(words)))


@compiled
def _fill(words: Any, keys: Any, room: Any, low: Any, high: Any) -> None:
    one, six, half = np.uint64(1), np.uint64(63), np.uint64(32)
    for key in keys:
        words[((key >> half) * room) >> half] |= (one << ((key >> low) & six)) | (one << ((key >> high) & six))


def _group(page: Arrays, least: float) -> Group:
    span_keys, span_rows, span_at = _choose_window(page["span_gram"], page["span_length"])
    raw_keys = page["raw_gram"].ravel()
    raw_at = np.tile(np.arange(RAW_STRIDE), len(page["raw_length"]))
    spans = _shapes(span_keys, span_at, page["span_length"][span_rows], page["span_check"][span_rows])
    raws = _shapes(raw_keys, raw_at, np.repeat(page["raw_length"], RAW_STRIDE), np.repeat(page["raw_check"], RAW_STRIDE))
    wholes = np.concatenate([page["span_whole"], page["raw_whole"]])
    order = np.argsort(wholes, kind="stable")
    distinct, first = np.unique(wholes[order], return_index=True)
    passages = _Passages.of(page)
    forms = _forms(page)
    numbers = np.argsort(page["number_value"], kind="stable")
    tables = Tables(
        known=_known(passages.words, forms.anchor_keys),
        words=_filter(np.concatenate([passages.keys, forms.weak_keys ^ K2]), 0, 6),
        grams=_table(passages.keys, passages.values, spare=2),
        least=np.float64(least),
        passage_words=((passages.words >> np.uint64(32)).astype(np.uint32) & ~np.uint32(31)) | (passages.bits * 2).astype(np.uint32),
        anchors=_table(forms.anchor_keys, forms.anchor_values),
        weak=_table(forms.weak_keys, forms.weak_values),
        form_first=forms.first,
        form_words=forms.words,
        form_wholes=np.concatenate([page["form_whole"], page["weak_whole"]]),
        spans=_filter(span_keys, 34, 40),
        span_grams=spans[0],
        span_shapes=spans[1],
        raws=_filter(raw_keys, 34, 40),
        raw_grams=raws[0],
        raw_shapes=raws[1],
        whole=_table(distinct, np.arange(len(distinct)), spare=0.25),
    )
    return Group(
        tables=tables,
        whole_sharers=np.append(first, len(wholes)).astype(np.int32),
        whole_print=np.concatenate([page["span_print"], page["raw_print"]])[order],
        whole_form=np.concatenate([page["span_form"], page["raw_form"]])[order],
        form_print=np.concatenate([page["form_print"], page["weak_print"]]),
        form_form=np.concatenate([page["form_form"], page["weak_form"]]),
        passage_first=passages.first,
        passage_sharers=passages.sharers,
        passage_print=passages.prints,
        numbers=page["number_value"][numbers],
        number_print=page["number_print"][numbers],
    )


def _choose_window(grams: Keys, lengths: npt.NDArray[Any]) -> tuple[Keys, npt.NDArray[Any], npt.NDArray[Any]]:
    """Per span the five grams at its beginning or its end, whichever are rarer: keys, the spans' rows, and the grams' places in them.

    ``device-0001`` begins like all others, ``anna@example.com`` ends like many.
    """
    if not len(grams):
        nothing = np.empty(0, np.int64)
        return np.empty(0, np.uint64), nothing, nothing
    _, inverse, counts = np.unique(grams, return_inverse=True, return_counts=True)
    common = counts[inverse.reshape(grams.shape)]
    end = common[:, STRIDE:].max(axis=1) < common[:, :STRIDE].max(axis=1)
    steps = np.arange(STRIDE)[None, :] + np.where(end, STRIDE, 0)[:, None]
    rows = np.repeat(np.arange(len(grams)), STRIDE)
    places = np.arange(STRIDE)[None, :] + np.where(end, lengths - SHORTEST, 0)[:, None]
    return grams[rows, steps.ravel()], rows, places.ravel()


def _shapes(keys: Keys, at: npt.NDArray[Any], length: npt.NDArray[Any], check: npt.NDArray[Any]) -> tuple[Table, Any]:
    """Grams with each of the different places and lengths that needles have them at and of, and the checks of those needles."""
    shape = at.astype(np.int64) << 16 | length
    order = np.lexsort((shape, keys))
    keys, shape = keys[order], shape[order]
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = (keys[1:] != keys[:-1]) | (shape[1:] != shape[:-1])
    checks = np.int64(1) << (check[order].astype(np.int64) + 32)
    several = np.bitwise_or.reduceat(checks, np.flatnonzero(fresh)) if len(keys) else checks
    distinct, first, counts = np.unique(keys[fresh], return_index=True, return_counts=True)
    shapes = shape[fresh] | several
    alone = counts == 1
    listed = np.repeat(~alone, counts)
    begin = np.cumsum(np.where(alone, 0, counts)) - counts
    return _table(distinct, np.where(alone, shapes[first], begin << 16 | LISTED | np.minimum(counts, LISTED - 1))), shapes[listed]


def _known(texts: Keys, names: Keys) -> npt.NDArray[np.uint8]:
    known = np.zeros(1 << 17, np.uint8)
    for told, words in ((1, texts), (2, names)):
        slots = ((words >> np.uint64(45)) & np.uint64(3)).astype(np.uint8)
        np.bitwise_or.at(known, (words >> np.uint64(47)).astype(np.int64), np.uint8(told) << (slots << np.uint8(1)))
    return known


@dataclass(frozen=True, slots=True, repr=False)
class _Forms:
    anchor_keys: Keys
    anchor_values: npt.NDArray[np.int64]
    weak_keys: Keys
    weak_values: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    words: Keys


def _forms(page: Arrays) -> _Forms:
    """Identifiers known by their words: strong ones by their rarest word, weak ones by their first."""
    strong = len(page["form_print"])
    words = np.concatenate([page["form_word"], page["weak_word"]])
    behind = np.concatenate([page["form_behind"], page["weak_behind"] + (page["form_behind"][-1] if strong else 0)])
    first = np.concatenate([[0], behind]).astype(np.int32)
    _, inverse, counts = np.unique(page["form_word"], return_inverse=True, return_counts=True)
    rarest = _rarest(first[: strong + 1], counts[inverse] if strong else np.empty(0, np.int64))
    context, _, _ = hash_all_words([word.encode() for word in context_words(page["weak_labels"].tolist())])
    at = np.minimum(rarest - first[:strong], 255)
    return _Forms(
        np.concatenate([words[rarest], context]),
        np.concatenate([np.arange(strong) << 8 | at, np.full(len(context), CONTEXT << 8)]),
        words[first[strong:-1]],
        np.arange(strong, len(first) - 1),
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
    keys: Keys
    values: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    words: Keys
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
        keys, passage, at = _passage_grams(words, bits, first.astype(np.int64))
        told = np.add.reduceat(np.append(np.floor(bits * 2), 0).astype(np.int64), first[:-1]) if len(lengths) else lengths
        values = told[passage] << 48 | first[:-1][passage] << 16 | lengths[passage] << 8 | at
        return cls(keys, values, first.astype(np.int32), words, bits.astype(np.float32), sharers, page["passage_print"][order])


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
