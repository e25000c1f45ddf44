"""Looks for texts, short identifiers, and weak ones behind a field's name: the kernels that see bytes as words."""

# ruff: noqa: PLR2004, FBT001 - numbers are bytes, bits and offsets; a kernel takes no keywords
from __future__ import annotations

from typing import Any

import numpy as np

from expunge.hunt.strings_compile import compiled, fetch, inlined, lowest, signed
from expunge.hunt.strings_hash import hash_words, join, read_words
from expunge.hunt.strings_layout import (
    ASKED,
    CHOSEN,
    CONTEXT,
    FORM,
    LEAD,
    NAMES,
    PAD,
    PLACE_BITS,
    REACH,
    RECENT,
    TEXT,
    TOLD_BITS,
    WEAK,
    WORDS,
    add_hit,
    is_of,
    is_set,
    place_of,
    start_of,
    tag_of,
    value_of,
)

AHEAD, AHEAD_BYTES, NEAR_WORDS = 40, 600, 6
"""How far after a word of a field's name: numbers of a list go on, another word ends it from the sixth on (``profile: {a: 1, id: 17}``)."""
LEAST_SHARE = 0.55
"""Of a passage's bits, below which nobody wants to see it: as ``strings_bits``."""
SLACK = 48
"""Bytes behind a passage that must be there before it is told: a word or two may have been put in."""

_U = np.uint64
_ONE, _TWO, _THREE = _U(1), _U(2), _U(3)
_HASHED = _U(32 + PLACE_BITS + TOLD_BITS)
_PLACE, _TOLD = (1 << PLACE_BITS) - 1, (1 << TOLD_BITS) - 1
_OFF = (0, 1, -1, 2, -2)
"""Where a passage's word may stand, the likeliest place first."""


@inlined
def _gram(hashes: Any, chosen: Any) -> Any:
    """The key of a gram that is listed in ``Work.chosen``."""
    i = _U(chosen >> 1)
    return join(hashes[i], hashes[i - _ONE], hashes[i - _TWO - _U(chosen & 1)])


@compiled
def _choose(tables: Any, work: Any, words: int, count: int) -> int:
    """List the grams that may be in a text among those that end at the first ``words`` of ``asked``; how many there are then.

    It drops without a branch and only asks the filter, so that many questions are under way at once.
    """
    bits, room, hashes, chosen = tables.words.words, tables.words.room, work.hashes, work.chosen
    out = _U(count)
    for at in range(words):
        i = _U(work.asked[at])
        word, before = hashes[i], hashes[i - _ONE]
        chosen[out] = i << _ONE
        out += is_set(bits, room, join(word, before, hashes[i - _TWO]))
        chosen[out] = i << _ONE | _ONE
        out += is_set(bits, room, join(word, before, hashes[i - _THREE]))
    for at in range(count, signed(out)):
        fetch(tables.grams.slots, place_of(tables.grams, _gram(hashes, chosen[at])))
    return signed(out)


@inlined
def _ask_form(pad: Any, tables: Any, work: Any, words: int, first: int, form: int, kind: int, hits: Any, count: int) -> int:
    begin, behind = tables.form_first[form], tables.form_first[form + 1]
    last = first + behind - begin - 1
    if first < LEAD or last >= words:
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
    if is_set(tables.firsts.words, tables.firsts.room, key):
        place, tag = place_of(tables.weak, key), tag_of(key)
        while tables.weak.slots[place] != 0:
            if is_of(tables.weak.slots[place], tag):
                count = _ask_form(pad, tables, work, words, i, value_of(tables.weak.slots[place]), WEAK, hits, count)
            place += _ONE
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
    place, tag = place_of(tables.anchors, key), tag_of(key)
    while tables.anchors.slots[place] != 0:
        if is_of(tables.anchors.slots[place], tag):
            value = value_of(tables.anchors.slots[place])
            if value >> 8 == CONTEXT:
                count = _ask_ahead(pad, tables, work, words, i, hits, count)
            else:
                count = _ask_form(pad, tables, work, words, i - (value & 255), value >> 8, FORM, hits, count)
        place += _ONE
    return count


@inlined
def _near(hashes: Any, at: int, word: Any) -> Any:
    """Bit ``k`` says whether the word at ``at + _OFF[k]`` is this one of a passage."""
    wanted = word >> np.uint32(PLACE_BITS + TOLD_BITS)
    held = _U(0)
    for k in range(len(_OFF)):
        held |= _U(np.uint32(hashes[_U(at + _OFF[k])] >> _HASHED) == wanted) << _U(k)
    return held


