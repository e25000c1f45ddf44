"""Rounds of the standing patrol: draw, look, say how sure one is, and open an incident for each place that names somebody erased.

Fingerprints die with their run, so a patrol has the tombstones only: keyed digests of identifiers. Of these, the people count whose request
was for everything and is not at work any more, unless they have signed up again since. Places in which the policy keeps records of those
erased are set aside.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from expunge.app.hunting import opened, sources
from expunge.app.library import Expunge
from expunge.erase.context import Rooms, Sight, look
from expunge.erase.recognise import Recognised
from expunge.erase.returned import own_records, signed_up_again
from expunge.errors import CopiesFound, Drift, InvalidRequest, KeyDestroyed, StoreError
from expunge.evidence.stones import Facts
from expunge.hunt.groups import Scanned
from expunge.hunt.listed import Listed
from expunge.hunt.patrol import Drawn, Frame, Shown, Unit, draw, judged, places
from expunge.hunt.patrol_tokens import Recogniser, Types
from expunge.hunt.pieces import Account, Place, Unread, Why
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import Shard, Source, scan_shard
from expunge.journal.patrols import Patrol, PatrolHit, Seen
from expunge.journal.records import OPEN_REQUESTS
from expunge.policy.model import Hunt
from expunge.stores.base import Scan
from expunge.stores.scan_rate import LimitedScan, Rate
from expunge.stores.values import key_text
from expunge.terms import Identifier, Json, Scope, Verb

TASK = "patrol"
"""The timetable's name of it."""

ROUND = "patrol:round"
"""The control that rounds of the timetable come to their end."""

LEASE = timedelta(hours=12)
"""How long a round of the timetable may take before another worker begins it too: a night, at the slowest rate that makes sense."""

CONFIDENCE = 0.95
FREE = "kept by the policy"

Watch = Callable[[int, int], None]
"""Told after each share of a round: objects looked at, objects drawn."""


def unwatched(done: int, of: int) -> None:
    """The watch that looks away."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round with what it found, and what earlier rounds found and is still there."""

    patrol: Patrol
    hits: tuple[PatrolHit, ...]

    @property
    def sentence(self) -> str:
        """What may be said, in one sentence."""
        return sentence(self.patrol.result)

    def as_json(self) -> Json:
        """For ``--json``. Places of hits may quote identifiers: this is for operators."""
        round_ = self.patrol
        return {
            "patrol": round_.id,
            "budget": round_.budget,
            "begun_at": round_.begun_at.isoformat(),
            "ended_at": round_.ended_at.isoformat() if round_.ended_at else None,
            "sentence": self.sentence,
            **round_.result,
            "hits_open": [hit_json(one) for one in self.hits],
        }


def hit_json(one: PatrolHit) -> Json:
    """A place for ``--json``."""
    return {
        "id": one.id,
        "patrol": one.patrol_id,
        "source": one.source,
        "place": one.place,
        "recognised": one.count,
        "as": dict(one.forms),
        "found_at": one.found_at.isoformat(),
    }


def sentence(result: Mapping[str, Json]) -> str:
    """The bound in words, with what could not be read: not scanned is never clean."""
    if not result:
        return "the round has not ended"
    objects, drawn, bound = (_whole(result[name]) for name in ("objects", "drawn", "fewer_than"))
    unread = result["not_scanned"]
    blind = _whole(unread["objects"]) if isinstance(unread, Mapping) else 0
    sure = f"{float(str(result['confidence'])):.0%}"
    what = "hold a recognisable identifier of an erased person"
    if bound > objects:
        said = f"nothing can be said with {sure} confidence: {drawn:,} of {objects:,} objects were within the budget"
    elif drawn == objects:
        said = f"{_whole(result['hits']):,} of {objects:,} objects {what}; all were looked at"
    else:
        said = f"with {sure} confidence fewer than {bound:,} of {objects:,} objects {what}; {drawn:,} were drawn"
    said += f", of which {blind:,} could not be read, or not whole, and count only with what could" if blind else ""
    sources_ = result["sources"]
    away = [name for name, one in sources_.items() if Why.UNREACHABLE.value in str(one)] if isinstance(sources_, Mapping) else []
    return said + (f"; of {', '.join(away)} nothing is known: not all of it could be listed" if away else "")


