"""A folder as the post: one file per letter, for a gateway of the maker's own (text messages, push) or a household of one machine.

A letter is one file however often it is carried: its name is the letter's id. Files are read and removed by whoever takes them on; those
that nobody took are removed after ``KEPT``, since they hold addresses and texts in the open.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from expunge.runtime.outbox import Carried, Mail, Result
from expunge.runtime.outbox_mail import message_of

KEPT = timedelta(days=30)
"""As long as contact data may wait for a parent's answer (policy's own default): what lies here longer, nobody wants."""


class Folder:
    """Writes letters into a folder: messages (``.eml``) where there is a ``sender``, JSON (to, subject, text) otherwise."""

    def __init__(self, folder: Path, now: Callable[[], datetime], sender: str | None = None) -> None:
        """Make the folder, the owner's alone, and take away what lay in it for longer than ``KEPT``."""
        self._folder = folder
        self._now = now
        self._sender = sender
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = time.time() - KEPT.total_seconds()
        for file in folder.glob("let_*"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def carry(self, mail: Mail) -> Carried:
        """Write one file, whole or not at all."""
        if self._sender is None:
            raw = json.dumps({"id": mail.name, "to": mail.to, "subject": mail.subject, "text": mail.text}).encode()
            name = f"{mail.name}.json"
        else:
            message = message_of(mail, self._sender, self._now())
            if message is None:
                return Carried(Result.NEVER, "bad-address")
            raw, name = bytes(message), f"{mail.name}.eml"
        part = self._folder / f".{name}.part"
        try:
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / name)
        except OSError as fault:
            return Carried(Result.AWAY, f"file-{fault.errno}")
        return Carried(Result.ARRIVED)

    def close(self) -> None:
        """Nothing to close."""
