"""What a run did, as statements to be signed: one for the run with what each store showed, one small one per request. Pure.

No personal data: requests are named by their own random ids and a salted commitment. Fields that differ between two runs that did the same
are listed under ``volatile``; without them the statements of an interrupted and an uninterrupted run are equal (``same_content``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from expunge.journal.records import Request, Run, StepRow
from expunge.policy.catalog import Catalog, StoreNote
from expunge.terms import Json, Level, Verb

VOLATILE = (
    "about",
    "beyond",
    "commitment",
    "filed_at",
    "id",
    "late",
    "pending_until",
    "run",
    "scanned",
    "set_aside",
    "statement_digest",
    "times",
    "log_index",
)
"""Names of fields, at any depth, that two runs that did the same may differ in."""

UNLISTED = {
    False: "places that the policy does not list: none of them was looked at",
    True: "places outside the listed stores and those that the hunt was pointed at; and what lay in them in a form it does not recognise",
}
"""What a receipt can't know of unlisted copies, without and with a hunt."""

OUT_OF_SCOPE = (
    "copies that recipients, service providers or staff hold outside the listed stores",
    "backups, replicas, snapshots and write-ahead logs beyond what a store's row says",
    "what was learned from the data: models, aggregates and reports",
    "free space of the storage media below the file system",
    "records and sealed evidence that may be kept under a hold that this receipt does not describe",
    "keyed digests of the erased identifiers (tombstones), kept so that a restored copy is recognised and refused",
)
"""What a receipt can't know or does not say; never empty (DESIGN.md, "Evidence", and decisions 3 and 9)."""

STAYS = "records stay: the level speaks only of what was nulled or re-pointed in them, not of their other columns and references"
"""Said of every collection in which something was done to records that are still there, so that a level is not read as more than it is."""

REDACTED = (
    "records stay, without what is declared about the person and without every field that names them; "
    "the level does not speak of columns declared as not personal"
)
"""Said instead where records were redacted whole, and nothing else was done in their collection."""

HUNT: Json = {"scanned": [], "not_scanned": "everything outside the stores listed", "hits": None}
"""No place outside the listed stores was searched: said as such, never as a clean result."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one collection showed, before and after.

    ``before`` is the independent count: ``located``, plus or minus what the verifier's path saw otherwise than the walk. ``late`` records
    came after locating and were erased too; ``beyond`` came then and are not what a narrow request means, so they stay.
    """

    collection: str
    methods: tuple[str, ...]
    located: int
    before: int
    scanned: int
    after: int
    history: int | None
    clears_at: str | None
    note: str
    reclaimed: str
    kept: int
    basis: str | None
    late: int
    beyond: int

    def level(self) -> Level:
        """How far gone it is, never higher than verified."""
        if self.history is None:
            return Level.UNVERIFIABLE
        return Level.ABSENT if self.history == 0 else Level.LOGICAL


def outcomes(catalog: Catalog, steps: Sequence[StepRow]) -> list[Outcome]:
    """The outcome of every collection that the plan touches, in order of address."""
    located = _result(steps, "locate")
    done = {f"{step.store}.{step.collection}": step for step in steps if step.kind == "after"}
    return [_outcome(catalog, address, steps, located) for address in sorted({*done, *_mapping(located.get("kept"))})]


