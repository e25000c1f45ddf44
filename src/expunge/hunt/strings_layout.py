"""One sweep over bytes for all needles at once: the kernels, and nothing that decides.

Two filters are asked, each a bitmap in which a key sets two bits of one 64-bit word (Putze, Sanders, Singler: Cache-, hash- and
space-efficient Bloom filters, 2007), sized to stay in the second-level cache:

- *Spans* (identifiers of twelve bytes and more, wherever they lie): every fifth position's eight bytes, folded. Each needle has its grams
  of five neighbouring offsets in the table, so exactly one of them falls on a position that is asked.
- *Words* (texts, short identifiers): each word is hashed once, from its last eight bytes and its length; then the word itself, it and its
  two predecessors, and it, its predecessor and its third predecessor are asked for. The last survives a replaced or inserted word.
- *Raw* (digests, UUIDs as 16 bytes): every second position, and only where bytes are not text.

What passes a filter is looked up in a table that knows 32 bits of each key, and what is found there is compared as a whole, by a 64-bit
hash of the span or word by word. All positions are those of a *pad*: bytes preceded by ``PAD`` and followed by ``TAIL`` line feeds, so
that no load leaves it.
"""

# ruff: noqa: PLR2004 - numbers are bytes and bits
from __future__ import annotations

import itertools
from collections.abc import Iterator
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
WINDOWS = 3
"""Places in a span where the five grams may lie that stand for it: its beginning, its middle or its end, wherever they are rarest."""
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
PLACE_BITS, TOLD_BITS = 5, 5
"""Bits of a word's place in a passage (of at most 32 words), and of what it tells (at most 15.5 bits, in halves)."""
RECENT = 1024
"""Passages whose last sighting is remembered, so that each of a passage's grams doesn't tell it again."""
MORE = 0x8000
"""Says of a span's shape that another one of the same gram comes behind it."""
LEAD = 40
"""Words that belong to nothing before the first one, so that the places of a passage's first words exist."""
INSIDE, BEGUN, WORDS, CHOSEN, NAMES, BEFORE, ASKED, FOUND = range(8)
"""Where a reader of words is: in a word, begun there; words, chosen ones and names so far; whether the last is known; up to which word
weak identifiers were asked for; how many these are."""
KNOWN = 1 << 17
"""Bytes that know words."""
CONTEXT = 0xFFFFFF
"""A form's number that stands for a word of a field's name (``profile``), after which weak identifiers are looked for."""

_U = np.uint64
_ONE, _SIX, _LOW6 = _U(1), _U(6), _U(63)
_B21, _B32, _B45, _B47 = _U(21), _U(32), _U(45), _U(47)
_LOW32, _TAGGED = _U(0xFFFFFFFF), _U(0x100000000)


class Table(NamedTuple):
    """Values of 32 bits behind 32 bits of their key (never 0), at the first free place from ``key * room`` on (open addressing).

    The place and these bits tell some 50 bits of the key: what a table confuses is told apart by what its value stands for.
    """

    slots: Longs
    room: np.uint64


class Filter(NamedTuple):
    """A bitmap of ``room`` 64-bit words; a key's is ``key * room``."""

    words: Longs
    room: np.uint64


class Tables(NamedTuple):
    """Everything that a sweep asks, for one group of needles."""

    known: Bytes  # 2**19 times two bits by hash: words that are in any text, and those by which identifiers or fields are known
    words: Filter  # grams of texts
    grams: Table  # of passages: the gram's last word in the passage, and where the passage begins << PLACE_BITS
    least: np.float64  # bits of a passage below which nobody wants to see it
    passages: npt.NDArray[np.uint32]  # of each its number of words and their bits in halves << 8, then the words that tell most first:
    # the place of each, its bits in halves << PLACE_BITS, and the upper bits of its hash
    anchors: Table  # of words: form and place, shifted by 8; CONTEXT for words of fields' names
    firsts: Filter  # first words of weak identifiers
    weak: Table  # of first words: form
    form_first: Ints
    form_words: Longs
    form_wholes: Longs
    spans: Filter
    span_grams: Table  # the first of the gram's shapes
    span_shapes: npt.NDArray[np.int64]  # length (and MORE), place of the gram in the span << 16, and the checks of such spans << 32
    raws: Filter
    raw_grams: Table  # length, and place of the gram << 16
    whole: Table  # of whole spans and raws: a number that stands for all needles that are equal
    whole_keys: Longs


