"""What somebody does about a find: adopt its place into the policy, dismiss it with a reason, or look at what was recognised.

Each of these is an entry in the evidence log before it has any effect: who decided, about which find, and why. None of them says where or
whom; that is sealed with the run.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from expunge.erase.context import Rooms, look
from expunge.erase.intake import TELLING, people_of
from expunge.errors import InvalidRequest, UnknownRequest
from expunge.evidence.receipts import make_entry
from expunge.journal.records import Find, FindStatus, RunStatus
from expunge.policy.adopting import Adoption, dataset_text, file_collection, name_for, raw_url, table_collection, with_dataset, with_store
from expunge.policy.load import load
from expunge.policy.ownership import Root
from expunge.stores.registry import open_store
from expunge.terms import Json, Scope, Shape

DECISION, OPENING = "hunt-decision/1", "hunt-opening/1"
"""The log's entries about finds."""

SELECTABLE = ("as written", "number")
"""The forms of a key that a record can be selected by; a digest or an encoded copy of it can't."""


@dataclass(frozen=True, slots=True, repr=False)
class Sample:
    """One thing that was recognised, with what surrounds it, for the eyes of whoever opened it."""

    form: str
    where: str
    context: bytes


def find_named(rooms: Rooms, name: str) -> list[Find]:
    """The finds that ``name`` means: a find's id, or the text of a place, in the newest run in which it was found.

    Raises:
        UnknownRequest: neither.
    """
    if name.startswith("fnd_"):
        return [rooms.journal.find(name)]
    held = [
        one
        for one in rooms.journal.finds()
        if one.place is not None and (one.place == name or one.place.startswith((f"{name}.", f"{name}!")))
    ]
    if not held:
        raise UnknownRequest("no find is of that place; `expunge hunt show` lists them")
    newest = held[-1].run_id
    return [one for one in held if one.run_id == newest]


def dismiss(rooms: Rooms, find: Find, *, because: str, by: str) -> Find:
    """Say that a find is no copy that has to go, and why. Kept as evidence; the run's next hunt passes over it.

    Raises:
        InvalidRequest: no reason, one that names the person, or the find was dealt with before.
    """
    if not because.strip():
        raise InvalidRequest("say why; it is evidence", where=find.id)
    _undecided(find)
    _names_nobody(rooms, find, because, by)
    _log(rooms, DECISION, find, {"decision": "dismissed", "because": because, "by": by})
    return rooms.journal.decide_find(find.id, FindStatus.DISMISSED, because=because, by=by)


def samples(rooms: Rooms, find: Find, *, because: str, by: str) -> list[Sample]:
    """What was recognised, with its surroundings. That somebody looked is in the evidence log first.

    Raises:
        InvalidRequest: no reason was given, or one that names the person.
        UnknownRequest: the run is closed, and what was sealed with it is gone.
    """
    if not because.strip():
        raise InvalidRequest("say why you look; it is evidence", where=find.id)
    _names_nobody(rooms, find, because, by)
    if not isinstance(find.detail, Mapping):
        raise UnknownRequest("the run is closed: what was sealed with it is gone", where=find.id)
    _log(rooms, OPENING, find, {"because": because, "by": by})
    held = find.detail["samples"]
    assert isinstance(held, list)
    return [_sample(one) for one in held if isinstance(one, Mapping)]


def plan_adoption(rooms: Rooms, path: Path, find: Find) -> Adoption:
    """What adopting the find's place would write. Nothing is written.

    Raises:
        UnknownRequest: the run is closed: nobody knows the place any more.
        InvalidRequest: the place can't be adopted as it is; the message says what to do.
    """
    place = find.detail["place"] if isinstance(find.detail, Mapping) else None
    if not isinstance(place, Mapping):
        raise UnknownRequest("the run is closed: what was sealed with it is gone", where=find.id)
    text = path.read_text(encoding="utf-8")
    source, table, inside = str(place["source"]), place["table"], str(place["path"])
    if table is not None:
        return _table(rooms, text, find, source, str(table), inside)
    return _file(rooms, text, source, inside)


