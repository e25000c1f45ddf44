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

from expunge.hunt.compiled import base64_at, binary_at, compiled, count_bits, escapes_at, hex_at, inlined, leading, load8, lowest, upper_at, words_at, zeros_at

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

CHUNK = 32 << 10
"""Bytes whose words are hashed before they are asked for: their hashes are still in the first-level cache."""
HEX_RUN = 20
BASE64_RUN = 16
RECENT = 1024
"""Passages whose last sighting is remembered, so that each of a passage's grams doesn't tell it again."""
LISTED = 0x8000
CONTEXT = 0xFFFFFF
"""A form's number that stands for a word of a field's name (``profile``), after which weak identifiers are looked for."""
AHEAD, AHEAD_BYTES, NEAR_WORDS = 40, 600, 6
"""How far after such a word: numbers of a list go on, another word ends it from the sixth on (``"profile": {"lang": "en", "id": 17}``)."""
LEAST_SHARE, LEAST_BITS = 0.6, 36.0
"""Of a passage, below which nobody wants to see it."""

_U = np.uint64
FOLD = _U(0x2020202020202020)
K1, K2, K3 = _U(0x9E3779B97F4A7C15), _U(0xC2B2AE3D27D4EB4F), _U(0x165667B19E3779F9)
_ONE, _TWO, _SIX, _EIGHT, _LOW6 = _U(1), _U(2), _U(6), _U(8), _U(63)
_B34, _B40, _B21, _B43, _B42, _B22, _B32, _B29, _B56, _B45, _B48 = (_U(n) for n in (34, 40, 21, 43, 42, 22, 32, 29, 56, 45, 48))
_ALL, _LOW32 = _U(0xFFFFFFFFFFFFFFFF), _U(0xFFFFFFFF)
_HIGH, _A, _Z, _LOW7 = _U(0x8080808080808080), _U(0x3F3F3F3F3F3F3F3F), _U(0x2525252525252525), _U(0x7F7F7F7F7F7F7F7F)
_EVEN, _ODD = _U(0x5555555555555555), _U(0xAAAAAAAAAAAAAAAA)


class Table(NamedTuple):
    """Keys and values by turns, at the first free place from ``key * room`` on (open addressing): one cache line for most questions."""

    slots: Longs
    room: np.uint64


class Filter(NamedTuple):
    """A bitmap of ``room`` 64-bit words; a key's is ``key * room``."""

    words: Longs
    room: np.uint64


class Tables(NamedTuple):
    """Everything that a sweep asks, for one group of needles. ``*_at`` is where in the needle a key lies."""

    known: Bytes  # 2**19 bits by hash: words that are in any text
    named: Bytes  # the same of words by which identifiers or fields are known
    words: Filter  # grams of texts, and first words of weak identifiers
    grams: Table  # of passages: place of the gram's last word, words << 8, first word's place << 16, bits in quarters << 48
    passage_words: Longs  # per word the upper half of its hash, and its bits in sixteenths
    anchors: Table  # of words: form and place, shifted by 8; CONTEXT for words of fields' names
    weak: Table  # of first words: form
    form_first: Ints
    form_words: Longs
    spans: Filter
    span_grams: Table  # a shape, or (LISTED) how many there are and the first one's place << 16
    span_shapes: npt.NDArray[np.int64]  # length, place of the gram in the span << 16, and the checks of such spans << 32
    raws: Filter
    raw_grams: Table
    raw_shapes: npt.NDArray[np.int64]
    whole: Table  # of whole spans and raws: a number that stands for all needles that are equal


class Work(NamedTuple):
    """Arrays that a sweep writes: sized by ``work_for`` and used again and again."""

    ends: Ints
    hashes: Longs
    chosen: Ints
    flags: Bytes
    names: Ints
    seen: Ints  # passages that were last seen, and up to which word


class Hits(NamedTuple):
    """What was seen, in the order in which it was."""

    kind: Bytes
    start: Ints
    end: Ints
    ref: Ints
    share: npt.NDArray[np.float32]
    bits: npt.NDArray[np.float32]
    needed: Ints  # where the bytes end that had to be there to decide


@inlined
def place_of(table: Any, key: Any) -> Any:
    """Where to begin to look for a key."""
    return (((key >> _B32) * table.room) >> _B32) << _ONE


@inlined
def find(table: Any, key: Any) -> int:
    """The first value of a key, or -1."""
    place = place_of(table, key)
    while table.slots[place] != 0:
        if table.slots[place] == key:
            return np.int64(table.slots[place + _ONE])
        place += _TWO
    return -1