@inlined
def _ask_passage(pad: Any, size: int, tables: Any, work: Any, words: int, i: int, value: Any, hits: Any, count: int) -> int:
    """Compare the words around with a passage's: each may stand up to two places off, for words put in or left out.

    The words that tell most come first, so that most of what is something else is known for it after three of them.
    """
    begin = signed(value >> np.uint32(PLACE_BITS))
    header = signed(tables.passages[begin])
    first, total, length = i - (signed(value) & _PLACE), header >> 8, header & 255
    last = first + length - 1
    recent = 2 * (begin & (RECENT - 1))
    if work.seen[recent] == begin and first < work.seen[recent + 1]:
        return count
    low, high = words, -1
    missing = signed(total * (1 - LEAST_SHARE))
    bits = straight = 0
    for at in range(begin + 1, begin + 1 + length):
        word = tables.passages[at]
        there = first + (signed(word) & _PLACE)
        told = (signed(word) >> PLACE_BITS) & _TOLD
        held = _near(work.hashes, there, word)
        if held == 0:
            missing -= told
            if missing < 0:
                return count
        else:
            bits += told
            straight += signed(held & _ONE)
            found = there + _OFF[signed(lowest(held))]
            low, high = min(low, found), max(high, found)
    if bits < 2 * tables.least:
        return count
    needed = PAD + size + SLACK if last >= words else work.ends[last] + SLACK
    work.seen[recent], work.seen[recent + 1] = begin, high
    share = 1.0 if straight == length else min(bits / total, 0.999)
    return add_hit(hits, count, TEXT, start_of(pad, work.ends[low]), work.ends[high], begin, share, bits / 2, needed)


@inlined
def _list_passages(tables: Any, work: Any, last: int) -> int:
    """Passages of the chosen grams: listed first and compared later, so that their cache misses overlap."""
    count = 0
    slots = tables.grams.slots
    for at in range(last):
        key = _gram(work.hashes, work.chosen[at])
        place, tag = place_of(tables.grams, key), tag_of(key)
        while slots[place] != 0:
            if is_of(slots[place], tag) and count < len(work.places):
                value = np.uint32(slots[place])
                work.places[count], work.passages[count] = work.chosen[at] >> 1, value
                fetch(tables.passages, signed(value >> np.uint32(PLACE_BITS)))
                count += 1
            place += _ONE
    return count


@inlined
def _ask_until(pad: Any, size: int, tables: Any, work: Any, words: int, until: int, texts: int, names: int, hits: Any, count: int) -> Any:
    """Ask for the chosen words before ``until``; what is still to be asked comes to the front. The count, and how many wait."""
    asked = 0
    while asked < texts and work.chosen[asked] >> 1 < until:
        asked += 1
    for at in range(_list_passages(tables, work, asked)):
        count = _ask_passage(pad, size, tables, work, words, work.places[at], work.passages[at], hits, count)
    for at in range(asked, texts):
        work.chosen[at - asked] = work.chosen[at]
    texts -= asked
    asked = 0
    while asked < names and work.names[asked] < until:
        fetch(tables.anchors.slots, place_of(tables.anchors, work.hashes[work.names[asked]]))
        asked += 1
    for at in range(asked):
        count = _ask_anchor(pad, tables, work, words, work.names[at], hits, count)
    for at in range(asked, names):
        work.names[at - asked] = work.names[at]
    return count, texts, names - asked


@inlined
def _forget(work: Any, shift: int, words: int, texts: int, names: int) -> None:
    """Drop the first words, so that the arrays of words stay in the second-level cache, with the filters."""
    for at in range(shift, words):
        work.hashes[at - shift], work.ends[at - shift] = work.hashes[at], work.ends[at]
    for at in range(texts):
        work.chosen[at] -= 2 * shift
    for at in range(names):
        work.names[at] -= shift
    for at in range(RECENT):
        work.seen[2 * at + 1] -= shift


@inlined
def begin_words(work: Any) -> None:
    """Before the first chunk of a pad."""
    work.hashes[:LEAD] = 0
    work.ends[:LEAD] = PAD
    work.seen[:] = -1
    work.found[:] = 0
    work.found[WORDS] = work.found[ASKED] = LEAD


@compiled
def sweep_words(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int, all_weak: bool, first: int, last: int) -> int:
    """Texts, short identifiers, and weak ones behind a field's name (everywhere if ``all_weak``), in one chunk after the other."""
    texts, found = signed(work.found[CHOSEN]), work.found
    found[CHOSEN] = 0
    read_words(pad, first, last, tables.known, found, work.ends, work.hashes, work.asked, work.names)
    words, names = signed(found[WORDS]), signed(found[NAMES])
    texts = _choose(tables, work, signed(found[CHOSEN]), texts)
    work.hashes[words : words + LEAD] = 0
    until = words if last > PAD + size else words - REACH
    count, texts, names = _ask_until(pad, size, tables, work, words, until, texts, names, hits, count)
    if all_weak:
        for i in range(signed(found[ASKED]), until):
            count = _ask_weak(pad, tables, work, words, i, hits, count)
    shift = max(until - REACH, 0)
    _forget(work, shift, words, texts, names)
    found[WORDS], found[CHOSEN], found[NAMES] = words - shift, texts, names
    found[ASKED] = max(until - shift, LEAD)
    return count