def adopt(rooms: Rooms, path: Path, env: Mapping[str, str], find: Find, *, by: str) -> Adoption:
    """Write the find's place into the policy, all of it or nothing, and say so in the evidence log.

    Raises:
        UnknownRequest, InvalidRequest: as ``plan_adoption``.
        PolicyInvalid: the policy as it would be does not load; it was left as it is.
    """
    _undecided(find)
    planned = plan_adoption(rooms, path, find)
    _names_nobody(rooms, find, by)
    datasets = path.parent / planned.file
    if os.path.lexists(datasets):
        raise InvalidRequest("there is a dataset file of this name already", where=planned.file)
    datasets.parent.mkdir(parents=True, exist_ok=True)
    trial = path.with_name(f".{path.name}.adopting")
    written = False
    try:
        _write(datasets, planned.datasets)
        _write(trial, planned.policy)
        load(trial, env)
        _log(rooms, DECISION, find, {"decision": "adopted", "because": planned.address, "by": by})
        trial.replace(path)
        written = True
    finally:
        trial.unlink(missing_ok=True)
        if not written:
            datasets.unlink(missing_ok=True)
    rooms.journal.decide_find(find.id, FindStatus.ADOPTED, because=planned.address, by=by)
    return planned


def covered(rooms: Rooms, find: Find) -> list[Find]:
    """Other open finds of the run that adopting this one's place settles too: further columns of the same table or file."""
    mine = {**_place(find), "column": None}
    same = [one for one in rooms.journal.finds(find.run_id) if one.id != find.id and one.status is FindStatus.OPEN]
    return [one for one in same if {**_place(one), "column": None} == mine]


def _place(find: Find) -> Mapping[str, Json]:
    held = find.detail["place"] if isinstance(find.detail, Mapping) else None
    return held if isinstance(held, Mapping) else {"source": find.id}


def _table(rooms: Rooms, text: str, find: Find, source: str, table: str, inside: str) -> Adoption:
    catalog = rooms.policy.catalog
    listed = source in catalog.stores and not inside
    url = "" if listed else f"sqlite:///{raw_url(text, source)}/{inside}" if inside else raw_url(text, source)
    shape = _shape(rooms, source, table, inside)
    roots: Mapping[str, Root] = look(rooms, Scope()).held.roots
    collection = table_collection(shape, _named(rooms, find), catalog, roots)
    by_content = "meta" in collection
    name = source if listed else name_for(Path(inside).stem if inside else f"{source}_adopted", [*catalog.stores, *_places(rooms)])
    file, key = _file_for(rooms, name, table)
    grown = text if listed else with_store(text, name, {"kind": "sql", "url": url, "datasets": [file]})
    grown = with_dataset(text, source, file) if listed else grown
    return Adoption(f"{name}.{table}", name, file, dataset_text(key, collection), grown, by_content)


def _file(rooms: Rooms, text: str, source: str, inside: str) -> Adoption:
    catalog = rooms.policy.catalog
    held = catalog.stores.get(source)
    if held is not None and held.kind != "objects":
        why = f"the store is of kind {held.kind}: a file in it that no collection describes can't be erased through it"
        raise InvalidRequest(f"{why}; take the file away, or declare the collection that it belongs to", where=source)
    listed = held is not None
    mine = next((name for name, note in catalog.stores.items() if not listed and _same_place(rooms, source, note.options.get("url"))), None)
    name = source if listed else mine or name_for(f"{source}_adopted", [*catalog.stores, *_places(rooms)])
    collection = file_collection(
        inside, name_for(Path(inside).name.partition(".")[2] or "files", [note.name for note in catalog.in_store(name)])
    )
    file, key = _file_for(rooms, name, str(collection["name"]))
    if listed or mine:
        grown = with_dataset(text, name, file)
    else:
        grown = with_store(text, name, {"kind": "objects", "url": raw_url(text, source), "datasets": [file]})
    return Adoption(f"{name}.{collection['name']}", name, file, dataset_text(key, collection), grown, by_content=True)


