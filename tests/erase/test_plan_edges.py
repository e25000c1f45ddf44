"""From declared to targets on a store in memory: the ways of owning, dating, sharing and cutting that the example estate doesn't have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from expunge.erase.codec import pack, unpack
from expunge.erase.extent import Extent, extent, known_items
from expunge.erase.plan import Plan, make_plan
from expunge.erase.sharing import Upward, outside
from expunge.erase.subjects import SubjectRef, resolve
from expunge.erase.targets import Work, make_targets
from expunge.erase.trouble import troubles
from expunge.erase.walk import Rows, Walked, walk
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Keep, Problem, Reference, StoreNote, SubjectKind
from expunge.policy.ownership import ownership
from expunge.stores.values import key_text, moment
from expunge.terms import Field, FieldType, ForeignKey, Method, Scope, Shape, Span, Value, Verb
from expunge.testing.memory import Medium, MemoryStore

INT, TEXT, TIME = FieldType.INTEGER, FieldType.TEXT, FieldType.TIME
DAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
NOON = Span(DAY, DAY.replace(hour=13))

Records = Mapping[str, Sequence[Mapping[str, Value | None]]]


def points(name: str, to: str = "people", direction: str = "from", **more: object) -> FieldNote:
    return replace(FieldNote(name, references=(Reference(name, f"s.{to}", "id", direction),)), **more)  # type: ignore[arg-type]  # a field's own names


def note(name: str, *fields: FieldNote, **more: object) -> CollectionNote:
    held = {"id": FieldNote("id", primary_key=True), **{one.name: one for one in fields}}
    return replace(CollectionNote("s", name, held), **more)  # type: ignore[arg-type]  # a collection's own names


def shape(name: str, *fields: Field, keys: tuple[ForeignKey, ...] = (), primary: tuple[str, ...] = ("id",)) -> Shape:
    return Shape(name, (Field("id", INT, nullable=False), *fields), primary, keys)


PEOPLE = note("people", FieldNote("name", categories=("user.name",)), FieldNote("mail", identity="email"))
PEOPLE = replace(PEOPLE, fields={**PEOPLE.fields, "id": FieldNote("id", identity="person_id", primary_key=True)})
OWNER, WHO = points("who"), Field("who", INT)
SAID = FieldNote("said", categories=("user.content",))
BARE = Field("id", INT, nullable=False)
EVERYONE: Sequence[Mapping[str, Value | None]] = [{"id": 1, "name": "a", "mail": "a@x"}, {"id": 2, "name": "b", "mail": None}]


class World:
    """The rooms of one plan, each made from the one before."""

    def __init__(self, notes: Sequence[CollectionNote], shapes: Sequence[Shape], records: Records, scope: Scope | None = None) -> None:
        everybody = shape("people", Field("name", TEXT), Field("mail", TEXT))
        self.medium = Medium([everybody, *shapes])
        for name, rows in {"people": EVERYONE, **records}.items():
            self.medium.put(name, rows)
        kinds = {"person": SubjectKind("person", "person_id", ("email",))}
        self.catalog = Catalog(kinds, {"s": StoreNote("s", "memory", {})}, {one.address: one for one in (PEOPLE, *notes)})
        self.stores = {"s": MemoryStore(self.medium)}
        self.shapes = {"s": self.stores["s"].describe()}
        self.held = ownership(self.catalog, self.shapes)
        self.plan: Plan = make_plan(self.catalog, self.held, self.shapes, scope or Scope(), "0" * 64)
        self.people = resolve(self.catalog, self.held, self.stores, [SubjectRef("person", "person_id", "1")])
        self.walked: Walked = walk(self.catalog, self.held, self.stores, self.people)
        outsiders = outside(self.catalog, self.held, self.stores, self.people, self.walked, self.plan.shared)
        self.extent: Extent = extent(self.catalog, self.held, self.walked, outsiders, self.plan)
        self.work: Work = make_targets(self.catalog, self.held, self.stores, self.people, self.walked, self.extent, self.plan)

    def told(self) -> list[Problem]:
        return list(troubles(self.catalog, self.held, self.shapes, self.plan))

    def found(self) -> dict[str, int]:
        return {one.act: len(one.addresses) for one in self.work.targets if one.addresses}

    def acts(self, name: str) -> list[tuple[str, Method | None, tuple[str, ...]]]:
        return [(act.what, act.method, act.fields) for act in self.plan.acts_on(f"s.{name}")]


# ---- whose ----


def test_a_collection_without_a_primary_key_in_the_store_is_shared_unless_it_is_declared_to_have_one() -> None:
    """A log's lines have no key: many may hold one value, unless the dataset says that the field is one."""
    texts, now = note("texts", points("clip", "clips")), shape("texts", Field("clip", INT))
    keyed, keyless = note("clips", OWNER), note("clips", OWNER)
    keyless = replace(keyless, fields={**keyless.fields, "id": FieldNote("id")})
    for clips, shared in ((keyed, set[str]()), (keyless, {"s.texts"})):
        catalog = Catalog({"person": SubjectKind("person", "person_id")}, {}, {one.address: one for one in (PEOPLE, clips, texts)})
        shapes = {"s": (shape("people"), Shape("clips", (BARE, WHO)), now)}
        assert make_plan(catalog, ownership(catalog, shapes), shapes, Scope(), "").shared == shared


