"""Opening a control database: migrations, keys, and everything that can be wrong with the place."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from expunge.errors import ExpungeError, Full, JournalNewer, JournalUnavailable, KeyStoreUnavailable, MissingExtra, PolicyInvalid, Refused
from expunge.journal import Journal
from expunge.journal.faults import translated
from expunge.journal.migrations import VERSION_TABLE, revisions, upgrade
from expunge.journal.records import Filing, NewStep, RunStatus
from expunge.journal.schema import metadata
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

LOOKUP = bytes(range(32))
REVISIONS = [script.revision for script in reversed(list(revisions().walk_revisions()))]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    server = str(request.getfixturevalue("postgresql_url"))
    with engine_for(server) as engine, engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return server


class engine_for:  # noqa: N801 -- reads as a verb in a with statement
    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)

    def __enter__(self) -> Engine:
        return self.engine

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()


def opened(url: str, *, key: bytes = LOOKUP, sealer: MemorySealer | None = None, patience: float = 10) -> Journal:
    return Journal.open(url, clock=FakeClock(), sealer=sealer or MemorySealer(), lookup_key=key, patience=timedelta(seconds=patience))


def file_url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def control(tmp_path: Path) -> Path:
    path = tmp_path / "control.db"
    opened(file_url(path)).close()
    return path


def test_the_migrations_end_at_the_schema_that_the_program_uses(url: str) -> None:
    opened(url).close()
    with engine_for(url) as engine, engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        ours = {table.name for table in metadata.tables.values()}
        strange = [one for one in compare_metadata(context, metadata) if getattr(one[1], "name", "") in ours or one[0] != "remove_table"]
        assert strange == []
        assert context.get_current_revision() == REVISIONS[-1]


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_earlier_journal_is_brought_up_and_its_run_continued(url: str, revision: str) -> None:
    with engine_for(url) as engine, engine.begin() as connection:
        upgrade(connection, to=revision)
        old_run(connection)
    journal = opened(url)
    lease = journal.claim("newer")
    assert lease is not None
    assert (lease.name, lease.payload, lease.done, lease.attempt) == ("erase:app.clips", {"batch": 500}, 7, 3)
    journal.finish(lease)
    assert journal.close_run("run_old").status is RunStatus.CLOSED
    journal.close()


def old_run(connection: Connection) -> None:
    """A run as an older program left it, its worker dead; columns as of revision 0001."""
    connection.exec_driver_sql(
        "INSERT INTO journal_runs (id, number, status, turn, served, plan_digest, policy_digest, needs_approval, started_by, started_at)"
        " VALUES ('run_old', 1, 'running', 1, 0, 'd', 'p', false, 'ann', 0)"
    )
    connection.exec_driver_sql(
        "INSERT INTO journal_steps"
        " (run_id, rank, name, kind, payload, status, attempts, done, note, result, fence, owner, since, until, timer)"
        " VALUES ('run_old', 1, 'erase:app.clips', 'erase', '{\"batch\":500}', 'leased', 2, 7, 'null', 'null', 2, 'dead', 0, 0, false)"
    )


def test_a_newer_journal_is_refused_and_left_alone(url: str) -> None:
    opened(url).close()
    with engine_for(url) as engine, engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(JournalNewer, match="revision 9999"):
        opened(url)


def test_many_programs_may_open_a_new_journal_at_once(url: str) -> None:
    faults: list[ExpungeError] = []

    def work() -> None:
        try:
            opened(url).close()
        except ExpungeError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_another_lookup_key_is_refused(url: str) -> None:
    opened(url).close()
    with pytest.raises(KeyStoreUnavailable, match="not the one that this journal was made with"):
        opened(url, key=bytes(32))
    opened(url).close()
    with pytest.raises(ValueError, match="at least 32 bytes"):
        opened(url, key=b"short")


@pytest.mark.parametrize("bad", ["control.db", "mysql://host/db", "sqlite://", "sqlite:///:memory:", ""])
def test_another_kind_of_url_is_the_policys_fault(bad: str) -> None:
    with pytest.raises(PolicyInvalid):
        opened(bad)


def test_a_missing_folder_is_not_an_empty_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="isn't there"):
        opened(file_url(tmp_path / "misspelt" / "control.db"))


def test_a_file_that_is_no_database_is_not_an_empty_journal(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    path.write_bytes(b"something else entirely\n" * 100)
    with pytest.raises(JournalUnavailable, match="SQLITE_NOTADB"):
        opened(file_url(path))
    assert path.read_bytes().startswith(b"something else")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(JournalUnavailable) as caught:
        opened("postgresql://nobody:secret-word@127.0.0.1:1/none", patience=1)
    assert caught.value.retryable
    assert "secret-word" not in str(caught.value)


@pytest.mark.postgresql
def test_a_role_without_rights_is_refused(postgresql_url: str) -> None:
    with engine_for(postgresql_url) as engine, engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS public")
        connection.exec_driver_sql("DROP ROLE IF EXISTS stranger")
        connection.exec_driver_sql("CREATE ROLE stranger LOGIN")
    with pytest.raises(Refused, match="refuses"):
        opened(postgresql_url.replace("//expunge@", "//stranger@"))


def test_a_locked_journal_is_unavailable_and_comes_back(control: Path) -> None:
    journal = opened(file_url(control), patience=0.05)
    with closing(sqlite3.connect(control, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="SQLITE_BUSY") as caught:
            journal.register("child", [[Identifier("profile_id", "secret-7")]])
        assert caught.value.retryable
        assert "secret" not in str(caught.value)
        assert journal.numbers([Identifier("profile_id", "secret-7")]) == {}
        other.execute("ROLLBACK")
    assert journal.register("child", [[Identifier("profile_id", "secret-7")]]) == [1]
    journal.close()


def test_a_full_disk_undoes_the_whole_call_and_loses_nothing(control: Path) -> None:
    journal = opened(file_url(control))
    journal.register("child", [[Identifier("profile_id", "0")]])
    limit_pages(journal, control)
    with pytest.raises(Full) as caught:
        journal.register("child", [[Identifier("profile_id", f"secret-{number}")] for number in range(20_000)])
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
    assert journal.register("child", [[Identifier("profile_id", "0")], [Identifier("profile_id", "1")]]) == [1, 2]
    journal.close()


def limit_pages(journal: Journal, control: Path) -> None:
    """As if the disk had room for 20 pages more; the limit holds for each new connection."""
    with closing(sqlite3.connect(control)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    engine = journal._database._engine
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}"))


def test_sqlite_is_opened_to_lose_nothing_and_to_keep_nothing(control: Path) -> None:
    journal = opened(file_url(control))
    with journal._database.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "secure_delete")
        }
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert settings == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}
    journal.close()


def test_no_identifier_is_ever_in_the_files(tmp_path: Path) -> None:
    sealer = MemorySealer()
    journal = opened(file_url(tmp_path / "control.db"), sealer=sealer)
    marker = "marker-3f9d@example.org"
    (child,) = journal.register("child", [[Identifier("profile_id", marker), Identifier("email", marker)]])
    filing = Filing("erase", child, "child", {"items": [f"app.clips/{marker}"]}, "parent", "passkey", b"sealed", f"tap/{marker}")
    (filed,) = journal.file([filing])
    run = journal.start_run([filed.id], {"reason": marker}, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann")
    journal.add_steps(run.id, [NewStep(1, "locate", "locate")])
    lease = journal.claim("w")
    assert lease is not None
    journal.put_targets(lease, "app.clips", [marker.encode() * 3] * 3)
    assert traces(tmp_path, marker) == []
    journal.finish(lease)
    journal.close_run(run.id)
    assert traces(tmp_path, marker) == []
    assert traces(tmp_path, filed.id) != [], "the search itself works"
    journal.close()
    assert traces(tmp_path, marker) == []


def traces(folder: Path, marker: str) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if marker.encode() in path.read_bytes()]


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement sent to any database while the test runs."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def test_ten_thousand_requests_are_a_handful_of_statements(url: str, statements: list[str]) -> None:
    journal = opened(url)
    counts: dict[int, list[int]] = {}
    for many in (10, 10_000):
        marks = [len(statements)]
        people = [[Identifier("profile_id", f"{many}/{number}"), Identifier("email", f"{many}/{number}")] for number in range(many)]
        numbers = journal.register("child", people)
        marks.append(len(statements))
        filed = journal.file([Filing("erase", number, "child", {"items": [f"app.clips/{number}"]}, "parent", "") for number in numbers])
        marks.append(len(statements))
        ids = [one.id for one in filed]
        run = journal.start_run(ids, None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann", touches=numbers)
        marks.append(len(statements))
        assert len(journal.requests(run_id=run.id)) == many
        journal.held(numbers)
        assert len(journal.numbers([person[0] for person in people])) == many
        marks.append(len(statements))
        journal.close_run(run.id)
        marks.append(len(statements))
        counts[many] = [after - before for before, after in pairwise(marks)]
    journal.close()
    # Values go 5,000 to a statement, so 10,000 need one or two statements more at each place where they are looked up.
    assert all(more - few <= 4 for few, more in zip(counts[10], counts[10_000], strict=True)), counts
    assert sum(counts[10_000]) <= 80


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"psycopg: pip install 'expunge\[postgresql\]'"):
        Journal.open("postgresql://localhost:1/control", clock=FakeClock(), sealer=MemorySealer(), lookup_key=LOOKUP)


def test_more_work_than_connections_waits_and_then_says_so(tmp_path: Path) -> None:
    options = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": 0.01}
    engine = create_engine(f"sqlite:///{tmp_path / 'control.db'}", **options)
    with closing(engine.connect()), pytest.raises(JournalUnavailable, match="every connection is in use"), translated():
        engine.connect()
    engine.dispose()
