"""Which of a record's fields are traces, and which are somebody else's."""

from __future__ import annotations

import base64
from typing import Any

from expunge.hunt.prints import Role, Trace
from expunge.hunt.traces import Tracks, batches, of_people, of_records
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Reference, StoreNote, SubjectKind
from expunge.ports import Gone
from expunge.terms import FieldType, Identifier, Json, Record

KINDS = {
    "household": SubjectKind("household", "household_id"),
    "child": SubjectKind("child", "profile_id", ("email",), member_of="household"),
}


def catalog(*fields: FieldNote, name: str = "clips", captured_at: str | None = None) -> Catalog:
    note = CollectionNote("app", name, {one.name: one for one in fields}, captured_at=captured_at)
    return Catalog(KINDS, {"app": StoreNote("app", "sql", {})}, {note.address: note})


def traces(held: Catalog, *records: dict[str, Any], fields: tuple[str, ...] = (), **types: FieldType) -> list[Trace]:
    tracks = Tracks()
    (address,) = held.collections
    gone = [
        Gone(place, address, Record(str(place), record, body=record.pop("body", None)), fields, types)
        for place, record in enumerate(records)
    ]
    return [*of_records(held, gone, tracks), *tracks.traces()]


def said(found: list[Trace]) -> list[tuple[Role, str, object]]:
    return [(one.role, one.type, one.value) for one in found]


ID = FieldNote("id", ("user.unique_id",), primary_key=True)
SERIAL = FieldNote("serial", ("user.device",))
TEXT = FieldNote("text", ("user.content",))


def test_people_are_known_by_their_own_identifiers() -> None:
    found = said(list(of_people([(3, Identifier("email", "m@example.org"))])))
    assert found == [(Role.KEY, "email", "m@example.org")]


def test_a_records_key_is_a_trace_when_it_is_long() -> None:
    assert said(traces(catalog(ID), {"id": "01HZX4M2K9"})) == [(Role.KEY, "clip_id", "01HZX4M2K9")]
    assert said(traces(catalog(ID), {"id": 4711})) == []
    assert said(traces(catalog(ID), {"id": "01HZX4M2K9"}, fields=("text",))) == [], "the record stays"


def test_what_points_elsewhere_or_is_a_persons_key_is_none() -> None:
    household = FieldNote("household_id", ("user.unique_id",))
    parent = FieldNote("parent", ("user.unique_id",), references=(Reference("parent", "app.people", "id"),))
    mail = FieldNote("mail", ("user.contact",), identity="email")
    assert traces(catalog(household, parent, mail), {"household_id": 1, "parent": 2, "mail": "x@example.org"}) == []


def test_other_identifiers_are_keys_by_the_fields_name() -> None:
    assert said(traces(catalog(SERIAL), {"serial": "HS000000017"})) == [(Role.KEY, "serial", "HS000000017")]


def test_speech_is_text_and_settings_are_not() -> None:
    assert said(traces(catalog(TEXT), {"text": "call grandma"})) == [(Role.TEXT, "text", "call grandma")]
    assert traces(catalog(TEXT), {"text": "en-GB"}) == []
    assert traces(catalog(TEXT), {"text": "2026-01-01 10:00:00"}, text=FieldType.TIME) == []
    assert traces(catalog(FieldNote("text")), {"text": "no category says that this is anybody's"}) == []


def test_json_is_walked_and_lists_of_numbers_are_vectors() -> None:
    slots = FieldNote("slots", ("user.content",))
    found = said(traces(catalog(slots), {"slots": {"ask": "how far is the moon", "v": [0.5] * 16}}))
    assert found == [(Role.TEXT, "ask", "how far is the moon"), (Role.VECTOR, "v", [0.5] * 16)]


def test_bytes_are_a_body_and_perhaps_a_vector() -> None:
    face = FieldNote("face", ("user.biometric",))
    found = said(traces(catalog(face), {"face": base64.b64encode(b"\x01" * 64).decode()}, face=FieldType.BYTES))
    assert found == [(Role.BODY, "face", b"\x01" * 64), (Role.VECTOR, "face", b"\x01" * 64)]
    assert said(traces(catalog(ID), {"id": 1, "body": b"RIFF"})) == [(Role.BODY, "clips", b"RIFF")]


def test_fixes_are_one_track_a_person_in_the_order_of_time() -> None:
    held = catalog(
        FieldNote("lat", ("user.location",)), FieldNote("lon", ("user.location",)), FieldNote("at"), name="places", captured_at="at"
    )
    rows: list[dict[str, Json]] = [{"lat": 50.0 + place / 100, "lon": 8.0, "at": f"2026-01-01T10:0{place}:00+00:00"} for place in (2, 0, 1)]
    gone = [Gone(0, "app.places", Record(str(place), row)) for place, row in enumerate(rows)]
    tracks = Tracks()
    assert list(of_records(held, gone, tracks)) == []
    (track,) = tracks.traces()
    assert [fix.latitude for fix in track.value] == [50.0, 50.01, 50.02]  # type: ignore[union-attr] # fixes, as the role says


def test_batches_are_bounded() -> None:
    many = (Trace(0, Role.KEY, "", "x", str(number)) for number in range(4_500))
    assert [len(batch) for batch in batches(many)] == [2_000, 2_000, 500]
