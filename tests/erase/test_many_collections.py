"""A run over more collections than one entry of the log can tell of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from expunge.evidence import pieces, receipts
from expunge.evidence.tiles import MAX_ENTRY
from tests.erase.toy import SOON, command, erased, opened, rows_of, sql, statement_of, toy
from tests.faults.killing import Place

TABLES = 300
"""Their rows take twice an entry. A thousand were tried too; they take ten minutes, and differ in nothing but pieces."""


def test_statements_in_pieces_are_receipts_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, with entries made small instead of estates made large."""
    place = toy(tmp_path / "estate")
    monkeypatch.setattr(receipts, "MAX_ENTRY", 1_500)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 600)
    standing = erased(place, "child:11", "adult:21")
    assert standing.complete
    with opened(place) as library:
        kinds = [json.loads(raw)["type"] for raw in library.rooms.log.entries()]
        assert [kind for kind in kinds if kind != "piece/1"] == ["run/1", "receipt/1", "receipt/1"]
        assert kinds.count("piece/1") > 6
        for request in (None, *(one.id for one in standing.requests)):
            assert rows_of(statement_of(library, standing, request))
        library.check_log()
        trust = str(library.trust_path)
    for note in standing.receipts:
        assert command(place, "verify", note.path, "--trust", trust, "--json").json["statement"]["stores"]
    raw = Path(standing.receipts[0].path).read_bytes()
    changed = tmp_path / "changed.receipt.json"
    changed.write_bytes(raw.replace(b'"before":', b'"after_":', 1))
    assert command(place, "verify", str(changed), "--trust", trust).status == 71


@pytest.mark.slow
def test_hundreds_of_collections_with_records_in_each(tmp_path: Path) -> None:
    place = toy(tmp_path / "estate")
    _many(place)
    with opened(place) as library:
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        whole = statement_of(library, standing)
        own = statement_of(library, standing, standing.requests[0].id)
        for statement in (whole, own):
            rows = rows_of(statement)
            assert sum(1 for name in rows if name.startswith("app.log_")) == TABLES
            assert all(row["after"] == 0 for row in rows.values())
            assert len(json.dumps(statement)) > MAX_ENTRY
        library.check_log()
    assert sql(place, "select count(*) from log_7") == [(1,)]


def _many(place: Place) -> None:
    """Many tables with a row of one child's and one of another's each."""
    engine = sa.create_engine(place.environment["APP_URL"])
    with engine.begin() as connection:
        for number in range(TABLES):
            connection.exec_driver_sql(
                f"create table log_{number}(id integer primary key, profile_id integer references profiles(id), said text)"
            )
            connection.exec_driver_sql(f"create index log_{number}_profile on log_{number}(profile_id)")
            connection.exec_driver_sql(f"insert into log_{number}(profile_id, said) values (11, 'x'), (21, 'y')")
    engine.dispose()
    path = place.folder / "app.yml"
    held = yaml.safe_load(path.read_text())
    to = [{"dataset": "app", "field": "profiles.id", "direction": "from"}]
    held["dataset"][0]["collections"] += [
        {
            "name": f"log_{number}",
            "fields": [
                {"name": "id", "fides_meta": {"primary_key": True}},
                {"name": "profile_id", "fides_meta": {"references": to}},
                {"name": "said", "data_categories": ["user.content.private"]},
            ],
        }
        for number in range(TABLES)
    ]
    path.write_text(yaml.safe_dump(held))
