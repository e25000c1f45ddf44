"""Builds the estate: ``python -m examples.home.estate --at DIR --households 10``.

In SQLite and folders by default; with ``--sql postgresql://…`` and ``--media s3://…`` the same data in PostgreSQL and S3. The same seed
gives the same data wherever it is built. ``DIR/expunge.yaml`` is then ready to run Expunge with.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from examples.home import families, outdoors, unlisted, voice
from examples.home.families import Batch
from examples.home.lakes import LakeWriter
from examples.home.logs import LogWriter
from examples.home.media import BucketWriter, FolderWriter, MediaWriter
from examples.home.policy import write_policy
from examples.home.recordings import Recordings, load
from examples.home.tables import SqlWriter
from examples.home.where import Amounts, EstateExistsError, Progress, Summary, Where

_BATCH = 1_000
"""Households per batch: some 60,000 rows, a few tens of megabytes."""
_SPARE = Amounts()


def build(estate: Where, households: int, seed: int = 1, progress: Progress | None = None, amounts: Amounts = _SPARE) -> Summary:
    """Build the estate.

    Raises:
        EstateExistsError: the folder is not empty.
        ValueError: fewer than one household, or no place that media can go to.
        sqlalchemy.exc.SQLAlchemyError: the database can't be reached or is not empty.
    """
    if households < 1:
        msg = "an estate has at least one household"
        raise ValueError(msg)
    if estate.directory.exists() and any(estate.directory.iterdir()):
        msg = f"{estate.directory} is not empty; an estate is built into an empty or a new folder"
        raise EstateExistsError(msg)
    estate.directory.mkdir(parents=True, exist_ok=True)
    works = _Works(estate, households, amounts)
    recordings = load()
    step = max(1, min(_BATCH, households // 3))
    for first in range(1, households + 1, step):
        last = min(first + step, households + 1)
        works.take(_batch(range(first, last), seed, amounts, recordings), first=first == 1)
        if progress:
            progress(last - 1, households)
    works.finish()
    policy, environment = write_policy(estate, unlisted=amounts.unlisted)
    someone = {"household": "1", "adult": "11", "child": "11"}
    return Summary(households, dict(sorted(works.records.items())), policy, environment, someone)


def _batch(numbers: range, seed: int, amounts: Amounts, recordings: Recordings) -> Batch:
    batch = Batch()
    for number in numbers:
        home = families.family(number, seed, amounts)
        families.people(batch, home)
        families.memory(batch, home)
        families.messages(batch, home)
        voice.speech(batch, home, amounts, recordings)
        outdoors.visits(batch, home, amounts, recordings)
        outdoors.journeys(batch, home, amounts, recordings)
    return batch


class _Works:
    """The four places being filled, and how many records each has got."""

    def __init__(self, estate: Where, households: int, amounts: Amounts) -> None:
        root = estate.directory / "data"
        root.mkdir()
        self._unlisted = estate.directory if amounts.unlisted else None
        self._sql = SqlWriter(estate.sql_url)
        self._media: MediaWriter = BucketWriter(estate.media, estate.endpoint) if estate.media else FolderWriter(root / "media")
        self._lake = LakeWriter(root / "lake", 3 * households * amounts.points_per_person)
        self._logs = LogWriter(root / "logs", amounts.until)
        self.records: Counter[str] = Counter()

    def take(self, batch: Batch, *, first: bool) -> None:
        """Write one batch everywhere."""
        self._sql.write(batch.tables)
        self._lake.write(batch.points, batch.rollups)
        self._logs.write(batch.lines)
        self._media.write(batch.blobs)
        if first and self._unlisted:
            self.records["unlisted"] += unlisted.write(self._unlisted, batch)
        self.records.update({f"app.{table}": len(rows) for table, rows in batch.tables.items()})
        self.records.update(f"media.{_collection(blob.key)}" for blob in batch.blobs)
        self.records.update(
            {"places.locations": len(batch.points), "secondary.rollups": len(batch.rollups), "logs.requests": len(batch.lines)}
        )

    def finish(self) -> None:
        """Close everything."""
        self._sql.finish()
        self._lake.finish()


def _collection(key: str) -> str:
    """Which collection of ``datasets/media.yml`` a key belongs to."""
    top, _, folder, *_ = key.split("/")
    if top != "voice":
        return {"doorbell": "doorbell_clips", "thumbs": "doorbell_thumbs"}[top]
    return {"child": "voice_child", "adult": "voice_adult", "unknown": "voice_unknown"}[folder.split("-")[0]]


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    usual = Amounts()
    parser = argparse.ArgumentParser(prog="python -m examples.home.estate", description="Build the example estate.")
    parser.add_argument("--at", type=Path, required=True, metavar="DIR", help="empty or new folder for the policy and the data")
    parser.add_argument("--households", type=int, default=10, help="how many, 10 to 1,000,000 (default 10)")
    parser.add_argument("--sql", metavar="URL", help="SQLAlchemy URL of an empty database (default: SQLite under DIR)")
    parser.add_argument("--media", metavar="s3://BUCKET", help="bucket for recordings (default: a folder under DIR)")
    parser.add_argument("--endpoint", metavar="URL", help="S3 server, if not AWS's")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same data (default 1)")
    parser.add_argument("--clips-per-profile", type=int, default=usual.clips_per_profile, help="voice clips per person")
    parser.add_argument("--points-per-person", type=int, default=usual.points_per_person, help="geolocation points per person")
    parser.add_argument("--media-households", type=int, default=usual.media_households, help="households whose recordings are written")
    parser.add_argument("--until", type=date.fromisoformat, default=usual.until, metavar="DAY", help="the data's last day (UTC)")
    parser.add_argument("--unlisted", action="store_true", help="also write the copies that the policy does not list")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = _options(words)
    amounts = Amounts(given.clips_per_profile, given.points_per_person, given.media_households, given.until, given.unlisted)
    estate = Where(given.at, given.sql, given.media, given.endpoint)

    def tell(done: int, asked: int) -> None:
        print(f"\r{done:,} of {asked:,} households", end="", file=sys.stderr, flush=True)

    try:
        summary = build(estate, given.households, given.seed, tell, amounts)
    except (EstateExistsError, ValueError) as refused:
        print(refused, file=sys.stderr)
        return 2
    print(file=sys.stderr)
    for place, count in summary.records.items():
        print(f"{place:28}{count:>14,}")
    print(f"policy: {summary.policy}")
    for name in summary.environment:
        print(f"set {name} before running: its URL holds a password, so it is not written down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
