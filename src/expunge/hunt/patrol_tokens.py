"""What of a piece may be somebody's identifier: the candidates that a register of keyed digests can be asked about.

A digest knows an identifier only by its exact text, so this is what a patrol can recognise, and no more:

- mail addresses, UUIDs (as written, and in lower case with and without dashes), telephone numbers written ``+155512345678``,
  words of 12 to 64 letters, digits, ``-`` and ``_`` with a letter and a digit, and numbers of 15 digits or more: wherever they stand in
  text or in a column;
- whatever stands in a field of which the name says that it holds this type of identifier (``profile_id`` in a column, in JSON, in a
  query, in a path ``/profiles/17``). Outside a path, a name that does not say that it
  is an identifier (``profile``) counts from three characters on: ``household: 4`` is a number of people.

Names, addresses, sentences, recordings and places are not among it, nor what is cut up, hashed or encoded otherwise than a reader opens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias
from uuid import UUID

import numpy as np

from expunge.hunt.families import Matchers
from expunge.hunt.pieces import Blob, Numbers, Piece, Place, Rows, Texts
from expunge.hunt.prints import Kind, Sighting, Tier
from expunge.hunt.strings_fields import GENERIC, fits, parts_of
from expunge.policy.catalog import Catalog
from expunge.terms import Identifier

Candidate: TypeAlias = tuple[tuple[str, str], str]
"""A type and a text, and how it stands there. Plain tuples: a dense log has some ten thousand in a megabyte."""

Ask: TypeAlias = Callable[[Collection[Identifier]], Collection[Identifier]]
"""Which of these the register knows to be erased."""

SURE = frozenset({"id", "ids", "key", "uuid", "guid", "ref", "fk", "pk", "no", "nr"})
"""Words by which a field says that it identifies."""

LEAST_UNSURE = 3
"""Characters of a value in a field whose name doesn't: numbers below 100 are counts, ages and scores as often as keys."""

LONGEST_CELL = 128
"""Bytes of a cell that may be a key; longer ones are read as text."""

SHORTEST = 6
"""Bytes of a word that may be an identifier by itself (``a@b.de``), or a field's name in bytes that are no text."""

EDGE = 512
"""Bytes within which a window is cut back to a word's end: a half-read identifier would be another one. Half of these overlap anyway."""

REMEMBERED = 2_000_000
"""Candidates that are known to be nobody's, kept so that they are asked about once (about 300 MB)."""

_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-@") | frozenset(range(128, 256))
_BINARY = bytes(one if one in _KEPT and one < 128 else 32 for one in range(256))  # noqa: PLR2004  # ASCII
_WORDS = bytes(one if one in _KEPT else 32 for one in range(256))
_MAIL = re.compile(rb"([A-Za-z0-9._%+\-\x80-\xff]{1,64})(?:@|%40)([A-Za-z0-9\-\x80-\xff]{1,63}(?:\.[A-Za-z0-9\-\x80-\xff]{1,63}){1,8})")
_UUID = re.compile(rb"[0-9A-Fa-f]{8}(-?)[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{12}")
_LONG = re.compile(rb"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[0-9A-Za-z_\-]{12,64}|[0-9]{15,64}|\+[0-9]{8,15}")
_VALUE = re.compile(rb"\\?[\"'`\]]{0,2}\s{0,3}(?:=>|:=|==|[:=>/])\s{0,3}([\[({]?)\s{0,3}\\?[\"'`]?([0-9A-Za-z_.@+\-\x80-\xff]{1,128})")
_NEXT = re.compile(rb"\\?[\"'`]?\s{0,3},\s{0,3}\\?[\"'`]?([0-9A-Za-z_.@+\-\x80-\xff]{1,128})")
_POINTS = re.compile(rb"[.%]")
_NAME = re.compile(r"[A-Za-z][\w.\-]{0,79}", re.ASCII)
_LONGER = frozenset(bytes([one]) for one in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-@")
_INSIDE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True)
class Types:
    """The identifier types of a policy, and the names of the fields that it says hold each."""

    fields: Mapping[str, frozenset[str]]
    _stems: re.Pattern[str] = field(init=False)
    _known: dict[str, tuple[tuple[str, bool], ...]] = field(default_factory=dict[str, tuple[tuple[str, bool], ...]])

    def __post_init__(self) -> None:
        """What a name must have in it to be looked at closer: most words of a text are none."""
        stems = {word.removesuffix("y") for type_, held in self.fields.items() for name in (type_, *held) for word in parts_of(name)}
        told = sorted(stems - SURE) or sorted(self.fields)
        object.__setattr__(self, "_stems", re.compile("|".join(map(re.escape, told)), re.IGNORECASE))

    @classmethod
    def of(cls, catalog: Catalog) -> Types:
        """Those that a policy declares."""
        named: dict[str, set[str]] = {name: {name} for kind in catalog.kinds.values() for name in (kind.key, *kind.identities)}
        for note in catalog.collections.values():
            for one in note.fields.values():
                own = one.name.rpartition(".")[2].lower()
                pointed = (catalog.collections.get(reference.to) for reference in one.references)
                targets = zip(pointed, one.references, strict=True)
                told = [to.fields[reference.to_field].identity for to, reference in targets if to and reference.to_field in to.fields]
                for type_ in (one.identity, *told):
                    # "id" is the key of every table: only in its own one does it say whose.
                    if type_ in named and own not in SURE:
                        named[type_].add(own)
        return cls({name: frozenset(held) for name, held in named.items()})

    def named(self, name: str) -> tuple[tuple[str, bool], ...]:
        """The types that a field of this name may hold, and whether its name says that it identifies."""
        if not self._stems.search(name):
            return ()
        found = self._known.get(name)
        if found is None:
            found = self._fitting(name) if _NAME.fullmatch(name) else ()
            if len(self._known) < REMEMBERED:
                self._known[name] = found
        return found

    def _fitting(self, name: str) -> tuple[tuple[str, bool], ...]:
        own = name.rpartition(".")[2].lower()
        words = parts_of(name)
        sure = bool(SURE & set(words)) or any(word.endswith("id") and len(word) > 4 for word in words)  # noqa: PLR2004  # "kid" isn't one
        return tuple((type_, sure) for type_, held in self.fields.items() if own in held or fits(name, f"{type_}\t"))


