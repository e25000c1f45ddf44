"""One sweep over bytes for all needles at once: the kernels, and nothing that decides.

Two filters are asked, each a bitmap in which a key sets two bits of one 64-bit word (Putze, Sanders, Singler: Cache-, hash- and
space-efficient Bloom filters, 2007), sized to stay in the second-level cache:

- *Spans* (identifiers of eleven bytes and more, wherever they lie): every fifth position's seven bytes, folded. Each needle has its grams
  of five neighbouring offsets in the table, so exactly one of them falls on a position that is asked.
- *Words* (texts, short identifiers): each word is hashed once, from its last eight bytes and its length; then the word itself, it and its
  two predecessors, and it, its predecessor and its third predecessor are asked for. The last survives a replaced or inserted word.
- *Raw* (digests, UUIDs as 16 bytes): every second position, and only where bytes are not text.

What passes a filter is looked up in an exact table, and what is found there is compared as a whole, by a 64-bit hash of the span or word by
word. All positions are those of a *pad*: bytes preceded by ``PAD`` and followed by ``TAIL`` line feeds, so that no load leaves it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from expunge.hunt.compiled import base64_at, binary_at, compiled, count_bits, escapes_at, hex_at, leading, load8, lowest, upper_at, words_at, zeros_at

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int32]

PAD = 64
TAIL = 192

GRAM, STRIDE = 7, 5
"""Bytes of a span's gram and positions between two that are asked: together the shortest span, 11. Eight and four cost 0.2 ns a byte more."""
SHORTEST = GRAM + STRIDE - 1
RAW_STRIDE = 2
RAW_SHORTEST = 8 + RAW_STRIDE - 1

SPAN, RAW, FORM, WEAK, TEXT = range(5)
"""Kinds of hits."""
ESCAPED, HEX, BASE64, WIDE, BINARY = 1, 2, 4, 8, 16
"""What a block of 64 bytes shows, so that ``decoding`` looks at it."""

HEX_RUN = 20
BASE64_RUN = 16
CHUNK = 8192
CONTEXT = -1
"""A form's number that stands for a word of a field's name (``profile``), after which weak identifiers are looked for."""
AHEAD, AHEAD_BYTES, NEAR_WORDS = 40, 600, 6
"""How far after such a word: numbers of a list go on, another word ends it from the sixth on (``"profile": {"lang": "en", "id": 17}``)."""
LEAST_SHARE = 0.5
CONTEXT_BITS = 20
"""Shift that leaves 20 bits of a word's hash: a bitmap of 128 KiB."""

_U = np.uint64
FOLD = _U(0x2020202020202020)
K1, K2, K3 = _U(0x9E3779B97F4A7C15), _U(0xC2B2AE3D27D4EB4F), _U(0x165667B19E3779F9)
_ONE, _SIX, _EIGHT, _LOW6 = _U(1), _U(6), _U(8), _U(63)
_B30, _B36, _B21, _B43, _B42, _B22, _B32, _B29, _B56, _B44, _B47 = (_U(n) for n in (30, 36, 21, 43, 42, 22, 32, 29, 56, 44, 47))
_ALL = _U(0xFFFFFFFFFFFFFFFF)
_HIGH, _A, _Z, _LOW7 = _U(0x8080808080808080), _U(0x3F3F3F3F3F3F3F3F), _U(0x2525252525252525), _U(0x7F7F7F7F7F7F7F7F)
_EVEN, _ODD = _U(0x5555555555555555), _U(0xAAAAAAAAAAAAAAAA)


class Index(NamedTuple):
    """Sorted 64-bit keys; ``buckets[key >> shift]`` is where to begin."""

    keys: Longs
    buckets: Ints
    shift: np.uint64


class Filter(NamedTuple):
    """A bitmap of 64-bit words; ``shift`` leaves a key's word number."""

    words: Longs
    shift: np.uint64


