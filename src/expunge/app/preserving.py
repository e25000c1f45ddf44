"""Preserved copies: evidence that a member of a household seals before somebody erases it, unknown to the others.

People use deletion as a weapon. So a copy is listed to nobody but staff, files no request, and is told of in no receipt: all receipts say
alike that sealed evidence may be kept. It opens to two people of two roles, on an authority; every opening, and its end, is in the
evidence log, by the copy's own random id.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from expunge.app.holding import speaker
from expunge.app.library import Expunge
from expunge.erase.access import Reach, new_file
from expunge.erase.context import Rooms
from expunge.erase.plan import scope_json
from expunge.erase.preserved import log_word, path_of
from expunge.erase.subjects import SubjectRef
from expunge.errors import ApprovalNeeded, InvalidRequest, KeyDestroyed, KeyStoreError
from expunge.journal.desk import RUN_SPACE
from expunge.journal.preserved import Preserved
from expunge.keys.streaming import SealedWriter, unseal_chunks
from expunge.stores.values import key_text
from expunge.terms import Json, Scope


@dataclass(frozen=True, slots=True)
class Openers:
    """The two who open a copy, each ROLE:NAME, and on what authority; it names no person."""

    first: str
    second: str
    authority: str


def preserve(library: Expunge, subject: str, scope: Scope | None = None, *, until: datetime, because: str, by: str) -> Preserved:
    """Seal a copy of what the stores hold about a person or a household, until ``until`` (aware). Nothing else shows that it was made.

    ``by`` is who asks, as a subject: the person, or a member of the household.

    Raises:
        InvalidRequest: who asks is not one of them, or the end is not ahead or too far.
        UnknownSubject, PolicyError, StoreError: nothing was kept.
    """
    rooms = library.rooms
    now, longest = rooms.clock.now(), library.policy.holds.longest
    if not now < until <= now + longest:
        raise InvalidRequest(f"a copy is kept until a time ahead and within {longest.days} days (the policy's `holds.longest`)")
    reach = Reach.of(rooms, library.subject(subject), scope or Scope())
    _require_member(reach, library.subject(by))
    about: Json = {"subject": subject, "by": by, "because": because, "scope": scope_json(scope or Scope())}
    copy = rooms.journal.begin_preserved(about, until)
    path = path_of(rooms, copy)
    with suppress(FileExistsError):  # a file of that name is told by the next line
        path.parent.mkdir(mode=0o700, exist_ok=True)
    whole = False
    try:
        with new_file(path) as raw, SealedWriter(raw, _key(rooms, copy), bound_to=_bound(copy.id)) as sealed:
            reach.write(rooms, sealed)
        whole = True
    finally:
        if not whole:
            rooms.journal.end_preserved(copy.id)
    rooms.journal.preserved_whole(copy.id, {"file": path.name, "bytes": path.stat().st_size, "sha256": _digest(path)})
    return rooms.journal.preserved(copy.id)


def open_copy(library: Expunge, copy_id: str, to: Path, who: Openers) -> Preserved:
    """Write a copy's ZIP, in plain, into a new file (0600). The log says so first.

    Raises:
        ApprovalNeeded: the two are one person, or of one role.
        InvalidRequest: roles that may not, no authority, or the file can't be made.
        KeyDestroyed: it has ended.
        KeyStoreError: the sealed file was changed, or is gone.
        UnknownRequest: there is no such copy.
    """
    rooms, roles = library.rooms, library.policy.holds.open
    first, second = (speaker(one, roles, "open a preserved copy") for one in (who.first, who.second))
    if first.role == second.role or first.name.casefold() == second.name.casefold():
        raise ApprovalNeeded("a preserved copy is opened by two people of two roles", where=copy_id)
    if not who.authority.strip():
        raise InvalidRequest("on what authority is it opened? it stands in the log, and names no person", where=copy_id)
    copy = rooms.journal.preserved(copy_id)
    key = _key(rooms, copy)
    try:
        sealed = path_of(rooms, copy).open("rb")
    except OSError as fault:
        told = f"the sealed file can't be read: {os.strerror(fault.errno or 0)}"
        raise KeyStoreError(told, where=copy_id) from None
    with sealed, new_file(to) as raw:
        log_word(rooms, copy, "opened", {"authority": who.authority, "roles": sorted((first.role, second.role))})
        for piece in unseal_chunks(key, sealed, bound_to=_bound(copy.id)):
            raw.write(piece)
    return copy


def about(library: Expunge, copy_id: str) -> Mapping[str, Json]:
    """Whose a copy is, who asked and why: for those who open it.

    Raises:
        KeyDestroyed: it has ended.
        UnknownRequest: there is no such copy.
    """
    told = library.rooms.journal.preserved_about(copy_id)
    assert isinstance(told, Mapping)
    return told


def copies(library: Expunge) -> list[Preserved]:
    """All that were ever made; of whom is not told."""
    return library.rooms.journal.preserved_copies()


def as_json(copy: Preserved) -> Json:
    """A copy for staff: not whose it is."""
    return {
        "copy": copy.id,
        "kept_at": copy.kept_at.isoformat(),
        "until": copy.until.isoformat(),
        "ended_at": copy.ended_at.isoformat() if copy.ended_at else None,
        "bytes": copy.facts.get("bytes"),
        "sha256": copy.facts.get("sha256"),
    }


def _require_member(reach: Reach, who: SubjectRef) -> None:
    for one in reach.people.people:
        if one.kind == who.kind and any(
            each.type == who.identity and key_text(each.value) == key_text(who.value) for each in one.identifiers
        ):
            return
    raise InvalidRequest("a copy is asked for by the person, or by a member of the household that it is of")


def _key(rooms: Rooms, copy: Preserved) -> bytes:
    key = rooms.keys.stream_keys(RUN_SPACE, [copy.number]).get(copy.number)
    if key is None:
        raise KeyDestroyed("the copy was destroyed at its end", where=copy.id)
    return key


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bound(copy_id: str) -> bytes:
    return f"preserved/{copy_id}".encode()
