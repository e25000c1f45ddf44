"""The example estate: what the summary says is there, it is the same every time and everywhere, and its policy fits it."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import struct
import tarfile
import wave
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from sqlalchemy import create_engine, inspect, select

from examples.home import estate as program
from examples.home import outdoors, policy, recordings
from examples.home.schema import tables
from examples.home.where import Amounts, EstateExistsError, Summary, Where
from expunge.erase.extent import extent
from expunge.erase.plan import make_plan
from expunge.erase.sharing import outside
from expunge.erase.subjects import parse_subject, resolve
from expunge.erase.trouble import troubles
from expunge.erase.walk import walk
from expunge.policy.discover import drift
from expunge.policy.load import load
from expunge.policy.ownership import ownership
from expunge.stores.registry import open_store
from expunge.terms import Scope, Selector
from expunge.testing.services import S3

SMALL = Amounts(unlisted=True)
CLIP = UUID("6ee04a1c-9d3e-4b0e-8b52-3a6d0c5f7e91")
CATEGORIES = (
    "user.biometric", "user.location", "user.content", "user.content.private.spoken", "user.content.private.message",
    "user.content.private.remembered", "user.health_and_medical", "user.name", "user.contact", "user.demographic", "user.behavior",
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("estate") / "home"
    return folder, program.build(Where(folder), 2, amounts=SMALL)


def rows_of_sql(url: str) -> dict[str, list[str]]:
    """Every row of every table as text, whatever the database."""
    engine = create_engine(url)
    found = {}
    with engine.connect() as connection:
        for table in tables("sqlite").tables.values():
            rows = connection.execute(select(table).order_by(*table.primary_key)).all()
            found[table.name] = [str(tuple(plain(one) for one in row)) for row in rows]
    engine.dispose()
    return found


def plain(value: object) -> object:
    """SQLite gives times back without their zone, which is UTC."""
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def points_of(folder: Path) -> list[str]:
    columns = DeltaTable(folder / "data" / "lake" / "locations").to_pyarrow_table().to_pylist()
    return sorted(str(tuple(row[name] for name in outdoors.POINTS)) for row in columns)


def rollups_of(folder: Path) -> list[str]:
    files = sorted((folder / "data" / "lake" / "secondary" / "rollups").glob("*.parquet"))
    return sorted(str(row) for file in files for row in pq.read_table(file).to_pylist())


def lines_of(folder: Path) -> list[dict[str, object]]:
    texts = []
    for file in sorted((folder / "data" / "logs").iterdir()):
        body = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        texts += body.decode().splitlines()
    return [json.loads(text) for text in texts]


def objects_of(folder: Path) -> dict[str, bytes]:
    root = folder / "data" / "media"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def unlisted_of(folder: Path) -> int:
    share = folder / "share"
    with (share / "analytics" / "kids_q2_final.csv").open(encoding="utf-8") as sheet:
        count = len(sheet.readlines()) - 1
    count += len(pickle.loads((share / "notebooks" / "wake_word_sample.pkl").read_bytes()))
    count += len(json.loads((share / "notebooks" / "wake_word_tuning.ipynb").read_text("utf-8"))["cells"][0]["outputs"][0]["text"])
    with tarfile.open(share / "exports" / "clips_for_supplier.tar.gz") as clips:
        count += len(clips.getmembers())
    with closing(sqlite3.connect(folder / "warehouse" / "asr.db")) as forgotten:
        return count + int(forgotten.execute("SELECT count(*) FROM tmp_asr_2019").fetchone()[0])


def keys_of(paths: Iterable[str]) -> set[str]:
    return {path.removeprefix(".versions/").rpartition("/")[0] if path.startswith(".versions/") else path for path in paths}


def test_summary_counts_what_lies_there(built: tuple[Path, Summary]) -> None:
    folder, summary = built
    counted = {f"app.{name}": len(rows) for name, rows in rows_of_sql(Where(folder).sql_url).items()}
    counted |= {
        "places.locations": len(points_of(folder)),
        "secondary.rollups": len(rollups_of(folder)),
        "logs.requests": len(lines_of(folder)),
    }
    keys = keys_of(objects_of(folder))
    counted |= Counter(f"media.{program._collection(key)}" for key in keys)
    counted["unlisted"] = unlisted_of(folder)
    assert dict(summary.records) == counted
    assert all(count > 0 for count in summary.records.values())


def test_same_seed_same_content_other_seed_other(built: tuple[Path, Summary], tmp_path: Path) -> None:
    folder, summary = built
    again, other = tmp_path / "again", tmp_path / "other"
    assert program.build(Where(again), 2, amounts=SMALL).records == summary.records
    program.build(Where(other), 2, seed=2)
    for read in (lambda one: rows_of_sql(Where(one).sql_url), points_of, rollups_of, lines_of, objects_of):
        assert read(again) == read(folder)
        assert read(other) != read(folder)


def test_a_household_is_the_same_among_any_number(built: tuple[Path, Summary], tmp_path: Path) -> None:
    folder, _ = built
    program.build(Where(tmp_path / "five"), 5)
    few, many = rows_of_sql(Where(folder).sql_url), rows_of_sql(Where(tmp_path / "five").sql_url)
    assert all(many[name][: len(rows)] == rows for name, rows in few.items() if name not in {"clips", "asr_jobs"})
    assert set(few["clips"]) <= set(many["clips"])
    assert set(objects_of(folder)) <= set(objects_of(tmp_path / "five"))


def test_every_reference_holds_and_full_text_answers(built: tuple[Path, Summary]) -> None:
    folder, _ = built
    database = sqlite3.connect(folder / "data" / "app.db")
    try:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        word = database.execute("SELECT text FROM transcripts ORDER BY id").fetchone()[0].split()[0]
        said = database.execute("SELECT count(*) FROM transcripts WHERE text LIKE ?", (f"%{word}%",)).fetchone()
        assert database.execute("SELECT count(*) FROM transcripts_fts WHERE transcripts_fts MATCH ?", (word,)).fetchone() == said
        database.execute("INSERT INTO transcripts_fts(transcripts_fts, rank) VALUES('integrity-check', 1)")
    finally:
        database.close()


def test_a_clip_has_exactly_one_owner(built: tuple[Path, Summary]) -> None:
    folder, _ = built
    database = sqlite3.connect(folder / "data" / "app.db")
    try:
        for table in ("clips", "asr_jobs"):
            owners = f"(household_id IS NOT NULL) + (profile_id IS NOT NULL) + (person_id IS NOT NULL) FROM {table}"
            assert database.execute(f"SELECT DISTINCT {owners}").fetchall() == [(1,)]
        unknown = database.execute("SELECT count(*) FROM clips WHERE household_id IS NOT NULL").fetchone()
        assert unknown != (0,)
    finally:
        database.close()


def test_old_and_hidden_versions_lie_where_the_store_looks(built: tuple[Path, Summary]) -> None:
    folder, _ = built
    found = objects_of(folder)
    old = {path for path in found if path.startswith(".versions/")}
    hidden = keys_of(old) - set(found)
    assert hidden, "some objects are deleted by the app and live on as versions"
    assert all("/adult-" in key for key in hidden)
    overwritten = keys_of(old) & set(found)
    assert any("/child-" in key for key in overwritten)
    for key in overwritten:
        assert found[f".versions/{key}/1"] != found[key]
    assert len(set(found.values())) == len(found), "no two files are the same bytes"


def test_recordings_stay_readable_when_stamped() -> None:
    held = recordings.load()
    stamp = b'{"clip": "x"}'
    with wave.open(io.BytesIO(held.counted(0, (1, 2, 3), CLIP, stamp))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8_000, 1, 2)
        assert sound.getnframes() == round(held.seconds_of(0, (1, 2, 3), CLIP) * 8_000)
    flac = held.command(0, stamp)
    assert flac[:4] == b"fLaC"
    assert flac[42:46] == b"\x02" + struct.pack(">I", 4 + len(stamp))[1:]
    assert flac.replace(flac[42 : 46 + 4 + len(stamp)], b"") == held.commands[0].audio
    assert boxes(held.video(0, stamp))[-1] == ("free", stamp)
    picture = held.picture(0, stamp)
    assert picture[:4] == b"\xff\xd8\xff\xfe"
    assert picture[6 : 6 + len(stamp)] == stamp


def boxes(video: bytes) -> list[tuple[str, bytes]]:
    found, at = [], 0
    while at < len(video):
        size, kind = struct.unpack_from(">I4s", video, at)
        found.append((kind.decode(), video[at + 8 : at + size]))
        at += size
    assert at == len(video)
    return found


def test_shipped_media_is_small_and_licensed() -> None:
    files = [path for path in recordings.HERE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    for folder in recordings.HERE.iterdir():
        assert (folder / "ATTRIBUTION.md").is_file(), f"{folder.name} says whose it is"


@pytest.mark.parametrize(
    ("point", "cell"), [((57.64911, 10.40744), "u4pruy"), ((-25.382708, -49.265506), "6gkzwg"), ((0.0, 0.0), "s00000")]
)
def test_geohash_as_published(point: tuple[float, float], cell: str) -> None:
    assert outdoors.geohash(*point) == cell


def test_nothing_is_dated_after_the_last_day(tmp_path: Path) -> None:
    program.build(Where(tmp_path / "old"), 1, amounts=Amounts(until=date(2020, 2, 29)))
    assert max(str(line["at"]) for line in lines_of(tmp_path / "old")) < "2020-03-01"
    assert {path.name for path in (tmp_path / "old" / "data" / "logs").iterdir()} <= {
        f"app-2020-02-{day}.jsonl{end}" for day in range(23, 30) for end in ("", ".gz")
    }


def test_a_folder_in_use_is_refused(built: tuple[Path, Summary], capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = built
    with pytest.raises(EstateExistsError):
        program.build(Where(folder), 1)
    assert program.main(["--at", str(folder), "--households", "1"]) == 2
    assert "not empty" in capsys.readouterr().err
    with pytest.raises(ValueError, match="at least one"):
        program.build(Where(folder), 0)


def test_command_builds_and_tells_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--at", str(tmp_path / "home"), "--households", "1", "--media-households", "0"]) == 0
    told = capsys.readouterr().out
    assert "app.people" in told
    assert str(tmp_path / "home" / "expunge.yaml") in told


def test_the_policy_loads_and_fits_the_stores(built: tuple[Path, Summary]) -> None:
    _, summary = built
    held = load(summary.policy, {})
    assert held.warnings == ()
    stores = {name: open_store(note.kind, name, note.options, held.catalog.in_store(name)) for name, note in held.catalog.stores.items()}
    try:
        shapes = {name: store.describe() for name, store in stores.items()}
        owned = ownership(held.catalog, shapes)
        assert set(held.catalog.collections) <= owned.owned | {address for address in held.catalog.collections if address in owned.roots}
        for scope in (Scope(), *(Scope(categories=(one,)) for one in CATEGORIES)):
            found = troubles(held.catalog, owned, shapes, make_plan(held.catalog, owned, shapes, scope, held.digest))
            assert [str(one) for one in found if one.severity == "error"] == []
        assert [one for name, found in shapes.items() for one in drift(found, held.catalog, name)] == []
        for address, note in held.catalog.collections.items():
            nobody = Selector(note.name, {note.field_names[0]: frozenset({"nobody at all"})})
            seen = stores[note.store].verify(nobody)
            assert (seen.live, seen.scanned) == (0, summary.records[address])
    finally:
        for store in stores.values():
            store.close()


def test_someone_has_records_everywhere(built: tuple[Path, Summary]) -> None:
    folder, summary = built
    child, adult = int(summary.someone["child"]), int(summary.someone["adult"])
    assert any(f"child-{child}/" in path for path in objects_of(folder))
    requests = [line["request"] for line in lines_of(folder)]
    assert any(isinstance(one, dict) and one.get("profile_id") == child for one in requests)
    assert any(isinstance(one, dict) and one.get("person_id") == adult for one in requests)
    assert any(point.startswith(f"(None, {child},") for point in points_of(folder))
    assert any(f"'who': '{adult}'" in row for row in rollups_of(folder))


def test_a_password_is_never_written(tmp_path: Path) -> None:
    written, environment = policy.write_policy(Where(tmp_path, sql="postgresql://me:hush@db/app", media="s3://b", endpoint="http://s3"))
    assert "hush" not in written.read_text("utf-8")
    assert environment == {"HOME_APP_URL": "postgresql://me:hush@db/app"}
    held = load(written, environment)
    assert held.catalog.stores["media"].options == {"url": "s3://b", "endpoint_url": "http://s3"}
    assert "hush" not in repr(Where(tmp_path, sql="postgresql://me:hush@db/app"))


@pytest.mark.postgresql
@pytest.mark.s3
def test_postgresql_and_s3_hold_the_same(
    built: tuple[Path, Summary], postgresql_url: str, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, summary = built
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    large = program.build(Where(tmp_path / "home", sql=postgresql_url, media="s3://hearth-media", endpoint=s3.endpoint), 2, amounts=SMALL)
    assert large.records == summary.records
    assert rows_of_sql(postgresql_url) == rows_of_sql(Where(folder).sql_url)
    client = s3.client()
    versions = client.list_object_versions(Bucket="hearth-media")
    current = {
        one["Key"]: client.get_object(Bucket="hearth-media", Key=one["Key"])["Body"].read()
        for one in versions["Versions"]
        if one["IsLatest"]
    }
    local = objects_of(folder)
    assert current == {key: body for key, body in local.items() if not key.startswith(".versions/")}
    assert len(versions["Versions"]) == len(local)
    assert {one["Key"] for one in versions["DeleteMarkers"]} == keys_of(local) - set(current)
    engine = create_engine(postgresql_url)
    seen = inspect(engine)
    assert {one["name"] for one in seen.get_indexes("transcripts")} == {"ix_transcripts_clip_id", "ix_transcripts_search"}
    assert {one["referred_table"] for one in seen.get_foreign_keys("clips")} == {"households", "profiles", "people", "devices"}
    engine.dispose()
    held = load(large.policy, large.environment)
    assert held.catalog.stores["app"].options["url"] == postgresql_url
    store = open_store("sql", "app", held.catalog.stores["app"].options, held.catalog.in_store("app"))
    assert drift(store.describe(), held.catalog, "app") == ()
    store.close()


WHOSE = {
    # who: (profiles, people, households) that leave
    "child:11": ({11}, set[int](), set[int]()),
    "adult:11": (set[int](), {11}, set[int]()),
    "household:1": ({11, 12}, {11, 12}, {1}),
}


@pytest.mark.parametrize("who", WHOSE)
def test_what_goes_is_what_a_reader_of_the_raw_data_expects(who: str, built: tuple[Path, Summary]) -> None:
    folder, summary = built
    held = load(summary.policy, {})
    catalog = held.catalog
    stores = {name: open_store(note.kind, name, note.options, catalog.in_store(name)) for name, note in catalog.stores.items()}
    try:
        shapes = {name: store.describe() for name, store in stores.items()}
        owned = ownership(catalog, shapes)
        plan = make_plan(catalog, owned, shapes, Scope(), held.digest)
        people = resolve(catalog, owned, stores, [parse_subject(who, catalog)])
        walked = walk(catalog, owned, stores, people)
        reach = extent(catalog, owned, walked, outside(catalog, owned, stores, people, walked, plan.shared), plan)
    finally:
        for store in stores.values():
            store.close()
    gone = {address: len(places) for address, places in reach.going.items() if places}
    assert gone == expected(folder, *WHOSE[who])
    stays = {address: len(places) for address, places in reach.staying.items()}
    neighbours = {"app.messages": 2} if who == "household:1" else {"app.messages": 3, "app.addresses": 1}
    assert stays == ({} if who == "child:11" else neighbours)


def expected(folder: Path, profiles: set[int], people: set[int], households: set[int]) -> dict[str, int]:
    """Per collection, how many records have only owners among these: counted from the raw data without the policy."""
    found = Counter[str]()
    database = sqlite3.connect(folder / "data" / "app.db")
    database.row_factory = lambda cursor, row: {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
    leaving = {"household_id": households, "profile_id": profiles, "person_id": people}

    def rows(table: str) -> list[dict[str, Any]]:
        return database.execute(f"SELECT * FROM {table}").fetchall()

    def theirs(row: dict[str, Any]) -> bool:
        return all(int(row[name]) in keys for name, keys in leaving.items() if row.get(name) is not None)

    found["app.households"] = sum(row["id"] in households for row in rows("households"))
    found["app.people"] = sum(row["id"] in people for row in rows("people"))
    found["app.profiles"] = sum(row["id"] in profiles for row in rows("profiles"))
    for table in ("devices", "doorbell_events", "clips", "asr_jobs", "remembered_facts", "reminders"):
        found[f"app.{table}"] = sum(map(theirs, rows(table)))
    clips = {row["id"] for row in rows("clips") if theirs(row)}
    transcripts = {row["id"] for row in rows("transcripts") if row["clip_id"] in clips}
    found["app.transcripts"] = len(transcripts)
    found["app.intents"] = sum(row["transcript_id"] in transcripts for row in rows("intents"))
    found["app.messages"] = sum({row["sender_id"], row["receiver_id"]} <= people for row in rows("messages"))
    living = {row["address_id"] for row in rows("people") if row["id"] not in people}
    found["app.addresses"] = sum(row["id"] not in living for row in rows("addresses"))
    database.close()
    for key in keys_of(objects_of(folder)):
        top, household, folder_or_file, *_ = key.split("/")
        kind, _, number = folder_or_file.partition("-")
        whose = {"child": profiles, "adult": people}.get(kind, households) if top == "voice" else households
        found[f"media.{program._collection(key)}"] += int(number if top == "voice" and number else household) in whose
    points = DeltaTable(folder / "data" / "lake" / "locations").to_pyarrow_table().to_pylist()
    found["places.locations"] = sum(row["person_id"] in people or row["profile_id"] in profiles for row in points)
    rolled = [row for file in (folder / "data" / "lake" / "secondary" / "rollups").iterdir() for row in pq.read_table(file).to_pylist()]
    found["secondary.rollups"] = sum(row["kid"] in profiles or (row["who"] is not None and int(row["who"]) in people) for row in rolled)
    requests = [line["request"] for line in lines_of(folder)]
    found["logs.requests"] = sum(theirs(one) for one in requests if isinstance(one, dict))
    return {address: count for address, count in found.items() if count}
