"""Office documents: Office Open XML, OpenDocument, EPUB, the older compound files (OLE) and Outlook's messages, and RTF.

The first three are zips of XML and pictures: their members are given as any zip's, and ``markup`` makes text of the XML. What a zip's
members don't show by themselves is added here: the rows of sheets, whose texts lie in another member.
"""

from __future__ import annotations

import zipfile
import zlib
from xml.parsers.expat import ExpatError

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers import zips
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.office_ole import read as read_ole
from expunge.hunt.readers.office_rtf import read as read_rtf
from expunge.hunt.readers.office_sheets import sheets
from expunge.hunt.reading import Format, Opened, Reading

_FAULTS = (zipfile.BadZipFile, ExpatError, Damaged, zlib.error, EOFError, NotImplementedError, KeyError, RuntimeError, ValueError)
_MANIFEST = 1 << 20


def read_ooxml(opened: Opened) -> Reading:
    """The rows of a workbook's sheets, then every member."""
    try:
        with zipfile.ZipFile(opened.file) as archive:
            if "xl/workbook.xml" in archive.NameToInfo:
                yield from sheets(opened, archive)
    except _FAULTS:
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, opened.size, "the rows of its sheets"))
    yield from _members(opened)


def read_odf(opened: Opened) -> Reading:
    """Every member; those of an encrypted document are told."""
    try:
        with zipfile.ZipFile(opened.file) as archive, archive.open("META-INF/manifest.xml") as file:
            locked = b"encryption-data" in file.read(_MANIFEST)
    except _FAULTS:
        locked = False
    if locked:
        opened.account.unread.append(Unread(opened.place, Why.ENCRYPTED, opened.size))
    yield from _members(opened)


def _members(opened: Opened) -> Reading:
    opened.file.seek(0)
    yield from next(one for one in zips.FORMATS if one.name == "zip").read(opened)


def _ooxml(head: bytes, _name: str) -> bool:
    return head.startswith(b"PK\x03\x04") and b"[Content_Types].xml" in head


def _odf(head: bytes, _name: str) -> bool:
    return head.startswith(b"PK\x03\x04") and (b"mimetypeapplication/vnd.oasis" in head or b"mimetypeapplication/epub" in head)


FORMATS: tuple[Format, ...] = (
    Format("ooxml", _ooxml, read_ooxml, seeks=True),
    Format("odf", _odf, read_odf, seeks=True),
    Format("ole", lambda head, _name: head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), read_ole, seeks=True, raw="plain"),
    Format("rtf", lambda head, _name: head.startswith(b"{\\rtf"), read_rtf, raw="plain"),
)
