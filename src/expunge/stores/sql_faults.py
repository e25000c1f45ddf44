"""Drivers' errors in our words. Their text may quote identifiers and goes nowhere; names of tables, columns and constraints may pass."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy.exc

from expunge.errors import Conflict, Drift, Full, Refused, StoreError, Unavailable

UNREACHABLE = "the database can't be reached, or was lost on the way"

POSTGRESQL: tuple[tuple[str, type[StoreError], str], ...] = (
    # the beginning of the SQLSTATE (PostgreSQL's appendix A), the longest first
    ("0A000", Refused, "the server can't do this here"),
    ("25006", Refused, "the server is read-only (a standby?)"),
    ("3D000", Drift, "there is no such database"),
    ("3F000", Drift, "there is no such schema"),
    ("42501", Refused, "the role lacks a privilege, or row-level security would hide records from it"),
    ("42P01", Drift, "a table is not there any more"),
    ("42703", Drift, "a column is not there any more"),
    ("53100", Full, "the server's disk is full"),
    ("53", Unavailable, "the server lacks memory or connections"),
    ("55P03", Conflict, "a lock was not granted in time"),
    ("55006", Conflict, "the table is in use"),
    ("57014", Unavailable, "the statement ran into its time limit or was cancelled"),
    ("57", Unavailable, UNREACHABLE),
    ("08", Unavailable, UNREACHABLE),
    ("22", Drift, "a value doesn't fit its column's type"),
    ("28", Refused, "the server refuses our sign-in"),
    ("40", Conflict, "another transaction was in the way"),
    ("42", Drift, "the schema is not as it was"),
    ("P0", Refused, "a trigger refused the change"),
)

SIGN_IN: tuple[tuple[str, type[StoreError], str], ...] = (
    (r'FATAL:  database "[^"]*" does not exist', Drift, "there is no such database"),
    (r'FATAL:  (password authentication|role "|no pg_hba.conf|permission denied)', Refused, "the server refuses our sign-in"),
    (r"fe_sendauth: no password", Refused, "the server asks for a password, and the url has none"),
)

CONSTRAINTS = {"23502": "NOT NULL", "23503": "a foreign key", "23505": "a UNIQUE constraint", "23514": "a CHECK constraint"}

SQLITE: tuple[tuple[str, type[StoreError], str], ...] = (
    ("SQLITE_BUSY", Unavailable, "the database file is locked by another connection"),
    ("SQLITE_LOCKED", Unavailable, "the database file is locked by another connection"),
    ("SQLITE_FULL", Full, "no space left for the database file"),
    ("SQLITE_READONLY", Refused, "the database file can't be written"),
    ("SQLITE_PERM", Refused, "the database file can't be opened for want of rights"),
    ("SQLITE_AUTH", Refused, "the database file can't be opened for want of rights"),
    ("SQLITE_CANTOPEN", Unavailable, "the database file can't be opened"),
    ("SQLITE_IOERR", Unavailable, "the database file can't be read or written"),
    ("SQLITE_NOTADB", Drift, "the file is not an SQLite database"),
    ("SQLITE_CORRUPT", Drift, "the database file is damaged; `PRAGMA integrity_check` says where"),
    ("SQLITE_SCHEMA", Conflict, "the schema changed under us"),
    ("SQLITE_MISMATCH", Drift, "a value doesn't fit its column's type"),
    ("SQLITE_ERROR", Drift, "the schema is not as it was"),
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Let only faults of ours leave the block.

    Raises:
        Unavailable, Refused, Drift, Conflict, Full, StoreError: as the driver's code says.
    """
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        fault = _fault(error.orig, where)
    except sqlite3.Error as error:
        fault = _fault(error, where)
    except sqlalchemy.exc.SQLAlchemyError as error:
        fault = StoreError(f"the database library refused: {type(error).__name__}", where=where)
    else:
        return
    raise fault from None


def _fault(error: BaseException | None, where: str) -> StoreError:
    if isinstance(error, sqlite3.Error):
        return _sqlite(error, where)
    state = getattr(error, "sqlstate", None)
    if state is None:
        return _not_connected(error, where)
    diag = error.diag  # type: ignore[union-attr]  # what has a sqlstate is a psycopg error
    named = ", ".join(
        f"{word} {name}"
        for word, name in (("table", diag.table_name), ("column", diag.column_name), ("constraint", diag.constraint_name))
        if name
    )
    if state.startswith("23"):
        return Refused(f"{CONSTRAINTS.get(state, 'a constraint')} forbids it{f' ({named})' if named else ''}", where=where)
    fault, said = next(((fault, said) for start, fault, said in POSTGRESQL if state.startswith(start)), (StoreError, "the server failed"))
    return fault(f"{said} (SQLSTATE {state}{f'; {named}' if named else ''})", where=where)


def _not_connected(error: BaseException | None, where: str) -> StoreError:
    """There is no code when the sign-in itself failed; what remains are the server's (English) words."""
    if type(error).__name__ != "OperationalError":
        return Drift(f"a value can't be read ({type(error).__name__})", where=where)
    said = str(error)
    found = next(((fault, word) for pattern, fault, word in SIGN_IN if re.search(pattern, said)), (Unavailable, UNREACHABLE))
    return found[0](found[1], where=where)


def _sqlite(error: sqlite3.Error, where: str) -> StoreError:
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith("SQLITE_CONSTRAINT"):
        # "NOT NULL constraint failed: table.column": names from the schema, never values
        found = None if code.endswith("_TRIGGER") else re.fullmatch(r"([A-Z ]+) constraint failed(?:: ([^\n]*))?", str(error))
        kind, name = (found[1], found[2]) if found else (code, None)
        return Refused(f"{kind} forbids it{f' ({name})' if name else ''}", where=where)
    for start, fault, said in SQLITE:
        if code.startswith(start):
            return fault(f"{said} ({code})", where=where)
    if "decode" in str(error):  # raised by Python's module, without a code
        return Drift("a text in the database is not UTF-8", where=where)
    return StoreError(f"SQLite failed ({code or type(error).__name__})", where=where)
