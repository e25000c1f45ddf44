"""The example estate, erased on every kind of store: what is left is what a reader of the raw data expects, and no byte of the erased."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, write_deltalake

from examples.home import estate as program
from examples.home.where import Amounts, Summary, Where
from expunge.app.library import Standing
from expunge.testing.services import S3, PostgreSQL
from tests.erase.toy import SOON, bytes_of, opened, rows_of, statement_of
from tests.faults.killing import Place
from tests.unit.test_estate import expected, keys_of, lines_of, objects_of, points_of, rollups_of, rows_of_sql

HOUSEHOLDS = 4
AMOUNTS = Amounts(clips_per_profile=2, points_per_person=6)
CHILD, ADULT, HOUSEHOLD = 21, 31, 1
WHO: Mapping[str, tuple[set[int], set[int], set[int]]] = {
    # who: (profiles, people, households) that leave
    f"child:{CHILD}": ({CHILD}, set(), set()),
    f"adult:{ADULT}": (set(), {ADULT}, set()),
    f"household:{HOUSEHOLD}": ({11, 12}, {11, 12}, {HOUSEHOLD}),
}
LAT = 12.345678987654321
"""A latitude that nobody else has, as eight bytes."""


@dataclass(frozen=True)
class Marks:
    """Unusual words in everything that is a child's; ``texts`` are all of them."""

    tag: str

    def word(self, where: str) -> str:
        return f"zqx{self.tag}{where}"

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(
            map(self.word, ("nick", "said", "fact", "chore", "model", "logged", "zipped", "wave", "geo", "street", "mail", "name"))
        )

    def forms(self) -> dict[str, tuple[bytes, ...]]:
        """As what bytes each could be found."""
        texts = {text: (text.encode(), text.encode("utf-16-le"), text.encode().hex().encode()) for text in self.texts}
        return {**texts, "latitude": (struct.pack("<d", LAT), b"12.3456789876")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """The estate before anything happens to it, in SQLite and folders."""
    folder = tmp_path_factory.mktemp("before") / "home"
    return folder, program.build(Where(folder), HOUSEHOLDS, amounts=AMOUNTS)


def plant_rows(url: str, marks: Marks) -> None:
    """Marks in the rows of the child, and in the name and address of household 1."""
    engine = sa.create_engine(url)
    one_clip = "select id from clips where profile_id = :child"
    with engine.begin() as connection:
        for statement, word in (
            ("update profiles set nickname = :word where id = :child", "nick"),
            (f"update transcripts set text = :word where clip_id in ({one_clip})", "said"),
            ("update remembered_facts set fact = :word where profile_id = :child", "fact"),
            ("update reminders set text = :word where profile_id = :child", "chore"),
            ("update asr_jobs set model = :word where profile_id = cast(:child as text)", "model"),
            ("update addresses set street = :word where id = :house", "street"),
            ("update people set email = :word where id = 12 and household_id = :house", "mail"),
            ("update people set name = :word where household_id = :house", "name"),
        ):
            given = {"word": marks.word(word), "child": CHILD, "house": HOUSEHOLD}
            text = sa.text(statement)
            connection.execute(text, {name: value for name, value in given.items() if f":{name}" in statement})
    engine.dispose()


def plant_files(folder: Path, marks: Marks) -> None:
    """Marks in the logs, plain and compressed, in the points and in the roll-ups."""
    for path in sorted((folder / "data" / "logs").iterdir()):
        zipped = path.suffix == ".gz"
        lines = (gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()).decode().splitlines()
        entry = json.loads(lines[0])
        entry["request"] = {"id": "x", "route": "/x", "profile_id": CHILD, "text": marks.word("zipped" if zipped else "logged")}
        raw = "".join(f"{line}\n" for line in [json.dumps(entry), *lines]).encode()
        path.write_bytes(gzip.compress(raw) if zipped else raw)
    when = datetime(2026, 6, 1, tzinfo=UTC)
    table = DeltaTable(folder / "data" / "lake" / "locations")
    fields = pa.schema(table.schema().to_arrow())
    row = {"profile_id": CHILD, "lat": LAT, "lon": 1.5, "accuracy": 5.0, "at": when, "month": "2026-06"}
    write_deltalake(table, pa.Table.from_pylist([row], schema=fields), mode="append")
    rollups = folder / "data" / "lake" / "secondary" / "rollups"
    first = min(rollups.glob("*.parquet"))
    held = pq.read_table(first)
    more = pa.Table.from_pylist([{"kid": CHILD, "geohash": marks.word("geo"), "week": when, "visits": 1}], schema=held.schema)
    pq.write_table(pa.concat_tables([held, more]), first)


def folder_estate(built: Path, folder: Path, marks: Marks) -> Place:
    """A marked copy of it."""
    shutil.copytree(built, folder)
    plant_rows(Where(folder).sql_url, marks)
    plant_files(folder, marks)
    for path in (folder / "data" / "media").rglob("*"):
        if path.is_file() and f"/child-{CHILD}/" in str(path):
            path.write_bytes(path.read_bytes() + marks.word("wave").encode())
    return Place(folder, {})


def run(place: Place, who: str) -> tuple[Standing, dict[str, Mapping[str, Any]]]:
    with opened(place) as library:
        _, (standing,) = library.erase([who], requester="parent", patience=SOON)
        assert standing.complete, [(step.name, step.error_message) for step in standing.waiting]
        (request,) = standing.requests
        whole, own = rows_of(statement_of(library, standing)), rows_of(statement_of(library, standing, request.id))
        assert {name: row["located"] for name, row in own.items()} == {
            name: row["located"] for name, row in whole.items() if row["located"]
        }
        return standing, whole


def located(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """By collection what was deleted; where something was also redacted in part, ``left_as_expected`` counts."""
    return {name: row["located"] for name, row in rows.items() if row["method"] == ["delete"]}


def deleted(before: Path, leaving: tuple[set[int], set[int], set[int]], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """What the raw data says must go, in the collections that ``located`` tells of."""
    return {name: count for name, count in expected(before, *leaving).items() if rows[name]["method"] == ["delete"]}


def unpacked(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """The files as they are, and what is compressed also as what it holds, dictionaries and statistics included."""
    for name, raw in files:
        yield name, raw
        if name.endswith(".gz"):
            yield f"{name} unzipped", gzip.decompress(raw)
        if name.endswith(".parquet"):
            held = pq.ParquetFile(pa.BufferReader(raw))
            table = held.read()
            yield f"{name} read", json.dumps(table.to_pylist(), default=str).encode()
            yield f"{name} described", str(held.metadata.to_dict()).encode()
            spelt = [column.name for column in table.schema if pa.types.is_string(column.type)]
            worded = pq.ParquetFile(pa.BufferReader(raw), read_dictionary=spelt).read()
            parts = [part.dictionary.to_pylist() for name_ in spelt for part in worded.column(name_).chunks]
            yield f"{name} words", json.dumps(parts).encode()


def found(files: Iterable[tuple[str, bytes]], marks: Marks) -> set[str]:
    """Which marks lie in which files."""
    return {
        f"{mark} in {name}" for name, raw in unpacked(files) for mark, forms in marks.forms().items() if any(form in raw for form in forms)
    }


def gone_of(marks: Marks, files: Iterable[tuple[str, bytes]], words: Iterable[str]) -> set[str]:
    """What is found of these words' marks; the latitude is the child's too."""
    wanted = {marks.word(word) for word in words} | ({"latitude"} if "nick" in set(words) else set())
    return {one for one in found(files, marks) if one.split(" in ")[0] in wanted}


CHILDS = ("nick", "said", "fact", "chore", "model", "logged", "zipped", "wave", "geo")
HOMES = ("street", "mail", "name")


@pytest.mark.parametrize("who", WHO)
def test_in_sqlite_and_folders(who: str, built: tuple[Path, Summary], tmp_path: Path) -> None:
    before, _ = built
    folder = tmp_path / "home"
    shutil.copytree(before, folder)
    standing, rows = run(Place(folder, {}), who)
    assert located(rows) == deleted(before, WHO[who], rows)
    assert {row["level"] for row in rows.values() if row["located"]} == {"physically absent"}
    assert standing.run.status.value == "closed"
    left_as_expected(before, WHO[who], rows_of_sql(Where(before).sql_url), rows_of_sql(Where(folder).sql_url))
    gone = expected(before, *WHO[who])
    pairs: tuple[tuple[str, Callable[[Path], Any]], ...] = (
        ("places.locations", points_of),
        ("secondary.rollups", rollups_of),
        ("logs.requests", lambda one: sorted(map(json.dumps, lines_of(one)))),
    )
    for address, read in pairs:
        was, now = read(before), read(folder)
        assert len(was) - len(now) == gone.get(address, 0)
        assert set(now) <= set(was)
    objects, left = objects_of(before), objects_of(folder)
    assert left.items() <= objects.items()
    assert len(keys_of(objects)) - len(keys_of(left)) == sum(count for address, count in gone.items() if address.startswith("media."))


def left_as_expected(
    before: Path, leaving: tuple[set[int], set[int], set[int]], was: Mapping[str, list[str]], now: Mapping[str, list[str]]
) -> None:
    """Every row of the database that is left was there before, but for what the leaving had in what others own too."""
    gone = expected(before, *leaving)
    for table, rows in was.items():
        assert len(rows) - len(now[table]) == gone.get(f"app.{table}", 0), table
    changed = {table: len(set(rows) - set(was[table])) for table, rows in now.items() if set(rows) - set(was[table])}
    assert set(changed) <= {"messages", "profiles"}, "only a shared message and a pointer at a guardian are changed"


def test_no_byte_of_a_child_is_left(built: tuple[Path, Summary], tmp_path: Path) -> None:
    marks = Marks("a")
    place = folder_estate(built[0], tmp_path / "home", marks)
    there = {one.split(" in ")[0] for one in found(bytes_of(place.folder), marks)}
    assert there == set(marks.forms()), "every mark is there to be found"
    run(place, f"child:{CHILD}")
    assert gone_of(marks, bytes_of(place.folder), CHILDS) == set()
    assert gone_of(marks, bytes_of(place.folder), HOMES), "the others' data is as it was"


def test_no_byte_of_a_household_is_left(built: tuple[Path, Summary], tmp_path: Path) -> None:
    marks = Marks("d")
    place = folder_estate(built[0], tmp_path / "home", marks)
    run(place, f"household:{HOUSEHOLD}")
    assert gone_of(marks, bytes_of(place.folder), HOMES) == set()


def test_control_places_hold_nobody_after_a_run_is_closed(built: tuple[Path, Summary], tmp_path: Path) -> None:
    marks = Marks("b")
    place = folder_estate(built[0], tmp_path / "home", marks)
    standing, _ = run(place, "adult:email=zqxbmail")
    assert standing.run.status.value == "closed"
    control = list(bytes_of(place.folder / ".expunge"))
    assert any("journal" in name for name, _ in control)
    assert found(control, marks) == set()


@pytest.mark.postgresql
@pytest.mark.s3
@pytest.mark.parametrize("who", [f"child:{CHILD}", pytest.param(f"household:{HOUSEHOLD}", marks=pytest.mark.slow)])
def test_in_postgresql_and_s3(  # two servers
    who: str, built: tuple[Path, Summary], postgresql_server: PostgreSQL, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = built
    marks = Marks(f"c{who.partition(':')[0]}")
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    url, bucket = postgresql_server.database(), f"home-{marks.tag}"
    folder = tmp_path / "home"
    summary = program.build(Where(folder, sql=url, media=f"s3://{bucket}", endpoint=s3.endpoint), HOUSEHOLDS, amounts=AMOUNTS)
    plant_rows(url, marks)
    client = s3.client()
    for one in client.list_object_versions(Bucket=bucket)["Versions"]:
        if f"/child-{CHILD}/" in one["Key"]:
            client.put_object(Bucket=bucket, Key=one["Key"], Body=marks.word("wave").encode())
    was = rows_of_sql(url)
    _, rows = run(Place(folder, summary.environment), who)
    assert located(rows) == deleted(before, WHO[who], rows)
    left_as_expected(before, WHO[who], was, rows_of_sql(url))
    words = ("nick", "said", "fact", "chore", "model", "wave") if who.startswith("child") else HOMES
    stored = {f"{one['Key']}@{one['VersionId']}": one for one in client.list_object_versions(Bucket=bucket).get("Versions", [])}
    bodies = [
        (name, client.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()) for name, one in stored.items()
    ]
    assert gone_of(marks, bodies, words) == set()
    if who.startswith("child"):
        versions = client.list_object_versions(Bucket=bucket)
        assert not [one for kind in ("Versions", "DeleteMarkers") for one in versions.get(kind, []) if f"/child-{CHILD}/" in one["Key"]]
    with postgresql_server.connect() as session:
        session.execute("CHECKPOINT")
    heap = ((name, raw) for name, raw in bytes_of(postgresql_server.folder) if not name.startswith("pg_wal"))
    assert gone_of(marks, heap, words) == set()
    assert "write-ahead log" in str(rows["app.profiles"]["note"])
