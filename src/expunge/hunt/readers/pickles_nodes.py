"""What a pickle is made of, as inert values: nothing named in a pickle is ever imported, looked up or called.

Leaves are plain Python values (text, numbers, bytes, ``None``). Bytes of more than ``SMALL`` and texts of more than ``LONG`` are passed
over and remembered as a ``Lump``: where they lie, so that an array of any size costs nothing until it is given.
"""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import numpy as np

from expunge.hunt.readers.arrays_tables import Shaped
from expunge.hunt.readers.arrays_views import recoded, view

SMALL = 64
"""Bytes that are given as a row's value; more may be a file of its own and is given as a stream."""

LONG = 1 << 16
"""Bytes of a text that is given as a row's value."""


@dataclass(frozen=True, slots=True, repr=False)
class Lump:
    """Bytes that were passed over. ``coded`` says how they are written: as they are, as UTF-8 of Latin-1, or as Python escapes."""

    file: BinaryIO
    offset: int
    size: int
    coded: str = ""

    def open(self) -> BinaryIO:
        """The bytes, from their beginning; a text of Python escapes comes as UTF-8."""
        if self.coded == "latin-1":
            return _turned(self, "utf-8", "latin-1")
        if self.coded == "escapes":
            return _turned(self, "raw_unicode_escape", "utf-8")
        if self.coded == "escaped latin-1":
            return _turned(self, "raw_unicode_escape", "latin-1")
        return view(self.file, self.offset, self.size)

    @property
    def plain(self) -> bool:
        """Whether it lies there as it is, so that it can be sought."""
        return not self.coded

    def latin(self) -> Lump:
        """The same text, taken as bytes written one to a character (how protocols 0 to 2 write bytes)."""
        return Lump(self.file, self.offset, self.size, "escaped latin-1" if self.coded == "escapes" else "latin-1")


def _turned(lump: Lump, held: str, wanted: str) -> BinaryIO:
    decoder = codecs.getincrementaldecoder(held)("replace")

    def change(block: bytes, last: bool) -> bytes:  # noqa: FBT001 # the signature of codecs' incremental coders
        return decoder.decode(block, last).encode(wanted, "replace")

    return recoded(lambda: view(lump.file, lump.offset, lump.size), change)


@dataclass(frozen=True, slots=True, repr=False)
class Global:
    """Something that the pickle would import: ``module.name``, in the spelling of Python 3 and NumPy 1."""

    name: str


@dataclass(slots=True, repr=False, eq=False)
class Bag:
    """A list, tuple or set. Its items are kept only until they are told, or where what stands around it needs them (``kept``)."""

    items: list[Node] = field(default_factory=list["Node"])
    kept: bool = False
    told: bool = False


@dataclass(slots=True, repr=False, eq=False)
class Map:
    """A dictionary. Its pairs are kept only where what stands around it needs them; ``loose`` are those that came one by one."""

    pairs: dict[str, Node] = field(default_factory=dict[str, "Node"])
    kept: bool = False
    loose: list[Node] = field(default_factory=list["Node"])


@dataclass(slots=True, repr=False, eq=False)
class Array:
    """A NumPy array that was recognised: where its elements lie, and what it is called as far as that can be guessed."""

    shaped: Shaped
    source: bytes | Lump | list[Node]
    name: str
    told: bool = False

    def open(self) -> BinaryIO:
        """Its elements' bytes; an array of objects has none."""
        if isinstance(self.source, Lump):
            return self.source.open()
        return io.BytesIO(self.source if isinstance(self.source, bytes) else b"")


@dataclass(slots=True, repr=False, eq=False)
class Call:
    """What would be a call: the name of what would be called, and with what. ``array``: what it would have made, if that is one."""

    name: str
    args: list[Node] = field(default_factory=list["Node"])
    state: Node = None
    array: Array | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Persistent:
    """Something that lies outside the pickle, by what the pickle knows it as."""

    key: Node


class Spent:
    """What was told already, or is too large to be remembered."""


SPENT = Spent()

