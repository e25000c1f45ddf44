"""Tables in text and JSON give the numbers that their bytes alone don't show, whatever their size, quotes and damage."""

from __future__ import annotations

import io
import json
import random

import pytest

from expunge.hunt.pieces import Why
from expunge.hunt.readers import csv_json_points, csv_json_tables
from expunge.hunt.readers.csv_json_signs import is_json, is_table, layout
from tests.hunt.readers.structured import format_of, read


def table(rows: int = 200, separator: str = ",") -> str:
    lines = [separator.join(("profile_id", "said", "lat", "lon", "at", "code"))]
    for number in range(rows):
        said = f'"Maya says ""{number}"", twice\nor more"' if number % 3 == 0 else f"hello {number}"
        lines.append(separator.join((str(number), said, f"52.{number:06d}", "13.4", "2024-05-06T07:08:09Z", f"{number:05d}")))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "\x01", "\x1f"])
@pytest.mark.parametrize("block", [4 << 20, 1000])
def test_columns_of_numbers_come_by_name(monkeypatch: pytest.MonkeyPatch, separator: str, block: int) -> None:
    monkeypatch.setattr(csv_json_tables, "_BLOCK", block)
    monkeypatch.setattr(csv_json_tables, "_HEAD", block)
    raw = table(separator=separator).encode()
    assert format_of(raw, "x.txt") == "csv"
    got = read(raw, "csv")
    assert not got.account.unread
    assert got.values("profile_id") == list(range(200))
    assert got.values("lat")[7] == 52.000007
    assert got.values("lon") == [13.4] * 200
    assert got.values("at")[0] == b"2024-05-06T07:08:09Z"
    assert not got.values("said")
    assert not got.values("code")


def test_what_has_no_numbers_costs_no_rows() -> None:
    raw = b"name,room\nMaya,kitchen\nZoe,hall\nErika,door\n"
    assert format_of(raw) == "csv"
    assert not read(raw, "csv").rows


def test_a_table_without_a_header_and_with_a_mark() -> None:
    got = read("\ufeff1,52.5,13.4\n2,52.6,13.5\n3,52.7,13.6\n".encode(), "csv")
    assert got.values("column1") == [1, 2, 3]
    assert got.values("column3") == [13.4, 13.5, 13.6]


def test_decimal_commas_and_keys_with_gaps() -> None:
    got = read(b"profile_id;lat\n17.0;52,5\n;52,6\n4711.0;52,7\n", "csv")
    assert got.values("profile_id") == [17, None, 4711]
    assert got.values("lat") == [52.5, 52.6, 52.7]


def test_ragged_lines_are_left_out() -> None:
    raw = b"id,n\n" + b"".join(b"%d,%d\n" % (at, at) for at in range(50)) + b"1\n2,3,4\n" + b"99,100\n"
    assert read(raw, "csv").values("id") == [*range(50), 99]


def test_a_quote_that_never_closes() -> None:
    raw = b"id,said\n" + b"".join(b"%d,x\n" % at for at in range(5000)) + b'1,"open\n' + b"2,y\n" * 5000
    got = read(raw, "csv")
    assert got.account.unread or len(got.values("id")) >= 5000


@pytest.mark.parametrize(
    "text",
    [
        "just a line of prose, with a comma\nand one without\nand another, two, three\n",
        "2024-05-06 07:08:09 INFO started\n2024-05-06 07:08:10 WARN a, b\n2024-05-06 07:08:10 WARN c\n",
        "one line, only",
        "",
        "\n\n\n",
    ],
)
def test_prose_and_logs_are_no_tables(text: str) -> None:
    assert not is_table(text.encode(), "x.log")


def test_the_name_is_believed_for_two_lines() -> None:
    assert is_table(b"id,n\n1,2\n", "x.csv")
    assert layout(b"id,n\n1,2\n") is None


