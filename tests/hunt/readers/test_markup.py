"""HTML and XML as text: what a reader would see as one word is one."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import Account, Place
from expunge.hunt.readers import markup, markup_tables
from expunge.hunt.reading import Limits, Nested, Opened
from tests.hunt.readers.structured import read as read_as

WORD = b'<w:p xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'


def text(raw: bytes) -> str:
    box = Opened(Place("share", "x"), io.BytesIO(raw), len(raw), seekable=True, limits=Limits(), account=Account())
    (nested,) = markup.read(box)
    assert isinstance(nested, Nested)
    assert nested.plain
    return nested.file.read().decode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<p><b>Ma</b>ya said <i>hel</i>lo</p>", "Maya said hello"),
        (b"<td>Maya</td><td>52.1</td>", "Maya\t\t52.1"),
        (b"<div>Maya</div><div>Tom</div>", "Maya\n\nTom"),
        (b"Fran&ccedil;ois &amp; Ma&#121;a", "François & Maya"),
        (b"<script>var a='<b>'</script>x<!-- <p> -->y", "xy"),
        (b"<a><![CDATA[tell me <b> & c]]></a>", "tell me <b> & c"),
        (b"<svg><text><tspan>Ma</tspan><tspan>ya</tspan></text></svg>", "Maya"),
        (WORD + b"<w:r><w:rPr><w:lang/></w:rPr><w:t>Ma</w:t></w:r><w:proofErr/><w:r><w:t>ya</w:t></w:r></w:p><w:p><w:t>Tom</w:t></w:p>",
         "Maya\n\nTom"),
        (b"<text:p>Ma<text:span>ya</text:span><text:tab/>x</text:p>", "Maya\tx"),
        (b"if a < b and c > d", "if a < b and c > d"),
    ],
)  # fmt: skip
def test_the_text_of_markup(raw: bytes, expected: str) -> None:
    assert text(raw).strip() == expected


def test_tags_across_blocks_are_tags() -> None:
    raw = (b"<div class='" + b"x" * 997 + b"'>Ma<b>y</b>a</div>") * 4_000
    seen = text(raw)
    assert seen.count("Maya") == 4_000
    assert "class" not in seen


@pytest.mark.parametrize(
    "part", [b"<", b"<!--", b"<script", b"<a ", b"<![CDATA[", b"&#", b"&aaaaaaa", b"<x:", b"<" + b"a" * 33, b"'\"<a='"]
)
def test_hostile_markup_takes_linear_time(part: bytes) -> None:
    # Hours, and so pytest's own limit, if it were quadratic.
    raw = b"<a>" + part * (3_000_000 // len(part))
    text(raw)
    markup.knows_html(raw[:65536], "x")
    markup.knows_xml(raw[:65536], "x")


@pytest.mark.parametrize(
    ("head", "name", "html", "xml"),
    [
        (b"<!DOCTYPE html><html>", "x", True, True),
        (b"\xef\xbb\xbf <?xml version='1.0'?><gpx>", "x", False, True),
        (b"<gpx creator='x'>", "x.gpx", False, True),
        (b"2024-01-01 <INFO> started", "x.log", False, False),
        (b"a < b", "x.txt", False, False),
        (b"<165>1 2024-01-01 host app", "x.log", False, False),
        (b"hello <b>x</b>", "x.html", True, False),
    ],
)
def test_what_is_markup(head: bytes, name: str, html: object, xml: object) -> None:
    assert markup.knows_html(head, name) is html
    assert markup.knows_xml(head, name) is xml


@given(
    st.lists(
        st.sampled_from(["<b>", "</b>", "<p>", "maya", " ", "<", ">", "&amp;", "&", "<!--", "-->", "<![CDATA[", "]]>", "é"]), max_size=60
    )
)
@settings(deadline=None, max_examples=300, derandomize=True)
def test_anything_gives_text(parts: list[str]) -> None:
    text("".join(parts).encode())


@pytest.mark.parametrize(
    ("raw", "name", "values"),
    [
        (b"<table><tr><th>profile_id</th><th>said</th></tr>\n<tr><td>4711001</td><td>hi</td></tr><tr><td> 17 <td>7</table>", "profile_id",
         [4711001, 17]),
        (b"<TABLE border=1><TR><TD>profile id<TD>said<TR><TD><b>4711001</b><TD>hi<TR><TD>17<TD>7</TABLE>", "profile id", [4711001, 17]),
        (b"<table><tr><th>profile_id</th><td>4711001</td></tr><tr><th>name</th><td>Maya</td></tr></table>", "profile_id", [4711001]),
        (b"<table><thead><tr><th>lat<th>lon</thead><tbody><tr><td>52.5</td><td>13</td></tr></tbody></table>", "lat", [52.5]),
        (b"<table><tr><td><table><tr><th>n</th></tr><tr><td>5</td></tr></table></td></tr></table>", "n", [5]),
        (b"<table><tr><td>1</td><td>x</td></tr></table>", "column1", [1]),
    ],
)  # fmt: skip
def test_numbers_of_tables_come_by_the_names_of_their_columns(raw: bytes, name: str, values: list[float]) -> None:
    got = read_as(raw, "html")
    assert got.values(name) == values
    assert not got.account.unread


def test_tables_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"<html><table><tr><th>profile_id</th><th>said</th></tr>" + b"".join(
        b"<tr><td>%d</td><td>x</td></tr>\n" % at for at in range(200)
    )
    for block in (7, 50, 333):
        monkeypatch.setattr(markup, "_BLOCK", block)
        assert read_as(raw + b"</table>", "html").values("profile_id") == list(range(200))


@given(
    st.lists(
        st.sampled_from([b"<table>", b"</table>", b"<tr>", b"<td>", b"</td>", b"<th>", b"7", b"-1.5", b"<", b">", b"<b>", b"a"]),
        max_size=60,
    )
)
def test_any_tags_make_tables_of_equal_columns(parts: list[bytes]) -> None:
    read_as(b"<html>" + b"".join(parts), "html")  # which compares the columns' lengths


def test_numbers_beyond_what_is_kept_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup_tables, "_HELD", 10)
    got = read_as(b"<table><tr><th>n</th></tr>" + b"<tr><td>5</td></tr>" * 20 + b"</table>", "html")
    assert got.values("n") == [5] * 10
    assert [one.value for one in got.why()] == ["expands beyond the limit"]
