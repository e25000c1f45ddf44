"""Small worlds with terms of every form, and, apart from the program, what must be left of each row at a given time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import expunge
from expunge.app.library import Expunge
from expunge.testing.clock import FakeClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Row = dict[str, Any]
World = dict[str, dict[int, Row]]

POLICY = """\
expunge: 1
controller: {name: Toy, contact: privacy@toy.example}
subjects:
  household: {key: household_id}
  adult: {key: person_id, member_of: household}
  child: {key: profile_id, member_of: household, minor: true}
stores:
  app: {kind: sql, url: "${APP_URL}", datasets: [app.yml], batch: 7}
control: {journal: "${CONTROL}/journal.db", keys: "${CONTROL}/keys.db", roots: state/roots, evidence: state/evidence}
purposes: {respond: {use: essential.service, basis: contract}}
retention: {sweep: 1 day, choices: [immediately, 5 days, 40 days], breaker: 100 %}
terms:
  - {of: child, category: user.biometric.voice, for: respond, keep: 30 days, need: answer}
  - {of: adult, category: user.biometric.voice, for: respond, keep: 90 days, need: answer}
  - {of: child, category: user.content, for: respond, keep: 30 days, need: answer}
  - {of: adult, category: user.content, for: respond, keep: 60 days, need: answer}
  - {of: child, category: user.behavior, for: respond, keep: 20 days, need: answer}
  - {of: adult, category: user.behavior, for: respond, keep: 70 days, need: answer}
  - {of: child, category: user, for: respond, keep: 300 days, from: app.profiles.used_at, need: the account}
  - {of: adult, category: user, for: respond, keep: indefinite, need: the account}
  - {of: household, category: user, for: respond, keep: indefinite, need: the account}