def test_a_value_that_stands_for_nobody_makes_no_second_owner() -> None:
    both = note("calls", points("who"), points("whom"), owned_by=("who", "whom"), repoint={"whom": 2})
    calls = shape("calls", WHO, Field("whom", INT))
    world = World([both], [calls], {"calls": [{"id": 1, "who": 1, "whom": 2}]})
    assert world.extent.staying == {}, "person 2 is where others are re-pointed to"
    assert world.found()["erase:s.calls"] == 1
    plain = World([replace(both, repoint={})], [calls], {"calls": [{"id": 1, "who": 1, "whom": 2}]})
    assert plain.found() == {"erase:s.people": 1, "part:s.calls.who": 1}


def test_who_leaves_a_record_that_names_them_and_belongs_to_another_leaves_it_by_that_name() -> None:
    visits = note("visits", FieldNote("visitor", identity="person_id"), points("host"), owned_by=("visitor", "host"))
    rows = [{"id": 1, "visitor": 1, "host": 2}, {"id": 2, "visitor": 2, "host": 1}, {"id": 3, "visitor": 1, "host": 1}]
    world = World([visits], [shape("visits", Field("visitor", INT), Field("host", INT))], {"visits": rows})
    assert world.found() == {"erase:s.people": 1, "erase:s.visits": 1, "part:s.visits.host": 1, "part:s.visits.visitor": 1}


def test_a_mailing_list_is_its_subscriber_s_by_address_alone() -> None:
    listed = note("mailings", FieldNote("mail", identity="email"))
    rows: Sequence[Mapping[str, Value | None]] = [{"id": 1, "mail": "a@x"}, {"id": 2, "mail": "b@x"}, {"id": 3, "mail": None}]
    world = World([listed], [shape("mailings", Field("mail", TEXT))], {"mailings": rows})
    assert world.found() == {"erase:s.mailings": 1, "erase:s.people": 1}


def test_what_nobody_owns_and_points_at_what_goes_is_carried_by_nobody() -> None:
    bills = note("bills", points("clip", "clips"), owned_by=())
    rows: Records = {"clips": [{"id": 5, "who": 1}, {"id": 6, "who": None}], "bills": [{"id": 1, "clip": 5}, {"id": 2, "clip": 6}]}
    world = World([note("clips", OWNER), bills], [shape("clips", WHO), shape("bills", Field("clip", INT))], rows)
    assert "s.bills" not in world.walked.rows
    assert world.found() == {"erase:s.clips": 1, "erase:s.people": 1, "unlink:s.bills.clip": 1}


# ---- how far ----