class Tables(NamedTuple):
    """Everything that a sweep asks, for one group of needles. ``*_at`` is where in the needle a key lies."""

    known: Bytes  # bitmap of words that are in any needle
    words: Filter
    grams: Index
    gram_passage: Ints
    gram_at: Ints
    passage_first: Ints  # passage p's words are passage_first[p] to passage_first[p + 1]
    passage_words: npt.NDArray[np.uint32]
    passage_bits: npt.NDArray[np.float32]
    passage_sum: npt.NDArray[np.float32]
    anchors: Index
    anchor_form: Ints
    anchor_at: Ints
    weak: Index
    weak_form: Ints
    form_first: Ints
    form_words: Longs
    spans: Filter
    span_grams: Index
    span_at: Ints
    span_length: Ints
    raws: Filter
    raw_grams: Index
    raw_at: Ints
    raw_length: Ints
    whole: Index  # hashes of spans and raws; a hit's ref is the first place with that key


class Work(NamedTuple):
    """Arrays that a sweep writes: sized by ``work_for`` and used again and again."""

    ends: Ints
    hashes: Longs
    chosen: Ints
    flags: Bytes
    seen: Ints  # per passage, the word behind its last hit


class Hits(NamedTuple):
    """What was seen, in the order in which it was."""

    kind: Bytes
    start: Ints
    end: Ints
    ref: Ints
    share: npt.NDArray[np.float32]
    bits: npt.NDArray[np.float32]
    needed: Ints  # where the bytes end that had to be there to decide


@compiled
def find(index: Any, key: Any) -> int:
    """The first place of a key, or -1."""
    bucket = key >> index.shift
    for place in range(index.buckets[bucket], index.buckets[bucket + _ONE]):
        if index.keys[place] == key:
            return place
    return -1


@compiled
def lower8(value: Any) -> Any:
    """Eight bytes with A to Z made small; others stay."""
    heptets = value & _LOW7
    capitals = ((heptets + _A) ^ (heptets + _Z)) & _HIGH & ~value
    return value | (capitals >> _U(2))


@compiled
def hash_span(pad: Any, start: int, length: int, fold: bool) -> Any:  # noqa: FBT001 - kernels take no keywords
    """64 bits of the bytes from ``start``, folded or as they are; the two never agree."""
    state = _U(length) * K3 + (K2 if fold else K1)
    for at in range(0, length, 8):
        value = load8(pad, start + at)
        if at + 8 > length:
            value &= _ALL >> (_U(8 - (length - at)) << _U(3))
        if fold:
            value = lower8(value)
        state = (state ^ value) * K1
        state ^= state >> _B29
    state *= K2
    return state ^ (state >> _B32)


@compiled
def span_gram(pad: Any, at: int) -> Any:
    """The key of the seven bytes at ``at``, crudely folded (what differs is told apart by the whole span's hash)."""
    return ((load8(pad, at) | FOLD) << _EIGHT) * K1


@compiled
def raw_gram(pad: Any, at: int) -> Any:
    """The key of the eight bytes at ``at``."""
    value = (load8(pad, at) ^ K3) * K2
    return (value ^ (value >> _B32)) * K1


@compiled
def read_words(pad: Any, first: int, last: int, before: Any, ends: Any, hashes: Any, count: int) -> Any:
    """Ends and hashes of the words that end in ``[first, last)``; both multiples of 64. ``before`` is the block before's mask."""
    for base in range(first, last, 64):
        mask = words_at(pad, base)
        left = ((mask << _ONE) | (before >> _LOW6)) & ~mask
        while left != 0:
            bit = lowest(left)
            left &= left - _ONE
            length = leading(~(((mask << _ONE) << (_LOW6 - bit)) | (before >> bit)))
            end = base + np.int64(bit)
            tail = (load8(pad, end - 8) | FOLD) >> ((_EIGHT - min(length, _EIGHT)) << _U(3))
            value = (tail ^ (length << _B56)) * K1
            hashes[count] = (value ^ (value >> _B32)) * K3
            ends[count] = end
            count += 1
        before = mask
    return before, count


@compiled
def join(word: Any, before: Any, first: Any) -> Any:
    """The key of a word, the one before it, and one of the two before that."""
    return word ^ ((before << _B21) | (before >> _B43)) ^ ((first << _B42) | (first >> _B22))


@compiled
def _set(words: Any, shift: Any, key: Any) -> Any:
    word = words[key >> shift]
    return (word >> (key & _LOW6)) & (word >> ((key >> _SIX) & _LOW6)) & _ONE


