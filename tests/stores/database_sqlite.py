"""An SQLite file, by other means than the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from tests.stores.databases import MARKER


def opened(path: Path, **options: object) -> Store:
    return open_store("sql", "app", {"url": f"sqlite:///{path}", "lock_timeout": 0.05, "batch": 20, **options}, ())


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as session:
        for statement in statements:
            session.execute(statement)


def ask(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as session:
        return session.execute(statement).fetchall()


def holding(path: Path, text: str = MARKER) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir() if text.encode() in one.read_bytes())
