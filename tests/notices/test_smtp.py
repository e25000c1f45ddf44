"""Transports: TLS before anything is said, replies become codes, and nothing that is not an address gets into a header."""

from __future__ import annotations

import io
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from expunge.errors import PolicyInvalid
from expunge.runtime.outbox import Carried, Console, Mail, Result
from expunge.runtime.outbox_bounces import Report, reports
from expunge.runtime.outbox_folder import Folder
from expunge.runtime.outbox_smtp import Server, Smtp
from tests.notices.mail_server import LOOPBACK, Box, mail_server

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENDER = "privacy@maker.example"
MAIL = Mail("let_abcdefghijkl", "parent@family.example", "A notice", "Hello\n.\nthe end")


def smtp(box: Box, scheme: str = "smtp", *, user: str | None = "us") -> Smtp:
    name = f"{user}@" if user else ""
    query = f"?ca={box.certificate}" if box.certificate else ""
    return Smtp(Server.of(f"{scheme}://{name}{LOOPBACK}:{box.port}{query}", "s3cret"), SENDER, lambda: NOW)


def test_nothing_is_said_before_tls(tmp_path: Path) -> None:
    with mail_server(tmp_path) as box:
        line = smtp(box)
        assert [line.carry(MAIL), line.carry(MAIL)] == [Carried(Result.TAKEN)] * 2
        line.close()
        line.close()
    assert box.plain_words == ["EHLO", "STARTTLS"], "one connection, and only these two in the open"
    assert box.logins == ["\0us\0s3cret"]
    first = box.mails[0]
    assert box.ids() == ["<let_abcdefghijkl@maker.example>"] * 2, "a copy can be told"
    assert (first["To"], first["From"], first["Auto-Submitted"]) == (MAIL.to, SENDER, "auto-generated")
    assert first.get_content().replace("\r\n", "\n").strip() == MAIL.text.replace("\n.\n", "\n..\n")  # dots are doubled on the wire
    assert any("ENVID=let_abcdefghijkl" in one for one in box.envelopes)


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    with mail_server(tmp_path, at_once=True) as box:
        line = smtp(box, "smtps", user=None)
        assert line.carry(MAIL) == Carried(Result.TAKEN)
        line.close()


def test_a_server_without_tls_or_with_a_strange_certificate_gets_nothing(tmp_path: Path) -> None:
    with mail_server() as box:
        assert smtp(box).carry(MAIL) == Carried(Result.AWAY, "smtp-unsupported")
    with mail_server(tmp_path) as other:
        server = Server.of(f"smtp://us@{LOOPBACK}:{other.port}", "s3cret")
        assert Smtp(server, SENDER, lambda: NOW).carry(MAIL) == Carried(Result.AWAY, "smtp-tls")
    assert (box.logins, other.logins, box.mails, other.mails) == ([], [], [], [])


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("550 5.1.1 parent@family.example unknown", Carried(Result.NEVER, "smtp-550")),
        ("450 busy", Carried(Result.LATER, "smtp-450")),
        ("421 closing", Carried(Result.AWAY, "smtp-421")),
    ],
)
def test_replies_become_codes(reply: str, told: Carried) -> None:
    with mail_server() as box:
        line = smtp(box, "smtp+plain", user=None)
        box.refuses[MAIL.to] = reply
        assert line.carry(MAIL) == told
        box.refuses.clear()
        assert line.carry(MAIL) == Carried(Result.TAKEN), "the next letter goes, over a new connection if need be"
        line.close()


def test_a_sender_that_is_refused_is_not_the_letters_fault() -> None:
    with mail_server() as box:
        box.refuses[SENDER] = "553 not yours"
        assert smtp(box, "smtp+plain", user=None).carry(MAIL).result is Result.AWAY
    assert smtp(box, "smtp+plain", user=None).carry(MAIL) == Carried(Result.AWAY, "smtp-unreachable"), "nobody listens any more"


@pytest.mark.parametrize(
    "to",
    ["a@b\r\nBcc: other@c", "a@b, other@c", "a b@c", '"a"@b', "a@b>\r\nRCPT TO:<c@d", "nobody", "", "@", "a@", f"{'a' * 65}@b", "a@b\x00"],
)
def test_what_is_no_address_goes_nowhere(to: str, tmp_path: Path) -> None:
    mail = Mail(MAIL.name, to, "A notice", "text")
    with mail_server() as box:
        assert smtp(box, "smtp+plain", user=None).carry(mail) == Carried(Result.NEVER, "bad-address")
    assert not box.envelopes
    assert Folder(tmp_path, lambda: NOW, SENDER).carry(mail) == Carried(Result.NEVER, "bad-address")