class Candidates:
    """Finds the candidates of a piece. One is an identifier and how it stands there."""

    def __init__(self, types: Types) -> None:
        """Under the types of a policy."""
        self._types = types

    def of_text(self, content: bytes) -> Iterator[Candidate]:
        """Those in text, each at least once."""
        binary = b"\0" in content
        words = set(content.translate(_BINARY if binary else _WORDS).split())
        for word in words:
            if len(word) < SHORTEST and (binary or not word.isalpha()):
                continue
            if len(word) >= SHORTEST:
                yield from self._anywhere(word)
            plain = word.decode("ascii", "replace") if len(word) <= 80 else ""  # noqa: PLR2004  # as _NAME
            types = self._types.named(plain) if plain else ()
            if types:
                yield from self._behind(content, word, types)

    def of_column(self, name: str, column: Texts | Numbers) -> Iterator[Candidate]:
        """Those in a column."""
        types = self._types.named(name)
        if isinstance(column, Numbers):
            yield from self._numbers(column, types)
            return
        held = column.buffer.tobytes()
        edges = column.offsets.tolist()
        cells = {held[start:end] for start, end in pairwise(edges) if end > start}
        if types:
            for cell in cells:
                if len(cell) <= LONGEST_CELL:
                    yield from _in_field(cell.strip(), types, "in a column of its name")
        yield from self.of_text(b"\n".join(cells))

    def _numbers(self, column: Numbers, types: tuple[tuple[str, bool], ...]) -> Iterator[Candidate]:
        values = column.values if column.missing is None else column.values[~column.missing]
        if values.dtype.kind not in "iuf" or not len(values):
            return
        if values.dtype.kind == "f":  # keys with a null among them come as floats
            values = values[np.isfinite(values.astype(np.float64))].astype(np.float64)
            values = values[(values == np.trunc(values)) & (np.abs(values) < 2.0**53)].astype(np.int64)
        for value in np.unique(values).tolist():
            text = b"%d" % value
            yield from _in_field(text, types, "in a column of its name") if types else self._anywhere(text)

    def _anywhere(self, word: bytes) -> Iterator[Candidate]:
        if b"@" in word or b"%40" in word:
            for found in _MAIL.finditer(word):
                yield from self._all(_mails(found[1], found[2]), "mail address")
            return
        pieces = _POINTS.split(word.strip(b".%"))  # of a file's name its ending, of a number its fraction
        for one in pieces:
            if _UUID.fullmatch(one):
                yield from self._all(_uuids(one.decode()), "UUID")
            elif _LONG.fullmatch(one) and (len(pieces) == 1 or not one.isdigit()):
                yield from self._all([one.decode()], "as written")

    def _all(self, texts: Iterable[str], how: str) -> Iterator[Candidate]:
        for text in texts:
            for type_ in self._types.fields:
                yield (type_, text), how

    def _behind(self, content: bytes, name: bytes, types: tuple[tuple[str, bool], ...]) -> Iterator[Candidate]:
        """What stands behind a field's name, wherever it stands."""
        seen: set[tuple[bytes, bool]] = set()
        at = content.find(name)
        while at >= 0:
            behind = at + len(name)
            found = _VALUE.match(content, behind) if not (at and content[at - 1] in _INSIDE) else None
            if found is not None and not _is_prose(content, at, behind) and content[found.end() : found.end() + 1] not in _LONGER:
                in_path = content[behind : behind + 1] == b"/"
                seen.add((found[2], in_path))
                more = _NEXT.match(content, found.end()) if found[1] else None
                while more is not None:
                    seen.add((more[1], False))
                    more = _NEXT.match(content, more.end())
            at = content.find(name, behind)
        for value, in_path in seen:
            named = [(type_, sure or in_path) for type_, sure in types]
            yield from _in_field(value.rstrip(b"."), named, "in a field of its name")


