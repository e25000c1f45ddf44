"""What is made of sightings: certain, for review, common, or kept by the policy."""

from __future__ import annotations

import pytest

from expunge.hunt.groups import Group, Scanned
from expunge.hunt.judging import CONCENTRATED, judge
from expunge.hunt.listed import Listed
from expunge.hunt.pieces import Account, Place, Unread, Why
from expunge.hunt.prints import Kind, Sighting, Tier
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, StoreNote

CATALOG = Catalog(
    {},
    {name: StoreNote(name, kind, {}) for name, kind in {"app": "sql", "media": "objects", "logs": "jsonl", "found": "objects"}.items()},
    {
        note.address: note
        for note in (
            CollectionNote("app", "transcripts", {"text": FieldNote("text")}),
            CollectionNote("media", "clips", {}, layout={"objects": "voice/{child}/{clip}.wav"}),
            CollectionNote("logs", "requests", {}, layout={"path": "app-*.jsonl*"}),
            CollectionNote("found", "tars", {}, layout={"objects": "{file}.tar"}, by_content=True),
        )
    },
)
LISTED = Listed(CATALOG, kept=())
FORGOTTEN = Place("warehouse", table="tmp", column="text")
TRANSCRIPTS = Place("app", table="transcripts", column="text")


def seen(
    place: Place, kind: Kind = Kind.TEXT, tier: Tier = Tier.FOUND, print_: int = 1, row: str | None = "1", subject: int = 0
) -> Sighting:
    return Sighting(place, kind, tier, subject, print_, 0.9, "text, exact", offset=7, length=3, row=row, context=b"\xff around")


def groups(*sightings: Sighting) -> list[Group]:
    scanned = Scanned()
    scanned.take(sightings)
    return list(scanned.groups.values())


def test_found_in_an_unlisted_place_is_certain() -> None:
    (one,), aside = judge(groups(seen(FORGOTTEN), seen(FORGOTTEN, row="2", subject=1, print_=2)), LISTED)
    assert (one.certain, one.count, one.subjects, one.rows, one.place) == (True, 2, 2, ("1", "2"), "warehouse.tmp.text")
    assert aside == {}


def test_a_text_that_listed_places_hold_too_is_common() -> None:
    finds, aside = judge(groups(seen(FORGOTTEN), seen(TRANSCRIPTS)), LISTED)
    assert finds == []
    assert aside == {"common": 2}


def test_an_undeclared_column_of_a_listed_table_is_no_control() -> None:
    (one,), _ = judge(groups(seen(Place("app", table="transcripts", column="raw"))), LISTED)
    assert one.certain


def test_a_key_in_somebody_elses_listed_record_is_for_review() -> None:
    (one,), _ = judge(groups(seen(TRANSCRIPTS, Kind.IDENTIFIER)), LISTED)
    assert not one.certain


@pytest.mark.parametrize(("prints", "certain"), [(CONCENTRATED - 1, False), (CONCENTRATED, True)])
def test_many_weak_prints_in_one_place_are_a_copy(prints: int, certain: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    weak = [seen(FORGOTTEN, tier=Tier.REVIEW, print_=number, row=str(number)) for number in range(prints)]
    (one,), _ = judge(groups(*weak), LISTED)
    assert one.certain is certain


def test_what_the_policy_keeps_is_set_aside() -> None:
    finds, aside = judge(groups(seen(TRANSCRIPTS, Kind.IDENTIFIER)), Listed(CATALOG, kept=["app.transcripts"]))
    assert (finds, aside) == ([], {"kept by the policy": 1})


def test_listed_files_are_told_by_collection_whatever_their_version() -> None:
    paths = ("voice/7/a.wav", ".versions/voice/7/b.wav/1", "voice/8/c.wav?versionId=x")
    (one,), _ = judge(groups(*(seen(Place("media", path), Kind.AUDIO, row=None) for path in paths)), LISTED)
    assert (one.certain, one.place, one.count) == (False, "media.clips", 3)


def test_a_database_files_pages_are_told_by_its_tables() -> None:
    table = Place("share", "old.db", table="asr", column="text")
    finds, _ = judge(groups(seen(Place("share", "old.db"), row=None), seen(table)), LISTED)
    assert [one.place for one in finds] == ["share/old.db!asr.text"]


def test_members_of_one_file_are_one_find_and_its_collection_is_named() -> None:
    inside = [seen(Place("found", "x.tar", (f"c{number}.mp3",)), Kind.AUDIO, row=None, print_=number) for number in range(3)]
    (one,), _ = judge(groups(*inside), LISTED)
    assert (one.place, one.address, one.count) == ("found/x.tar", "found.tars", 3)


@pytest.mark.parametrize(
    ("path", "listed"),
    [("app-2026-01-01.jsonl", True), ("app-2026-01-01.jsonl.gz", True), ("other.jsonl", False), ("deep/app-1.jsonl", False)],
)
def test_a_path_pattern_is_of_one_folder(path: str, listed: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    assert LISTED.verified(Place("logs", path)) is listed


def test_what_a_shard_showed_goes_on_the_shelf_and_comes_back() -> None:
    scanned = Scanned(account=Account(streams=2, bytes=10, rows=3, formats={"gzip": 1}))
    scanned.account.unread.append(Unread(Place("share", "x.zip", ("y",)), Why.ENCRYPTED, 12, "a note"))
    scanned.take([seen(FORGOTTEN), seen(FORGOTTEN, row="2"), seen(Place("share", "a.tar", ("m",)), Kind.AUDIO, row=None)])
    back = Scanned.from_bytes(scanned.as_bytes())
    assert back.as_bytes() == scanned.as_bytes()
    assert back.groups == scanned.groups
    back.add(Scanned.from_bytes(scanned.as_bytes()))
    assert back.account.streams == 4
    assert next(iter(back.groups.values())).count == 4


def test_no_repr_quotes_what_was_seen() -> None:
    (group,) = groups(seen(FORGOTTEN))
    assert "around" not in repr(group) + repr(seen(FORGOTTEN))
