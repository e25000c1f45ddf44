"""A PostgreSQL database, by other means than the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from expunge.testing.services import PostgreSQL
from tests.stores.databases import MARKER


def opened(url: str | sa.URL, **options: object) -> Store:
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    return open_store("sql", "app", {"url": text, "batch": 20, "connect_timeout": 5, **options}, ())


@contextmanager
def session_on(url: str) -> Iterator[psycopg.Connection]:
    made = sa.make_url(url).set(drivername="postgresql")
    with psycopg.connect(made.render_as_string(hide_password=False), autocommit=True) as session:
        yield session


def run(url: str, *statements: str) -> None:
    with session_on(url) as session:
        for statement in statements:
            session.execute(statement.encode())


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with session_on(url) as session:
        return session.execute(statement.encode()).fetchall()


def holding(server: PostgreSQL, url: str, text: str = MARKER) -> list[str]:
    """The files of this database and of the server's shared catalogue that hold the text."""
    run(url, "CHECKPOINT")
    number = ask(url, "SELECT oid FROM pg_database WHERE datname = current_database()")[0][0]
    files = [*(server.folder / "base" / str(number)).iterdir(), *(server.folder / "global").iterdir()]
    return sorted(file.name for file in files if text.encode() in file.read_bytes())
