"""Writes the application's logs: one JSON object per line, one file per day, all but the last three days compressed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

PLAIN_DAYS = 3
"""The last days' logs are not yet compressed, as log rotation leaves them."""


class LogWriter:
    """Log files that grow. A compressed file gets one gzip member per batch, as rotating loggers append them."""

    def __init__(self, folder: Path, until: date) -> None:
        """Make the folder; ``until`` is the last day (UTC)."""
        self._folder = folder
        self._until = until
        folder.mkdir(parents=True)

    def write(self, lines: Iterable[tuple[datetime, dict[str, object]]]) -> None:
        """Append lines, given with their times, in the order of time."""
        days: dict[date, list[str]] = {}
        for at, line in sorted(lines, key=lambda one: one[0]):
            days.setdefault(at.date(), []).append(json.dumps(line, ensure_ascii=False) + "\n")
        for day, texts in days.items():
            self._append(day, "".join(texts).encode())

    def _append(self, day: date, body: bytes) -> None:
        name = f"app-{day.isoformat()}.jsonl"
        if (self._until - day).days < PLAIN_DAYS:
            with (self._folder / name).open("ab") as plain:
                plain.write(body)
        else:
            with (self._folder / f"{name}.gz").open("ab") as packed:
                # No time in the header: the same seed gives the same bytes.
                packed.write(gzip.compress(body, compresslevel=6, mtime=0))
