"""What the planner sees before the first write: each message names the place and what mends it; a plan is a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from expunge.erase.plan import Plan, make_plan
from expunge.erase.trouble import troubles
from expunge.errors import AmbiguousOwnership
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Keep, Problem, Reference, StoreNote, SubjectKind
from expunge.policy.ownership import ownership
from expunge.policy.soft import unmentioned
from expunge.terms import Field, FieldType, ForeignKey, Method, Scope, Shape, Span, Verb
from tests.erase.toy import opened, sql, toy
from tests.faults.killing import Place

INT, TEXT = FieldType.INTEGER, FieldType.TEXT
PEOPLE = CollectionNote(
    "s", "people", {"id": FieldNote("id", primary_key=True, identity="person_id"), "name": FieldNote("name", categories=("user.name",))}
)
PEOPLE_NOW = Shape("people", (Field("id", INT, nullable=False), Field("name", TEXT)), ("id",))


def points(name: str, to: str = "people", field: str = "id", **more: object) -> FieldNote:
    return replace(FieldNote(name, references=(Reference(name, f"s.{to}", field, "from"),)), **more)  # type: ignore[arg-type]  # a field's own names


def note(name: str, *fields: FieldNote, **more: object) -> CollectionNote:
    held = {"id": FieldNote("id", primary_key=True), **{one.name: one for one in fields}}
    return replace(CollectionNote("s", name, held), **more)  # type: ignore[arg-type]  # a collection's own names


def shape(name: str, *fields: Field, keys: Sequence[ForeignKey] = (), primary: tuple[str, ...] = ("id",)) -> Shape:
    return Shape(name, (Field("id", INT, nullable=False), *fields), primary, tuple(keys))


def to_people(name: str = "person_id", **more: object) -> ForeignKey:
    return replace(ForeignKey((name,), "people", ("id",)), **more)  # type: ignore[arg-type]  # a key's own names


def look(notes: Sequence[CollectionNote], shapes: Sequence[Shape], scope: Scope | None = None) -> tuple[Plan, list[Problem]]:
    catalog = Catalog(
        {"person": SubjectKind("person", "person_id")}, {"s": StoreNote("s", "memory", {})}, {one.address: one for one in (PEOPLE, *notes)}
    )
    live = {"s": (PEOPLE_NOW, *shapes)}
    held = ownership(catalog, live)
    plan = make_plan(catalog, held, live, scope or Scope(), "0" * 64)
    again = make_plan(
        Catalog(catalog.kinds, catalog.stores, dict(list(catalog.collections.items())[::-1])),
        held,
        {"s": live["s"][::-1]},
        scope or Scope(),
        "0" * 64,
    )
    assert plan.canonical() == again.canonical(), "whatever the order in which things were declared"
    return plan, list(troubles(catalog, held, live, plan))


def said(problems: Sequence[Problem], severity: str = "error") -> list[tuple[str, str, str]]:
    return [(one.path, one.message, one.fix) for one in problems if one.severity == severity]


OWNER = points("person_id")
TOLD = FieldNote("said", categories=("user.content",))


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Field("said", TEXT, nullable=False), "is NOT NULL"),
        (Field("said", TEXT, checked=True), "is read by a CHECK constraint"),
    ],
)
def test_a_redact_that_a_constraint_would_refuse(now: Field, why: str) -> None:
    _, found = look([note("notes", OWNER, TOLD, verb=Verb.REDACT)], [shape("notes", Field("person_id", INT), now)])
    ((path, message, fix),) = said(found)
    assert path == "s.notes.said"
    assert message.startswith(why)
    assert "repoint: {said:" in fix


def test_a_redact_of_the_primary_key() -> None:
    _, found = look(
        [note("notes", OWNER, TOLD, verb=Verb.REDACT, redact=("id", "said"))],
        [shape("notes", Field("person_id", INT), Field("said", TEXT))],
    )
    assert [(path, "is part of the primary key" in message) for path, message, _ in said(found)] == [("s.notes.id", True)]


def test_a_redact_of_nothing() -> None:
    claims = replace(FieldNote("photo_id"), references=(Reference("photo_id", "s.photos", "id", "to"),))
    albums = note("albums", OWNER, claims)
    shapes = [shape("albums", Field("person_id", INT), Field("photo_id", INT)), shape("photos")]
    _, found = look([albums, note("photos", verb=Verb.REDACT)], shapes)
    assert said(found) == [("s.photos", "is redacted, and no field is named or categorised", "add `redact: [fields]`")]
    plan, found = look([note("notes", OWNER, verb=Verb.REDACT)], [shape("notes", Field("person_id", INT))])
    assert said(found) == []
    assert [act.fields for act in plan.acts_on("s.notes")] == [("person_id",)], "what names the person is something"


MAIL = FieldNote("mail", identity="person_id")
NOTES_NOW = (Field("person_id", INT), Field("mail", TEXT), Field("said", TEXT))
REDACTS: dict[str, object] = {"verb": Verb.REDACT, "owned_by": ("person_id",)}


def test_a_redact_nulls_every_field_that_names_the_person() -> None:
    for more in ({}, {"redact": ("said",)}):
        plan, found = look([note("notes", OWNER, MAIL, TOLD, **REDACTS, **more)], [shape("notes", *NOTES_NOW)])
        assert said(found) == []
        (act,) = plan.acts_on("s.notes")
        assert (act.method, act.fields) == (Method.REDACT, ("said", "person_id", "mail"))


def test_a_redact_of_a_constrained_reference_is_one_act() -> None:
    """Of two, the one that nulls the owner would hide the record from the one that nulls the content."""
    now = shape("notes", *NOTES_NOW, keys=[to_people()])
    plan, found = look([note("notes", OWNER, MAIL, TOLD, **REDACTS)], [now])
    assert said(found) == []
    assert [act.what for act in plan.acts_on("s.notes")] == ["erase"]
    assert plan.acts_on("s.notes")[0].rank < plan.acts_on("s.people")[0].rank


@pytest.mark.parametrize(
    ("now", "primary", "why", "way_out"),
    [
        (Field("person_id", INT, nullable=False), ("id",), "is NOT NULL", "repoint: {person_id: "),
        (Field("person_id", INT, checked=True), ("id",), "is read by a CHECK constraint", "repoint: {person_id: "),
        (
            Field("person_id", INT, nullable=False),
            ("person_id", "id"),
            "is part of the primary key",
            "declare `verb: delete`, or `verb: keep`",
        ),
        (Field("person_id", INT, nullable=False, unique=True), ("id",), "is NOT NULL", "declare `verb: delete`, or `verb: keep`"),
    ],
)
def test_what_names_the_person_and_can_not_be_null(now: Field, primary: tuple[str, ...], why: str, way_out: str) -> None:
    _, found = look([note("notes", OWNER, TOLD, verb=Verb.REDACT)], [shape("notes", now, Field("said", TEXT), primary=primary)])
    ((path, message, fix),) = said(found)
    assert path == "s.notes.person_id"
    assert message.startswith(why)
    assert "it names the person" in message
    assert way_out in fix


def test_a_redact_re_points_what_can_not_be_null() -> None:
    strict = shape("notes", Field("person_id", INT, nullable=False), Field("said", TEXT))
    plan, found = look([note("notes", OWNER, TOLD, verb=Verb.REDACT, repoint={"person_id": 0})], [strict])
    assert said(found) == []
    (act,) = plan.acts_on("s.notes")
    assert (act.what, act.method, act.fields, act.repoint) == ("erase", Method.DECORRELATE, ("said",), {"person_id": 0})


def test_a_column_of_a_redacted_collection_that_is_not_declared() -> None:
    extra = (Field("person_id", INT), Field("said", TEXT), Field("colour", TEXT), Field("user_id", INT), Field("home_phone", TEXT))
    _, found = look([note("notes", OWNER, TOLD, verb=Verb.REDACT)], [shape("notes", *extra)])
    assert [(path, message.rpartition("; ")[2]) for path, message, _ in said(found)] == [
        ("s.notes.home_phone", "it looks like user.contact.phone_number"),
        ("s.notes.user_id", "it looks like a key of the person"),
    ]
    ((path, message, fix),) = said(found, "warning")
    assert path == "s.notes.colour"
    assert "does not say whether it is personal" in message
    assert "add {name: colour}" in fix
    told = [FieldNote(name) for name in ("colour", "user_id", "home_phone")]
    assert look([note("notes", OWNER, TOLD, *told, verb=Verb.REDACT)], [shape("notes", *extra)])[1] == [], "saying so is enough"
    assert look([note("notes", OWNER, TOLD)], [shape("notes", *extra)])[1] == [], "a deleted record takes every column with it"


def test_a_category_that_would_null_what_can_not_be_null() -> None:
    other = FieldNote("mood", categories=("user.behavior",))
    now = shape("notes", Field("person_id", INT), Field("said", TEXT, nullable=False), Field("mood", TEXT))
    plan, found = look([note("notes", OWNER, TOLD, other)], [now], Scope(categories=("user.content",)))
    assert [act.what for act in plan.acts_on("s.notes")] == ["fields"]
    assert [path for path, _, _ in said(found)] == ["s.notes.said"]


def test_a_foreign_key_without_an_index_is_a_warning() -> None:
    _, found = look([note("notes", OWNER)], [shape("notes", Field("person_id", INT), keys=[to_people(indexed=False)])])
    assert said(found) == []
    ((path, _, fix),) = said(found, "warning")
    assert (path, fix) == ("s.notes.person_id", "CREATE INDEX ON notes (person_id)")


def test_a_cycle_of_constraints_that_can_not_be_null() -> None:
    a = note("a", OWNER, points("b_id", "b"), owned_by=("person_id",))
    b = note("b", OWNER, points("a_id", "a"), owned_by=("person_id",))

    def shapes(*nullable: int) -> list[Shape]:
        to_b, to_a = Field("b_id", INT, nullable=bool(nullable[0])), Field("a_id", INT, nullable=bool(nullable[1]))
        return [
            shape("a", Field("person_id", INT), to_b, keys=[ForeignKey(("b_id",), "b", ("id",))]),
            shape("b", Field("person_id", INT), to_a, keys=[ForeignKey(("a_id",), "a", ("id",))]),
        ]

    found = {path: (message, fix) for path, message, fix in said(look([a, b], shapes(0, 0))[1])}
    assert set(found) == {"s.a", "s.a.b_id", "s.b.a_id"}, "a row of somebody who stays may point at one that goes, too"
    assert "s.a \u2192 s.b \u2192 s.a" in found["s.a"][0]
    assert "allow null" in found["s.a"][1]
    assert [path for path, _, _ in said(look([a, b], shapes(1, 0))[1])] == ["s.b.a_id"], "one that can be null breaks the cycle"
    plan, problems = look([a, b], shapes(1, 1))
    assert said(problems) == []
    assert {(act.collection, act.fields) for act in plan.acts if act.what == "break"} == {("s.a", ("b_id",)), ("s.b", ("a_id",))}


def test_a_table_that_nobody_declared_and_that_holds_on() -> None:
    _, found = look([], [shape("stray", Field("person_id", INT), keys=[to_people()])])
    ((path, message, fix),) = said(found)
    assert path == "s.stray"
    assert "references s.people by person_id" in message
    assert "declare the collection stray" in fix


def test_a_reference_by_several_columns() -> None:
    key = ForeignKey(("tenant", "person"), "people", ("tenant", "id"))
    plain = note("notes", FieldNote("tenant"), FieldNote("person"))
    _, found = look([plain], [shape("notes", Field("tenant", INT), Field("person", INT), keys=[key])])
    ((path, message, fix),) = said(found)
    assert path == "s.notes"
    assert "several columns (tenant, person)" in message
    assert "owned_by: tenant" in fix


def test_personal_data_that_no_path_leads_to() -> None:
    _, found = look([note("notes", TOLD)], [shape("notes", Field("said", TEXT))])
    ((path, message, fix),) = said(found)
    assert path == "s.notes"
    assert "said" in message
    assert "owned_by: []" in fix
    assert said(look([note("notes", TOLD, owned_by=())], [shape("notes", Field("said", TEXT))])[1]) == []


def test_what_is_kept_and_points_at_what_goes() -> None:
    kept = note("bills", OWNER, TOLD, verb=Verb.KEEP, keep=Keep(basis="tax law"))
    now = shape("bills", Field("person_id", INT), Field("said", TEXT), keys=[to_people()])
    plan, found = look([kept], [now])
    assert said(found) == []
    assert [(act.what, act.method, act.fields) for act in plan.acts_on("s.bills")] == [
        ("keep", None, ()),
        ("unlink", Method.REDACT, ("person_id",)),
    ]
    now = shape("bills", Field("person_id", INT, nullable=False), Field("said", TEXT), keys=[to_people()])
    assert [(path, "NOT NULL" in message) for path, message, _ in said(look([kept], [now])[1])] == [("s.bills.person_id", True)]


BOTH = ForeignKey(("tenant", "person"), "people", ("tenant", "id"))
BILLS = shape("bills", Field("tenant", INT), Field("person", INT), keys=[BOTH])
KEPT: dict[str, object] = {"verb": Verb.KEEP, "keep": Keep(basis="tax law")}


@pytest.mark.parametrize(
    ("on_delete", "would"),
    [("cascade", "delete them by itself"), ("set null", "change them by itself"), ("set default", "change them"), ("no action", "refuse")],
)
@pytest.mark.parametrize("more", [KEPT, {"verb": Verb.DECORRELATE, "repoint": {"said": "x"}}])
def test_a_key_of_several_columns_by_which_the_database_would_act(on_delete: str, would: str, more: dict[str, object]) -> None:
    bills = note("bills", FieldNote("tenant"), points("person"), TOLD, owned_by=("person",), **more)
    now = replace(BILLS, fields=(*BILLS.fields, Field("said", TEXT)), foreign_keys=(replace(BOTH, on_delete=on_delete),))
    ((path, message, fix),) = said(look([bills], [now])[1])
    assert path == "s.bills"
    assert f"s.people by a foreign key (tenant, person) with ON DELETE {on_delete.upper()}" in message
    assert would in message
    assert "`verb: delete` with `owned_by: person`" in fix
    assert "`owned_by: []`: person is then nulled" in fix


def test_a_key_of_several_columns_that_is_let_go_before() -> None:
    cascades = replace(BILLS, foreign_keys=(replace(BOTH, on_delete="cascade"),))
    for more in (
        {"owned_by": ("person",)},
        {"owned_by": ()},
        {"owned_by": (), **KEPT},
        {"owned_by": ("person",), "verb": Verb.REDACT, "redact": ("tenant",)},
        {"owned_by": ("person",), "verb": Verb.DECORRELATE, "repoint": {"person": 0}},
    ):
        bills = note("bills", FieldNote("tenant"), points("person"), **more)
        assert said(look([bills], [cascades])[1]) == [], more
    nobody = note("bills", FieldNote("tenant"), FieldNote("person"), owned_by=())
    assert [path for path, _, _ in said(look([nobody], [cascades])[1])] == ["s.bills"], "no reference, by which it could be nulled"
    strict = replace(cascades, fields=(BILLS.fields[0], Field("tenant", INT), Field("person", INT, nullable=False)))
    kept = note("bills", FieldNote("tenant"), points("person"), owned_by=(), **KEPT)
    assert [path for path, _, _ in said(look([kept], [strict])[1])] == ["s.bills.person"], "what lets go is itself impossible"


@pytest.mark.parametrize("on_delete", ["cascade", "set null", "set default"])
def test_a_plain_key_by_which_the_database_would_act(on_delete: str) -> None:
    now = shape("seats", Field("person_id", INT), Field("said", TEXT), keys=[to_people(on_delete=on_delete)])
    silent = note("seats", OWNER, TOLD, verb=Verb.DECORRELATE, repoint={"said": "x"})
    ((path, message, _),) = said(look([silent], [now])[1])
    assert path == "s.seats"
    assert "(person_id)" in message
    for more in ({}, KEPT, {"owned_by": ()}, {"verb": Verb.REDACT}, {"verb": Verb.DECORRELATE, "repoint": {"person_id": 0}}):
        assert said(look([note("seats", OWNER, TOLD, **more)], [now])[1]) == [], more
    other = note("seats", points("person_id", field="name"), TOLD, verb=Verb.REDACT)
    assert [path for path, _, _ in said(look([other], [now])[1])] == ["s.seats"], "the policy joins by another column than the constraint"


def test_a_table_of_another_schema() -> None:
    far = Shape("audit.trail", (), foreign_keys=(to_people(on_delete="set null"),), outside=True)
    ((path, message, fix),) = said(look([], [far])[1])
    assert path == "s.audit.trail"
    assert "references s.people by person_id" in message
    assert "another schema" in fix
    same_name = note("audit.trail", OWNER)
    assert {path for path, _, _ in said(look([same_name], [far])[1])} == {"s.audit.trail", "s.audit.trail.id", "s.audit.trail.person_id"}


@pytest.mark.parametrize("schema", ["audit", "public", None])
def test_a_table_of_another_schema_that_another_store_declares(schema: str | None) -> None:
    far = Shape(f"{schema or 'public'}.trail", (), foreign_keys=(to_people(on_delete="set null"),), outside=True)
    own = shape("trail", Field("person_id", INT), keys=[to_people()])

    def found(url: str, **more: object) -> list[str]:
        trail = replace(note("trail", OWNER, **more), store="t")
        catalog = Catalog(
            {"person": SubjectKind("person", "person_id")},
            {"s": StoreNote("s", "sql", {"url": "u"}), "t": StoreNote("t", "sql", {"url": url, **({"schema": schema} if schema else {})})},
            {one.address: one for one in (PEOPLE, trail)},
        )
        live = {"s": (PEOPLE_NOW, far), "t": (own,)}
        held = ownership(catalog, live)
        return [path for path, _, _ in said(troubles(catalog, held, live, make_plan(catalog, held, live, Scope(), "0" * 64)))]

    assert found("u") == []
    assert found("u", owned_by=()) == []
    assert found("u", **KEPT) == ["t.trail"], "nothing lets go of what is kept, across stores"
    assert found("another") == [f"s.{far.name}"]


def test_an_undeclared_collection_with_what_looks_like_a_persons_key() -> None:
    plain = (Field("lat", FieldType.REAL), Field("person_id", TEXT))
    live = [shape("places", *plain), shape("words", *plain), shape("colours", Field("name", TEXT)), replace(PEOPLE_NOW)]
    catalog = Catalog(
        {"person": SubjectKind("person", "person_id")},
        {"s": StoreNote("s", "memory", {})},
        {one.address: one for one in (PEOPLE, note("words", FieldNote("person_id"), owned_by=()))},
    )
    (found,) = unmentioned(catalog, "s", live)
    assert (found.path, found.severity) == ("s.places", "warning")
    assert "no dataset mentions it" in found.message
    assert "person_id looks like s.people.id" in found.message
    assert "expunge discover s" in found.fix


def test_an_undeclared_collection_that_a_trigger_feeds() -> None:
    words, archive = shape("words", Field("person_id", TEXT)), shape("archive", Field("t", TEXT))
    index = Shape("index", (), hangs_on="words")
    catalog = Catalog(
        {"person": SubjectKind("person", "person_id")},
        {"s": StoreNote("s", "memory", {})},
        {one.address: one for one in (PEOPLE, note("words", OWNER))},
    )
    live = [
        replace(words, feeds=("archive", "index", "people")),
        archive,
        index,
        PEOPLE_NOW,
        replace(shape("other"), feeds=("more",)),
        shape("more"),
    ]
    (found,) = unmentioned(catalog, "s", live)
    assert (found.path, found.severity) == ("s.archive", "warning")
    assert "a trigger on words speaks of it" in found.message


def test_check_and_plan_warn_of_an_undeclared_collection(tmp_path: Path) -> None:
    place = toy(tmp_path / "toy")
    with opened(place) as library:
        assert [one.path for one in library.check() if one.code == "soft-reference"] == []
    sql(place, "create table tracks (person_id integer, lat real)")
    place = Place(place.folder, {**place.environment, "JOURNAL_URL": place.environment["APP_URL"]})  # its own tables concern nobody
    with opened(place) as library:
        assert [one.path for one in library.check() if one.code == "soft-reference"] == ["app.tracks"]
        assert "app.tracks" in [one.path for one in library.plan(["adult:11"]).sight.warnings]


def test_a_decorrelate_of_a_unique_column() -> None:
    one = note("seats", OWNER, verb=Verb.DECORRELATE, repoint={"person_id": 0})
    _, found = look([one], [shape("seats", Field("person_id", INT, unique=True), keys=[to_people()])])
    assert [(path, "is unique" in message) for path, message, _ in said(found)] == [("s.seats.person_id", True)]
    assert said(look([one], [shape("seats", Field("person_id", INT), keys=[to_people()])])[1]) == []


def test_a_record_that_points_at_its_own_kind() -> None:
    tree = note("posts", OWNER, points("answers", "posts"), owned_by=("person_id",))
    key = ForeignKey(("answers",), "posts", ("id",))
    plan, found = look([tree], [shape("posts", Field("person_id", INT), Field("answers", INT), keys=[to_people(), key])])
    assert said(found) == []
    assert {act.what for act in plan.acts_on("s.posts")} >= {"erase"}
    assert any(act.fields == ("answers",) for act in plan.acts_on("s.posts"))
    strict = shape("posts", Field("person_id", INT), Field("answers", INT, nullable=False), keys=[to_people(), key])
    assert [path for path, _, _ in said(look([tree], [strict])[1])] != []


def test_two_candidates_for_an_owner() -> None:
    with pytest.raises(AmbiguousOwnership, match="owned_by") as refused:
        look([note("messages", points("sender"), points("receiver"))], [shape("messages", Field("sender", INT), Field("receiver", INT))])
    assert "sender" in str(refused.value)
    assert "receiver" in str(refused.value)


def test_a_range_of_time_needs_dates() -> None:
    from datetime import UTC, datetime

    scope = Scope(captured=Span(datetime(2026, 1, 1, tzinfo=UTC)))
    _, found = look([note("notes", OWNER)], [shape("notes", Field("person_id", INT))], scope)
    ((path, _, fix),) = said(found)
    assert path == "s.notes"
    assert "captured_at" in fix
    assert said(look([note("notes", OWNER, captured_at="never")], [shape("notes", Field("person_id", INT))], scope)[1]) == []


def test_what_the_store_has_not() -> None:
    _, found = look([note("notes", OWNER, TOLD)], [])
    assert [path for path, _, _ in said(found)] == ["s.notes"]
    _, found = look([note("notes", OWNER, TOLD)], [shape("notes", Field("person_id", INT))])
    assert [path for path, _, _ in said(found)] == ["s.notes.said"]


def test_a_key_that_can_not_be_compared() -> None:
    _, found = look([note("notes", OWNER)], [shape("notes", Field("person_id", FieldType.JSON))])
    assert [(path, "json" in message) for path, message, _ in said(found)] == [("s.notes.person_id", True)]