def _outcome(catalog: Catalog, address: str, steps: Sequence[StepRow], located: Mapping[str, Json]) -> Outcome:
    store = address.split(".", 1)[0]
    before = _mapping(_result(steps, f"before:{address}").get("targets"))
    result = _result(steps, f"after:{address}")
    after = _mapping(result.get("targets"))
    reclaimed = _mapping(_mapping(_result(steps, f"reclaim:{store}").get("collections")).get(address))
    histories = [_mapping(one).get("history") for one in after.values()]
    notes = [str(note) for one in after.values() if (note := _mapping(one).get("note")) and note != "nothing could match"]
    declared = catalog.collections[address]
    here = {step.name for step in steps if step.kind == "erase" and f"{step.store}.{step.collection}" == address}
    spared = sum(sum(by.values()) for name, by in spared_in(steps).items() if name in here)
    found = _whole(_mapping(located.get("located")).get(address)) - spared
    methods = sorted({str(name).split(":", 1)[0] for name, one in before.items() if _mapping(one).get("located")})
    stays = _stays(methods, declared.verb)
    named = {"erase": declared.verb.value, "fields": "redact", "part": "redact part", "unlink": "unlink", "break": "unlink"}
    return Outcome(
        collection=address,
        methods=tuple(dict.fromkeys(named[one] for one in methods)),
        located=found,
        before=found + sum(_whole(_mapping(one).get("live")) - _whole(_mapping(one).get("matches")) for one in before.values()),
        scanned=max((_whole(_mapping(one).get("scanned")) for one in before.values()), default=0),
        after=sum(_whole(_mapping(one).get("live")) for one in after.values()),
        history=None if None in histories else sum(_whole(one) for one in histories),
        clears_at=max((str(when) for one in after.values() if (when := _mapping(one).get("clears_at"))), default=None),
        note="; ".join(dict.fromkeys([*stays, *notes, *([str(reclaimed["note"])] if reclaimed.get("note") else [])])),
        reclaimed=str(reclaimed.get("how", "")),
        kept=_whole(_mapping(located.get("kept")).get(address)),
        basis=declared.keep.basis if declared.keep is not None else None,
        late=sum(_whole(_mapping(_mapping(step.result).get("late")).get(address)) for step in steps),
        beyond=max((_whole(_mapping(one).get("beyond")) for one in after.values()), default=0),
    )


def _stays(methods: Sequence[str], verb: Verb) -> list[str]:
    """What is to be said of records that are still there after these acts."""
    if methods == ["erase"] and verb is Verb.REDACT:
        return [REDACTED]
    return [STAYS] if set(methods) - ({"erase"} if verb is Verb.DELETE else set()) else []


def pending_until(store: StoreNote, outcome: Outcome, erased_at: datetime) -> str | None:
    """When the copies that only time ends will have ended: what the store says, or the policy's declared horizon for it."""
    if not outcome.located:
        return None
    declared = (erased_at + store.history_clears_in).isoformat() if store.history_clears_in is not None else None
    return max((when for when in (declared, outcome.clears_at) if when is not None), default=None)


def _horizon(store: StoreNote) -> str:
    """How long what surrounds a store (its server's log, archives, backups) may keep copies, as the policy declares it."""
    clears = store.history_clears_in
    if clears is None:
        return "not declared"
    return f"{clears.days} days" if clears == timedelta(days=clears.days) else f"{int(clears.total_seconds())} seconds"


def run_statement(
    catalog: Catalog, controller: str, run: Run, requests: Sequence[Request], scope: Json, steps: Sequence[StepRow], issued: datetime
) -> dict[str, Json]:
    """What the whole run did, per store and collection; collections without a record are named only."""
    located = _result(steps, "locate")
    erased_at = _erased_at(steps) or issued
    rows: dict[str, list[Json]] = {}
    empty: dict[str, list[Json]] = {name: [] for name in catalog.stores}
    for one in outcomes(catalog, steps):
        store = one.collection.split(".", 1)[0]
        if one.located or one.kept or one.late:
            rows.setdefault(store, []).append(_row(one, catalog.stores[store], erased_at))
        else:
            empty[store].append(one.collection)
    return {
        "controller": controller,
        "run": run.id,
        "requests": len(requests),
        "scope": scope,
        "policy": run.policy_digest,
        "plan": located.get("plan"),
        "stores": [
            {"store": name, "kind": note.kind, "collections": rows.get(name, []), "nothing_found_in": empty[name]}
            for name, note in sorted(catalog.stores.items())
        ],
        "untouched": located.get("untouched", {}),
        "undated": located.get("undated", {}),
        **({"held": _and_spared(located, steps)} if "held" in located else {}),
        "not_listed": located.get("not_listed", {}),
        "keys": _keys(steps),
        "hunt": _hunt(steps),
        "out_of_scope": [UNLISTED[bool(_result(steps, "hunt"))], *_unmentioned(_mapping(located.get("not_listed"))), *OUT_OF_SCOPE],
        "times": _times(steps, issued),
        "volatile": list(VOLATILE),
    }