@compiled
def _choose(tables: Any, work: Any, first: int, last: int, count: int) -> int:
    """Words worth a look: known, then in the filter alone or joined. Without branches first, as most of them fail at random."""
    hashes, chosen = work.hashes, work.chosen
    words, shift = tables.words.words, tables.words.shift
    kept = count
    for i in range(first, last):
        word = hashes[i]
        chosen[kept] = i
        kept += (tables.known[word >> _B47] >> np.uint8((word >> _B44) & _U(7))) & 1
    out = count
    for at in range(count, kept):
        i = chosen[at]
        word = hashes[i]
        one = _set(words, shift, word)
        two = _set(words, shift, join(word, hashes[i - 1], hashes[i - 2]))
        if one | two | _set(words, shift, join(word, hashes[i - 1], hashes[i - 3])):
            chosen[out] = i
            out += 1
    return out


@compiled
def _has_run(mask: Any, extra: int) -> Any:
    """Where a run of 16 + extra (0 or 4) set bits begins."""
    run = mask & (mask >> _ONE)
    run &= run >> _U(2)
    run &= run >> _U(4)
    run &= run >> _U(8)
    return run & (run >> _U(4)) if extra else run


@compiled
def _spread(run: Any) -> Any:
    run |= run << _ONE
    run |= run << _U(2)
    run |= run << _U(4)
    return run | (run << _U(8))


@compiled
def _hex_digit(byte: Any) -> bool:
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 102


@compiled
def _letter(byte: Any) -> bool:
    return 97 <= (byte | 32) <= 122


@compiled
def is_escape(pad: Any, at: int) -> bool:
    """Whether an escape begins here that hides or adds word characters, or a tag."""
    byte, after = pad[at], pad[at + 1]
    if byte == 37:  # %40
        return _hex_digit(after) and _hex_digit(pad[at + 2])
    if byte == 92:  # \u0040 \x40 \n \r \t \b \f \/ \\
        return after in (117, 120, 110, 114, 116, 98, 102, 47, 92)
    if byte == 38:  # &#64; &commat;
        if after != 35 and not _letter(after):
            return False
        for end in range(at + 3, at + 10):
            if pad[end] == 59:
                return True
        return False
    if byte == 61:  # =40 =C3 and a soft line break; =42 is more often a value
        if after in (10, 13):
            return True
        return (after == 51 and pad[at + 2] == 68) or (after in (50, 52, 53) and pad[at + 2] in (48, 66, 70)) or (65 <= after <= 70 and _hex_digit(pad[at + 2]))
    return after in (33, 47) or _letter(after)  # </b> <b> <!--


@compiled
def classify(pad: Any, size: int, flags: Any) -> None:
    """What each block of 64 bytes shows beside plain text."""
    hexes = letters = 0
    for block in range((size + 63) >> 6):
        base = PAD + (block << 6)
        seen = 0
        mask = base64_at(pad, base)
        run = _has_run(mask, 0)
        lead = np.int64(lowest(~mask))
        if run != 0 or letters + lead >= BASE64_RUN:
            spread = _spread(run)
            if letters + lead >= BASE64_RUN:
                spread |= _ALL if lead == 64 else (_ONE << _U(lead)) - _ONE
            if count_bits(spread & upper_at(pad, base)) >= 2:
                seen |= BASE64
        letters = letters + 64 if lead == 64 else np.int64(leading(~mask))
        mask = hex_at(pad, base)
        lead = np.int64(lowest(~mask))
        if hexes + lead >= HEX_RUN or _has_run(mask, HEX_RUN - 16) != 0:
            seen |= HEX
        hexes = hexes + 64 if lead == 64 else np.int64(leading(~mask))
        mask = escapes_at(pad, base)
        while mask != 0:
            if is_escape(pad, base + np.int64(lowest(mask))):
                seen |= ESCAPED
                break
            mask &= mask - _ONE
        mask = binary_at(pad, base)
        if mask != 0 and count_bits(mask) >= 2:
            seen |= BINARY
            zeros = zeros_at(pad, base)
            even, odd = count_bits(zeros & _EVEN), count_bits(zeros & _ODD)
            if (even >= 6 and even > odd * _U(4)) or (odd >= 6 and odd > even * _U(4)):
                seen |= WIDE
        flags[block] = seen


