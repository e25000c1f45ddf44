"""A small estate of SQLite (or PostgreSQL) and objects, and what these tests do with it again and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import expunge
from expunge.app.library import Expunge, Standing
from expunge.ports import Clock
from expunge.stores.base import Store
from expunge.terms import Located, Reclaimed, Residue, Selector, Shape, Step
from tests.faults.killing import Place, build

NOW = timedelta(0)
SOON = timedelta(seconds=15)


def toy(folder: Path, app_url: str | None = None, **swaps: str) -> Place:
    """Build it; ``swaps`` replace one text each in ``expunge.yaml``: the names are ``media``, ``app`` and ``top``."""
    place = build(folder, app_url or f"sqlite:///{folder}/app.db")
    written = {
        "media": "media: {kind: objects, url: media, versions: folder, datasets: [media.yml]}",
        "app": 'app: {kind: sql, url: "${APP_URL}", datasets: [app.yml], batch: 2}',
        "top": "expunge: 1",
    }
    policy = folder / "expunge.yaml"
    text = policy.read_text()
    for name, now in swaps.items():
        assert text.count(written[name]) == 1
        text = text.replace(written[name], now)
    policy.write_text(text)
    return place


def opened(place: Place, clock: Clock | None = None) -> Expunge:
    """The library on it; leases are long, for nobody dies here."""
    return expunge.open(place.folder / "expunge.yaml", env=place.environment, clock=clock)


def erased(place: Place, *subjects: str, **options: Any) -> Standing:
    """Erase these people in one run, whose standing is given."""
    with opened(place) as library:
        _, (standing,) = library.erase(subjects, patience=SOON, **options)
        return standing


def sql(place: Place, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """Run one statement on the application's database."""
    engine = sa.create_engine(place.environment["APP_URL"])
    with engine.begin() as connection:
        done = connection.execute(sa.text(statement), values)
        rows = [tuple(row) for row in done] if done.returns_rows else []
    engine.dispose()
    return rows


def statement_of(library: Expunge, standing: Standing, request: str | None = None) -> Mapping[str, Any]:
    """What the run's receipt says, or one request's; checked against the bundle."""
    (path,) = [note.path for note in standing.receipts if note.request_id == request]
    found = library.verify(Path(path)).statement
    assert isinstance(found, Mapping)
    return found


def rows_of(statement: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A statement's rows by collection."""
    return {row["collection"]: row for store in statement["stores"] for row in store["collections"]}


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.out)


def command(place: Place, *words: str, stdin: str | None = None) -> Said:
    """Run ``expunge`` in the estate's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "expunge.cli.main", *words],
        cwd=place.folder,
        env={**os.environ, **place.environment, "COLUMNS": "200", "NO_COLOR": "1"},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def bytes_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def found_in(folder: Path, marks: Iterable[str]) -> list[str]:
    """In which files which of these texts lie, in UTF-8, UTF-16, hexadecimal or base64's plain middle."""
    wanted = {mark: (mark.encode(), mark.encode("utf-16-le"), mark.encode().hex().encode()) for mark in marks}
    return [f"{name}: {mark}" for name, raw in bytes_of(folder) for mark, forms in wanted.items() if any(form in raw for form in forms)]


@dataclass
class Wrapped:
    """A store to which something is done between two of its calls; everything else passes through."""

    store: Store
    before: dict[str, Any] = field(default_factory=dict)

    def _about(self, call: str, collection: str) -> None:
        act = self.before.get(call)
        if act is not None:
            act(collection)

    def describe(self) -> tuple[Shape, ...]:
        return self.store.describe()

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        self._about("locate", selector.collection)
        return self.store.locate(selector, carry)

    def erase(self, step: Step) -> Iterator[int]:
        self._about("erase", step.collection)
        return self.store.erase(step)

    def reclaim(self, selector: Selector) -> Reclaimed:
        self._about("reclaim", selector.collection)
        return self.store.reclaim(selector)

    def verify(self, selector: Selector) -> Residue:
        self._about("verify", selector.collection)
        return self.store.verify(selector)

    def close(self) -> None:
        self.store.close()


@contextmanager
def wrapped(library: Expunge, name: str, **before: Any) -> Iterator[None]:
    """While the block runs, ``before[call](collection)`` is called before the store's calls of that name."""
    held: Any = library.rooms.stores
    held[name]  # opened
    held._open[name] = Wrapped(held._open[name], before)
    try:
        yield
    finally:
        held._open[name] = held._open[name].store
