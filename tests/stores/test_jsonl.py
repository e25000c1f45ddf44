"""JSON-lines logs, plain and gzip: the laws, and what log files add."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import Conflict, Drift, Full
from expunge.stores.base import Reader, Store
from expunge.stores.jsonl import open_store
from expunge.stores.jsonl_files import Files
from expunge.stores.jsonl_match import Conditions, getter, leaf_getter, parse, text_in
from expunge.stores.jsonl_rewrite import rewrite
from expunge.stores.jsonl_scan import CONTAINER, scan
from expunge.terms import Method, Selector, Span, Step, Value
from expunge.testing.conformance import Harness, Row, StoreLaws

FIELDS = {"id": "id", "owner": "request.owner", "number": "request.number", "body": "items[].said", "at": "at"}


@dataclass(frozen=True)
class Layout:
    """A collection as a policy declares it."""

    name: str
    path: str
    field_names: tuple[str, ...]

    @property
    def layout(self) -> Mapping[str, object]:
        return {"path": self.path}


class LogHarness(Harness):
    """Rows are lines, twenty to a file; the folder is a link, as a mounted disk often is, so that it can go away."""

    fields: Mapping[str, str] = FIELDS
    bulk = 60

    def __init__(self, home: Path, *, packed: bool) -> None:
        self.disk, self.root, self.packed = home / "disk", home / "root", packed
        self.disk.mkdir()
        self.root.symlink_to(self.disk)

    def open(self) -> Store:
        return open_store("logs", {"path": str(self.root)}, [Layout("notes", "logs/app-*.jsonl*", tuple(FIELDS.values()))])

    def seed(self, rows: Iterable[Row]) -> None:
        for path in self.disk.glob("logs/*"):
            path.unlink()
        (self.disk / "logs").mkdir(exist_ok=True)
        pages: dict[int, list[bytes]] = {}
        for row in rows:
            pages.setdefault(row.id // 20, []).append(self._line(row))
        for number, lines in pages.items():
            if self.packed:
                # A member for each half, as log shippers append them.
                packed = b"".join(gzip.compress(b"".join(half)) for half in (lines[::2], lines[1::2]))
                (self.disk / f"logs/app-{number}.jsonl.gz").write_bytes(packed)
            else:
                (self.disk / f"logs/app-{number}.jsonl").write_bytes(b"".join(lines))

    def bury(self, rows: Iterable[Row]) -> bool:
        """What a rewrite left that was killed."""
        lines = b"".join(map(self._line, rows))
        name = f"app-0.jsonl{'.gz' if self.packed else ''}"
        (self.disk / f"logs/.expunge-01234567-{name}").write_bytes(gzip.compress(lines) if self.packed else lines)
        return True

    def _line(self, row: Row) -> bytes:
        said = {
            "id": row.id,
            "at": row.at.isoformat(),
            "request": {"owner": row.owner, "number": row.number},
            "items": [{"said": row.body}, {"kind": "none"}],
        }
        ending = "\r\n" if row.id % 3 == 0 else "\n"
        return (json.dumps(said, ensure_ascii=bool(row.id % 2)) + ending).encode()

    def dump(self) -> list[Row]:
        lines = [line for path in self.disk.glob("logs/app-*") for line in self._bytes(path).split(b"\n") if line]
        return [self._row(json.loads(line)) for line in lines]

    def _row(self, said: dict[str, object]) -> Row:
        match said:
            case {"id": int(number), "at": str(at), "request": {"owner": owner, "number": other}, "items": [{"said": body}, *_]}:
                return Row(number, owner, other, body, datetime.fromisoformat(at))
        raise AssertionError(said)

    def _bytes(self, path: Path) -> bytes:
        return gzip.decompress(path.read_bytes()) if self.packed else path.read_bytes()

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for path in self.disk.rglob("*"):
            if path.is_file():
                yield "file", path.read_bytes()
                yield "unpacked", self._bytes(path)

    @contextmanager
    def outage(self) -> Iterator[None]:
        away = self.disk.rename(self.disk.with_name("unmounted"))
        try:
            yield
        finally:
            away.rename(self.disk)


class TestPlain(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return LogHarness(tmp_path, packed=False)


class TestGzip(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return LogHarness(tmp_path, packed=True)


FAST = settings(max_examples=200, deadline=None, derandomize=True, database=None)
ANN = {"at": "2026-03-01T12:00:00Z", "who": "ann-1", "n": 7, "text": "play"}
BOB = {"at": "2026-03-01T13:00:00Z", "who": "bob-2", "n": 8, "text": "stop"}
NAMES = ("at", "who", "n", "text", "items[].id", "deep.list")


def line(value: object) -> bytes:
    return json.dumps(value).encode()


def logs(root: Path, *, path: str = "*.jsonl*", names: tuple[str, ...] = NAMES) -> Store:
    return open_store("logs", {"path": str(root)}, [Layout("app", path, names)])


def of(*people: Value, field: str = "who", within: Mapping[str, Span] | None = None, **more: frozenset[str]) -> Selector:
    return Selector("app", any_of={field: frozenset(people)} if people else {}, within=within or {}, **more)


def located(store: Store, selector: Selector) -> list[str]:
    return [address for batch in store.locate(selector) for address in batch.addresses]


def step(store: Store, selector: Selector, method: Method = Method.DELETE, **more: Any) -> Step:
    return Step("app", method, selector, tuple(located(store, selector)), **more)


def erase(store: Store, selector: Selector) -> int:
    return sum(store.erase(step(store, selector)))


def live(store: Store, selector: Selector) -> int:
    return store.verify(selector).live


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (line(ANN) + b"\n" + line(BOB), line(BOB)),
        (line(BOB) + b"\n" + line(ANN), line(BOB) + b"\n"),
        (line(BOB) + b"\r\n" + line(ANN) + b"\r\n" + line(BOB) + b"\r\n", line(BOB) + b"\r\n" + line(BOB) + b"\r\n"),
        (b"\n\n" + line(ANN) + b"\n \n" + line(BOB) + b"\n\n", b"\n\n \n" + line(BOB) + b"\n\n"),
        (line(ANN) + b"\n" + line(BOB) + b'\n{"who": "carl", "te', line(BOB) + b'\n{"who": "carl", "te'),
        (b"\xef\xbb\xbf" + line(ANN) + b"\n" + line(BOB) + b"\n", line(BOB) + b"\n"),
        (line(ANN) + b"\n", b""),
        (line({**ANN, "text": "two\nlines\u2028"}) + b"\n" + line(BOB) + b"\n", line(BOB) + b"\n"),
        (b'{"who": "bob-2", "who": "ann-1", "who": "carl"}\n' + line(BOB) + b"\n", line(BOB) + b"\n"),
        (b'{"who": "ann-1", "text": "caf\xe9"}\n' + line(BOB) + b"\n", line(BOB) + b"\n"),
        (b'{"who": "ann-1", "big": ' + b"9" * 5000 + b', "x": NaN, "tab": "a\tb"}\n' + line(BOB) + b"\n", line(BOB) + b"\n"),
        (b'{"wh\\u006f": "\\u0061nn-1"}\n' + line(BOB) + b"\n", line(BOB) + b"\n"),
        (line([ANN, BOB]) + b"\n" + line(BOB) + b"\n17\n", line(BOB) + b"\n17\n"),
    ],
    ids=["first", "last", "crlf", "blank", "torn", "bom", "all", "newline", "twice", "latin1", "odd", "escaped", "array"],
)
@pytest.mark.parametrize("packed", ["plain", "gzip"])
def test_rewriting_leaves_every_other_byte(tmp_path: Path, before: bytes, after: bytes, packed: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(gzip.compress(before) if packed == "gzip" else before)
    store = logs(tmp_path)
    assert live(store, of("ann-1")) == len(located(store, of("ann-1"))) == 1
    assert erase(store, of("ann-1")) == 1
    now = file.read_bytes()
    assert (gzip.decompress(now) if packed == "gzip" else now) == after
    assert live(store, of("ann-1")) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_line_that_stands_several_times_is_counted_as_often(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes((line(ANN) + b"\n") * 3 + line(BOB) + b"\n")
    store = logs(tmp_path)
    found = located(store, of("ann-1"))
    assert len(set(found)) == 3
    assert live(store, of("ann-1")) == 3
    assert live(store, of("ann-1", minus=frozenset(found[:1]))) == 0, "copies of one line share their fate"
    assert sum(store.erase(Step("app", Method.DELETE, of("ann-1", minus=frozenset(found[1:])), tuple(found)))) == 3
    assert live(store, of("ann-1")) == 3
    assert erase(store, of("ann-1")) == 3
    assert (tmp_path / "a.jsonl").read_bytes() == line(BOB) + b"\n"


@pytest.mark.parametrize(
    ("torn", "value", "field", "count"),
    [
        (b'{"at": "2026", "who": "ann-1", "te', "ann-1", "who", 1),
        (b'{"at": "2026", "who": "ann-10", "te', "ann-1", "who", 0),
        (b'{"at": "2026", "n": 7, "te', 7, "n", 1),
        (b'{"at": "2026-07-07", "text": "7', 7, "n", 0),
        (b"Traceback: no profile for ann-12345 found", "ann-12345", "who", 1),
        (b"Traceback: no profile for xann-12345 found", "ann-12345", "who", 0),
        (b"ERROR n=7 unknown", 7, "n", 1),
        (b"ERROR 7 unknown", 7, "n", 0),
        (b'{"at": "2026"} {"who": "ann-1"}', "ann-1", "who", 1),
    ],
)
def test_residue_in_what_is_no_json_is_told(tmp_path: Path, torn: bytes, value: Value, field: str, count: int) -> None:
    text = line(BOB) + b"\n" + torn + b"\n"
    (tmp_path / "a.jsonl").write_bytes(text)
    store = logs(tmp_path)
    assert located(store, of(value, field=field)) == []
    residue = store.verify(of(value, field=field))
    assert (residue.scanned, residue.live) == (2, count)
    assert "no JSON" in residue.note
    assert erase(store, of("bob-2")) == 1
    assert (tmp_path / "a.jsonl").read_bytes() == torn + b"\n"


def test_a_file_without_json_is_drift_and_one_torn_line_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"who": "ann-1"')
    assert located(logs(tmp_path), of("ann-1")) == []
    (tmp_path / "a.jsonl").write_bytes(b"who,text\nann-1,play")
    with pytest.raises(Drift):
        located(logs(tmp_path), of("ann-1"))


def test_a_damaged_archive_is_drift(tmp_path: Path) -> None:
    packed = gzip.compress(line(ANN) + b"\n" + bytes(range(256)) * 9)
    for damaged in (packed[:-9], packed[:-12] + b"garbage, sure" + packed[-8:], packed + b"trailing"):
        (tmp_path / "a.jsonl.gz").write_bytes(damaged)
        with pytest.raises(Drift):
            located(logs(tmp_path), of("ann-1"))
        with pytest.raises(Drift):
            logs(tmp_path).verify(of("ann-1"))


def test_archives_with_several_members_and_padding(tmp_path: Path) -> None:
    members = [gzip.compress(line(one) + b"\n") for one in (ANN, BOB, ANN)]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(members) + bytes(512))
    (tmp_path / "empty.jsonl.gz").write_bytes(b"")
    store = logs(tmp_path)
    assert live(store, of("ann-1")) == 2
    assert erase(store, of("ann-1")) == 2
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == line(BOB) + b"\n"


def test_mode_and_time_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(ANN) + b"\n" + line(BOB) + b"\n")
    file.chmod(0o640)
    os.utime(file, ns=(1_700_000_000_123_456_789, 1_700_000_001_123_456_789))
    erase(logs(tmp_path), of("ann-1"))
    status = file.stat()
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o640, 1_700_000_001_123_456_789)
    before = file.stat()
    erase(logs(tmp_path), of("ann-1"))
    assert file.stat().st_ino == before.st_ino, "nothing to change, nothing written"


def test_lines_appended_meanwhile_are_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes((line(ANN) + b"\n" + line(BOB) + b"\n") * 3)
    late = iter([b'{"late": 1}\n{"la', b'te": 2}\n', b'{"late": 3}'])

    def change(body: bytes) -> bytes | None:
        with file.open("ab") as log:
            log.write(next(late, b""))
        return None if body == line(ANN) else body

    assert rewrite(file, change, "logs") == 3
    assert file.read_bytes() == (line(BOB) + b"\n") * 3 + b'{"late": 1}\n{"late": 2}\n{"late": 3}'


def test_a_member_appended_to_an_archive_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(line(ANN) + b"\n" + line(BOB) + b"\n"))
    sync, late = os.fsync, [b"one\n", b"two\n"]

    def slow(handle: int) -> None:
        sync(handle)
        if late:
            with file.open("ab") as log:
                log.write(gzip.compress(late.pop(0)))

    monkeypatch.setattr(os, "fsync", slow)
    rewrite(file, lambda body: None if body == line(ANN) else body, "logs")
    assert gzip.decompress(file.read_bytes()) == line(BOB) + b"\none\ntwo\n"


def test_a_line_written_just_before_the_new_name_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(ANN) + b"\n" + line(BOB) + b"\n")
    replace = Path.replace

    def late(self: Path, target: Path) -> Path:
        with file.open("ab") as log:
            log.write(b'{"late": 1}\n')
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", late)
    rewrite(file, lambda body: None if body == line(ANN) else body, "logs")
    assert file.read_bytes() == line(BOB) + b'\n{"late": 1}\n'


@pytest.mark.parametrize("how", ["replaced", "cut", "edited", "removed"])
def test_a_file_changed_otherwise_is_a_conflict_and_stays_as_it_is(tmp_path: Path, how: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(ANN) + b"\n" + line(BOB) + b"\n")
    other = line({**BOB, "text": "stay"}) + b"\n" + line(BOB) + b"\n"

    def change(_: bytes) -> bytes | None:
        if how == "replaced":
            file.rename(tmp_path / "a.jsonl.1")
            file.write_bytes(other)
        elif how == "cut":
            os.truncate(file, 3)
        elif how == "edited":
            with file.open("r+b") as log:
                log.write(b"[")
            os.utime(file)
        else:
            file.unlink(missing_ok=True)
        return None

    with pytest.raises(Conflict) as caught:
        rewrite(file, change, "logs")
    assert caught.value.retryable
    assert not list(tmp_path.glob(".expunge-*"))
    assert how != "replaced" or file.read_bytes() == other
    assert how != "cut" or file.stat().st_size == 3


def test_a_log_rotated_between_locate_and_erase_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(ANN) + b"\n" + line(BOB) + b"\n")
    (tmp_path / "b.jsonl").write_bytes(line({**ANN, "n": 9}) + b"\n")
    store = logs(tmp_path)
    work = step(store, of("ann-1"))
    (tmp_path / "a.jsonl.1.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    (tmp_path / "a.jsonl").write_bytes(line(BOB) + b"\n")
    (tmp_path / "b.jsonl").rename(tmp_path / "b.jsonl.1")
    assert sum(store.erase(work)) == 2
    assert live(store, of("ann-1")) == 0
    assert live(store, of("bob-2")) == 2


def test_redact_changes_only_the_values(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf{ "who" : "ann-1",\t"text":{"said": ["play", {"x": "]}\\""}]} , '
    text += b'"items":[ {"id": 7}, {"id":null},{"id": "8"} ],"n": 1.50 }'
    (tmp_path / "a.jsonl").write_bytes(text + b"\n" + line(BOB))
    store = logs(tmp_path)
    fields = ("text", "items[].id")
    selector = of("ann-1", present=frozenset(fields))
    work = step(store, selector, Method.REDACT, fields=fields)
    assert sum(store.erase(work)) == 1
    assert (tmp_path / "a.jsonl").read_bytes() == (
        b'\xef\xbb\xbf{ "who" : "ann-1",\t"text":null , "items":[ {"id": null}, {"id":null},{"id": null} ],"n": 1.50 }\n' + line(BOB)
    )
    assert located(store, selector) == []
    assert live(store, selector) == 0
    assert sum(store.erase(work)) == 1


def test_decorrelate_keeps_the_type_that_stood_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"who": 7, "n": "7"}\n{"who": "x", "n": 7}')
    store = logs(tmp_path)
    selector = Selector("app", any_of={"n": frozenset({7})})
    sum(store.erase(step(store, selector, Method.DECORRELATE, repoint={"n": 0, "who": "nobody"})))
    assert (tmp_path / "a.jsonl").read_bytes() == b'{"who": "nobody", "n": "0"}\n{"who": "nobody", "n": 0}'


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01 13:00:00+01:00",
        "2026-03-01T12:00:00",
        "1772366400000",
        *(1772366400 * unit for unit in (1, 1.0, 10**3, 10**6, 10**9)),
    ],
)
def test_times_are_read_as_logs_write_them(tmp_path: Path, at: object) -> None:
    (tmp_path / "a.jsonl").write_bytes(line({"who": "ann-1", "at": at}))
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    store = logs(tmp_path)
    for span, count in ((Span(noon, noon + timedelta(seconds=1)), 1), (Span(None, noon), 0)):
        for selector in (of("ann-1", within={"at": span}), of(within={"at": span})):
            assert len(located(store, selector)) == live(store, selector) == count
    exactly = of(noon, field="at")
    assert len(located(store, exactly)) == live(store, exactly) == 1


@pytest.mark.parametrize("at", ["yesterday", True, [], 1e30, "9" * 5000, -9e10])
def test_a_time_that_cannot_be_read_is_drift_where_it_decides(tmp_path: Path, at: object) -> None:
    (tmp_path / "a.jsonl").write_bytes(line({"who": "ann-1", "at": at}) + b"\n" + line(BOB))
    store, always = logs(tmp_path), {"at": Span()}
    assert len(located(store, of("bob-2", within=always))) == 1
    for deed in (lambda: located(store, of("ann-1", within=always)), lambda: store.verify(of("ann-1", within=always))):
        with pytest.raises(Drift):
            deed()


def test_paths_go_through_lists_and_keys_with_dots(tmp_path: Path) -> None:
    texts = [
        b'{"who": "x", "items": [{"id": 1}, {"id": [2, 3]}], "deep": {"list": ["a", "b"]}}',
        b'{"who": "x", "items.id": 4, "deep.list": "c"}',
        b'{"who": "x", "items": {"id": "5"}}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(texts))
    store = logs(tmp_path)
    for field, values, count in (("items[].id", (1, 2, 3), 1), ("items[].id", (3, 4, 5), 3), ("deep.list", ("b", "c"), 2)):
        assert len(located(store, of(*values, field=field))) == live(store, of(*values, field=field)) == count
    (batch,) = store.locate(of(2, "5", field="items[].id"), ("items[].id", "deep.list", "n"))
    assert batch.carried == {"items[].id": (1, "5"), "deep.list": ("a", None), "n": (None, None)}


def test_a_field_that_no_line_has_is_drift_if_it_may_be_there_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"whoo": "ann-1", "n": null, "text": "x", "items": [{"kind": 1}]}')
    store = logs(tmp_path)
    renamed = (of("ann-1"), of("x", field="text", present=frozenset({"who"})), of(within={"at": Span()}))
    for selector in (*renamed, of(1, field="items[].id"), of(1, field="deep.list")):
        with pytest.raises(Drift):
            located(store, selector)
        assert live(store, selector) == 0
    assert located(store, of(1, field="n")) == []
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert located(store, of("ann-1")) == [], "an empty log is a true zero"


def test_a_field_that_no_line_has_is_a_true_zero_if_all_beside_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"n": 1, "items": [{"kind": 1}]}')
    store = logs(tmp_path, names=(*NAMES, "items[].kind"))
    for selector in (of("ann-1"), of(1, field="items[].id")):
        assert located(store, selector) == []
    with pytest.raises(Drift):
        located(store, of(1, field="deep.list"))


def test_describe_tells_what_the_lines_hold(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'{"who": "a", "n": 1, "at": "2026-03-01T12:00:00Z", "ok": true, "items": [{"id": 1}], "deep": {"list": {}}, "ms": 1}\n'
        b'{"who": "b", "n": null, "at": null, "ms": 1.5, "extra": {"mixed": 1}}\n{"extra": {"mixed": "x"}}\n{"torn": "'
    )
    (shape,) = logs(tmp_path).describe()
    assert {field.name: field.type.value for field in shape.fields} == {
        "at": "time",
        "deep.list": "json",
        "extra.mixed": "text",
        "items[].id": "integer",
        "ms": "real",
        "n": "integer",
        "ok": "boolean",
        "who": "text",
    }
    assert shape.about == 4


def test_missing_empty_and_misplaced_are_three_answers(tmp_path: Path) -> None:
    (shape,) = logs(tmp_path).describe()
    assert (shape.about, {field.name for field in shape.fields}) == (0, set(NAMES))
    assert located(logs(tmp_path), of("ann-1")) == []
    for root in (tmp_path / "nowhere", tmp_path / "file"):
        (tmp_path / "file").write_bytes(b"")
        for deed in (lambda store: located(store, of("ann-1")), lambda store: store.verify(of("ann-1")), lambda store: store.describe()):
            with pytest.raises(Drift):
                deed(logs(root))
    for glob in ("", "../*.jsonl", "/etc/*", "a/../../b"):
        with pytest.raises(Drift):
            logs(tmp_path, path=glob)
    with pytest.raises(Drift):
        open_store("logs", {}, [])


@pytest.mark.parametrize(
    ("glob", "taken"),
    [
        ("*.jsonl", {"a.jsonl", ".b.jsonl"}),
        ("logs/app-*.jsonl*", {"logs/app-1.jsonl", "logs/app-2.jsonl.gz"}),
        ("logs/app-[!2]*.jsonl", {"logs/app-1.jsonl"}),
        ("logs/app-?.jsonl", {"logs/app-1.jsonl"}),
        ("**/*.jsonl", {"a.jsonl", ".b.jsonl", "logs/app-1.jsonl", "logs/old/deep/c.jsonl"}),
        ("logs/**", {"logs/app-1.jsonl", "logs/app-2.jsonl.gz", "logs/old/deep/c.jsonl"}),
        ("logs/**/c.jsonl", {"logs/old/deep/c.jsonl"}),
        ("logs/[", set()),
    ],
)
def test_both_listings_take_the_same_files(tmp_path: Path, glob: str, taken: set[str]) -> None:
    for name in ("a.jsonl", ".b.jsonl", ".expunge-12345678-a.jsonl", "logs/app-1.jsonl", "logs/app-2.jsonl.gz", "logs/old/deep/c.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files = Files("logs", tmp_path, glob)
    assert set(files.listed()) == set(files.walked()) == taken


def test_links_inside_are_their_files_and_links_outside_are_an_error(tmp_path: Path) -> None:
    root, outside = tmp_path / "logs", tmp_path / "outside.log"
    (root / "real").mkdir(parents=True)
    (root / "real/today.log").write_bytes(line(ANN) + b"\n" + line(BOB))
    (root / "current.jsonl").symlink_to("real/today.log")
    store = logs(root)
    assert erase(store, of("ann-1")) == 1
    assert (root / "current.jsonl").is_symlink()
    assert (root / "real/today.log").read_bytes() == line(BOB)
    outside.write_bytes(line(ANN))
    (root / "b.jsonl").symlink_to(outside)
    for deed in (lambda: located(store, of("ann-1")), lambda: store.verify(of("ann-1"))):
        with pytest.raises(Drift):
            deed()


def test_read_gives_the_lines_in_the_order_asked(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(ANN) + b"\n" + line(BOB) + b'\n{"who": "ann-1", "n": 1, "n": 2}')
    store = logs(tmp_path)
    assert isinstance(store, Reader)
    found = located(store, of("ann-1", "bob-2"))
    records = list(store.read("app", [found[2], found[0], "gone.jsonl#00", found[0][:-2] + "zz"]))
    assert [record.fields for record in records] == [{"who": ["ann-1"], "n": [1, 2]}, ANN]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes((line(BOB) + b"\n") * 2000 + line(ANN) + b"\n")
    before = file.read_bytes()
    store = logs(tmp_path)
    work = step(store, of("ann-1"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(Full) as caught:
            list(store.erase(work))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.retryable
    assert file.read_bytes() == before
    assert not list(tmp_path.glob(".expunge-*"))


def test_an_unfinished_rewrite_is_told_and_removed_unless_somebody_is_at_it(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line(BOB))
    left, other = tmp_path / ".expunge-0a1b2c3d-a.jsonl", tmp_path / ".expunge-0a1b2c3d-notes.txt"
    for path in (left, other):
        path.write_bytes(line(ANN))
    store = logs(tmp_path)
    assert (live(store, of("ann-1")), store.verify(of("ann-1")).history) == (0, 1)
    with left.open("rb") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        store.reclaim(of("ann-1"))
        assert left.exists()
    assert store.reclaim(of("ann-1")).note == "1 removed"
    assert not left.exists()
    assert other.exists()
    assert store.verify(of("ann-1")).history == 0


CHILD = """
import sys
from expunge.stores.jsonl_rewrite import rewrite
from pathlib import Path
print("ready", flush=True)
file, turn = Path(sys.argv[1]), 0
while True:
    turn += 1
    rewrite(file, lambda line: line.replace(b'"odd"', b'"even"') if turn % 2 else line.replace(b'"even"', b'"odd"'), "logs")
