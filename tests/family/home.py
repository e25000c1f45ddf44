"""A family's estate in one SQLite file: two households, a child whose guardian the store names, and recordings that name nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import expunge
from expunge.app.families import Families
from expunge.app.library import Expunge
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from tests.erase.spelled import estate
from tests.faults.killing import Place

TO = Identifier("email", "mum@home.example")

TABLES = """
create table households (id integer primary key, name text);
create table people (id integer primary key, household_id integer references households(id), email text);
create table profiles (id integer primary key, household_id integer references households(id),
  guardian_id integer references people(id), name text);
create table pairs (id integer primary key, child_id integer references profiles(id), adult_id integer references people(id));
create table clips (id text primary key, household_id integer references households(id), profile_id integer references profiles(id),
  person_id integer references people(id), words text, recorded_at text);
create table clicks (id integer primary key, profile_id integer references profiles(id), page text, seen_at text);
create table signups (id integer primary key, profile_id integer references profiles(id), address text, asked_at text);
insert into households values (1, 'Home'), (2, 'Away');
insert into people values (10, 1, 'mum@home.example'), (11, 1, 'dad@home.example'), (20, 2, 'else@away.example');
insert into profiles values (100, 1, 10, 'Kim'), (101, 1, null, 'Lou'), (200, 2, 20, 'Max');
insert into pairs values (1, 101, 11);
insert into clips values ('c1', null, 100, null, 'why is the sky blue', '2026-01-01T00:00:00+00:00'),
  ('c2', 1, null, null, 'a voice nobody knows', '2026-01-01T00:00:00+00:00'),
  ('c3', 2, null, null, 'another house', '2026-01-01T00:00:00+00:00'),
  ('c4', null, null, 10, 'mum speaks', '2026-01-01T00:00:00+00:00');
insert into clicks values (1, 100, 'games', '2026-01-01T00:00:00+00:00'), (2, 200, 'games', '2026-01-01T00:00:00+00:00');
insert into signups values (1, 101, 'dad@home.example', '2026-01-01T00:00:00+00:00')
"""

COLLECTIONS = {
    "households": {"id": "pk household_id", "name": "user.name"},
    "people": {"id": "pk person_id", "household_id": "> households.id", "email": "email user.contact.email"},
    "profiles": {"id": "pk profile_id", "household_id": "> households.id", "guardian_id": "> people.id", "name": "user.name"},
    "pairs": {"id": "pk", "child_id": "> profiles.id", "adult_id": "> people.id", "meta": "{owned_by: child_id, captured_at: never}"},
    "clips": {
        "id": "pk user.unique_id",
        "household_id": "> households.id",
        "profile_id": "> profiles.id",
        "person_id": "> people.id",
        "words": "user.biometric.voice",
        "recorded_at": "system.operations",
        "meta": "{owned_by: [profile_id, person_id, household_id], captured_at: recorded_at}",
    },
    "clicks": {
        "id": "pk",
        "profile_id": "> profiles.id",
        "page": "user.behavior",
        "seen_at": "system.operations",
        "meta": "{captured_at: seen_at}",
    },
    "signups": {
        "id": "pk",
        "profile_id": "> profiles.id",
        "address": "user.contact.email",
        "asked_at": "system.operations",
        "meta": "{captured_at: asked_at}",
    },
}


def term(of: str, category: str, for_: str, keep: str = "30 days") -> dict[str, str]:
    return {"of": of, "category": category, "for": for_, "keep": keep, "need": f"{for_} as people ask"}


POLICY: dict[str, Any] = {
    "subjects": {
        "household": {"key": "household_id"},
        "adult": {"key": "person_id", "identities": ["email"], "member_of": "household"},
        "child": {"key": "profile_id", "member_of": "household", "minor": True, "guardian": "adult"},
    },
    "purposes": {
        "respond": {"use": "essential.service", "basis": "contract"},
        "improve": {"use": "train_ai_system", "basis": "consent"},
        "ask": {"use": "essential.service", "basis": "legal_obligation"},
        "account": {"use": "essential.service", "basis": "contract"},
    },
    "terms": [
        term("child", "user.biometric.voice", "respond"),
        term("child", "user.behavior", "improve", "1 year"),
        term("child", "user.name", "respond", "1 year"),
        term("child", "user.contact", "ask"),
        term("child", "user.unique_id", "account", "1 year"),
        term("adult", "user.biometric.voice", "respond", "90 days"),
        term("adult", "user.contact", "respond", "1 year"),
        term("household", "user.biometric.voice", "respond", "60 days"),
        term("household", "user.name", "respond", "1 year"),
    ],
    "family": {"asking": "ask", "unattributed": "household", "guardians": "app.pairs", "stand_ins": "allowed"},
}


def home(folder: Path, **changes: Any) -> Place:
    """Build it; ``changes`` replace parts of the policy."""
    return estate(folder, TABLES, COLLECTIONS, **{**POLICY, **changes})


def opened(place: Place, clock: FakeClock | None = None) -> Expunge:
    """The library on it."""
    return expunge.open(place.folder / "expunge.yaml", env=place.environment, clock=clock)


def agreed(family: Families, child: str = "child:100", guardian: str = "adult:10", *matters: str) -> str:
    """A guardian's yes, by a stand-in of the card; the asking's id."""
    asked = family.ask(child, guardian, "card", matters)
    family.answer(asked.id, {"stand_in": "yes"})
    return asked.id
