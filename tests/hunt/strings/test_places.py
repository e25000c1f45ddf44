"""Windows and rows: nothing is lost at an edge, told twice, or put together across rows."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt import strings_search
from expunge.hunt.pieces import Blob, Column, Media, Numbers, Place, Vectors
from expunge.hunt.prints import Kind, Matcher, Role, Sighting, Tier, Trace
from expunge.hunt.strings_compile import LANES
from expunge.hunt.strings_sweep import join_cells
from expunge.terms import FieldType
from tests.hunt.strings.looking import MAIL, PLACE, SAID, TRACES, found, home, look, matcher, rows, texts

FILLER = b"2019-04-02T10:11:12Z INFO nothing to see here, move along\n"


def windows(content: bytes, new: int, overlap: int, by: Matcher) -> list[Sighting]:
    """The content as a stream of windows."""
    seen: list[Sighting] = []
    for begin in range(0, len(content), new):
        first = max(begin - overlap, 0)
        piece = Blob(PLACE, first, content[first : begin + new], begin - first, last=begin + new >= len(content))
        seen += by.look(piece)
    seen += by.close(PLACE)
    return seen


@pytest.mark.parametrize(
    "needle", [MAIL, SAID, json.dumps(MAIL).replace("@", "\\u0040"), base64.b64encode(b"xx " + MAIL.encode()).decode()]
)
def test_a_needle_cut_by_a_window_is_found_once(needle: str) -> None:
    planted = needle.encode()
    for cut in range(0, len(planted) + 60, 3):
        content = FILLER * 20 + b" " * 7 + planted + b"\n" + FILLER * 20
        at = len(FILLER) * 20 + 7
        seen = [one for one in windows(content, at + cut, 512, home()) if one.tier is Tier.FOUND]
        assert len(seen) == 1, (needle, cut)
        assert seen[0].offset is not None
        assert abs(seen[0].offset - at) < 8


def test_a_window_is_swept_in_slices_without_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strings_search, "SLICE", 1 << 13)
    by = matcher(TRACES)
    content = b"".join(FILLER * (13 * place % 37) + MAIL.encode() + b" \n" for place in range(100))
    expected = [place for place in range(len(content)) if content.startswith(MAIL.encode(), place)]
    assert [one.offset for one in by.look(Blob(PLACE, 1000, content))] == [1000 + place for place in expected]


def test_offset_length_and_context_say_where_it_is() -> None:
    content = FILLER + b"who=" + MAIL.replace("@", "%40").encode() + b"&x=1\n" + FILLER
    (one,) = home().look(Blob(PLACE, 10_000, content))
    assert one.offset == 10_000 + len(FILLER) + 4
    assert content[len(FILLER) + 4 :][: one.length] == MAIL.replace("@", "%40").encode()
    assert one.form == "email, as written, encoded"
    assert MAIL.replace("@", "%40").encode() in one.context
    assert (one.kind, one.subject, one.place) == (Kind.IDENTIFIER, 0, PLACE)


def test_opaque_windows_and_media_are_left_to_others() -> None:
    content = FILLER + MAIL.encode()
    assert not list(home().look(Blob(PLACE, 0, content, opaque=True)))
    assert not list(home().look(Media(PLACE, "audio", lambda: (_ for _ in ()).throw(OSError), 9)))  # never opened


def test_names_of_places_are_looked_at_once_each() -> None:
    place = Place("share", f"users/{MAIL}/clips", ("a.zip",))
    by = matcher(TRACES)
    first = list(by.look(Blob(place, 0, b"nothing", last=False)))
    assert [(one.subject, one.form, one.tier) for one in first] == [(0, "email, as written in a name", Tier.FOUND)]
    assert not list(by.look(Blob(place, 7, b"nothing")))
    assert not list(by.close(place))
    assert list(by.look(Blob(place, 0, b"nothing")))


def test_cells_are_seen_by_row_and_never_across_rows() -> None:
    cells = ["nobody", f"mail {MAIL}!", "", MAIL[:9], MAIL[9:], SAID[:30], SAID[30:], "x" * 40 + " " + SAID]
    seen = list(home().look(rows({"note": texts(cells)}, len(cells))))
    assert [(one.subject, one.row, one.place.column) for one in seen if one.tier is Tier.FOUND] == [(0, "1", "note"), (2, "7", "note")]


def test_a_column_whose_cells_have_no_separators_is_seen() -> None:
    seen = list(home().look(rows({"profile": texts(["3", "17", "170", "17 ", "4"]), "n": texts(["17", "1", "2", "3", "17"])}, 5)))
    assert [(one.subject, one.row, one.place.column) for one in seen] == [(0, "1", "profile")]


def test_json_in_a_column_names_its_own_fields() -> None:
    cells = ['{"profile_id": 17}', '{"age": 17}', '{"other": {"profile": {"id": "17"}}}']
    assert [one.row for one in home().look(rows({"body": texts(cells)}, 3))] == ["0", "2"]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64, np.uint64, np.float32, np.float64])
def test_integers_are_seen_in_columns_that_fit(kind: type[np.generic]) -> None:
    values = Numbers(np.array([1, 17, 3, 17]).astype(kind), np.array([False, False, False, True]))
    seen = list(home().look(rows({"owner_profile_id": values, "profile_count": values, "n": values}, 4)))
    assert [(one.place.column, one.row, one.tier) for one in seen] == [("owner_profile_id", "1", Tier.FOUND)]


def test_large_integers_are_seen_anywhere_and_odd_floats_nowhere() -> None:
    large = Numbers(np.array([918273645546372819, 5, -3]))
    odd = Numbers(np.array([17.5, np.nan, np.inf, 1e300, 17.0]))
    beyond = Numbers(np.array([2**64 - 1, 2**63 + 17, 17], dtype=np.uint64))
    seen = list(home().look(rows({"x": large, "profile_id": odd, "profile": beyond}, 3)))
    assert [(one.subject, one.place.column, one.row) for one in seen] == [(1, "x", "0"), (0, "profile_id", "4"), (0, "profile", "2")]


def test_columns_of_other_kinds_and_empty_ones_are_nothing() -> None:
    columns: dict[str, Column] = {"v": Vectors(np.zeros((2, 4), np.float32)), "t": texts(["", ""]), "b": Numbers(np.array([True, False]))}
    assert not list(home().look(rows(columns, 2)))
    assert not list(home().look(rows({"t": texts([]), "n": Numbers(np.array([], np.int64))}, 0)))
    assert look(b"") == []


def test_a_string_of_many_persons_is_for_review() -> None:
    shared = [Trace(person, Role.KEY, "app.people.email", "email", "reception@hotel.example") for person in range(12)]
    seen = look(b"to reception@hotel.example;", matcher(shared))
    assert {one.tier for one in seen} == {Tier.REVIEW}
    few = matcher(shared[:3])
    assert found(b"to reception@hotel.example;", few) == {(0, "email"), (1, "email"), (2, "email")}


def test_a_print_keeps_its_number_over_pages() -> None:
    several = [Trace(person, Role.KEY, "app.people.email", "email", f"person{person}@mail.example") for person in range(9_000)]
    by = matcher(several)
    for person in (0, 4095, 4096, 8999):
        (one,) = by.look(Blob(PLACE, 0, f"x person{person}@mail.example y".encode()))
        assert (one.subject, one.print) == (person, person)


def test_a_long_text_is_known_by_any_of_its_passages() -> None:
    words = [f"word{place * 7919 % 1000}ish" for place in range(200)]
    by = matcher([Trace(0, Role.TEXT, "app.notes.body", "body", " ".join(words))])
    assert found(" ".join(words[70:125]).encode(), by) == {(0, "text")}
    assert found(" ".join(words).encode(), by) == {(0, "text")}


def test_keys_of_every_type_are_taken() -> None:
    several = [
        Trace(0, Role.KEY, "app.a.k", "token", b"\x00\x91binary\xff\x10token", FieldType.BYTES),
        Trace(1, Role.KEY, "app.a.k", "token", "dQw4w9WgXcQ-uJ8"),
        Trace(2, Role.KEY, "app.a.k", "token", "   "),
        Trace(3, Role.TEXT, "app.a.t", "text", ""),
        Trace(4, Role.TRACK, "app.a.t", "track", ()),
        Trace(5, Role.KEY, "app.a.k", "token", "x" * 5_000),
    ]
    by = matcher(several)
    assert found(b"--\x00\x91binary\xff\x10token--", by) == {(0, "token")}
    assert found(b"".join((b"\x00", b"\x00\x91binary\xff\x10token".hex().encode())), by) == {(0, "token")}
    assert found(b"t=dQw4w9WgXcQ-uJ8", by) == {(1, "token")}
    assert (5, "token") in found(b"x" * 5_000, by) | {(one.subject, one.type) for one in look(b"x" * 5_000, by)}


@given(
    cells=st.lists(st.sampled_from((0, 1, 7, 63, 64, 65, 200)).flatmap(lambda size: st.binary(min_size=size, max_size=size)), max_size=12),
    skipped=st.integers(0, 3),
    behind=st.sampled_from((0, 1, 100)),
)
@settings(deadline=None)
def test_cells_are_joined_as_they_are(cells: list[bytes], skipped: int, behind: int) -> None:
    buffer = np.frombuffer(b"".join(cells) + bytes(behind), np.uint8)  # can't be written to
    offsets = np.cumsum([0, *map(len, cells)]).astype(np.int64)[min(skipped, len(cells)) :]
    wanted = b"".join(cell + b"\n" for cell in cells[skipped:])
    content = np.zeros(len(wanted) + LANES, np.uint8)
    join_cells(buffer, offsets, content)
    assert content[: len(wanted)].tobytes() == wanted
