"""Logging: one line per event, ``key=value``, to standard error; nothing that could be a person.

Only the message as it was written in the source and fields of the names below get through. A message's arguments, an exception's text and
a traceback may quote what a store held, so they are left out: of an exception there remain its class and, if it is ours, its code.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TextIO

from expunge.errors import ExpungeError

KNOWN = (
    "run",
    "request",
    "incident",
    "step",
    "kind",
    "store",
    "collection",
    "worker",
    "rank",
    "attempt",
    "status",
    "code",
    "count",
    "done",
    "seconds",
)
"""Fields that a record may carry (``extra={…}``): names that we gave, and numbers."""

_PLAIN = re.compile(r"[\w.:/+-]+", re.ASCII)
_LOGGER = "expunge"


class KeyValue(logging.Formatter):
    """A record as ``time=… level=… event="…" key=value …``; times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = [("time", when), ("level", record.levelname.lower()), ("from", record.name), ("event", str(record.msg))]
        told += [(name, str(getattr(record, name))) for name in KNOWN if getattr(record, name, None) is not None]
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            told.append(("fault", type(fault).__name__))
            told += [("code", fault.code)] if isinstance(fault, ExpungeError) else []
        return " ".join(f"{name}={_quoted(value)}" for name, value in told)


def configure(level: str, stream: TextIO | None = None) -> logging.Handler:
    """Log the project's events from ``level`` (``debug`` … ``error``) to ``stream`` (standard error), in place of an earlier set-up."""
    logger = logging.getLogger(_LOGGER)
    for earlier in [one for one in logger.handlers if isinstance(one.formatter, KeyValue)]:
        logger.removeHandler(earlier)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(KeyValue())
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    return handler


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value)
