"""PDF, written by other programs' libraries and by hand, opened by the engine."""

from __future__ import annotations

import io
import zlib

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText

from expunge.hunt.pieces import Why
from tests.hunt.readers.test_office import Found


def page(text: str, **facts: str) -> bytes:
    """A page by matplotlib, which writes fonts of glyphs."""
    figure, out = Figure(), io.BytesIO()
    figure.text(0.1, 0.5, text)
    figure.savefig(out, format="pdf", metadata=facts)
    return out.getvalue()


def by_hand(objects: list[bytes]) -> bytes:
    """A document of these objects; the first is its root."""
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + table + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))


def stream(content: bytes, facts: bytes = b"") -> bytes:
    return b"<<" + facts + b"/Length %d>>stream\n" % len(content) + content + b"\nendstream"


def drawn(content: bytes) -> bytes:
    return by_hand([
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        stream(zlib.compress(content), b"/Filter/FlateDecode"), b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"])  # fmt: skip


@pytest.mark.parametrize("kind", [3, 42])
def test_text_in_fonts_of_glyphs_is_text(kind: int) -> None:
    with mpl.rc_context({"pdf.fonttype": kind}):
        found = Found(page("Maya Okonkwo said hello", Title="clip of Tom"), "x.pdf")
    assert b"Maya Okonkwo said hello" in found.streams["page1"]
    assert b"clip of Tom" in found.streams["objects"]


def test_notes_attachments_and_pages_are_found() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(page("one"))))
    writer.append(io.BytesIO(page("two")))
    writer.add_attachment("list.csv", b"email\nmaya@example.com\n" * 9)
    writer.add_annotation(0, FreeText(text="call Sophie", rect=(0, 0, 50, 50)))
    out = io.BytesIO()
    writer.write(out)
    found = Found(out.getvalue(), "x.pdf")
    assert b"two" in found.streams["page2"]
    assert b"call Sophie" in found.streams["objects"]
    assert any(b"maya@example.com" in held for held in found.streams.values())


def test_what_a_later_revision_deleted_is_found() -> None:
    raw = drawn(b"BT /F 9 Tf [(Ma)-20(ya was)-250( here)] TJ ET")
    later = b"\n4 0 obj\n" + stream(b"BT /F 9 Tf (nobody) Tj ET") + b"\nendobj\n"
    place = len(raw) + 1
    raw += later + b"xref\n4 1\n%010d 00000 n \ntrailer<</Size 6/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF" % (
        place, int(raw.rsplit(b"startxref\n", 1)[1].split()[0]), len(raw) + len(later))  # fmt: skip
    found = Found(raw, "x.pdf")
    assert b"nobody" in found.streams["page1"]
    assert any(b"Maya was here" in held for name, held in found.streams.items() if name.startswith("stream@"))


def test_a_damaged_document_is_read_without_its_tables() -> None:
    raw = drawn(b"BT /F 9 Tf (Maya was here) Tj ET").replace(b"/Root 1 0 R", b"/Root 9 0 R").replace(b"/Catalog", b"/Nothing")
    found = Found(raw, "x.pdf")
    assert any(b"Maya was here" in held for held in found.streams.values())
    assert Why.BROKEN in found.whys()


def test_an_encrypted_document_is_told_and_one_without_a_password_is_read() -> None:
    for password, locked in (("secret", True), ("", False)):
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(page("Maya"))))
        writer.encrypt(password, "owner", algorithm="AES-256")
        out = io.BytesIO()
        writer.write(out)
        found = Found(out.getvalue(), "x.pdf")
        assert (Why.ENCRYPTED in found.whys()) is locked
        assert (b"Maya" in found.streams.get("page1", b"")) is not locked


def test_drawings_in_drawings_end() -> None:
    levels = 24
    resources = b"/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>"
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", b"<</Type/Page/Parent 2 0 R" + resources]
    objects.append(stream(b"/X Do /X Do"))
    facts = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>"
    objects += [stream(b"/X Do /X Do", facts % (number if number < levels else 5)) for number in range(6, 6 + levels)]
    Found(by_hand(objects), "x.pdf")
