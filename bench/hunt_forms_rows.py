"""Tables in every format: clean rows with the needle's among them."""

from __future__ import annotations

import csv
import html
import io
import json
import pickle
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from bench.hunt_plant import Maker, Row, Way
from expunge.hunt.prints import Trace

Write = Callable[[Sequence[Row]], bytes]

KINDS = ("email", "device_id", "serial", "text")

NAMELESS = (
    "columns of fixed width",
    "DuckDB",
    "MessagePack",
    "Protocol Buffers",
)
"""Formats in which a key of seven digits stands without its column's name: by itself it is as likely somebody else's number."""


def _separated(sign: str, encoding: str = "utf-8") -> Write:
    def write(rows: Sequence[Row]) -> bytes:
        out = io.StringIO()
        table = csv.DictWriter(out, list(rows[0]), delimiter=sign)
        table.writeheader()
        table.writerows(rows)
        return out.getvalue().encode(encoding)

    return write


def _arrow(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows))


def _parquet(codec: str, *, dictionary: bool = True) -> Write:
    def write(rows: Sequence[Row]) -> bytes:
        out = io.BytesIO()
        pyarrow.parquet.write_table(_arrow(rows), out, compression=codec, use_dictionary=dictionary)
        return out.getvalue()

    return write


def _feather(rows: Sequence[Row]) -> bytes:
    out = io.BytesIO()
    pyarrow.feather.write_feather(_arrow(rows), out, compression="zstd")
    return out.getvalue()


def _stream(rows: Sequence[Row]) -> bytes:
    out = io.BytesIO()
    table = _arrow(rows)
    with pa.ipc.new_stream(out, table.schema) as file:
        file.write_table(table)
    return out.getvalue()


def _orc(rows: Sequence[Row]) -> bytes:
    out = io.BytesIO()
    pyarrow.orc.write_table(_arrow(rows), out, compression="zlib")
    return out.getvalue()


def _avro(codec: str) -> Write:
    def write(rows: Sequence[Row]) -> bytes:
        kinds = {int: "long", float: "double", str: "string"}
        fields = [{"name": name, "type": kinds[type(value)]} for name, value in rows[0].items()]
        out = io.BytesIO()
        fastavro.writer(out, {"type": "record", "name": "row", "fields": fields}, list(rows), codec=codec)
        return out.getvalue()

    return write


