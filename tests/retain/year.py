"""A year in which people speak, are filmed by nobody, choose, keep, ask and are held; and, apart from the program, what may be there.

Everything that the judge asks is asked of the application's database, in SQL or set by set in memory: nothing is past its term when a
sweep has ended, nothing that went was early, nothing held went, and the receipts account for every row that went.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import expunge
from expunge.app import idling
from expunge.app.choosing import choose
from expunge.app.holding import confirm, place
from expunge.app.library import Expunge
from expunge.app.sweeps import approve, sweep
from expunge.ports import Clock
from expunge.terms import Scope

DAY = timedelta(days=1)
TURN = 28 * DAY
BEGIN = datetime(2025, 1, 6, 6, tzinfo=UTC)
"""A Monday morning. What is written has a time at noon, so that no row's end falls into the minutes of a sweep."""

KEEP = {"clips": {"child": 30, "adult": 90}, "points": {"child": 60, "adult": 60}}
"""Days; what a text has is its clip's."""

CHOSEN = 14
"""Days for which some households keep their recordings."""

POLICY = """\
expunge: 1
controller: {name: Hearth Devices, contact: privacy@hearth.example}
subjects:
  household: {key: household_id}
  adult: {key: person_id, identities: [email], member_of: household}
  child: {key: profile_id, member_of: household, minor: true, guardian: adult}
stores:
  app: {kind: sql, url: "${APP_URL}", reclaim: vacuum, datasets: [app.yml]}
control: {journal: "${JOURNAL_URL}", keys: "${KEYS_URL}", roots: state/roots, evidence: state/evidence}
purposes: {respond: {use: essential.service, basis: contract}}
retention: {sweep: 28 days, choices: [14 days], breaker: 100 %}
blast_radius: {subjects: 1000, share: 100 %}
terms:
  - {of: child, category: user.biometric.voice, for: respond, keep: 30 days, need: answer}
  - {of: adult, category: user.biometric.voice, for: respond, keep: 90 days, need: answer}
  - {of: child, category: user.content, for: respond, keep: 30 days, need: answer}
  - {of: adult, category: user.content, for: respond, keep: 90 days, need: answer}
  - {of: child, category: user.location, for: respond, keep: 60 days, need: show where}
  - {of: adult, category: user.location, for: respond, keep: 60 days, need: show where}
  - {of: child, category: user, for: respond, keep: 20 years, from: app.profiles.created_at, need: the account}
  - {of: adult, category: user, for: respond, keep: indefinite, need: the account}
  - {of: household, category: user, for: respond, keep: indefinite, need: the account}
children: {idle_after: 18 months, notice: 30 days, erase_within: 90 days, used_by: [app.clips.at, app.profiles.last_used_at]}
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
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: profiles
        meta: {expunge: {captured_at: created_at}}
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: profile_id, primary_key: true}}
          - {name: household_id, fides_meta: {references: [{dataset: app, field: households.id, direction: from}]}}
          - {name: guardian_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: nickname, data_categories: [user.name]}
          - {name: created_at}
          - {name: last_used_at}
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
      - name: points
        meta: {expunge: {owned_by: [profile_id, person_id], captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: person_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: place, data_categories: [user.location]}
          - {name: at}
"""

TABLES = """\
CREATE TABLE households (id BIGINT PRIMARY KEY);
CREATE TABLE people (id BIGINT PRIMARY KEY, household_id BIGINT REFERENCES households, email TEXT);
CREATE TABLE profiles (
    id BIGINT PRIMARY KEY, household_id BIGINT REFERENCES households, guardian_id BIGINT REFERENCES people, nickname TEXT,
    created_at TIMESTAMP, last_used_at TIMESTAMP);
CREATE TABLE clips (
    id BIGINT PRIMARY KEY, profile_id BIGINT REFERENCES profiles, person_id BIGINT REFERENCES people, voice TEXT, at TIMESTAMP);
CREATE TABLE texts (id BIGINT PRIMARY KEY, clip_id BIGINT REFERENCES clips, said TEXT);
CREATE TABLE points (
    id BIGINT PRIMARY KEY, profile_id BIGINT REFERENCES profiles, person_id BIGINT REFERENCES people, place TEXT, at TIMESTAMP);
CREATE INDEX people_of ON people (household_id);
CREATE INDEX profiles_of ON profiles (household_id);
CREATE INDEX profiles_under ON profiles (guardian_id);
CREATE INDEX clips_child ON clips (profile_id);
CREATE INDEX clips_adult ON clips (person_id);
CREATE INDEX texts_of ON texts (clip_id);
CREATE INDEX points_child ON points (profile_id);
CREATE INDEX points_adult ON points (person_id)
"""

