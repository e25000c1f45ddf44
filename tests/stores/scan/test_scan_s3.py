"""Every version of every object comes out of a scan once, as it was when it was listed; what can't be read is told."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.hunt.pieces import Why
from expunge.stores import scan_s3_object
from expunge.stores.base import Part
from expunge.stores.scan_registry import open_scan
from expunge.stores.scan_s3 import S3Scan
from expunge.testing.services import S3
from tests.stores.scan.reading import bytes_of, readable, streams, unread


@pytest.fixture(autouse=True)
def _credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def client(s3: S3) -> Iterator[Any]:
    with closing(s3.client()) as client:
        yield client


@contextmanager
def scanning(s3: S3, address: str) -> Iterator[S3Scan]:
    with closing(open_scan(f"s3://{address}", options={"endpoint_url": s3.endpoint})) as scan:
        assert isinstance(scan, S3Scan)
        yield scan


STEPS = st.sampled_from(["a", "b", "/", " ", "é", "?", "%", "+", "?versionId=1", "#"])
KEYS = st.lists(STEPS, min_size=1, max_size=5).map("".join).filter(lambda key: "//" not in key and key[0] != "/")
LAW = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
WRITES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=30)), max_size=8)


def planted_comes_out_once(s3: S3, client: Any, writes: list[tuple[str, bytes | None]], *, versioned: bool) -> None:
    bucket = s3.bucket(versioned=versioned)
    planted: dict[str, list[bytes]] = {}
    for key, body in writes:
        if body is None:
            client.delete_object(Bucket=bucket, Key=key)
            if not versioned:
                planted.pop(key, None)
        else:
            client.put_object(Bucket=bucket, Key=key, Body=body)
            planted[key] = [*planted.get(key, []), body] if versioned else [body]
    with scanning(s3, bucket) as scan:
        found: dict[str, list[bytes]] = {}
        for part in scan.parts():
            version = part.range.split(" ")[0]
            found.setdefault(part.name.removesuffix(f"?versionId={version}"), []).append(bytes_of(scan, part))
            assert part.size == len(found[part.name.removesuffix(f"?versionId={version}")][-1])
        assert {key: sorted(bodies) for key, bodies in found.items()} == {key: sorted(bodies) for key, bodies in planted.items()}


@settings(LAW, max_examples=6)
@given(writes=WRITES, versioned=st.sampled_from([True, False]))
def test_everything_planted_comes_out_once(s3: S3, client: Any, writes: list[tuple[str, bytes | None]], *, versioned: bool) -> None:
    planted_comes_out_once(s3, client, writes, versioned=versioned)


@pytest.mark.slow
@settings(LAW, max_examples=80)
@given(writes=WRITES, versioned=st.sampled_from([True, False]))
def test_everything_planted_comes_out_once_many_times(
    s3: S3, client: Any, writes: list[tuple[str, bytes | None]], *, versioned: bool
) -> None:
    planted_comes_out_once(s3, client, writes, versioned=versioned)


def test_current_versions_have_plain_names(s3: S3, client: Any) -> None:
    bucket = s3.bucket()
    old = client.put_object(Bucket=bucket, Key="a", Body=b"old")["VersionId"]
    client.put_object(Bucket=bucket, Key="a", Body=b"new")
    gone = client.put_object(Bucket=bucket, Key="b", Body=b"deleted")["VersionId"]
    client.delete_object(Bucket=bucket, Key="b")
    with scanning(s3, bucket) as scan:
        assert streams(scan) == {"a": b"new", f"a?versionId={old}": b"old", f"b?versionId={gone}": b"deleted"}


def test_a_prefix_is_a_folder_or_a_key(s3: S3, client: Any) -> None:
    bucket = s3.bucket()
    for key in ("dir", "dir-x", "dir/a", "dir/b/c", "dirt/z", "other"):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for prefix, keys in (("dir", ["dir", "dir/a", "dir/b/c"]), ("dir/", ["dir", "dir/a", "dir/b/c"]), ("other", ["other"])):
        with scanning(s3, f"{bucket}/{prefix}") as scan:
            assert streams(scan) == {key: key.encode() for key in keys}
    with scanning(s3, f"{bucket}/mising") as scan, pytest.raises(Drift):
        list(scan.parts())
    with scanning(s3, s3.bucket()) as scan:
        assert not list(scan.parts()), "an empty bucket is a true zero"
    with scanning(s3, "no-such-bucket") as scan, pytest.raises(Drift):
        list(scan.parts())


def test_what_cannot_be_read_is_told(s3: S3, client: Any) -> None:
    bucket = s3.bucket()
    client.put_object(Bucket=bucket, Key="cold", Body=b"x", StorageClass="GLACIER")
    upload = client.create_multipart_upload(Bucket=bucket, Key="begun")["UploadId"]
    with scanning(s3, bucket) as scan:
        assert {(name, why) for name, _, why in unread(scan)} == {("cold", Why.UNREACHABLE), (f"begun?uploadId={upload}", Why.UNREACHABLE)}


@pytest.mark.parametrize(("code", "why"), [("AccessDenied", Why.DENIED), ("NotImplemented", Why.UNSUPPORTED)])
def test_versions_that_may_not_be_listed_are_told(s3: S3, client: Any, code: str, why: Why) -> None:
    bucket = s3.bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"x")

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "List")

    with scanning(s3, bucket) as scan:
        scan._open.client.meta.events.register("before-call.s3.ListObjectVersions", refuse)
        scan._open.client.meta.events.register("before-call.s3.ListMultipartUploads", refuse)
        assert unread(scan) == {("", "older versions", why), ("", "unfinished uploads", why)}
        assert streams(scan) == {"a": b"x"}
        scan._open.client.meta.events.register("before-call.s3.ListObjectsV2", refuse)
        with pytest.raises(Refused):
            list(scan.parts())


def test_an_object_can_be_sought_without_reading_it_whole(s3: S3, client: Any) -> None:
    body = random.Random(7).randbytes(9 << 20)
    bucket = s3.bucket(versioned=False)
    client.put_object(Bucket=bucket, Key="a", Body=body)
    with scanning(s3, bucket) as scan:
        fetched: list[str] = []
        scan._open.client.meta.events.register("before-call.s3.GetObject", lambda params, **_: fetched.append(params["headers"]["Range"]))
        (part,) = scan.parts()
        with scan.stream(part) as file:
            assert file.seek(-8, io.SEEK_END) == len(body) - 8
            assert file.read() == body[-8:]
            assert file.seek(5 << 20) == 5 << 20
            assert file.read(100) == body[5 << 20 :][:100]
            assert file.seek(700_000, io.SEEK_CUR)
            assert file.read(10) == body[(5 << 20) + 100 + 700_000 :][:10]
        asked = [int(one.split("=")[1].split("-")[1]) - int(one.split("=")[1].split("-")[0]) + 1 for one in fetched]
        assert sum(asked) < 4 << 20
        fetched.clear()
        with scan.stream(part) as file:
            assert file.read() == body
        assert len(fetched) < 6, "ranges grow"


@settings(LAW, max_examples=8)
@given(steps=st.lists(st.tuples(st.integers(0, 3 << 20), st.integers(0, 1 << 20)), max_size=6), versioned=st.booleans())
def test_reading_anywhere_gives_what_lies_there(s3: S3, client: Any, steps: list[tuple[int, int]], *, versioned: bool) -> None:
    body = random.Random(11).randbytes(3 << 20)
    bucket = s3.bucket(versioned=versioned)  # the test server gives older versions only whole
    client.put_object(Bucket=bucket, Key="a", Body=body)
    with scanning(s3, bucket) as scan:
        (part,) = scan.parts()
        with scan.stream(part) as file:
            for start, count in steps:
                file.seek(start)
                assert file.read(count) == body[start : start + count]


def test_what_changed_since_is_a_conflict(s3: S3, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_s3_object, "FIRST", 1 << 16)
    bucket = s3.bucket(versioned=False)
    for key in ("overwritten", "deleted", "during"):
        client.put_object(Bucket=bucket, Key=key, Body=b"old" * 100_000)
    with scanning(s3, bucket) as scan:
        parts = {part.name: part for part in readable(scan)}
        client.put_object(Bucket=bucket, Key="overwritten", Body=b"new")
        client.delete_object(Bucket=bucket, Key="deleted")
        for key in ("overwritten", "deleted"):
            with pytest.raises(Conflict):
                scan.stream(parts[key])
        with scan.stream(parts["during"]) as file:
            file.read(10)
            client.put_object(Bucket=bucket, Key="during", Body=b"new" * 100_000)
            with pytest.raises(Conflict):
                file.read()
        with pytest.raises(Refused):
            scan.rows(Part("x"))


def test_a_line_that_breaks_is_taken_up_again(s3: S3, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = random.Random(3).randbytes(3 << 20)
    bucket = s3.bucket()
    client.put_object(Bucket=bucket, Key="a", Body=body)
    faults = iter([False, True, False, True, True, False, *[True] * 9])
    read = scan_s3_object.S3Object._read

    def broken(self: scan_s3_object.S3Object, start: int, into: memoryview) -> int:
        if next(faults, False):
            raise ReadTimeoutError(endpoint_url="x")
        return read(self, start, into)

    with scanning(s3, bucket) as scan:
        (part,) = scan.parts()
        monkeypatch.setattr(scan_s3_object.S3Object, "_read", broken)
        with scan.stream(part) as file:
            assert file.read(3 * (256 << 10)) == body[: 3 * (256 << 10)]
            with pytest.raises(Unavailable):
                file.read()


def test_nobody_there(s3: S3) -> None:
    with closing(open_scan("s3://bucket", options={"endpoint_url": "http://127.0.0.1:1"})) as scan, pytest.raises(Unavailable):
        list(scan.parts())
