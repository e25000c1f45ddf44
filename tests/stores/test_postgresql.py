"""PostgreSQL: the laws on a real server behind a relay that can be cut, and what is particular to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.stores.base import Counter, Reader, Store
from expunge.stores.registry import open_store
from expunge.terms import FieldType, Method, Selector, Span, Step, Value
from expunge.testing.conformance import Harness, Row, StoreLaws
from expunge.testing.relay import Relay
from expunge.testing.services import PostgreSQL

pytestmark = pytest.mark.postgresql

MARKER = "qzv7k2mw94xj-leftover-p3t8r5hd61yc"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def opened(url: str | sa.URL, **options: object) -> Store:
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    return open_store("sql", "app", {"url": text, "batch": 20, "connect_timeout": 5, **options}, ())


class ServerHarness(Harness):
    """A table in a database of its own; the write-ahead log is out of our hands, and said to be."""

    bulk = 700
    tells = {"pg_wal": "write-ahead log"}
    examples = 12
    columns = "id bigint PRIMARY KEY, owner text, number integer, body text, at timestamptz"

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server
        self.url = sa.make_url(server.database())
        self.relay = Relay(server.port)
        self.session = psycopg.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)
        self.session.execute("SET TimeZone = 'UTC'")
        self.session.execute(f"CREATE TABLE notes ({self.columns})")
        self.session.execute("ALTER TABLE notes ALTER body SET STORAGE EXTERNAL")  # uncompressed, so that a search means something
        self.session.execute("CREATE INDEX notes_owner ON notes (owner)")

    def close(self) -> None:
        self.session.close()
        self.relay.close()
        with self.server.connect() as session:  # or its bytes would be found by the next law
            session.execute(f"DROP DATABASE {self.url.database} WITH (FORCE)".encode())

    def open(self) -> Store:
        return opened(self.url.set(port=self.relay.port))

    def seed(self, rows: Iterable[Row]) -> None:
        self.session.execute("TRUNCATE notes")
        with self.session.cursor() as cursor, cursor.copy("COPY notes (id, owner, number, body, at) FROM STDIN") as copy:
            for row in rows:
                copy.write_row((row.id, row.owner, row.number, row.body, row.at))
        self.session.execute("ANALYZE notes")  # as autovacuum would: samples of people's values in the catalogue

    def dump(self) -> list[Row]:
        rows = self.session.execute("SELECT id, owner, number, body, at FROM notes").fetchall()
        return [Row(int(row[0]), *row[1:4], at=row[4] if row[4].tzinfo else row[4].replace(tzinfo=UTC)) for row in rows]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        self.session.execute("CHECKPOINT")
        for path in self.server.folder.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(self.server.folder)), path.read_bytes()

    def outage(self) -> AbstractContextManager[None]:
        return self.relay.outage()

    @contextmanager
    def drift(self) -> Iterator[None]:
        self.session.execute("ALTER TABLE notes RENAME COLUMN owner TO possessor")
        yield
        self.session.execute("ALTER TABLE notes RENAME COLUMN possessor TO owner")

    def holds(self, owner: str) -> bool:
        return "\x00" not in owner and not any("\ud800" <= letter <= "\udfff" for letter in owner)


class KeylessHarness(ServerHarness):
    """No primary key, no zone, text with a length."""

    columns = "id integer, owner varchar(200), number numeric, body text, at timestamp"
    bulk = 1_700
    examples = 6


@pytest.fixture
def url(postgresql_server: PostgreSQL) -> str:
    return postgresql_server.database()


class TestLaws(StoreLaws):
    @pytest.fixture
    def harness(self, postgresql_server: PostgreSQL) -> Iterator[Harness]:
        with closing(ServerHarness(postgresql_server)) as harness:
            yield harness


@pytest.mark.slow
class TestLawsWithoutKey(StoreLaws):
    @pytest.fixture
    def harness(self, postgresql_server: PostgreSQL) -> Iterator[Harness]:
        with closing(KeylessHarness(postgresql_server)) as harness:
            yield harness