@compiled
def put_all(slots: Any, room: Any, keys: Any, values: Any) -> None:
    """Fill an empty table."""
    table = Table(slots, room)
    for i in range(len(keys)):
        place = place_of(table, keys[i])
        while slots[place] != 0:
            place += _TWO
        slots[place] = keys[i]
        slots[place + _ONE] = values[i]


@inlined
def lower8(value: Any) -> Any:
    """Eight bytes with A to Z made small; others stay."""
    heptets = value & _LOW7
    capitals = ((heptets + _A) ^ (heptets + _Z)) & _HIGH & ~value
    return value | (capitals >> _U(2))


@inlined
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


@inlined
def span_gram(pad: Any, at: int) -> Any:
    """The key of the seven bytes at ``at``, crudely folded (what differs is told apart by the whole span's hash)."""
    return ((load8(pad, at) | FOLD) << _EIGHT) * K1


@inlined
def raw_gram(pad: Any, at: int) -> Any:
    """The key of the eight bytes at ``at``."""
    value = (load8(pad, at) ^ K3) * K2
    return (value ^ (value >> _B32)) * K1


@inlined
def check_of(pad: Any, start: int, length: int) -> int:
    """A number below 32 from a span's first and last bytes: spares most whole hashes where many spans share a gram (``@example``)."""
    ends = (load8(pad, start) | FOLD) ^ ((load8(pad, start + length - 8) | FOLD) * K2)
    return np.int64((ends * K1) >> _U(59))


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


@inlined
def join(word: Any, before: Any, first: Any) -> Any:
    """The key of a word, the one before it, and one of the two before that."""
    return word ^ ((before << _B21) | (before >> _B43)) ^ ((first << _B42) | (first >> _B22))


@inlined
def _set(words: Any, room: Any, key: Any) -> Any:
    word = words[((key >> _B32) * room) >> _B32]
    return (word >> (key & _LOW6)) & (word >> ((key >> _SIX) & _LOW6)) & _ONE


@inlined
def _may_hold(table: Any, key: Any) -> Any:
    """Whether a key is at its first or second place, or may be farther: most that a filter lets pass in vain end here."""
    place = place_of(table, key)
    here = table.slots[place]
    return (here == key) | ((here != 0) & (table.slots[place + _TWO] != 0))


@inlined
def _is_in(bitmap: Any, word: Any) -> Any:
    return (bitmap[word >> _B48] >> np.uint8((word >> _B45) & _U(7))) & 1


@compiled
def _choose(tables: Any, hashes: Any, texts: Any, names: Any, first: int, last: int, text: int, name: int) -> tuple[int, int]:
    """Words worth a look, written behind one another: the last ones of grams that are in a text, and those that are in names.

    Each step asks for all words before the next begins, and drops without a branch, so that many questions are under way at once.
    """
    words, room = tables.words.words, tables.words.room
    kept, before = text, 0
    for i in range(first, last):
        word = hashes[i]
        known = np.int64(_is_in(tables.known, word))
        texts[kept], names[name] = i, i
        kept += known & before
        name += np.int64(_is_in(tables.named, word))
        before = known
    out = text
    for at in range(text, kept):
        i = texts[at]
        straight, skipping = join(hashes[i], hashes[i - 1], hashes[i - 2]), join(hashes[i], hashes[i - 1], hashes[i - 3])
        texts[out] = i
        out += np.int64(_set(words, room, straight) | _set(words, room, skipping))
    kept = text
    for at in range(text, out):
        i = texts[at]
        straight, skipping = join(hashes[i], hashes[i - 1], hashes[i - 2]), join(hashes[i], hashes[i - 1], hashes[i - 3])
        texts[kept] = i
        kept += np.int64(_may_hold(tables.grams, straight) | _may_hold(tables.grams, skipping))
    return kept, name


@inlined
def _has_run(mask: Any, extra: int) -> Any:
    """Where a run of 16 + extra (0 or 4) set bits begins."""
    run = mask & (mask >> _ONE)
    run &= run >> _U(2)
    run &= run >> _U(4)
    run &= run >> _U(8)
    return run & (run >> _U(4)) if extra else run


@inlined
def _spread(run: Any) -> Any:
    run |= run << _ONE
    run |= run << _U(2)
    run |= run << _U(4)
    return run | (run << _U(8))


@inlined
def _hex_digit(byte: Any) -> bool:
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 102


@inlined
def _letter(byte: Any) -> bool:
    return 97 <= (byte | 32) <= 122