CLIPS, CLIPS_NOW = (
    note("clips", OWNER, FieldNote("at"), SAID, captured_at="at"),
    shape("clips", WHO, Field("at", TIME), Field("said", TEXT)),
)


def test_a_range_of_time_takes_what_is_dated_in_it_and_tells_the_undated() -> None:
    texts = note("texts", points("clip", "clips"), captured_at="s.clips.at")
    rows: Records = {
        "clips": [{"id": 1, "who": 1, "at": DAY, "said": "x"}, {"id": 2, "who": 1, "at": None, "said": "x"}],
        "texts": [{"id": 1, "clip": 1}, {"id": 2, "clip": 2}, {"id": 3, "clip": None}],
    }
    world = World([CLIPS, texts], [CLIPS_NOW, shape("texts", Field("clip", INT))], rows, Scope(captured=NOON))
    assert world.found() == {"erase:s.clips": 1, "erase:s.texts": 1}
    assert world.work.undated == {"s.clips": 1, "s.texts": 1}
    assert [one.path for one in world.told()] == []


def test_a_date_in_a_record_that_nothing_links_to_dates_nothing() -> None:
    far = note("texts", OWNER, captured_at="s.clips.at")
    rows: Records = {"clips": [{"id": 1, "who": 1, "at": DAY, "said": "x"}], "texts": [{"id": 1, "who": 1}]}
    world = World([CLIPS, far], [CLIPS_NOW, shape("texts", WHO)], rows, Scope(captured=NOON))
    assert world.work.undated == {"s.texts": 1}


def test_items_are_named_by_address_or_by_key_and_only_what_was_found_is_known() -> None:
    rows: Records = {"clips": [{"id": 7, "who": 1, "at": DAY, "said": "x"}, {"id": 8, "who": 2, "at": DAY, "said": "x"}]}
    world = World([CLIPS], [CLIPS_NOW], rows, Scope(items=("s.clips/7",)))
    assert world.found() == {"erase:s.clips": 1}
    assert known_items(world.catalog, world.walked, ["s.clips/7", "s.clips/8", "s.people/1"]) == {"s.clips/7", "s.people/1"}


def test_a_narrow_request_leaves_what_another_owns_too_and_cuts_its_part() -> None:
    both = note("marks", points("clip", "clips"), points("whom"), owned_by=("clip", "whom"))
    rows: Records = {
        "clips": [{"id": 1, "who": 1, "at": DAY, "said": "x"}, {"id": 2, "who": 1, "at": None, "said": "x"}],
        "marks": [{"id": 1, "clip": 1, "whom": 2}, {"id": 2, "clip": 2, "whom": 2}, {"id": 3, "clip": 1, "whom": 1}],
    }
    world = World([CLIPS, both], [CLIPS_NOW, shape("marks", Field("clip", INT), Field("whom", INT))], rows, Scope(items=("s.clips/1",)))
    assert world.found() == {"erase:s.clips": 1, "erase:s.marks": 1, "part:s.marks.clip": 1}


@pytest.mark.parametrize(
    ("stored", "meant"),
    [
        (DAY, DAY),
        (DAY.replace(tzinfo=None), DAY),
        (DAY.isoformat(), DAY),
        ("2026-05-04 12:00:00", DAY),
        (int(DAY.timestamp()), DAY),
        (DAY.timestamp() * 1000, DAY),
        (10**30, None),
        (float("nan"), None),
        ("yesterday", None),
        (True, None),
        (Decimal(1), None),
        (None, None),
    ],
)
def test_a_stored_time_is_read_as_what_it_says_or_as_no_time(stored: Value | None, meant: datetime | None) -> None:
    assert moment(stored) == meant


# ---- what is done ----


