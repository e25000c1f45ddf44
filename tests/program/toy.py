"""A small estate with terms, claims and sweeps: one database of children's clips and places; what is overdue is a test's doing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

POLICY = """\
expunge: 1
controller: {name: Toy, contact: privacy@toy.example, email: privacy@toy.example, address: 1 Lane, phone: "+1 555 0100"}
subjects:
  child: {key: profile_id, minor: true}
stores:
  app: {kind: sql, url: "sqlite:///app.db", datasets: [app.yml]}
purposes: {respond: {use: essential.service, basis: contract}}
terms:
  - {of: child, category: user.biometric.voice, for: respond, keep: 30 days, need: answer}
  - {of: child, category: user.location, for: respond, keep: 10 days, need: show the way}
  - {of: child, category: user.name, for: respond, keep: 24 months, need: greet}
  - {of: child, category: user.unique_id, for: respond, keep: 24 months, need: tell them apart}
retention: {sweep: 1 day, breaker: 100 %}
notices: {link: "https://toy.example/privacy"}
claims:
  - {says: You can delete your child's recordings., control: can_erase, of: child, category: user.biometric.voice}
  - says: We keep recordings for 30 days.
    control: kept_no_longer
    of: child
    category: user.biometric.voice
    owner: voice team
    within: 5 days
  - {says: We keep places for 10 days., control: kept_no_longer, category: user.location}
"""

DATASET = """\
dataset:
  - fides_key: app
    collections:
      - name: profiles
        meta: {expunge: {captured_at: used_at}}
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: profile_id, primary_key: true}}
          - {name: nickname, data_categories: [user.name]}
          - {name: used_at, data_categories: [system.operations]}
      - name: clips
        meta: {expunge: {captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: sound, data_categories: [user.biometric.voice]}
          - {name: at, data_categories: [system.operations]}
      - name: places
        meta: {expunge: {captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: point, data_categories: [user.location]}
          - {name: at, data_categories: [system.operations]}
"""

TABLES = """\
create table profiles(id integer primary key, nickname text, used_at timestamp);
create table clips(id integer primary key, profile_id integer references profiles(id), sound text, at timestamp);
create table places(id integer primary key, profile_id integer references profiles(id), point text, at timestamp);
create index clips_profile on clips(profile_id);
create index places_profile on places(profile_id);
create index clips_at on clips(at);
create index places_at on places(at);
"""

CHILDREN = 5


def build(folder: Path) -> Path:
    """The estate in ``folder``; the policy's path. Every child has a clip and a place of today."""
    folder.mkdir()
    (folder / "expunge.yaml").write_text(POLICY)
    (folder / "app.yml").write_text(DATASET)
    with closing(sqlite3.connect(folder / "app.db")) as connection, connection:
        connection.executescript(TABLES)
        today = _written(0)
        for child in range(1, CHILDREN + 1):
            connection.execute("insert into profiles values (?, ?, ?)", (child, f"nick{child}", today))
    for child in range(1, CHILDREN + 1):
        add(folder, "clips", child, 0)
        add(folder, "places", child, 0)
    return folder / "expunge.yaml"


def add(folder: Path, table: str, child: int, days_old: float) -> None:
    """One more record of a child's, so many days old."""
    with closing(sqlite3.connect(folder / "app.db")) as connection, connection:
        connection.execute(f"insert into {table} values (null, ?, 'MARK', ?)", (child, _written(days_old)))  # our own names


def left(folder: Path, table: str) -> int:
    """How many records a table holds."""
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        count: int = connection.execute(f"select count(*) from {table}").fetchone()[0]  # our own names
    return count


def _written(days_old: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days_old)).strftime("%Y-%m-%d %H:%M:%S")
