"""Publishes the training gate's epochs: what journal, register, policy and stores say, brought into static files.

Set-wise: one stream per purpose and matter, one pass over the register, arrays of numbers for people. Whoever is new in the stores is
*enrolled*: their key is read once, registered, and kept as hashes in the roster, which is all that later epochs need of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from expunge.app.gating_stones import Stones
from expunge.app.library import Expunge
from expunge.durable import make_folder
from expunge.erase.intake import numbers_of
from expunge.errors import Drift, InvalidRequest
from expunge.errors_gate import GateClosed
from expunge.evidence.files import create_once, locked, translated, write_durably
from expunge.evidence.signing import Signer
from expunge.gate.building import Facts, People, build
from expunge.gate.columns import hashes_of
from expunge.gate.epoch import STALE_AFTER, Epoch, Term
from expunge.gate.files import folder_of, read_note
from expunge.gate.keys import KEY_BYTES, Pass, halves
from expunge.gate.roster import ROW, Roster
from expunge.journal.records import RequestStatus
from expunge.policy.catalog import CollectionNote, FieldNote
from expunge.policy.matters import Matter, matters, needs_consent
from expunge.stores.base import Lister
from expunge.terms import Identifier, Value, text_of

ENROL_EVERY = timedelta(hours=1)
"""How often the stores are asked who is new: that reads every key, and who is not enrolled is refused, so nothing hangs on haste."""

_BATCH = 20_000
"""Keys enrolled at once: four queries of the registry, 2 MB."""

Numbers = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Published:
    """What a publishing did: the epoch, how many people were new, and how many are enrolled per kind."""

    epoch: Epoch
    enrolled: int
    people: Mapping[str, int]


class Publisher:
    """Publishes the epochs of one policy; used by one thread. Two at once wait for each other."""

    def __init__(self, library: Expunge) -> None:
        """Make the gate's key and pass beside the evidence, if they aren't there.

        Raises:
            EvidenceError, Full: they can't be read or written.
        """
        self._rooms = library.rooms
        evidence = library.policy.control.evidence
        self.home = evidence / "gate"
        with translated():
            make_folder(self.home, secret=True)
        self._key = create_once(self.home / "gate.key", os.urandom(KEY_BYTES))
        host = self._rooms.executor.key.name.rpartition("/")[0]
        self._signer = Signer.load_or_create(evidence / "signers" / "gate.key", f"{host}/gate")
        self._pass = Pass(self._key, self._signer.key)
        create_once(self.pass_file, self._pass.to_json())
        self._stones = Stones(self._rooms, self._key, self.home / "items.json")

    @property
    def pass_file(self) -> Path:
        """Where the pass lies that is handed to jobs."""
        return self.home / "pass.json"

    def publish(self, to: str | Path, *, enrol: bool = False) -> Published:
        """Publish what is true now into the folder ``to``; with ``enrol``, ask the stores first who is new, however short ago that was.

        Raises:
            StoreError, KeyStoreError, EvidenceError: nothing was published; the epoch before stays the newest.
            EpochUntrusted: what lies there is another gate's.
        """
        folder = folder_of(to)
        with locked(self.home / ".lock"):
            previous = None
            with suppress(GateClosed):
                previous = Epoch.verified(read_note(folder), self._signer.key)
            began = self._rooms.clock.now()
            enrolled = self._enrol_all() if enrol or self._is_due() else 0
            if enrolled:
                began = self._rooms.clock.now()
            facts = self._facts(began)
            with translated():
                epoch = build(folder, previous, facts, self._signer)
        return Published(epoch, enrolled, {kind: int(one.numbers.size) for kind, one in facts.people.items()})

    def publish_every(self, to: str | Path, every: timedelta) -> Iterator[Published]:
        """Publish again and again; an epoch begins ``every`` so often, or as soon as the one before is done."""
        while True:
            began = time.monotonic()
            yield self.publish(to)
            time.sleep(max(0.0, every.total_seconds() - (time.monotonic() - began)))

    def _is_due(self) -> bool:
        stamp = self.home / "enrolled"
        if not stamp.exists():
            return True
        last = datetime.fromisoformat(stamp.read_text(encoding="ascii"))
        return not timedelta(0) <= self._rooms.clock.now() - last < ENROL_EVERY

    def _enrol_all(self) -> int:
        began = self._rooms.clock.now()
        stoned = np.array(sorted({one.number for one in self._stones.all(self._rosters().values())}), np.uint32)
        count = sum(self._enrol(kind, stoned) for kind in self._rooms.policy.catalog.kinds)
        write_durably({self.home / "enrolled": began.isoformat().encode()})
        return count

    def _enrol(self, kind: str, stoned: Numbers) -> int:
        """Take in who is new among a kind's people, and who is back after an erasure; how many."""
        found = self._listed(kind)
        first = next(found, None)
        if first is None:
            return 0
        integers = all(type(one) is int for one in first)
        roster = Roster(self._roster_path(kind, integers=integers))
        count = self._take_in(kind, roster, first, stoned, integers=integers)
        for values in found:
            count += self._take_in(kind, roster, values, stoned, integers=integers)
        return count

    def _take_in(self, kind: str, roster: Roster, values: Sequence[Value], stoned: Numbers, *, integers: bool) -> int:
        if integers and any(type(one) is not int for one in values):
            raise Drift("the keys of one kind of people are whole numbers and texts", where=f"subjects.{kind}")
        texts = [text_of(one) for one in values]
        column = pa.array(values, pa.int64()) if integers else pa.array(texts, pa.string())
        hashes = hashes_of(column, halves(self._key, f"kind/{kind}"), integers=integers, name=kind)
        known = roster.numbers(hashes)
        asked = np.flatnonzero((known == 0) | np.isin(known, stoned))
        if not asked.size:
            return 0
        identity = self._rooms.policy.catalog.kinds[kind].key
        named = [Identifier(identity, texts[place]) for place in asked]
        numbers = np.array(self._rooms.journal.register(kind, [[one] for one in named]), np.uint32)
        fresh = np.flatnonzero(numbers != known[asked])
        rows = np.empty(fresh.size, ROW)
        rows["hash"], rows["number"] = hashes[asked[fresh]], numbers[fresh]
        rows["stone"] = [int.from_bytes(self._rooms.register.digest(named[place])[:8], "little") for place in fresh]
        with translated():
            roster.add(rows)
        return int(fresh.size)

    def _listed(self, kind: str) -> Iterator[list[Value]]:
        """The keys of a kind's people, as their own records in the stores give them.

        Raises:
            InvalidRequest: the store can't list them.
        """
        for note, field in _homes(self._rooms.policy.catalog.collections, self._rooms.policy.catalog.kinds[kind].key):
            store = self._rooms.stores[note.store]
            if not isinstance(store, Lister):
                raise InvalidRequest("its store can't list whom it holds", where=note.address)
            for values in store.distinct(note.name, field.name):
                source = iter(values)
                while some := list(islice(source, _BATCH)):
                    yield some

    def _rosters(self) -> dict[str, Roster]:
        return {kind: Roster(self._path_of(kind)) for kind in self._rooms.policy.catalog.kinds}

    def _path_of(self, kind: str) -> Path:
        whole = self._roster_path(kind, integers=True)
        return whole if whole.exists() else self._roster_path(kind, integers=False)

    def _roster_path(self, kind: str, *, integers: bool) -> Path:
        return self.home / f"{kind}.{'integers' if integers else 'texts'}"

    def _facts(self, began: datetime) -> Facts:
        """Everything that an epoch says; whatever was true at ``began`` is in it."""
        rooms, policy = self._rooms, self._rooms.policy
        rosters = self._rosters()
        people = {
            kind: People(policy.catalog.kinds[kind].key, self._path_of(kind).suffix == ".integers", *_both(roster))
            for kind, roster in rosters.items()
        }
        consents = rooms.journal.consent_epoch()
        stones = self._stones.all(rosters.values())
        highest = max(rooms.journal.highest_subject(), *(one.number for one in stones), 0)
        agreed, template = self._agreed(people, highest + 1, began)
        erasing = {*rooms.journal.all_being_erased(), *numbers_of(rooms.journal.requests(status=RequestStatus.HELD))}
        held = erasing & set(rooms.journal.all_held(began))
        return Facts(
            published_at=began,
            policy=policy.digest,
            register=rooms.register.size,
            consents=consents,
            highest=highest,
            people=people,
            agreed=agreed,
            template=template,
            hidden=_sorted(erasing - held),
            held=_sorted(held),
            terms=tuple(
                Term(one.of, one.purpose, one.category, None if one.keep is None else one.keep.total_seconds()) for one in policy.terms
            ),
            templates=tuple(policy.family.templates),
            stones=stones,
        )

    def _agreed(self, people: Mapping[str, People], limit: int, began: datetime) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
        """By purpose, who may be used for it, and whose voiceprints and face templates."""
        policy = self._rooms.policy
        agreed, template = {}, {}
        for purpose in policy.purposes:
            said = self._said(str(Matter(purpose)), limit, began)
            said_template = self._said(str(Matter(purpose, template=True)), limit, began)
            plain, prints = np.zeros(limit, np.bool_), np.zeros(limit, np.bool_)
            for kind, one in people.items():
                asked = needs_consent(policy, kind, purpose)
                apart = asked and Matter(purpose, template=True) in matters(policy, kind)
                plain[one.numbers] = _admitted(said, one.numbers, asked=asked)
                prints[one.numbers] = _admitted(said_template, one.numbers, asked=True) if apart else plain[one.numbers]
            agreed[purpose], template[purpose] = (np.flatnonzero(one).astype(np.uint32) for one in (plain, prints))
        return agreed, template

    def _said(self, matter: str, limit: int, began: datetime) -> tuple[Flags, Flags]:
        """Who said yes to a matter, and whose last word is a no, by number. A yes that ends before the epoch does is none."""
        given, against = np.zeros(limit, np.bool_), np.zeros(limit, np.bool_)
        for word in self._rooms.journal.words_on(matter, began + STALE_AFTER):
            if word.subject < limit:
                given[word.subject], against[word.subject] = word.given, word.objects
        return given, against


def _admitted(said: tuple[Flags, Flags], numbers: Numbers, *, asked: bool) -> Flags:
    """Where a yes is asked for: who gave it. Elsewhere: who has not said no."""
    given, against = said
    chosen: Flags = given[numbers] if asked else ~against[numbers]
    return chosen


def _homes(collections: Mapping[str, CollectionNote], identity: str) -> list[tuple[CollectionNote, FieldNote]]:
    return [(note, one) for note in collections.values() for one in note.fields.values() if one.identity == identity]


def _both(roster: Roster) -> tuple[npt.NDArray[np.uint64], Numbers]:
    rows = roster.rows()
    return np.ascontiguousarray(rows["hash"]), np.ascontiguousarray(rows["number"])


def _sorted(numbers: set[int]) -> Numbers:
    return np.array(sorted(numbers), np.uint32)
