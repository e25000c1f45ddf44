"""Key templates: ``voice/{household_id}/{profile_id}/{clip_id}.wav`` says which objects a collection holds, and whose they are.

A placeholder stands for the text of one field and never crosses a ``/``; it may be empty, since a program that doesn't know the speaker
writes ``voice/12//a.wav`` and that clip is household 12's all the same. ``{name:int}`` (digits), ``{name:uuid}`` and ``{name:path}``
(crosses ``/``) narrow or widen it, where otherwise a key could be read in two ways. A key is read whole: never its prefix.

Everything here is pure. There are two readers of keys on purpose: ``readings`` (regular expressions) serves ``locate``, ``spellings``
(plain string search) serves ``verify``, and they share no code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from expunge.errors import Drift

PATTERNS: Mapping[str, str] = {
    # what a placeholder of each kind may stand for
    "segment": r"[^/]*",
    "int": r"[0-9]+",
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "path": r".*",
}
_UUID_GROUPS = (8, 4, 4, 4, 12)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[^\W\d][\w.]*")


@dataclass(frozen=True, slots=True)
class Slot:
    """One placeholder: the field that it stands for, and what kind of text it takes."""

    field: str
    kind: str

    def takes(self, text: str) -> bool:
        """Whether the text can stand here."""
        if self.kind == "int":
            return text.isascii() and text.isdigit()
        if self.kind == "uuid":
            groups = text.split("-")
            return tuple(map(len, groups)) == _UUID_GROUPS and set("".join(groups).lower()) <= set("0123456789abcdef")
        return self.kind == "path" or "/" not in text


@dataclass(frozen=True)
class Template:
    """A parsed template; ``parts`` are literals and slots in turn."""

    text: str
    parts: tuple[str | Slot, ...]

    @classmethod
    def parse(cls, text: str, *, where: str = "") -> Template:
        """Read a template.

        Raises:
            Drift: it can't be read, two of its placeholders touch, or one field has two kinds.
        """
        parts: list[str | Slot] = []
        for number, piece in enumerate(_PLACEHOLDER.split(text)):
            if number % 2:
                parts.append(_slot(piece, text, where))
            elif "{" in piece or "}" in piece:
                raise Drift(f"the braces of the key template {text!r} don't pair", where=where)
            elif piece:
                parts.append(piece)
        slots = {part for part in parts if isinstance(part, Slot)}
        if len({slot.field for slot in slots}) < len(slots):
            raise Drift(f"a field of the key template {text!r} has two kinds", where=where)
        if not slots:
            raise Drift(f"the key template {text!r} has no {{field}}", where=where)
        if any(isinstance(one, Slot) and isinstance(two, Slot) for one, two in pairwise(parts)):
            raise Drift(f"two fields of the key template {text!r} touch: nothing says where one ends", where=where)
        return cls(text, tuple(parts))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The placeholders' fields, each once, in order."""
        return tuple(dict.fromkeys(part.field for part in self.parts if isinstance(part, Slot)))

    def readings(self, key: str) -> tuple[dict[str, str], ...]:
        """Every way in which the whole key is one of this template's: none, one, or (where the template allows it) several."""
        greedy = self._greedy.fullmatch(key)
        if greedy is None:
            return ()
        first = dict(zip(self.fields, greedy.groups(), strict=True))
        if self._sure:
            return (first,)
        lazy = self._lazy.fullmatch(key)
        # The greedy and the lazy reading are the extremes: where they agree there is nothing between them.
        if lazy is None or lazy.groups() == greedy.groups():
            return (first,)
        return tuple(self.spellings(key))

    def spellings(self, key: str) -> Iterator[dict[str, str]]:
        """The same as ``readings``, found by plain search from left to right."""
        yield from self._spell(key, 0, 0, {})

    def prefixes(self, known: Mapping[str, Collection[str]], limit: int) -> tuple[str, ...]:
        """The narrowest set of at most ``limit`` prefixes under which every key lies whose fields have the known values.

        Sorted, none a prefix of another; empty if no key can have them.
        """
        heads = [""]
        for part in self.parts:
            if isinstance(part, str):
                heads = [head + part for head in heads]
                continue
            values = [value for value in known[part.field] if part.takes(value)] if part.field in known else None
            if values is None or len(heads) * len(values) > limit:
                break
            heads = [head + value for head in heads for value in values]
        return self.narrowest(heads)

    @staticmethod
    def narrowest(heads: Collection[str]) -> tuple[str, ...]:
        """The prefixes without those that lie under another, sorted."""
        kept: list[str] = []
        for head in sorted(heads):
            if not kept or not head.startswith(kept[-1]):
                kept.append(head)
        return tuple(kept)

    def meets(self, other: Template) -> bool:
        """Whether some key could belong to both (never a false no)."""
        ours, theirs = self._atoms, other._atoms
        seen, todo = {(0, 0)}, [(0, 0)]
        while todo:
            one, two = todo.pop()
            if one == len(ours) and two == len(theirs):
                return True
            for step in _steps(ours, theirs, one, two):
                if step not in seen:
                    seen.add(step)
                    todo.append(step)
        return False

    def _spell(self, key: str, at: int, part: int, bound: dict[str, str]) -> Iterator[dict[str, str]]:
        if part == len(self.parts):
            if at == len(key):
                yield dict(bound)
            return
        here = self.parts[part]
        if isinstance(here, str):
            if key.startswith(here, at):
                yield from self._spell(key, at + len(here), part + 1, bound)
            return
        for end in self._ends(key, at, part):
            text = key[at:end]
            if here.takes(text) and bound.get(here.field, text) == text:
                yield from self._spell(key, end, part + 1, {**bound, here.field: text})

    def _ends(self, key: str, at: int, part: int) -> Iterator[int]:
        """Where the slot that begins at ``at`` may end: at the end of the key, or wherever the next literal stands."""
        if part + 1 == len(self.parts):
            yield len(key)
            return
        literal = self.parts[part + 1]
        assert isinstance(literal, str), "slots never touch"
        end = key.find(literal, at)
        while end >= 0:
            yield end
            end = key.find(literal, end + 1)

    @cached_property
    def _greedy(self) -> re.Pattern[str]:
        return self._pattern("")

    @cached_property
    def _lazy(self) -> re.Pattern[str]:
        return self._pattern("?")

    def _pattern(self, mood: str) -> re.Pattern[str]:
        written: list[str] = []
        groups: dict[str, int] = {}
        for part in self.parts:
            if isinstance(part, str):
                written.append(re.escape(part))
            elif part.field in groups:
                written.append(f"(?:\\{groups[part.field]})")
            else:
                groups[part.field] = len(groups) + 1
                pattern = PATTERNS[part.kind]
                written.append(f"({pattern}{mood})" if pattern.endswith(("*", "+")) else f"({pattern})")
        return re.compile("".join(written), re.DOTALL)

    @cached_property
    def _sure(self) -> bool:
        """Whether no key can be read in two ways: at most one placeholder between two slashes."""
        slots = [part for part in self.parts if isinstance(part, Slot)]
        literals = "".join("{}" if isinstance(part, Slot) else part for part in self.parts)
        paths = any(slot.kind == "path" for slot in slots)
        return all(segment.count("{}") <= 1 for segment in literals.split("/")) and (not paths or len(slots) == 1)

    @cached_property
    def _atoms(self) -> tuple[tuple[str, bool], ...]:
        """The template as (a character or a class of characters, may repeat) one after another."""
        atoms: list[tuple[str, bool]] = []
        for part in self.parts:
            if isinstance(part, str):
                atoms += [(letter, False) for letter in part]
            elif part.kind == "uuid":
                atoms += [("-" if letter == "-" else "hex", False) for letter in "-".join("x" * size for size in _UUID_GROUPS)]
            elif part.kind == "int":
                atoms += [("int", False), ("int", True)]
            else:
                atoms.append((part.kind, True))
        return tuple(atoms)


