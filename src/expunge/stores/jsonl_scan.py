"""A reader of JSON text that knows where in the text each value stands, and goes as far as it can in text that is torn.

``locate`` parses with the standard library; ``verify`` and the rewriting of single values use this one, so the two readers can catch
each other's mistakes. Paths are dotted and pass through lists: in ``{"items": [{"id": 7}]}`` the 7 stands at ``items.id``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = "str | int | float | bool | None"

_TOKEN = re.compile(
    r'[ \t\r\n]*(?:([{}\[\],:])|("(?:[^"\\]|\\.)*")|(true|false|null|NaN|-?Infinity|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-]))',
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_HALF = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NAMED: dict[str, bool | None] = {"true": True, "false": False, "null": None}
DIGITS = 4000  # Python turns no longer text into a number; a longer one is kept as text, and compares as such
CONTAINER = object()
"""Stands for a list or an object, which is not compared with anything but is not null either."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value (a container is one as well): its path, where its text begins and ends, and what it is."""

    path: str
    start: int
    end: int
    value: object


@dataclass(slots=True)
class _Open:
    """A container that has not ended: its bracket, where it began, its own path, and the key that is being read."""

    bracket: str
    start: int
    path: tuple[str, ...]
    key: str | None = None

    def here(self) -> tuple[str, ...]:
        return self.path if self.key is None else (*self.path, self.key)


def scan(text: str) -> tuple[list[Leaf], bool]:
    """Every value that can be read from the left, and whether the text is one whole JSON value."""
    leaves: list[Leaf] = []
    stack: list[_Open] = []
    at = 0
    while found := _TOKEN.match(text, at):
        at = found.end()
        mark, string = found[1], found[2]
        top = stack[-1] if stack else None
        if mark in ("{", "["):
            stack.append(_Open(mark, found.start(1), top.here() if top else ()))
            continue
        if mark in ("}", "]"):
            if top is None or top.bracket + mark not in ("{}", "[]"):
                return leaves, False
            stack.pop()
            leaves.append(Leaf(".".join(top.path), top.start, at, CONTAINER))
        elif mark:
            if top is not None and mark == ",":
                top.key = None
        elif string and top and top.bracket == "{" and top.key is None:
            top.key = unescape(string)
        else:
            value = unescape(string) if string else number(found[3])
            leaves.append(Leaf(".".join(top.here() if top else ()), found.start(2 if string else 3), at, value))
        if not stack:
            return leaves, not text[at:].strip() and bool(leaves)
    return leaves, False


def outermost(leaves: list[Leaf], paths: Collection[str]) -> list[Leaf]:
    """The values at these paths that lie in no other such value, from left to right."""
    kept: list[Leaf] = []
    for leaf in sorted((one for one in leaves if one.path in paths), key=lambda one: (one.start, -one.end)):
        if not kept or leaf.start >= kept[-1].end:
            kept.append(leaf)
    return kept


def unescape(string: str) -> str:
    """What a JSON string (with its quotes) says."""
    inner = string[1:-1]
    if "\\" not in inner:
        return inner
    said = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _LETTERS.get(found[2], found[2]), inner)
    # Two escaped halves of one character become it; a half that stands alone stays.
    return said.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass") if _HALF.search(said) else said


def number(text: str) -> Scalar:
    """What a bare word says."""
    if text in _NAMED:
        return _NAMED[text]
    if text.removeprefix("-").isdigit():
        return int(text) if len(text) <= DIGITS else text
    return float(text.replace("Infinity", "inf"))


def plain(path: str) -> str:
    """A declared field as a path: ``items[].id`` is ``items.id``."""
    return path.replace("[]", "")
