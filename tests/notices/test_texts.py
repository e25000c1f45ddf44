"""The shipped letters, and what anybody might put into one: text stays text, and nothing gets into a header."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import InvalidRequest
from expunge.family.letters import ALWAYS, names, render, wanted
from expunge.family.reading_level import grade
from expunge.runtime.outbox import ADDRESS, Mail
from expunge.runtime.outbox_bounces import reports
from expunge.runtime.outbox_mail import message_of
from tests.notices.test_smtp import dsn

AT = datetime(2026, 3, 1, tzinfo=UTC)
SENDER = "privacy@maker.example"
OWN = {name: f"our {name}" for name in ALWAYS}
HEADERS = {"Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}


@pytest.mark.parametrize("name", list(names()))
def test_every_shipped_letter_can_be_filled_in_and_read(name: str) -> None:
    fields = {one: f"the {one}" for one in wanted(name)}
    text = render(name, fields, OWN)
    assert "{" not in text.subject + text.body
    assert OWN["company"] in text.subject
    assert OWN["contact"] in text.body, "who gets it can answer"
    assert all(value in text.subject + text.body for value in fields.values())
    assert grade(text.body) <= 8.9
    assert repr(text) == "Text()"


def test_a_hole_and_a_field_too_many_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="lacks"):
        render("practice", {}, OWN)
    with pytest.raises(InvalidRequest, match="has no place for nonsense"):
        render("practice", {**dict.fromkeys(wanted("practice"), "x"), "nonsense": "y"}, OWN)
    for name in ("no-such", "../../etc/passwd", "", "Practice"):
        with pytest.raises(InvalidRequest):
            render(name, {}, OWN)
    (tmp_path / "broken.txt").write_text("no subject\n\ntext")
    with pytest.raises(InvalidRequest, match="Subject"):
        render("broken", {}, OWN, tmp_path)


def test_a_makers_own_text_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "practice.txt").write_text("Subject: Ours: {news}\n\nDear {news}\n")
    assert wanted("practice", tmp_path) == {"news"}
    assert render("practice", {"news": "x"}, {}, tmp_path).body == "Dear x\n"
    (tmp_path / "practice.txt").write_text("Subject: Changed\n\nDear {other}\n")
    assert wanted("practice", tmp_path) == {"other"}, "a file that was changed is read anew"


def test_values_are_not_templates_and_do_not_break_a_subject(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Subject: Hello {child}\n\n{child}\n")
    assert render("own", {"child": "{company}"}, OWN, tmp_path).body == "{company}\n"
    with pytest.raises(InvalidRequest, match="line end"):
        render("own", {"child": "x\r\nBcc: a@b"}, OWN, tmp_path)


@given(
    st.text(max_size=80) | st.sampled_from(["a@b\r\nBcc: c@d", "a@b\n\nbody", "=?utf-8?q?a=0d=0aBcc:x?=@b.example"]), st.text(max_size=80)
)
@settings(deadline=None, max_examples=300)
def test_no_address_or_subject_makes_a_header(to: str, subject: str) -> None:
    message = message_of(Mail("let_abcdefghijkl", to, subject, "text"), SENDER, AT)
    if message is None:
        return
    assert ADDRESS.fullmatch(to)
    read = message_from_bytes(bytes(message), policy=policy.default)
    assert set(read.keys()) <= HEADERS
    assert len(read.keys()) == len(set(read.keys()))
    assert read.get_content().strip() == "text"


def test_half_a_surrogate_pair_is_no_letter() -> None:
    for mail in (Mail("let_a", "a@b", "\ud800", "text"), Mail("let_a", "a@b", "x", "\ud800"), Mail("let_a", "\ud800@b", "x", "text")):
        assert message_of(mail, SENDER, AT) is None


@given(st.binary(max_size=400), st.integers(0, 1200), st.booleans())
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_a_mailbox_and_none_of_them_a_fault(noise: bytes, place: int, boxed: bool) -> None:  # noqa: FBT001  # Hypothesis draws it
    raw = dsn().encode()
    whole = (b"From x Sun Mar  1 12:00:00 2026\n" if boxed else b"") + raw[:place] + noise + raw[place:]
    with tempfile.NamedTemporaryFile() as file:
        file.write(whole)
        file.flush()
        assert all(one.letter.startswith("let_") for one in reports(Path(file.name)))
