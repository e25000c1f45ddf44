"""Objects in an S3 bucket, versioned or not, by boto3.

A plain delete in a versioned bucket only lays a marker on top. So a key is erased by deleting every version and every delete marker
by its version id, after its unfinished uploads were aborted, and by listing again until nothing comes. Deleting while paging through
the versions loses some of them: a batch's versions are listed whole first. Versions of a bucket whose versioning is suspended (or was
never on) carry the id ``null`` and are deleted by it like any other.
"""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from expunge.errors import Conflict, Refused
from expunge.stores.objects_medium import Entry
from expunge.stores.objects_s3_faults import GONE, code_of, fault_of, faults, hush

ROUNDS = 5  # how often a batch is listed again before we say that somebody keeps writing it
DELETE_LIMIT = 1000  # S3's own limit on one DeleteObjects request
_MODELS = botocore.loaders.create_loader()  # shared: reading S3's model anew takes 0.2 s for each store opened, from here 0.01 s
_NOT_XML = re.compile("[\x00-\x1f\ufffe\uffff]")  # what a DeleteObjects body (XML 1.0) can't say safely
_NO_LOCK = frozenset({"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"})


@dataclass(frozen=True, slots=True, repr=False)
class Copy:
    """One version, delete marker (``content`` false) or unfinished upload (``upload`` true); ``identity`` is its version or upload id."""

    key: str
    identity: str
    modified: datetime
    latest: bool = False
    content: bool = False
    upload: bool = False