def request_statement(
    whole: Mapping[str, Json],
    request: Request,
    counts: Mapping[str, Json],
    index: int,
    digest: str,
    acts: Mapping[str, Json],
    scope: Json = None,
) -> dict[str, Json]:
    """What was done for one request: its own counts in the run's rows; ``scope``, if it is not the run's."""
    erased = _mapping(counts.get("erased"))
    kept = _mapping(counts.get("kept"))
    mine: dict[str, int] = {}
    for target, count in erased.items():
        address = str(_mapping(acts.get(target.split("#", 1)[0])).get("collection"))
        mine[address] = mine.get(address, 0) + _whole(count)
    stores: list[Json] = []
    for store in _list(whole["stores"]):
        rows = [_own(row, mine, kept) for row in _list(_mapping(store)["collections"])]
        own = [row for row in rows if row["located"] or row["kept"]]
        stores.append({"store": _mapping(store)["store"], "kind": _mapping(store)["kind"], "collections": own})
    return {
        "controller": whole["controller"],
        "request": {
            "id": request.id,
            "kind": request.kind,
            "subject_kind": request.subject_kind,
            "scope": whole["scope"] if scope is None else scope,
            "requester": request.requester,
            "authority": request.authority,
            "filed_at": request.filed_at.isoformat(),
            "commitment": counts.get("commitment"),
        },
        "policy": whole["policy"],
        "plan": whole["plan"],
        "stores": stores,
        "undated": whole["undated"],
        "not_listed": whole["not_listed"],
        "keys": whole["keys"],
        "hunt": whole["hunt"],
        "out_of_scope": whole["out_of_scope"],
        "run": {"id": whole["run"], "log_index": index, "statement_digest": digest, "requests": whole["requests"]},
        "times": whole["times"],
        "volatile": whole["volatile"],
    }


def spared_in(steps: Iterable[StepRow]) -> dict[str, dict[str, int]]:
    """Per target and place of a request (as text), how many records a sweep left because they came under a hold after it found them."""
    told = {step.name: _mapping(_mapping(step.result).get("spared")) for step in steps if step.kind == "erase"}
    return {name: {ordinal: _whole(count) for ordinal, count in by.items()} for name, by in told.items() if by}


def less(counts: Mapping[str, Json], spared: Mapping[str, Mapping[str, int]]) -> Mapping[str, Json]:
    """A request's counts without what was spared of it; ``place`` is its place among the run's."""
    if not spared:
        return counts
    place = str(counts["place"])
    erased = {name: _whole(count) - spared.get(name, {}).get(place, 0) for name, count in _mapping(counts.get("erased")).items()}
    return {**counts, "erased": erased}


def _and_spared(located: Mapping[str, Json], steps: Sequence[StepRow]) -> Json:
    """What a sweep left under holds, by collection: a count, and nobody's."""
    found = Counter({address: _whole(count) for address, count in _mapping(located.get("held")).items()})
    collections = {step.name: f"{step.store}.{step.collection}" for step in steps if step.kind == "erase"}
    found.update({collections[name]: sum(by.values()) for name, by in spared_in(steps).items()})
    return dict(sorted(found.items()))


def same_content(statement: Json) -> Json:
    """A statement without what may differ between two runs that did the same."""
    if isinstance(statement, Mapping):
        return {name: same_content(value) for name, value in statement.items() if name not in VOLATILE}
    if isinstance(statement, Sequence) and not isinstance(statement, str):
        return [same_content(value) for value in statement]
    return statement


