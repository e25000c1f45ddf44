"""Delta tables behind a network: the laws, on a real S3 protocol. The client that looks at the bytes is boto3's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import astuple
from io import BytesIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from expunge.terms import Method, Selector, Step
from expunge.testing.conformance import FIELDS, Harness, Row, StoreLaws
from expunge.testing.relay import Relay
from expunge.testing.services import S3
from tests.stores.lakes import SCHEMA, Placed

MARK = "qzv7k2mw94xj"
IMPATIENT = {"max_retries": "1", "retry_timeout": "2s", "connect_timeout": "2s", "timeout": "20s"}


def options_of(s3: S3, endpoint: str) -> dict[str, str]:
    return IMPATIENT | {**s3.environment, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_CONDITIONAL_PUT": "etag"}


class Apart:
    """A relay in a process of its own: ``deltalake`` holds the interpreter's lock while it waits for some answers."""

    def __init__(self, to_port: int) -> None:
        self.pipe, theirs = get_context("spawn").Pipe()
        self.process = get_context("spawn").Process(target=relayed, args=(to_port, theirs), daemon=True)
        self.process.start()
        self.port: int = self.pipe.recv()

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.turn()
        try:
            yield
        finally:
            self.turn()

    def turn(self) -> None:
        self.pipe.send("turn")
        self.pipe.recv()

    def close(self) -> None:
        self.process.terminate()
        self.process.join()


def relayed(to_port: int, pipe: Connection) -> None:
    through = Relay(to_port)
    pipe.send(through.port)
    while pipe.recv():
        with through.outage():
            pipe.send("cut")
            pipe.recv()
        pipe.send("back")


class BucketHarness(Harness):
    """A table of three commits in a bucket without versions."""

    bulk = 12
    examples = 3

    def __init__(self, s3: S3, relay: Apart) -> None:
        self.client, self.bucket, self.relay = s3.client(), s3.bucket(versioned=False), relay
        self.direct = options_of(s3, s3.endpoint)
        self.relayed = options_of(s3, f"http://127.0.0.1:{relay.port}")
        self.table = f"s3://{self.bucket}/lake/notes"

    def open(self) -> Store:
        options = {"url": f"s3://{self.bucket}/lake", "storage_options": self.relayed, "batch": 1}
        return open_store("delta", "lake", options, [Placed("notes", "notes")])

    def keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def seed(self, rows: Iterable[Row]) -> None:
        for key in self.keys():
            self.client.delete_object(Bucket=self.bucket, Key=key)
        rows = list(rows)
        for part in range(3):
            chosen = [dict(zip(FIELDS, astuple(one), strict=True)) for one in rows[part::3]]
            write_deltalake(self.table, pa.Table.from_pylist(chosen, SCHEMA), mode="append", storage_options=self.direct)

    def dump(self) -> list[Row]:
        found: list[dict[str, Any]] = pa.table(DeltaTable(self.table, storage_options=self.direct).scan()).to_pylist()
        return [Row(**row) for row in found]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for key in self.keys():
            held = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            yield "key", key.encode()
            yield key, held
            if key.endswith(".parquet"):
                yield key, str(pq.ParquetFile(BytesIO(held)).read().to_pylist()).encode()

    def outage(self) -> AbstractContextManager[None]:
        return self.relay.outage()

    def close(self) -> None:
        self.client.close()


@pytest.fixture(scope="module")
def relay(s3: S3) -> Iterator[Apart]:
    with closing(Apart(int(s3.endpoint.rpartition(":")[2]))) as through:
        yield through


@pytest.fixture
def harness(s3: S3, relay: Apart) -> Iterator[BucketHarness]:
    with closing(BucketHarness(s3, relay)) as harness:
        yield harness


@pytest.mark.slow  # two minutes; the test below is the short of it
class TestDeltaInABucket(StoreLaws):
    pass


def test_a_table_in_a_bucket_is_erased_to_the_last_byte(harness: BucketHarness) -> None:
    harness.seed([Row(number, MARK if number % 2 else "bob") for number in range(1, 10)])
    selector = Selector("notes", any_of={"owner": frozenset({MARK})})
    with closing(harness.open()) as store:
        places = tuple(one for batch in store.locate(selector) for one in batch.addresses)
        before = store.verify(selector)
        assert (before.scanned, before.live, before.history) == (9, 5, None)
        assert "bucket itself" in before.note
        assert sorted(store.erase(Step("notes", Method.DELETE, selector, places))) == [1, 2, 2]
        told = store.verify(selector)
        assert (told.live, told.history) == (0, 5 + 3 * 2), "rows of old files, and the commits that added and removed these"
        store.reclaim(selector)
        after = store.verify(selector)
    assert (after.scanned, after.live, after.history) == (4, 0, None), "what the bucket keeps is unknown, not nothing"
    assert {one.owner for one in harness.dump()} == {"bob"}
    assert not [place for place, held in harness.raw() if MARK.encode() in held]