@inlined
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
    if byte == 61:  # =2E =C3 and a soft line break; =40 only inside a word, since =40 is more often a value
        if after in (10, 13):
            return True
        second = pad[at + 2]
        if 50 <= after <= 55 and 65 <= second <= 70:
            return True
        return (65 <= after <= 70 and _hex_digit(second) and second <= 70) or (after == 52 and second == 48 and _letter(pad[at + 3]))
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


@inlined
def _add(hits: Any, count: int, kind: int, start: int, end: int, ref: int, share: float, bits: float, needed: int) -> int:
    if count < len(hits.kind):
        hits.kind[count], hits.start[count], hits.end[count], hits.ref[count] = kind, start, end, ref
        hits.share[count], hits.bits[count], hits.needed[count] = share, bits, needed
    return count + 1


@inlined
def _ask_span(pad: Any, size: int, at: int, fold: bool, grams: Any, shapes: Any, whole: Any, hits: Any, count: int) -> int:  # noqa: FBT001
    shape = find(grams, span_gram(pad, at) if fold else raw_gram(pad, at))
    if shape == -1:
        return count
    place, several = 0, 1
    if shape & LISTED:
        place, several = shape >> 16, shape & (LISTED - 1)
    for step in range(several):
        if shape & LISTED or step:
            shape = shapes[place + step]
        start, length = at - ((shape >> 16) & 0xFFFF), shape & 0xFFFF
        if start >= PAD and start + length <= PAD + size and (shape >> (32 + check_of(pad, start, length))) & 1:
            ref = find(whole, hash_span(pad, start, length, fold))
            if ref >= 0:
                count = _add(hits, count, SPAN if fold else RAW, start, start + length, ref, 1.0, 0.0, start + length + 2)
    return count


@compiled
def _collect_spans(pad: Any, size: int, words: Any, room: Any, chosen: Any) -> int:
    """Positions whose gram is in the filter. Apart from what is done with them: in one loop the two take five times as long."""
    count = 0
    for at in range(PAD, PAD + size - GRAM + 1, STRIDE):
        key = span_gram(pad, at)
        word = words[((key >> _B32) * room) >> _B32]
        if (word >> (key >> _B34 & _LOW6)) & (word >> (key >> _B40 & _LOW6)) & _ONE:
            chosen[count] = at
            count += 1
    return count


@compiled
def _collect_raws(pad: Any, first: int, last: int, words: Any, room: Any, chosen: Any, count: int) -> int:
    for at in range(first, last, RAW_STRIDE):
        key = raw_gram(pad, at)
        word = words[((key >> _B32) * room) >> _B32]
        if (word >> (key >> _B34 & _LOW6)) & (word >> (key >> _B40 & _LOW6)) & _ONE:
            chosen[count] = at
            count += 1
    return count


@compiled
def _keep(pad: Any, grams: Any, fold: bool, chosen: Any, count: int) -> int:  # noqa: FBT001
    kept = 0
    for i in range(count):
        at = chosen[i]
        chosen[kept] = at
        kept += _may_hold(grams, span_gram(pad, at) if fold else raw_gram(pad, at))
    return kept


@compiled
def sweep_spans(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int) -> int:
    """Spans, and raw ones in blocks that are not text."""
    chosen = work.chosen
    if tables.span_grams.room > 1:
        held = _collect_spans(pad, size, tables.spans.words, tables.spans.room, chosen)
        for i in range(_keep(pad, tables.span_grams, True, chosen, held)):
            count = _ask_span(pad, size, chosen[i], True, tables.span_grams, tables.span_shapes, tables.whole, hits, count)
    if tables.raw_grams.room <= 1:
        return count
    held = 0
    for block in range((size + 63) >> 6):
        if work.flags[block] & BINARY:
            base = PAD + (block << 6)
            held = _collect_raws(pad, base, min(base + 64, PAD + size - 7), tables.raws.words, tables.raws.room, chosen, held)
    for i in range(_keep(pad, tables.raw_grams, False, chosen, held)):
        count = _ask_span(pad, size, chosen[i], False, tables.raw_grams, tables.raw_shapes, tables.whole, hits, count)
    return count


@inlined
def start_of(pad: Any, end: int) -> int:
    """Where the word begins that ends before ``end``."""
    at = end
    while at > PAD and (pad[at - 1] >= 128 or 48 <= pad[at - 1] <= 57 or _letter(pad[at - 1])):
        at -= 1
    return at


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
    return _add(hits, count, kind, start_of(pad, work.ends[first]), end, form, 1.0, 0.0, end + 2)