Node: TypeAlias = "str | int | float | bytes | Lump | Global | Bag | Map | Call | Persistent | Spent | None"

_CODE = re.compile(r"[?bBhHiIlLqQefdgFDGSUVOMmc]|[biufcSUVOMm]\d{1,8}")
_ORDERS = frozenset("<>=|")
_DEEP = 4  # types in types; nobody's are deeper


def canonical(module: str, name: str) -> str:
    """One spelling for what moved between versions of Python and NumPy."""
    for old, new in (("numpy._core", "numpy.core"), ("__builtin__", "builtins"), ("copy_reg", "copyreg")):
        if module == old or module.startswith(old + "."):
            module = new + module[len(old) :]
    return f"{module}.{name}"


def text(node: Node) -> str | None:
    """A node's text, also where Python 2 wrote it as bytes."""
    if isinstance(node, bytes):
        return node.decode("utf-8", "replace")
    return node if isinstance(node, str) else None


def raw(node: Node) -> bytes | Lump | None:
    """A node's bytes, also where it was taken for a text (Python 2 has one type for both)."""
    if isinstance(node, str):
        return node.encode("utf-8", "surrogatepass")
    return node if isinstance(node, bytes | Lump) else None


def shape_of(node: Node) -> tuple[int, ...] | None:
    """A tuple of whole numbers."""
    if isinstance(node, int):
        return (node,)
    if isinstance(node, Bag) and all(isinstance(one, int) for one in node.items):
        return tuple(one for one in node.items if isinstance(one, int))
    return None


def dtype_of(node: Node, depth: int = 0) -> np.dtype[np.generic] | None:
    """The element type that a pickled ``numpy.dtype`` describes; ``None`` if it isn't one."""
    if not isinstance(node, Call) or node.name != "numpy.dtype" or not node.args or depth > _DEEP:
        return None
    code = text(node.args[0])
    state = node.state.items if isinstance(node.state, Bag) else []
    if code is None or not _CODE.fullmatch(code):
        return None
    if len(state) > 5 and isinstance(state[3], Bag):  # noqa: PLR2004 # version, order, base, names, fields, size …
        return _record(state, depth)
    if len(state) > 2 and isinstance(state[2], Bag) and len(state[2].items) == 2:  # noqa: PLR2004 # (base, shape)
        base, shape = dtype_of(state[2].items[0], depth + 1), shape_of(state[2].items[1])
        return None if base is None or shape is None else np.dtype((base, shape))
    order = text(state[1]) if len(state) > 1 else None
    unit = _unit(state) if code[0] in "Mm" else ""
    made = np.dtype(code + unit)
    return made.newbyteorder("<" if order == "<" else ">") if order in {"<", ">"} else made


def _unit(state: list[Node]) -> str:
    """The unit of a time type, which lies in its metadata: ``(…, (unit, count, …))``."""
    last = state[-1] if state else None
    pair = last.items[-1] if isinstance(last, Bag) and last.items and isinstance(last.items[-1], Bag) else last
    unit = text(pair.items[0]) if isinstance(pair, Bag) and pair.items else None
    return f"[{unit}]" if unit in {"Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"} else "[ns]"


def _record(state: list[Node], depth: int) -> np.dtype[np.generic] | None:
    names, fields, size = state[3], state[4], state[5]
    if not isinstance(names, Bag) or not isinstance(fields, Map) or not isinstance(size, int) or not 0 < size < 1 << 24:
        return None
    formats: list[np.dtype[np.generic]] = []
    offsets: list[int] = []
    wanted = [text(one) or "" for one in names.items]
    for name in wanted:
        held = fields.pairs.get(name)
        items = held.items if isinstance(held, Bag) else []
        one = dtype_of(items[0], depth + 1) if len(items) > 1 else None
        if one is None or one.hasobject or not isinstance(items[1], int):
            return None
        formats.append(one)
        offsets.append(items[1])
    return np.dtype({"names": wanted, "formats": formats, "offsets": offsets, "itemsize": size})
