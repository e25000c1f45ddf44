"""Children's profiles in a small estate, and days that pass over them: rounds, letters, work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

import expunge
from expunge.app import idling
from expunge.app.library import Expunge
from expunge.app.posting import send_letters
from expunge.journal.letters import LetterState
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
START = datetime(2024, 1, 1, 12, tzinfo=UTC)

POLICY = """\
expunge: 1
controller: {name: Hearth Devices, contact: privacy@hearth.example}
subjects:
  household: {key: household_id}
  adult: {key: person_id, identities: [email, phone], member_of: household}
  child: {key: profile_id, member_of: household, minor: true, guardian: adult}
stores:
  app: {kind: sql, url: "${APP_URL}", datasets: [app.yml]}
purposes: {respond: {use: essential.service, basis: contract}}
terms:
  - {of: child, category: user, for: respond, keep: 10 years, need: these tests are about profiles}
  - {of: adult, category: user, for: respond, keep: indefinite, need: the account lasts until its holder ends it}
  - {of: household, category: user, for: respond, keep: indefinite, need: the account lasts until its holder ends it}
children:
  idle_after: 18 months
  notice: 30 days
  erase_within: 90 days
  used_by: [app.profiles.last_used_at, app.clips.recorded_at]
"""

DATASET = """\
dataset:
  - fides_key: app
    collections:
      - name: households
        meta: {expunge: {captured_at: created_at}}
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true, identity: household_id}}
          - {name: created_at}
      - name: people
        meta: {expunge: {captured_at: created_at}}
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true, identity: person_id}}
          - {name: household_id, fides_meta: {references: [{dataset: app, field: households.id, direction: from}]}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone}}
          - {name: created_at}
      - name: profiles
        meta: {expunge: {captured_at: created_at}}
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true, identity: profile_id}}
          - {name: household_id, fides_meta: {references: [{dataset: app, field: households.id, direction: from}]}}
          - {name: guardian_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: nickname, data_categories: [user.name]}
          - {name: birth_year, data_categories: [user.demographic.date_of_birth]}
          - {name: created_at}
          - {name: last_used_at}
      - name: clips
        meta: {expunge: {owned_by: [profile_id, person_id], captured_at: recorded_at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: person_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: said, data_categories: [user.content.private]}
          - {name: recorded_at}
      - name: heartbeats
        meta: {expunge: {captured_at: at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: kind}
          - {name: at}
"""

TABLES = """\
CREATE TABLE households (id INTEGER PRIMARY KEY, created_at TIMESTAMP);
CREATE TABLE people (
    id INTEGER PRIMARY KEY, household_id INTEGER REFERENCES households, email TEXT, phone TEXT, created_at TIMESTAMP);
CREATE TABLE profiles (
    id INTEGER PRIMARY KEY, household_id INTEGER REFERENCES households, guardian_id INTEGER REFERENCES people,
    nickname TEXT, birth_year INTEGER, created_at TIMESTAMP, last_used_at TIMESTAMP);
CREATE TABLE clips (
    id INTEGER PRIMARY KEY, profile_id INTEGER REFERENCES profiles, person_id INTEGER REFERENCES people, said TEXT, recorded_at TIMESTAMP);
CREATE TABLE heartbeats (id INTEGER PRIMARY KEY, profile_id INTEGER REFERENCES profiles, kind TEXT, at TIMESTAMP);
CREATE INDEX clips_profile ON clips (profile_id);
CREATE INDEX clips_person ON clips (person_id);
CREATE INDEX heartbeats_profile ON heartbeats (profile_id);
CREATE INDEX profiles_household ON profiles (household_id);
CREATE INDEX profiles_guardian ON profiles (guardian_id);
CREATE INDEX people_household ON people (household_id)
"""


@dataclass
class Homes:
    """The estate. Child ``n`` lives in household ``n`` with adult ``n``, its guardian."""

    folder: Path
    url: str
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))

    def build(self) -> None:
        """Make the tables and the policy."""
        (self.folder / "expunge.yaml").write_text(POLICY)
        (self.folder / "app.yml").write_text(DATASET)
        for statement in TABLES.split(";"):
            self.sql(statement)

    def opened(self) -> Expunge:
        """The library, with the clock in our hands."""
        return expunge.open(self.folder / "expunge.yaml", env={"APP_URL": self.url}, clock=self.clock)

    def sql(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """One statement on the application's database."""
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            done = connection.execute(sa.text(statement), values)
            rows = [tuple(row) for row in done] if done.returns_rows else []
        engine.dispose()
        return rows

    def family(self, number: int, *, made: datetime = START, email: str | None = "", phone: str | None = None) -> None:
        """A household with a guardian (``email`` empty: an address of their own; ``None``: without) and one child."""
        address = f"parent{number}@example.org" if email == "" else email
        self.sql("INSERT INTO households VALUES (:n, :at)", n=number, at=stored(made))
        self.sql("INSERT INTO people VALUES (:n, :n, :e, :p, :at)", n=number, e=address, p=phone, at=stored(made))
        self.sql("INSERT INTO profiles VALUES (:n, :n, :n, 'Robin', 2014, :at, NULL)", n=number, at=stored(made))

    def speaks(self, *, child: int | None = None, adult: int | None = None, at: datetime) -> None:
        """Somebody says something to the device."""
        self.sql(
            "INSERT INTO clips (profile_id, person_id, said, recorded_at) VALUES (:c, :a, 'hello', :at)", c=child, a=adult, at=stored(at)
        )

    def beats(self, child: int, at: datetime) -> None:
        """The device syncs the child's profile in the background."""
        self.sql("INSERT INTO heartbeats (profile_id, kind, at) VALUES (:c, 'sync', :at)", c=child, at=stored(at))

    def there(self) -> set[int]:
        """The children whose profiles are there."""
        return {int(str(number)) for (number,) in self.sql("SELECT id FROM profiles")}

    def traces(self, child: int) -> int:
        """How many records of a child are there."""
        tables = (("profiles", "id"), ("clips", "profile_id"), ("heartbeats", "profile_id"))
        return sum(int(str(self.sql(f"SELECT count(*) FROM {name} WHERE {key} = {child}")[0][0])) for name, key in tables)


def stored(moment: datetime) -> datetime:
    """As the estate holds times: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def a_day(library: Expunge, homes: Homes, bounces: Mapping[int, tuple[str, ...]]) -> Mapping[str, int]:
    """What happens on one day: a round, the post (letters about these children come back by these channels), the work."""
    (tally,) = idling.go(library).values()
    send_letters(library, environment={})
    child = {number: one for one in homes.there() for number in numbers(library, one)}
    for note in library.rooms.journal.letters(state=LetterState.DELIVERED) + library.rooms.journal.letters(state=LetterState.SENT):
        if note.channel in bounces.get(child.get(note.about, 0), ()):
            library.rooms.journal.letter_bounced(note.id, "5.1.1")
    library.work(patience=timedelta(0))
    return tally


def numbers(library: Expunge, child: int) -> list[int]:
    """The registry's number of a child, if it has one."""
    ref = library.subject(f"child:{child}")
    return list(library.rooms.journal.numbers([Identifier(ref.identity, ref.value)]).values())


def pass_days(
    homes: Homes,
    library: Expunge,
    days: int,
    *,
    step: int = 1,
    bounces: Mapping[int, tuple[str, ...]] | None = None,
    on: Callable[[datetime], None] = lambda now: None,
) -> dict[int, datetime]:
    """Let days pass, a round every ``step`` of them; when (UTC) each child's profile was first seen to be gone."""
    gone: dict[int, datetime] = {}
    before = homes.there()
    for _ in range(0, days, step):
        now = homes.clock.tick(DAY * step)
        on(now)
        a_day(library, homes, bounces or {})
        there = homes.there()
        gone |= dict.fromkeys(before - there, now)
        before = there
    return gone