def test_content_in_a_key_takes_the_record_and_in_a_person_s_own_record_the_key_stays() -> None:
    named = replace(note("albums", OWNER, SAID), fields={"said": replace(SAID, primary_key=True), "who": OWNER})
    now = Shape("albums", (Field("said", TEXT), WHO), ("said",))
    world = World([named], [now], {"albums": [{"said": "x", "who": 1}]}, Scope(categories=("user.content",)))
    assert world.acts("albums") == [("erase", Method.DELETE, ())]
    own = World([], [], {}, Scope(categories=("user.name",)))
    assert own.acts("people") == [("fields", Method.REDACT, ("name",))]


def test_an_object_goes_whole_whatever_in_it_is_named_and_is_never_redacted() -> None:
    wide = note("files", OWNER, SAID, FieldNote("size", categories=("user.device",)), layout={"objects": "{who}/{id}"})
    now = shape("files", WHO, Field("said", TEXT), Field("size", INT))
    assert World([wide], [now], {}, Scope(categories=("user.content",))).acts("files") == [("erase", Method.DELETE, ())]
    (told,) = World([replace(wide, verb=Verb.REDACT)], [now], {}).told()
    assert (told.path, told.fix) == ("s.files", "declare `verb: delete`")


def test_what_was_made_from_what_goes_goes_with_it_unless_it_is_kept() -> None:
    made = (
        note("texts", OWNER, points("clip", "clips"), derived_from=("s.clips",), owned_by=("who",)),
        note("sums", OWNER, points("clip", "clips"), derived_from=("s.clips",), owned_by=("who",), verb=Verb.REDACT),
        note("bills", OWNER, derived_from=("s.clips",), verb=Verb.KEEP, keep=Keep("tax law")),
        note("proofs", OWNER, derived_from=("s.clips",), verb=Verb.KEEP),
    )
    linked = (Field("clip", INT), WHO)
    shapes = [CLIPS_NOW, shape("texts", *linked), shape("sums", *linked), shape("bills", WHO), shape("proofs", WHO)]
    rows: Records = {
        "clips": [{"id": 1, "who": 1, "at": DAY, "said": "x"}],
        "texts": [{"id": 1, "who": 1, "clip": 1}, {"id": 2, "who": 1, "clip": None}],
        "sums": [{"id": 1, "who": 1, "clip": 1}],
        "bills": [{"id": 1, "who": 1}],
    }
    whole = note("clips", OWNER, FieldNote("at"), SAID)
    world = World([whole, *made[:3]], shapes[:4], rows, Scope(categories=("user.content",)))
    assert {act.collection: act.method for act in world.plan.acts if act.what == "erase"} == {
        "s.clips": Method.DELETE,
        "s.texts": Method.DELETE,
        "s.sums": Method.REDACT,
    }
    assert world.found()["erase:s.texts"] == 1, "not the one that was made from nothing"
    assert world.acts("bills") == [("keep", None, ())]
    assert World([whole, *made[:3]], shapes[:4], rows).work.kept == {"s.bills": {0: 1}}
    proof = World([whole, made[3]], [CLIPS_NOW, shapes[4]], {}, Scope(categories=("user.content",)))
    assert proof.plan.untouched == {
        "s.people": "nothing in it is in the request's scope",
        "s.proofs": "nothing in it is in the request's scope",
    }


def test_a_reference_that_can_not_be_null_is_re_pointed_or_the_link_goes_or_the_plan_stops() -> None:
    strict = Field("clip", INT, nullable=False)
    clips, rows = note("clips", OWNER), {"clips": [{"id": 5, "who": 1}], "links": [{"id": 1, "clip": 5, "tag": 9}]}
    shapes = [shape("clips", WHO), shape("links", strict, Field("tag", INT)), shape("tags")]
    tags = note("tags", owned_by=())
    link = note("links", points("clip", "clips"), points("tag", "tags"), owned_by=())
    assert World([clips, tags, replace(link, repoint={"clip": 0})], shapes, rows).acts("links") == [("unlink", Method.DECORRELATE, ())]
    assert World([clips, tags, link], shapes, rows).acts("links") == [("unlink", Method.DELETE, ())]
    telling = replace(link, fields={**link.fields, "said": SAID})
    world = World([clips, tags, telling], [*shapes[:1], shape("links", strict, Field("tag", INT), Field("said", TEXT)), shapes[2]], rows)
    assert world.acts("links") == [("unlink", Method.REDACT, ("clip",))]
    assert [(one.path, one.message.partition(",")[0]) for one in world.told()] == [("s.links.clip", "is NOT NULL")]