@compiled
def _add(hits: Any, count: int, kind: int, start: int, end: int, ref: int, share: float, bits: float, needed: int) -> int:
    if count < len(hits.kind):
        hits.kind[count], hits.start[count], hits.end[count], hits.ref[count] = kind, start, end, ref
        hits.share[count], hits.bits[count], hits.needed[count] = share, bits, needed
    return count + 1


@compiled
def _ask_span(pad: Any, size: int, at: int, fold: bool, grams: Any, offsets: Any, lengths: Any, whole: Any, hits: Any, count: int) -> int:  # noqa: FBT001, PLR0913
    key = span_gram(pad, at) if fold else raw_gram(pad, at)
    place = find(grams, key)
    while 0 <= place < len(grams.keys) and grams.keys[place] == key:
        start = at - offsets[place]
        end = start + lengths[place]
        if start >= PAD and end <= PAD + size:
            ref = find(whole, hash_span(pad, start, lengths[place], fold))
            if ref >= 0:
                count = _add(hits, count, SPAN if fold else RAW, start, end, ref, 1.0, 0.0, end + 2)
        place += 1
    return count


@compiled
def sweep_spans(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int, dense: bool) -> int:  # noqa: FBT001
    """Spans, and raw ones in blocks that are not text (everywhere if ``dense``)."""
    words, shift = tables.spans.words, tables.spans.shift
    if len(tables.span_at):
        for at in range(PAD, PAD + size - GRAM + 1, STRIDE):
            key = span_gram(pad, at)
            word = words[key >> shift]
            if (word >> ((key >> _B30) & _LOW6)) & (word >> ((key >> _B36) & _LOW6)) & _ONE:
                count = _ask_span(pad, size, at, True, tables.span_grams, tables.span_at, tables.span_length, tables.whole, hits, count)
    if len(tables.raw_at) == 0:
        return count
    words, shift = tables.raws.words, tables.raws.shift
    for block in range((size + 63) >> 6):
        if dense or work.flags[block] & BINARY:
            base = PAD + (block << 6)
            for at in range(base, min(base + 64, PAD + size - 7), RAW_STRIDE):
                key = raw_gram(pad, at)
                word = words[key >> shift]
                if (word >> ((key >> _B30) & _LOW6)) & (word >> ((key >> _B36) & _LOW6)) & _ONE:
                    count = _ask_span(pad, size, at, False, tables.raw_grams, tables.raw_at, tables.raw_length, tables.whole, hits, count)
    return count


@compiled
def start_of(pad: Any, end: int) -> int:
    """Where the word begins that ends before ``end``."""
    at = end
    while at > PAD and (pad[at - 1] >= 128 or 48 <= pad[at - 1] <= 57 or _letter(pad[at - 1])):
        at -= 1
    return at


@compiled
def _ask_form(pad: Any, tables: Any, work: Any, words: int, first: int, form: int, kind: int, hits: Any, count: int) -> int:
    begin, behind = tables.form_first[form], tables.form_first[form + 1]
    last = first + behind - begin - 1
    if first < 3 or last >= words:
        return count
    for at in range(behind - begin):
        if work.hashes[first + at] != tables.form_words[begin + at]:
            return count
    end = work.ends[last]
    return _add(hits, count, kind, start_of(pad, work.ends[first]), end, form, 1.0, 0.0, end + 2)


