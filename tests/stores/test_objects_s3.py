"""Objects in S3, versioned and not: the laws, and what a bucket adds. The server is real; the client that checks is boto3's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.stores.base import Store
from expunge.stores.objects import Objects, open_store
from expunge.stores.objects_s3 import Bucket
from expunge.terms import Method, Selector, Step
from expunge.testing.conformance import Gap, Harness, Row, StoreLaws
from expunge.testing.relay import Relay
from expunge.testing.services import S3

pytestmark = pytest.mark.s3

UNLISTABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
REWRITES = (
    "redact_of_one_field_keeps_the_other",
    "redact_twice_is_once",
    "redact_stops_at_any_batch_and_resumes",
    "redacted_bytes_are_told_then_gone",
    "decorrelate_repoints",
    "decorrelate_nulls_along_with_it",
    "decorrelate_twice_is_once",
    "repointed_bytes_are_told_then_gone",
)
GAPS = dict.fromkeys(REWRITES, Gap("objects are deleted whole", Refused))


@dataclass(frozen=True)
class Layout:
    """A collection as a policy declares it."""

    name: str
    objects: str

    @property
    def layout(self) -> Mapping[str, object]:
        return {"objects": self.objects}

    @property
    def field_names(self) -> tuple[str, ...]:
        return ()


def purge(client: Any, bucket: str) -> None:
    """Empty a bucket by our own means."""
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            client.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])


class BucketHarness(Harness):
    """Rows are objects; every second one was overwritten once, so that a versioned bucket has old versions."""

    fields: Mapping[str, str] = {"id": "id", "owner": "owner", "body": "body", "at": "last_modified"}
    gaps = GAPS
    bulk = 60
    examples = 5

    def __init__(self, s3: S3, relay: Relay, *, versioned: bool) -> None:
        self.client, self.bucket, self.relay, self.versioned = s3.client(), s3.bucket(versioned=versioned), relay, versioned

    def open(self) -> Store:
        options = {"url": f"s3://{self.bucket}/app", "batch": 20, "endpoint_url": f"http://127.0.0.1:{self.relay.port}"}
        return open_store("media", options, [Layout("notes", "notes/{owner}/{id}.txt")])

    def seed(self, rows: Iterable[Row]) -> None:
        purge(self.client, self.bucket)
        for row in rows:
            for body in (f"older {row.body}", row.body or "")[row.id % 2 :]:
                self.client.put_object(Bucket=self.bucket, Key=f"app/notes/{row.owner}/{row.id}.txt", Body=body.encode())

    def bury(self, rows: Iterable[Row]) -> bool:
        for row in rows if self.versioned else ():
            key = f"app/notes/{row.owner}/{row.id}.txt"
            self.client.put_object(Bucket=self.bucket, Key=key, Body=(row.body or "").encode())
            self.client.delete_object(Bucket=self.bucket, Key=key)
        return self.versioned

    def dump(self) -> list[Row]:
        found = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [self._row(one) for page in found for one in page.get("Contents", ())]

    def _row(self, listed: Mapping[str, Any]) -> Row:
        _, _, owner, name = listed["Key"].split("/")
        body = self.client.get_object(Bucket=self.bucket, Key=listed["Key"])["Body"].read()
        return Row(int(name.removesuffix(".txt")), owner, None, body.decode() or None, listed["LastModified"])

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for page in self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                yield "key", one["Key"].encode()
            for one in page.get("Versions", ()):
                yield "version", self.client.get_object(Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()

    def outage(self) -> AbstractContextManager[None]:
        return self.relay.outage()

    def holds(self, owner: str) -> bool:
        # The test server lists versions without URL-encoding, so it can't list what XML can't say; S3 itself can.
        return not UNLISTABLE.search(owner) and "/" not in owner and len(owner.encode()) < 900

    def close(self) -> None:
        self.client.close()


@pytest.fixture(scope="module")
def relay(s3: S3) -> Iterator[Relay]:
    with closing(Relay(int(s3.endpoint.rpartition(":")[2]))) as through:
        yield through


@pytest.fixture(autouse=True)
def _credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.slow
class TestBucket(StoreLaws):
    @pytest.fixture
    def harness(self, s3: S3, relay: Relay) -> Iterator[Harness]:
        with closing(BucketHarness(s3, relay, versioned=False)) as harness:
            yield harness


class TestVersionedBucket(StoreLaws):
    @pytest.fixture
    def harness(self, s3: S3, relay: Relay) -> Iterator[Harness]:
        with closing(BucketHarness(s3, relay, versioned=True)) as harness:
            yield harness


class Clips:
    """A bucket of voice clips, the store on it, and what the tests do and see by the client."""

    def __init__(self, s3: S3, *, versioned: bool = True, locked: bool = False) -> None:
        self.client, self.bucket = s3.client(), s3.bucket(versioned=versioned, locked=locked)
        self.store = open_store("media", {"url": f"s3://{self.bucket}"}, [Layout("clips", "voice/{profile}/{clip}.wav")])

    def put(self, key: str, body: bytes = b"sound", **more: Any) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def copies(self) -> set[tuple[str, str]]:
        """(key, kind) of every version, marker and unfinished upload."""
        found: set[tuple[str, str]] = set()
        for page in self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            found |= {(one["Key"], "version") for one in page.get("Versions", ())}
            found |= {(one["Key"], "marker") for one in page.get("DeleteMarkers", ())}
        return found | {(one["Key"], "upload") for one in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())}

    def located(self, *profiles: str) -> list[str]:
        return [address for batch in self.store.locate(of(*profiles)) for address in batch.addresses]

    def erase(self, *profiles: str) -> list[int]:
        return list(self.store.erase(Step("clips", Method.DELETE, of(*profiles), tuple(self.located(*profiles)))))

    @property
    def medium(self) -> Bucket:
        assert isinstance(self.store, Objects)
        assert isinstance(self.store._medium, Bucket)
        return self.store._medium


def of(*profiles: str) -> Selector:
    return Selector("clips", any_of={"profile": frozenset(profiles)})


@pytest.fixture
def clips(s3: S3) -> Iterator[Clips]:
    held = Clips(s3)
    yield held
    held.store.close()
    held.client.close()


def test_a_sibling_that_shares_the_prefix_stays(clips: Clips) -> None:
    siblings = {"voice/17/a.wav.bak", "voice/170/a.wav", "voice/17a/a.wav", "voice/17/a.wav/x", "voice/1/7/a.wav", "voice/17"}
    for key in {"voice/17/a.wav", *siblings}:
        clips.put(key)
    assert clips.erase("17") == [1]
    assert {key for key, _ in clips.copies()} == siblings


def test_what_hides_under_a_delete_marker_is_found_and_erased(clips: Clips) -> None:
    clips.put("voice/17/a.wav")
    clips.put("voice/17/b.wav")
    clips.client.delete_object(Bucket=clips.bucket, Key="voice/17/a.wav")
    before = clips.store.verify(of("17"))
    assert (before.scanned, before.live, before.history) == (2, 1, 2)
    assert clips.located("17") == ["voice/17/a.wav", "voice/17/b.wav"]
    clips.erase("17")
    assert clips.copies() == set()
    after = clips.store.verify(of("17"))
    assert (after.live, after.history) == (0, 0)


def test_reclaim_takes_the_history_of_what_is_gone_and_of_nothing_else(clips: Clips) -> None:
    for key in ("voice/17/gone.wav", "voice/17/live.wav", "voice/18/gone.wav"):
        clips.put(key, b"old")
        clips.put(key, b"new")
    for key in ("voice/17/gone.wav", "voice/18/gone.wav"):
        clips.client.delete_object(Bucket=clips.bucket, Key=key)
    clips.store.reclaim(of("17"))
    assert {key for key, _ in clips.copies()} == {"voice/17/live.wav", "voice/18/gone.wav"}
    assert len(clips.client.list_object_versions(Bucket=clips.bucket, Prefix="voice/17/")["Versions"]) == 2


def test_unfinished_uploads_are_history_and_are_aborted(clips: Clips) -> None:
    for key in ("voice/17/a.wav", "voice/18/a.wav"):
        upload = clips.client.create_multipart_upload(Bucket=clips.bucket, Key=key)
        clips.client.upload_part(Bucket=clips.bucket, Key=key, PartNumber=1, UploadId=upload["UploadId"], Body=b"half a clip")
    assert clips.store.verify(of("17")).history == 1
    assert clips.erase("17") == [1]
    assert clips.copies() == {("voice/18/a.wav", "upload")}
    clips.store.reclaim(of("18"))
    assert clips.copies() == set()


def test_suspended_versioning_leaves_null_versions_which_go_too(s3: S3) -> None:
    clips = Clips(s3, versioned=False)
    clips.put("voice/17/a.wav", b"before versions")
    for status in ("Enabled", "Suspended", "Enabled"):
        clips.client.put_bucket_versioning(Bucket=clips.bucket, VersioningConfiguration={"Status": status})
        clips.put("voice/17/a.wav", status.encode())
    clips.client.put_bucket_versioning(Bucket=clips.bucket, VersioningConfiguration={"Status": "Suspended"})
    clips.client.delete_object(Bucket=clips.bucket, Key="voice/17/a.wav")
    assert clips.located("17") == ["voice/17/a.wav"]
    clips.erase("17")
    assert clips.copies() == set()


def test_an_unversioned_bucket(s3: S3) -> None:
    clips = Clips(s3, versioned=False)
    for key in ("voice/17/a.wav", "voice/17/b.wav", "voice/18/a.wav"):
        clips.put(key)
    assert clips.erase("17") == [2]
    assert clips.copies() == {("voice/18/a.wav", "version")}


def test_a_version_that_appears_while_a_batch_is_deleted_goes_too(clips: Clips) -> None:
    clips.put("voice/17/a.wav")
    late = [b"one", b"two"]

    def write(**_: object) -> None:
        if late:
            clips.put("voice/17/a.wav", late.pop())

    clips.medium._client.meta.events.register("before-call.s3.DeleteObjects", write)
    assert clips.erase("17") == [1]
    assert not late
    assert clips.copies() == set()


def test_a_key_that_is_written_without_end_is_a_conflict(clips: Clips) -> None:
    clips.put("voice/17/a.wav")
    clips.medium._client.meta.events.register("before-call.s3.DeleteObjects", lambda **_: clips.put("voice/17/a.wav"))
    with pytest.raises(Conflict) as caught:
        clips.erase("17")
    assert caught.value.retryable


@pytest.mark.parametrize("told", ["before", "by the deletion"])
def test_a_legal_hold_refuses_and_names_itself(s3: S3, told: str) -> None:
    clips = Clips(s3, locked=True)
    for name in "abc":
        clips.put(f"voice/17/{name}.wav", b"old")
        clips.put(f"voice/17/{name}.wav", b"new")
    held = clips.client.list_object_versions(Bucket=clips.bucket, Prefix="voice/17/b.wav")["Versions"][1]["VersionId"]
    clips.client.put_object_legal_hold(Bucket=clips.bucket, Key="voice/17/b.wav", VersionId=held, LegalHold={"Status": "ON"})
    clips.medium._locks = None if told == "before" else False
    with pytest.raises(Refused) as caught:
        clips.erase("17")
    assert "17" not in str(caught.value)
    if told == "before":
        assert "legal hold" in str(caught.value)
        assert ("voice/17/a.wav", "version") not in clips.copies()
        assert len(clips.client.list_object_versions(Bucket=clips.bucket, Prefix="voice/17/b.wav")["Versions"]) == 2
    assert ("voice/17/b.wav", "version") in clips.copies()
    clips.client.put_object_legal_hold(Bucket=clips.bucket, Key="voice/17/b.wav", VersionId=held, LegalHold={"Status": "OFF"})
    clips.erase("17")
    assert clips.copies() == set()


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_retention_refuses_until_its_end(s3: S3, mode: str) -> None:
    clips = Clips(s3, locked=True)
    clips.put("voice/17/a.wav", ObjectLockMode=mode, ObjectLockRetainUntilDate=datetime.now(UTC) + timedelta(days=2))
    with pytest.raises(Refused, match="retention until 20"):
        clips.erase("17")
    assert clips.copies() == {("voice/17/a.wav", "version")}


def test_what_was_done_before_a_lock_is_announced(s3: S3) -> None:
    clips = Clips(s3, locked=True)
    for name in "ab":
        clips.put(f"voice/17/{name}.wav")
    clips.client.put_object_legal_hold(Bucket=clips.bucket, Key="voice/17/b.wav", LegalHold={"Status": "ON"})
    batches = clips.store.erase(Step("clips", Method.DELETE, of("17"), ("voice/17/a.wav", "voice/17/b.wav")))
    assert next(batches) == 1
    with pytest.raises(Refused):
        next(batches)


def test_missing_bucket_and_no_service_are_two_answers(s3: S3, relay: Relay) -> None:
    layout = [Layout("clips", "voice/{profile}/{clip}.wav")]
    missing = open_store("media", {"url": "s3://no-such-bucket"}, layout)
    for deed in (
        lambda: list(missing.locate(of("17"))),
        lambda: missing.verify(of("17")),
        missing.describe,
        lambda: missing.reclaim(of("17")),
    ):
        with pytest.raises(Drift):
            deed()
    with relay.outage():
        silent = open_store("media", {"url": "s3://bucket", "endpoint_url": f"http://127.0.0.1:{relay.port}"}, layout)
        with pytest.raises(Unavailable):
            silent.describe()


def test_no_credentials_and_no_profile_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = [Layout("clips", "voice/{profile}/{clip}.wav")]
    with pytest.raises(Refused):
        open_store("media", {"url": "s3://bucket", "profile": "nobody-has-this"}, layout)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(Refused):
        open_store("media", {"url": "s3://bucket"}, layout).describe()


def test_read_gives_bytes_and_leaves_out_what_is_gone(clips: Clips) -> None:
    clips.put("voice/17/a.wav", b"hello")
    clips.put("voice/17/b.wav", b"gone")
    clips.client.delete_object(Bucket=clips.bucket, Key="voice/17/b.wav")
    assert isinstance(clips.store, Objects)
    (record,) = clips.store.read("clips", ["voice/17/a.wav", "voice/17/b.wav", "voice/17/never.wav"])
    assert (record.body, record.filename, record.fields["profile"]) == (b"hello", "a.wav", "17")


def test_few_people_cost_few_requests(clips: Clips) -> None:
    for number in range(30):
        clips.put(f"voice/{number}/a.wav")
    begin = clips.medium.statements
    assert len(clips.located("3", "17")) == 2
    assert clips.medium.statements - begin == 6  # three listings for each prefix, not one for each object
    begin = clips.medium.statements
    clips.erase("3", "17")
    assert clips.medium.statements - begin <= 6 + 1 + 2 * 3 + 1  # locate, lock?, two rounds of (uploads, versions), one deletion


@pytest.mark.slow
def test_more_than_a_thousand_versions_of_one_key_among_many_keys(clips: Clips) -> None:
    for number in range(1, 1300):
        clips.put("voice/17/busy.wav", str(number).encode())
    for number in range(1200):
        clips.put(f"voice/{number:04}/a.wav")
    people = ("17", "0000", "0003", "0700", "1199")
    residue = clips.store.verify(of(*people))
    assert (residue.scanned, residue.live, residue.history) == (1201, 5, 1298)
    assert sum(clips.erase(*people)) == 5
    left = {key for key, _ in clips.copies()}
    assert left == {f"voice/{number:04}/a.wav" for number in range(1200)} - {f"voice/{one}/a.wav" for one in people}
