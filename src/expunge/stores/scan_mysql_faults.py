"""MySQL's faults in Expunge's words. Their texts may quote values, and are dropped; the number is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from expunge.errors import Conflict, Drift, Refused, StoreError, Unavailable
from expunge.stores.scan_sql import gone
from expunge.stores.sql_faults import UNREACHABLE

GONE = frozenset({1051, 1054, 1146, 1412})
"""No such table or column, or a definition that changed since the snapshot."""

FAULTS: tuple[tuple[frozenset[int], type[StoreError], str], ...] = (
    # error numbers of the server (1000 on) and the driver (2000 on): MySQL's and MariaDB's reference
    (frozenset({1044, 1142, 1143, 1227, 1370, 1410}), Refused, "the account lacks a privilege"),
    (frozenset({1045, 1251, 1524, 1698, 1820, 1862, 2059, 3118, 4151}), Refused, "the server refuses our sign-in"),
    (frozenset({1049}), Drift, "there is no such database"),
    (frozenset({126, 127, 144, 145, 1033, 1034, 1035, 1194, 1195, 1712, 1877, 1932}), Drift, "a table is damaged"),
    (frozenset({1205, 1213, 1099, 1100}), Conflict, "a lock was not granted in time"),
    (frozenset({1317, 1969, 3024}), Unavailable, "the statement ran into its time limit or was cancelled"),
    (
        frozenset({0, 1040, 1053, 1077, 1080, 1129, 1158, 1159, 1160, 1161, 1203, 1226, 2002, 2003, 2006, 2013, 2014}),
        Unavailable,
        UNREACHABLE,
    ),
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Let only faults of ours leave the block.

    Raises:
        Conflict, Drift, Refused, Unavailable, StoreError: as the number says.
    """
    try:
        yield
    except (pymysql.MySQLError, RuntimeError) as error:  # RuntimeError: a way to sign in for which the driver lacks a library
        fault = _fault(error, where)
    else:
        return
    raise fault from None


def _fault(error: Exception, where: str) -> StoreError:
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    if isinstance(error, RuntimeError):
        return Refused("the server wants a way to sign in that the driver lacks a library for", where=where)
    if number in GONE:
        return gone(where)
    kind, said = next(((kind, said) for numbers, kind, said in FAULTS if number in numbers), (StoreError, "the server failed"))
    return kind(f"{said} (error {number})" if number else said, where=where)