class Work(NamedTuple):
    """Arrays that a sweep writes: sized by ``work_for`` and used again and again."""

    ends: Ints
    hashes: Longs
    found: Longs  # INSIDE and so on
    asked: Ints  # words or positions of a chunk at which something may be: at most at every second byte
    shapes: Ints  # shapes of the spans that may be there
    chosen: Ints  # words that end a gram of a text << 1, and whether it is one that skips a word
    flags: Bytes
    names: Ints  # words by which identifiers or fields are known
    places: Ints  # words at which a passage was listed, with room for LISTED_MOST
    passages: npt.NDArray[np.uint32]
    seen: Ints  # passages that were last seen, and up to which word


class Hit(NamedTuple):
    """One of ``Hits``."""

    kind: int
    start: int
    end: int
    ref: int
    share: float
    bits: float
    needed: int


class Hits(NamedTuple):
    """What was seen, in the order in which it was."""

    kind: Bytes
    start: Ints
    end: Ints
    ref: Ints
    share: npt.NDArray[np.float32]
    bits: npt.NDArray[np.float32]
    needed: Ints  # where the bytes end that had to be there to decide

    def first(self, count: int) -> Iterator[Hit]:
        """The first ones, as Python's own numbers: taking these one by one from arrays takes longer than judging them."""
        return itertools.starmap(Hit, zip(*(column[:count].tolist() for column in self), strict=True)) if count else iter(())


@inlined
def place_of(table: Any, key: Any) -> Any:
    """Where to begin to look for a key."""
    return ((key >> _B32) * table.room) >> _B32


@inlined
def tag_of(key: Any) -> Any:
    """The bits of a key that are in its slot, from bit 32 on."""
    return ((key << _B21) & ~_LOW32) | _TAGGED


@inlined
def is_of(slot: Any, tag: Any) -> Any:
    """Whether a slot is of the key that has this tag."""
    return (slot ^ tag) <= _LOW32


@inlined
def value_of(slot: Any) -> int:
    """What a slot holds."""
    return signed(slot & _LOW32)


@inlined
def find(table: Any, key: Any) -> int:
    """The first value of a key, or -1."""
    place, tag = place_of(table, key), tag_of(key)
    while table.slots[place] != 0:
        if is_of(table.slots[place], tag):
            return value_of(table.slots[place])
        place += _ONE
    return -1


@compiled
def put_all(slots: Any, room: Any, keys: Any, values: Any) -> bool:
    """Fill an empty table; whether there was room behind for what its last places can't hold."""
    table = Table(slots, room)
    for i in range(len(keys)):
        place = place_of(table, keys[i])
        while slots[place] != 0:
            place += _ONE
        if place + _ONE >= len(slots):
            return False
        slots[place] = tag_of(keys[i]) | _U(values[i])
    return True


@inlined
def is_set(words: Any, room: Any, key: Any) -> Any:
    """One if both of a word key's bits are set in a bitmap."""
    word = words[((key >> _B32) * room) >> _B32]
    return (word >> (key & _LOW6)) & (word >> ((key >> _SIX) & _LOW6)) & _ONE


@inlined
def told_of(known: Any, word: Any) -> Any:
    """Two bits: whether a word is in a text (1), and whether it names an identifier or a field (2)."""
    return (_U(known[word >> _B47]) >> (((word >> _B45) & _U(3)) << _ONE)) & _U(3)


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
