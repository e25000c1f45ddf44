"""Whose a record is, rule by rule: the smallest catalogue in which each rule decides, or refuses with both candidates named."""

from __future__ import annotations

import pytest

from expunge.errors import AmbiguousOwnership
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Reference, SubjectKind
from expunge.policy.ownership import Edge, Root, Via, ownership
from expunge.terms import Field, FieldType, ForeignKey, Shape

KINDS = {
    "household": SubjectKind("household", "household_id"),
    "adult": SubjectKind("adult", "person_id", ("email",), member_of="household"),
}
HOME = FieldNote("home", references=(Reference("home", "app.households", "id"),))


def identified(name: str, identity: str, *, key: bool = False) -> FieldNote:
    return FieldNote(name, identity=identity, primary_key=key)


def to(name: str, *targets: str, direction: str = "from") -> FieldNote:
    return FieldNote(name, references=tuple(Reference(name, f"app.{one}", "id", direction) for one in targets))


def note(name: str, *fields: FieldNote, owned_by: tuple[str, ...] | None = None) -> CollectionNote:
    return CollectionNote("app", name, {one.name: one for one in fields}, owned_by=owned_by)


HOUSEHOLDS = note("households", identified("id", "household_id", key=True))
PEOPLE = note("people", identified("id", "person_id", key=True), HOME, identified("mail", "email"))


def catalog(*notes: CollectionNote) -> Catalog:
    return Catalog(KINDS, {}, {one.address: one for one in (HOUSEHOLDS, *notes)})


def refused(*notes: CollectionNote) -> str:
    with pytest.raises(AmbiguousOwnership) as caught:
        ownership(catalog(*notes), {})
    return str(caught.value)


def test_a_member_s_household_is_named_by_a_reference_or_by_its_own_key() -> None:
    by_reference = ownership(catalog(PEOPLE), {}).memberships["adult"]
    assert by_reference == (Edge("app.people", "home", "app.households", "id"),)
    keyed = note("people", identified("id", "person_id", key=True), identified("home", "household_id"))
    assert ownership(catalog(keyed), {}).memberships["adult"] == (Edge("app.people", "home", "app.households", "id", Via.IDENTITY),)


def test_a_member_s_reference_to_another_field_of_the_household_names_none() -> None:
    elsewhere = FieldNote("home", references=(Reference("home", "app.households", "street"),))
    told = refused(note("people", identified("id", "person_id", key=True), elsewhere))
    assert told.startswith("subjects.adult: is a member of household, but no field of its own record says of which")


def test_records_that_only_mention_a_member_say_nothing_of_its_household() -> None:
    told = ownership(catalog(PEOPLE, note("visits", FieldNote("id"), identified("who", "person_id"), HOME)), {})
    assert told.roots["app.visits"] == Root("app.visits", "who", "adult")
    assert {edge.owned for edge in told.memberships["adult"]} == {"app.people"}
    assert told.pointers == (Edge("app.visits", "home", "app.households", "id"),)


def test_a_subject_named_twice_is_refused_until_one_is_chosen() -> None:
    twice = (identified("caller", "person_id"), identified("called", "person_id"))
    assert "app.calls: names its subject twice, by caller (adult) and called (adult)" in refused(PEOPLE, note("calls", *twice))
    chosen = ownership(catalog(PEOPLE, note("calls", *twice, owned_by=("called",))), {})
    assert chosen.roots["app.calls"].field == "called"
    assert chosen.into("app.calls") == ()


def test_two_references_and_a_reference_against_a_claim_are_refused() -> None:
    told = refused(PEOPLE, note("messages", to("sender", "people"), to("receiver", "people")))
    assert "could belong to its subject by sender → app.people or by receiver → app.people" in told
    claimed = (note("clips", to("by", "people")), note("files", FieldNote("id"), to("of", "people")))
    claim = note("uploads", to("who", "people"), to("file", "files", direction="to"))
    assert "by of → app.people or by claimed by app.uploads" in refused(PEOPLE, *claimed, claim)


def test_one_field_that_leads_to_two_collections_names_nobody() -> None:
    other = note("guests", identified("id", "person_id"))
    told = refused(PEOPLE, other, note("messages", to("sender", "people", "guests"), owned_by=("sender",)))
    assert "sender references app.people and app.guests" in told


def test_an_owner_that_leads_to_no_person_is_refused() -> None:
    nobody = note("firmware", FieldNote("version"), owned_by=())
    told = refused(PEOPLE, nobody, note("logs", to("firmware", "firmware"), owned_by=("firmware",)))
    assert "owned_by names firmware, which leads to no person" in told


def test_a_further_identity_leads_to_whoever_s_own_record_carries_it() -> None:
    by_mail = note("tickets", FieldNote("id"), identified("mail", "email"))
    either = note("offers", identified("mail", "email"), identified("cc", "email"), to("who", "people"), owned_by=("cc",))
    told = ownership(catalog(PEOPLE, by_mail, either), {})
    assert told.known_by == {"email": (("app.people", "mail"),)}
    assert told.into("app.tickets") == (Edge("app.tickets", "mail", "app.people", "mail", Via.IDENTITY),)
    assert told.into("app.offers") == (Edge("app.offers", "cc", "app.people", "mail", Via.IDENTITY),)
    assert told.kind_of("app.tickets") == "adult"


def test_a_constraint_of_one_column_is_a_reference_that_nobody_needs_to_declare() -> None:
    keys = (
        ForeignKey(("who",), "people", ("id",)),
        ForeignKey(("a", "b"), "people", ("id", "home")),
        ForeignKey(("x",), "beyond", ("id",)),
    )
    fields = tuple(Field(name, FieldType.INTEGER) for name in ("who", "a", "b", "x"))
    told = ownership(catalog(PEOPLE, note("notes", FieldNote("who"))), {"app": [Shape("notes", fields, foreign_keys=keys)]})
    assert told.into("app.notes") == (Edge("app.notes", "who", "app.people", "id", enforced=True),)
    assert told.out_of("app.people") == told.into("app.notes")
    assert "app.notes" in told.owned
