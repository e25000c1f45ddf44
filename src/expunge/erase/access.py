"""Access requests: what the listed stores hold about one subject, as a ZIP that a person can open and read (GDPR 15, 20; 16 CFR 312.6).

The same resolve and walk as an erasure, reading instead of erasing. Records that another person also owns are in it; what is declared to
be the other person's part is not. The ZIP has ``index.html`` to read, ``data/<store>.<collection>.json`` for machines, ``files/`` for
recordings and videos, and ``files.json`` that says which record of ``data/`` (by its place) each of these is the content of. It is written
beside its final name and gets that name when whole; a file that is there already is never touched.
"""

from __future__ import annotations

import errno
import html
import io
import json
import os
import re
import secrets
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO
from urllib.parse import quote

from expunge.erase.context import Rooms, Sight, look
from expunge.erase.extent import extent
from expunge.erase.held import shown
from expunge.erase.intake import nobody_known
from expunge.erase.plan import scope_json
from expunge.erase.subjects import Resolved, SubjectRef, resolve
from expunge.erase.walk import Rows, Walked, walk
from expunge.errors import InvalidRequest, UnknownSubject
from expunge.journal.records import Filing, RequestStatus
from expunge.policy.catalog import CollectionNote
from expunge.policy.ownership import Ownership, Via
from expunge.stores.base import Reader
from expunge.terms import Json, Record, Scope, Value

READ_AT_ONCE = 500
"""Records read per call: a media record may be megabytes, so few at a time; 500 rows are one key batch."""

SHOWN = 200
"""Rows of a table shown in the page; the JSON has all."""

BETWEEN_PARTS = re.compile(r"[/\\]")
"""Both separators: what is one name where the archive was written must not be a way up where it is unpacked."""

NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f:\ud800-\udfff]")
"""Control characters (a NUL ends a name early), a drive letter's colon, and what has no form in UTF-8."""

