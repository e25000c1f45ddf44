"""The planner's random worlds in a real database: cycles, self-references and shared rows under foreign keys that are enforced."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings

from expunge.erase.extent import extent
from expunge.erase.plan import make_plan
from expunge.erase.sharing import outside
from expunge.erase.subjects import SubjectRef, resolve
from expunge.erase.targets import Target, make_targets
from expunge.erase.trouble import troubles
from expunge.erase.walk import walk
from expunge.errors import AmbiguousOwnership
from expunge.policy.catalog import Catalog
from expunge.policy.ownership import ownership
from expunge.stores.base import Store
from expunge.stores.registry import open_store
from expunge.terms import Scope, Step
from tests.laws.test_planner_laws import TOLD, World, build, oracle, worlds

NUMBERS = count()


def create(world: World, path: Path) -> None:
    """The world's tables and rows; what is enforced is a constraint, and most constraints have an index."""
    with closing(sqlite3.connect(path, isolation_level=None)) as session:
        for number, table in enumerate(world.tables):
            columns = "".join(f", {link.name} integer" + (f" references t{link.to}(id)" if link.enforced else "") for link in table.links)
            told = "".join(f", {name} integer" for name in TOLD) if table.redacted else ""
            session.execute(f"create table t{number} (id integer primary key{columns}{told})")
            for link in table.links[:2]:
                session.execute(f"create index t{number}_{link.name} on t{number}({link.name})")
        session.execute("begin")
        for number, table in enumerate(world.tables):
            for row in table.rows:
                session.execute(f"insert into t{number} ({', '.join(row)}) values ({', '.join('?' * len(row))})", tuple(row.values()))
        session.execute("commit")
        assert session.execute("pragma foreign_key_check").fetchall() == []


def rows(world: World, path: Path) -> dict[tuple[int, int], dict[str, int | None]]:
    """What the tables hold, read by another connection."""
    found = {}
    with closing(sqlite3.connect(path)) as session:
        assert session.execute("pragma foreign_key_check").fetchall() == []
        session.row_factory = sqlite3.Row
        for number in range(len(world.tables)):
            for row in session.execute(f"select * from t{number}"):
                found[number, int(row["id"])] = dict(row)
    return found


def targets_of(world: World, catalog: Catalog, store: Store) -> tuple[Target, ...]:
    shapes, stores = {"s": store.describe()}, {"s": store}
    try:
        held = ownership(catalog, shapes)
    except AmbiguousOwnership:
        reject()
    plan = make_plan(catalog, held, shapes, Scope(), "0" * 64)
    assert not [one for one in troubles(catalog, held, shapes, plan) if one.severity == "error"]
    people = resolve(catalog, held, stores, [SubjectRef("person", "person_id", str(one)) for one in sorted(world.leaving)])
    walked = walk(catalog, held, stores, people)
    reach = extent(catalog, held, walked, outside(catalog, held, stores, people, walked, plan.shared), plan)
    return make_targets(catalog, held, stores, people, walked, reach, plan).targets


def check(world: World, folder: Path) -> None:
    """Erase, with the store that companies use, and compare what is left with the oracle's answer."""
    path = folder / f"{next(NUMBERS)}.db"
    create(world, path)
    catalog, _ = build(world)
    store = open_store("sql", "s", {"url": f"sqlite:///{path}", "batch": 1}, catalog.in_store("s"))
    try:
        targets = targets_of(world, catalog, store)
        for target in sorted(targets, key=lambda one: one.rank):
            if target.addresses:
                step = Step(target.selector.collection, target.method, target.selector, target.addresses, target.fields, target.repoint)
                assert sum(store.erase(step)) == len(target.addresses)
        for target in targets:
            if not target.selector.nothing():
                assert store.verify(target.selector).live == 0, target.name
    finally:
        store.close()
    gone, left = oracle(world)
    after = rows(world, path)
    assert after == left
    assert not gone & set(after)
    path.unlink()


QUIET = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)


@settings(deadline=None, derandomize=True, max_examples=40, suppress_health_check=QUIET)
@given(worlds())
def test_what_goes_is_what_the_oracle_says(tmp_path: Path, world: World) -> None:
    check(world, tmp_path)


@pytest.mark.slow
@settings(deadline=None, max_examples=1500, suppress_health_check=QUIET)
@given(worlds())
def test_what_goes_in_many_worlds_is_what_the_oracle_says(tmp_path: Path, world: World) -> None:
    check(world, tmp_path)
