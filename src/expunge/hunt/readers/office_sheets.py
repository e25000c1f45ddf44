"""The sheets of a workbook (ECMA-376, part 1, 18.3): rows whose texts lie in a table of shared strings.

XML is parsed as it streams; a document that declares entities of its own is refused, because no office program writes any and a few of
them can be made to stand for gigabytes.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from expunge.hunt.pieces import Place, Rows, Unread, Why
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.columns import column_of
from expunge.hunt.readers.pickles_rows import Leaf, is_name
from expunge.hunt.reading import Opened

_BLOCK = 1 << 18
_ROWS = 4_096
_CELLS = 200_000  # of a batch, if rows are wide
_COLUMNS = 16_384  # of a sheet: Excel's own limit
_CELL = 1 << 20  # characters of a cell; Excel's own limit is 32,767
_SHARED = 256 << 20  # bytes of shared strings that are kept; of a larger workbook cells show only where their text lies


class _Reader:
    """Calls ``begin`` and ``end`` with the names of elements, without their namespaces, and gathers text between them."""

    def __init__(self, begin: Callable[[str, dict[str, str]], None], end: Callable[[str, str], None]) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._begin, self._end = begin, end
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._stop
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._refuse

    def feed(self, block: bytes) -> None:
        self._parser.Parse(block, not block)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._parts, self._length = [], 0
        self._begin(name.rsplit(":", 1)[-1], attributes)

    def _stop(self, name: str) -> None:
        text = "".join(self._parts)
        self._parts, self._length = [], 0
        self._end(name.rsplit(":", 1)[-1], text)

    def _text(self, text: str) -> None:
        if self._length < _CELL:
            self._parts.append(text)
            self._length += len(text)

    def _refuse(self, *_args: object) -> None:
        raise Damaged("an office document that declares entities")


def sheets(opened: Opened, archive: zipfile.ZipFile) -> Iterator[Rows]:
    """The rows of all sheets, each sheet a table; a first row of names gives the columns' names.

    Raises:
        Damaged, BadZipFile, ExpatError: the workbook can't be read on.
    """
    shared = _shared(opened, archive)
    for name, member in _sheets(archive):
        if member in archive.NameToInfo:
            yield from _rows(opened, archive, member, name, shared)


def _parsed(archive: zipfile.ZipFile, member: str, reader: _Reader) -> Iterator[None]:
    with archive.open(member) as file:
        while block := file.read(_BLOCK):
            reader.feed(block)
            yield
        reader.feed(b"")
        yield


def _shared(opened: Opened, archive: zipfile.ZipFile) -> list[str]:
    member = "xl/sharedStrings.xml"
    found: list[str] = []
    runs: list[str] = []
    held = 0

    def end(name: str, text: str) -> None:
        nonlocal held
        if name == "t":
            runs.append(text)
        elif name == "si":
            found.append("".join(runs))
            held += 64 + len(found[-1])
            runs.clear()

    if member in archive.NameToInfo:
        for _ in _parsed(archive, member, _Reader(lambda _name, _attributes: None, end)):
            if held > _SHARED:
                opened.account.unread.append(Unread(opened.place.inside(member), Why.TOO_LARGE, None, "which cell holds which text"))
                break
    return found


def _sheets(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """The sheets' names, and the members in which they lie."""
    named: list[tuple[str, str]] = []
    targets: dict[str, str] = {}

    def sheet(name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            key = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            named.append((attributes.get("name", ""), key))

    def relation(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    for member, begin in (("xl/workbook.xml", sheet), ("xl/_rels/workbook.xml.rels", relation)):
        if member in archive.NameToInfo:
            list(_parsed(archive, member, _Reader(begin, lambda _name, _text: None)))
    found = [(name, posixpath.normpath(posixpath.join("xl", targets.get(key, "")))) for name, key in named]
    known = {member for _, member in found}
    others = (one for one in archive.NameToInfo if one.startswith("xl/worksheets/sheet") and one not in known)
    return [*((name, member.lstrip("/")) for name, member in found), *((posixpath.basename(one), one) for one in others)]


@dataclass(slots=True)
class _Sheet:
    """A sheet as it is read: the rows that are complete, and the one that is being read."""

    shared: list[str]
    rows: list[tuple[str, dict[int, Leaf]]] = field(default_factory=list)
    row: dict[int, Leaf] = field(default_factory=dict)
    number: int = 0
    column: int = 0
    kind: str = ""
    texts: list[str] = field(default_factory=list)
    value: str = ""
    cells: int = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            given = attributes.get("r", "")
            self.number = int(given) if given.isdecimal() and len(given) < 10 else self.number + 1  # noqa: PLR2004 # Excel ends at 1,048,576
            self.row, self.column = {}, -1
        elif name == "c":
            self.column = _column(attributes.get("r", ""), self.column + 1)
            self.kind = attributes.get("t", "")
            self.texts, self.value = [], ""

    def end(self, name: str, text: str) -> None:
        if name == "v":
            self.value = text
        elif name == "t":
            self.texts.append(text)
        elif name == "c" and self.column < _COLUMNS:
            self.row[self.column] = self._held()
            self.cells += 1
        elif name == "row" and self.row:
            self.rows.append((str(self.number), self.row))

    def _held(self) -> Leaf:
        if self.kind == "s" and self.value.isdecimal() and len(self.value) < 10:  # noqa: PLR2004 # more strings than can be
            at = int(self.value)
            return self.shared[at] if at < len(self.shared) else None
        if self.kind in {"inlineStr", "str", "e", "d"}:
            return "".join(self.texts) or self.value
        return _number(self.value)


def _number(text: str) -> Leaf:
    if not text or len(text) > 32:  # noqa: PLR2004 # digits of a double
        return text or None
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text


def _column(reference: str, following: int) -> int:
    """``B12`` is column 1."""
    letters = reference.rstrip("0123456789")
    if not letters or len(letters) > 3 or not letters.isascii() or not letters.isalpha():  # noqa: PLR2004 # XFD is the last
        return following
    at = 0
    for letter in letters.upper():
        at = at * 26 + ord(letter) - 64
    return at - 1


def _rows(opened: Opened, archive: zipfile.ZipFile, member: str, name: str, shared: list[str]) -> Iterator[Rows]:
    sheet = _Sheet(shared)
    names: dict[int, str] | None = None
    first = 0
    place = opened.place.of(table=name or member)
    for _ in _parsed(archive, member, _Reader(sheet.begin, sheet.end)):
        if names is None and len(sheet.rows) > 1:
            names = _names(sheet.rows[0][1])
        if len(sheet.rows) >= _ROWS or sheet.cells >= _CELLS:
            yield _batch(place, sheet, names or {}, first)
            first += len(sheet.rows)
            sheet.rows, sheet.cells = [], 0
    if sheet.rows:
        yield _batch(place, sheet, names or {}, first)


def _names(row: dict[int, Leaf]) -> dict[int, str]:
    """The first row's texts, if they are all names and all different."""
    texts = [one for one in row.values() if is_name(one)]
    return {at: str(one) for at, one in row.items()} if len(texts) == len(row) == len(set(texts)) else {}


def _batch(place: Place, sheet: _Sheet, names: dict[int, str], first: int) -> Rows:
    used = sorted({at for _, row in sheet.rows for at in row})
    columns = {names.get(at, _letters(at)): column_of([row.get(at) for _, row in sheet.rows]) for at in used}
    return Rows(place, columns, len(sheet.rows), first, [number for number, _ in sheet.rows])


def _letters(at: int) -> str:
    letters = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