"""

APP = """\
dataset:
  - fides_key: app
    collections:
      - name: households
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: household_id, primary_key: true}}
      - name: people
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: person_id, primary_key: true}}
          - {name: household_id, fides_meta: {references: [{dataset: app, field: households.id, direction: from}]}}
          - {name: name, data_categories: [user.name]}
      - name: profiles
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: profile_id, primary_key: true}}
          - {name: household_id, fides_meta: {references: [{dataset: app, field: households.id, direction: from}]}}
          - {name: nick, data_categories: [user.name]}
          - {name: used_at, data_categories: [user.name]}
      - name: clips
        meta: {expunge: {owned_by: [profile_id, person_id], captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: person_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: voice, data_categories: [user.biometric.voice]}
          - {name: at}
      - name: texts
        meta: {expunge: {captured_at: app.clips.at, derived_from: app.clips}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: clip_id, fides_meta: {references: [{dataset: app, field: clips.id, direction: from}]}}
          - {name: said, data_categories: [user.content]}
      - name: jobs
        meta: {expunge: {owned_by: [profile_id, person_id], derived_from: app.clips}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: clip_id, fides_meta: {references: [{dataset: app, field: clips.id, direction: from}]}}
          - name: profile_id
            data_categories: [user.unique_id]
            fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}
          - name: person_id
            data_categories: [user.unique_id]
            fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}
      - name: stars
        meta: {expunge: {owned_by: person_id, captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: person_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: clip_id, fides_meta: {references: [{dataset: app, field: clips.id, direction: from}]}}
          - {name: taste, data_categories: [user.behavior]}
          - {name: at}
      - name: notes
        meta: {expunge: {owned_by: [profile_id, person_id], captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: person_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: mood, data_categories: [user.behavior]}
          - {name: words, data_categories: [user.content]}
          - {name: at}
      - name: boxes
        meta: {expunge: {owned_by: [profile_id, person_id], captured_at: never}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: person_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
      - name: things
        meta: {expunge: {captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: box_id, fides_meta: {references: [{dataset: app, field: boxes.id, direction: from}]}}
          - {name: what, data_categories: [user.behavior]}
          - {name: at}
"""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "households": ("id",),
    "people": ("id", "household_id", "name"),
    "profiles": ("id", "household_id", "nick", "used_at"),
    "clips": ("id", "profile_id", "person_id", "voice", "at"),
    "texts": ("id", "clip_id", "said"),
    "jobs": ("id", "clip_id", "profile_id", "person_id"),
    "stars": ("id", "person_id", "clip_id", "taste", "at"),
    "notes": ("id", "profile_id", "person_id", "mood", "words", "at"),
    "boxes": ("id", "profile_id", "person_id"),
    "things": ("id", "box_id", "what", "at"),
}
REFERENCES = {"household_id": "households", "person_id": "people", "profile_id": "profiles", "clip_id": "clips", "box_id": "boxes"}
TIMES = ("at", "used_at")
CHILD, ADULT = "child", "adult"
KEEP: Mapping[str, Mapping[str, int]] = {
    "voice": {CHILD: 30, ADULT: 90},
    "content": {CHILD: 30, ADULT: 60},
    "behavior": {CHILD: 20, ADULT: 70},
}
KEEP_PROFILE = 300


@dataclass
class Place:
    """An opened world. ``clock`` is the library's."""

    library: Expunge
    engine: sa.Engine
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    def fill(self, world: World) -> None:
        """Put the rows there in place of what was."""
        with self.engine.begin() as connection:
            for table in reversed(list(COLUMNS)):
                connection.execute(sa.text(f"delete from {table}"))
            for table, rows in world.items():
                names = COLUMNS[table]
                if rows:
                    statement = f"insert into {table} ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)})"
                    connection.execute(sa.text(statement), [{name: row[name] for name in names} for row in rows.values()])

    def rows(self) -> World:
        """Every row that is there."""
        found: World = {}
        with self.engine.connect() as connection:
            for table in COLUMNS:
                rows = connection.execute(sa.text(f"select * from {table} order by id")).mappings()
                found[table] = {row["id"]: {name: _read(name, value) for name, value in row.items()} for row in rows}
        return found


def _read(name: str, value: Any) -> Any:
    if name in TIMES and isinstance(value, str):
        value = datetime.fromisoformat(value)
    return (
        value.astimezone(UTC)
        if isinstance(value, datetime) and value.tzinfo
        else value.replace(tzinfo=UTC)
        if isinstance(value, datetime)
        else value
    )


@contextmanager
def opened_world(folder: Path, url: str | None = None, policy: str = POLICY, app: str = APP, now: datetime = NOW) -> Iterator[Place]:
    """Make the tables and open the library on them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "expunge.yaml").write_text(policy)
    (folder / "app.yml").write_text(app)
    url = url or f"sqlite:///{folder}/app.db"
    engine = sa.create_engine(url)
    metadata = sa.MetaData()
    for table, names in COLUMNS.items():
        columns: list[sa.Column[Any]] = []
        for name in names:
            if name == "id":
                columns.append(sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
            elif name in REFERENCES and table != "jobs":
                columns.append(sa.Column(name, sa.Integer, sa.ForeignKey(f"{REFERENCES[name]}.id"), index=True))
            elif name in TIMES:
                columns.append(sa.Column(name, sa.DateTime(timezone=True)))
            else:
                columns.append(sa.Column(name, sa.Text if name not in REFERENCES else sa.Integer))
        sa.Table(table, metadata, *columns)
    metadata.create_all(engine)
    clock = FakeClock(now)
    env = {"APP_URL": url, "CONTROL": f"sqlite:///{folder}/state"}
    (folder / "state").mkdir(exist_ok=True)
    with expunge.open(folder / "expunge.yaml", env=env, clock=clock) as library:
        yield Place(library, engine, clock)
    engine.dispose()


def make_world(rng: random.Random, size: int = 12) -> World:
    """Rows at random, crowded around the ends of their terms; some without a time, without an owner, or with two."""
    world: World = {table: {} for table in COLUMNS}
    for house in range(1, 4):
        world["households"][house] = {"id": house}
        for one in (1, 2):
            number = house * 10 + one
            world["people"][number] = {"id": number, "household_id": house, "name": f"p{number}"}
            used = NOW - DAY * rng.choice((1, 200, 299, 301, 500)) if rng.random() < 0.9 else None
            world["profiles"][number] = {"id": number, "household_id": house, "nick": f"n{number}", "used_at": used}

    def owner() -> Row:
        kind = rng.random()
        child = rng.choice(sorted(world["profiles"])) if kind < 0.55 else None
        adult = rng.choice(sorted(world["people"])) if kind > 0.45 and kind < 0.95 else None
        return {"profile_id": child, "person_id": adult}

    def at() -> datetime | None:
        edge = rng.choice((5, 20, 30, 40, 60, 70, 90, 400))
        shift = rng.choice((timedelta(microseconds=1), timedelta(), -timedelta(microseconds=1), DAY, -DAY))
        return None if rng.random() < 0.1 else NOW - DAY * edge + shift

    for number in range(1, size + 1):
        world["clips"][number] = {"id": number, **owner(), "voice": "v", "at": at()}
        world["boxes"][number] = {"id": number, **owner()}
        world["notes"][number] = {"id": number, **owner(), "mood": rng.choice(("m", None)), "words": rng.choice(("w", None)), "at": at()}
    clips = [*world["clips"], None]
    for number in range(1, size + 1):
        world["texts"][number] = {"id": number, "clip_id": rng.choice(clips), "said": "s"}
        world["jobs"][number] = {"id": number, "clip_id": rng.choice(clips), **owner()}
        person = rng.choice([*world["people"], None])
        world["stars"][number] = {"id": number, "person_id": person, "clip_id": rng.choice(clips), "taste": "t", "at": at()}
        world["things"][number] = {"id": number, "box_id": rng.choice([*world["boxes"], None]), "what": "x", "at": at()}
    return world


def kinds_of(row: Row) -> list[str]:
    """Whose a row is, by its own references."""
    return [kind for kind, name in ((CHILD, "profile_id"), (ADULT, "person_id")) if row.get(name) is not None]


def ended(row: Row, when: datetime | None, category: str, now: datetime, kinds: list[str]) -> bool:
    """Whether the shortest term of anybody whose it is has ended."""
    return when is not None and any(when < now - DAY * KEEP[category][kind] for kind in kinds)


def expected(world: World, now: datetime, held: Mapping[str, set[int]] | None = None) -> World:
    """What must be left: decided row by row, in the words of the policy. Profiles are left out of account."""
    keep = held or {}
    left: World = {table: {number: dict(row) for number, row in rows.items()} for table, rows in world.items()}

    def drop(table: str, number: int) -> None:
        if number not in keep.get(table, set()):
            left[table].pop(number, None)

    for number, clip in world["clips"].items():
        if ended(clip, clip["at"], "voice", now, kinds_of(clip)):
            drop("clips", number)
    _hanging(world, left, now, drop)
    for number, note in world["notes"].items():
        kinds = kinds_of(note)
        # mood: 20 and 70 days; words: 30 and 60. The record goes whole with the longer, the other field is nulled before.
        if any(note["at"] is not None and note["at"] < now - DAY * {CHILD: 30, ADULT: 70}[kind] for kind in kinds):
            drop("notes", number)
        elif number not in keep.get("notes", set()):
            if CHILD in kinds and ended(note, note["at"], "behavior", now, [CHILD]):
                left["notes"][number]["mood"] = None
            if ADULT in kinds and ended(note, note["at"], "content", now, [ADULT]):
                left["notes"][number]["words"] = None
    for number, thing in world["things"].items():
        box = world["boxes"].get(thing["box_id"], {})
        if box and ended(thing, thing["at"], "behavior", now, kinds_of(box)):
            drop("things", number)
    return left


def _hanging(world: World, left: World, now: datetime, drop: Callable[[str, int], None]) -> None:
    """What hangs on clips: texts and jobs go with them, stars stay and lose the reference."""
    for number, text in world["texts"].items():
        clip = world["clips"].get(text["clip_id"], {})
        gone = bool(clip) and text["clip_id"] not in left["clips"]
        if clip and (gone or ended(clip, clip["at"], "content", now, kinds_of(clip))):
            drop("texts", number)
    for number, job in world["jobs"].items():
        if job["clip_id"] is not None and job["clip_id"] not in left["clips"]:
            drop("jobs", number)
    for number, star in world["stars"].items():
        if star["at"] is not None and star["at"] < now - DAY * KEEP["behavior"][ADULT]:
            drop("stars", number)
        elif star["clip_id"] is not None and star["clip_id"] not in left["clips"]:
            left["stars"][number]["clip_id"] = None
