"""JSON-lines logs, plain and gzip: the laws, and what log files add."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from expunge.stores.base import Store
from expunge.stores.jsonl import open_store
from expunge.testing.conformance import Harness, Row, StoreLaws

FIELDS = {"id": "id", "owner": "request.owner", "number": "request.number", "body": "items[].said", "at": "at"}


@dataclass(frozen=True)
class Layout:
    """A collection as a policy declares it."""

    name: str
    path: str
    field_names: tuple[str, ...]
    sparse: tuple[str, ...] = ()

    @property
    def layout(self) -> Mapping[str, object]:
        return {"path": self.path, "sparse": self.sparse}


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