def patrol(library: Expunge, *, budget: int, confidence: float = CONFIDENCE, watch: Watch = unwatched) -> Round:
    """Do one round of at most ``budget`` bytes, or end one that was broken off. Only reads; what is found opens incidents.

    Raises:
        InvalidRequest: no bytes to read, or a confidence that is none.
        StoreError: a source can't be listed or reached; the round goes on where it was when it is called again.
        EvidenceError: the tombstones are not as they were laid.
    """
    if budget <= 0 or not 0 < confidence < 1:
        raise InvalidRequest("a patrol has a budget above 0 bytes, and a confidence between 0 and 1")
    rooms = library.rooms
    held = {one.name: one for one in sources(rooms.policy)}
    whom = _Erased(rooms)
    recogniser = Recogniser(Types.of(rooms.policy.catalog), whom.ask)
    round_, drawn, done = _begun(rooms, held, budget, confidence)
    shown = Shown()
    for raw in done.values():
        shown.add(raw)
    for page, (first, shards) in enumerate(drawn.batches(held), start=1):
        if page not in done:
            share = _seen(rooms, recogniser, shards, first)
            rooms.journal.put_patrol_page(round_, page, share.as_bytes())
            shown.add(share.as_bytes())
        watch(min(first + len(shards), len(drawn.units)), len(drawn.units))
    result = {**judged(drawn, shown, confidence), "read": _account(shown.account), "candidates": recogniser.asked}
    rooms.journal.end_patrol(round_, result, _kept(shown, drawn))
    _look_again(rooms, recogniser, held, round_)
    _tell(rooms)
    return Round(rooms.journal.patrol(round_.id), tuple(rooms.journal.patrol_hits()))


def rounds(library: Expunge) -> list[Patrol]:
    """All rounds so far, the oldest first."""
    return library.rooms.journal.patrols()


def schedule(library: Expunge, every: timedelta | None, *, budget: int, confidence: float = CONFIDENCE) -> None:
    """Put rounds on the timetable, ``every`` so often, or take them off it (``None``). Whoever calls ``due`` does them."""
    if every is None:
        library.rooms.journal.unschedule(TASK)
    else:
        library.rooms.journal.schedule(TASK, every, {"bytes": budget, "confidence": confidence})


def due(library: Expunge) -> Round | None:
    """Do the round that is due, if one is. A source that is away has an incident; the round goes on at its next time.

    Raises:
        EvidenceError: as ``patrol``.
    """
    journal = library.rooms.journal
    if not any(one.name == TASK and one.due <= library.rooms.clock.now() for one in journal.schedules()):
        return None
    taken = journal.claim_schedule(f"{socket.gethostname()}:{os.getpid()}", LEASE, name=TASK)
    if taken is None:
        return None
    payload = taken.payload if isinstance(taken.payload, Mapping) else {}
    done: Round | None = None
    try:
        done = patrol(library, budget=_whole(payload["bytes"]), confidence=float(str(payload["confidence"])))
        journal.passed(ROUND)
    except StoreError as fault:
        hunting = library.policy.hunt or Hunt()
        by = library.rooms.clock.now() + hunting.within
        journal.open_incident(fault.code, ROUND, owner=hunting.owner, due=by, note=f"a patrol's round could not be ended: {fault}")
    journal.finish_schedule(taken)
    return done


@dataclass(slots=True)
class _Erased:
    """Whom the tombstones name as erased with everything; looked up set-wise."""

    rooms: Rooms
    open_requests: dict[str, bool] = field(default_factory=dict[str, bool])
    sight: Sight | None = None

    def ask(self, asked: Collection[Identifier]) -> Collection[Identifier]:
        """Those of ``asked`` that count."""
        found = self.rooms.register.match(asked)
        whole = {one: facts for one, held in found.items() if (facts := [each for each in held if _everything(each)])}
        ids = {each.request_id for held in whole.values() for each in held} - self.open_requests.keys()
        known = {one.id: one for one in self.rooms.journal.requests(ids=ids)} if ids else {}
        self.open_requests |= {one: one in known and known[one].status in OPEN_REQUESTS for one in ids}
        whole = {one: held for one, held in whole.items() if not any(self.open_requests[each.request_id] for each in held)}
        return whole.keys() - self._back(whole)

    def _back(self, found: Mapping[Identifier, list[Facts]]) -> set[Identifier]:
        """Those who have signed up again since, by their key or by a further identity of theirs."""
        if not found:
            return set()
        self.sight = self.sight or look(self.rooms, Scope())
        kinds = self.rooms.policy.catalog.kinds
        people = {(kind.name, key_text(one.value)): held for one, held in found.items() for kind in kinds.values() if kind.key == one.type}
        own = own_records(self.rooms, self.sight, people)
        again = signed_up_again(self.rooms, Recognised(people), own)
        back = {one for one in found for kind in kinds.values() if kind.key == one.type and (kind.name, key_text(one.value)) in again}
        return back | {one for one in found if one in {each for person in again for each in own[person].identifiers if person in own}}


def _everything(facts: Facts) -> bool:
    return not facts.categories and facts.captured_before is None


