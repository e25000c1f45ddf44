"""PostgreSQL: the laws on a real server behind a relay that can be cut, its shape, addresses and faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.stores.base import Counter, Reader, Store
from expunge.terms import Field, FieldType, ForeignKey, Method, Selector, Step
from expunge.testing.conformance import Harness, Row, StoreLaws
from expunge.testing.relay import Relay
from expunge.testing.services import PostgreSQL
from tests.stores.database_postgresql import ask, opened, run, session_on
from tests.stores.databases import MARKER, erase, locate, pick

pytestmark = pytest.mark.postgresql


class ServerHarness(Harness):
    """A table in a database of its own; the write-ahead log is out of our hands, and said to be."""

    bulk = 700
    tells = MappingProxyType({"pg_wal": "write-ahead log"})
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

    def bury(self, rows: Iterable[Row]) -> bool:
        rows = list(rows)
        with self.session.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO notes (id, owner, number, body, at) VALUES (%s, %s, %s, %s, %s)",
                [(row.id, row.owner, row.number, row.body, row.at) for row in rows],
            )
            cursor.execute("DELETE FROM notes WHERE id = ANY(%s)", ([row.id for row in rows],))
        self.session.execute("SELECT pg_stat_force_next_flush()")  # a session tells of its dead rows at most once a second
        return True

    def dump(self) -> list[Row]:
        rows = self.session.execute("SELECT id, owner, number, body, at FROM notes").fetchall()
        return [Row(int(row[0]), row[1], row[2], row[3], row[4] if row[4].tzinfo else row[4].replace(tzinfo=UTC)) for row in rows]

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


class TestShape:
    def test_describe_tells_types_constraints_and_keys(self, url: str) -> None:
        run(
            url,
            "CREATE TYPE mood AS ENUM ('glad')",
            "CREATE DOMAIN name AS varchar(9)",
            "CREATE TABLE homes (id bigserial PRIMARY KEY)",
            "CREATE TABLE people (a text, b smallint NOT NULL, home bigint REFERENCES homes ON DELETE CASCADE DEFERRABLE, mail name UNIQUE,"
            " born date, seen timestamptz, on_ boolean, raw bytea, size real, price numeric(9, 2), more jsonb, u uuid, m mood, tags text[],"
            " said text CHECK (length(said) > 1), PRIMARY KEY (a, b))",
            "CREATE TABLE notes (id integer, home bigint REFERENCES homes)",
            "CREATE INDEX ON notes (home)",
            "CREATE INDEX ON people (home) WHERE home > 3",
            "CREATE VIEW seen AS SELECT * FROM people",
            "CREATE TABLE parts (id integer, at date) PARTITION BY RANGE (at)",
            "CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        )
        with closing(opened(url)) as store:
            shapes = {shape.name: shape for shape in store.describe()}
        assert list(shapes) == ["homes", "notes", "parts", "parts_2026", "people"]
        assert shapes["homes"].field("id") == Field("id", FieldType.INTEGER, nullable=False, unique=True)
        assert shapes["parts_2026"].hangs_on == "parts"
        people = shapes["people"]
        assert " ".join(field.type for field in people.fields) == (
            "text integer integer text date time boolean bytes real numeric json uuid other other text"
        )
        assert people.primary_key == ("a", "b")
        assert [field.name for field in people.fields if field.checked] == ["said"]
        assert [field.name for field in people.fields if field.unique] == ["mail"]
        assert people.foreign_keys == (ForeignKey(("home",), "homes", ("id",), on_delete="cascade", deferrable=True, indexed=False),)
        assert shapes["notes"].foreign_keys == (ForeignKey(("home",), "homes", ("id",)),)

    def test_describe_takes_as_many_statements_for_many_tables(self, url: str) -> None:
        counts = []
        for number in (3, 60):
            run(url, *(f"CREATE TABLE IF NOT EXISTS t{one} (id integer PRIMARY KEY, x text UNIQUE)" for one in range(number)))
            with closing(opened(url)) as store:
                assert isinstance(store, Counter)
                assert len(store.describe()) == number
                counts.append(store.statements)
        assert counts[0] == counts[1]

    def test_describe_counts_about(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer)", "CREATE TABLE b (id integer)", "INSERT INTO a SELECT generate_series(1, 1200)", "ANALYZE a")
        with closing(opened(url)) as store:
            assert [shape.about for shape in store.describe()] == [1200, None]

    def test_what_triggers_speak_of(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE notes (id integer PRIMARY KEY, t text)",
            'CREATE TABLE "Archive" (t text)',
            "CREATE TABLE quiet (t text)",
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
            '$$ BEGIN INSERT INTO public."Archive" VALUES (old.t); RETURN old; END $$',
            "CREATE TRIGGER k BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION keep()",
        )
        with closing(opened(url)) as store:
            assert {shape.name: shape.feeds for shape in store.describe() if shape.feeds} == {"notes": ("Archive",)}

    def test_references_from_and_to_other_schemas_are_seen(self, url: str) -> None:
        run(
            url,
            "CREATE SCHEMA audit",
            'CREATE SCHEMA "My App"',
            "CREATE TABLE audit.kinds (id integer PRIMARY KEY)",
            'CREATE TABLE "My App".users (a integer, b integer, kind integer REFERENCES audit.kinds, PRIMARY KEY (a, b))',
            'CREATE TABLE "My App".homes (id integer PRIMARY KEY)',
            'CREATE TABLE "My App".notes (id integer, home integer REFERENCES "My App".homes ON DELETE RESTRICT)',
            'CREATE TABLE audit.trail (x integer, y integer, FOREIGN KEY (y, x) REFERENCES "My App".users (b, a) ON DELETE SET NULL)',
            'CREATE TABLE "T" (h integer REFERENCES "My App".homes ON DELETE CASCADE, other integer REFERENCES audit.kinds)',
            'CREATE TABLE "My App"."audit.trail" (id integer)',
            'CREATE TABLE "My App".moves (id integer, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)',
            "CREATE TABLE audit.moves_2026 PARTITION OF \"My App\".moves FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
            "CREATE TABLE audit.steps (m integer, at date, FOREIGN KEY (m, at) REFERENCES audit.moves_2026 ON DELETE CASCADE)",
        )
        with closing(opened(url, schema="My App")) as store:
            shapes = {shape.name: shape for shape in store.describe()}
            with pytest.raises(Drift):
                locate(store, pick("public.T", h=1))
        assert {name for name, shape in shapes.items() if not shape.outside} == {"users", "homes", "notes", "audit.trail", "moves"}
        assert shapes["users"].foreign_keys == (ForeignKey(("kind",), "audit.kinds", ("id",), indexed=False),)
        assert shapes["notes"].foreign_keys == (ForeignKey(("home",), "homes", ("id",), on_delete="restrict", indexed=False),)
        others = {name: (shape.fields, shape.foreign_keys) for name, shape in shapes.items() if shape.outside}
        assert others == {
            '"audit"."trail"': ((), (ForeignKey(("y", "x"), "users", ("b", "a"), on_delete="set null"),)),
            "audit.steps": ((), (ForeignKey(("m", "at"), "moves", ("id", "at"), on_delete="cascade"),)),
            "public.T": ((), (ForeignKey(("h",), "homes", ("id",), on_delete="cascade"),)),
        }

    def test_another_schema_and_names_that_need_quoting(self, url: str) -> None:
        run(
            url,
            'CREATE SCHEMA "My App"',
            'CREATE TABLE "My App"."Order ""%s:x" ("select" integer, "Own er" text, "group" text, PRIMARY KEY ("select", "group"))',
            'INSERT INTO "My App"."Order ""%s:x" SELECT g, \'u\' || g % 3, \'g\' FROM generate_series(1, 30) g',
        )
        selector = Selector('Order "%s:x', {"Own er": frozenset({"u1"})})
        with closing(opened(url, schema="My App")) as store:
            assert [shape.name for shape in store.describe()] == ['Order "%s:x']
            assert erase(store, selector) == 10
            assert store.verify(selector).history == 10
            store.reclaim(selector)
            told = store.verify(selector)
        assert (told.scanned, told.live, told.history) == (20, 0, 0)


class TestAddresses:
    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            ("uuid", ["0d9af9c4-8b0f-4b1a-9f5e-3a1c2d3e4f50"]),
            ("timestamptz", ["2026-03-01 12:00:00.123456+01", "infinity"]),
            ("timestamp", ["2026-03-01 12:00:00.5"]),
            ("numeric", ["1.50", "1e40"]),
            ("bytea", ["\\x00ff"]),
            ("varchar(3)", ["a\tb", "'\""]),
            ("char(5)", ["ab"]),
            ("double precision", ["0.1", "1e300", "NaN"]),
            ("date", ["2026-03-01"]),
            ("boolean", ["true"]),
            ("inet", ["10.0.0.1/8"]),
            ("smallint", ["-7"]),
            ("text[]", ['{a,"b c"}']),
        ],
    )
    def test_keys_of_every_type(self, url: str, kind: str, values: list[str]) -> None:
        run(
            url,
            f"CREATE TABLE one (k {kind} PRIMARY KEY, owner text)",
            f"CREATE TABLE two (k {kind}, n integer, owner text, PRIMARY KEY (k, n))",
        )
        with session_on(url) as session:
            for value in values:
                session.execute(f"INSERT INTO one VALUES (%s::{kind}, 'u1')".encode(), (value,))
                session.execute(f"INSERT INTO two VALUES (%s::{kind}, 7, 'u1'), (%s::{kind}, 8, 'u2')".encode(), (value, value))
        with closing(opened(url)) as store:
            for table in ("one", "two"):
                places = locate(store, pick(table, owner="u1"))
                assert len(set(places)) == len(values)
                assert isinstance(store, Reader)
                if "infinity" not in values:  # no Python value
                    assert [record.address for record in store.read(table, places)] == list(places)
                assert erase(store, pick(table, owner="u1")) == len(values)
        assert ask(url, "SELECT (SELECT count(*) FROM one), (SELECT count(*) FROM two)") == [(0, len(values))]

    def test_a_long_value_is_not_cut_to_a_short_key(self, url: str) -> None:
        run(url, "CREATE TABLE a (k varchar(3) PRIMARY KEY)", "INSERT INTO a VALUES ('abc')")
        with closing(opened(url)) as store:
            assert locate(store, pick("a", k="abcdef")) == ()
            assert sum(store.erase(Step("a", Method.DELETE, pick("a", k="abcdef"), ('["abcdef"]',)))) == 1
        assert ask(url, "SELECT k FROM a") == [("abc",)]

    def test_records_alike_are_told_apart_by_counting(self, url: str) -> None:
        run(url, "CREATE TABLE a (owner text, more json)", *["INSERT INTO a VALUES ('u1', '{}'), ('u1', NULL), ('u2', '{}')"] * 3)
        with closing(opened(url)) as store:
            places = locate(store, pick("a", owner="u1"))
            assert len(set(places)) == 6
            held = Selector("a", {"owner": frozenset({"u1"})}, minus=frozenset(places[:1]))
            assert store.verify(held).live == 5
            assert isinstance(store, Reader)
            assert len(list(store.read("a", places))) == 6
            rest = tuple(one for one in places if one not in held.minus)
            for addresses in (rest[:2], rest, rest):
                assert sum(store.erase(Step("a", Method.DELETE, held, addresses))) == len(addresses)
            assert store.verify(pick("a", owner="u1")).live == 1
        assert ask(url, "SELECT count(*) FROM a") == [(4,)]

    def test_what_was_passed_on_is_somebody_elses(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text, x text)",
            "INSERT INTO a SELECT g, 'u1', 'x' FROM generate_series(1, 3) g",
        )
        selector = pick("a", owner="u1")
        with closing(opened(url)) as store:
            places = locate(store, selector)
            run(url, "UPDATE a SET owner = 'u2' WHERE id = 3", "UPDATE a SET owner = NULL WHERE id = 2")
            assert sum(store.erase(Step("a", Method.REDACT, selector, places, fields=("x",)))) == 3
            assert ask(url, "SELECT id, x FROM a ORDER BY id") == [(1, None), (2, None), (3, "x")]
            assert sum(store.erase(Step("a", Method.DELETE, selector, places))) == 3
        assert ask(url, "SELECT id FROM a") == [(3,)]


class TestFaults:
    def test_constraints_are_named_without_values(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id text PRIMARY KEY, must text NOT NULL, ok text CONSTRAINT must_be CHECK (ok IS NOT NULL), one text UNIQUE)",
            "CREATE TABLE b (id integer PRIMARY KEY, a text CONSTRAINT b_to_a REFERENCES a)",
            f"INSERT INTO a VALUES ('{MARKER}', '{MARKER}', 'x', 'y'), ('other', '', 'x', 'taken')",
            f"INSERT INTO b VALUES (1, '{MARKER}')",
        )
        selector = pick("a", id=MARKER)
        with closing(opened(url)) as store:
            refused: list[tuple[str, dict[str, Any]]] = [
                ("column must", {"method": Method.REDACT, "fields": ("must",)}),
                ("constraint must_be", {"method": Method.REDACT, "fields": ("ok",)}),
                ("constraint b_to_a", {"method": Method.DELETE}),
                ("constraint a_one_key", {"method": Method.DECORRELATE, "repoint": {"one": "taken"}}),
            ]
            for named, work in refused:
                with pytest.raises(Refused, match=named) as caught:
                    erase(store, selector, **work)
                assert MARKER not in repr(caught.value)
            assert store.verify(selector).live == 1

    def test_a_role_without_rights(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            "INSERT INTO a VALUES (1, 'u1')",
            "DROP ROLE IF EXISTS teller",
            "CREATE ROLE teller LOGIN",
            "GRANT SELECT ON a TO teller",
        )
        selector = pick("a", owner="u1")
        with closing(opened(sa.make_url(url).set(username="teller"))) as store:
            assert store.verify(selector).live == 1
            with pytest.raises(Refused, match="42501"):
                erase(store, selector)
            with pytest.raises(Refused, match="vacuum a"):
                store.reclaim(selector)
            run(url, "REVOKE SELECT ON a FROM teller")
            for look in (store.verify, lambda one: list(store.locate(one))):
                with pytest.raises(Refused):
                    look(selector)

    def test_row_security_that_would_hide_records_is_an_error(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            "INSERT INTO a VALUES (1, 'u1')",
            "DROP ROLE IF EXISTS warden",
            "CREATE ROLE warden LOGIN",
            "GRANT ALL ON a TO warden",
            "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
        )
        with closing(opened(sa.make_url(url).set(username="warden"))) as store, pytest.raises(Refused):
            store.verify(pick("a", owner="u1"))

    def test_a_function_that_stands_in_front_of_the_server_s_own_hides_nothing(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            "INSERT INTO a VALUES (1, 'u1')",
            "CREATE SCHEMA decoy",
            "CREATE FUNCTION decoy.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT $2'",
            "DROP ROLE IF EXISTS sentry",
            "CREATE ROLE sentry LOGIN",
            "GRANT ALL ON a TO sentry",
            "GRANT USAGE ON SCHEMA decoy TO sentry",
            "ALTER ROLE sentry SET search_path = decoy, pg_catalog, public",
            "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
        )
        with closing(opened(sa.make_url(url).set(username="sentry"), schema="public")) as store, pytest.raises(Refused):
            store.verify(pick("a", owner="u1"))

    def test_sign_in_and_database(self, url: str, postgresql_server: PostgreSQL) -> None:
        with closing(opened(sa.make_url(url).set(username="nobody_here"))) as store, pytest.raises(Refused):
            store.describe()
        with closing(opened(sa.make_url(url).set(database="nowhere"))) as store, pytest.raises(Drift, match="database"):
            store.describe()
        with closing(opened(sa.make_url(url).set(port=1))) as store, pytest.raises(Unavailable):
            store.describe()

    def test_a_lock_that_is_not_granted_is_a_conflict(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, owner text)", "INSERT INTO a VALUES (1, 'u1')")
        selector = pick("a", owner="u1")
        with session_on(url) as other, closing(opened(url, lock_timeout=0.05)) as store:
            with other.transaction():
                other.execute("SELECT * FROM a FOR UPDATE")
                for deed in (lambda: erase(store, selector), lambda: store.reclaim(selector)):
                    with pytest.raises(Conflict) as caught:
                        deed()
                    assert caught.value.retryable
            assert erase(store, selector) == 1

    def test_a_statement_that_takes_too_long_is_tried_again(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, owner text)", "INSERT INTO a SELECT g, 'u' FROM generate_series(1, 200000) g")
        with closing(opened(url, statement_timeout=0.001)) as store, pytest.raises(Unavailable):
            store.verify(pick("a", owner="u1"))

    def test_a_session_that_was_ended_is_replaced(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, owner text)", "INSERT INTO a VALUES (1, 'u1')")
        with closing(opened(url)) as store:
            assert store.verify(pick("a", owner="u1")).live == 1
            ours = "application_name = 'expunge' AND datname = current_database()"
            run(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
            assert store.verify(pick("a", owner="u1")).live == 1

    def test_drift_is_seen_by_the_server(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, owner text)", "INSERT INTO a VALUES (1, 'u1')")
        with closing(opened(url)) as store:
            places = locate(store, pick("a", owner="u1"))
            run(url, "ALTER TABLE a DROP CONSTRAINT a_pkey", "ALTER TABLE a ADD k uuid PRIMARY KEY DEFAULT gen_random_uuid()")
            store.describe()
            with pytest.raises(Drift):
                list(store.erase(Step("a", Method.DELETE, pick("a", owner="u1"), places)))
            run(url, "DROP TABLE a")
            with pytest.raises(Drift):
                store.verify(pick("a", owner="u1"))


def test_repr_and_errors_keep_the_password(url: str) -> None:
    with closing(opened(sa.make_url(url).set(password=MARKER, port=1))) as store:
        assert MARKER not in repr(store)
        with pytest.raises(Unavailable) as caught:
            store.describe()
        assert MARKER not in str(caught.value)