def test_a_subject_stays_on_its_line() -> None:
    with mail_server() as box:
        assert smtp(box, "smtp+plain").carry(Mail(MAIL.name, MAIL.to, "A\r\nBcc: x@y", "text")) == Carried(Result.NEVER, "bad-address")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("smtp+plain://mail.example", "TLS only"),
        ("smtp://us:pass@mail.example", "EXPUNGE_SMTP_PASSWORD"),
        ("http://mail.example", "smtps://"),
        ("smtp://", "smtps://"),
        ("smtps://mail.example:http", "port"),
    ],
)
def test_settings_that_are_refused(url: str, told: str) -> None:
    with pytest.raises(PolicyInvalid, match=told) as refused:
        Server.of(url, None)
    assert "pass@" not in str(refused.value)


def test_ports_by_default_and_no_secret_in_a_repr() -> None:
    assert [Server.of(f"{scheme}://localhost", "x").port for scheme in ("smtps", "smtp", "smtp+plain")] == [465, 587, 25]
    assert "s3cret" not in repr(Server.of("smtp://us@h", "s3cret"))
    assert MAIL.to not in repr(MAIL)


def test_a_folder_holds_a_letter_once_and_privately(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out", lambda: NOW, SENDER)
    assert [folder.carry(MAIL), folder.carry(MAIL)] == [Carried(Result.ARRIVED)] * 2
    (file,) = (tmp_path / "out").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"Message-ID: <let_abcdefghijkl@maker.example>" in file.read_bytes()
    told = Folder(tmp_path / "text", lambda: NOW)
    told.carry(MAIL)
    assert json.loads((tmp_path / "text/let_abcdefghijkl.json").read_text())["to"] == MAIL.to
    told.close()


def test_a_folder_does_not_keep_what_nobody_took(tmp_path: Path) -> None:
    import os

    folder = Folder(tmp_path, lambda: NOW, SENDER)
    folder.carry(MAIL)
    (file,) = tmp_path.iterdir()
    os.utime(file, (1, 1))
    (tmp_path / "notes.txt").write_text("not ours")
    os.utime(tmp_path / "notes.txt", (1, 1))
    Folder(tmp_path, lambda: NOW, SENDER)
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_that_is_away(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out", lambda: NOW, SENDER)
    (tmp_path / "out").rmdir()
    assert folder.carry(MAIL).result is Result.AWAY


def test_the_console_says_it() -> None:
    stream = io.StringIO()
    console = Console(stream)
    assert console.carry(MAIL) == Carried(Result.ARRIVED)
    console.close()
    assert "Subject: A notice" in stream.getvalue()


DSN = """\
From: mailer-daemon@mx.example
To: privacy@maker.example
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry about parent@family.example.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
{envelope}
Final-Recipient: rfc822; parent@family.example
Action: {action}
Status: {status}

--b
Content-Type: {kind}

{back}
--b--
"""
BACK = "Message-ID: <let_abcdefghijkl@maker.example>\nSubject: A notice\n\ntext\n"


def dsn(action: str = "failed", status: str = "5.1.1", *, kind: str = "message/rfc822", back: str = BACK, envelope: str = "") -> str:
    return DSN.format(action=action, status=status, kind=kind, back=back, envelope=envelope)


@pytest.mark.parametrize(
    "raw",
    [
        dsn(),
        dsn(kind="text/rfc822-headers"),
        dsn(back="nothing", kind="text/plain", envelope="Original-Envelope-Id: let_abcdefghijkl\n"),
        dsn(action="FAILED "),
    ],
)
def test_a_report_is_known_by_what_it_sends_back(raw: str, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_text(raw)
    assert list(reports(tmp_path / "one.eml")) == [Report("let_abcdefghijkl", "failed", "5.1.1")]


def test_a_mailbox_and_a_folder(tmp_path: Path) -> None:
    box = tmp_path / "mbox"
    other = dsn("delivered", "2.0.0").replace("abcdefghijkl", "bbbbbbbbbbbb")
    head = "From x Sun Mar  1 12:00:00 2026\n"
    box.write_text(f"{head}{dsn()}\n{head}Subject: hello\n\nlet_cccccccccccc\n\n{head}{other}\n")
    told = list(reports(box))
    assert told == [Report("let_abcdefghijkl", "failed", "5.1.1"), Report("let_bbbbbbbbbbbb", "delivered", "2.0.0")]
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "1").write_text(dsn())
    (folder / "2").write_bytes(b"\xff\xfe not mail at all")
    assert list(reports(folder)) == told[:1]


def test_a_damaged_report_says_nothing(tmp_path: Path) -> None:
    for raw in (dsn().replace("Action: failed\n", ""), dsn(back="x\n\n"), dsn(status="later")[:200]):
        (tmp_path / "one.eml").write_text(raw)
        assert list(reports(tmp_path / "one.eml")) == []
    (tmp_path / "one.eml").write_text(dsn(status="dreadful"))
    assert list(reports(tmp_path / "one.eml")) == [Report("let_abcdefghijkl", "failed", "")]