"""


@pytest.mark.parametrize("packed", ["plain", "gzip"])
def test_a_killed_rewrite_leaves_the_old_file_or_the_new_one(tmp_path: Path, packed: str) -> None:
    file = tmp_path / "a.jsonl"
    whole = [b"".join(line({"n": n, "who": who}) + b"\n" for n in range(3000)) for who in ("odd", "even")]
    file.write_bytes(gzip.compress(whole[0]) if packed == "gzip" else whole[0])
    draw = random.Random(7)
    left = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(file)], stdout=subprocess.PIPE) as child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(draw.uniform(0.02, 0.25))
            child.send_signal(signal.SIGKILL)
        now = file.read_bytes()
        assert (gzip.decompress(now) if packed == "gzip" else now) in whole
        left += len(list(tmp_path.glob(".expunge-*")))
        store = logs(tmp_path)
        assert store.verify(of("x")).history == len(list(tmp_path.glob(".expunge-*")))
        store.reclaim(of("x"))
        assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert left, "at least one kill hit a rewrite in the middle"


KEYS = st.sampled_from(["a", "b", "who", "a.b", 'q"\\', "é", ""])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False), st.text(max_size=6))
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=12
)
SPACED = st.sampled_from([(",", ":"), (" , ", " : "), (",\t", ":\r")])


def flat(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Every scalar with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, path)
    else:
        yield ".".join(path), value


@FAST
@given(VALUES, SPACED, st.booleans())
def test_the_scanner_reads_what_the_standard_library_reads(value: object, spaced: tuple[str, str], escaped: object) -> None:
    text = json.dumps(value, separators=spaced, ensure_ascii=bool(escaped))
    leaves, whole = scan(text)
    assert whole
    assert sorted(map(repr, flat(json.loads(text)))) == sorted(
        repr((leaf.path, leaf.value)) for leaf in leaves if leaf.value is not CONTAINER
    )
    assert all(scan(text[: leaf.end])[0][-1:] for leaf in leaves)


@FAST
@given(st.dictionaries(KEYS, VALUES, max_size=4), SPACED, st.booleans(), SCALARS)
def test_what_the_parser_finds_the_scanner_finds(value: object, spaced: tuple[str, str], escaped: object, sought: object) -> None:
    text = json.dumps(value, separators=spaced, ensure_ascii=bool(escaped)).encode()
    leaves = scan(text.decode())[0]
    known = [one for _, one in flat(value) if one is not None]
    for wanted in [*known, *([sought] if sought is not None else [])]:
        for field in ("who", "a.b", "a"):
            conditions = Conditions.of(Selector("app", any_of={field: frozenset({cast("Value", wanted)})}), "logs")
            parsed = conditions.hold(getter(parse(text)))
            assert parsed == conditions.hold(leaf_getter(leaves))
            assert conditions.perhaps(text) or not parsed


@FAST
@given(st.binary(max_size=40))
def test_no_bytes_break_the_readers(noise: bytes) -> None:
    scan(text_in(noise))
    parse(noise)
    assert text_in(noise).encode(errors="surrogateescape") == noise.removeprefix(b"\xef\xbb\xbf")