def latest_pending(whole: Mapping[str, Json]) -> datetime | None:
    """The last *pending until* in a run's statement, or ``None`` if nothing waits for time."""
    found = [
        str(when)
        for store in _list(whole["stores"])
        for row in _list(_mapping(store)["collections"])
        if (when := _mapping(row).get("pending_until")) is not None
    ]
    return datetime.fromisoformat(max(found)) if found else None


def _row(one: Outcome, store: StoreNote, erased_at: datetime) -> Json:
    return {
        "collection": one.collection,
        "method": list(one.methods),
        "located": one.located,
        "before": one.before,
        "scanned": one.scanned,
        "erased": one.located,
        "after": one.after,
        "late": one.late,
        "beyond": one.beyond,
        "level": one.level().value if one.located else None,
        "history": one.history,
        "reclaimed": one.reclaimed,
        "pending_until": pending_until(store, one, erased_at),
        "horizon": _horizon(store) if one.located else None,
        "kept": {"records": one.kept, "basis": one.basis} if one.kept else None,
        "note": one.note,
    }


def _own(row: Json, mine: Mapping[str, int], kept: Mapping[str, Json]) -> dict[str, Json]:
    held = dict(_mapping(row))
    address = str(held["collection"])
    count = mine.get(address, 0)
    own_kept = _whole(kept.get(address))
    basis = _mapping(held.get("kept")).get("basis")
    names = ("collection", "method", "level", "history", "pending_until", "horizon", "after", "note")
    own = {name: held[name] for name in names}
    return {**own, "located": count, "before": count, "erased": count, "kept": {"records": own_kept, "basis": basis} if own_kept else None}


def _hunt(steps: Sequence[StepRow]) -> Json:
    """What was looked at outside the listed collections, what could not be, and what became of what was found; by our own names only."""
    held = _result(steps, "hunt")
    if not held:
        return HUNT
    sources = _mapping(held["sources"])
    not_scanned = {name: _mapping(one)["not_scanned"] for name, one in sources.items() if _mapping(one)["not_scanned"]}
    return {
        "scanned": sources,
        "not_scanned": not_scanned,
        "not_fingerprinted": _result(steps, "prints").get("unreadable", []),
        "set_aside": held["set_aside"],
        "adopted": held["adopted"],
        "hits": held["finds"],
    }


def _unmentioned(stores: Mapping[str, Json]) -> list[str]:
    """What lies in listed stores unmentioned, by number."""
    count = sum(_whole(_mapping(one).get("collections")) for one in stores.values())
    where = f"collections of the listed stores ({', '.join(sorted(stores))})"
    return (
        [f"{count} {where} that the policy does not mention, standing full-text indexes and keys of no template included"] if count else []
    )


def _keys(steps: Sequence[StepRow]) -> Json:
    held = _result(steps, "keys")
    if not held:
        return {"destroyed": 0, "times": None}
    return {"destroyed": held["subjects"], "times": {"destroyed_at": held["destroyed_at"], "epoch_closed_at": held["epoch_closed_at"]}}


def _times(steps: Sequence[StepRow], issued: datetime) -> Json:
    erased = _erased_at(steps)
    verified = max((str(at) for step in steps if step.kind == "after" and (at := _mapping(step.result).get("at"))), default=None)
    return {
        "located_at": _result(steps, "locate").get("at"),
        "erased_at": erased.isoformat() if erased is not None else None,
        "verified_at": verified,
        "issued_at": issued.isoformat(),
    }


def _erased_at(steps: Iterable[StepRow]) -> datetime | None:
    ended = [str(at) for step in steps if step.kind == "erase" and (at := _mapping(step.result).get("at"))]
    return datetime.fromisoformat(max(ended)) if ended else None


def _result(steps: Iterable[StepRow], name: str) -> Mapping[str, Json]:
    return next((_mapping(step.result) for step in steps if step.name == name), {})


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0
