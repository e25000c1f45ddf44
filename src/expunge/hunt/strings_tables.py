"""Builds what the sweep asks from the pages' hashes: tables and bitmaps, and the choice of which grams stand for a needle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.strings_bits import edited_least
from expunge.hunt.strings_forms_table import Forms
from expunge.hunt.strings_keys import choose_window, filter_of, known_of, raw_table, span_table, table_of
from expunge.hunt.strings_layout import RAW_STRIDE, Filter, Table, Tables
from expunge.hunt.strings_needles import Arrays, read_page
from expunge.hunt.strings_passages import Passages

Keys: TypeAlias = npt.NDArray[np.uint64]

GROUP = 48 << 20
"""Bytes of pages whose tables (half as many again) are asked in one sweep: some 180,000 needles. More take several sweeps."""

MEMORY = 320 << 20
"""Bytes of tables in memory, those of 500,000 needles; more lie in unnamed temporary files. With what building takes, under 1 GB."""

LINE = 64
"""Bytes of a cache line, at which each array begins."""


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


def _group(page: Arrays, least: float) -> Group:
    """The tables of merged pages. What isn't needed any more leaves ``page``, so that it and what is made of it are never there at once."""
    passages = Passages.of(page)
    forms = Forms.of(page)
    grams = table_of(passages.keys, passages.values, spare=1.5)
    words = filter_of(passages.keys, 0, 6)
    known = known_of(passages.words, forms.anchor_keys)
    passages.keys = passages.words = np.empty(0, np.uint64)
    passages.values = np.empty(0, np.int64)
    span_keys, span_rows, span_at = choose_window(page.pop("span_gram"), page["span_middle"], page["span_length"])
    spans, shapes = span_table(span_keys, span_at, page["span_length"][span_rows], page["span_check"][span_rows])
    span_filter = filter_of(span_keys, 34, 40)
    raw_keys = page.pop("raw_gram").ravel()
    raws = raw_table(raw_keys, np.tile(np.arange(RAW_STRIDE), len(page["raw_length"])), np.repeat(page["raw_length"], RAW_STRIDE))
    raw_filter = filter_of(raw_keys, 34, 40)
    del span_keys, span_rows, span_at, raw_keys
    wholes = np.concatenate([page.pop("span_whole"), page.pop("raw_whole")])
    order = np.argsort(wholes, kind="stable")
    distinct, first = np.unique(wholes[order], return_index=True)
    numbers = np.argsort(page["number_value"], kind="stable")
    tables = Tables(
        known=known,
        words=words,
        grams=grams,
        least=np.float64(least),
        passages=passages.listed,
        anchors=table_of(forms.anchor_keys, forms.anchor_values),
        firsts=filter_of(forms.weak_keys, 0, 6),
        weak=table_of(forms.weak_keys, forms.weak_values),
        form_first=forms.first,
        form_words=forms.words,
        form_wholes=np.concatenate([page["form_whole"], page["weak_whole"]]),
        spans=span_filter,
        span_grams=spans,
        span_shapes=shapes,
        raws=raw_filter,
        raw_grams=raws,
        whole=table_of(distinct, np.arange(len(distinct)), spare=0.5),
        whole_keys=distinct,
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
