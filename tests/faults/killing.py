"""A small estate, a worker that is killed at a chosen moment, and what must be the same afterwards however often it was killed."""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import expunge
from expunge.erase.statement import same_content
from expunge.errors import ExpungeError
from expunge.evidence.log import Log
from expunge.evidence.tombstones import Register
from expunge.journal import Journal
from expunge.keys.vault import Vault
from expunge.terms import Json

SUBJECTS = ("household:3", "child:11")
LEASE = timedelta(seconds=1)
PATIENCE = timedelta(seconds=20)

POLICY = """\
expunge: 1
controller: {name: Toy, contact: privacy@toy.example}
subjects:
  household: {key: household_id}
  adult: {key: person_id, identities: [email], member_of: household}
  child: {key: profile_id, member_of: household, minor: true, guardian: adult}
stores:
  app: {kind: sql, url: "${APP_URL}", datasets: [app.yml], batch: 2}
  media: {kind: objects, url: media, versions: folder, datasets: [media.yml]}
control: {journal: "${JOURNAL_URL}", keys: "${KEYS_URL}", roots: state/roots, evidence: state/evidence}
purposes: {respond: {use: essential.service, basis: contract}}
terms:
  - {of: child, category: user, for: respond, keep: 30 days, need: answer}
  - {of: adult, category: user, for: respond, keep: 30 days, need: answer}
  - {of: household, category: user, for: respond, keep: 30 days, need: answer}
"""

APP = """\
dataset:
  - fides_key: app
    collections:
      - name: households
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: household_id, primary_key: true}}
          - {name: name, data_categories: [user.name]}
      - name: people
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: person_id, primary_key: true}}
          - {name: household_id, fides_meta: {references: [{dataset: app, field: households.id, direction: from}]}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
      - name: profiles
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: profile_id, primary_key: true}}
          - {name: household_id, fides_meta: {references: [{dataset: app, field: households.id, direction: from}]}}
          - {name: guardian_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: nickname, data_categories: [user.name]}
      - name: clips
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: said, data_categories: [user.content.private]}
      - name: messages
        meta: {expunge: {owned_by: [sender_id, receiver_id]}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: sender_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: receiver_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content.private], meta: {expunge: {part_of: sender_id}}}
"""

MEDIA = """\
dataset:
  - fides_key: media
    collections:
      - name: voice
        meta: {expunge: {objects: "voice/{profile_id}/{clip_id}.wav", owned_by: profile_id, derived_from: app.clips}}
        fields:
          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}
          - {name: clip_id, fides_meta: {references: [{dataset: app, field: clips.id, direction: from}]}}
          - {name: body, data_categories: [user.biometric.voice]}
"""

TABLES = """\
create table households(id integer primary key, name text);
create table people(id integer primary key, household_id integer not null references households(id), email text);
create table profiles(id integer primary key, household_id integer not null references households(id),
  guardian_id integer references people(id), nickname text);
create table clips(id text primary key, profile_id integer references profiles(id), said text);
create table messages(id integer primary key, sender_id integer references people(id), receiver_id integer references people(id),
  body text);
create index people_household on people(household_id);
create index profiles_household on profiles(household_id);
create index profiles_guardian on profiles(guardian_id);
create index clips_profile on clips(profile_id);
create index messages_sender on messages(sender_id);
create index messages_receiver on messages(receiver_id);
"""

MARKED = ("MARK-NICK-31", "MARK-NICK-11", "MARK-SAID-32", "MARK-WAV-11")
"""Bytes that only the erased have: they must be nowhere afterwards."""


@dataclass(frozen=True)
class Place:
    """Where one run happens; the environment fills in the policy."""

    folder: Path
    environment: Mapping[str, str]


def build(folder: Path, app_url: str, control_url: str | None = None) -> Place:
    """Write the policy and the data. Without ``control_url`` the control databases are SQLite files."""
    folder.mkdir(parents=True)
    for name, text in (("expunge.yaml", POLICY), ("app.yml", APP), ("media.yml", MEDIA)):
        (folder / name).write_text(text)
    engine = sa.create_engine(app_url)
    with engine.begin() as connection:
        for statement in TABLES.strip().split(";\n"):
            connection.execute(sa.text(statement.rstrip(";")))
        for household in range(1, 6):
            _fill(connection, folder, household)
    engine.dispose()
    (folder / "state").mkdir()
    control = control_url or f"sqlite:///{folder}/state/journal.db"
    keys = control_url or f"sqlite:///{folder}/state/keys.db"
    return Place(folder, {"APP_URL": app_url, "JOURNAL_URL": control, "KEYS_URL": keys})


