"""Prints of identifiers and texts: what is kept of a trace, and the pages that it lies in.

A page is a ``.npz`` of arrays, so that it can be read without executing anything. It holds hashes, lengths, bits and field names; the
hashes of short things can be guessed back, which is why pages are sealed with the run and destroyed with it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.prints import Role, Trace
from expunge.hunt.strings_bits import identifier_bits, is_name, word_bits
from expunge.hunt.strings_forms import Form, Way, Written, spellings, words_of, written
from expunge.hunt.strings_hash import needle_grams, needle_wholes, needle_words
from expunge.hunt.strings_layout import PAD, RAW_STRIDE, SHORTEST, STRIDE, TAIL, WINDOWS
from expunge.terms import text_of

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

PAGE = 4096
"""Traces in a page: some 3 MiB."""

PASSAGE, STEP, LEAST = 32, 16, 3
"""Words of a text that are one print; a longer text has one that begins every so many words. Of fewer than three words none is."""

MAGIC = "expunge-strings-2"


@dataclass(slots=True, repr=False)
class Draft:
    """A page as it grows: columns as lists. ``label`` is an index into ``labels``: type and collection of a field."""

    labels: dict[str, int] = field(default_factory=dict[str, int])
    subjects: list[int] = field(default_factory=list[int])
    label: list[int] = field(default_factory=list[int])
    bits: list[float] = field(default_factory=list[float])
    name: list[bool] = field(default_factory=list[bool])
    text: list[bool] = field(default_factory=list[bool])
    parts: dict[Way, list[tuple[int, Form, bytes]]] = field(default_factory=dict[Way, list[tuple[int, Form, bytes]]])
    passages: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])

    def begin(self, trace: Trace, bits: float) -> int:
        """A new print of this trace; its number in the page."""
        _, _, within = trace.origin.partition(".")
        collection = within.rpartition(".")[0]
        self.label.append(self.labels.setdefault(f"{trace.type}\t{collection}", len(self.labels)))
        self.subjects.append(trace.subject)
        self.bits.append(bits)
        self.name.append(is_name(trace.type))
        self.text.append(trace.role is Role.TEXT)
        return len(self.subjects) - 1

    def add(self, number: int, one: Written) -> None:
        """A form of a print."""
        self.parts.setdefault(one.way, []).append((number, one.form, one.content))


def take(traces: Iterable[Trace]) -> Iterator[bytes]:
    """Pages of the KEY and TEXT traces."""
    draft, count = Draft(), 0
    for trace in traces:
        if trace.role is Role.KEY:
            _take_key(draft, trace)
        elif trace.role is Role.TEXT:
            _take_text(draft, trace)
        else:
            continue
        count += 1
        if count % PAGE == 0:
            yield _page(draft)
            draft = Draft()
    if draft.subjects:
        yield _page(draft)


def _take_key(draft: Draft, trace: Trace) -> None:
    value = trace.value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return
    number = draft.begin(trace, identifier_bits(" ".join(text_of(value).split())))
    for one in dict.fromkeys(written(value, trace.held)):
        draft.add(number, one)


def _take_text(draft: Draft, trace: Trace) -> None:
    if not isinstance(trace.value, str):
        return
    number = draft.begin(trace, 0.0)
    for spelling in spellings(trace.value):
        content = spelling.encode("utf-8", "replace")
        words = [found.span() for found in words_of(content)]
        draft.bits[number] = max(draft.bits[number], identifier_bits(spelling))
        if len(words) < LEAST:
            if not content.isascii() and len(content) >= 2 * SHORTEST:  # no blanks between words: known by its bytes
                draft.add(number, Written(Way.SPAN, Form.PLAIN, content.strip()[:255]))
            continue
        for first in _firsts(len(words)):
            chosen = words[first : first + PASSAGE]
            draft.passages.append((number, content[chosen[0][0] : chosen[-1][1]]))


def _firsts(words: int) -> Iterator[int]:
    yield from range(0, max(words - PASSAGE, 0), STEP)
    yield max(words - PASSAGE, 0)


def padded(contents: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Contents behind one another, a line feed after each, as a pad; their starts and lengths."""
    lengths = np.fromiter((len(one) for one in contents), dtype=np.int64, count=len(contents))
    starts = PAD + np.cumsum(lengths + 1) - lengths - 1
    whole = b"\n" * PAD + b"\n".join(contents) + b"\n" * TAIL
    return np.frombuffer(whole, dtype=np.uint8), starts, lengths


