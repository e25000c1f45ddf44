"""Addresses as people have them, in a message's headers."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTPUTF8

import pytest

from expunge.runtime.outbox import Mail
from expunge.runtime.outbox_mail import message_of

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("to", ["josé.núñez@example.org", "anna@exämple.example", "用户@例子.example", "o'neil+home@example.org"])
def test_an_address_stands_as_it_is(to: str) -> None:
    message = message_of(Mail("let_1", to, "A notice", "Hello\n"), "privacy@hearth.example", AT)
    assert message is not None
    assert message_from_bytes(message.as_bytes(), policy=SMTPUTF8)["To"] == to


@pytest.mark.parametrize(
    "to", ["two@at@example.org", "a b@example.org", "a@example.org\r\nBcc: x@example.org", '"a"@example.org', "nobody"]
)
def test_what_could_be_read_as_something_else_is_refused(to: str) -> None:
    assert message_of(Mail("let_1", to, "A notice", "Hello\n"), "privacy@hearth.example", AT) is None