@compiled
def _ask_weak(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    key = work.hashes[i]
    place = find(tables.weak, key)
    while 0 <= place < len(tables.weak.keys) and tables.weak.keys[place] == key:
        count = _ask_form(pad, tables, work, words, i, tables.weak_form[place], WEAK, hits, count)
        place += 1
    return count


@compiled
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


@compiled
def _ask_anchor(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    key = work.hashes[i]
    place = find(tables.anchors, key)
    while 0 <= place < len(tables.anchors.keys) and tables.anchors.keys[place] == key:
        form = tables.anchor_form[place]
        if form == CONTEXT:
            count = _ask_ahead(pad, tables, work, words, i, hits, count)
        else:
            count = _ask_form(pad, tables, work, words, i - tables.anchor_at[place], form, FORM, hits, count)
        place += 1
    return count


@compiled
def _ask_passage(pad: Any, size: int, tables: Any, work: Any, words: int, i: int, place: int, hits: Any, count: int) -> int:
    """Compare the words around with a passage's: each may stand up to two places off, for words put in or left out."""
    passage = tables.gram_passage[place]
    begin, behind = tables.passage_first[passage], tables.passage_first[passage + 1]
    first = i - tables.gram_at[place]
    last = first + behind - begin - 1
    if first < work.seen[passage]:
        return count
    low, high = words, -1
    bits = np.float32(0)
    straight = 0
    for at in range(behind - begin):
        word = tables.passage_words[begin + at]
        where = -1
        for step in range(5):
            j = first + at + ((step + 1) >> 1) * (1 if step & 1 else -1)
            if 3 <= j < words and np.uint32(work.hashes[j] >> _B32) == word:
                where = j
                straight += step == 0
                break
        if where >= 0:
            bits += tables.passage_bits[begin + at]
            low, high = min(low, where), max(high, where)
    share = bits / tables.passage_sum[passage]
    if share < LEAST_SHARE:
        return count
    needed = PAD + size + 48 if last >= words else work.ends[last] + 48
    work.seen[passage] = high
    exact = straight == behind - begin
    return _add(hits, count, TEXT, start_of(pad, work.ends[low]), work.ends[high], passage, 1.0 if exact else min(share, 0.999), bits, needed)


@compiled
def _ask_gram(pad: Any, size: int, tables: Any, work: Any, words: int, i: int, key: Any, hits: Any, count: int) -> int:
    place = find(tables.grams, key)
    while 0 <= place < len(tables.grams.keys) and tables.grams.keys[place] == key:
        count = _ask_passage(pad, size, tables, work, words, i, place, hits, count)
        place += 1
    return count


@compiled
def sweep_words(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int, all_weak: bool) -> int:  # noqa: FBT001
    """Texts, short identifiers, and weak ones behind a field's name (everywhere if ``all_weak``)."""
    before = _U(0)
    words = done = 3
    candidates = 0
    work.hashes[:3] = 0
    work.ends[:3] = PAD
    last = PAD + ((size >> 6) + 1) * 64
    for lo in range(PAD, last, CHUNK):
        before, words = read_words(pad, lo, min(lo + CHUNK, last), before, work.ends, work.hashes, words)
        candidates = _choose(tables, work, done, words, candidates)
        done = words
    for at in range(candidates):
        i = work.chosen[at]
        word, previous = work.hashes[i], work.hashes[i - 1]
        count = _ask_anchor(pad, tables, work, words, i, hits, count)
        count = _ask_gram(pad, size, tables, work, words, i, join(word, previous, work.hashes[i - 2]), hits, count)
        count = _ask_gram(pad, size, tables, work, words, i, join(word, previous, work.hashes[i - 3]), hits, count)
    if all_weak:
        for i in range(3, words):
            count = _ask_weak(pad, tables, work, words, i, hits, count)
    for at in range(candidates):
        i = work.chosen[at]
        _forget(tables, work, join(work.hashes[i], work.hashes[i - 1], work.hashes[i - 2]))
        _forget(tables, work, join(work.hashes[i], work.hashes[i - 1], work.hashes[i - 3]))
    return count


@compiled
def _forget(tables: Any, work: Any, key: Any) -> None:
    place = find(tables.grams, key)
    while 0 <= place < len(tables.grams.keys) and tables.grams.keys[place] == key:
        work.seen[tables.gram_passage[place]] = 0
        place += 1


@compiled
def needle_words(pad: Any, size: int, ends: Any, hashes: Any) -> int:
    """Ends and hashes of all words, for those that make needles; how many there are."""
    _, count = read_words(pad, PAD, PAD + ((size >> 6) + 1) * 64, _U(0), ends, hashes, 0)
    return int(count)


@compiled
def needle_grams(pad: Any, starts: Any, lengths: Any, fold: bool, grams: Any, wholes: Any) -> None:  # noqa: FBT001
    """Per needle its hash and its grams at the first offsets and, for spans, at the last ones."""
    for i in range(len(starts)):
        start, length = starts[i], lengths[i]
        wholes[i] = hash_span(pad, start, length, fold)
        if fold:
            for step in range(STRIDE):
                grams[i, step] = span_gram(pad, start + step)
                grams[i, STRIDE + step] = span_gram(pad, start + length - SHORTEST + step)
        else:
            for step in range(RAW_STRIDE):
                grams[i, step] = raw_gram(pad, start + step)