NO_LINKS_HERE = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""How a file system without hard links (FAT, some shares) refuses one."""


@dataclass(frozen=True, slots=True)
class Export:
    """The file that was written and what is in it."""

    path: Path
    request_id: str
    records: Mapping[str, int]
    files: int
    unreadable: tuple[str, ...]


def export(rooms: Rooms, ref: SubjectRef, scope: Scope, to: Path) -> Export:
    """Write the ZIP. Stores that can't be read for an export are named in it, never left out silently.

    Raises:
        UnknownSubject: no store knows the person.
        InvalidRequest: the file can't be written there, or there is one; in the second case nothing was read.
        StoreError: a store could not be reached; no file is left.
    """
    if os.path.lexists(to):
        raise InvalidRequest("there is a file of this name already; it was left as it is", where=str(to))
    reach = Reach.of(rooms, ref, scope)
    request, number = _file(rooms, reach.people, ref, scope)
    with new_file(to) as raw:
        written = reach.write(rooms, raw, _holds_shown(rooms, number))
    rooms.journal.set_request_status([request], RequestStatus.CLOSED)
    return Export(to, request, *written)


@dataclass(frozen=True, slots=True)
class Reach:
    """What an export is of: the people, and per collection the places of their records."""

    sight: Sight
    people: Resolved
    walked: Walked
    chosen: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, rooms: Rooms, ref: SubjectRef, scope: Scope) -> Reach:
        """Find them.

        Raises:
            UnknownSubject: no store knows the person.
            PolicyError, StoreError: as ``look`` and ``walk``.
        """
        sight = look(rooms, scope)
        people = resolve(rooms.policy.catalog, sight.held, rooms.stores, [ref])
        if not people.people:
            raise UnknownSubject(nobody_known(rooms, sight, [ref]))
        walked = walk(rooms.policy.catalog, sight.held, rooms.stores, people)
        reach = extent(rooms.policy.catalog, sight.held, walked, {}, sight.plan)
        chosen = {name: sorted(found | reach.fields.get(name, frozenset())) for name, found in {**reach.fields, **reach.going}.items()}
        return cls(sight, people, walked, chosen)

    def write(self, rooms: Rooms, raw: IO[bytes] | io.RawIOBase, holds: Sequence[Json] = ()) -> tuple[dict[str, int], int, tuple[str, ...]]:
        """The ZIP, into ``raw``: records per collection, files, and what could not be read. ``holds`` are told in it.

        Raises:
            StoreError: a store could not be reached; what was written is of no use.
        """
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
            return _fill(rooms, self.sight, self.walked, self.chosen, archive, holds)


@contextmanager
def new_file(to: Path) -> Iterator[BinaryIO]:
    """A file under a random name beside ``to``, which gets that name when the block has ended well, and is gone otherwise.

    Raises:
        InvalidRequest: it can't be written, or there is one by now.
    """
    part = to.with_name(f".{secrets.token_hex(8)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as raw:
                yield raw
            _give_name(part, to)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidRequest(f"the file can't be written: {error.strerror}", where=str(to)) from None


def _give_name(part: Path, to: Path) -> None:
    """Not a rename, which would take the place of a file that has come in between; where there are no hard links, a look must do."""
    try:
        os.link(part, to)
    except OSError as error:
        if error.errno not in NO_LINKS_HERE:
            raise
        if os.path.lexists(to):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        part.rename(to)


def _file(rooms: Rooms, people: Resolved, ref: SubjectRef, scope: Scope) -> tuple[str, int]:
    """An access request is a request too: who asked for whom, and when, stays in the journal."""
    main = next(one for one in people.people if one.kind == ref.kind)
    (number,) = rooms.journal.register(main.kind, [main.identifiers])
    (request,) = rooms.journal.file([Filing("access", number, main.kind, scope_json(scope), "data subject", "proven by the caller")])
    return request.id, number


def _holds_shown(rooms: Rooms, number: int) -> list[Json]:
    """The holds on a person that they are told of: those that stand, and that no gag hides."""
    now = rooms.clock.now()
    return [shown(one) for one in rooms.journal.holds(number) if one.stands(now) and not one.gagged(now)]


def _fill(
    rooms: Rooms, sight: Sight, walked: Walked, places: Mapping[str, Sequence[int]], archive: zipfile.ZipFile, holds: Sequence[Json]
) -> tuple[dict[str, int], int, tuple[str, ...]]:
    counts: dict[str, int] = {}
    sections: list[str] = []
    unreadable: list[str] = []
    files = _Files()
    for address, rows in walked.rows.items():
        chosen = places.get(address, ())
        if not chosen:
            continue
        note = rooms.policy.catalog.collections[address]
        store = rooms.stores[note.store]
        if not isinstance(store, Reader):
            unreadable.append(address)
            continue
        hidden = _others_parts(note, sight.held, walked, rows)
        meant = _meant(sight, note)
        shown: list[Mapping[str, Json]] = []
        for record, place in _records(store, note, rows, chosen):
            if record.body is not None:
                archive.writestr(files.name(address, len(shown), record), record.body)
            shown.append(
                {
                    name: value
                    for name, value in record.fields.items()
                    if name not in hidden.get(place, ()) and name in (meant or record.fields)
                }
            )
        counts[address] = len(shown)
        archive.writestr(f"data/{address}.json", _bytes(json.dumps(shown, ensure_ascii=False, indent=1)))
        sections.append(_section(address, shown, files.named.get(address, {})))
    archive.writestr("files.json", _bytes(json.dumps(files.named, ensure_ascii=False, indent=1)))
    if holds:
        archive.writestr("holds.json", _bytes(json.dumps(holds, ensure_ascii=False, indent=1)))
        sections.append(_section("holds: what we must keep, and until when", [dict(one) for one in holds if isinstance(one, Mapping)], {}))
    archive.writestr("index.html", _bytes(_page(rooms.policy.controller.name, sections, unreadable)))
    return counts, len(files.taken), tuple(unreadable)


def _bytes(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which has no form in it, as its escape."""
    return text.encode("utf-8", "backslashreplace")


def _meant(sight: Sight, note: CollectionNote) -> frozenset[str]:
    """The fields that a question for a data category means, with the record's key; none: the whole record."""
    named = {name for act in sight.plan.acts_on(note.address) if act.what == "fields" for name in act.fields}
    return frozenset(named | {one.name for one in note.fields.values() if one.primary_key}) if named else frozenset()


