"""Office documents, hand-made from the parts that the standards demand, opened by the engine as a user's would be."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

import pytest

from expunge.hunt.pieces import Account, Blob, Numbers, Place, Rows, Texts, Why
from expunge.hunt.reading import Limits
from expunge.hunt.unwrap import unwrap

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LAUGHS = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY {b} '{('&' + a + ';') * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)
    return out.getvalue()


class Found:
    def __init__(self, raw: bytes, name: str) -> None:
        self.account = Account()
        self.streams: dict[str, bytes] = {}
        self.rows: list[Rows] = []
        for piece in unwrap(io.BytesIO(raw), Place("share", name), size=len(raw), limits=Limits(), account=self.account):
            if isinstance(piece, Blob) and not piece.opaque:
                key = "!".join(piece.place.members)
                self.streams[key] = self.streams.get(key, b"") + bytes(piece.data[piece.overlap :])
            elif isinstance(piece, Rows):
                self.rows.append(piece)

    def whys(self) -> set[Why]:
        return {one.why for one in self.account.unread}


def test_a_word_over_two_runs_is_one_word() -> None:
    document = (
        f"<w:document {WORD}><w:body><w:p><w:r><w:t>Ma</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>ya</w:t></w:r></w:p></w:body></w:document>"
    )
    note = "<w:comment w:author='Sophie'><w:p><w:r><w:t>ask T</w:t></w:r><w:r><w:t>om</w:t></w:r></w:p></w:comment>"
    comments = f"<w:comments {WORD}>{note}</w:comments>"
    found = Found(zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": document, "word/comments.xml": comments,
                          "word/media/clip.bin": b"\0\1maya@example.com"}), "letter.docx")  # fmt: skip
    assert b"Maya" in found.streams["word/document.xml!text"]
    assert b"ask Tom" in found.streams["word/comments.xml!text"]
    assert b"Sophie" in found.streams["word/comments.xml"]
    assert b"maya@example.com" in found.streams["word/media/clip.bin"]
    assert found.account.formats["ooxml"] == 1


def workbook(sheet: str, strings: str = "") -> bytes:
    return zipped({
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f'<workbook {SHEET} xmlns:r="r"><sheets><sheet name="Exports" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/sharedStrings.xml": f"<sst {SHEET}>{strings}</sst>",
        "xl/worksheets/sheet1.xml": f"<worksheet {SHEET}><sheetData>{sheet}</sheetData></worksheet>",
    })  # fmt: skip


def test_sheets_are_tables_with_their_columns_names() -> None:
    strings = "<si><t>profile_id</t></si><si><t>who</t></si><si><r><t>Ma</t></r><r><t>ya</t></r></si>"
    sheet = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
        '<row r="2"><c r="A2"><v>17</v></c><c r="C2" t="s"><v>2</v></c></row>'
        '<row r="3"><c r="A3"><v>18</v></c><c r="C3" t="inlineStr"><is><t>Tom</t></is></c></row>'
    )
    found = Found(workbook(sheet, strings), "x.xlsx")
    (table,) = [one for one in found.rows if one.place.table == "Exports"]
    assert table.keys == ["1", "2", "3"]
    who = table.columns["who"]
    assert isinstance(who, Texts)
    assert who.buffer.tobytes() == b"whoMayaTom"
    assert set(table.columns) == {"profile_id", "who"}
    assert not found.whys()


def test_large_sheets_come_in_batches() -> None:
    sheet = "".join(f'<row><c><v>{number}</v></c><c t="str"><v>u{number}@example.com</v></c></row>' for number in range(9_000))
    found = Found(workbook(sheet), "x.xlsx")
    tables = [one for one in found.rows if one.place.table == "Exports"]
    assert [one.rows for one in tables][:-1]
    assert sum(one.rows for one in tables) == 9_000
    numbers = tables[0].columns["A"]
    assert isinstance(numbers, Numbers)
    assert numbers.values[:3].tolist() == [0, 1, 2]


def test_entities_are_refused_and_the_members_are_still_read() -> None:
    members = {"[Content_Types].xml": "<Types/>", "xl/workbook.xml": f"{LAUGHS}<workbook>&i;</workbook>", "xl/notes.txt": "maya"}
    found = Found(zipped(members), "x.xlsx")
    assert Why.BROKEN in found.whys()
    assert found.streams["xl/notes.txt"] == b"maya"


def test_opendocument_and_epub_are_read() -> None:
    content = "<office:document-content><text:p>Ma<text:span>ya</text:span></text:p></office:document-content>"
    found = Found(zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content}), "x.odt")
    assert b"Maya" in found.streams["content.xml!text"]
    assert found.account.formats["odf"] == 1
    book = Found(zipped({"mimetype": "application/epub+zip", "one.xhtml": "<html><p>Ma<em>ya</em></p></html>"}), "x.epub")
    assert b"Maya" in book.streams["one.xhtml!text"]


def test_an_encrypted_opendocument_is_told() -> None:
    members = {"mimetype": "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml": "<manifest><encryption-data/></manifest>"}
    assert Why.ENCRYPTED in Found(zipped(members), "x.odt").whys()


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file (version 3) with each stream in sectors of its own, in an order that is not theirs; short ones in small sectors."""
    sectors: list[bytes] = []
    fat: list[int] = []
    small, mini = b"", []
    entries = [("Root Entry", 5, 0, 0)]

    def put(content: bytes) -> int:
        cut = [content[at : at + 512].ljust(512, b"\0") for at in range(0, len(content), 512)]
        first = len(sectors)
        # Backwards: the last sector of the stream lies first.
        sectors.extend(reversed(cut))
        fat.extend([0xFFFFFFFE, *range(first, first + len(cut) - 1)] if cut else [])
        return first + len(cut) - 1

    for name, content in streams.items():
        if len(content) >= 4096:
            entries.append((name, 2, put(content), len(content)))
        else:
            start = len(small) // 64
            small += content.ljust(-(-len(content) // 64) * 64, b"\0")
            mini += [*range(start + 1, len(small) // 64), 0xFFFFFFFE]
            entries.append((name, 2, start, len(content)))
    entries[0] = ("Root Entry", 5, put(small) if small else 0xFFFFFFFE, len(small))
    minifat = put(struct.pack(f"<{len(mini)}I", *mini)) if mini else 0xFFFFFFFE
    directory = b""
    for number, (name, kind, start, size) in enumerate(entries):
        raw = name.encode("utf-16-le") + b"\0\0"
        links = (
            (0xFFFFFFFF, 0xFFFFFFFF, 1)
            if number == 0
            else (0xFFFFFFFF, number + 1 if number + 1 < len(entries) else 0xFFFFFFFF, 0xFFFFFFFF)
        )
        directory += raw.ljust(64, b"\0") + struct.pack("<HBB3I", len(raw), kind, 1, *links) + bytes(36) + struct.pack("<IQ", start, size)
    first = put(directory)
    table = len(sectors)
    fat += [0xFFFFFFFD]
    sectors.append(struct.pack("<128I", *fat, *[0xFFFFFFFF] * (128 - len(fat))))
    header = (
        bytes.fromhex("d0cf11e0a1b11ae1")
        + bytes(16)
        + struct.pack("<HHHHH6xIII4xIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, first, 4096, minifat, 1, 0xFFFFFFFE, 0)
    )
    return header.ljust(76, b"\0") + struct.pack("<109I", table, *[0xFFFFFFFF] * 108) + b"".join(sectors)


def test_compound_files_are_walked() -> None:
    body = b"".join(f"line {number} of Maya's letter\r".encode() for number in range(400))
    found = Found(
        compound({"WordDocument": bytes(12) + body, "short": b"Tom was here", "__substg1.0_0037001F": "Maya and Töm".encode("utf-16-le")}),
        "x.msg",
    )
    assert found.streams["short"] == b"Tom was here"
    assert body[:6_000] in found.streams["WordDocument"]
    assert found.streams["__substg1.0_0037001F"] == "Maya and Töm".encode()
    assert not found.whys() - {Why.UNKNOWN}


def test_encrypted_compound_files_are_told() -> None:
    assert Why.ENCRYPTED in Found(compound({"EncryptedPackage": b"x" * 5_000}), "x.docx").whys()
    assert Why.ENCRYPTED in Found(compound({"WordDocument": b"\xec\xa5" + bytes(9) + b"\x01" + bytes(5_000)}), "x.doc").whys()


def test_a_compound_file_that_bites_its_tail_ends() -> None:
    raw = bytearray(compound({"WordDocument": b"maya" * 2_000, "small": b"tom"}))
    table = 512 * (1 + struct.unpack_from("<I", raw, 76)[0])
    for sector in range(20):
        struct.pack_into("<I", raw, table + 4 * sector, 0)
    Found(bytes(raw), "x.doc")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (rb"{\rtf1\ansi\ansicpg1252 {\b Ma}ya said\par hello}", "Maya said\nhello"),
        (rb"{\rtf1\ansi Fran\'e7ois \u8364? \{x\}}", "François € {x}"),
        (rb"{\rtf1\ansi\ansicpg932 \'93\'8c\'8b\'9e}", "東京"),
        (rb"{\rtf1 \u-10179?\u-8704?}", "\U0001f600"),
    ],
)
def test_rtf_is_text(raw: bytes, expected: str) -> None:
    assert expected in Found(raw, "x.rtf").streams["text"].decode()
