"""What mail servers report about letters: delivery status notifications (RFC 3464) in a mailbox file or a folder of messages.

Only the letter's id, the action and the status code are read; addresses and the servers' texts are not kept. Anybody can send a forged
report: it can make a letter count as bounced, which stops nothing and erases nothing, and never as something that we did not send. Headers
are read as plain text (``compat32``): the newer policies parse them, and fail on some of what strangers send.
"""

from __future__ import annotations

import mailbox
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_binary_file, message_from_bytes
from email.message import Message
from pathlib import Path

LETTER = re.compile(r"let_[a-z2-7]{12}")
"""A letter's id, as ``journal`` makes them."""

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Report:
    """One recipient's report: ``action`` is RFC 3464's (failed, delayed, delivered, relayed, expanded), ``status`` RFC 3463's."""

    letter: str
    action: str
    status: str


def reports(path: Path) -> Iterator[Report]:
    """Every report in ``path``: an mbox file, one message, or a folder of messages (a Maildir's ``new``). Other mail is passed over.

    Raises:
        OSError: it can't be read.
    """
    for message in _messages(path):
        yield from _reports(message)


def _messages(path: Path) -> Iterator[Message]:
    if path.is_dir():
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            with file.open("rb") as raw:
                yield message_from_binary_file(raw)
        return
    with path.open("rb") as raw:
        boxed = raw.read(5) == b"From "
    if not boxed:
        yield message_from_bytes(path.read_bytes())
        return
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.iterkeys():
            yield message_from_bytes(box.get_bytes(key))
    finally:
        box.close()


def _reports(message: Message) -> Iterator[Report]:
    status = next((part for part in message.walk() if part.get_content_type() == "message/delivery-status"), None)
    letter = _letter(message)
    if status is None or letter is None:
        return
    blocks = status.get_payload()
    for block in blocks if isinstance(blocks, list) else []:
        action = str(block.get("Action", "") if isinstance(block, Message) else "").strip().lower()
        found = _STATUS.search(str(block.get("Status", "") if isinstance(block, Message) else ""))
        if action:
            yield Report(letter, action, found[0] if found else "")


def _letter(message: Message) -> str | None:
    """The letter's id: the envelope's id that we gave (RFC 3461), or the Message-ID in the part that was sent back."""
    for part in message.walk():
        named = [part.get("Original-Envelope-Id", "")]
        if part is not message:
            named.append(part.get("Message-ID", ""))
        if part.get_content_type() == "text/rfc822-headers":
            payload = part.get_payload(decode=True)
            inner = message_from_bytes(payload) if isinstance(payload, bytes) else Message()
            named.append(inner.get("Message-ID", ""))
        for text in named:
            found = LETTER.search(str(text))
            if found:
                return found[0]
    return None