Row = tuple[int, int | None, int | None, datetime]
"""(id, child, adult, when), of a clip or a point."""


@dataclass
class Year:
    """The estate and its story. Household ``h`` has adult ``h`` and child ``h``; every twentieth child stopped using it long ago."""

    folder: Path
    url: str
    control: Mapping[str, str]
    households: int
    seed: int = 1
    dice: random.Random = field(init=False)
    last: int = 0
    silent: set[int] = field(default_factory=set[int])
    chose: set[int] = field(default_factory=set[int])
    held: set[int] = field(default_factory=set[int])
    kept: set[int] = field(default_factory=set[int])
    asked: dict[int, datetime] = field(default_factory=dict[int, datetime])
    silent_since: dict[int, datetime] = field(default_factory=dict[int, datetime])

    def __post_init__(self) -> None:
        """Draw who does what."""
        self.dice = random.Random(self.seed)
        self.silent = {child for child in range(1, self.households + 1) if child % 20 == 0}
        self.chose = set(range(3, self.households + 1, 33))
        self.held = set(range(5, self.households + 1, 997)) | {20}

    def build(self) -> None:
        """Tables, people, and three months of what they did."""
        (self.folder / "expunge.yaml").write_text(POLICY)
        (self.folder / "app.yml").write_text(APP)
        for statement in TABLES.split(";"):
            self.sql(statement)
        born = stored(BEGIN - 1000 * DAY)
        for child in self.silent:
            self.silent_since[child] = BEGIN - timedelta(days=self.dice.randrange(400, 530), hours=-6)
        everybody = range(1, self.households + 1)
        self.rows("households", [{"id": one} for one in everybody])
        self.rows("people", [{"id": one, "household_id": one, "email": f"p{one}@example.org"} for one in everybody])
        used = {child: stored(when) for child, when in self.silent_since.items()}
        self.rows(
            "profiles",
            [
                {
                    "id": n,
                    "household_id": n,
                    "guardian_id": n,
                    "nickname": "R",
                    "created_at": born,
                    "last_used_at": used.get(n, stored(BEGIN)),
                }
                for n in everybody
            ],
        )
        for turn in range(4, 0, -1):
            self.turn(BEGIN - turn * TURN)

    def turn(self, begin: datetime) -> None:
        """What is written in the four weeks from ``begin``: about one clip and one point for each household."""
        clips: list[dict[str, Any]] = []
        points: list[dict[str, Any]] = []
        texts: list[dict[str, Any]] = []
        gone = set(self.asked)
        for home in range(1, self.households + 1):
            for rows in (clips, points):
                self.last += 1
                child = self.dice.random() < 0.5
                when = begin + timedelta(days=self.dice.randrange(27), hours=6)
                speaks = home not in gone and not (child and home in self.silent)
                if speaks:
                    owner = {"profile_id": home if child else None, "person_id": None if child else home}
                    what = {"voice": "v"} if rows is clips else {"place": "p"}
                    rows.append({"id": self.last, **owner, **what, "at": stored(when)})
                    texts += [{"id": self.last, "clip_id": self.last, "said": "hello"}] if rows is clips else []
        for name, rows in (("clips", clips), ("points", points), ("texts", texts)):
            self.rows(name, rows)

    def opened(self, clock: Clock, lease: timedelta | None = None) -> Expunge:
        """The library on it."""
        return expunge.open(self.folder / "expunge.yaml", env={"APP_URL": self.url, **self.control}, clock=clock, lease=lease)

    def switch_on(self, library: Expunge) -> None:
        """The second person's word, and the households' choices."""
        approve(library.rooms, by="the privacy officer")
        for home in sorted(self.chose):
            choose(library.rooms, f"household:{home}", "user.biometric.voice", CHOSEN * DAY, by=f"adult:{home}")

    def hold(self, library: Expunge, until: datetime) -> None:
        """Put some children and their guardians under a hold."""
        for one in sorted(self.held):
            for subject in (f"child:{one}", f"adult:{one}"):
                placed = place(library, subject, Scope(), until=until, authority="a court", reason="a case", by="legal:Ada")
                confirm(library, placed.id, by="privacy:Ben")

    def ask(self, library: Expunge, children: Iterable[int], now: datetime) -> None:
        """Parents ask to erase these children."""
        fresh = [one for one in children if one not in self.asked]
        self.asked |= dict.fromkeys(fresh, now)
        library.request([f"child:{one}" for one in fresh])

    def keep_some(self, library: Expunge) -> None:
        """Every fifth guardian who was told asks to keep the profile."""
        for page in library.rooms.journal.idle(["told"]):
            for row in page:
                child = int(row.key or 0)
                if child % 100 == 0 and child not in self.kept:
                    idling.keep(library, f"child:{child}", by=f"adult:{child}")
                    self.kept.add(child)

    def due(self, table: str, row: Row, now: datetime) -> bool:
        """Whether a row's term has ended."""
        _, child, adult, when = row
        home = child or adult
        days = KEEP[table]["child" if child is not None else "adult"]
        if table == "clips" and home in self.chose:
            days = min(days, CHOSEN)
        return when < now - days * DAY

    def may_go(self, table: str, row: Row, now: datetime) -> bool:
        """Whether it was right to remove a row: its term has ended, or its child was erased."""
        child = row[1]
        return self.due(table, row, now) or (child is not None and (child in self.asked or self.ended(child, now)))

    def ended(self, child: int, now: datetime) -> bool:
        """Whether a silent child's profile may have ended: 18 months and the notice after its last use."""
        return child in self.silent and child not in self.kept and self.silent_since[child] + timedelta(days=540 + 30) <= now

    def now_there(self, table: str) -> dict[int, Row]:
        """All clips or points."""
        found = self.sql(f"SELECT id, profile_id, person_id, at FROM {table}")
        return {row[0]: (row[0], row[1], row[2], aware(row[3])) for row in found}

    def sql(self, statement: str) -> list[Any]:
        """One statement on the application's database."""
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            done = connection.execute(sa.text(statement))
            rows = list(done) if done.returns_rows else []
        engine.dispose()
        return rows

    def rows(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert rows."""
        if not rows:
            return
        engine = sa.create_engine(self.url)
        names = list(rows[0])
        with engine.begin() as connection:
            statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"
            connection.execute(sa.text(statement), rows)
        engine.dispose()


def stored(moment: datetime) -> datetime:
    """As the estate holds times: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(value: str | datetime) -> datetime:
    """A stored time."""
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).replace(tzinfo=UTC)


def a_turn(library: Expunge) -> None:
    """What the scheduled work of four weeks does: a round over unused profiles, a sweep, and all steps that are due."""
    idling.go(library)
    sweep(library.rooms)
    library.work(patience=timedelta(0))


def accounted(library: Expunge, runs: Iterable[str]) -> Counter[str]:
    """What the signed statements of these runs say was erased, by collection."""
    found: Counter[str] = Counter()
    for run in runs:
        (path,) = [note.path for note in library.rooms.journal.receipts(run) if note.request_id is None]
        statement = library.verify(Path(path)).statement
        assert isinstance(statement, Mapping)
        for collection, row in _collections(statement):
            found[collection] += int(row["erased"]) + int(row["late"])
    return found


def _collections(statement: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for store in statement["stores"]:
        for row in store["collections"]:
            yield row["collection"], row


def dump(year: Year) -> str:
    """Everything that is there, in one text."""
    return json.dumps(
        {
            name: [list(map(str, row)) for row in year.sql(f"SELECT * FROM {name} ORDER BY id")]
            for name in ("households", "people", "profiles", "clips", "texts", "points")
        }
    )
