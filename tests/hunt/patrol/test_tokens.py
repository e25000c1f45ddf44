"""What is recognised as an identifier, and, as important, what is not."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest

from expunge.hunt.patrol_tokens import Candidates, Recogniser, Types
from expunge.hunt.pieces import Blob, Column, Numbers, Place, Rows, Texts, Vectors
from expunge.terms import Identifier

TYPES = Types({"profile_id": frozenset({"profile_id", "kid"}), "household_id": frozenset({"household_id"}), "email": frozenset({"email"})})
CHILD = Identifier("profile_id", "11")
MAIL = Identifier("email", "anna.lee@mail.example")
ULID = Identifier("profile_id", "01HZX4Q2M8T7")
UUID = Identifier("profile_id", "0c1f3f62-9a51-4c7e-8f0b-6a1d2e3f4a5b")
PHONE = Identifier("household_id", "+15550000011")
HOUSE = Identifier("household_id", "4")
LARGE = Identifier("household_id", "4711")
ALL = frozenset({CHILD, MAIL, ULID, UUID, PHONE, HOUSE, LARGE})
AT = Place("share", "file")


def asked(known: Collection[Identifier]) -> list[Identifier]:
    return [one for one in known if one in ALL]


def seen(*pieces: Blob | Rows) -> list[str]:
    recogniser = Recogniser(TYPES, asked)
    return [sighting.form.partition(",")[0] for piece in pieces for sighting in recogniser.look(piece)]


def texts(*values: str) -> Texts:
    raw = [value.encode() for value in values]
    return Texts(np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)], dtype=np.int64))


@pytest.mark.parametrize(
    "text",
    [
        '{"profile_id": 11, "x": 1}',
        '{"profileId":"11"}',
        "GET /profiles/11/clips HTTP/1.1",
        "https://x.example/api?profile_id=11&page=2",
        "<profile_id>11</profile_id>",
        '"profile_ids": [7, 9, 11]',
        "PROFILE_ID = 11;",
        '{\\"profile_id\\":\\"11\\"}',
        "profile_id: 11.0",
        "to=anna.lee@mail.example",
        "<Anna.Lee@Mail.example>",
        "mailto:anna.lee@mail.example?subject=x",
        "a=1&m=anna.lee%40mail.example",
        "'anna.lee@mail.example',",
        "clip 01HZX4Q2M8T7 was heard",
        "voice/01HZX4Q2M8T7/a.wav",
        "0C1F3F62-9A51-4C7E-8F0B-6A1D2E3F4A5B",
        "0c1f3f629a514c7e8f0b6a1d2e3f4a5b.json",
        "call +15550000011.",
        "household=4711",
    ],
)
def test_recognised(text: str) -> None:
    assert seen(Blob(AT, 0, text.encode())) != []


@pytest.mark.parametrize(
    "text",
    [
        "11",
        "room 11, profile 11",
        "profile_id=117",
        "profile_id=11a",
        "profile_id: 11-20",
        "and/or profile/11",
        "latency_ms=11",
        "other_id=11",
        "household: 4",
        "joanna.lee@mail.example.com",
        "anna.lee@mail.example.com",
        "01HZX4Q2M8T7X",
        "x01HZX4Q2M8T7",
        "0c1f3f629a514c7e8f0b6a1d2e3f4a5b00",
        "+155500000112",
        "4711",
    ],
)
def test_not_recognised(text: str) -> None:
    assert seen(Blob(AT, 0, text.encode())) == []


def test_bytes_that_are_no_text_show_what_stands_by_itself() -> None:
    noise = np.random.default_rng(3).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    assert seen(Blob(AT, 0, noise)) == []
    assert seen(Blob(AT, 0, noise + b"\0anna.lee@mail.example\0" + noise)) == ["email"]
    assert seen(Blob(AT, 0, b"profile_id=11", opaque=True)) == []


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_word_that_a_window_cuts_is_read_in_the_next_one_only(cut: int) -> None:
    """117 is not 11, wherever the window ends; and each is seen once it is whole."""
    text, whole = b"x" * 50 + b" profile_id=117 anna.lee@mail.example ", b"x" * 50 + b" profile_id=11 anna.lee@mail.example "
    for content, forms in ((text, {"email"}), (whole, {"email", "profile_id"})):
        edge = 50 + cut
        pieces = [Blob(AT, 0, content[:edge], last=False), Blob(AT, edge, content[40:], overlap=edge - 40)]
        assert set(seen(*pieces)) == forms


@pytest.mark.parametrize(
    ("table", "name", "column", "found"),
    [
        ("asr", "profile_id", Numbers(np.array([7, 11, 12])), True),
        ("asr", "kid", Numbers(np.array([7, 11, 12])), False),  # its name says nothing of a key: below 100 it may be a number of children
        ("asr", "kid", texts("7", "11"), False),
        ("asr", "profile_id", Numbers(np.array([7.0, np.nan, 11.0])), True),
        ("asr", "profile_id", Numbers(np.array([11, 7]), np.array([True, False])), False),
        ("asr", "profile_id", texts("7", "11", ""), True),
        ("asr", "profile_id", texts(" 11 "), True),
        ("asr", "profile_id", texts("1", "1"), False),
        ("asr", "latency", Numbers(np.array([11])), False),
        ("profiles", "id", Numbers(np.array([11])), True),
        ("clips", "id", Numbers(np.array([11])), False),
        ("asr", "note", texts("heard", "by anna.lee@mail.example"), True),
        ("asr", "note", texts("profile_id=1", "1"), False),
        ("asr", "vector", Vectors(np.full((1, 3), 11, np.float32)), False),
        ("asr", "household", Numbers(np.array([4])), False),
        ("asr", "household", Numbers(np.array([4711])), True),
        ("asr", "households_id", Numbers(np.array([4])), True),
    ],
)
def test_columns(table: str, name: str, column: Column, *, found: bool) -> None:
    rows = Rows(Place("db", table=table), {name: column}, 3)
    assert bool(seen(rows)) is found


def test_a_candidate_is_asked_about_once_and_a_person_is_seen_everywhere() -> None:
    calls: list[int] = []

    def ask(known: Collection[Identifier]) -> list[Identifier]:
        calls.append(len(known))
        return asked(known)

    recogniser = Recogniser(TYPES, ask)
    for number in range(3):
        assert len(list(recogniser.look(Blob(Place("share", str(number)), 0, b"profile_id=11 profile_id=12")))) == 1
    assert len(calls) == 1


def test_types_take_the_names_that_a_policy_gives_them() -> None:
    found = {one for one, _ in Candidates(TYPES).of_text(b'"kid": "A77", "who": "A78"')}
    assert ("profile_id", "A77") in found
    assert not any(text == "A78" for _, text in found)
