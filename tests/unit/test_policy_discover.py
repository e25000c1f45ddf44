"""What is proposed for a live schema, and what is called drift."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.policy.annotations import AnnotatedDataset
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Reference, StoreNote, SubjectKind
from expunge.policy.discover import Proposal, drift, propose
from expunge.policy.drift import can_equal
from expunge.policy.guesses import guess, singular, words
from expunge.policy.load import load
from expunge.policy.reading import read
from expunge.stores.registry import open_store
from expunge.terms import Field, FieldType, ForeignKey, Shape, Value

ID = Field("id", FieldType.INTEGER, nullable=False)


def shape(name: str, *fields: Field, keys: tuple[ForeignKey, ...] = (), hangs_on: str | None = None) -> Shape:
    return Shape(name, (ID, *fields), ("id",), keys, hangs_on=hangs_on)


def note(name: str, *fields: FieldNote, owned_by: tuple[str, ...] | None = None) -> tuple[str, CollectionNote]:
    return f"app.{name}", CollectionNote("app", name, {one.name: one for one in fields}, owned_by=owned_by, dataset="app")


CATALOG = Catalog(
    kinds={
        "household": SubjectKind("household", "household_id"),
        "adult": SubjectKind("adult", "person_id", member_of="household"),
        "child": SubjectKind("child", "profile_id", member_of="household", minor=True),
    },
    stores={"app": StoreNote("app", "sql", {})},
    collections=dict(
        [
            note("households", FieldNote("id", identity="household_id", primary_key=True)),
            note("people", FieldNote("id", identity="person_id", primary_key=True), FieldNote("name")),
            note("profiles", FieldNote("id", identity="profile_id", primary_key=True)),
        ]
    ),
)
LIVE = (shape("households"), shape("people", Field("name", FieldType.TEXT)), shape("profiles"))


def proposed(*shapes: Shape, catalog: Catalog = CATALOG) -> Proposal:
    return propose([*LIVE, *shapes], catalog, "app")


@pytest.mark.parametrize(
    ("name", "type_", "category"),
    [
        ("email", FieldType.TEXT, "user.contact.email"),
        ("userEmail", FieldType.TEXT, "user.contact.email"),
        ("E-MAIL", FieldType.TEXT, "user.contact.email"),
        ("phone_number", FieldType.TEXT, "user.contact.phone_number"),
        ("lat", FieldType.REAL, "user.location.precise"),
        ("Longitude", FieldType.NUMERIC, "user.location.precise"),
        ("geohash", FieldType.TEXT, "user.location.precise"),
        ("last_ip", FieldType.TEXT, "user.device.ip_address"),
        ("clientIP", FieldType.OTHER, "user.device.ip_address"),
        ("ip_address", FieldType.TEXT, "user.device.ip_address"),
        ("first_name", FieldType.TEXT, "user.name.first"),
        ("voice_clip", FieldType.BYTES, "user.biometric.voice"),
        ("audio_url", FieldType.TEXT, "user.biometric.voice"),
        ("transcripts", FieldType.TEXT, "user.content.private"),
        ("faceEmbedding", FieldType.BYTES, "user.biometric"),
        ("device_id", FieldType.UUID, "user.device.device_id"),
        ("birth_date", FieldType.DATE, "user.demographic.date_of_birth"),
        ("text", FieldType.TEXT, "user.content.private"),
        ("thumbnail", FieldType.TEXT, "user.content.private"),
    ],
)
def test_guesses(name: str, type_: FieldType, category: str) -> None:
    found = guess(Field(name, type_), "things")
    assert found is not None
    assert found.category == category
    assert found.why


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("latency", FieldType.REAL),
        ("email_verified", FieldType.BOOLEAN),
        ("status", FieldType.TEXT),
        ("clip_id", FieldType.TEXT),
        ("name", FieldType.TEXT),
        ("message_count", FieldType.TEXT),
        ("ship", FieldType.TEXT),
        ("lat", FieldType.BOOLEAN),
    ],
)
def test_no_guess(name: str, type_: FieldType) -> None:
    assert guess(Field(name, type_), "things") is None


def test_a_bare_name_is_a_persons_where_persons_are() -> None:
    assert guess(Field("name", FieldType.TEXT), "app_users") is not None
    assert guess(Field("name", FieldType.TEXT), "devices") is None


def test_words() -> None:
    assert words("userID") == ("user", "id")
    assert words("HTTPServer_name2") == ("http", "server", "name", "2")


def test_references_come_from_foreign_keys() -> None:
    clips = shape("clips", Field("profile_id", FieldType.INTEGER), keys=(ForeignKey(("profile_id",), "profiles", ("id",)),))
    text = proposed(clips).text
    assert "references: [{dataset: app, field: profiles.id, direction: from}]" in text
    assert "soft" not in text.split("dataset:", 1)[1]


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("profile_id", "child"),
        ("profileId", "child"),
        ("userId", "adult"),
        ("owner", "adult"),
        ("person", "adult"),
        ("household", "household"),
        ("user_uuid", "adult"),
        ("child_id", "child"),
        ("created_by_person_id", "adult"),
    ],
)
def test_soft_references_by_name(field: str, kind: str) -> None:
    (soft,) = proposed(shape("jobs", Field(field, FieldType.INTEGER))).soft
    assert (soft.collection, soft.field, soft.key.kind) == ("jobs", field, kind)
    assert field in str(soft)


@pytest.mark.parametrize(
    "field",
    [
        Field("clip_id", FieldType.INTEGER),
        Field("profile_id", FieldType.TIME),
        Field("user_agent", FieldType.TEXT),
        Field("rating", FieldType.INTEGER),
    ],
)
def test_what_is_no_soft_reference(field: Field) -> None:
    assert proposed(shape("jobs", field)).soft == ()


def test_types_that_can_never_be_equal_are_no_soft_reference() -> None:
    assert proposed(shape("jobs", Field("profile_id", FieldType.UUID))).soft == ()
    assert proposed(shape("jobs", Field("profile_id", FieldType.TEXT))).soft


def test_values_tell_what_the_name_does_not() -> None:
    catalog = Catalog(CATALOG.kinds, CATALOG.stores, dict([note("people", FieldNote("id", identity="person_id", primary_key=True))]))
    shapes = [
        Shape("people", (Field("id", FieldType.TEXT),), ("id",)),
        Shape("rollups", (Field("who", FieldType.TEXT), Field("week", FieldType.TEXT))),
    ]

    def samples(collection: str, field: str) -> list[Value]:
        return [f"week-{n}" for n in range(20)] if field == "week" else [f"p-{n}" for n in range(20 if collection == "people" else 12)]

    (soft,) = propose(shapes, catalog, "app", samples).soft
    assert (soft.field, soft.why) == ("who", "100% of the sampled values are among its values")
    assert not propose(shapes, catalog, "app").soft


def test_small_numbers_overlap_by_chance() -> None:
    shapes = [*LIVE, shape("jobs", Field("attempts", FieldType.INTEGER))]
    assert propose(shapes, CATALOG, "app", lambda *_: list(range(50))).soft == ()


def test_declared_collections_are_looked_at_too() -> None:
    catalog = Catalog(
        CATALOG.kinds, CATALOG.stores, {**CATALOG.collections, **dict([note("jobs", FieldNote("id"), FieldNote("profile_id"))])}
    )
    found = propose([*LIVE, shape("jobs", Field("profile_id", FieldType.INTEGER))], catalog, "app")
    assert (found.text, found.collections, [soft.field for soft in found.soft]) == ("", (), ["profile_id"])


def test_what_the_policy_says_already_is_not_asked_again() -> None:
    declared = [
        note("a", FieldNote("profile_id", references=(Reference("profile_id", "app.profiles", "id"),)), FieldNote("household_id")),
        note("b", FieldNote("profile_id"), owned_by=()),
    ]
    catalog = Catalog(CATALOG.kinds, CATALOG.stores, {**CATALOG.collections, **dict(declared)})
    both = (Field("profile_id", FieldType.INTEGER), Field("household_id", FieldType.INTEGER))
    assert propose([*LIVE, shape("a", *both), shape("b", *both)], catalog, "app").soft == ()


def test_what_hangs_on_a_collection_is_not_proposed() -> None:
    found = proposed(shape("jobs"), shape("jobs_fts", hangs_on="jobs"))
    assert found.collections == ("jobs",)


def test_a_key_of_several_fields_is_left_to_a_person() -> None:
    wide = shape(
        "jobs",
        Field("a", FieldType.INTEGER),
        keys=(ForeignKey(("id", "a"), "people", ("id", "name")), ForeignKey(("a",), "elsewhere", ("id",))),
    )
    text = proposed(wide).text
    assert "# a key of several fields, id, a, references people" in text
    assert "# a references elsewhere, which is not a collection of its own" in text


names = st.text(min_size=1, max_size=10) | st.sampled_from(
    ["NO", "on", "010", "1:30", "null", "<<", "a: b", "a#b", "-", "x\ny", "\x85", "\U0001f600", "user_id"]
)
fields = st.builds(Field, names, st.sampled_from(FieldType))


@settings(deadline=None, max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(st.tuples(names, st.lists(fields, max_size=4, unique_by=lambda one: one.name)), max_size=4, unique_by=lambda one: one[0])
)
def test_any_schema_gives_a_dataset_that_says_the_same_names(tmp_path: Path, drawn: list[tuple[str, list[Field]]]) -> None:
    shapes = [
        Shape(
            name,
            tuple(held),
            tuple(one.name for one in held[:1]),
            tuple(ForeignKey((one.name,), name, (held[0].name,)) for one in held[1:2]),
        )
        for name, held in drawn
    ]
    text = propose(shapes, Catalog(CATALOG.kinds, CATALOG.stores, {}), "app").text
    if not shapes:
        assert text == ""
        return
    file = tmp_path / "d.yml"
    file.write_text(text, encoding="utf-8")
    document, problems = read(file, "d.yml")
    assert problems == []
    assert document is not None
    model = AnnotatedDataset.model_validate(document.at(("dataset", 0)))
    assert {one.name: [field.name for field in one.fields] for one in model.collections} == {
        name: [field.name for field in held] for name, held in drawn
    }


def test_a_proposal_for_a_real_database_loads(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "app.db") as database:
        database.executescript(
            """
            CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, name TEXT);
            CREATE TABLE notes (id INTEGER PRIMARY KEY, person INTEGER REFERENCES people(id), body TEXT);
            CREATE TABLE "NO" (id INTEGER PRIMARY KEY, "user id" INTEGER);
            """
        )
    database.close()
    store = open_store("sql", "app", {"url": f"sqlite:///{tmp_path / 'app.db'}"}, ())
    try:
        shapes = store.describe()
    finally:
        store.close()
    kinds = {"adult": SubjectKind("adult", "person_id")}
    found = propose(shapes, Catalog(kinds, {"app": StoreNote("app", "sql", {})}, {}), "app")
    text = found.text.replace("              primary_key: true", "              primary_key: true\n              identity: person_id", 2)
    (tmp_path / "app.yml").write_text(text, encoding="utf-8")
    (tmp_path / "expunge.yaml").write_text(
        "expunge: 1\ncontroller: {name: X, contact: y}\nsubjects: {adult: {key: person_id}}\n"
        "stores: {app: {kind: sql, url: 'sqlite:///app.db', datasets: [app.yml]}}\n",
        encoding="utf-8",
    )
    policy = load(tmp_path / "expunge.yaml", {})
    assert drift(shapes, policy.catalog, "app") == ()
    assert policy.catalog.collections["app.people"].fields["email"].categories == ("user.contact.email",)
    assert policy.catalog.collections["app.notes"].fields["person"].references[0].to == "app.people"


def test_no_drift() -> None:
    assert drift(LIVE, CATALOG, "app") == ()


def test_drift_names_what_is_gone_and_the_nearest() -> None:
    renamed = (shape("household"), shape("people", Field("names", FieldType.TEXT)), shape("profiles"))
    gone, field, new = drift(renamed, CATALOG, "app")
    assert (gone.code, gone.path, gone.fix) == ("drift-collection", "app.households", "is it household now?")
    assert (field.code, field.path, field.fix) == ("drift-field", "app.people.name", "is it names now?")
    assert (new.code, new.path, new.severity) == ("drift-new-field", "app.people.names", "warning")


def test_a_new_field_comes_with_its_guess() -> None:
    (new,) = drift([LIVE[0], shape("people", Field("name", FieldType.TEXT), Field("email", FieldType.TEXT)), LIVE[2]], CATALOG, "app")
    assert new.fix == "add {name: email, data_categories: [user.contact.email]}, or its reference"


def test_a_table_that_nobody_mentioned_but_that_points_at_people() -> None:
    stray = shape("stray", Field("p", FieldType.INTEGER), keys=(ForeignKey(("p",), "people", ("id",)),))
    (found,) = drift([*LIVE, stray, shape("other"), shape("fts", hangs_on="people", keys=stray.foreign_keys)], CATALOG, "app")
    assert (found.code, found.path, found.severity) == ("drift-unlisted", "app.stray", "error")


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (FieldType.UUID, "is uuid, and app.people.id is integer: they can never be equal"),
        (FieldType.JSON, "people are found by it, and a json field can't be compared"),
    ],
)
def test_keys_that_can_not_be_compared(type_: FieldType, message: str) -> None:
    held = note("jobs", FieldNote("p", references=(Reference("p", "app.people", "id"),)))
    catalog = Catalog(CATALOG.kinds, CATALOG.stores, {**CATALOG.collections, **dict([held])})
    (found,) = drift([*LIVE, Shape("jobs", (Field("p", type_),))], catalog, "app")
    assert (found.code, found.message) == ("drift-type", message)


def test_nested_fields_lie_in_their_document() -> None:
    held = note("docs", FieldNote("body"), FieldNote("body.name"), FieldNote("plain"), FieldNote("plain.name"))
    catalog = Catalog(CATALOG.kinds, CATALOG.stores, dict([held]))
    (found,) = drift([Shape("docs", (Field("body", FieldType.JSON), Field("plain", FieldType.TEXT)))], catalog, "app")
    assert found.path == "app.docs.plain.name"


def test_plurals() -> None:
    assert [singular(word) for word in ("people", "children", "profiles", "families", "address", "ties")] == [
        *("person", "child", "profile", "family", "address", "tie")
    ]


def test_too_few_values_say_nothing() -> None:
    shapes = [Shape("people", (Field("id", FieldType.TEXT),), ("id",)), Shape("rollups", (Field("who", FieldType.TEXT),))]
    catalog = Catalog(CATALOG.kinds, CATALOG.stores, dict([note("people", FieldNote("id", identity="person_id", primary_key=True))]))
    assert propose(shapes, catalog, "app", lambda *_: ["a", "b"]).soft == ()


def test_fields_that_can_never_be_equal() -> None:
    assert can_equal(FieldType.INTEGER, FieldType.NUMERIC)
    assert can_equal(FieldType.UUID, FieldType.TEXT)
    assert not can_equal(FieldType.UUID, FieldType.INTEGER)
    assert not can_equal(FieldType.JSON, FieldType.JSON)


def test_a_field_that_may_be_in_no_line_is_no_drift() -> None:
    held = CollectionNote("app", "logs", {name: FieldNote(name) for name in ("at", "error", "user")}, layout={"sparse": ["error"]})
    catalog = Catalog(CATALOG.kinds, CATALOG.stores, {"app.logs": held})
    (found,) = drift([Shape("logs", (Field("at", FieldType.TEXT),))], catalog, "app")
    assert found.path == "app.logs.user"
