"""Looks for texts, short identifiers, and weak ones behind a field's name: the kernels that see bytes as words."""

# ruff: noqa: PLR2004, FBT001 - numbers are bytes, bits and offsets; a kernel takes no keywords
from __future__ import annotations

from typing import Any

import numpy as np

from expunge.hunt.strings_compile import compiled, inlined, signed
from expunge.hunt.strings_hash import K2, hash_words, join, read_words
from expunge.hunt.strings_layout import CONTEXT, FORM, PAD, RECENT, TEXT, WEAK, add_hit, is_in, is_set, may_hold, place_of, start_of

CHUNK = 32 << 10
"""Bytes whose words are hashed before they are asked for: their hashes are still in the first-level cache."""
AHEAD, AHEAD_BYTES, NEAR_WORDS = 40, 600, 6
"""How far after a word of a field's name: numbers of a list go on, another word ends it from the sixth on (``profile: {a: 1, id: 17}``)."""
LEAST_SHARE, LEAST_BITS = 0.55, 32.0
"""Of a passage, below which nobody wants to see it: the least of ``strings_bits``."""
SLACK = 48
"""Bytes behind a passage that must be there before it is told: a word or two may have been put in."""

_U = np.uint64
_ONE, _TWO, _B32 = _U(1), _U(2), _U(32)


@compiled
def _choose(tables: Any, hashes: Any, texts: Any, names: Any, first: int, last: int, text: int, name: int) -> tuple[int, int]:
    """Words worth a look, written behind one another: the last ones of grams that are in a text, and those that are in names.

    Each step asks for all words before the next begins, and drops without a branch, so that many questions are under way at once.
    """
    words, room = tables.words.words, tables.words.room
    kept, before = text, 0
    for i in range(first, last):
        word = hashes[i]
        known = signed(is_in(tables.known, word))
        texts[kept], names[name] = i, i
        kept += known & before
        name += signed(is_in(tables.named, word))
        before = known
    out = text
    for at in range(text, kept):
        i = texts[at]
        straight, skipping = join(hashes[i], hashes[i - 1], hashes[i - 2]), join(hashes[i], hashes[i - 1], hashes[i - 3])
        texts[out] = i
        out += signed(is_set(words, room, straight) | is_set(words, room, skipping))
    kept = text
    for at in range(text, out):
        i = texts[at]
        straight, skipping = join(hashes[i], hashes[i - 1], hashes[i - 2]), join(hashes[i], hashes[i - 1], hashes[i - 3])
        texts[kept] = i
        kept += signed(may_hold(tables.grams, straight) | may_hold(tables.grams, skipping))
    return kept, name


@inlined
def _ask_form(pad: Any, tables: Any, work: Any, words: int, first: int, form: int, kind: int, hits: Any, count: int) -> int:
    begin, behind = tables.form_first[form], tables.form_first[form + 1]
    last = first + behind - begin - 1
    if first < 3 or last >= words:
        return count
    for at in range(behind - begin):
        if work.hashes[first + at] != tables.form_words[begin + at]:
            return count
    end = work.ends[last]
    if hash_words(pad, work.ends, first, last + 1) != tables.form_wholes[form]:
        return count
    return add_hit(hits, count, kind, start_of(pad, work.ends[first]), end, form, 1.0, 0.0, end + 2)