def _slot(written: str, text: str, where: str) -> Slot:
    field, _, kind = written.partition(":")
    if not _NAME.fullmatch(field):
        raise Drift(f"the key template {text!r} has a placeholder that is no field's name", where=where)
    if (kind or "segment") not in PATTERNS:
        raise Drift(f"{{{written}}} in the key template {text!r}: after the colon stands one of int, path, uuid", where=where)
    return Slot(field, kind or "segment")


def _steps(ours: tuple[tuple[str, bool], ...], theirs: tuple[tuple[str, bool], ...], one: int, two: int) -> Iterator[tuple[int, int]]:
    """Where two templates, read side by side, can go from here: past something that repeats, or over a letter that both take."""
    mine = ours[one] if one < len(ours) else None
    yours = theirs[two] if two < len(theirs) else None
    if mine and mine[1]:
        yield one + 1, two
    if yours and yours[1]:
        yield one, two + 1
    if mine and yours and _share(mine[0], yours[0]):
        yield (one if mine[1] else one + 1), (two if yours[1] else two + 1)


def _share(one: str, two: str) -> bool:
    """Whether two letters or classes have a letter in common; all classes have the digits in common."""
    if len(one) > 1 and len(two) > 1:
        return True
    if len(one) == 1 and len(two) == 1:
        return one == two
    letter, kind = (one, two) if len(one) == 1 else (two, one)
    if kind == "hex":
        return letter in "0123456789abcdefABCDEF"
    return letter in "0123456789" if kind == "int" else kind == "path" or letter != "/"