def _records(store: Reader, note: CollectionNote, rows: Rows, chosen: Sequence[int]) -> Iterator[tuple[Record, int]]:
    for start in range(0, len(chosen), READ_AT_ONCE):
        part = chosen[start : start + READ_AT_ONCE]
        for record in store.read(note.name, [rows.addresses[place] for place in part]):
            yield record, rows.places[record.address]


def _others_parts(note: CollectionNote, held: Ownership, walked: Walked, rows: Rows) -> dict[int, set[str]]:
    """Per record the fields that are declared to be the part of an owner who is not the one that asks."""
    parts: dict[str, set[str]] = {}
    for one in note.fields.values():
        if one.part_of is not None:
            parts.setdefault(one.part_of, set()).add(one.name)
    hidden: dict[int, set[str]] = {}
    for edge in held.into(note.address):
        if edge.via is not Via.FROM or edge.owned_field not in parts:
            continue
        own: set[Value] = {value for value in walked.rows[edge.owner].column(edge.owner_field) if value is not None}
        for place, value in enumerate(rows.column(edge.owned_field)):
            if value not in own:
                hidden.setdefault(place, set()).update(parts[edge.owned_field])
    return hidden


@dataclass(slots=True)
class _Files:
    """The names that we gave to files in the archive, by collection and by the record's place: no field of a record is ever one of them."""

    named: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    taken: set[str] = field(default_factory=set[str])

    def name(self, address: str, place: int, record: Record) -> str:
        """A name inside the archive: the object's own, without any way up, and none twice, whatever the system does with case."""
        words = BETWEEN_PARTS.split(record.filename or record.address)
        parts = [NOT_IN_A_NAME.sub("_", word) for word in words if word.strip(". ")] or ["unnamed"]
        first = path = PurePosixPath("files", address, *parts)
        again = 1
        while str(path).casefold() in self.taken:
            again += 1
            path = first.with_name(f"{first.stem} ({again}){first.suffix}")
        self.taken.add(str(path).casefold())
        self.named.setdefault(address, {})[place] = str(path)
        return str(path)


def _section(address: str, records: Sequence[Mapping[str, Json]], files: Mapping[int, str]) -> str:
    columns = list(dict.fromkeys(name for record in records for name in record))
    head = ("<th>in this archive</th>" if files else "") + "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    links = [f"<td>{_link(files.get(place))}</td>" if files else "" for place in range(min(len(records), SHOWN))]
    body = "".join(f"<tr>{link}{_cells(record, columns)}</tr>" for link, record in zip(links, records[:SHOWN], strict=True))
    more = f"<p>{len(records) - SHOWN} more in data/{html.escape(address)}.json</p>" if len(records) > SHOWN else ""
    return f"<h2>{html.escape(address)} <small>{len(records)}</small></h2><div><table><tr>{head}</tr>{body}</table></div>{more}"


def _link(name: str | None) -> str:
    """A link to a file that we named; quoted, since a ``#``, ``?``, ``%`` or blank of a name is not the URL's."""
    return f'<a href="{html.escape(quote(name))}">{html.escape(name.rpartition("/")[2])}</a>' if name else ""


def _cells(record: Mapping[str, Json], columns: Sequence[str]) -> str:
    """A record's fields: whatever they hold is text."""
    cells = []
    for name in columns:
        value = record.get(name)
        text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        cells.append(f"<td>{html.escape(text)}</td>")
    return "".join(cells)


def _page(controller: str, sections: Sequence[str], unreadable: Sequence[str]) -> str:
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color-scheme:light dark}"
        "div{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}th,td{text-align:left;padding:.25rem .6rem;"
        "border-bottom:1px solid #8884;vertical-align:top}small{color:#888}"
    )
    left_out = f"<p>Held too, and not readable here: {html.escape(', '.join(unreadable))}.</p>" if unreadable else ""
    title = html.escape(f"What {controller} holds about you")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{style}</style><h1>{title}</h1>"
        f"<p>Every record in the stores that {html.escape(controller)} lists. The same as JSON is in the folder <i>data</i>, "
        f"recordings and pictures are in <i>files</i>; <i>files.json</i> tells of which record each is.</p>"
        f"{left_out}{''.join(sections)}</html>"
    )