class Bucket:
    """A medium of ``objects``."""

    def __init__(self, where: str, bucket: str, prefix: str, options: Mapping[str, object], *, batch: int) -> None:
        """Keys lie under ``prefix``; options are ``endpoint_url``, ``region`` and ``profile``. Nothing is sent yet.

        Raises:
            Refused: there are no credentials, or no such profile.
        """
        hush()
        self._where = where
        self._base = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._batch = batch
        self._bucket = {"Bucket": bucket}
        self._locks: bool | None = None
        self.statements = 0
        endpoint = options.get("endpoint_url")
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 3},  # the SDK's own; waiting longer is the runner's task
            connect_timeout=5,
            read_timeout=60,
            # Services other than AWS seldom have a DNS name for each bucket.
            s3={"addressing_style": "path"} if endpoint else {},
        )
        with faults(where, "open a session"):
            core = botocore.session.Session(profile=options.get("profile"))
            core.register_component("data_loader", _MODELS)
            session = boto3.Session(region_name=options.get("region"), botocore_session=core)
            self._client: Any = session.client("s3", endpoint_url=endpoint, config=config)
        self._client.meta.events.register("before-send.s3", self._count)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """ListObjectsV2 for what is live, ListObjectVersions and ListMultipartUploads for what else there is, merged by key."""
        current = self._current(prefix)
        past = (copy for copy in self._versions(prefix) if not (copy.latest and copy.content))
        merged = heapq.merge(current, past, self._uploads(prefix), key=attrgetter("key"))
        yield from _entries(merged)

    def census(self) -> Iterator[Entry]:
        """ListObjectVersions over the whole store, and its unfinished uploads."""
        yield from _entries(heapq.merge(self._versions(""), self._uploads(""), key=attrgetter("key")))

    def erase(self, keys: Sequence[str]) -> Iterator[int]:
        """Delete every copy of the keys, a batch at a time.

        Raises:
            Refused: a version is under legal hold or retention, or deleting is not permitted; the keys before it are gone and announced.
            Conflict: somebody keeps writing the keys.
        """
        for start in range(0, len(keys), self._batch):
            batch = keys[start : start + self._batch]
            free, lock = self._before_first_lock(batch)
            self._clear(batch[:free])
            if free:
                yield free
            if lock:
                raise Refused(f"a version of an object can't be deleted: {lock}; nothing of that object was touched", where=self._where)

    def read(self, key: str) -> tuple[bytes, datetime] | None:
        """GetObject of the current version."""
        with faults(self._where, "s3:GetObject"):
            try:
                answer = self._client.get_object(**self._bucket, Key=self._base + key)
                return answer["Body"].read(), answer["LastModified"].astimezone(UTC)
            except ClientError as fault:
                if code_of(fault) in GONE:
                    return None
                raise

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _count(self, **_: object) -> None:
        self.statements += 1

    def _current(self, prefix: str) -> Iterator[Copy]:
        with faults(self._where, "s3:ListBucket"):
            for page in self._client.get_paginator("list_objects_v2").paginate(**self._bucket, Prefix=self._base + prefix):
                for one in page.get("Contents", ()):
                    yield Copy(one["Key"][len(self._base) :], "", one["LastModified"].astimezone(UTC), latest=True, content=True)

    def _versions(self, prefix: str) -> Iterator[Copy]:
        with faults(self._where, "s3:ListBucketVersions"):
            for page in self._client.get_paginator("list_object_versions").paginate(**self._bucket, Prefix=self._base + prefix):
                yield from self._copies_on(page)

    def _copies_on(self, page: Mapping[str, Any]) -> Iterator[Copy]:
        """A page's versions and delete markers together, in key order."""

        def listed(name: str, *, content: bool) -> Iterator[Copy]:
            for one in page.get(name, ()):
                key, when = one["Key"][len(self._base) :], one["LastModified"].astimezone(UTC)
                yield Copy(key, one["VersionId"], when, latest=one["IsLatest"], content=content)

        yield from heapq.merge(listed("Versions", content=True), listed("DeleteMarkers", content=False), key=attrgetter("key"))

    def _uploads(self, prefix: str) -> Iterator[Copy]:
        with faults(self._where, "s3:ListBucketMultipartUploads"):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(**self._bucket, Prefix=self._base + prefix):
                for one in page.get("Uploads", ()):
                    yield Copy(one["Key"][len(self._base) :], one["UploadId"], one["Initiated"].astimezone(UTC), upload=True)

    def _copies_of(self, keys: Iterable[str]) -> list[Copy]:
        """Every version and marker of exactly these keys.

        One walk over the listing from the first key to the last. Where the next key wanted lies beyond the page, the walk jumps there: so
        keys that lie close cost a request for each 1,000 versions, and keys that lie far apart a request each.
        """
        wanted = sorted(set(keys))
        prefix = self._base + _common(wanted)
        found: list[Copy] = []
        at, markers = 0, _just_before(self._base + wanted[0])
        while at < len(wanted):
            with faults(self._where, "s3:ListBucketVersions"):
                page = self._client.list_object_versions(**self._bucket, Prefix=prefix, **markers)
            among = frozenset(wanted[at:])
            found += [copy for copy in self._copies_on(page) if copy.key in among]
            if not page.get("IsTruncated"):
                break
            reached = page["NextKeyMarker"]
            at = bisect_left(wanted, reached[len(self._base) :])
            jump = _just_before(self._base + wanted[at]) if at < len(wanted) else {}
            here = {"KeyMarker": reached, "VersionIdMarker": page["NextVersionIdMarker"]}
            markers = jump if jump.get("KeyMarker", "") > reached else here
        return found

    def _clear(self, keys: Sequence[str]) -> None:
        """List and delete until nothing of the keys is listed."""
        if not keys:
            return
        meant, prefix = frozenset(keys), _common(keys)
        for _ in range(ROUNDS):
            uploads = [copy for copy in self._uploads(prefix) if copy.key in meant]
            for upload in uploads:
                self._abort(upload)
            copies = self._copies_of(keys)
            if not copies and not uploads:
                return
            self._delete(copies)
        raise Conflict("versions of some objects kept appearing while they were being deleted", where=self._where)

    def _abort(self, upload: Copy) -> None:
        with faults(self._where, "s3:AbortMultipartUpload"):
            try:
                self._client.abort_multipart_upload(**self._bucket, Key=self._base + upload.key, UploadId=upload.identity)
            except ClientError as fault:
                if code_of(fault) not in GONE:
                    raise

    def _delete(self, copies: Sequence[Copy]) -> None:
        named = [{"Key": self._base + copy.key, "VersionId": copy.identity} for copy in copies]
        spoken = [one for one in named if not _NOT_XML.search(one["Key"])]
        with faults(self._where, "s3:DeleteObjectVersion"):
            for start in range(0, len(spoken), DELETE_LIMIT):
                chunk = {"Objects": spoken[start : start + DELETE_LIMIT], "Quiet": True}
                for error in self._client.delete_objects(**self._bucket, Delete=chunk).get("Errors", ()):
                    if error["Code"] not in GONE:
                        raise fault_of(error["Code"], 0, self._where, "s3:DeleteObjectVersion")
            for one in named:
                if _NOT_XML.search(one["Key"]):
                    self._client.delete_object(**self._bucket, **one)

    def _before_first_lock(self, keys: Sequence[str]) -> tuple[int, str]:
        """How many keys from the front nothing locks, and what locks the next one. Asked only where the bucket can lock."""
        if not self._can_lock():
            return len(keys), ""
        copies: dict[str, list[Copy]] = {}
        for copy in self._copies_of(keys):
            copies.setdefault(copy.key, []).append(copy)
        for number, key in enumerate(keys):
            for copy in copies.get(key, ()):
                if copy.content and (lock := self._lock_on(copy)):
                    return number, lock
        return len(keys), ""

    def _can_lock(self) -> bool:
        if self._locks is None:
            with faults(self._where, "s3:GetBucketObjectLockConfiguration"):
                try:
                    answer = self._client.get_object_lock_configuration(**self._bucket)
                    self._locks = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
                except ClientError as fault:
                    # Not permitted to ask: then a locked version refuses its deletion, which is told as well, only later.
                    if code_of(fault) not in _NO_LOCK | {"AccessDenied"}:
                        raise
                    self._locks = False
        return self._locks

    def _lock_on(self, copy: Copy) -> str:
        """What locks a version, in words; empty if nothing does."""
        with faults(self._where, "s3:GetObjectVersion"):
            try:
                answer = self._client.head_object(**self._bucket, Key=self._base + copy.key, VersionId=copy.identity)
            except ClientError as fault:
                if code_of(fault) in GONE:
                    return ""
                raise
        if answer.get("ObjectLockLegalHoldStatus") == "ON":
            return "legal hold"
        until = answer.get("ObjectLockRetainUntilDate")
        if until and until > datetime.now(UTC):
            return f"{answer.get('ObjectLockMode', 'retention').lower()} retention until {until.astimezone(UTC):%Y-%m-%d}"
        return ""


def _just_before(key: str) -> dict[str, str]:
    """The marker from which a listing begins with the key, or with one of the few that differ from it in the last letter only."""
    return {"KeyMarker": key[:-1]} if len(key) > 1 else {}


def _common(keys: Sequence[str]) -> str:
    """The prefix that all keys share: what the first and the last in order share."""
    first, last = min(keys), max(keys)
    return first[: next((at for at, letter in enumerate(first) if last[at : at + 1] != letter), len(first))]


def _entries(copies: Iterable[Copy]) -> Iterator[Entry]:
    """One entry for each key; copies of one key follow each other."""
    for key, group in groupby(copies, key=attrgetter("key")):
        held = list(group)
        content = [copy for copy in held if copy.content]
        live = any(copy.latest for copy in content)
        yield Entry(key, max(copy.modified for copy in content or held), live=live, history=len(held) - live)