def _is_prose(content: bytes, start: int, end: int) -> bool:
    """``and/or``: before a slash a name counts only inside a path."""
    return content[end : end + 1] == b"/" and content[max(start - 1, 0) : start] != b"/"


def _in_field(value: bytes, types: Iterable[tuple[str, bool]], how: str) -> Iterator[Candidate]:
    text = value.decode("utf-8", "replace")
    # Stores that hold keys as floats write 17.0.
    whole = text.removesuffix(".0")
    for type_, sure in types:
        if sure or len(whole) >= LEAST_UNSURE:
            for one in dict.fromkeys((text, whole, *(_uuids(text) if _UUID.fullmatch(value) else ()))):
                yield (type_, one), how


def _mails(local: bytes, domain: bytes) -> Iterable[str]:
    found: dict[str, None] = {}
    for one in (local, local.lstrip(b"'._%+-")):
        if one:
            text = f"{one.decode('utf-8', 'replace')}@{domain.rstrip(b'-').decode('utf-8', 'replace')}"
            found |= dict.fromkeys((text, text.lower()))
    return found


def _uuids(text: str) -> Iterable[str]:
    dashed = str(UUID(text))
    plain = dashed.replace("-", "")
    return dict.fromkeys((text, dashed, plain))


class Recogniser(Matchers):
    """Looks for people whom the register knows, in place of a run's matchers."""

    def __init__(self, types: Types, ask: Ask) -> None:
        """``ask`` is asked once about each candidate, set-wise."""
        super().__init__({})
        self._candidates = Candidates(types)
        self._ask = ask
        self._nobody: set[tuple[str, str]] = set()
        self._people: dict[tuple[str, str], int] = {}
        self.asked = 0

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """The erased people whom the piece names. ``Sighting.print`` numbers them; what they are called is not kept."""
        if isinstance(piece, Rows):
            for name, column in piece.columns.items():
                if isinstance(column, Texts | Numbers):
                    whole = f"{piece.place.table}_{name}" if name.lower() in GENERIC else name  # profiles.id is a profile's id
                    yield from self._seen(self._candidates.of_column(whole, column), piece.place.of(column=name))
        elif isinstance(piece, Blob) and not piece.opaque:
            yield from self._seen(self._candidates.of_text(_whole_words(piece)), piece.place)

    def _seen(self, found: Iterable[Candidate], place: Place) -> Iterator[Sighting]:
        held: dict[tuple[str, str], str] = {}
        for one, how in found:
            if one not in self._nobody:
                held.setdefault(one, how)
        unknown = [one for one in held if one not in self._people]
        known = {(one.type, one.value) for one in self._ask([Identifier(*one) for one in unknown])} if unknown else set()
        self.asked += len(unknown)
        if len(self._nobody) > REMEMBERED:
            self._nobody.clear()
        self._nobody.update(one for one in unknown if one not in known)
        for one, how in held.items():
            if one in known or one in self._people:
                number = self._people.setdefault(one, len(self._people))
                yield Sighting(place, Kind.IDENTIFIER, Tier.FOUND, 0, number, 1.0, f"{one[0]}, {how}")


def _whole_words(piece: Blob) -> bytes:
    """A window without the words that its edges cut."""
    content = bytes(piece.data)
    start, end = 0, len(content)
    if piece.overlap:
        while start < min(EDGE, end) and content[start] in _KEPT:
            start += 1
    if not piece.last:
        while end > max(len(content) - EDGE, start) and content[end - 1] in _KEPT:
            end -= 1
    return content[start:end]