@inlined
def _ask_weak(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    key = work.hashes[i]
    if _set(tables.words.words, tables.words.room, key ^ K2):
        place = place_of(tables.weak, key)
        while tables.weak.slots[place] != 0:
            if tables.weak.slots[place] == key:
                count = _ask_form(pad, tables, work, words, i, np.int64(tables.weak.slots[place + _ONE]), WEAK, hits, count)
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
            value = np.int64(tables.anchors.slots[place + _ONE])
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
    total = (value >> 48) << 2
    missing = np.int64(total * (1 - LEAST_SHARE))
    bits = straight = 0
    for at in range(length):
        word = tables.passage_words[begin + at]
        found = -1
        for step in range(5):
            j = first + at + ((step + 1) >> 1) * (1 if step & 1 else -1)
            if 3 <= j < words and (work.hashes[j] ^ word) >> _B32 == 0:
                straight += step == 0
                found = j
                break
        if found >= 0:
            bits += np.int64(word & _LOW32)
            low, high = min(low, found), max(high, found)
        else:
            missing -= np.int64(word & _LOW32)
            if missing < 0:
                return count
    if bits < LEAST_BITS * 16:
        return count
    needed = PAD + size + 48 if last >= words else work.ends[last] + 48
    work.seen[recent], work.seen[recent + 1] = begin, high
    share = 1.0 if straight == length else min(bits / total, 0.999)
    return _add(hits, count, TEXT, start_of(pad, work.ends[low]), work.ends[high], begin, share, bits / 16, needed)


@inlined
def _ask_gram(pad: Any, size: int, tables: Any, work: Any, words: int, i: int, skip: int, hits: Any, count: int) -> int:
    key = join(work.hashes[i], work.hashes[i - 1], work.hashes[i - 2 - skip])
    place = place_of(tables.grams, key)
    while tables.grams.slots[place] != 0:
        if tables.grams.slots[place] == key:
            count = _ask_passage(pad, size, tables, work, words, i, np.int64(tables.grams.slots[place + _ONE]), hits, count)
        place += _TWO
    return count


@compiled
def sweep_words(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int, all_weak: bool) -> int:  # noqa: FBT001
    """Texts, short identifiers, and weak ones behind a field's name (everywhere if ``all_weak``)."""
    work.hashes[:3] = 0
    work.ends[:3] = PAD
    before, words, done, texts, names = _U(0), 3, 3, 0, 0
    last = PAD + ((size >> 6) + 1) * 64
    for first in range(PAD, last, CHUNK):
        before, words = read_words(pad, first, min(first + CHUNK, last), before, work.ends, work.hashes, words)
        texts, names = _choose(tables, work.hashes, work.chosen, work.names, done, words, texts, names)
        done = words
    for at in range(names):
        count = _ask_anchor(pad, tables, work, words, work.names[at], hits, count)
    for at in range(texts):
        for skip in range(2):
            count = _ask_gram(pad, size, tables, work, words, work.chosen[at], skip, hits, count)
    work.seen[:] = 0
    if all_weak:
        for i in range(3, words):
            count = _ask_weak(pad, tables, work, words, i, hits, count)
    return count


@compiled
def sweep_all(pad: Any, size: int, tables: Any, work: Any, hits: Any, all_weak: bool, classified: bool) -> int:  # noqa: FBT001
    """Everything, in one call: handing sixty arrays over from Python takes 20 µs. How many hits there are, or would be with more room."""
    if not classified:
        classify(pad, size, work.flags)
    return sweep_words(pad, size, tables, work, hits, sweep_spans(pad, size, tables, work, hits, 0), all_weak)


@compiled
def needle_words(pad: Any, size: int, ends: Any, hashes: Any) -> int:
    """Ends and hashes of all words, for those that make needles; how many there are."""
    _, count = read_words(pad, PAD, PAD + ((size >> 6) + 1) * 64, _U(0), ends, hashes, 0)
    return int(count)


@compiled
def needle_grams(pad: Any, starts: Any, lengths: Any, fold: bool, grams: Any, wholes: Any, checks: Any) -> None:  # noqa: FBT001
    """Per needle its hash, its check, and its grams at the first offsets and, for spans, at the last ones."""
    for i in range(len(starts)):
        start, length = starts[i], lengths[i]
        checks[i] = check_of(pad, start, length)
        wholes[i] = hash_span(pad, start, length, fold)
        if fold:
            for step in range(STRIDE):
                grams[i, step] = span_gram(pad, start + step)
                grams[i, STRIDE + step] = span_gram(pad, start + length - SHORTEST + step)
        else:
            for step in range(RAW_STRIDE):
                grams[i, step] = raw_gram(pad, start + step)