def hash_all_words(contents: Sequence[bytes]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """The hashes of all words, where each content's end among them, and a hash of all words of each content."""
    pad, starts, lengths = padded(contents)
    size = len(pad) - PAD - TAIL
    ends, hashes = np.empty(size // 2 + 2, np.int32), np.empty(size // 2 + 2, np.uint64)
    count = needle_words(pad, size, ends, hashes)
    behind = np.searchsorted(ends[:count].astype(np.int64), starts + lengths, side="right")
    wholes = np.empty(len(contents), np.uint64)
    needle_wholes(pad, ends, behind, wholes)
    return hashes[:count].copy(), behind, wholes


def _hashed(parts: Sequence[tuple[int, Form, bytes]], prefix: str, columns: int, *, fold: bool) -> Arrays:
    pad, starts, lengths = padded([content for _, _, content in parts])
    grams, wholes, checks = np.zeros((len(parts), columns), np.uint64), np.zeros(len(parts), np.uint64), np.zeros(len(parts), np.uint8)
    middles = np.zeros(len(parts), np.int32)
    needle_grams(pad, starts, lengths, fold, grams, wholes, checks, middles)
    return {f"{prefix}_gram": grams, f"{prefix}_whole": wholes, f"{prefix}_check": checks, f"{prefix}_middle": middles}


def _column(parts: Sequence[tuple[int, Form, bytes]], prefix: str) -> Arrays:
    return {
        f"{prefix}_print": np.array([number for number, _, _ in parts], np.int32),
        f"{prefix}_form": np.array([int(form) for _, form, _ in parts], np.uint8),
        f"{prefix}_length": np.array([len(content) for _, _, content in parts], np.int32),
    }


def _page(draft: Draft) -> bytes:
    arrays: Arrays = {
        "header": np.frombuffer(json.dumps({"format": MAGIC, "labels": list(draft.labels)}).encode(), np.uint8),
        "subject": np.array(draft.subjects, np.int32),
        "label": np.array(draft.label, np.int32),
        "bits": np.array(draft.bits, np.float32),
        "name": np.array(draft.name, np.bool_),
        "text": np.array(draft.text, np.bool_),
    }
    spans, raws = draft.parts.get(Way.SPAN, []), draft.parts.get(Way.RAW, [])
    arrays |= _column(spans, "span") | _column(raws, "raw")
    arrays |= _hashed(spans, "span", WINDOWS * STRIDE, fold=True) | _hashed(raws, "raw", RAW_STRIDE, fold=False)
    for way, prefix in ((Way.WORDS, "form"), (Way.WEAK, "weak")):
        parts = draft.parts.get(way, [])
        hashes, behind, wholes = hash_all_words([content for _, _, content in parts])
        arrays |= _column(parts, prefix)
        arrays |= {f"{prefix}_word": hashes, f"{prefix}_behind": behind.astype(np.int32), f"{prefix}_whole": wholes}
    numbers = draft.parts.get(Way.NUMBER, [])
    arrays |= _column(numbers, "number")
    arrays["number_value"] = np.array([int(content) for _, _, content in numbers], np.int64)
    arrays |= _passages(draft.passages)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _passages(passages: Sequence[tuple[int, bytes]]) -> Arrays:
    hashes, behind, _ = hash_all_words([content for _, content in passages])
    words = [found.group().decode("utf-8", "replace").lower() for _, content in passages for found in words_of(content)]
    known = {word: word_bits(word) for word in set(words)}
    return {
        "passage_print": np.array([number for number, _ in passages], np.int32),
        "passage_word": hashes,
        "passage_bits": np.array([known[word] for word in words], np.float32),
        "passage_behind": behind.astype(np.int32),
    }


def read_page(page: bytes) -> tuple[list[str], Arrays]:
    """A page's labels and arrays.

    Raises:
        ValueError: it is not one of ``take``'s.
    """
    try:
        with np.load(io.BytesIO(page), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        header = json.loads(arrays.pop("header").tobytes())
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        raise ValueError("this is not a page of identifiers and texts") from None
    if header.get("format") != MAGIC:
        raise ValueError("this page of identifiers and texts has another version")
    return list(header["labels"]), arrays
