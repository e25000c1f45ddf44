"""A letter as an RFC 5322 message: the same letter is always the same message, so that a copy can be recognised as one."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from expunge.runtime.outbox import ADDRESS, Mail


def message_of(mail: Mail, sender: str, at: datetime) -> EmailMessage | None:
    """The message, from ``sender`` and dated ``at`` (aware); ``None`` if an address or the subject can't stand in it, or one is no Unicode.

    ``Message-ID`` is the letter's id at the sender's domain, by which a returned message is known again. ``Auto-Submitted`` (RFC 3834)
    keeps out-of-office replies from being sent. An address beyond ASCII (RFC 6531) stands as it is: a server that can't take it says so.
    """
    if not all(_is_unicode(one) for one in (mail.to, mail.subject, mail.text, mail.page or "")):
        return None
    if not (ADDRESS.fullmatch(mail.to) and ADDRESS.fullmatch(sender)) or any(ord(letter) < ord(" ") for letter in mail.subject):
        return None
    message = EmailMessage(policy=SMTP if (mail.to + sender).isascii() else SMTPUTF8)
    message["Subject"] = mail.subject
    message["From"] = _address(sender)
    message["To"] = _address(mail.to)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.name}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.page is not None:
        message.add_alternative(mail.page, subtype="html")
    return message


def _address(text: str) -> Address:
    user, _, domain = text.rpartition("@")
    return Address(username=user, domain=domain)


def _is_unicode(text: str) -> bool:
    """Whether it can be written down: half a surrogate pair can't, and a store may hold one in a name."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
