"""One sweep over bytes for all needles at once: the kernels, and nothing that decides.

Two filters are asked, each a bitmap in which a key sets two bits of one 64-bit word (Putze, Sanders, Singler: Cache-, hash- and
space-efficient Bloom filters, 2007), sized to stay in the second-level cache:

- *Spans* (identifiers of twelve bytes and more, wherever they lie): every fifth position's eight bytes, folded. Each needle has its grams
  of five neighbouring offsets in the table, so exactly one of them falls on a position that is asked.
- *Words* (texts, short identifiers): each word is hashed once, from its last eight bytes and its length; then the word itself, it and its
  two predecessors, and it, its predecessor and its third predecessor are asked for. The last survives a replaced or inserted word.
- *Raw* (digests, UUIDs as 16 bytes): every second position, and only where bytes are not text.

What passes a filter is looked up in an exact table, and what is found there is compared as a whole, by a 64-bit hash of the span or word by
word. All positions are those of a *pad*: bytes preceded by ``PAD`` and followed by ``TAIL`` line feeds, so that no load leaves it.
"""

# ruff: noqa: PLR2004 - numbers are bytes and bits
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from expunge.hunt.strings_compile import compiled, inlined, signed

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int32]

PAD, TAIL = 64, 192

GRAM, STRIDE = 8, 5
"""Bytes of a span's gram and positions between two that are asked: together the shortest span, 12."""
SHORTEST = GRAM + STRIDE - 1
RAW_STRIDE = 2
RAW_SHORTEST = 8 + RAW_STRIDE - 1

SPAN, RAW, FORM, WEAK, TEXT = range(5)
"""Kinds of hits."""
ESCAPED, HEX, BASE64, WIDE, BINARY = 1, 2, 4, 8, 16
"""What a block of 64 bytes shows, so that it is decoded or searched for raw needles."""

CHUNK = 32 << 10
"""Bytes whose words are hashed before they are asked for: their hashes are still in the caches."""
REACH = 320
"""Words before and behind one that may be looked at: an identifier of 512 bytes has at most 256."""
LISTED_MOST = 1 << 16
"""Passages listed in one chunk: its words can't be in more than some thousand unless each is in dozens of passages."""
RECENT = 1024
"""Passages whose last sighting is remembered, so that each of a passage's grams doesn't tell it again."""
LISTED = 0x8000
"""Says of a value of ``span_grams`` that it is a list of shapes."""
CONTEXT = 0xFFFFFF
"""A form's number that stands for a word of a field's name (``profile``), after which weak identifiers are looked for."""

_U = np.uint64
_ONE, _TWO, _SIX, _LOW6 = _U(1), _U(2), _U(6), _U(63)
_B32, _B45, _B47 = _U(32), _U(45), _U(47)


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

    known: Bytes  # 2**19 times two bits by hash: words that are in any text, and those by which identifiers or fields are known
    words: Filter  # grams of texts, and first words of weak identifiers
    grams: Table  # of passages: place of the gram's last word, words << 8, first word's place << 16, bits in halves << 48
    least: np.float64  # bits of a passage below which nobody wants to see it
    passage_words: npt.NDArray[np.uint32]  # per word 27 bits of its hash, and its bits of information in halves
    anchors: Table  # of words: form and place, shifted by 8; CONTEXT for words of fields' names
    weak: Table  # of first words: form
    form_first: Ints
    form_words: Longs
    form_wholes: Longs
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
    names: Ints  # words by which identifiers or fields are known
    places: Ints  # words at which a passage was listed, with room for LISTED_MOST
    passages: npt.NDArray[np.int64]
    touched: npt.NDArray[np.uint32]
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
            return signed(table.slots[place + _ONE])
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
def is_set(words: Any, room: Any, key: Any) -> Any:
    """One if both of a word key's bits are set in a bitmap."""
    word = words[((key >> _B32) * room) >> _B32]
    return (word >> (key & _LOW6)) & (word >> ((key >> _SIX) & _LOW6)) & _ONE


@inlined
def may_hold(table: Any, key: Any) -> Any:
    """Whether a key is at its first or second place, or may be farther: most that a filter lets pass in vain end here."""
    place = place_of(table, key)
    here = table.slots[place]
    return (here == key) | ((here != 0) & (table.slots[place + _TWO] != 0))


@inlined
def told_of(known: Any, word: Any) -> int:
    """Two bits: whether a word is in a text (1), and whether it names an identifier or a field (2)."""
    return signed(known[word >> _B47] >> np.uint8(((word >> _B45) & _U(3)) << _ONE)) & 3


@inlined
def add_hit(hits: Any, count: int, kind: int, start: int, end: int, ref: int, share: float, bits: float, needed: int) -> int:
    """Write a hit if there is room; the count with it."""
    if count < len(hits.kind):
        hits.kind[count], hits.start[count], hits.end[count], hits.ref[count] = kind, start, end, ref
        hits.share[count], hits.bits[count], hits.needed[count] = share, bits, needed
    return count + 1


@inlined
def start_of(pad: Any, end: int) -> int:
    """Where the word begins that ends before ``end``."""
    at = end
    while at > PAD:
        byte = pad[at - 1]
        if byte >= 128:
            lead, second = pad[at - 3], pad[at - 2]
            if second == 0xC2 or (lead == 0xE2 and second in (0x80, 0x81)) or (lead == 0xE3 and second == 0x80):
                break
        elif not (48 <= byte <= 57 or 97 <= (byte | 32) <= 122):
            break
        at -= 1
    return at
