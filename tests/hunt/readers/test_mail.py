"""Mail boxes and messages, and uuencoded text."""

from __future__ import annotations

import binascii
import gzip
from email.message import EmailMessage

from expunge.hunt.pieces import Why
from tests.hunt.readers.looked import look


def message(text: str = "Hällo Maya, wie ist das Wetter? " * 9, charset: str = "utf-8") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "a@example.com"
    mail["To"] = "Mäya Müller <maya@example.com>"
    mail["Subject"] = "Grüße und eine lange Zeile, die über mehr als eine Zeile reicht, an Maya"
    mail.set_content(text, charset=charset)
    return mail


def test_headers_and_body_are_decoded() -> None:
    for charset in ("utf-8", "iso-8859-1", "utf-16"):
        looked = look(bytes(message(charset=charset)))
        assert "Mäya Müller".encode() in looked.plain["headers"]
        assert "über mehr als eine Zeile reicht, an Maya".encode() in looked.plain["headers"]
        assert "Hällo Maya, wie ist das Wetter?".encode() in looked.plain["part1"]
        assert not looked.account.unread


def test_attachments_are_opened_by_name_and_content() -> None:
    mail = message()
    mail.add_attachment(gzip.compress(b"from maya " * 50), maintype="application", subtype="gzip", filename="export.gz")
    inner = message("forwarded by Maya")
    mail.add_attachment(inner)
    looked = look(bytes(mail).replace(b"\n", b"\r\n"), "1.eml")
    assert looked.plain["export.gz!gzip"] == b"from maya " * 50
    assert b"forwarded by Maya" in looked.everything()


def test_an_mbox_is_read_message_by_message() -> None:
    box = b"".join(
        b"From a@example.com Mon Jan  1 10:00:0%d 2024\n%s\n" % (one, bytes(message(f"number {one} for Maya"))) for one in range(5)
    )
    looked = look(box, "inbox", pipe=True)
    assert [looked.plain[f"message{one}!part1"].strip() for one in range(5)] == [b"number %d for Maya" % one for one in range(5)]
    assert looked.account.formats["mail"] == 5


def test_parts_in_parts_without_end_are_bounded() -> None:
    mail = b"From: a@example.com\nTo: b@example.com\n"
    for level in range(200):
        mail += b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level)
    looked = look(mail + b"Subject: x\n\nfor maya")
    assert Why.TOO_DEEP in looked.told().values()
    assert b"for maya" in looked.everything()


def test_a_message_of_many_boundaries_is_split_in_one_pass() -> None:
    mail = b'From: a@b.c\nTo: b@c.d\nContent-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 3_000 + b"--b--\nfor maya"
    looked = look(mail)
    assert b"for maya" in looked.everything()
    assert looked.account.streams > 3_000


def test_unknown_encodings_and_charsets_leave_the_bytes() -> None:
    looked = look(
        b"From: a@b.c\nTo: b@c.d\nSubject: =?x-none?q?maya?= =?utf-8?b?!!!?=\nContent-Type: text/plain; charset=none\n\nfor maya\n"
    )
    assert looked.plain["part1"] == b"for maya\n"
    assert looked.told() == {}


def test_uuencoded_files_are_decoded() -> None:
    content = b"what is the weather like, asked maya " * 20
    lines = b"".join(binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45))
    looked = look(b"here it is\nbegin 644 maya.txt\n" + lines + b"`\nend\nbye\n")
    assert looked.plain["maya.txt"] == content