@pytest.mark.parametrize(
    ("more", "nullable", "act"),
    [
        ({}, True, (Method.REDACT, ("who",))),
        ({}, False, (Method.DELETE, ())),
        ({"repoint": {"who": 0}}, False, (Method.DECORRELATE, ())),
        ({"fields": SAID}, False, (Method.DECORRELATE, ())),
    ],
)
def test_one_owner_s_part_of_a_shared_record(more: dict[str, object], nullable: bool, act: tuple[Method, tuple[str, ...]]) -> None:  # noqa: FBT001  # a parameter of the test
    pair = note("pairs", points("who"), points("whom"), owned_by=("who", "whom"))
    telling = "fields" in more
    pair = replace(pair, fields={**pair.fields, "said": SAID}) if telling else replace(pair, **more)  # type: ignore[arg-type]  # its own names
    columns = (Field("who", INT, nullable=nullable), Field("whom", INT), *([Field("said", TEXT)] if telling else []))
    world = World([pair], [shape("pairs", *columns)], {"pairs": [{"id": 1, "who": 1, "whom": 2}]})
    part = next(one for one in world.plan.acts if one.name == "part:s.pairs.who")
    assert (part.method, part.fields) == act
    stuck = telling and not nullable
    assert [one.path for one in world.told()] == (["s.pairs.who"] if stuck else [])
    assert all("must be re-pointed" in one.message for one in world.told())


def test_a_store_that_is_away_is_not_taken_for_one_that_lost_its_collections() -> None:
    world = World([note("clips", OWNER)], [shape("clips", WHO)], {})
    away = Catalog(
        world.catalog.kinds,
        {**world.catalog.stores, "far": StoreNote("far", "memory", {})},
        {**world.catalog.collections, "far.logs": CollectionNote("far", "logs", {"id": FieldNote("id")}, owned_by=())},
    )
    held = ownership(away, world.shapes)
    assert troubles(away, held, world.shapes, make_plan(away, held, world.shapes, Scope(), "")) == ()


# ---- what is kept of it ----


def test_a_target_is_the_same_after_it_was_sealed_however_many_records_it_has() -> None:
    for count in (1, 20_001):
        rows: Records = {"clips": [{"id": one, "who": 1, "at": DAY, "said": "x"} for one in range(count)]}
        for scope in (Scope(), Scope(captured=NOON)):
            world = World([CLIPS], [CLIPS_NOW], rows, scope)
            for target in world.work.targets:
                assert unpack(pack(target)) == target


def test_nothing_that_is_printed_names_anybody() -> None:
    rows: Records = {"clips": [{"id": 77_001, "who": 1, "at": DAY, "said": "x"}]}
    world = World([CLIPS], [CLIPS_NOW], rows)
    shown = [
        *map(repr, world.work.targets),
        *map(repr, world.walked.rows.values()),
        *map(repr, world.people.people),
        repr(Upward(world.catalog, world.held, world.stores, dict(world.walked.rows))),
        repr(SubjectRef("person", "person_id", "77001")),
    ]
    assert not [one for one in shown if "77001" in one or "a@x" in one]
    assert repr(Rows(("id",))) == "Rows(0)"


def test_keys_of_several_types_are_one() -> None:
    same = "0190f3a4-7b1c-7e6e-8a5d-1234567890ab"
    assert {key_text(one) for one in (2, 2.0, Decimal("2.00"), "2")} == {"2"}
    assert key_text(same.upper()) == key_text(same.replace("-", "")) == key_text(same)
    assert key_text(2.5) != key_text(2)
    assert key_text(float("inf")) == key_text(float("inf"))