@pytest.mark.parametrize("text", ['{"a": 1}', '[{"a":\n1}]', " [1, 2]", '{"a":1}\n{"a":2}\n', "[]"])
def test_json_is_known(text: str) -> None:
    assert is_json(text.encode(), "x.json")


@pytest.mark.parametrize("text", ["[main]\nkey=value\n", "{% if x %}", "hello", "", "{\\rtf1"])
def test_other_brackets_are_not_json(text: str) -> None:
    assert not is_json(text.encode(), "x.json")


def takeout(count: int) -> str:
    points = [
        {"latitudeE7": 525_200_080 + at, "longitudeE7": 134_050_000 - at, "accuracy": 12, "timestampMs": str(1_700_000_000_000 + at)}
        for at in range(count)
    ]
    return json.dumps({"locations": points})


@pytest.mark.parametrize("block", [4 << 20, 3000])
def test_millionths_of_a_degree(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(csv_json_points, "_BLOCK", block)
    got = read(takeout(2000).encode(), "json")
    assert got.values("latitudeE7") == [525_200_080.0 + at for at in range(2000)]
    assert got.values("longitudeE7")[1999] == 134_050_000.0 - 1999
    assert got.values("timestampMs")[3] == 1_700_000_000_003.0
    assert next(rows.first for rows in got.rows) == 0


def test_metres_in_lines_and_in_pairs() -> None:
    lines = "".join(json.dumps({"t": "x", "x": 1_492_334.25 + at, "y": 6_894_026.5 - at, "n": None}) + "\n" for at in range(100))
    got = read(lines.encode(), "json")
    assert got.values("x")[99] == 1_492_433.25
    pairs = json.dumps({"type": "LineString", "coordinates": [[1_492_334.25 + at, 6_894_026.5] for at in range(100)]})
    assert read(pairs.encode(), "json").values("pair.0")[7] == 1_492_341.25


def test_a_member_that_is_missing_keeps_the_others_in_line() -> None:
    points = [{"x": 5000.5 + at, **({} if at % 2 else {"time": 1_700_000_000 + at}), "y": 9000.5 + at} for at in range(20)]
    got = read("\n".join(map(json.dumps, points)).encode(), "json")
    assert got.values("x") == [5000.5 + at for at in range(20)]
    assert got.values("y") == [9000.5 + at for at in range(20)]
    times = [str(one) for one in got.values("time")]
    assert times[1] == "nan"
    assert times[2] == "1700000002.0"


def test_ordinary_documents_give_nothing() -> None:
    assert not read(json.dumps([{"id": at, "said": "x", "lat": 52.5, "lon": 13.4} for at in range(1000)]).encode(), "json").rows


def test_deep_nesting_is_nothing_special() -> None:
    assert not read(b"[" * 1_000_000, "json").rows
    assert not read(b'{"a":' * 300_000, "json").account.unread


def test_damage_is_nothing_special() -> None:
    raw = bytearray(takeout(500).encode())
    dice = random.Random(1)
    for _ in range(100):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    got = read(bytes(raw), "json")
    assert len(got.values("latitudeE7")) > 400
    assert Why.BROKEN not in got.why()


def test_a_long_line_is_read_in_parts() -> None:
    assert is_table(io.BytesIO(b"a,b\n1,2\n3,4\n").read(), "x.csv")
    got = read(b"a,b\n1,2\n3," + b"4" * 200_000 + b"\n5,6\n", "csv")
    assert got.values("a") == [1, 3, 5]


def test_a_column_of_geohashes_comes_by_name() -> None:
    cells = [f"u2edhr{place % 10}{'bcdefghjkmnp'[place % 12]}" for place in range(100)]
    got = read("\n".join(["cell,note", *(f"{cell},seen once" for cell in cells)]).encode(), "csv")
    assert [cell.decode() if isinstance(cell, bytes) else cell for cell in got.values("cell")] == cells
    assert not read("\n".join(["code,note", *(f"{place:08x},seen once" for place in range(0xA0000, 0xA0100))]).encode(), "csv").rows
