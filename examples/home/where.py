"""What a build of the estate is asked for and what it answers: places, amounts, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None]
"""Called after each batch with the households done and the households asked for."""


class EstateExistsError(Exception):
    """The folder already holds something; an estate is only ever built into an empty one, so that nothing is overwritten."""


@dataclass(frozen=True, slots=True)
class Where:
    """The places that the estate is built in.

    ``directory`` gets the policy and, under ``data/``, everything that is not sent elsewhere. ``sql`` is an SQLAlchemy URL of an empty
    database (default: ``data/app.db``). ``media`` is ``s3://bucket``, made if it isn't there, with versioning on (default:
    ``data/media``); ``endpoint`` is the S3 server if it isn't AWS's. S3 credentials come from the usual AWS environment.
    """

    directory: Path
    sql: str | None = None
    media: str | None = None
    endpoint: str | None = None

    @property
    def sql_url(self) -> str:
        """The database's URL, the default filled in."""
        return self.sql or f"sqlite:///{self.directory.resolve() / 'data' / 'app.db'}"

    def __repr__(self) -> str:
        """The folder only: a URL may hold a password."""
        return f"Where({str(self.directory)!r})"


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of everything.

    Recordings and doorbell video exist as objects for the first ``media_households`` only, so that a million households do not write a
    million files; the rows about them exist for all. ``until`` is the estate's last day (UTC): nothing is dated after it, and the same
    day gives the same estate whenever it is built. ``unlisted`` adds the copies that the policy does not list.
    """

    clips_per_profile: int = 3
    points_per_person: int = 12
    media_households: int = 50
    until: date = date(2026, 6, 30)
    unlisted: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What was built.

    ``records`` counts by ``store.collection``; for objects, the keys that hold a current or an old version. ``policy`` is the file to
    run Expunge with, under ``environment`` (empty unless a URL holds a password and so was not written into the policy).
    ``someone`` names one subject of each kind who has records in every store: the ones to try first.
    """

    households: int
    records: Mapping[str, int]
    policy: Path
    environment: Mapping[str, str]
    someone: Mapping[str, str]

    def __repr__(self) -> str:
        """Counts and place only."""
        return f"Summary({self.households} households, {sum(self.records.values())} records, {str(self.policy)!r})"