def _same_place(rooms: Rooms, source: str, url: object) -> bool:
    hunting = rooms.policy.hunt
    return hunting is not None and source in hunting.places and hunting.places[source].url == url


def _places(rooms: Rooms) -> list[str]:
    return list(rooms.policy.hunt.places) if rooms.policy.hunt is not None else []


def _file_for(rooms: Rooms, store: str, collection: str) -> tuple[str, str]:
    """A new dataset file's name beside the policy, and a dataset key that is not taken."""
    keys = {note.dataset for note in rooms.policy.catalog.collections.values()}
    stem = name_for(f"{store}_{collection}", [])
    taken = [one.stem for one in (rooms.policy.folder / "datasets").glob("*.yml")]
    name = name_for(stem, taken)
    return f"datasets/{name}.yml", name_for(name, sorted(keys))


def _shape(rooms: Rooms, source: str, table: str, inside: str) -> Shape:
    """The table as it is now.

    Raises:
        InvalidRequest: it is gone, or lies in another schema than the one that a store erases from.
    """
    if source in rooms.policy.catalog.stores and not inside:
        shapes = rooms.stores[source].describe()
    else:
        place = next(one for name, one in (rooms.policy.hunt.places if rooms.policy.hunt else {}).items() if name == source)
        url = f"sqlite:///{place.url}/{inside}" if inside else place.url
        with closing(open_store("sql", source, {"url": url}, ())) as store:
            shapes = store.describe()
    found = next((one for one in shapes if one.name == table and not one.outside), None)
    if found is None:
        raise InvalidRequest(
            "the table is gone, or in another schema; give that schema a store of its own first", where=f"{source}.{table}"
        )
    return found


def _undecided(find: Find) -> None:
    """Nobody decides twice.

    Raises:
        InvalidRequest: somebody did, or the place is clean by now.
    """
    if find.status is not FindStatus.OPEN:
        raise InvalidRequest(f"the find is {find.status.value} already", where=find.id)


def _named(rooms: Rooms, find: Find) -> dict[str, str]:
    """Per column of the find's table, the identity whose values were recognised there as they are written."""
    known = {name for kind in rooms.policy.catalog.kinds.values() for name in (kind.key, *kind.identities)}
    named: dict[str, str] = {}
    for one in (find, *covered(rooms, find)):
        column = _place(one).get("column")
        forms = one.detail["forms"] if isinstance(one.detail, Mapping) else {}
        for form in forms if isinstance(forms, Mapping) else ():
            type_, _, how = form.partition(", ")
            if column is not None and type_ in known and how in SELECTABLE:
                named.setdefault(str(column), type_)
    return named


def _names_nobody(rooms: Rooms, find: Find, *texts: str) -> None:
    """Words that go into the log must not quote whom they are about.

    Raises:
        InvalidRequest: one does.
    """
    people = (
        people_of(rooms.journal.requests(run_id=find.run_id)).people
        if rooms.journal.run(find.run_id).status is not RunStatus.CLOSED
        else ()
    )
    keys = [held.value for one in people for held in one.identifiers if len(held.value) >= TELLING]
    if any(key in text for key in keys for text in texts):
        raise InvalidRequest("the reason stands in the evidence log; don't name the person there", where=find.id)


def _log(rooms: Rooms, kind: str, find: Find, more: Mapping[str, Json]) -> None:
    statement: dict[str, Json] = {
        "find": find.id,
        "run": find.run_id,
        "source": find.source,
        "kinds": list(find.kinds),
        "count": find.count,
        "subjects": find.subjects,
        "at": rooms.clock.now().isoformat(),
        **more,
    }
    rooms.log.append([make_entry(kind, statement, rooms.executor, rooms.verifier)])


def _sample(held: Mapping[str, Json]) -> Sample:
    parts: Iterator[str] = (
        str(text) for text in (held["member"], f"row {held['row']}" if held["row"] is not None else "", _offset(held["offset"])) if text
    )
    return Sample(str(held["form"]), ", ".join(parts), base64.b64decode(str(held["context"])))


def _offset(value: Json) -> str:
    return f"byte {value}" if value is not None else ""


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
