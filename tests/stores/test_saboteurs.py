"""The laws bite on every store: each lie that can be told there breaks a law named for it, and the honest store breaks none.

A lie that a store can't be made to tell is declared, and then truly must not be noticed. Laws that the store is excused from notice
nothing: what a store refuses, it refuses honestly too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest

from expunge.testing.conformance import Harness, laws
from expunge.testing.relay import Relay
from expunge.testing.saboteurs import SABOTEURS, Sabotaged, Saboteur, breaks
from expunge.testing.services import S3, PostgreSQL
from tests.stores import test_delta, test_jsonl, test_objects_folder, test_objects_s3, test_parquet, test_postgresql, test_sqlite
from tests.stores.conftest import MemoryHarness

Make: TypeAlias = Callable[[Path], Harness]
"""A fresh medium, in this folder if it lies in one."""

LOCAL: Mapping[str, Make] = {
    "memory": lambda _: MemoryHarness(),
    "sqlite": test_sqlite.FileHarness,
    "jsonl": lambda folder: test_jsonl.LogHarness(folder, packed=False),
    "jsonl-gzip": lambda folder: test_jsonl.LogHarness(folder, packed=True),
    "parquet": test_parquet.FolderHarness,
    "parquet-categorical": test_parquet.CategoricalHarness,
    "delta": lambda folder: test_delta.TableHarness(folder, {}, None),
    "delta-change-data": lambda folder: test_delta.TableHarness(folder, test_delta.CONFIGURATIONS["change-data"], None),
    "folder": lambda folder: test_objects_folder.FolderHarness(folder, versions=False),
    "folder-versions": lambda folder: test_objects_folder.FolderHarness(folder, versions=True),
}
TWINS = {"jsonl-gzip", "parquet-categorical", "delta-change-data"}
"""Configurations of a store that is tried in full without them: all of theirs is slow."""

SERVERS = ("postgresql", "s3", "s3-unversioned")

WHOLE = "its records are deleted whole: it redacts and re-points nothing"
NOTHING_OLD = "it keeps nothing of what is gone"
DELETES_ONLY = dict.fromkeys(("Rereader", "HalfRedactor", "Overredactor", "Shredder", "Idler", "Repointer"), WHOLE)
UNTOLD: Mapping[str, Mapping[str, str]] = {
    "folder": {**DELETES_ONLY, "Hoarder": NOTHING_OLD, "Denier": NOTHING_OLD},
    "folder-versions": DELETES_ONLY,
    "s3": DELETES_ONLY,
    "s3-unversioned": {**DELETES_ONLY, "Hoarder": NOTHING_OLD, "Denier": NOTHING_OLD},
}
"""Per store, the lies that can't be told on it, and why."""

EACH_KIND = {
    "Blind",
    "Shuffler",
    "Wildcard",
    "Blindfold",
    "Deaf",
    "Drifty",
    "Gossip",
    "Forgetful",
    "Sweeper",
    "Optimist",
    "Hoarder",
    "Denier",
}
"""Lies of every kind, for servers in the fast set: about what is found, carried, compared, verified, said, erased, announced, kept."""

pytestmark = pytest.mark.filterwarnings(  # a law that fails leaves an answer half read, and its cursor open
    "ignore:.*ServerCursor:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Harness]]:
    """Makes the medium of a store for a law, each its own."""
    relays: list[Relay] = []

    def made(store: str, law: str) -> Harness:
        if store == "postgresql":
            server: PostgreSQL = request.getfixturevalue("postgresql_server")
            return test_postgresql.ServerHarness(server)
        if store in SERVERS:
            s3: S3 = request.getfixturevalue("s3")
            for name, value in s3.environment.items():
                monkeypatch.setenv(name, value)
            relays.append(Relay(int(s3.endpoint.rpartition(":")[2])))
            return test_objects_s3.BucketHarness(s3, relays[-1], versioned=store == "s3")
        folder = tmp_path / law
        folder.mkdir()
        return LOCAL[store](folder)

    yield made
    for relay in relays:
        relay.close()


def noticed_by(store: str, saboteur: type[Saboteur], among: Sequence[str], make: Callable[[str, str], Harness]) -> Iterator[str]:
    """The laws among these that this lie on this store breaks, as far as the store is held to them."""
    for law in among:
        with closing(make(store, law)) as harness:
            if law not in harness.gaps and breaks(law, Sabotaged(harness, saboteur)):
                yield law


def _pairs() -> Iterator[object]:
    for store in (*(one for one in LOCAL if one != "memory"), *SERVERS):  # memory has a stricter test below
        for saboteur in SABOTEURS:
            fast = store not in TWINS if store in LOCAL else store != "s3-unversioned" and saboteur.__name__ in EACH_KIND
            marks = [] if fast else [pytest.mark.slow]
            marks += [pytest.mark.postgresql] if store == "postgresql" else [pytest.mark.s3] if store in SERVERS else []
            yield pytest.param(store, saboteur, id=f"{store}-{saboteur.__name__}", marks=marks)


@pytest.mark.parametrize(("store", "saboteur"), list(_pairs()))
def test_saboteurs_are_caught(store: str, saboteur: type[Saboteur], make: Callable[[str, str], Harness]) -> None:
    caught = next(noticed_by(store, saboteur, saboteur.caught_by, make), None)
    if reason := UNTOLD.get(store, {}).get(saboteur.__name__):
        assert caught is None, f"declared as not to be told here ({reason}), and noticed"
    else:
        assert caught is not None


@pytest.mark.parametrize("saboteur", SABOTEURS)
def test_in_memory_each_law_named_catches(saboteur: type[Saboteur], make: Callable[[str, str], Harness]) -> None:
    """There every lie can be told, so a law that is named for nothing is noticed."""
    assert list(noticed_by("memory", saboteur, saboteur.caught_by, make)) == list(saboteur.caught_by)


NAMED = sorted({law for saboteur in SABOTEURS for law in saboteur.caught_by})
CHEAP = {"memory", "sqlite", "jsonl", "parquet", "folder", "folder-versions"}


@pytest.mark.parametrize("store", [pytest.param(one, marks=[] if one in CHEAP else [pytest.mark.slow]) for one in (*LOCAL, *SERVERS)])
def test_the_honest_store_breaks_no_law(store: str, make: Callable[[str, str], Harness]) -> None:
    """The control: without it a store that can't even be opened would look as if it were caught."""
    assert list(noticed_by(store, Saboteur, NAMED, make)) == []


def test_there_are_enough_lies() -> None:
    names = {saboteur.__name__ for saboteur in SABOTEURS}
    assert len(names) == len(SABOTEURS) >= 14
    assert set(NAMED) <= set(laws())
    assert names >= EACH_KIND
    assert all(names >= set(untold) for untold in UNTOLD.values())
