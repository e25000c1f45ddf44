"""What is done with single log files, as functions that any process can do: find lines, count them, write a file anew."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from expunge.errors import Drift
from expunge.stores.disk import spell
from expunge.stores.jsonl_files import lines, pieces
from expunge.stores.jsonl_match import UNREADABLE, Conditions, Get, carried, getter, leaf_getter, parse, text_in
from expunge.stores.jsonl_rewrite import Change, rewrite
from expunge.stores.jsonl_scan import Leaf, outermost, plain, scan
from expunge.terms import Located, Method, Selector, Step, Value, text_of

PAGE = 1000  # addresses in a batch of ``locate``
DIGEST = 16  # bytes: a chance meeting of two lines among 1e12 has odds of 1e-15
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """One file and what to look for in it; ``held`` are the digests of lines that are left out."""

    root: Path
    path: str
    selector: Selector
    held: frozenset[str]
    where: str
    carry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """What a file has: matching lines, whether it has any line that is JSON, and which of the fields asked for some line has."""

    pages: tuple[Located, ...]
    any_line: bool
    seen: frozenset[str]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a second reader counts in a file: lines, those that match, and those that are no JSON."""

    scanned: int
    live: int
    torn: int


@dataclass(frozen=True, slots=True, repr=False)
class Rewrite:
    """One file, and what to do to its lines of these digests. ``step`` has no addresses.

    ``file`` is how addresses name it; ``path`` is ``None`` if it is not there any more.
    """

    root: Path
    file: str
    path: str | None
    step: Step
    digests: frozenset[str]
    where: str


def find(looks: Sequence[Look]) -> list[Found]:
    """The matching lines of each file.

    Raises:
        StoreError: as ``JsonLines.locate``.
    """
    return [_find(look) for look in looks]


def count(looks: Sequence[Look]) -> list[Counted]:
    """The same by another reader; what is no JSON is searched as text.

    Raises:
        StoreError: as ``JsonLines.verify``.
    """
    return [_count(look) for look in looks]


def redo(work: Rewrite) -> frozenset[str]:
    """Write the file anew; which of the digests were in it.

    Raises:
        StoreError: as ``jsonl_rewrite.rewrite``.
    """
    seen: set[str] = set()
    if work.path is None:
        return frozenset(seen)
    change = _changer(work.step)

    def choose(line: bytes) -> bytes | None:
        digest = digest_of(line)
        if digest not in work.digests:
            return line
        seen.add(digest)
        return change(line)

    rewrite(work.root / work.path, choose, work.where)
    return frozenset(seen)


def records(root: Path, path: str, where: str) -> Iterator[tuple[Callable[[], str], Get]]:
    """Each line that is JSON: how to make its address, and how to read its fields.

    Raises:
        Drift: the file has lines, and none of them is JSON.
    """
    copies: Counter[str] = Counter()
    good = bad = 0
    for line in lines(root / path, where):
        if not line.strip():
            continue
        record = parse(line)
        if record is UNREADABLE:
            bad += 1
            continue
        good += 1
        yield _addresser(path, line, copies), getter(record)
    # One line alone may be the torn beginning of a log.
    if bad > 1 and not good:
        raise Drift("a file has no line that is JSON", where=where)


def digest_of(line: bytes) -> str:
    """What a line is known by."""
    return hashlib.blake2b(line, digest_size=DIGEST).hexdigest()


def key_of(address: str) -> tuple[str, str]:
    """The file and the digest of an address. All copies of one line in a file share their fate."""
    file, _, digest = address.rpartition("#")
    return file, digest.partition(".")[0]


def _find(look: Look) -> Found:
    conditions = Conditions.of(look.selector, look.where)
    unseen = asked = {*conditions.asked, *look.selector.present}
    found: list[tuple[str, tuple[Value | None, ...]]] = []
    any_line = False
    for address, get in records(look.root, look.path, look.where):
        any_line = True
        unseen = unseen and {name for name in unseen if next(get(name), UNREADABLE) is UNREADABLE}
        if conditions.hold(get) and key_of(address())[1] not in look.held:
            found.append((address(), tuple(carried(get(name)) for name in look.carry)))
    pages = (_located(found[start : start + PAGE], look.carry) for start in range(0, len(found), PAGE))
    return Found(tuple(pages), any_line, frozenset(asked - unseen))


def _count(look: Look) -> Counted:
    conditions = Conditions.of(look.selector, look.where)
    scanned = live = torn = 0
    for piece in pieces(look.root / look.path, look.where):
        if not piece.strip():
            continue
        scanned += 1
        if look.selector.nothing() or not conditions.perhaps(piece):
            continue
        leaves, whole = scan(text := text_in(piece))
        torn += not whole
        meant = conditions.hold(leaf_getter(leaves)) or (not whole and conditions.named_in(text))
        live += meant and digest_of(piece) not in look.held
    return Counted(scanned, live, torn)


def _changer(step: Step) -> Change:
    """What the step does to a line."""
    if step.method is Method.DELETE:
        return lambda _: None
    puts: dict[str, Value | None] = dict.fromkeys(map(plain, step.fields))
    puts |= {plain(name): value for name, value in step.repoint.items()} if step.method is Method.DECORRELATE else {}

    def change(line: bytes) -> bytes:
        text = text_in(line)
        parts, at = [], 0
        for leaf in outermost(scan(text)[0], puts):
            if leaf.value is not None:
                parts += [text[at : leaf.start], _spelled(puts[leaf.path], leaf)]
                at = leaf.end
        if not parts:
            return line
        mark = BOM if line.startswith(BOM) else b""
        return mark + "".join([*parts, text[at:]]).encode(errors="surrogateescape")

    return change


def _spelled(value: Value | None, leaf: Leaf) -> str:
    """A value as JSON, in the type that stood there where that was text."""
    if value is None:
        return "null"
    if isinstance(value, str | bool | int | float) and not isinstance(leaf.value, str):
        return json.dumps(value)
    return json.dumps(text_of(value))


def _addresser(path: str, line: bytes, copies: Counter[str]) -> Callable[[], str]:
    """Makes the line's address when it is asked for: most lines are nobody's whom we look for, and digests cost."""
    made: list[str] = []

    def address() -> str:
        if not made:
            digest = digest_of(line)
            copies[digest] += 1
            made.append(f"{spell(path)}#{digest}" + (f".{copies[digest]}" if copies[digest] > 1 else ""))
        return made[0]

    return address


def _located(page: Sequence[tuple[str, tuple[Value | None, ...]]], carry: Sequence[str]) -> Located:
    return Located(
        tuple(address for address, _ in page),
        {name: tuple(values[column] for _, values in page) for column, name in enumerate(carry)},
    )
