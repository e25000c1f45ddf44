"""What a database driver says, as one of our faults. Its text is dropped: it may quote a bound value."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from expunge.errors import ExpungeError, Full, JournalUnavailable, Refused, UnknownRequest

_WHERE = "journal"
_SQLITE_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
_SQLITE_REFUSED = {"SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"}
_PG_FULL = {"53100"}
"""SQLSTATE disk_full."""
_PG_REFUSED = {"25006", "28000", "28P01", "3F000", "42501"}
"""SQLSTATE read_only_sql_transaction, two failed authentications, no schema that we may use, insufficient_privilege."""


@contextmanager
def translated() -> Iterator[None]:
    """Run a piece of database work; what the driver raises leaves as one of ours.

    Raises:
        Full: no space left; the transaction is undone.
        Refused: the database answered, and does not let us.
        UnknownRequest: a row was named that isn't there.
        JournalUnavailable: everything else: unreachable, busy, broken off.
    """
    try:
        yield
    except IntegrityError as fault:
        msg = f"names a subject, request or run that the journal doesn't have ({_code(fault)})"
        raise UnknownRequest(msg, where=_WHERE) from None
    except DBAPIError as fault:
        raise _ours(_code(fault)) from None
    except PoolTimeout:
        msg = "every connection is in use"
        raise JournalUnavailable(msg, where=_WHERE) from None


def _ours(code: str) -> ExpungeError:
    if code in _SQLITE_FULL or code in _PG_FULL:
        return Full(f"the control database has no space left ({code})", where=_WHERE)
    if code.startswith(tuple(_SQLITE_REFUSED)) or code in _PG_REFUSED:
        return Refused(f"the control database refuses ({code})", where=_WHERE)
    return JournalUnavailable(f"the control database can't be reached, or is busy ({code})", where=_WHERE)


def _code(fault: DBAPIError) -> str:
    """The driver's own error code, which quotes nothing."""
    cause = fault.orig
    if isinstance(cause, sqlite3.Error):
        return str(getattr(cause, "sqlite_errorname", "SQLITE"))
    return str(getattr(cause, "sqlstate", None) or type(cause).__name__)
