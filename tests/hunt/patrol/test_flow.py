"""The map: what is declared and seen, declared and not seen, and, in red, what nobody declared."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from expunge.hunt.flow import INGEST, Edge, Flow, Way, flow
from expunge.hunt.flow_picture import HEIGHT, WIDTH, layout, mermaid, page, svg
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Reference


def note(name: str, *derived: str, refers: str = "") -> CollectionNote:
    field = FieldNote("owner", references=(Reference("owner", f"app.{refers}", "id"),) if refers else ())
    return CollectionNote("app", name, {"owner": field}, derived_from=tuple(f"app.{one}" for one in derived))


def catalog(*notes: CollectionNote) -> Catalog:
    return Catalog({}, {}, {one.address: one for one in notes})


HOME = catalog(
    note("people"),
    note("clips", refers="people"),
    note("texts", "clips", refers="clips"),
    note("scores", "texts"),
    note("stats", "scores"),
    note("mails"),
)


def ways(found: Flow) -> set[tuple[str, str, Way]]:
    return {(one.start.removeprefix("app."), one.end.removeprefix("app."), one.way) for one in found.edges if one.way is not Way.UNSEEN}


def test_a_declared_way_is_seen_where_both_ends_hold_the_thing() -> None:
    found = flow(HOME, {"c/id": {"app.people", "app.clips"}, "c/said": {"app.texts", "app.scores"}}, ["app.people", "app.texts"])
    assert ways(found) == {
        (INGEST, "people", Way.ENTRY),
        (INGEST, "texts", Way.ENTRY),
        ("people", "clips", Way.SEEN),
        ("texts", "scores", Way.SEEN),
    }
    assert {(one.start, one.end) for one in found.edges if one.way is Way.UNSEEN} == {("app.scores", "app.stats")}


def test_a_way_over_others_between_is_declared() -> None:
    """A thing that the step between doesn't keep (a key that a table of scores drops) still went a declared way."""
    found = flow(HOME, {"c/said": {"app.texts", "app.stats"}}, ["app.texts"])
    assert found.count(Way.UNDECLARED) == 0


def test_what_nobody_declared_comes_from_where_the_thing_is_at_home() -> None:
    found = flow(HOME, {"c/id": {"app.people", "app.clips", "share/x.csv", "app.mails"}}, ["app.people", "app.clips"])
    red = {(one.start, one.end) for one in found.edges if one.way is Way.UNDECLARED}
    assert red == {("app.people", "share/x.csv"), ("app.people", "app.mails")}
    assert (found.listed, found.unlisted) == (
        ("app.people", "app.clips", "app.texts", "app.scores", "app.stats", "app.mails"),
        ("share/x.csv",),
    )


def test_without_a_word_where_it_was_put_it_entered_where_nothing_declared_leads_to() -> None:
    found = flow(HOME, {"c/said": {"app.clips", "app.texts", "share/a"}})
    assert ways(found) == {(INGEST, "clips", Way.ENTRY), ("clips", "texts", Way.SEEN), ("clips", "share/a", Way.UNDECLARED)}
    assert ways(flow(HOME, {"c/said": {"share/a"}})) == {(INGEST, "share/a", Way.UNDECLARED)}


def test_declarations_in_a_circle_end() -> None:
    ring = catalog(note("a", "b"), note("b", "a"))
    found = flow(ring, {"c/x": {"app.a", "app.b"}}, ["app.a"])
    assert ("a", "b", Way.SEEN) in ways(found)
    assert svg(found, "x")


@pytest.fixture
def drawn() -> Flow:
    edges = [Edge(INGEST, "a.x", Way.ENTRY, ("id",)), *(Edge(f"a.{one}", f"a.{two}", Way.SEEN) for one, two in ("xy", "yz", "xz"))]
    return Flow(("a.x", "a.y", "a.z"), ('s/<b>"q"\n.csv',), (*edges, Edge("a.x", 's/<b>"q"\n.csv', Way.UNDECLARED, ("id", "mail"))))


def test_no_two_boxes_lie_on_each_other_and_no_edge_goes_through_one(drawn: Flow) -> None:
    boxes, gaps = layout(drawn)
    held = list(boxes.values())
    for place, one in enumerate(held):
        assert all(abs(one.left - other.left) >= WIDTH or abs(one.top - other.top) >= HEIGHT for other in held[place + 1 :])
    for ends in gaps.values():
        assert not any(box.left == gap.left and box.top <= gap.top <= box.top + HEIGHT for gap in ends for box in held)


def test_the_picture_is_well_formed_and_the_page_fetches_nothing(drawn: Flow) -> None:
    root = ET.fromstring(svg(drawn, "two & <three>"))
    assert len(root.findall("{*}g")) == 5
    whole = page(drawn, "Firm <A>", "told")
    assert "<b>" not in whole
    assert "1 way that nobody declared" in whole
    assert not any(word in whole.replace("http://www.w3.org/2000/svg", "") for word in ("http", "src=", "<script", "@import", "url(h"))


def test_mermaid_marks_what_nobody_declared(drawn: Flow) -> None:
    text = mermaid(drawn)
    assert "linkStyle 4 stroke:#c21f2c" in text
    assert '|"id, mail"|' in text
    assert "#quot;q#quot;" in text
    assert all("\n" not in line for line in text.splitlines())


def test_an_empty_map_is_drawn() -> None:
    assert svg(Flow((), (), ()), "nothing")
    assert "nothing went where" in page(Flow((), (), ()), "t", "u")