def _fill(connection: sa.Connection, folder: Path, household: int) -> None:
    def add(table: str, *values: object) -> None:
        names = ", ".join(f":v{place}" for place in range(len(values)))
        connection.execute(
            sa.text(f"insert into {table} values ({names})"), {f"v{place}": one for place, one in enumerate(values)}
        )  # our own names

    add("households", household, f"House {household}")
    for which in (1, 2):
        number = household * 10 + which
        add("people", number, household, f"p{number}@toy.example")
    for which in (1, 2):
        number = household * 10 + which
        add("profiles", number, household, household * 10 + 1, f"MARK-NICK-{number}")
        for clip in range(3):
            add("clips", f"c{number}-{clip}", number, f"MARK-SAID-{number} {clip}")
            for where in (folder / "media/voice", folder / "media/.versions/voice"):
                path = where / str(number) / f"c{number}-{clip}.wav"
                path = path / "1" if ".versions" in str(path) else path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(f"MARK-WAV-{number} {clip}".encode() * 9)
    add("messages", household * 2, household * 10 + 1, household * 10 + 2, f"inside {household}")
    if household > 1:
        add("messages", household * 2 + 1, household * 10 + 1, household * 10 - 8, f"to the house before {household}")


def work(place: Place, kill_at: int | None = None, kill_after: float | None = None, *, ask: bool = True) -> int:
    """File the requests and work until nothing is left; die at the ``kill_at``-th boundary, or ``kill_after`` seconds. Boundaries met."""
    met = watch_boundaries(kill_at)
    if kill_after is not None:
        threading.Timer(kill_after, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    with expunge.open(place.folder / "expunge.yaml", env=place.environment, lease=LEASE) as library:
        if ask:
            with suppress(ExpungeError):  # whoever asks again may hear that nobody is known any more
                library.request(SUBJECTS, requester="parent", by="test")
        library.work(patience=PATIENCE)
    return met[0]


def watch_boundaries(kill_at: int | None) -> list[int]:
    """Count the moments before and after everything durable that a run does outside the stores, and die at one of them."""
    met = [0]

    def boundary() -> None:
        met[0] += 1
        if met[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*words: Any, **named: Any) -> Any:
            boundary()
            answer = original(*words, **named)
            boundary()
            return answer

        return call

    for owner, names in (
        (Journal, ("register", "file", "start_run", "add_steps", "put_targets", "progress", "finish", "finish_and_claim")),
        (Journal, ("keep_receipts", "close_run", "forget", "set_request_status")),
        (Log, ("append",)),
        (Register, ("lay",)),
        (Vault, ("make", "hide", "destroy", "close_epoch")),
    ):
        for name in names:
            setattr(owner, name, wrapped(getattr(owner, name)))
    return met


def _child(place: Place, kill_at: int | None, kill_after: float | None, ask: bool, answer: Any) -> None:  # noqa: FBT001  # a process's arguments
    answer.send(work(place, kill_at, kill_after, ask=ask))


def in_processes(place: Place, plans: Sequence[tuple[int | None, float | None, bool]]) -> list[tuple[int, int | None]]:
    """Run these workers at once, each in a process; per worker its exit code and the boundaries it met (``None`` if it died)."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.killing"])
    running = []
    for kill_at, kill_after, ask in plans:
        here, there = context.Pipe()
        process = context.Process(target=_child, args=(place, kill_at, kill_after, ask, there))
        process.start()
        there.close()
        running.append((process, here))
    ended = []
    for process, here in running:
        met = None
        with suppress(EOFError):
            met = here.recv()
        process.join(120)
        assert process.exitcode is not None, "a worker hangs"
        here.close()
        ended.append((process.exitcode, met))
    return ended


def content(place: Place) -> dict[str, Json]:
    """What must be the same: the statements without what may differ, the data that is left, and one receipt for each request."""
    with expunge.open(place.folder / "expunge.yaml", env=place.environment, lease=LEASE) as library:
        runs = library.runs()
        assert runs, "there is a run"
        assert all(library.status(run.id).complete for run in runs), "no run is incomplete"
        assert not library.incidents(), "no incident is open"
        library.check_log()
        entries = [json.loads(raw) for raw in library.rooms.log.entries()]
        asked = [request.id for run in runs for request in library.status(run.id).requests]
        for run in runs:
            for note in library.status(run.id).receipts:
                library.verify(Path(note.path))
    receipted = [entry["statement"]["request"]["id"] for entry in entries if entry["type"] == "receipt/1"]
    assert sorted(receipted) == sorted(asked), "exactly one receipt for each request"
    statements: list[Json] = [same_content(entry["statement"]) for entry in entries]
    return {"statements": sorted(statements, key=json.dumps), "left": _left(place)}


def _left(place: Place) -> Json:
    engine = sa.create_engine(place.environment["APP_URL"])
    with engine.connect() as connection:
        tables = {
            table: [
                [str(value) for value in row] for row in connection.execute(sa.text(f"select * from {table} order by id"))
            ]  # our own names
            for table in ("households", "people", "profiles", "clips", "messages")
        }
    engine.dispose()
    files = sorted(str(path.relative_to(place.folder)) for path in (place.folder / "media").rglob("*") if path.is_file())
    return {"tables": {name: list(rows) for name, rows in tables.items()}, "files": list(files)}


def marked_files(folder: Path) -> Iterator[str]:
    """Files under ``folder`` that hold a byte string of somebody erased."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            yield from (f"{path.name}: {mark}" for mark in MARKED if mark.encode() in raw)
