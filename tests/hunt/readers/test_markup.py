"""HTML and XML as text: what a reader would see as one word is one."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import Account, Place
from expunge.hunt.readers import markup
from expunge.hunt.reading import Limits, Nested, Opened

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