@inlined
def _ask_weak(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    key = work.hashes[i]
    if is_set(tables.words.words, tables.words.room, key ^ K2):
        place = place_of(tables.weak, key)
        while tables.weak.slots[place] != 0:
            if tables.weak.slots[place] == key:
                count = _ask_form(pad, tables, work, words, i, signed(tables.weak.slots[place + _ONE]), WEAK, hits, count)
            place += _TWO
    return count


@inlined
def _ask_ahead(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    """Weak identifiers behind a word of a field's name."""
    for j in range(i + 1, min(i + AHEAD, words)):
        end = work.ends[j]
        if end - work.ends[i] > AHEAD_BYTES:
            break
        count = _ask_weak(pad, tables, work, words, j, hits, count)
        if j >= i + NEAR_WORDS and not 48 <= pad[end - 1] <= 57:
            break
    return count


@inlined
def _ask_anchor(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    key = work.hashes[i]
    place = place_of(tables.anchors, key)
    while tables.anchors.slots[place] != 0:
        if tables.anchors.slots[place] == key:
            value = signed(tables.anchors.slots[place + _ONE])
            if value >> 8 == CONTEXT:
                count = _ask_ahead(pad, tables, work, words, i, hits, count)
            else:
                count = _ask_form(pad, tables, work, words, i - (value & 255), value >> 8, FORM, hits, count)
        place += _TWO
    return count


@inlined
def _ask_passage(pad: Any, size: int, tables: Any, work: Any, words: int, i: int, value: int, hits: Any, count: int) -> int:
    """Compare the words around with a passage's: each may stand up to two places off, for words put in or left out."""
    begin, length = (value >> 16) & 0xFFFFFFFF, (value >> 8) & 255
    first = i - (value & 255)
    last = first + length - 1
    recent = 2 * (begin & (RECENT - 1))
    if work.seen[recent] == begin and first < work.seen[recent + 1]:
        return count
    low, high = words, -1
    total = value >> 48
    missing = signed(total * (1 - LEAST_SHARE))
    bits = straight = 0
    for at in range(length):
        word = tables.passage_words[begin + at]
        found = -1
        for step in range(5):
            j = first + at + ((step + 1) >> 1) * (1 if step & 1 else -1)
            if 3 <= j < words and (np.uint32(work.hashes[j] >> _B32) ^ word) >> np.uint32(5) == 0:
                straight += step == 0
                found = j
                break
        told = signed(word) & 31
        if found >= 0:
            bits += told
            low, high = min(low, found), max(high, found)
        else:
            missing -= told
            if missing < 0:
                return count
    if bits < LEAST_BITS * 2:
        return count
    needed = PAD + size + SLACK if last >= words else work.ends[last] + SLACK
    work.seen[recent], work.seen[recent + 1] = begin, high
    share = 1.0 if straight == length else min(bits / total, 0.999)
    return add_hit(hits, count, TEXT, start_of(pad, work.ends[low]), work.ends[high], begin, share, bits / 2, needed)


@inlined
def _list_passages(tables: Any, work: Any, first: int, last: int, count: int) -> int:
    """Passages of the grams that end at chosen words: listed first and compared later, so that their cache misses overlap."""
    for at in range(first, last):
        i = work.chosen[at]
        for skip in range(2):
            key = join(work.hashes[i], work.hashes[i - 1], work.hashes[i - 2 - skip])
            place = place_of(tables.grams, key)
            while tables.grams.slots[place] != 0:
                if tables.grams.slots[place] == key and count < len(work.places):
                    value = signed(tables.grams.slots[place + _ONE])
                    work.places[count], work.passages[count] = i, value
                    work.touched[0] ^= tables.passage_words[(value >> 16) & 0xFFFFFFFF]
                    count += 1
                place += _TWO
    return count


@compiled
def sweep_words(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int, all_weak: bool) -> int:
    """Texts, short identifiers, and weak ones behind a field's name (everywhere if ``all_weak``)."""
    work.hashes[:3] = 0
    work.ends[:3] = PAD
    before, words, done, texts, names, asked = _U(0), 3, 3, 0, 0, 0
    last = PAD + ((size >> 6) + 1) * 64
    for first in range(PAD, last, CHUNK):
        before, words = read_words(pad, first, min(first + CHUNK, last), before, work.ends, work.hashes, words)
        ready = texts  # the words that follow these have now been read
        texts, names = _choose(tables, work.hashes, work.chosen, work.names, done, words, texts, names)
        done = words
        listed = _list_passages(tables, work, asked, ready, 0)
        for at in range(listed):
            count = _ask_passage(pad, size, tables, work, words, work.places[at], work.passages[at], hits, count)
        asked = ready
    listed = _list_passages(tables, work, asked, texts, 0)
    for at in range(listed):
        count = _ask_passage(pad, size, tables, work, words, work.places[at], work.passages[at], hits, count)
    for at in range(names):
        count = _ask_anchor(pad, tables, work, words, work.names[at], hits, count)
    work.seen[:] = 0
    if all_weak:
        for i in range(3, words):
            count = _ask_weak(pad, tables, work, words, i, hits, count)
    return count
