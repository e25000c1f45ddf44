"""Where SQLite keeps what was deleted: free pages, the write-ahead log, a journal file, full-text indexes, sampled statistics.

``secure_delete`` zeroes what *our* connections delete. Other connections' deletes, and page images in the log, need VACUUM and a
checkpoint that no reader holds back.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from expunge.stores.sql_table import Table
from expunge.terms import Reclaimed

EXISTS = sa.text("SELECT count(*) FROM sqlite_schema WHERE name = :name")
SAMPLES = sa.text("SELECT count(*) FROM sqlite_schema WHERE name IN ('sqlite_stat3', 'sqlite_stat4')")

WAL_HEADER = 32  # bytes, https://www.sqlite.org/fileformat2.html section 4
FRAME_HEADER = 24
FTS5_SEGMENT_SHIFT = 37  # an FTS5 block's id carries its segment's number above these bits; ids up to 10 are not segments
FTS5_RESERVED = 10

COPY_IN_MEMORY = 64 << 20
"""Bytes of a file up to which VACUUM's copy is held in memory. It is as large as the file: of 1,000,000 households' it was some 8 GB."""


def history(connection: sa.Connection, table: Table, path: Path) -> tuple[int | None, str]:
    """An upper bound of the copies that may be left: pages, frames and index parts, whosever they are."""
    size = int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    found = {
        "free pages": int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()),
        "pages in the write-ahead log": _frames(path, size),
        "pages in the journal": -(-_size(path, "-journal") // size),
        "unmerged parts of full-text indexes": sum(_parts(connection, name) for name in table.texts),
        "full-text indexes that differ from the table": sum(_differs(connection, name) for name in table.texts if name != table.name),
    }
    told = ", ".join(f"{count} {what}" for what, count in found.items() if count)
    return sum(found.values()), f"may hold copies until reclaimed: {told}" if told else ""


def rewrite(connection: sa.Connection, table: Table, path: Path, *, vacuumed: bool) -> tuple[Reclaimed, int | None]:
    """Rebuild indexes on the table's words, refresh samples, VACUUM, empty the log; what a reader still holds back is counted.

    VACUUM is of the whole file: ``vacuumed`` says that it was done for another table, and nobody wrote since.
    """
    run = connection.execution_options(expunge_begin="").exec_driver_sql
    done = []
    for name in table.texts:
        command = "optimize" if name == table.name else "rebuild"
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        run(f"INSERT INTO {quoted}({quoted}) VALUES (?)", (command,))  # noqa: S608 - a table's quoted name can't be a parameter
        done.append(f"full-text {command}")
    if _sampled(connection):
        run(f"ANALYZE {connection.dialect.identifier_preparer.quote_identifier(table.name)}")
        done.append("ANALYZE")
    run("PRAGMA wal_checkpoint(TRUNCATE)").all()
    if not vacuumed:
        _vacuum(connection, path)
    busy = run("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    size = int(run("PRAGMA page_size").scalar_one())
    left = _frames(path, size) if busy else 0
    note = f"another connection keeps {left} pages of the write-ahead log; close it and reclaim again" if left else ""
    return Reclaimed(how=", ".join([*done, "VACUUM", "wal_checkpoint(TRUNCATE)"]), note=note), left


def _vacuum(connection: sa.Connection, path: Path) -> None:
    """VACUUM; of a large file by way of a temporary one, which lies where SQLite puts them (``SQLITE_TMPDIR``) and has no name there.

    What is copied is what lives. A small file's copy never leaves memory, like everything else that our connections set aside.
    """
    run = connection.execution_options(expunge_begin="").exec_driver_sql
    run(f"PRAGMA temp_store = {'FILE' if _size(path, '') > COPY_IN_MEMORY else 'MEMORY'}")
    try:
        run("VACUUM")
    finally:
        run("PRAGMA temp_store = MEMORY")


def untouched(path: Path) -> tuple[int, int] | None:
    """What changes whenever anybody writes to the file; ``None`` while something is written beside it."""
    if _size(path, "-wal") or _size(path, "-journal"):
        return None
    state = path.stat()
    return state.st_mtime_ns, state.st_size


def _frames(path: Path, page: int) -> int:
    return max(0, _size(path, "-wal") - WAL_HEADER) // (page + FRAME_HEADER)


def _size(path: Path, ending: str) -> int:
    beside = path.with_name(path.name + ending)
    return beside.stat().st_size if beside.exists() else 0


def _sampled(connection: sa.Connection) -> bool:
    """Whether ANALYZE has put sampled key values into the file (``sqlite_stat4``), which outlive the records."""
    return bool(connection.execute(SAMPLES).scalar())


def _parts(connection: sa.Connection, name: str) -> int:
    """Segments of a full-text index beyond the first: until merged they hold words of deleted records."""
    shadows = {
        f"{name}_data": sa.select(sa.func.count(sa.distinct(sa.literal_column(f"id >> {FTS5_SEGMENT_SHIFT}")))).where(
            sa.literal_column("id") > FTS5_RESERVED
        ),
        f"{name}_segdir": sa.select(sa.func.count()),  # FTS3 and FTS4: a row per segment
    }
    for shadow, query in shadows.items():
        if connection.execute(EXISTS, {"name": shadow}).scalar():
            return max(0, int(connection.execute(query.select_from(sa.table(shadow))).scalar_one()) - 1)
    return 0


def _differs(connection: sa.Connection, name: str) -> bool:
    """Whether an index on another table's words no longer says what the table says: words of a record that is gone or redacted."""
    quoted = connection.dialect.identifier_preparer.quote_identifier(name)
    older = connection.execute(EXISTS, {"name": f"{name}_segdir"}).scalar()  # FTS4 always compares; FTS5 only if it is asked to
    check = f"{quoted}({quoted}) VALUES ('integrity-check')" if older else f"{quoted}({quoted}, rank) VALUES ('integrity-check', 1)"
    try:
        connection.exec_driver_sql(f"INSERT INTO {check}")
    except sa.exc.DatabaseError as error:
        if getattr(error.orig, "sqlite_errorname", "") == "SQLITE_CORRUPT_VTAB":
            return True
        raise
    return False