def _fill(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    names = ", ".join(rows[0])
    database.execute(f"CREATE TABLE tmp_export ({names})")
    database.executemany(f"INSERT INTO tmp_export VALUES ({', '.join('?' * len(rows[0]))})", [tuple(row.values()) for row in rows])
    database.commit()


def _sqlite(after: str = "") -> Write:
    """A database file, after a statement that may leave things behind."""

    def write(rows: Sequence[Row]) -> bytes:
        with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
            path = Path(folder, "x.db")
            database = sqlite3.connect(path)
            database.execute("PRAGMA secure_delete = OFF")
            _fill(database, rows)
            if after:
                database.execute(after)
                database.commit()
            database.close()
            return path.read_bytes()

    return write


def _wal(rows: Sequence[Row]) -> bytes:
    """What a database that is in use has beside it."""
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        path = Path(folder, "x.db")
        database = sqlite3.connect(path)
        database.execute("PRAGMA journal_mode = WAL")
        _fill(database, rows)
        held = Path(folder, "x.db-wal").read_bytes()
        database.close()
        return held


def _duckdb(rows: Sequence[Row]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        path = Path(folder, "x.duckdb")
        database = duckdb.connect(str(path))
        database.register("held", _arrow(rows))
        database.execute("CREATE TABLE tmp_export AS SELECT * FROM held")
        database.close()
        return path.read_bytes()


def _copy(rows: Sequence[Row]) -> bytes:
    """As ``pg_dump`` writes a table."""
    lines = [
        "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n",
        f"COPY public.tmp_export ({', '.join(rows[0])}) FROM stdin;",
    ]
    lines += ["\t".join(str(value) for value in row.values()) for row in rows]
    return "\n".join([*lines, "\\.", "", "--\n-- PostgreSQL database dump complete\n--\n"]).encode()


def _literal(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _insert(rows: Sequence[Row]) -> bytes:
    """As ``mysqldump`` writes a table: all rows in one line."""
    values = ",".join("(" + ",".join(_literal(value) for value in row.values()) + ")" for row in rows)
    names = ",".join(f"`{name}`" for name in rows[0])
    head = f"-- MySQL dump 10.13\nDROP TABLE IF EXISTS `tmp`;\nCREATE TABLE `tmp` ({names});\nLOCK TABLES `tmp` WRITE;\n"
    return f"{head}INSERT INTO `tmp` ({names}) VALUES {values};\nUNLOCK TABLES;\n".encode()


def _xml(rows: Sequence[Row]) -> bytes:
    told = "".join(
        "<row>" + "".join(f"<{name}>{html.escape(str(value))}</{name}>" for name, value in row.items()) + "</row>\n" for row in rows
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<export>\n{told}</export>\n'.encode()


def _attributes(rows: Sequence[Row]) -> bytes:
    told = "".join("<row " + " ".join(f'{name}="{html.escape(str(value))}"' for name, value in row.items()) + "/>\n" for row in rows)
    return f'<?xml version="1.0"?>\n<export>\n{told}</export>\n'.encode()


def _page(rows: Sequence[Row]) -> bytes:
    head = "".join(f"<th>{name}</th>" for name in rows[0])
    told = "".join("<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>\n" for row in rows)
    return f"<!DOCTYPE html><html><body><table><tr>{head}</tr>\n{told}</table></body></html>".encode()


def _yaml(rows: Sequence[Row]) -> bytes:
    return "".join("- " + "\n  ".join(f"{name}: {value}" for name, value in row.items()) + "\n" for row in rows).encode()


def _ini(rows: Sequence[Row]) -> bytes:
    return "".join(
        f"[row {place}]\n" + "\n".join(f"{name} = {value}" for name, value in row.items()) + "\n\n" for place, row in enumerate(rows)
    ).encode()


def _lines(rows: Sequence[Row]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode() + b"\n"


def _fixed(rows: Sequence[Row]) -> bytes:
    return "\n".join(
        "".join(f"{value!s:<110.110}" if name == "text" else f"{value!s:<42}" for name, value in row.items()) for row in rows
    ).encode()


def _nested(rows: Sequence[Row]) -> bytes:
    """An HTTP archive: answers as text of JSON inside JSON."""
    entries = [
        {"request": {"method": "GET", "url": "https://x.example/v1"}, "response": {"content": {"text": json.dumps({"user": row})}}}
        for row in rows
    ]
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def _msgpack(value: object) -> bytes:
    """The few types of MessagePack that rows need."""
    if isinstance(value, str):
        raw = value.encode()
        return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xd9" + bytes([len(raw)])) + raw
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    row = cast("Row", value)
    return bytes([0x80 | len(row)]) + b"".join(_msgpack(name) + _msgpack(one) for name, one in row.items())


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _protobuf(rows: Sequence[Row]) -> bytes:
    """Length-prefixed messages, as pipelines keep them."""
    out = bytearray()
    for row in rows:
        message = bytearray()
        for place, value in enumerate(row.values(), 1):
            if isinstance(value, int):
                message += _varint(place << 3) + _varint(value)
            else:
                raw = str(value).encode()
                message += _varint(place << 3 | 2) + _varint(len(raw)) + raw
        out += _varint(len(message)) + message
    return bytes(out)


def _structured(rows: Sequence[Row]) -> bytes:
    """A NumPy array of records: texts as UTF-32 of fixed width, keys as little-endian integers."""
    kinds = [(name, "<i8" if isinstance(value, int) else "<f8" if isinstance(value, float) else "<U120") for name, value in rows[0].items()]
    out = io.BytesIO()
    np.save(out, np.array([tuple(row.values()) for row in rows], dtype=cast("Any", kinds)), allow_pickle=False)
    return out.getvalue()


def _sheet(rows: Sequence[Row]) -> bytes:
    """A workbook as office programs save it, texts inline."""
    lines = []
    head: Row = dict(zip(rows[0], rows[0], strict=True))
    for row in [head, *rows]:
        cells = [
            f"<c><v>{one}</v></c>" if not isinstance(one, str) else f'<c t="inlineStr"><is><t>{html.escape(one)}</t></is></c>'
            for one in row.values()
        ]
        lines.append(f"<row>{''.join(cells)}</row>")
    space = "http://schemas.openxmlformats.org"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", f'<Types xmlns="{space}/package/2006/content-types"></Types>')
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{space}/spreadsheetml/2006/main"><sheets><sheet name="a" sheetId="1"/></sheets></workbook>',
        )
        file.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{space}/spreadsheetml/2006/main"><sheetData>{"".join(lines)}</sheetData></worksheet>',
        )
    return out.getvalue()


def _floats(rows: Sequence[Row]) -> bytes:
    """As pandas writes a column of keys in which one is missing."""
    told: list[Row] = [row | {"profile_id": float(cast("int", row["profile_id"]))} for row in rows]
    told[3]["profile_id"] = None
    return _separated(",")(told)


FORMATS: tuple[tuple[str, str, Write, float | None], ...] = (
    ("CSV", ".csv", _separated(","), 0.99),
    ("CSV with semicolons", ".csv", _separated(";"), 0.99),
    ("TSV", ".tsv", _separated("\t"), 0.99),
    ("CSV with bars", ".txt", _separated("|"), 0.99),
    ("CSV with an odd sign", ".txt", _separated("\x01"), 0.99),
    ("CSV in UTF-16", ".csv", _separated(",", "utf-16"), 0.99),
    ("CSV with keys as floats", ".csv", _floats, None),
    ("JSON lines", ".jsonl", _lines, 0.99),
    ("JSON", ".json", lambda rows: json.dumps(rows, indent=2).encode(), 0.99),
    ("HTTP archive", ".har", _nested, 0.99),
    ("XML", ".xml", _xml, 0.99),
    ("XML attributes", ".xml", _attributes, 0.99),
    ("HTML table", ".html", _page, 0.99),
    ("YAML", ".yml", _yaml, 0.99),
    ("INI", ".ini", _ini, 0.99),
    ("columns of fixed width", ".dat", _fixed, 0.99),
    ("Parquet, snappy", ".parquet", _parquet("snappy"), 0.99),
    ("Parquet, zstd, no dictionary", ".parquet", _parquet("zstd", dictionary=False), 0.99),
    ("Parquet, gzip", ".parquet", _parquet("gzip"), 0.99),
    ("Arrow file", ".feather", _feather, 0.99),
    ("Arrow stream", ".arrows", _stream, 0.99),
    ("ORC", ".orc", _orc, 0.99),
    ("Avro", ".avro", _avro("null"), 0.99),
    ("Avro, deflate", ".avro", _avro("deflate"), 0.99),
    ("SQLite", ".db", _sqlite(), 0.99),
    ("SQLite, rows deleted", ".db", _sqlite("DELETE FROM tmp_export"), 0.99),
    ("SQLite, table dropped", ".db", _sqlite("DROP TABLE tmp_export"), 0.99),
    ("SQLite's write-ahead log", ".db-wal", _wal, 0.99),
    ("DuckDB", ".duckdb", _duckdb, None),
    ("pg_dump, plain", ".sql", _copy, 0.99),
    ("mysqldump", ".sql", _insert, 0.99),
    ("pickle", ".pkl", lambda rows: pickle.dumps(list(rows)), 0.99),
    ("pickle, protocol 0", ".pkl", lambda rows: pickle.dumps(list(rows), protocol=0), 0.99),
    ("NumPy records", ".npy", _structured, 0.99),
    ("workbook", ".xlsx", _sheet, 0.99),
    ("MessagePack", ".msgpack", lambda rows: b"".join(_msgpack(row) for row in rows), None),
    ("Protocol Buffers", ".pb", _protobuf, None),
)


def _planted(write: Write) -> Callable[[Maker, Trace], bytes]:
    return lambda maker, trace: write(maker.rows(trace))


def ways() -> list[Way]:
    """Every format, once for each kind of needle; keys that are numbers by themselves, since they need their column's name."""
    found = [Way(f"in {name}", "in tables", KINDS, _planted(write), suffix, aim) for name, suffix, write, aim in FORMATS]
    for name, suffix, write, aim in FORMATS:
        found.append(
            Way(f"number in {name}", "numbers in tables", ("profile_id",), _planted(write), suffix, None if name in NAMELESS else aim)
        )
    return found
