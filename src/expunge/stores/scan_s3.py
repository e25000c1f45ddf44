"""Every version of every object under a prefix of an S3 bucket, for the hunt.

A version is pinned by its id and its ETag when it is listed, and asked for by both: what changed under us is a conflict, never a mixture.
Objects are read through ranges that grow while they are read in order, so that a seek to the end of a Parquet file doesn't fetch what
lies before. Unfinished uploads can't be read by anybody and are told; so are archived objects, and, when they are opened, objects that
are encrypted with a key which only their owner has (SSE-C).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, takewhile
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from expunge.errors import Drift, PolicyInvalid, Refused
from expunge.stores.base import Part, ScannedRows
from expunge.stores.objects_s3 import Bucket
from expunge.stores.objects_s3_faults import code_of, faults
from expunge.stores.scan_s3_object import AHEAD, S3Object
from expunge.stores.scan_streams import Buffered
from expunge.stores.scan_unread import DENIED, UNREACHABLE, UNSUPPORTED

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored, for hours, before they can be read."""

VERSIONS, UPLOADS = "older versions", "unfinished uploads"
"""Ranges of the parts that tell what could not even be listed."""

_LACKING = {"AccessDenied": DENIED, "NotImplemented": UNSUPPORTED, "MethodNotAllowed": UNSUPPORTED}
"""Answers to a listing which say that the rest can be read all the same: a grant that is missing, a service that has no versions."""


def open_scan(address: str, name: str, options: Mapping[str, object]) -> S3Scan:
    """Open ``s3://bucket/prefix`` with ``endpoint_url``, ``region`` and ``profile``; the prefix is a folder or a single key.

    Raises:
        PolicyInvalid: the address names no bucket.
        Refused: there are no credentials, or no such profile.
    """
    host, _, prefix = address.split("://", 1)[1].partition("/")
    if not host or "@" in host or ":" in host:
        raise PolicyInvalid("an address in S3 is s3://bucket/prefix; credentials come from the environment or a profile", where=name)
    return S3Scan(name, host, prefix, options)


class _Client(Bucket):
    """The objects store's own connection, for requests that it doesn't send."""

    @property
    def client(self) -> Any:
        """boto3's."""
        return self._client


class S3Scan:
    """A prefix of a bucket. Implements ``Scan``."""

    def __init__(self, name: str, bucket: str, prefix: str, options: Mapping[str, object]) -> None:
        """Nothing is sent yet."""
        self._name = name
        self._bucket = {"Bucket": bucket}
        self._prefix = prefix.rstrip("/")
        self._open = _Client(name, bucket, prefix, options, batch=1)

    def parts(self) -> Iterator[Part]:
        """Versions with content in the order of keys, newest first; then uploads that were begun and not ended.

        A part is called by its whole key; ``KEY?versionId=ID`` is a version that isn't its key's current one. What may not be listed is
        told by a part with the range ``older versions`` or ``unfinished uploads``.

        Raises:
            Drift: no such bucket, or nothing lies under the prefix.
            Unavailable, Refused: as the service says.
        """
        found = not self._prefix  # an empty bucket is a true zero, a prefix that nothing has is a misspelt one
        for part in chain(self._listed(self._versions, VERSIONS), self._listed(self._uploads, UPLOADS)):
            found = found or part.range not in (VERSIONS, UPLOADS)
            yield part
        if not found:
            raise Drift("nothing lies under this prefix", where=self._name)

    def stream(self, part: Part) -> BinaryIO:
        """The version's bytes; it can be sought.

        Raises:
            Conflict: gone or overwritten since it was listed.
            Unavailable, Refused: as the service says; archived, or encrypted with a key of its owner's, is refused.
        """
        version, _, etag = part.range.partition(" ")
        asked = {**self._bucket, "Key": part.name.removesuffix(f"?versionId={version}"), "IfMatch": etag}
        if version:
            asked["VersionId"] = version
        return Buffered(S3Object(self._open.client, asked, part.size or 0, self._name), AHEAD)

    def rows(self, part: Part) -> Iterator[ScannedRows]:  # noqa: ARG002 - the Protocol's
        """A bucket has no tables.

        Raises:
            Refused: always.
        """
        raise Refused("a bucket has objects, not tables", where=self._name)

    def close(self) -> None:
        """Close the connections."""
        self._open.close()

    def _listed(self, listing: Callable[[str], Iterator[Part]], what: str) -> Iterator[Part]:
        """Everything there is of a kind; where it may not be listed, why, and instead of versions the current objects."""
        with faults(self._name, "s3:ListBucketVersions and s3:ListBucketMultipartUploads"):
            try:
                yield from self._below(listing)
            except ClientError as fault:
                if code_of(fault) not in _LACKING:
                    raise
                yield Part(self._prefix, range=what, unread=_LACKING[code_of(fault)])
                if listing == self._versions:
                    yield from self._below(self._current)

    def _below(self, listing: Callable[[str], Iterator[Part]]) -> Iterator[Part]:
        """The key that is the prefix itself (a listing by it begins with that), then what lies below it."""
        if self._prefix:
            yield from takewhile(lambda part: re.split(r"\?(?:versionId|uploadId)=", part.name)[0] == self._prefix, listing(self._prefix))
        yield from listing(f"{self._prefix}/" if self._prefix else "")

    def _versions(self, prefix: str) -> Iterator[Part]:
        for page in self._open.client.get_paginator("list_object_versions").paginate(**self._bucket, Prefix=prefix):
            for one in page.get("Versions", ()):
                version, latest = one["VersionId"], one["IsLatest"]
                name = one["Key"] if latest else f"{one['Key']}?versionId={version}"
                yield _part(one, name, "" if latest and version == "null" else version)  # some services don't know it by that name

    def _current(self, prefix: str) -> Iterator[Part]:
        for page in self._open.client.get_paginator("list_objects_v2").paginate(**self._bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                yield _part(one, one["Key"], "")

    def _uploads(self, prefix: str) -> Iterator[Part]:
        for page in self._open.client.get_paginator("list_multipart_uploads").paginate(**self._bucket, Prefix=prefix):
            for one in page.get("Uploads", ()):
                yield Part(f"{one['Key']}?uploadId={one['UploadId']}", range=one["UploadId"], unread=UNREACHABLE)


def _part(one: Mapping[str, Any], name: str, version: str) -> Part:
    archived = one.get("StorageClass") in ARCHIVED
    return Part(name, range=f"{version} {one['ETag']}", size=one["Size"], unread=UNREACHABLE if archived else "")