def _begun(rooms: Rooms, held: Mapping[str, Source], budget: int, confidence: float) -> tuple[Patrol, Drawn, dict[int, bytes]]:
    """The round that was broken off, with what it has seen; or a new one."""
    for one in rooms.journal.patrols():
        if one.ended_at is None and one.budget == budget:
            try:
                pages = dict(rooms.journal.patrol_pages(one))
            except KeyDestroyed:
                continue
            drawn = Drawn.of(json.loads(pages.pop(0)))
            if {unit.source for unit in drawn.units} <= held.keys():
                return one, drawn, pages
    frame = Frame(secrets.token_bytes(32))
    for source in held.values():
        try:
            with closing(opened(source)) as scan:
                frame.take(source, scan.parts())
        except StoreError:  # nothing is known of how much there is: it is told, and no bound speaks of it
            frame.aside.setdefault(source.name, Counter())[Why.UNREACHABLE.value] += 1
    drawn = draw(frame, budget, confidence)
    return rooms.journal.begin_patrol(budget, json.dumps(drawn.as_json()).encode()), drawn, {}


def _seen(rooms: Rooms, recogniser: Recogniser, shards: Sequence[Shard], first: int) -> Shown:
    """Look at some objects; each source is opened once."""
    share = Shown()
    number = first
    hunting = rooms.policy.hunt or Hunt()
    for _, same in groupby(shards, key=lambda one: one.source.name):
        held = list(same)
        with closing(opened(held[0].source)) as scan:
            reading: Scan = scan if hunting.rate is None else LimitedScan(scan, Rate(hunting.rate))
            for shard in held:
                share.take(number, _unlisted(rooms, scan_shard(shard, reading, recogniser, Limits())))
                number += 1
    return share


def _unlisted(rooms: Rooms, scanned: Scanned) -> Scanned:
    """Without what the policy keeps of those erased."""
    catalog = rooms.policy.catalog
    keeping = [one.address for one in catalog.collections.values() if one.verb is Verb.KEEP]
    listed = Listed(catalog, keeping, {one.name: one.store for one in sources(rooms.policy) if one.store})
    kept = {key: group for key, group in scanned.groups.items() if not listed.keeps(group.place)}
    return Scanned(kept, scanned.account)


def _kept(shown: Shown, drawn: Drawn) -> list[Seen]:
    """What is kept of each place, with a part that leads to it."""
    parts = {(unit.source, unit.part.name): unit for unit in drawn.units}
    found = []
    for place, group in places(shown.groups).items():
        unit = parts[place.source, place.path or str(place.table)]
        # All of a table: the ranges are others the next time.
        part = unit.part if not unit.part.table else type(unit.part)(unit.part.name, table=True)
        count = len(group.rows) or len(group.prints)
        found.append(Seen(place.source, place.text, Unit(place.source, part).as_json(), dict(group.forms), count))
    return found


def _look_again(rooms: Rooms, recogniser: Recogniser, held: Mapping[str, Source], round_: Patrol) -> None:
    """Whether what earlier rounds found is still there. This is no part of the sample: the bound is not about it."""
    for one in rooms.journal.patrol_hits():
        if one.patrol_id == round_.id or not isinstance(one.part, Sequence) or one.source not in held:
            continue
        unit = Unit.of(one.part)
        scanned = _again(rooms, recogniser, held[one.source], unit)
        unread = [each for each in scanned.account.unread if each.why not in (Why.UNKNOWN, Why.GONE)]
        if one.place not in {place.text for place in places(scanned.groups.values())} and not unread:
            rooms.journal.patrol_hit_gone(one.id)
            rooms.journal.passed(one.control)


def _again(rooms: Rooms, recogniser: Recogniser, source: Source, unit: Unit) -> Scanned:
    try:
        with closing(opened(source)) as scan:
            return _unlisted(rooms, scan_shard(Shard(source, (unit.part,)), scan, recogniser, Limits()))
    except Drift:  # the folder or database is not there any more; what was in it isn't either
        return Scanned()
    except StoreError:
        away = Unread(Place(source.name), Why.UNREACHABLE)
        return Scanned(account=Account(unread=[away]))


def _tell(rooms: Rooms) -> None:
    """An incident for each place that names somebody."""
    hunting = rooms.policy.hunt or Hunt()
    due_at: datetime = rooms.clock.now() + hunting.within
    for one in rooms.journal.patrol_hits():
        note = f"{one.id}: the patrol recognised somebody erased in a place of {one.source}; `expunge hunt patrol --history` shows it"
        rooms.journal.open_incident(CopiesFound.code, one.control, store=one.source, owner=hunting.owner, due=due_at, note=note)


def _account(one: Account) -> Mapping[str, Json]:
    return {"streams": one.streams, "bytes": one.bytes, "unwrapped": one.unwrapped, "rows": one.rows, "formats": _counts(one.formats)}


def _counts(held: Mapping[str, int] | Iterable[str]) -> Mapping[str, Json]:
    return dict(sorted(Counter(held).items()))


def _whole(value: Json) -> int:
    return int(str(value))
